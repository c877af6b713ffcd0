"""Checks of contingent transfers."""
