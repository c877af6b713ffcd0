"""Checks of a mechanism on arms without its joint chain.

All gains are bounded arm by arm (`mechopt.verification.arms.bounds`): where that is at most the tolerance the
constraint is satisfied, whatever the joint state. Else, where joint states are few, the mechanism is written out and
checked at all of them (`mechopt.verification.stationary`); where they are not, some are looked at, each without the
joint chain (`mechopt.verification.arms.search`): the worst one is a counterexample, or the gain is left open between
the two ends.

- Periodic ex post IC, with or without re-reports (any state may be reported): after any history, whatever the others'
  states are; one misreport at a time (the one-shot deviation principle).
- Periodic ex post IR: at every joint state that truth leads to. Interim IR: expected over the others' first states.
  Periodic IR lies between: it is satisfied where the first is, violated where the second one is.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from mechopt.core.errors import InputError, LimitError
from mechopt.mechanism.constraints import (
    Constraint,
    Interim,
    PeriodicExPostIC,
    PeriodicExPostIR,
    PeriodicIR,
)
from mechopt.mechanism.endless.arms import ArmsMechanism
from mechopt.verification.arms import search
from mechopt.verification.arms.bounds import bounds, well_formed
from mechopt.verification.arms.exact import exact_bounds, exact_first, exact_gain, exact_utility
from mechopt.verification.report import ConstraintCheck, Report
from mechopt.verification.rounding import Answer, ExactVerdict, Status, Verdict, as_float, largest_value, tolerance_of
from mechopt.verification.stationary.check import verify_markov
from mechopt.verification.stationary.replay import MarkovCounterexample

MISREPORTS: tuple[Constraint, ...] = (PeriodicExPostIC(), PeriodicExPostIC(rereport=True))
MAX_WRITTEN = 1_000
"""Joint states up to which a mechanism is written out where bounds by arm do not decide."""
CHECKED: tuple[Constraint, ...] = (*MISREPORTS, Interim(), PeriodicIR(), PeriodicExPostIR())


def verify_arms(
    mechanism: ArmsMechanism, constraints: Constraint | Iterable[Constraint] | None = None, exact: bool = False
) -> Report:
    """Check a mechanism on arms.

    Parameters
    ----------
    mechanism : ArmsMechanism
    constraints : Constraint or several, optional
        Default: its claims, or all that are checked where it has none.
    exact : bool
        Bound gains in fractions, and decide on a counterexample in fractions: tables are the floats that they are,
        values and moves those of the environment.

    Raises
    ------
    InputError
        If a constraint goes over all histories.
    LimitError
        In fractions, if there are too many products.
    """
    chosen = constraints or mechanism.claims or CHECKED
    asked = [chosen] if isinstance(chosen, Constraint) else list(chosen)
    wrong = [constraint.name for constraint in asked if constraint not in CHECKED]
    if wrong:
        known = ", ".join(constraint.name for constraint in CHECKED)
        raise InputError(f"constraint {wrong[0]!r} is not checked on arms; those that are: {known}")
    tolerance = tolerance_of(largest_value(mechanism.environment))
    checker = (_Fractions if exact else _Floats)(mechanism, tolerance)
    return Report({constraint: checker.check(constraint) for constraint in asked}, mechanism.environment)


class _Checker:
    """Common part of both ways of counting: which bounds, and where to look."""

    exact = False

    def __init__(self, m: ArmsMechanism, tolerance: float) -> None:
        self.m, self.tolerance = m, tolerance
        self.bounds = self.bounded() if well_formed(m) else None

    def bounded(self) -> Any:
        raise NotImplementedError

    def check(self, constraint: Constraint) -> ConstraintCheck:
        if constraint == Interim():
            return self.interim(constraint)
        if constraint == PeriodicIR():
            first = self.interim(constraint)
            if first.status is Status.VIOLATED:
                return first
        upper, rounding = self.upper(constraint)
        most = as_float(upper + rounding)
        if upper + rounding <= self.tolerance:
            return ConstraintCheck.of(Answer(Status.SATISFIED, as_float(upper), rounding, None), self.tolerance, None)
        if prod(self.m.environment.shape[0]) <= MAX_WRITTEN:
            with suppress(LimitError):
                return verify_markov(self.m.to_mechanism(), constraint, self.exact)[constraint]
        enough = self.tolerance + 2 * search.error_of(self.m)
        of = search.worst_misreport if constraint in MISREPORTS else search.worst_utility
        found = of(self.m, enough)
        if found is None:
            return ConstraintCheck.of(Answer(Status.UNDECIDED, 0.0, most, None), self.tolerance, None)
        gain, off, in_fractions = self.gain(constraint, found)
        example = counterexample(constraint, found._replace(gain=gain))
        if gain - off > self.tolerance and constraint != PeriodicIR():
            return ConstraintCheck.of(Answer(Status.VIOLATED, gain, off, None, in_fractions), self.tolerance, example)
        least = max(gain, 0.0)
        return ConstraintCheck.of(Answer(Status.UNDECIDED, least, most - least, None), self.tolerance, example)

    def upper(self, constraint: Constraint) -> tuple[Any, float]:
        raise NotImplementedError

    def gain(self, constraint: Constraint, found: search.Found) -> tuple[float, float, Fraction | None]:
        raise NotImplementedError

    def interim(self, constraint: Constraint) -> ConstraintCheck:
        raise NotImplementedError


class _Floats(_Checker):
    """Floats with bounds of rounding."""

    def bounded(self) -> Any:
        return bounds(self.m)

    def upper(self, constraint: Constraint) -> tuple[float, float]:
        if self.bounds is None:
            return np.inf, 0.0
        gains = self.bounds.misreport if constraint in MISREPORTS else self.bounds.shortfall
        worst = int((gains + self.bounds.rounding).argmax())
        return max(float(gains[worst]), 0.0), float(self.bounds.rounding[worst])

    def gain(self, constraint: Constraint, found: search.Found) -> tuple[float, float, Fraction | None]:
        return found.gain, search.error_of(self.m), None

    def interim(self, constraint: Constraint) -> ConstraintCheck:
        verdict, places = Verdict(self.tolerance), search.at_first(self.m)
        off = search.error_of(self.m)
        verdict.add(np.array([-utility for _, _, utility in places]), np.full(len(places), off))
        answer, example = verdict.answer, None
        if answer.place is not None:
            i, s, _ = places[answer.place[1]]
            example = MarkovCounterexample(constraint, i, 0, (), s, s, answer.gain)
        return ConstraintCheck.of(answer, self.tolerance, example)


class _Fractions(_Checker):
    """The same in fractions; where to look is found in floats."""

    exact = True

    def bounded(self) -> Any:
        return exact_bounds(self.m)

    def upper(self, constraint: Constraint) -> tuple[Any, float]:
        if self.bounds is None:
            return np.inf, 0
        worst = max(misreport if constraint in MISREPORTS else shortfall for misreport, shortfall in self.bounds)
        return max(worst, Fraction(0)), 0

    def gain(self, constraint: Constraint, found: search.Found) -> tuple[float, float, Fraction | None]:
        of = exact_gain if constraint in MISREPORTS else exact_utility
        gain = of(self.m, found.agent, found.state)
        return as_float(gain), 0.0, gain

    def interim(self, constraint: Constraint) -> ConstraintCheck:
        verdict, example = ExactVerdict(self.tolerance), None
        for i, s, utility in exact_first(self.m):
            verdict.add(-utility, (i, s))
        answer = verdict.answer
        if verdict.place is not None:
            i, s = verdict.place
            example = MarkovCounterexample(constraint, i, 0, (), s, s, answer.gain)
        return ConstraintCheck.of(answer, self.tolerance, example)


def counterexample(constraint: Constraint, found: search.Found) -> MarkovCounterexample:
    """Where a misreport gains, or a utility is below 0; at any time."""
    i, state = found.agent, found.state
    others = tuple(s for j, s in enumerate(state) if j != i)
    return MarkovCounterexample(constraint, i, 0, (), state[i], found.report, found.gain, others)
