r"""Checks of mechanisms that start one period after contracting, at which agents know their initial types alone.

Nothing is reported at contracting, so incentives are those of the allocation periods: periodic ex post IC is checked
at every profile there (`mechopt.verification.stationary`). A strategy misreports in some periods, and each misreport
brings no more than the largest gain g of one: g / (1 - d) in all. So Bayesian IC is satisfied where that is nothing,
and else undecided.

Participation is asked for at contracting too: with V the values of truth from t = 1 on, at every profile of initial
types for periodic ex post IR, and expected over the others' for interim and periodic IR; and for periodic IR at t = 1,
where an agent knows her signal, and the others' initial types but not their signals. Gains are present values as of
t = 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from math import isfinite, prod
from typing import Any

import numpy as np

from mechopt.core.errors import InputError
from mechopt.core.numbers import FloatArray, object_array
from mechopt.mechanism.constraints import (
    BayesianIC,
    Constraint,
    Interim,
    PeriodicExPostIC,
    PeriodicExPostIR,
    PeriodicIR,
)
from mechopt.mechanism.endless.contracted import ContractedMechanism
from mechopt.verification.allowance import WORST
from mechopt.verification.independent.replay import Counterexample
from mechopt.verification.report import ConstraintCheck, Report
from mechopt.verification.rounding import (
    ExactVerdict,
    Precision,
    Status,
    Verdict,
    as_float,
    largest_value,
    tolerance_of,
)
from mechopt.verification.stationary.check import truthful_values, verify_markov
from mechopt.verification.stationary.exact import exact_values

PERIODIC = (PeriodicExPostIC(), PeriodicExPostIC(rereport=True))
CHECKED: tuple[Constraint, ...] = (*PERIODIC, BayesianIC(), Interim(), PeriodicIR(), PeriodicExPostIR())


@dataclass(frozen=True)
class ContractingCounterexample(Counterexample):
    """A type who would not take part at contracting (period 0), or when the first signals come (period 1)."""

    def __str__(self) -> str:
        others = f" while the others are {list(self.others)}" if self.others else ""
        when = "at contracting" if self.period == 0 else "at her first signal"
        return f"agent {self.agent}, {when}: the utility of type {self.true_type}{others} is {-self.gain:.6g}"


def verify_contracted(
    mechanism: ContractedMechanism, constraints: Constraint | Iterable[Constraint] | None = None, exact: bool = False
) -> Report:
    """Check a mechanism that starts one period after contracting.

    Parameters
    ----------
    mechanism : ContractedMechanism
    constraints : Constraint or several, optional
        Default: its claims, or all that need no histories where it has none.
    exact : bool
        Decide in fractions.

    Raises
    ------
    InputError
        If a constraint goes over all histories.
    LimitError
        In fractions, if there are too many type profiles.
    """
    chosen = constraints or mechanism.claims or CHECKED
    asked = [chosen] if isinstance(chosen, Constraint) else list(chosen)
    wrong = [constraint.name for constraint in asked if constraint not in CHECKED]
    if wrong:
        known = ", ".join(constraint.name for constraint in CHECKED)
        raise InputError(
            f"constraint {wrong[0]!r} goes over all histories, and the horizon is infinite; those that do not: {known}"
        )
    with np.errstate(all="ignore"):
        return Report({constraint: _check(constraint, mechanism, exact) for constraint in asked}, mechanism.environment)


def _check(constraint: Constraint, mechanism: ContractedMechanism, exact: bool) -> ConstraintCheck:
    if constraint == BayesianIC():
        return _bayesian(mechanism, exact)
    later = verify_markov(mechanism.allocation, constraint, exact)[constraint]
    if constraint in PERIODIC:
        return later
    at_contracting = _exact_participation if exact else _participation
    first = at_contracting(constraint, mechanism, tolerance_of(largest_value(mechanism.allocation.environment)))
    return first if constraint == Interim() else _worse(first, later)


def _bayesian(mechanism: ContractedMechanism, exact: bool) -> ConstraintCheck:
    """Between nothing and what one misreport after another brings: satisfied where that is nothing."""
    found = verify_markov(mechanism.allocation, PERIODIC[0], exact)[PERIODIC[0]]
    if not isfinite(found.gain):
        return found
    env = mechanism.environment
    discount = Fraction(env.discount) if env.exact is None else env.exact.discount
    gain = Fraction(found.gain) if found.exact is None else found.exact
    most = (gain + Fraction(found.rounding)) / (1 - discount)
    status = Status.SATISFIED if most <= found.tolerance else Status.UNDECIDED
    half = as_float(most / 2)
    example = None if status is Status.SATISFIED else found.counterexample
    return ConstraintCheck(status, half, half, found.tolerance, example)


Place = tuple[int, int, int, tuple[int, ...] | None]
"""Agent, period, initial type, and the others' initial types where they are known."""


