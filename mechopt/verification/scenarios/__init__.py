"""Checks of what a mechanism does in several scenarios."""
