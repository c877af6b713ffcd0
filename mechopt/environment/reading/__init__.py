"""Readers of users' data, from Python or files, to exact numbers and arrays, with every fault at once."""
