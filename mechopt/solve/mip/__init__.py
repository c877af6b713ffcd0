"""Deterministic optima by HiGHS's branch and bound, with a bracket that says what each of its ends rests on."""
