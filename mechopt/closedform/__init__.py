"""Mechanisms of the literature written down in closed form, without sight of any linear program of ours."""
