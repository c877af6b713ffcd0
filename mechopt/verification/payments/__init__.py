"""Checks of constraints on payments, in floats and in fractions, of mechanisms for both kinds of types."""
