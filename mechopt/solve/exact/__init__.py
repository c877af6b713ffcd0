"""From a float basis to a proved exact optimum."""
