r"""Periodic ex post incentive compatibility of contingent transfers, from the environment and the payments alone.

Nothing is taken from how the transfers were found: what the truth is worth is computed by recursion (a linear system
where the horizon is infinite) from values, payments, policy and transition probabilities. At every history and every
profile of current signals, the others' included, each report of each agent is compared with the truth, the truth being
told from then on: the one-shot deviation principle makes this the check of all strategies. For finite horizons the best
strategy of present and later lies is computed as well. Nothing is averaged over the others' current signals.

A history is what payments still to come may depend on: nothing where each is due one period later (it is sunk when the
next report is made), else all earlier reports. Stacked transfers with an infinite horizon, or with too many histories,
are checked one promise at a time: the worst history of each outstanding promise counts, which can only overstate gains.

Source: Liu (2025), the definition of periodic ex post incentive compatibility and the proof of Lemma A.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from mechopt.core.errors import LimitError
from mechopt.core.numbers import Array, FloatArray
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.verification.contingent.promises import promise_by_promise
from mechopt.verification.contingent.stage import (
    Found,
    Lie,
    Stage,
    Transfers,
    by_reports,
    expected,
    last_payoffs,
    others_at,
    stage_of,
    told,
    worst_lie,
)

TOLERANCE = 1e-12
"""Largest gain that counts as none, relative to the largest transfer or payoff."""
MAX_ENTRIES = 20_000_000
"""Histories times profiles times reports times next profiles that are enumerated."""


@dataclass(frozen=True)
class ContingentCheck:
    """Whether the truth is a periodic ex post equilibrium.

    Attributes
    ----------
    holds : bool
        Whether no gain is above `TOLERANCE` times ``scale``.
    gain : float
        Largest gain of one lie; 0 where there is none.
    counterexample : Lie or None
        Where it is, if the check fails.
    strategy_gain : float or None
        Largest gain of any strategy of present and later lies; None with an infinite horizon, or where stacked
        transfers have too many histories.
    scale : float
        Largest transfer, or largest payoff from the truth.
    """

    holds: bool
    gain: float
    counterexample: Lie | None
    strategy_gain: float | None
    scale: float


def check_contingent(transfers: Transfers) -> ContingentCheck:
    """Check that no agent gains by a lie, at any history and any signals of the others.

    Parameters
    ----------
    transfers : ContingentTransfers, or anything with its arrays

    Returns
    -------
    ContingentCheck

    Raises
    ------
    LimitError
        If payments depend on more histories than can be enumerated.
    """
    env = transfers.environment
    stacked = bool(transfers.later) or transfers.history
    few = not env.infinite and _entries(env) <= MAX_ENTRIES
    if transfers.history and not few:
        raise LimitError(f"payments depend on too many histories: above {MAX_ENTRIES:,} entries; use fewer periods")
    lies, strategies, sizes = [], [], [1.0]
    for i in range(env.agents):
        if stacked and few:
            found = _over_histories(transfers, i)
        elif env.infinite or stacked:
            found = promise_by_promise(transfers, i)
        else:
            found = _memoryless(transfers, i)
        lies.append(found[0])
        strategies.append(found[1])
        sizes.append(found[2])
    sizes += [float(np.abs(array).max()) for row in transfers.payments for array in row]
    sizes += [float(np.abs(array).max()) for row in transfers.later for own in row for array in own]
    worst, scale = max(lies, key=lambda lie: lie.gain), max(sizes)
    strategy = [gain for gain in strategies if gain is not None]
    best = max(strategy) if len(strategy) == len(strategies) else None
    holds = max(worst.gain, best or 0.0) <= TOLERANCE * scale
    return ContingentCheck(holds, max(worst.gain, 0.0), None if holds else worst, best, scale)


def _entries(env: InterdependentTypes) -> float:
    """Largest table that enumerating all histories would take."""
    counts = [float(prod(shape)) for shape in env.shape]
    following = [*counts[1:], 1.0]
    return max(prod(counts[: t + 1]) * max(env.shape[t]) * following[t] for t in range(env.stages))


def _memoryless(transfers: Transfers, i: int) -> Found:
    """Payments due one period later, finite horizon: no history matters."""
    env = transfers.environment
    worst, strategy, size = [], 0.0, 0.0
    truth = best = np.zeros(0)
    for t in reversed(range(env.stages)):
        stage = stage_of(env, transfers.policy[t], i, t)
        if t == env.stages - 1:
            honest = lying = last_payoffs(transfers, stage, i)
        else:
            now = stage.value - env.discount * _expected_payment(transfers, stage, i, t)
            honest, lying = (now + env.discount * expected(env, stage, later, t) for later in (truth, best))
        truth, best = told(honest, stage), lying.max(axis=-1)
        worst.append(worst_lie(env, (honest - truth[:, np.newaxis])[np.newaxis], i, t))
        strategy, size = max(strategy, float((best - truth).max())), max(size, float(np.abs(truth).max()))
    return max(worst, key=lambda lie: lie.gain), strategy, size


def _expected_payment(transfers: Transfers, stage: Stage, i: int, t: int) -> FloatArray:
    """Expectation of what is due in the next period, by signals and report."""
    env = transfers.environment
    due = by_reports(env, transfers.policy[t], transfers.payments[t][i], i, t)
    law = stage.others_next[stage.action, np.arange(len(stage.truth))[:, np.newaxis]]
    return np.asarray(np.einsum("srn,srn->sr", law, due[stage.reported], optimize=True))


def _over_histories(transfers: Transfers, i: int) -> Found:
    """Payments that may depend on all earlier reports, finite horizon: every history."""
    env = transfers.environment
    worst, strategy, size = [], 0.0, 0.0
    truth = best = np.zeros(0)
    for t in reversed(range(env.stages)):
        stage = stage_of(env, transfers.policy[t], i, t)
        past, count = prod(prod(env.shape[s]) for s in range(t)), len(stage.truth)
        if t == env.stages - 1:
            honest = lying = np.broadcast_to(last_payoffs(transfers, stage, i), (past, count, stage.reported.shape[1]))
        else:
            due = _due(transfers, i, t).reshape(past, count, -1)
            joint = env.kernel[t].reshape(-1, count, prod(env.shape[t + 1]))
            here = np.arange(count)[:, np.newaxis]
            paid = np.einsum("srn,hsrn->hsr", stage.others_next[stage.action, here], due[:, stage.reported])
            law = joint[stage.action, here]
            honest, lying = (
                stage.value
                + env.discount
                * (np.einsum("srn,hsrn->hsr", law, later.reshape(past, count, -1)[:, stage.reported]) - paid)
                for later in (truth, best)
            )
        truth, best = told(honest, stage), lying.max(axis=-1)
        worst.append(worst_lie(env, honest - truth[..., np.newaxis], i, t))
        strategy, size = max(strategy, float((best - truth).max())), max(size, float(np.abs(truth).max()))
    return max(worst, key=lambda lie: lie.gain), strategy, size


def _due(transfers: Transfers, i: int, t: int) -> FloatArray:
    """All that is paid in period t + 1; axes: profile reported in period 0, ..., in period t, others' profile then."""
    env = transfers.environment
    counts = [prod(env.shape[s]) for s in range(t + 1)]
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
