r"""Checks of the virtual pivot with an infinite horizon, contract by contract.

After initial reports k' of all, weights, cost and the included agents S are fixed, and what an included agent i pays in
a period depends on the action a and the others' signals alone, by (22):

.. math:: P(a, z_{-i}) = \frac{1}{\alpha_i} \bigl[ W_{-i}(z_{-i}) - \sum_{j \ne i} w_j(a, z_j) - \beta_i(a) + c(a)
    - d \mathbb{E} W_{-i}(z_{-i}') \bigr].

So whatever she reports again, she picks actions at these prices, and her best strategy is the dynamic program

.. math:: V(z) = \max_a v_i(a; k, z_i) - P(a, z_{-i}) + d \mathbb{E}[V(z') | a, z],

over all actions where she may report her initial type again, since what she picks is then what her true type is given;
and else over those that some report of her signal brings with the type that she reported at contracting. Truth is its
own policy at these prices. All are computed here from the prices, W_-i anew from the weighted values
(`mechopt.verification.virtual_values`). Contracting adds upfront payments. In fractions:
`mechopt.verification.virtual_exact`. A pivot that charges other prices than these is refused.

What W_-i is off by, e(z_{-i}), moves prices by (e - d E e') / alpha, of which the sum over all periods is e / alpha at
the first: so values are off by that, and by what their own program is.

- Periodic ex post IC, with re-reports or without: at contracting for all reports, types and others' types, with the
  best strategy afterwards, and at every profile of signals after truthful contracting.
- Bayesian IC, without re-reports: at contracting, expected over the others' initial types, with the best strategy of
  who does not know the others' current signals (`mechopt.verification.virtual_values`). Where her signals cannot
  move everywhere, reports may be ruled out: this constraint and periodic ex post IC are then undecided between what all
  reports and what true signals bring.
- Participation at contracting (others' types known, or expected), and at profiles of signals that truth leads to.

Gains are present values as of contracting. Source: Kakade, Lobel and Nazerzadeh (2013), (22) and Lemma 4.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
from mechopt.verification.rounding import LOOSE, Answer, Precision, Verdict
from mechopt.verification.virtual_exact import Place, everywhere, exact_gains
from mechopt.verification.virtual_values import ahead, informed, require_same, size_of, uninformed

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


def verify_virtual(mechanism: Any, constraints: Constraint | Iterable[Constraint] | None, exact: bool) -> Report:
    """Check a virtual pivot: over histories with a finite horizon, contract by contract with an infinite one.

    Parameters
    ----------
    mechanism : VirtualPivot
    constraints : Constraint or several, or None
        None: periodic ex post IC, Bayesian IC, and interim, periodic and periodic ex post IR.
    exact : bool
        Decide in fractions: of the mechanism that the formulas give with the environment's exact numbers, at the policy
        and with the agents included that were found in floats.

    Raises
    ------
    InputError
        If a constraint asks for a finite horizon, or the pivot charges after contracting (in fractions: anywhere) what
        the formulas do not say.
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
        return Report({name: _stated(name, *found[name], VERIFY_TOLERANCE * largest) for name in asked})
    contracts = {
        (i, profile): _contract(mechanism, profile, i, BayesianIC() in asked)
        for i in range(env.agents)
        for profile in product(*map(range, env.initial_shape))
    }
    return Report({name: _check(name, mechanism, contracts, VERIFY_TOLERANCE * largest) for name in asked})


def _stated(constraint: Constraint, answer: Answer, place: Place | None, tolerance: float) -> ConstraintCheck:
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
    kernels, first = [env.signal_kernel[j] for j in members], [env.signal_initial[j] for j in members]
    weighted = [pivot.virtual[j].flow(profile[j], env.value_tables[j][:, profile[j]]) for j in members[1:]]
    others, size = _spread(weighted, env.cost), sum(map(size_of, weighted), size_of(env.cost))
    without, off = informed(others, size, kernels[1:], d)
    alpha, beta = float(pivot.virtual[i].alpha[profile[i]]), pivot.virtual[i].beta[profile[i]]
    later = d * ahead(without, kernels[1:])
    price = (without - others - beta.reshape(-1, *(1,) * without.ndim) - later) / alpha
    size = (2 * size_of(without) + size + size_of(beta)) / alpha
    place = here.members.index(i)
    policy, paid = (np.moveaxis(part, place, 0) for part in (here.policy[0], pivot.payment(i, profile)[0]))
    formula = np.take_along_axis(np.expand_dims(price, 1), policy[None], axis=0)[0]
    require_same(f"payments of agent {i} after reports {list(profile)}", paid, formula, VERIFY_TOLERANCE * size)
    best, direct, plain, blind = (dict[int, FloatArray]() for _ in range(4))
    errors = list[float]()
    brought = np.array([(policy == a).any(axis=0) for a in range(len(env.cost))])  # action, others' signals
    for k in range(env.initial_shape[i]):
        own = env.value_tables[i][:, k]
        flow = own.reshape(*own.shape, *(1,) * without.ndim) - np.expand_dims(price, 1)
        kept = np.where(np.expand_dims(brought, 1), flow, -np.inf)
        most = size + size_of(own)
        best[k], wrong = informed(flow, most, kernels, d)
        direct[k], wrong_direct = informed(kept, most, kernels, d)
        plain[k], wrong_plain = informed(flow, most, kernels, d, policy)
        errors += wrong, wrong_direct, wrong_plain
        if blindly:
            blind[k], wrong = uninformed(flow, most, kernels, policy, first[1:], d)
            errors.append(wrong)
    reached = _reached(policy, kernels, first)
    truth = plain[profile[i]]
    expected = _least_expected(truth, policy, kernels, reached, first)
    return _Contract(truth, best, direct, plain, blind, reached, expected, max(errors) + LOOSE * off / alpha)


