"""Constraints and numbers of a report, in words."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction

from mechopt.core.numbers import recognise
from mechopt.mechanism.constraints import Constraint

Facts = list[tuple[str, str]]
"""What is said of something, as (label, text)."""

MEANINGS = {
    "dic": "Truth is best at every history, in expectation over the others' current types and over the future.",
    "ex-post": "Truth is best at every history, whatever the others report in that period.",
    "ppic": "Truth is best in every period by itself, for every report does to later periods.",
    "indu": "The report of a period does not change the utility that is expected from later periods.",
    "super-dic": "Truth is best at every history, for every future turns out to be.",
    "bayesian": "From contracting on, no strategy of present and later misreports beats the truth in expectation.",
    "bayesian-actions": "As bayesian, for agents who see all past actions but not what the others reported.",
    "bayesian-own": "As bayesian, for agents who see nothing but their own types and reports.",
    "periodic-ex-post": "Truth is best at every history, whatever the others' current types are.",
    "periodic-ex-post-rereport": "As periodic-ex-post, where any type may be reported, whatever was reported before.",
    "adjacent": "No single misreport to a neighbouring type gains; a diagnosis, not enough where types persist.",
    "downward": "No single misreport to the next lower type gains; a diagnosis, not enough where types persist.",
    "myopic": "Truth is best for the utility of the current period alone, at every history.",
    "dominant": "Truth is best for agents who know all types, also those to come, whatever the others report.",
    "dominant-later": "The same from the second period on, after contracting.",
    "epir": "On every full path of types the utility is at least 0.",
    "prefix": "On every path of types the utility up to any period is at least 0.",
    "per-period": "In every period the utility is at least 0, whatever the types.",
    "per-period-expected": "In every period the utility that is expected before the type is known is at least 0.",
    "interim": "Every first type expects a utility of at least 0.",
    "periodic": "At every history every current type expects at least 0 from there on.",
    "expected-continuation": "At every history, before the type is known, at least 0 is expected from there on.",
    "ex-ante": "Before the first types are known, utilities of at least 0 are expected.",
    "periodic-ex-post-ir": "At every history at least 0 is expected from there on, whatever all current types are.",
}
"""Meaning of each constraint by name, in a sentence; `mechopt.mechanism.constraints` has the inequalities."""
LIMITS = {
    "no-money": "Nobody pays anything.",
    "no-subsidy": "No payment is below 0.",
    "payment-cap": "No payment is above the amount.",
    "budget": "On no full path are payments worth more than the amount.",
    "prefix-budget": "On no path are payments up to any period worth more than the amount.",
    "weak-budget-balance": "Payments of a period cover the cost of what is done.",
    "strong-budget-balance": "Payments of a period are the cost of what is done.",
    "ex-ante-budget-balance": "Payments are expected to cover the costs.",
    "deterministic": "Nothing is drawn.",
}
"""The same of constraints on payments, by label."""


def meaning(constraint: Constraint) -> str:
    """Meaning of a constraint, in a sentence."""
    return MEANINGS.get(constraint.name) or LIMITS[constraint.name.partition(":")[0]]


def number(value: float, digits: int = 6) -> str:
    """A number for people; a dash where it is unknown, a proper minus sign.

    Examples
    --------
    >>> number(-0.25), number(float("nan"))
    ('−0.25', '–')
    """
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value + 0.0:.{digits}g}".replace("-", "−")


def share(value: float) -> str:
    """A share of the optimum with four places; a dash where it is unknown."""
    return "–" if math.isnan(value) else f"{value:.4f}".replace("-", "−")


def looks_like(value: float) -> str:
    """The simple fraction that a number looks like, as text; nothing for whole numbers."""
    fraction = recognise(value)
    return "" if fraction is None or fraction.denominator == 1 else str(fraction)


def short_fraction(value: Fraction, longest: int = 60) -> str:
    """A fraction in full, or its size where it is long."""
    text = str(value)
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text):,} characters)"


def names(constraints: Iterable[Constraint]) -> str:
    """Constraints as on the command line."""
    return " + ".join(constraint.name for constraint in constraints) or "none"
