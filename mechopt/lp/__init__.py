"""Linear programs over histories: columns, rows by notion, and the way back to a mechanism."""
