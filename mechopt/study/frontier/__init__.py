"""Revenue against welfare or utility."""
