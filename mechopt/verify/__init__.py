"""Checking mechanisms against notions by recursion over histories, without sight of any linear program."""
