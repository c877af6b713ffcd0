"""Dual dynamic programming: promises that are vectors, certified from both sides."""
