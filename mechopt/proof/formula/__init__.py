"""Formulas with proofs: their files and their checker."""
