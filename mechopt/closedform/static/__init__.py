"""Mechanisms of one period, and their repetition."""
