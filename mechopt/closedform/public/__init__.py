"""Pivot mechanisms of separable environments whose tables depend on the period and on public states."""
