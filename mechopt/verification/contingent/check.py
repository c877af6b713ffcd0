r"""Periodic ex post incentive compatibility of contingent transfers, from the environment and the payments alone.

Nothing is taken from how the transfers were found: what the truth is worth is computed by recursion (a linear system
where the horizon is infinite) from values, payments, policy and transition probabilities. At every history and every
profile of current signals, the others' included, each report of each agent is compared with the truth, the truth being
told from then on: the one-shot deviation principle makes this the check of all strategies. For finite horizons the best
strategy of present and later misreports is computed as well. Gains are in present value, as of period 0. Nothing is
averaged over the others' current signals.

Rounding and the three answers are those of `mechopt.verification.rounding`, place by place: an agent in a period. The
tolerance of a place is a share of what that agent alone values from that period on
(`mechopt.verification.contingent.tolerance`); the worst place is the one whose gain is largest in relation to it, and
the truth is satisfied only if every place is.

A history is what payments still to come may depend on: nothing where each is due one period later (it is sunk when the
next report is made), else all earlier reports. Stacked transfers with an infinite horizon, or with too many histories,
are checked one promise at a time: the worst history of each outstanding promise counts, which can only overstate gains.

Source: Liu (2025), the definition of periodic ex post incentive compatibility and the proof of Lemma A.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import prod

import numpy as np

from mechopt.core.errors import LimitError
from mechopt.core.numbers import Array, FloatArray
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.verification.contingent.exact import exact_places
from mechopt.verification.contingent.promises import lasting, precision, promise_by_promise
from mechopt.verification.contingent.stage import (
    Found,
    Gains,
    OneMisreport,
    Place,
    Sizes,
    Stage,
    Transfers,
    by_paths,
    by_reports,
    expected,
    last_payoffs,
    length_of,
    less,
    others_at,
    stage_of,
    told,
)
from mechopt.verification.contingent.together import checked_together, promised
from mechopt.verification.contingent.tolerance import tolerances
from mechopt.verification.rounding import Status, Verdict

MAX_ENTRIES = 20_000_000
"""Histories times profiles times reports times next profiles that are enumerated."""


@dataclass(frozen=True)
class ContingentCheck:
    """Whether the truth is a periodic ex post equilibrium.

    Attributes
    ----------
    status : Status
        Satisfied, violated or undecided; see `mechopt.verification.rounding`.
    gain : float
        Largest gain of one misreport at the worst place, present value; 0 where there is none. The worst place is the
        agent and period whose gain is largest in relation to its tolerance.
    rounding : float
        Bound of its rounding.
    tolerance : float
        Largest gain that counts as none there: a share of the largest present value of that agent's values from that
        period on.
    counterexample : OneMisreport or None
        Where it is, unless satisfied.
    strategy_gain : float or None
        Largest gain of any strategy of present and later misreports; None with an infinite horizon, or where stacked
        transfers have too many histories, or in fractions.
    exact : Fraction or None
        The gain, where it was computed in fractions.
    largest : float
        Largest gain of all places in money, present value: what is compared with a bound on gains.
    """

    status: Status
    gain: float
    rounding: float
    tolerance: float
    counterexample: OneMisreport | None
    strategy_gain: float | None
    exact: Fraction | None
    largest: float

    @classmethod
    def of(cls, places: list[Place], strategy_gain: float | None) -> ContingentCheck:
        """Put the answers of all places together.

        Parameters
        ----------
        places : list of Place
            At least one.
        strategy_gain : float or None
        """
        worst = max(places, key=Place.severity)
        answer, largest = worst.answer, max(place.largest for place in places)
        return cls(
            answer.status,
            answer.gain,
            answer.rounding,
            worst.tolerance,
            worst.misreport,
            strategy_gain,
            answer.exact,
            largest,
        )

    @property
    def holds(self) -> bool:
        """Whether the truth is an equilibrium for certain."""
        return self.status is Status.SATISFIED


def check_contingent(transfers: Transfers, exact: bool = False) -> ContingentCheck:
    """Check that no agent gains by a misreport, at any history and any signals of the others.

    Parameters
    ----------
    transfers : ContingentTransfers, or anything with its arrays
    exact : bool
        Decide in fractions. Payments that are not finite are none: those are violations as in floats.

    Returns
    -------
    ContingentCheck

    Raises
    ------
    LimitError
        If payments depend on more histories than can be enumerated.
    """
    env, allowed = transfers.environment, tolerances(transfers.environment)
    if exact and _finite(transfers):
        return ContingentCheck.of(exact_places(transfers, allowed), None)
    with np.errstate(all="ignore"):
        rounded, sizes = precision(transfers), Sizes.of(transfers)
        places, strategies = list[Place](), list[float | None]()
        for i in range(env.agents):
            found, size = _found(transfers, i), _found(sizes, i)
            for gains, large in zip(found.gains, size.gains, strict=True):
                places.append(_place(env, gains, rounded.bound(large.gain), float(allowed[i, gains.period])))
            strategies.append(None if found.strategy is None else max(float(gain.max()) for gain in found.strategy))
        known = [gain for gain in strategies if gain is not None]
        return ContingentCheck.of(places, max(known) if len(known) == len(strategies) else None)


def _finite(transfers: Transfers) -> bool:
    later = (part for row in transfers.later or () for parts in row for part in parts)
    last = transfers.last_payments or ()
    return all(np.isfinite(part).all() for row in (*transfers.payments, later, last) for part in row)


def _place(env: InterdependentTypes, gains: Gains, rounding: FloatArray, tolerance: float) -> Place:
    """The answer at an agent and a period."""
    verdict = Verdict(tolerance)
    verdict.add(gains.gain, rounding)
    answer = verdict.answer
    example = None if answer.place is None else gains.at(env, answer.place[1])
    return Place(answer, tolerance, verdict.largest, example)


def truthful_outcome(transfers: Transfers) -> tuple[float, tuple[float, ...]]:
    """Expected welfare of the policy, and utilities of the truth; from environment, policy and payments alone.

    Parameters
    ----------
    transfers : ContingentTransfers, or anything with its arrays

    Returns
    -------
    welfare : float
    utilities : tuple of float
    """
    env, initial = transfers.environment, transfers.environment.initial.ravel()
    utilities = tuple(float(initial @ _found(transfers, i).first) for i in range(env.agents))
    value = np.zeros(0)
    for t in reversed(range(env.stages)):
        action = transfers.policy[t].ravel()
        at = action, np.arange(len(action))
        flow = env.profile_values[t].sum(axis=0).reshape(-1, len(action))[at] - env.costs[t][action]
        if t < len(env.kernel):
            chain = env.discount * env.kernel[t].reshape(len(env.kernel[t]), len(action), -1)[at]
            for_ever = env.infinite and t == env.stages - 1
            value = np.linalg.solve(np.eye(len(action)) - chain, flow) if for_ever else flow + chain @ value
        else:
            value = flow
    return float(initial @ value), utilities


def _found(transfers: Transfers, i: int) -> Found:
    """Gains of an agent by the way that the transfers and the horizon allow."""
    env = transfers.environment
    stacked = bool(transfers.later) or transfers.history or transfers.together > 0
    few = not env.infinite and _entries(env) <= MAX_ENTRIES
    if transfers.history and not few:
        raise LimitError(f"payments depend on too many histories: above {MAX_ENTRIES:,} entries; use fewer periods")
    if stacked and few:
        return _over_histories(transfers, i)
    if transfers.together:
        return checked_together(transfers, i, lasting(transfers, i, promised) if env.infinite else None)
    return promise_by_promise(transfers, i) if env.infinite or stacked else _memoryless(transfers, i)


def _entries(env: InterdependentTypes) -> float:
    """Largest table that enumerating all histories would take."""
    counts = [float(prod(shape)) for shape in env.shape]
    following = [*counts[1:], 1.0]
    return max(prod(counts[: t + 1]) * max(env.shape[t]) * following[t] for t in range(env.stages))


def _memoryless(transfers: Transfers, i: int) -> Found:
    """Payments due one period later, finite horizon: no history matters."""
    env = transfers.environment
    gains, strategy = list[Gains](), list[FloatArray]()
    truth = best = np.zeros(0)
    for t in reversed(range(env.stages)):
        stage = stage_of(transfers, i, t)
        if t == env.stages - 1:
            honest = misreporting = last_payoffs(transfers, stage, i)
        else:
            now = stage.value - env.discount * _expected_payment(transfers, stage, i, t)
            honest, misreporting = (now + env.discount * expected(env, stage, later, t) for later in (truth, best))
        truth, best = told(honest, stage), misreporting.max(axis=-1)
        weight = env.discount**t
        gains.append(Gains(i, t, weight * less(transfers, honest, truth[:, np.newaxis])[np.newaxis]))
        strategy.append(weight * less(transfers, best, truth))
    return Found(gains, strategy, truth.ravel())


def _expected_payment(transfers: Transfers, stage: Stage, i: int, t: int) -> FloatArray:
    """Expectation of what is due in the next period, by signals and report."""
    env = transfers.environment
    due = by_reports(env, transfers.policy[t], transfers.payments[t][i], i, t)
    distribution = stage.others_next[stage.action, np.arange(len(stage.truth))[:, np.newaxis]]
    return np.asarray(np.einsum("srn,srn->sr", distribution, due[stage.reported], optimize=True))


def _over_histories(transfers: Transfers, i: int) -> Found:
    """Payments that may depend on all earlier reports, finite horizon: every history."""
    env = transfers.environment
    gains, strategy = list[Gains](), list[FloatArray]()
    truth = best = np.zeros(0)
    for t in reversed(range(env.stages)):
        stage = stage_of(transfers, i, t)
        past, count = prod(prod(env.shape[s]) for s in range(t)), len(stage.truth)
        if t == env.stages - 1:
            honest = misreporting = np.broadcast_to(
                last_payoffs(transfers, stage, i), (past, count, stage.reported.shape[1])
            )
        else:
            due = _due(transfers, i, t).reshape(past, count, -1)
            joint = env.kernel[t].reshape(-1, count, prod(env.shape[t + 1]))
            here = np.arange(count)[:, np.newaxis]
            paid = np.einsum("srn,hsrn->hsr", stage.others_next[stage.action, here], due[:, stage.reported])
            distribution = joint[stage.action, here]
            honest, misreporting = (
                stage.value
                + env.discount
                * (np.einsum("srn,hsrn->hsr", distribution, later.reshape(past, count, -1)[:, stage.reported]) - paid)
                for later in (truth, best)
            )
        truth, best = told(honest, stage), misreporting.max(axis=-1)
        weight = env.discount**t
        gains.append(Gains(i, t, weight * less(transfers, honest, truth[..., np.newaxis])))
        strategy.append(weight * less(transfers, best, truth))
    return Found(gains, strategy, truth.ravel())


def _due(transfers: Transfers, i: int, t: int) -> FloatArray:
    """All that is paid in period t + 1; axes: profile reported in period 0, ..., in period t, others' profile then."""
    env = transfers.environment
    counts = [prod(env.shape[s]) for s in range(t + 1)]
    if transfers.history and transfers.reports:
        return np.asarray(transfers.payments[t][i].reshape(*counts, -1))
    if transfers.together:
        return _due_together(transfers, i, t, counts)
    if transfers.history:
        table = transfers.payments[t][i]
        sizes = [size for s in range(t + 1) for size in (env.action_counts[s], counts[s] // env.shape[s][i])]
        table = table.reshape(*sizes, -1)
        place: list[Array] = []
        for s in range(t + 1):
            at = (slice(None), *(np.newaxis,) * (t - s))
            place += [transfers.policy[s].ravel()[at], others_at(env, i, s)[at]]
        return np.asarray(table[tuple(place)])
    total = np.zeros((*counts, prod(env.shape[t + 1]) // env.shape[t + 1][i]))
    for s in range(t + 1):
        promised = [transfers.payments[s][i], *(transfers.later[s][i] if transfers.later else ())]
        if t - s < len(promised):
            own = by_reports(env, transfers.policy[s], promised[t - s], i, s)
            total += own.reshape(*(1,) * s, counts[s], *(1,) * (t - s), -1)
    return total


def _due_together(transfers: Transfers, i: int, t: int, counts: list[int]) -> FloatArray:
    """The same of payments that depend on the others' signals of several periods."""
    env = transfers.environment
    total = np.zeros((*counts, prod(env.shape[t + 1]) // env.shape[t + 1][i]))
    for s in range(t + 1):
        if s + length_of(transfers, s) == t + 1:
            table = by_paths(transfers, i, s)
            for u in range(s + 1, t + 1):
                table = np.take(table, others_at(env, i, u), axis=u - s)
            total += table.reshape(*(1,) * s, *table.shape)
    return total
