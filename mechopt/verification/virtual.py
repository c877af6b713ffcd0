r"""Checks of the virtual pivot with an infinite horizon, contract by contract.

After initial reports k' of all, weights, cost and the included agents S are fixed, and what an included agent i pays in
a period depends on the action a and the others' signals alone, by (22):

.. math:: P(a, z_{-i}) = \frac{1}{\alpha_i} \bigl[ W_{-i}(z_{-i}) - \sum_{j \ne i} w_j(a, z_j) - \beta_i(a) + c(a)
    - d \mathbb{E} W_{-i}(z_{-i}') \bigr].

So whatever she reports again, she picks actions at these prices, and her best strategy is the dynamic program

.. math:: V(z) = \max_a v_i(a; k, z_i) - P(a, z_{-i}) + d \mathbb{E}[V(z') | a, z],

over all actions where she may report her initial type again, since what she picks is then what her true type is given;
and else over those that some report of her signal brings with the type that she reported at contracting. Truth is its
own policy at these prices. All are computed here from the prices, W_-i anew from the weighted values; residuals over
1 - d bound what they are off by. Contracting adds upfront payments. In fractions: `mechopt.verification.virtual_exact`.

- Periodic ex post IC, with re-reports or without: at contracting for all reports, types and others' types, with the
  best strategy afterwards, and at every profile of signals after truthful contracting.
- Bayesian IC, without re-reports: at contracting, expected over the others' initial types, with the best strategy of
  who does not know the others' current signals (`mechopt.verification.virtual_uninformed`). Where her signals cannot
  move everywhere, reports may be ruled out: this constraint and periodic ex post IC are then undecided between what all
  reports and what true signals bring.
- Participation at contracting (others' types known, or expected), and at profiles of signals that truth leads to.

Gains are present values as of contracting. Source: Kakade, Lobel and Nazerzadeh (2013), (22) and Lemma 4.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from mechopt.core.errors import InputError
from mechopt.core.numbers import VERIFY_TOLERANCE, FloatArray
from mechopt.mechanism.constraints import (
    BayesianIC,
    Constraint,
    Interim,
    PeriodicExPostIC,
    PeriodicExPostIR,
    PeriodicIR,
)
from mechopt.verification.dispatch import constraint_checks
from mechopt.verification.independent.replay import Counterexample
from mechopt.verification.report import ConstraintCheck, Report
from mechopt.verification.rounding import UNIT, Answer, Verdict
from mechopt.verification.virtual_exact import Place, exact_gains
from mechopt.verification.virtual_uninformed import ahead, uninformed

CLOSE, MAX_SWEEPS = 1e-15, 200_000
CHECKED: tuple[Constraint, ...] = (
    PeriodicExPostIC(),
    PeriodicExPostIC(rereport=True),
    BayesianIC(),
    Interim(),
    PeriodicIR(),
    PeriodicExPostIR(),
)


@dataclass(frozen=True)
class VirtualCounterexample(Counterexample):
    """One violation, at contracting (period 0) or later; types are initial types."""

    def __str__(self) -> str:
        others = f" while the others are {list(self.others)}" if self.others else ""
        when = "at contracting" if self.period == 0 else "after contracting"
        if self.constraint.role == "ic":
            return f"agent {self.agent}, {when}: type {self.true_type} reports {self.report}{others}, {self.gain:.6g}"
        return f"agent {self.agent}, {when}: the utility of type {self.true_type}{others} is {-self.gain:.6g}"


class _Contract(NamedTuple):
    """One agent's problem after initial reports; axes of values: signals of the members, hers first.

    ``best`` is by her true initial type, of any strategy that may report the initial type again, ``direct`` of those
    that may not, ``plain`` of reporting true signals; ``blind`` by her first signal, of those that may not and do not
    know the others' current signals, where they are asked for; ``error`` bounds what values are off by.
    """

    truth: FloatArray
    best: dict[int, FloatArray]
    direct: dict[int, FloatArray]
    plain: dict[int, FloatArray]
    blind: dict[int, FloatArray]
    reached: Any
    expected: FloatArray
    error: float


def verify_virtual(
    mechanism: Any, constraints: Constraint | Iterable[Constraint] | None = None, exact: bool = False
) -> Report:
    """Check a virtual pivot: over histories with a finite horizon, contract by contract with an infinite one.

    Parameters
    ----------
    mechanism : VirtualPivot
    constraints : Constraint or several, optional
        Default: periodic ex post IC, Bayesian IC, and interim, periodic and periodic ex post IR.
    exact : bool
        Decide in fractions: of the mechanism that the formulas give with the environment's exact numbers, at the policy
        and with the agents included that were found in floats.

    Raises
    ------
    InputError
        If a constraint asks for a finite horizon.
    LimitError
        In fractions, if there are too many contracts or profiles of signals.
    """
    env = mechanism.environment
    if env.horizon != "infinite":
        return constraint_checks(mechanism.to_mechanism(), constraints, exact)
    asked = [constraints] if isinstance(constraints, Constraint) else list(constraints or CHECKED)
    wrong = [constraint.name for constraint in asked if constraint not in CHECKED]
    if wrong:
        known = ", ".join(constraint.name for constraint in CHECKED)
        raise InputError(
            f"constraint {wrong[0]!r} goes over all histories, and the horizon is infinite; those that do not: {known}"
        )
    largest = max(float(np.abs(table).max()) for table in env.value_tables) / (1 - env.discount)
    if exact:
        found = exact_gains(mechanism, asked, VERIFY_TOLERANCE * largest)
        return Report({name: _exact_check(name, *found[name], VERIFY_TOLERANCE * largest) for name in asked})
    contracts = {
        (i, profile): _contract(mechanism, profile, i, BayesianIC() in asked)
        for i in range(env.agents)
        for profile in product(*map(range, env.initial_shape))
    }
    return Report({name: _check(name, mechanism, contracts, VERIFY_TOLERANCE * largest) for name in asked})


def _exact_check(constraint: Constraint, answer: Answer, place: Place | None, tolerance: float) -> ConstraintCheck:
    example = None
    if place is not None:
        i, period, true, report, at = place
        example = VirtualCounterexample(constraint, i, period, (), true, report, answer.gain, at)
    return ConstraintCheck.of(answer, tolerance, example)


def _contract(pivot: Any, profile: tuple[int, ...], i: int, blindly: bool) -> _Contract | None:
    """The problem of agent i after these reports; None where she is excluded."""
    env, here = pivot.environment, pivot.phase(profile)
    if i not in here.members:
        return None
    d, members = env.discount, [i, *(j for j in here.members if j != i)]
    kernels = [env.signal_kernel[j] for j in members]
    weighted = [pivot.virtual[j].flow(profile[j], env.value_tables[j][:, profile[j]]) for j in members]
    cost = env.cost
    others = _spread(weighted[1:], cost)
    without, off = _best(others, kernels[1:], d)
    alpha, beta = float(pivot.virtual[i].alpha[profile[i]]), pivot.virtual[i].beta[profile[i]]
    later = d * ahead(without, kernels[1:])
    price = (without - others - beta.reshape(-1, *(1,) * without.ndim) - later) / alpha
    best, direct, plain, blind = (dict[int, FloatArray]() for _ in range(4))
    error = 4 * off / alpha
    policy = np.moveaxis(here.policy[0], here.members.index(i), 0)
    brought = np.array([(policy == a).any(axis=0) for a in range(len(cost))])  # action, others' signals
    for k in range(env.initial_shape[i]):
        own = env.value_tables[i][:, k]
        flow = own.reshape(*own.shape, *(1,) * without.ndim) - np.expand_dims(price, 1)
        best[k], wrong = _best(flow, kernels, d)
        error = max(error, wrong + 4 * off / alpha)
        direct[k], wrong = _best(np.where(np.expand_dims(brought, 1), flow, -np.inf), kernels, d)
        error = max(error, wrong + 4 * off / alpha)
        plain[k], wrong = _best(flow, kernels, d, policy)
        error = max(error, wrong + 4 * off / alpha)
        if blindly:
            first = [env.signal_initial[j] for j in members[1:]]
            blind[k], wrong = uninformed(flow, kernels, policy, first, d)
            error = max(error, wrong + 4 * off / alpha)
    reached = _reached(policy, kernels, [env.signal_initial[j] for j in members])
    truth = plain[profile[i]]
    expected = _least_expected(truth, policy, kernels, reached, env, members)
    return _Contract(truth, best, direct, plain, blind, reached, expected, error)


def _spread(tables: Sequence[FloatArray], cost: FloatArray) -> FloatArray:
    """Sum of tables ``(action, own signal)`` less the cost, ``(action, *signals)``."""
    total: FloatArray = -cost.reshape(-1, *(1,) * len(tables))
    for place, table in enumerate(tables):
        total = total + table.reshape(len(table), *(table.shape[1] if q == place else 1 for q in range(len(tables))))
    return total


def _best(flow: FloatArray, kernels: Sequence[FloatArray], d: float, policy: Any = None) -> tuple[FloatArray, float]:
    """Value of the best actions, or of a policy, for ever; and what it may be off by."""
    value, change = np.zeros(flow.shape[1:]), np.inf
    for _ in range(MAX_SWEEPS):
        total = np.broadcast_to(flow + d * ahead(value, kernels), (len(flow), *value.shape))
        after = total.max(axis=0) if policy is None else np.take_along_axis(total, policy[None], axis=0)[0]
        last, change = change, float(np.abs(after - value).max())
        value = after
        if change <= CLOSE * max(float(np.abs(value).max()), 1e-300) or (change >= last and change < 1e-11):
            break
    depth = 4 * (sum(k.shape[-1] for k in kernels) + 8)
    size = float(np.abs(flow[np.isfinite(flow)]).max(initial=0.0))
    rounding = depth * UNIT * (size + float(np.abs(value).max()))
    return value, (change + rounding) / (1 - d)


def _reached(policy: Any, kernels: Sequence[FloatArray], first: Sequence[FloatArray]) -> Any:
    """Whether truth leads to a profile of signals."""
    reached = np.ones((), dtype=bool)
    for distribution in first:
        reached = np.multiply.outer(reached, distribution > 0)
    while True:
        more = reached.copy()
        for a in np.unique(policy[reached]):
            part = (reached & (policy == a)).astype(np.float64)
            for place, kernel in enumerate(kernels):
                moved = np.tensordot(part, (kernel[a] > 0).astype(np.float64), axes=(place, 0))
                part = np.moveaxis(moved, -1, place)
            more |= part > 0
        if (more == reached).all():
            return reached
        reached = more


def _least_expected(
    truth: FloatArray, policy: Any, kernels: Sequence[FloatArray], reached: Any, env: Any, members: Sequence[int]
) -> FloatArray:
    """Values of truth by own signal, expected over the others' signals, at first and after each profile reached."""
    rows, first = list[float](), truth
    for j in members[1:]:
        first = np.tensordot(first, env.signal_initial[j], axes=(1, 0))
    rows += first[env.signal_initial[members[0]] > 0].tolist()
    later = np.broadcast_to(truth, (len(kernels[0]), *truth.shape))
    for place, kernel in enumerate(kernels[1:], 1):
        last = np.moveaxis(later, place + 1, -1)
        later = np.moveaxis(np.einsum("a...l,akl->a...k", last, kernel), -1, place + 1)
    for before in zip(*np.nonzero(reached), strict=True):
        a = int(policy[before])
        possible = kernels[0][a, before[0]] > 0
        rows += later[a][(possible, *before[1:])].tolist()
    return np.array(rows)


