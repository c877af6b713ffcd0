"""Checks where types are independent across periods."""
