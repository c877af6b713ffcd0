"""Solving programs, and what is proved about the answers."""
