"""Rows of programs where types persist, for the checker: from the environment and the constraints alone."""
