"""Mechanisms for several scenarios, and the constraints on them together."""
