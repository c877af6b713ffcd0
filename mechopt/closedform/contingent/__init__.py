"""Transfers contingent on what the others report next, for interdependent values."""
