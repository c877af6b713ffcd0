"""Public states: what everybody sees, which the actions may steer and which may rule actions out."""
