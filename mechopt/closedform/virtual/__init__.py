"""The virtual pivot mechanism and contracts for an initial signal."""
