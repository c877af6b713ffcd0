"""Checks of mechanisms whose actions and transfers depend on current reports and the period alone."""