def _check(
    constraint: Constraint, pivot: Any, contracts: dict[tuple[int, tuple[int, ...]], _Contract | None], tolerance: float
) -> ConstraintCheck:
    verdict, places = Verdict(tolerance), list[tuple[int, int, int, int, tuple[int, ...] | None]]()
    env = pivot.environment
    how = "blind" if constraint == BayesianIC() else "direct"
    how = "best" if constraint == PeriodicExPostIC(rereport=True) else how
    for i in range(env.agents):
        distribution = [p for j, p in enumerate(env.initial_probabilities) if j != i]
        others = list(product(*(range(n) for j, n in enumerate(env.initial_shape) if j != i)))
        weight = [float(np.prod([p[k] for p, k in zip(distribution, o, strict=True)])) for o in others]
        for true in range(env.initial_shape[i]):
            honest = [_utility(pivot, contracts, i, true, true, o, "truth") for o in others]
            if constraint.role == "ir":
                _add_participation(
                    verdict, places, constraint, contracts, i, true, others, weight, honest, env.discount
                )
                continue
            for report in range(env.initial_shape[i]):
                told = [_utility(pivot, contracts, i, true, report, o, how) for o in others]
                gains = [(t[0] - h[0], t[1] + h[1]) for t, h in zip(told, honest, strict=True)]
                if how != "best" and not _everywhere(env, i):
                    least = [_utility(pivot, contracts, i, true, report, o, "plain")[0] for o in others]
                    spread = [(t[0] - low) / 2 for t, low in zip(told, least, strict=True)]
                    gains = [(g - half, e + half) for (g, e), half in zip(gains, spread, strict=True)]
                if constraint == BayesianIC():
                    gains = [
                        (float(np.dot(weight, [g for g, _ in gains])), float(np.dot(weight, [e for _, e in gains])))
                    ]
                for place, (gain, error) in enumerate(gains):
                    verdict.add(np.array([gain]), np.array([error]))
                    places.append((i, 0, true, report, None if constraint == BayesianIC() else others[place]))
            if constraint != BayesianIC():
                for o in others:
                    found = contracts[i, _profile(i, true, o)]
                    if found is not None:
                        gain = env.discount * float((getattr(found, how)[true] - found.truth).max())
                        verdict.add(np.array([gain]), np.array([2 * found.error]))
                        places.append((i, 1, true, true, o))
    answer, example = verdict.answer, None
    if answer.place is not None:
        i, period, true, report, at = places[answer.place[0]]
        example = VirtualCounterexample(constraint, i, period, (), true, report, answer.gain, at)
    return ConstraintCheck.of(answer, tolerance, example)


