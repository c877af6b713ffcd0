"""Optima as functions of a parameter: found, shown as text, compared with closed forms, lined up over horizons."""
