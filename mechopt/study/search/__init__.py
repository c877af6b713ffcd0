"""Instances on which a mechanism earns the smallest share of the optimum."""
