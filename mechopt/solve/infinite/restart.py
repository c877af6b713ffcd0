"""Mechanisms of finitely many periods that begin again for ever, as states; for types independent across periods.

What happens after the last period does not depend on any report, so that incentives and participation stay as they
were, and the value is that of the block over 1 - d^T.
"""

from __future__ import annotations

from math import prod

import numpy as np

from mechopt.core.numbers import FloatArray, IntArray
from mechopt.environment.families.forever import IndependentForever
from mechopt.mechanism.constraints import Constraint
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.endless.states import StateMechanism
from mechopt.mechanism.outcome import own_values
from mechopt.solve.promised.policy import PromisePolicy


def _distributions(environment: IndependentForever, states: int) -> tuple[FloatArray, ...]:
    return tuple(np.broadcast_to(distribution, (states, len(distribution))) for distribution in environment.initial)


def restarted_policy(
    environment: IndependentForever, policy: PromisePolicy, claims: tuple[Constraint, ...], source: str
) -> StateMechanism:
    """Turn the tables of one buyer's promises into states: utility so far in the block is the promise."""
    from scipy.sparse import csr_array

    tables, d, types = policy.tables, environment.discount, environment.shape[0][0]
    offset = np.cumsum([0, *(len(table.promises) for table in tables)])
    size, values = int(offset[-1]), environment.values[0][0]
    allocation, payment = np.zeros((size, types, 2)), np.zeros((size, types, 2))
    parts = list[tuple[IntArray, IntArray, FloatArray, FloatArray]]()  # row, next state, chance, coin
    for t, table in enumerate(tables):
        here = slice(offset[t], offset[t + 1])
        sold = np.clip(table.allocation, 0.0, 1.0)
        allocation[here] = np.stack([1 - sold, sold], axis=2)
        utility = (table.next_promises - (table.promises[:, None] if t else 0.0)) / d**t
        payment[here] = np.stack([-utility, values - utility], axis=2)
        row = (np.arange(offset[t], offset[t + 1])[:, None] * types + np.arange(types)) * 2
        if t + 1 == len(tables):
            nothing = np.zeros(row.shape)
            parts.append((row, np.zeros_like(row), nothing + 1, nothing))
            continue
        after = tables[t + 1]
        left, share, excess = after.between(table.next_promises)
        for place, chance in ((left, 1 - share), (np.minimum(left + 1, len(after.promises) - 1), share)):
            coin = (table.next_promises - excess - after.promises[place]) / d**t
            parts.append((row, place + offset[t + 1], chance, coin))
    row, place, chance, coin = (np.concatenate([part[k].ravel() for part in parts]) for k in range(4))
    kept = chance > 0
    row, place, chance, coin = (np.tile(part[kept], 2) for part in (row, place, chance, coin))
    row = row + np.repeat([0, 1], len(row) // 2)
    shape = (size * types * 2, size)
    matrix, priced = (csr_array((weight, (row, place)), shape=shape) for weight in (chance, chance * coin))
    matrix.sum_duplicates()
    priced.sum_duplicates()
    coins = (priced.data / matrix.data)[None]
    distributions, chain = _distributions(environment, size), environment.to_markov()
    return StateMechanism(chain, distributions, allocation, payment[None], matrix, coins, claims, source)


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
    distributions, chain = _distributions(environment, size), environment.to_markov()
    return StateMechanism(chain, distributions, allocation, payment, matrix, None, claims, source)
