"""Lemmas of persistent types: dominance, the relaxed environment, diverse preferences."""
