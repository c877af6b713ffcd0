"""Efficient policies and the dynamic pivot mechanism."""
