"""Errors and exact numbers, the ground under every room."""
