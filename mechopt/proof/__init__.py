"""What checks proofs: plain Python, with rows of its own, sharing nothing with what found them."""
