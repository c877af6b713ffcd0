"""Checks where types persist."""
