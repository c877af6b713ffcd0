"""Results on a terminal and as JSON."""
