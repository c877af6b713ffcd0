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
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import prod
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
from mechopt.verification.independent.replay import Counterexample
from mechopt.verification.report import ConstraintCheck, Report
from mechopt.verification.rounding import UNIT, ExactVerdict, Verdict, largest_value, tolerance_of
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
    check = _exact_participation if exact else _participation
    checks = dict[Constraint, ConstraintCheck]()
    for constraint in asked:
        if constraint in PERIODIC:
            checks[constraint] = verify_markov(mechanism.allocation, constraint, exact)[constraint]
        elif constraint == BayesianIC():
            checks[constraint] = _bayesian(mechanism, exact)
        else:
            checks[constraint] = check(
                constraint, mechanism, tolerance_of(largest_value(mechanism.allocation.environment))
            )
    return Report(checks, mechanism.environment)


def _bayesian(mechanism: ContractedMechanism, exact: bool) -> ConstraintCheck:
    """Satisfied where one misreport after another brings nothing."""
    found = verify_markov(mechanism.allocation, PERIODIC[0], exact)[PERIODIC[0]]
    most = (found.gain + found.rounding) / (1 - mechanism.environment.discount)
    verdict = Verdict(found.tolerance)
    verdict.add(np.array([most / 2]), np.array([most / 2 * (1 + 8 * UNIT)]))
    return ConstraintCheck.of(verdict.answer, found.tolerance, found.counterexample)


Places = Iterator[tuple[Any, tuple[int, int, int, tuple[int, ...] | None]]]


def _expected(constraint: Constraint, mechanism: ContractedMechanism, i: int, value: Any, exact: bool) -> Places:
    """Values of truth at contracting and at the first signal, and agent, period, type and others' of each.

    ``value`` is by profile of pairs (initial type, signal); floats, or fractions in an object array.
    """
    env = mechanism.environment
    source: Any = env.exact if exact and env.exact is not None else env
    distributions = [
        [
            [
                Fraction(p) if exact else p
                for p in (source.signal_initial[j][k] if distribution.ndim > 1 else source.signal_initial[j])
            ]
            for k in range(env.initial_shape[j])
        ]
        for j, distribution in enumerate(env.signal_initial)
    ]
    first = [[Fraction(p) if exact else p for p in row] for row in source.initial_probabilities]
    n, others = env.agents, [j for j in range(env.agents) if j != i]
    pairs = value.reshape([size for j in range(n) for size in (env.initial_shape[j], env.signal_shape[j])])
    kept = dict[tuple[int, ...], Any]()  # own signal left: by initial types
    for profile in product(*map(range, env.initial_shape)):
        part = pairs[tuple(index for k in profile for index in (k, slice(None)))]
        for j in reversed(others):
            weights = distributions[j][profile[j]]
            part = sum(p * part.take(z, axis=j) for z, p in enumerate(weights) if p) if n > 1 else part
            part = np.asarray(part)
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
            mean = sum(p * row[z] for z, p in enumerate(distributions[i][k]) if p)
            total = total + weight * mean
            if constraint == PeriodicExPostIR():
                yield mean, (i, 0, k, rest)
            if constraint == PeriodicIR():
                for z, p in enumerate(distributions[i][k]):
                    if p:
                        yield row[z], (i, 1, k, rest)
        if constraint != PeriodicExPostIR():
            yield total, (i, 0, k, None)


def _participation(constraint: Constraint, mechanism: ContractedMechanism, tolerance: float) -> ConstraintCheck:
    verdict, places = Verdict(tolerance), list[tuple[int, int, int, tuple[int, ...] | None]]()
    env = mechanism.environment
    roundings = 4 * (sum(env.initial_shape) + sum(env.signal_shape) + 4 * env.agents)
    for i in range(env.agents):
        values = truthful_values(mechanism.allocation, i)
        value: FloatArray = values.value[0]
        error = float(values.error[0].max()) + roundings * UNIT * float(np.abs(value).max())
        for utility, place in _expected(constraint, mechanism, i, value, exact=False):
            verdict.add(np.array([-float(utility)]), np.array([error * (1 + roundings * UNIT)]))
            places.append(place)
    own = verdict.answer
    example = None if own.place is None else _example(constraint, own.gain, places[own.place[0]])
    found = ConstraintCheck.of(own, tolerance, example)
    return _worse(found, mechanism, constraint, exact=False)


def _exact_participation(constraint: Constraint, mechanism: ContractedMechanism, tolerance: float) -> ConstraintCheck:
    verdict, at = ExactVerdict(tolerance), None
    for i in range(mechanism.environment.agents):
        value = object_array(exact_values(mechanism.allocation, i)).reshape(mechanism.allocation.policy[0].shape)
        for utility, place in _expected(constraint, mechanism, i, value, exact=True):
            at = place if -utility > verdict.gain else at
            verdict.add(-utility, ())
    own = verdict.answer
    found = ConstraintCheck.of(own, tolerance, None if at is None else _example(constraint, own.gain, at))
    return _worse(found, mechanism, constraint, exact=True)


def _example(
    constraint: Constraint, gain: float, place: tuple[int, int, int, tuple[int, ...] | None]
) -> Counterexample:
    agent, period, true, others = place
    return ContractingCounterexample(constraint, agent, period, (), true, true, gain, others)


def _worse(
    found: ConstraintCheck, mechanism: ContractedMechanism, constraint: Constraint, exact: bool
) -> ConstraintCheck:
    """The worse of contracting and the allocation periods, where the constraint speaks of these."""
    if constraint == Interim():
        return found
    later = verify_markov(mechanism.allocation, constraint, exact)[constraint]
    if found.holds and later.holds:
        return later if later.gain > found.gain else found
    if found.holds != later.holds:
        return later if found.holds else found
    return later if later.gain - later.rounding > found.gain - found.rounding else found