def _everywhere(env: Any, i: int) -> bool:
    """Whether no report of a signal is ever ruled out by those before."""
    return bool((env.signal_initial[i] > 0).all() and (env.signal_kernel[i] > 0).all())


def _profile(i: int, own: int, others: Sequence[int]) -> tuple[int, ...]:
    return (*others[:i], own, *others[i:])


def _utility(
    pivot: Any, contracts: Any, i: int, true: int, report: int, others: Sequence[int], how: str
) -> tuple[float, float]:
    """Utility as of contracting, of truth or a best strategy after a report, and what it may be off by."""
    env, profile = pivot.environment, _profile(i, report, others)
    found, upfront = contracts[i, profile], float(pivot.upfront[i][profile])
    if found is None:
        return -upfront, UNIT * abs(upfront)
    value = found.truth if how == "truth" else getattr(found, how)[true]
    for j in [i, *(j for j in pivot.phase(profile).members if j != i and how != "blind")]:
        value = np.tensordot(env.signal_initial[j], value, axes=(0, 0))
    total = env.discount * float(value) - upfront
    return total, found.error + 8 * UNIT * (abs(upfront) + abs(total))


def _add_participation(
    verdict: Verdict,
    places: list[tuple[int, int, int, int, tuple[int, ...] | None]],
    constraint: Constraint,
    contracts: Any,
    i: int,
    true: int,
    others: Sequence[tuple[int, ...]],
    weight: Sequence[float],
    honest: Sequence[tuple[float, float]],
    d: float,
) -> None:
    if constraint == PeriodicExPostIR():
        for o, (utility, error) in zip(others, honest, strict=True):
            verdict.add(np.array([-utility]), np.array([error]))
            places.append((i, 0, true, true, o))
    else:
        mean = float(np.dot(weight, [utility for utility, _ in honest]))
        verdict.add(np.array([-mean]), np.array([max(error for _, error in honest)]))
        places.append((i, 0, true, true, None))
    for o in others if constraint != Interim() else ():
        found = contracts[i, _profile(i, true, o)]
        if found is not None:
            values = found.expected if constraint == PeriodicIR() else found.truth[found.reached]
            verdict.add(np.array([-d * float(values.min())]), np.array([found.error]))
            places.append((i, 1, true, true, o))
