"""Mechanisms of finitely many periods that begin again for ever, as states; for types independent across periods.

What happens after the last period does not depend on any report, so that incentives and participation stay as they
were, and the value is that of the block over 1 - d^T.
"""

from __future__ import annotations

from math import prod

import numpy as np

from mechopt.core.numbers import FloatArray
from mechopt.environment.forever import IndependentForever
from mechopt.mechanism.constraints import Constraint
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.endless.states import StateMechanism
from mechopt.mechanism.outcome import own_values
from mechopt.solve.promised.policy import PromisePolicy


def _laws(environment: IndependentForever, states: int) -> tuple[FloatArray, ...]:
    return tuple(np.broadcast_to(law, (states, len(law))) for law in environment.initial)


def restarted_policy(
    environment: IndependentForever, policy: PromisePolicy, claims: tuple[Constraint, ...], source: str
) -> StateMechanism:
    """Turn the tables of one buyer's promises into states: utility so far in the block is the promise, coins included."""
    from scipy.sparse import csr_array

    tables, d, types = policy.tables, environment.discount, environment.shape[0][0]
    offset = np.cumsum([0, *(len(table.promises) for table in tables)])
    size, values = int(offset[-1]), environment.values[0][0]
    allocation, payment = np.zeros((size, types, 2)), np.zeros((size, types, 2))
    rows, columns, weights, coins = [], [], [], []
    for t, table in enumerate(tables):
        here, count = slice(offset[t], offset[t + 1]), len(table.promises)
        sold = np.clip(table.allocation, 0.0, 1.0)
        allocation[here] = np.stack([1 - sold, sold], axis=2)
        so_far = table.promises[:, None] if t else 0.0
        utility = (table.next_promises - so_far) / d**t
        payment[here] = np.stack([-utility, values - utility], axis=2)
        row = (np.arange(offset[t], offset[t + 1])[:, None] * types + np.arange(types)) * 2
        if t + 1 < len(tables):
            after = tables[t + 1]
            left, share, excess = after.between(table.next_promises)
            ends = [(left, 1 - share), (np.minimum(left + 1, len(after.promises) - 1), share)]
        else:
            ends, excess = [(np.zeros((count, types), dtype=np.int64), np.ones((count, types)))], 0.0
        for place, chance in ends:
            shown = 0.0 if t + 1 == len(tables) else tables[t + 1].promises[place]
            coin = np.zeros(place.shape) if t + 1 == len(tables) else (table.next_promises - excess - shown) / d**t
            for action in range(2):
                rows.append((row + action)[chance > 0])
                columns.append((place + (0 if t + 1 == len(tables) else offset[t + 1]))[chance > 0])
                weights.append(chance[chance > 0])
                coins.append(coin[chance > 0])
    entries = np.concatenate(rows), np.concatenate(columns)
    shape = (size * types * 2, size)
    after_all = csr_array((np.concatenate(weights), entries), shape=shape)
    priced = csr_array((np.concatenate(weights) * np.concatenate(coins), entries), shape=shape)
    after_all.sum_duplicates()
    priced.sum_duplicates()
    coin_row = np.divide(priced.data, after_all.data)[None]
    return StateMechanism(
        environment.to_markov(), _laws(environment, size), allocation, payment[None], after_all, coin_row, claims, source
    )


def restarted_tree(
    environment: IndependentForever, block: Mechanism, claims: tuple[Constraint, ...], source: str
) -> StateMechanism:
    """Turn the histories of a block into states."""
    from scipy.sparse import csr_array

    n, horizon = environment.agents, block.environment.horizon
    profiles, actions = prod(environment.shape[0]), n + 1
    counts = [profiles**t for t in range(horizon)]
    offset = np.cumsum([0, *counts])
    size = int(offset[-1])
    allocation, payment = np.zeros((size, profiles, actions)), np.zeros((n, size, profiles, actions))
    after = np.zeros((size, profiles), dtype=np.int64)
    for t in range(horizon):
        here = slice(offset[t], offset[t + 1])
        x = np.clip(block.allocation[t].reshape(n, counts[t], profiles), 0.0, 1.0)
        x = x / np.maximum(x.sum(axis=0), 1.0)
        worth = np.broadcast_to(own_values(block.tree, t), block.allocation[t].shape).reshape(n, counts[t], profiles)
        utility = worth * x - block.payment[t].reshape(n, counts[t], profiles)
        allocation[here] = np.concatenate([1 - x.sum(axis=0)[None], x]).transpose(1, 2, 0)
        np.maximum(allocation[here], 0.0, out=allocation[here])
        for i in range(n):
            payment[i, here] = -utility[i][:, :, None]
            payment[i, here, :, i + 1] += worth[i]
        if t + 1 < horizon:
            after[here] = offset[t + 1] + np.arange(counts[t + 1]).reshape(counts[t], profiles)
    entries = (np.arange(size * profiles * actions), np.repeat(after.ravel(), actions))
    matrix = csr_array((np.ones(len(entries[0])), entries), shape=(size * profiles * actions, size))
    return StateMechanism(
        environment.to_markov(), _laws(environment, size), allocation, payment, matrix, None, claims, source
    )
