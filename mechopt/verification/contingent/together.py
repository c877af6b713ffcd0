"""Contingent transfers checked that depend on what the others report in several future periods together.

A promise about period t is paid L periods later, by the path of the others' signals until then (fewer at the end of a
finite horizon). What a report saves of earlier promises that are still due is taken at the worst reports and the worst
path so far of each: the sum can only overstate a gain. It is 0 where actions do not move the signals.
"""

from __future__ import annotations

from math import prod

import numpy as np

from mechopt.core.numbers import FloatArray
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.verification.contingent.stage import (
    Found,
    Gains,
    Sizes,
    Stage,
    Transfers,
    by_paths,
    expected,
    last_payoffs,
    length_of,
    less,
    makers,
    others_at,
    stage_of,
    told,
)


def checked_together(transfers: Transfers, i: int, lasting: FloatArray | None) -> Found:
    """Gains of an agent.

    Parameters
    ----------
    transfers : ContingentTransfers, or anything with its arrays
    i : int
    lasting : array ``(profile,)``, or None
        What the truth is worth from the period on that is for ever; None with a finite horizon.
    """
    env, gains, truth = transfers.environment, list[Gains](), dict[int, FloatArray]()
    for t in reversed(range(env.stages)):
        stage, last = stage_of(transfers, i, t), t == env.stages - 1
        if last and not env.infinite:
            value = last_payoffs(transfers, stage, i)
        else:
            value = promised(transfers, stage, i, t)
            if last:
                assert lasting is not None
                truth[t] = lasting
            value = value + env.discount * expected(env, stage, truth[env.following(t)], t)
        truth[t] = told(value, stage)
        found = less(transfers, value, truth[t][:, np.newaxis]) + _bent(transfers, i, t, stage)
        gains.append(Gains(i, t, env.discount**t * found[np.newaxis]))
    return Found(gains, None, truth[0])


def promised(transfers: Transfers, stage: Stage, i: int, t: int) -> FloatArray:
    """Value of the action less what it promises, by signals and report."""
    env, here, length = transfers.environment, np.arange(len(stage.truth))[:, np.newaxis], length_of(transfers, t)
    due = by_paths(transfers, i, t)
    distribution = _paths(transfers, i, t, length)[stage.action, here]
    worth = np.einsum("srn,srn->sr", distribution, due.reshape(len(due), -1)[stage.reported], optimize=True)
    return np.asarray(stage.value - env.discount**length * worth)


def _paths(transfers: Transfers, i: int, t: int, length: int) -> FloatArray:
    """Distribution of the others' signals of the next periods, the truth told from the next one on; axes: action,
    profile, path.
    """
    env = transfers.environment
    count = prod(env.shape[t])
    distribution, at = env.kernel[t].reshape(-1, count, 1, prod(env.shape[env.following(t)])), t
    for ahead in range(length):
        if ahead:
            action = transfers.policy[at].ravel()
            distribution = (
                distribution @ env.kernel[at].reshape(-1, action.size, _size(env, at))[action, np.arange(action.size)]
            )
        at = env.following(at)
        seen = others_at(env, i, at)
        apart = np.zeros((*distribution.shape[:-1], int(seen.max()) + 1, distribution.shape[-1]))
        apart[..., seen, np.arange(len(seen))] = distribution
        distribution = apart.reshape(len(distribution), count, -1, distribution.shape[-1])
    return np.asarray(distribution.sum(axis=-1))


def _size(env: InterdependentTypes, t: int) -> int:
    return prod(env.shape[env.following(t)])


def _bent(transfers: Transfers, i: int, t: int, stage: Stage) -> FloatArray:
    """Saving by a report on earlier promises that are still due, at their worst history; by signals and report."""
    env = transfers.environment
    saved = np.zeros(stage.action.shape)
    if t >= len(env.kernel) or not env.controlled(t):
        return saved
    for ago in range(1, transfers.together):
        every = [_saved(transfers, i, t, stage, made, ago) for made in makers(env, t, ago)]
        if every:
            saved += np.max(every, axis=0)
    return saved


def _saved(transfers: Transfers, i: int, t: int, stage: Stage, made: int, ago: int) -> FloatArray:
    env, here = transfers.environment, np.arange(len(stage.truth))[:, np.newaxis]
    left = length_of(transfers, made) - ago
    if left <= 0:
        return np.zeros(stage.action.shape)
    due, seen = by_paths(transfers, i, made), others_at(env, i, t)
    rest = prod(due.shape[1 + ago :])
    table = due.reshape(-1, due.shape[ago], rest)[:, seen]  # reports then and path before, signals now, path to come
    worth = np.einsum("asn,hsn->hsa", _paths(transfers, i, t, left), table, optimize=True)
    lied, honest = worth[:, here, stage.action], worth[:, here[:, 0], told(stage.action, stage)][..., np.newaxis]
    worse = less(transfers, -honest, -lied) if isinstance(transfers, Sizes) else honest - lied
    return np.asarray(env.discount**left * worse.max(axis=0))
