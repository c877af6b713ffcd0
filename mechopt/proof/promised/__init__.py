"""Proofs of one buyer's optimum by promises: the certificate, and its check."""
