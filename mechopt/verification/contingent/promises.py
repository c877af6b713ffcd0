"""Contingent transfers checked one promise at a time: an infinite horizon, or too many histories to enumerate.

Every promise depends on the reports of one earlier period. What a report saves of promises that are still due is taken
at the worst history of each: the sum can only overstate a gain. It is 0 where actions do not move the signals.
"""

from __future__ import annotations

from math import prod

import numpy as np

from mechopt.core.numbers import FloatArray
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.verification.contingent.stage import (
    Found,
    Stage,
    Transfers,
    by_reports,
    expected,
    last_payoffs,
    stage_of,
    told,
    worst_lie,
)


def promise_by_promise(transfers: Transfers, i: int) -> Found:
    """Payments that depend on the report of one earlier period each: infinite horizon, or too many histories."""
    env = transfers.environment
    stages = range(env.stages)
    local = [stage_of(env, transfers.policy[t], i, t) for t in stages]
    truth: dict[int, FloatArray] = {}
    worst, size = [], 0.0
    for t in reversed(stages):
        stage = local[t]
        here = np.arange(len(stage.truth))[:, np.newaxis]
        if not env.infinite and t == env.stages - 1:
            value = last_payoffs(transfers, stage, i)
        else:
            value = stage.value
            for k, promise in enumerate(_promises(transfers, i, t)):
                law = _law(transfers, i, t, k)[stage.action, here]
                due = by_reports(env, transfers.policy[t], promise, i, t)[stage.reported]
                value = value - env.discount ** (k + 1) * np.einsum("srn,srn->sr", law, due, optimize=True)
            if env.infinite:
                honest = np.arange(len(stage.truth))
                chain = env.kernel[0].reshape(-1, len(honest), len(honest))[transfers.policy[0].ravel(), honest]
                system = np.eye(len(honest)) - env.discount * chain
                truth[0] = np.linalg.solve(system, told(value, stage)).astype(np.float64)
            value = value + env.discount * expected(env, stage, truth[0 if env.infinite else t + 1], t)
        truth[t] = told(value, stage)
        size = max(size, float(np.abs(truth[t]).max()))
        gains = value - truth[t][:, np.newaxis] + _bent(transfers, i, t, stage)
        worst.append(worst_lie(env, gains[np.newaxis], i, t))
    return max(worst, key=lambda lie: lie.gain), None, size


def _promises(transfers: Transfers, i: int, t: int) -> list[FloatArray]:
    return [transfers.payments[t][i], *(transfers.later[t][i] if transfers.later else ())]


def _law(transfers: Transfers, i: int, t: int, k: int) -> FloatArray:
    """Law of the others' profile k + 1 periods later, the truth told from the next one on; (action, now, then)."""
    env = transfers.environment
    count = prod(env.shape[t])
    joint = env.kernel[t].reshape(len(env.kernel[t]), count, -1)
    at = t
    for _ in range(k):
        at = 0 if env.infinite else at + 1
        action = transfers.policy[at].ravel()
        joint = joint @ env.kernel[at].reshape(-1, action.size, _next(env, at))[action, np.arange(action.size)]
    shape = env.shape[0 if env.infinite else at + 1]
    return np.asarray(joint.reshape(len(joint), count, *shape).sum(axis=2 + i).reshape(len(joint), count, -1))


def _next(env: InterdependentTypes, t: int) -> int:
    return prod(env.shape[0 if env.infinite else t + 1])


def _bent(transfers: Transfers, i: int, t: int, stage: Stage) -> FloatArray:
    """What a report saves of earlier promises that are still due, at their worst history; by signals and report."""
    env = transfers.environment
    saved = np.zeros(stage.action.shape)
    if not transfers.later:
        return saved
    here = np.arange(len(stage.truth))[:, np.newaxis]
    longest = max(len(own) for row in transfers.later for own in row)
    for ago in range(1, longest + 1):
        made = 0 if env.infinite else t - ago
        if made < 0:
            continue
        for k, promise in enumerate(_promises(transfers, i, made)):
            if k < ago:
                continue
            due = by_reports(env, transfers.policy[made], promise, i, made)  # profile then, others when due
            worth = _law(transfers, i, t, k - ago) @ due.T  # action, signals now, profile then
            lied, honest = worth[stage.action, here], worth[told(stage.action, stage), here[:, 0]]
            saved += env.discount ** (k + 1 - ago) * (honest[:, np.newaxis] - lied).max(axis=-1)
    return saved
