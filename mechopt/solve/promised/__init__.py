"""Promised-utility dynamic programming: one buyer, long horizons."""
