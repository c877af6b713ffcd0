"""Contingent transfers checked one promise at a time: an infinite horizon, or too many histories to enumerate.

Every promise depends on the reports of one earlier period. What a report saves of promises that are still due is taken
at the worst history of each: the sum can only overstate a gain. It is 0 where actions do not move the signals.
"""

from __future__ import annotations

from collections.abc import Callable
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
    by_reports,
    expected,
    last_payoffs,
    less,
    makers,
    stage_of,
    told,
)
from mechopt.verification.rounding import Precision, left


def promise_by_promise(transfers: Transfers, i: int) -> Found:
    """Payments that depend on the report of one earlier period each: infinite horizon, or too many histories."""
    env = transfers.environment
    stages = range(env.stages)
    local = [stage_of(transfers, i, t) for t in stages]
    truth: dict[int, FloatArray] = {}
    gains = list[Gains]()
    for t in reversed(stages):
        stage = local[t]
        last = t == env.stages - 1
        if not env.infinite and last:
            value = last_payoffs(transfers, stage, i)
        else:
            value = _before_truth(transfers, stage, i, t)
            if env.infinite and last:
                truth[t] = lasting(transfers, i, _before_truth)
            value = value + env.discount * expected(env, stage, truth[env.following(t)], t)
        truth[t] = told(value, stage)
        found = less(transfers, value, truth[t][:, np.newaxis]) + _bent(transfers, i, t, stage)
        gains.append(Gains(i, t, env.discount**t * found[np.newaxis]))
    return Found(gains, None, truth[0])


def _before_truth(transfers: Transfers, stage: Stage, i: int, t: int) -> FloatArray:
    """Value of the action less all that it promises, by signals and report."""
    env, here, value = transfers.environment, np.arange(len(stage.truth))[:, np.newaxis], stage.value
    for k, promise in enumerate(_promises(transfers, i, t)):
        distribution = _distribution(transfers, i, t, k)[stage.action, here]
        due = by_reports(env, transfers.policy[t], promise, i, t)[stage.reported]
        value = value - env.discount ** (k + 1) * np.einsum("srn,srn->sr", distribution, due, optimize=True)
    return value


def lasting(transfers: Transfers, i: int, before: Callable[[Transfers, Stage, int, int], FloatArray]) -> FloatArray:
    """Value of truth for ever; of `Sizes` at least as much as makes its share bound its error.

    With R the residual of the V that was found, no entry is further off than max |R| / (1 - d).

    Parameters
    ----------
    transfers : ContingentTransfers, or anything with its arrays
    i : int
    before : callable
        Value of an action less all that it promises, by transfers, stage, agent and period.
    """
    env, last = transfers.environment, transfers.environment.stages - 1
    stage = stage_of(transfers, i, last)
    now = told(before(transfers, stage, i, last), stage)
    honest = np.arange(len(now))
    chain = env.kernel[last].reshape(-1, len(honest), len(honest))[transfers.policy[last].ravel(), honest]
    if not isinstance(transfers, Sizes):
        return np.asarray(np.linalg.solve(np.eye(len(honest)) - env.discount * chain, now), dtype=np.float64)
    plain, precise = transfers.given, precision(transfers.given)
    stage = stage_of(plain, i, last)
    told_now = told(before(plain, stage, i, last), stage)
    value = lasting(plain, i, before)
    residual = np.abs(told_now + env.discount * chain @ value - value) / precise.share
    size = residual + now + env.discount * chain @ np.abs(value) + np.abs(value)
    return np.full(len(honest), 2 * size.max() / left(env.discount))


def precision(transfers: Transfers) -> Precision:
    """Rounding of the gains of transfers.

    A term meets, a period: averages over the next profiles and over the others' of them (and steps on to when a promise
    is due), discounts, products; `_bent` and the final differences come last.
    """
    env = transfers.environment
    profiles = [prod(shape) for shape in env.shape]
    longest = max(1 + max((len(own) for row in transfers.later for own in row), default=0), transfers.together)
    depth = sum((longest + 1) * (2 * count + max(profiles) + 8) + longest * longest for count in profiles)
    arrays = [*(array for row in transfers.payments for array in row), *(transfers.last_payments or ())]
    arrays += [array for row in transfers.later for own in row for array in own]
    largest = max(float(np.abs(array).max(initial=0.0)) for array in (*arrays, *env.profile_values))
    return Precision.of(depth, largest)


def _promises(transfers: Transfers, i: int, t: int) -> list[FloatArray]:
    return [transfers.payments[t][i], *(transfers.later[t][i] if transfers.later else ())]


def _distribution(transfers: Transfers, i: int, t: int, k: int) -> FloatArray:
    """Distribution of the others' profile k + 1 periods later, the truth told from the next one on;
    (action, now, then).
    """
    env = transfers.environment
    count = prod(env.shape[t])
    joint = env.kernel[t].reshape(len(env.kernel[t]), count, -1)
    at = t
    for _ in range(k):
        at = env.following(at)
        action = transfers.policy[at].ravel()
        joint = joint @ env.kernel[at].reshape(-1, action.size, _next(env, at))[action, np.arange(action.size)]
    shape = env.shape[env.following(at)]
    return np.asarray(joint.reshape(len(joint), count, *shape).sum(axis=2 + i).reshape(len(joint), count, -1))


def _next(env: InterdependentTypes, t: int) -> int:
    return prod(env.shape[env.following(t)])


def _bent(transfers: Transfers, i: int, t: int, stage: Stage) -> FloatArray:
    """Saving by a report on earlier promises that are still due, at their worst history; by signals and report."""
    env = transfers.environment
    saved = np.zeros(stage.action.shape)
    if not transfers.later:
        return saved
    longest = max(len(own) for row in transfers.later for own in row)
    for ago in range(1, longest + 1):
        every = [_saved(transfers, i, t, stage, made, ago) for made in makers(env, t, ago)]
        if every:
            saved += np.max(every, axis=0)
    return saved


def _saved(transfers: Transfers, i: int, t: int, stage: Stage, made: int, ago: int) -> FloatArray:
    """Saving by a report on the promises of one earlier period, each at its worst history; by signals and report."""
    env, here = transfers.environment, np.arange(len(stage.truth))[:, np.newaxis]
    saved = np.zeros(stage.action.shape)
    for k, promise in enumerate(_promises(transfers, i, made)):
        if k < ago:
            continue
        due = by_reports(env, transfers.policy[made], promise, i, made)  # profile then, others when due
        worth = _distribution(transfers, i, t, k - ago) @ due.T  # action, signals now, profile then
        lied, honest = worth[stage.action, here], worth[told(stage.action, stage), here[:, 0]]
        worse = (
            less(transfers, -honest[:, np.newaxis], -lied)
            if isinstance(transfers, Sizes)
            else honest[:, np.newaxis] - lied
        )
        saved += env.discount ** (k + 1 - ago) * worse.max(axis=-1)
    return saved
