"""Checks of mechanisms on arms, whose cost grows with the arms and not with their joint states."""
