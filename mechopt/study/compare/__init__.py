"""Mechanisms side by side on one environment."""
