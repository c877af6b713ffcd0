"""Identical buyers: the program on orbits of histories, and its mechanisms."""
