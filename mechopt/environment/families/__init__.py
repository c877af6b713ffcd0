"""The environments of the papers, as functions of their parameters."""