def _expected(
    constraint: Constraint, mechanism: ContractedMechanism, i: int, value: Any, exact: bool
) -> Iterator[tuple[Any, Place]]:
    """Values of truth at contracting and at the first signal, and agent, period, type and others' of each.

    ``value`` is by profile of pairs (initial type, signal); floats, or fractions in an object array.
    """
    env, number = mechanism.environment, Fraction if exact else float
    source: Any = env.exact if exact and env.exact is not None else env
    first = [[number(p) for p in row] for row in source.initial_probabilities]
    signals = [
        [[number(p) for p in row] for row in (part if known.ndim > 1 else [part] * len(first[j]))]
        for j, (part, known) in enumerate(zip(source.signal_initial, env.signal_initial, strict=True))
    ]
    n, others = env.agents, [j for j in range(env.agents) if j != i]
    pairs = value.reshape([size for j in range(n) for size in (env.initial_shape[j], env.signal_shape[j])])
    kept = dict[tuple[int, ...], Any]()  # own signal left: by initial types
    for profile in product(*map(range, env.initial_shape)):
        part = pairs[tuple(index for k in profile for index in (k, slice(None)))]
        for j in reversed(others):
            row = signals[j][profile[j]]
            part = sum(p * part.take(z, axis=j) for z, p in enumerate(row) if p)
        kept[profile] = part
    for k in range(env.initial_shape[i]):
        if not first[i][k]:
            continue
        total: Any = 0
        for rest in product(*(range(env.initial_shape[j]) for j in others)):
            weight = prod(first[j][m] for j, m in zip(others, rest, strict=True))
            profile = (*rest[:i], k, *rest[i:])
            if not weight:
                continue
            row = kept[profile]
            mean = sum(p * row[z] for z, p in enumerate(signals[i][k]) if p)
            total = total + weight * mean
            if constraint == PeriodicExPostIR():
                yield mean, (i, 0, k, rest)
            if constraint == PeriodicIR():
                for z, p in enumerate(signals[i][k]):
                    if p:
                        yield row[z], (i, 1, k, rest)
        if constraint != PeriodicExPostIR():
            yield total, (i, 0, k, None)


def _precision(mechanism: ContractedMechanism, largest: float) -> Precision:
    """Rounding of an expectation at contracting of values that are at most so large.

    Each agent's signals: a probability, a product and the sum; the others' initial types: a probability and a product
    each, and the sum over their profiles.
    """
    env = mechanism.environment
    return Precision.of(sum(env.signal_shape) + prod(env.initial_shape) + 4 * env.agents, largest)


def _participation(constraint: Constraint, mechanism: ContractedMechanism, tolerance: float) -> ConstraintCheck:
    verdict, places = Verdict(tolerance), list[Place]()
    for i in range(mechanism.environment.agents):
        values = truthful_values(mechanism.allocation, i)
        value: FloatArray = values.value[0]
        largest = np.abs(value).max()
        precision = _precision(mechanism, float(largest))
        error = (1 + precision.share) * values.error[0].max() + precision.bound(largest)
        for utility, place in _expected(constraint, mechanism, i, value, exact=False):
            verdict.add(np.array([-utility]), error)
            places.append(place)
    own = verdict.answer
    example = None if own.place is None else _example(constraint, own.gain, places[own.place[0]])
    return ConstraintCheck.of(own, tolerance, example)


def _exact_participation(constraint: Constraint, mechanism: ContractedMechanism, tolerance: float) -> ConstraintCheck:
    verdict, places = ExactVerdict(tolerance), list[Place]()
    for i in range(mechanism.environment.agents):
        value = object_array(exact_values(mechanism.allocation, i)).reshape(mechanism.allocation.policy[0].shape)
        for utility, place in _expected(constraint, mechanism, i, value, exact=True):
            verdict.add(-utility, (len(places),))
            places.append(place)
    own = verdict.answer
    example = None if verdict.place is None else _example(constraint, own.gain, places[verdict.place[0]])
    return ConstraintCheck.of(own, tolerance, example)


def _example(constraint: Constraint, gain: float, place: Place) -> Counterexample:
    agent, period, true, others = place
    return ContractingCounterexample(constraint, agent, period, (), true, true, gain, others)


def _worse(first: ConstraintCheck, later: ConstraintCheck) -> ConstraintCheck:
    """Of the checks of contracting and of the allocation periods."""
    worst = max((first, later), key=lambda one: (WORST.index(one.status), one.gain))
    return replace(worst, rounding=max(first.rounding, later.rounding))
