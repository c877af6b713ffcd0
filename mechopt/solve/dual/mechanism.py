"""Policies over points written out over histories, each lottery replaced by its mean.

A history holds a mixture of points; allocation and payments of the mixture are the means over it. The utility that is
given beyond the promises is paid at once, so that no buyer's utility of a period is negative.

A type of probability zero is not in the tables. Between possible types r below and s above, it takes the continuation
of r, with what its better option is worth on top: r's allocation, or s's; below all of them it gets nothing but the
utility of the lowest. No other type gains by reporting it, and no path leaves it below 0.
"""

from __future__ import annotations

import numpy as np

from mechopt.core.errors import InputError, LimitError
from mechopt.core.numbers import FloatArray, IntArray
from mechopt.histories.reports import HistoryTree
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.outcome import own_values
from mechopt.solve.dual.buyers_policy import BuyersPolicy
from mechopt.solve.dual.tables import PolicyTable

MAX_ENTRIES = 20_000_000
"""Largest number of entries, histories times points, of a policy that is written out."""
SMALLEST_WEIGHT = 1e-200
"""Smallest discount factor of a period by which present values are still divided."""


def following(mixture: FloatArray, table: PolicyTable) -> FloatArray:
    """Mixtures of the next period's points after each history and child, ``(histories, children, points)``."""
    assert table.after is not None
    children = table.after.shape[0] // len(table.state)
    return np.stack([(table.after[c::children].T @ mixture.T).T for c in range(children)], axis=1)


def buyers_mechanism(policy: BuyersPolicy) -> Mechanism:
    """Write a policy out on the tree of histories.

    Raises
    ------
    LimitError
        If there are too many histories.
    InputError
        If the discount makes a period's money too small to be told from 0.
    """
    env, tree = policy.environment, HistoryTree(policy.environment)
    points = [len(table.state) for table in policy.tables]
    if max(count * size for count, size in zip(tree.count[1:], [*points[1:], 1], strict=True)) > MAX_ENTRIES:
        raise LimitError(
            f"{env.horizon} periods have too many histories to write out; use revenue or simulate(), which need none"
        )
    if env.present_value[-1] < SMALLEST_WEIGHT:
        raise InputError(f"discount {env.discount:g} over {env.horizon} periods: the last one's money is too small")
    mixture, allocation, payment = np.ones((1, 1)), [], []
    for t, table in enumerate(policy.tables):
        scale = policy.unit / float(env.present_value[t])
        x = np.tensordot(mixture, table.allocation, axes=1)
        more = scale * np.tensordot(mixture, table.excess, axes=1)
        if table.after is None:
            sold, extra, _ = _every_type(policy, t, x, more, more)
        else:
            after = following(mixture, table)
            lifetime = more + scale * (after @ policy.tables[t + 1].promise)
            sold, extra, base = _every_type(policy, t, x, more, lifetime)
            mixture = after[:, base].reshape(-1, after.shape[2])
        allocation.append(sold)
        payment.append(own_values(tree, t) * sold - extra)
    return Mechanism(env, tuple(allocation), tuple(payment), policy.claims, policy.source)


def _every_type(
    policy: BuyersPolicy, t: int, x: FloatArray, more: FloatArray, lifetime: FloatArray
) -> tuple[FloatArray, FloatArray, IntArray]:
    """From possible profiles to all of them.

    Parameters
    ----------
    x, more, lifetime : arrays ``(histories, possible profiles, n)``
        Allocation, utility given at once, and utility with what is promised; money of the period.

    Returns
    -------
    allocation, utility : arrays ``(n, histories, *types)``
    base : int array ``(profiles,)``
        Possible profile whose continuation a profile has.
    """
    env, kept = policy.environment, policy.kept[t]
    histories, n = len(x), env.agents
    possible, full = [len(v) for _, v, _ in kept], list(env.shape[t])
    served, below = np.zeros((n, histories, *full), np.int64), np.zeros((n, *full), np.int64)
    bonus, nothing = np.zeros((n, histories, *full)), np.zeros((n, *full), dtype=bool)
    for i, (types, values, _) in enumerate(kept):
        shape = [1] * n
        shape[i] = full[i]
        lower = np.maximum(np.searchsorted(types, np.arange(full[i]), side="right") - 1, 0)
        own = np.broadcast_to(lower, (histories, full[i])).copy()
        gift = np.zeros((histories, full[i]))
        weight = np.ones(1)
        for j, (_, _, distribution) in enumerate(kept):
            weight = np.multiply.outer(weight, np.ones(len(distribution)) if j == i else distribution)
        axes = tuple(1 + j for j in range(n) if j != i)
        mean_x, mean_u = (
            (part[:, :, i].reshape(histories, *possible) * weight[0]).sum(axis=axes) for part in (x, lifetime)
        )
        for k in np.setdiff1d(np.arange(full[i]), types):
            r, value = lower[k], env.values[i][t][k]
            if k < types[0]:
                continue
            gift[:, k] = (value - values[r]) * mean_x[:, r]
            if k < types[-1]:
                other = mean_u[:, r + 1] - (values[r + 1] - value) * mean_x[:, r + 1] - mean_u[:, r]
                own[:, k] = np.where(other > gift[:, k], r + 1, r)
                gift[:, k] = np.maximum(other, gift[:, k])
        served[i], bonus[i] = own.reshape(histories, *shape), gift.reshape(histories, *shape)
        below[i] = lower.reshape(shape)
        nothing[i] = (np.arange(full[i]) < types[0]).reshape(shape)
    base = np.ravel_multi_index(tuple(below), possible).ravel()
    option = np.ravel_multi_index(tuple(served), possible).reshape(histories, -1)
    every = np.arange(histories)[:, None]
    sold = np.moveaxis(x[every, option], 2, 0).reshape(n, histories, *full)
    given = np.moveaxis(more[:, base], 2, 0).reshape(n, histories, *full) + bonus
    return np.where(nothing[:, None], 0.0, sold), given, base
