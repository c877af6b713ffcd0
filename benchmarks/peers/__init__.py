"""The raw form of the one-buyer screening problem, written in each peer library."""
