"""Mechanisms on a tree of histories, the notions they may satisfy, what they yield, and their files."""