def _spread(tables: Sequence[FloatArray], cost: FloatArray) -> FloatArray:
    """Sum of tables ``(action, own signal)`` less the cost, ``(action, *signals)``."""
    total: FloatArray = -cost.reshape(-1, *(1,) * len(tables))
    for place, table in enumerate(tables):
        total = total + table.reshape(len(table), *(table.shape[1] if q == place else 1 for q in range(len(tables))))
    return total


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
    truth: FloatArray, policy: Any, kernels: Sequence[FloatArray], reached: Any, distributions: Sequence[FloatArray]
) -> FloatArray:
    """Values of truth by own signal, expected over the others' signals, at first and after each profile reached."""
    rows, first = list[float](), truth
    for distribution in distributions[1:]:
        first = np.tensordot(first, distribution, axes=(1, 0))
    rows += first[distributions[0] > 0].tolist()
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
    verdict, places = Verdict(tolerance), list[Place]()
    for gain, rounding, place in _gains(constraint, pivot, contracts):
        verdict.add(np.array([gain]), np.array([rounding]))
        places.append(place)
    answer = verdict.answer
    return _stated(constraint, answer, places[answer.place[0]] if answer.place is not None else None, tolerance)


def _gains(
    constraint: Constraint, pivot: Any, contracts: dict[tuple[int, tuple[int, ...]], _Contract | None]
) -> Iterator[tuple[float, float, Place]]:
    """Each gain, what it may be off by, and where it is."""
    env = pivot.environment
    for i in range(env.agents):
        distributions = [p for j, p in enumerate(env.initial_probabilities) if j != i]
        others = list(product(*(range(n) for j, n in enumerate(env.initial_shape) if j != i)))
        weights = [float(np.prod([p[k] for p, k in zip(distributions, o, strict=True)])) for o in others]
        depth = 8 + 2 * env.agents + len(others)
        agent = _Agent(pivot, contracts, i, others, np.array(weights), Precision.of(depth, size_of(pivot.upfront[i])))
        yield from agent.losses(constraint) if constraint.role == "ir" else agent.misreports(constraint)


@dataclass(frozen=True)
class _Agent:
    """An agent at contracting, the others' types and how likely they are; roundings of what is added to values."""

    pivot: Any
    contracts: dict[tuple[int, tuple[int, ...]], _Contract | None]
    i: int
    others: list[tuple[int, ...]]
    weights: FloatArray
    precision: Precision

    def misreports(self, constraint: Constraint) -> Iterator[tuple[float, float, Place]]:
        i, env, again = self.i, self.pivot.environment, constraint == PeriodicExPostIC(rereport=True)
        bayesian = constraint == BayesianIC()
        how = "blind" if bayesian else "best" if again else "direct"
        decided, types = again or everywhere(env, i), range(env.initial_shape[i])
        for true, report in product(types, types):
            honest, off = self.utilities(true, true, "truth")
            told, wrong = self.utilities(true, report, how)
            least = told if decided else self.utilities(true, report, "plain")[0]
            gain, error = (told + least) / 2 - honest, wrong + off + (told - least) / 2
            if bayesian:
                yield float(self.weights @ gain), float(self.weights @ error), (i, 0, true, report, None)
                continue
            yield from zip(gain.tolist(), error.tolist(), ((i, 0, true, report, o) for o in self.others), strict=True)
        for true, o in product(types, () if bayesian else self.others):
            found = self.contracts[i, _profile(i, true, o)]
            if found is not None:
                later = getattr(found, how)[true] - found.truth
                yield env.discount * float(later.max()), 2 * found.error, (i, 1, true, true, o)

    def losses(self, constraint: Constraint) -> Iterator[tuple[float, float, Place]]:
        i, env = self.i, self.pivot.environment
        for true in range(env.initial_shape[i]):
            honest, off = self.utilities(true, true, "truth")
            if constraint == PeriodicExPostIR():
                yield from zip(
                    (-honest).tolist(), off.tolist(), ((i, 0, true, true, o) for o in self.others), strict=True
                )
            else:
                yield -float(self.weights @ honest), float(self.weights @ off), (i, 0, true, true, None)
            for o in self.others if constraint != Interim() else ():
                found = self.contracts[i, _profile(i, true, o)]
                if found is not None:
                    values = found.expected if constraint == PeriodicIR() else found.truth[found.reached]
                    yield -env.discount * float(values.min()), found.error, (i, 1, true, true, o)

    def utilities(self, true: int, report: int, how: str) -> tuple[FloatArray, FloatArray]:
        """Utility as of contracting by others' types, of truth or a best strategy, and what it may be off by."""
        found = [self.utility(true, _profile(self.i, report, o), how) for o in self.others]
        utilities, errors = (np.array(part) for part in zip(*found, strict=True))
        return utilities, errors

    def utility(self, true: int, profile: tuple[int, ...], how: str) -> tuple[float, float]:
        env, i = self.pivot.environment, self.i
        found, upfront = self.contracts[i, profile], float(self.pivot.upfront[i][profile])
        total, error = -upfront, 0.0
        if found is not None:
            value = found.truth if how == "truth" else getattr(found, how)[true]
            for j in [i, *(j for j in self.pivot.phase(profile).members if j != i and how != "blind")]:
                value = np.tensordot(env.signal_initial[j], value, axes=(0, 0))
            total, error = env.discount * float(value) - upfront, found.error
        return total, error + float(self.precision.bound(np.asarray(abs(upfront) + abs(total))))


def _profile(i: int, own: int, others: Sequence[int]) -> tuple[int, ...]:
    return (*others[:i], own, *others[i:])
