"""Environments from data."""
