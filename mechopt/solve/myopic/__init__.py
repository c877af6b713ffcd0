"""Agents who do not look ahead, with participation in every period: one small program a state."""
