"""Linear programs over histories: columns, rows by constraint, and the way back to a mechanism."""
