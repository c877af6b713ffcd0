"""Certificates and their checkers, in plain fractions: nothing here knows what found them."""
