"""Checks of mechanisms for ever with finitely many states."""
