"""Environments: who buys what, with which types; frozen values over read-only arrays."""
