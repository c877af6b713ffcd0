"""Budgets that balance: the efficient mechanism that does, and any mechanism made to."""
