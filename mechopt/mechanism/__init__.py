"""Mechanisms on a tree of histories, the constraints they may satisfy, what they yield, and their files."""
