"""Optima of infinite horizons: brackets that hold, from programs of one period."""
