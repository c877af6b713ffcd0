"""Mechanisms for ever with finitely many public states."""
