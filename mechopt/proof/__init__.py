"""Exact proofs of optimality: their files and their checker, which shares nothing with what found them."""
