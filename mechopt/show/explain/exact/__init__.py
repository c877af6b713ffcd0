"""Readable mechanisms in fractions, where the optimum is exact."""
