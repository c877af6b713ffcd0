"""Pictures: each function takes a result and an Axes, draws, and returns the Axes."""
