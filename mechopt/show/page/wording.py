"""What a report says of constraints, numbers and counterexamples, in words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from mechopt.core.errors import LimitError
from mechopt.core.numbers import recognise
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.separable import SeparableTypes
from mechopt.mechanism.constraints import Constraint
from mechopt.verification.independent.replay import Counterexample

if TYPE_CHECKING:
    from mechopt.lp.build import AnyTypes

Facts = list[tuple[str, str]]
"""What is said of something, as (label, text)."""

MOST_MISREPORTS = 20
"""Of a strategy that a page lists."""

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
    "epir": "On every full path of types the utility is at least 0.",
    "prefix": "On every path of types the utility up to any period is at least 0.",
    "per-period": "In every period the utility is at least 0, whatever the types.",
    "per-period-expected": "In every period the utility that is expected before the type is known is at least 0.",
    "interim": "Every first type expects a utility of at least 0.",
    "periodic": "At every history every current type expects at least 0 from there on.",
    "expected-continuation": "At every history, before the type is known, at least 0 is expected from there on.",
    "periodic-ex-post-ir": "At every history at least 0 is expected from there on, whatever all current types are.",
}
"""Meaning of each constraint by name, in a sentence; `mechopt.mechanism.constraints` has the inequalities."""


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


@dataclass(frozen=True)
class TypeNames:
    """Names of agents, types and actions, by their index in counterexamples."""

    environment: AnyTypes

    def agent(self, i: int) -> str:
        """Number and, where she has one, name."""
        if isinstance(self.environment, IndependentTypes):
            return f"buyer {i}"
        return f"agent {_named(i, self.environment.names)}"

    def type(self, t: int, i: int, k: int) -> str:
        """Number of a type and its value or name."""
        env = self.environment
        if isinstance(env, IndependentTypes):
            return f"{k} (value {number(float(env.values[i][t][k]))})"
        if isinstance(env, SeparableTypes):
            return str(k)
        return _named(k, env.types[i][min(t, len(env.types[i]) - 1)])

    def profile(self, t: int, types: Iterable[int]) -> str:
        """All agents' types of a period."""
        return ", ".join(self.type(t, i, k) for i, k in enumerate(types))

    def action(self, t: int, a: int) -> str:
        """Number of an action and its name."""
        if isinstance(self.environment, (IndependentTypes, SeparableTypes)):
            return str(a)
        return _named(a, self.environment.action_names(t))


def _named(k: int, known: Sequence[str]) -> str:
    """A number, with its name where it has one of its own."""
    return f"{k} ({known[k]})" if k < len(known) and known[k] != str(k) else str(k)


def type_names(environment: AnyTypes) -> TypeNames:
    """Names for the indices of counterexamples.

    For separable types these are of the unfolded environment: with exclusion, which adds a last type and actions in
    period 0 to those without it. With an infinite horizon there is none, and no names.
    """
    if not isinstance(environment, SeparableTypes) or environment.horizon == "infinite":
        return TypeNames(environment)
    try:
        return TypeNames(environment.to_markov(exclusion=True))
    except LimitError:
        return TypeNames(environment.to_markov(exclusion=False))


def told(found: Counterexample, words: TypeNames) -> Facts:
    """A counterexample as (label, text)."""
    t, i = found.period, found.agent
    rows = [("who", words.agent(i)), ("when", f"period {t}" + (", the first" if t == 0 else ""))]
    actions: Any = getattr(found, "actions", ())
    for s, profile in enumerate(found.history):
        taken = f"; action {words.action(s, actions[s])}" if s < len(actions) and actions[s] is not None else ""
        rows.append((f"reports of period {s}", words.profile(s, profile) + taken))
    before = getattr(found, "before", None)
    if before is not None:
        rows.append(("types of the period before", words.profile(max(t - 1, 0), before)))
    if found.true_type is not None:
        rows.append(("true type", words.type(t, i, found.true_type)))
    if found.constraint.role == "ic" and found.report is not None:
        rows.append(("reports", words.type(t, i, found.report)))
    if found.others:
        agents = [j for j in range(len(found.others) + 1) if j != i]
        listed = (f"{words.agent(j)}: {words.type(t, j, k)}" for j, k in zip(agents, found.others, strict=True))
        rows.append(("others' types", "; ".join(listed)))
    action = getattr(found, "action", None)
    if action is not None:
        rows.append(("action", words.action(t, action)))
    for s, profile in enumerate(found.future or (), start=t + 1):
        rows.append((f"types of period {s}", words.profile(s, profile)))
    strategy: Any = getattr(found, "strategy", ())
    rows += [_misreport(step, found, words) for step in strategy[:MOST_MISREPORTS]]
    if len(strategy) > MOST_MISREPORTS:
        rows.append(("and so on", f"{len(strategy) - MOST_MISREPORTS:,} more misreports"))
    what = ("gain", number(found.gain)) if found.constraint.role == "ic" else ("utility", number(-found.gain))
    return [*rows, what]


def _misreport(step: Any, found: Counterexample, words: TypeNames) -> tuple[str, str]:
    """One place where a strategy does not tell the truth."""
    t = len(step.seen)
    true, report = words.type(t, found.agent, step.own[-1]), words.type(t, found.agent, step.report)
    seen = "; ".join(f"{s}: {list(reports)}" for s, (reports, _) in enumerate(step.seen))
    return (
        f"then in period {t}" if t else "in period 0",
        f"type {true} reports {report}" + (f" after reports {seen}" if seen else ""),
    )
