"""Checking mechanisms against constraints by recursion over histories, without sight of any linear program."""
