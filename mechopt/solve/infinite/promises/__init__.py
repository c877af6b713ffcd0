"""The search over promises of infinite horizons, from both sides."""
