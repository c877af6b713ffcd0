"""Checks of menus of contracts, from which one buyer chooses for herself."""
