"""The program of the best guarantee over scenarios."""
