"""Studies with the numbers: compare mechanisms, search for worst cases."""
