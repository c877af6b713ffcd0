"""A mechanism over T periods whose last action stands for a tail, written as states of a mechanism for ever."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import numpy as np

from mechopt.core.numbers import FloatArray
from mechopt.environment.markov import MarkovTypes
from mechopt.mechanism.constraints import Constraint
from mechopt.mechanism.endless.states import StateMechanism
from mechopt.mechanism.sequence import SequenceMechanism


class Tail(NamedTuple):
    """One action for ever.

    Attributes
    ----------
    action : int
    fee : float array ``(agents,)``
        Of every period: the smallest value of the action.
    worth, gain : tuples over agents of float arrays ``(types,)``
        Value above fees from now on, and what it brings the seller besides.
    cost : float
        Of the seller from now on, less fees.
    """

    action: int
    fee: FloatArray
    worth: tuple[FloatArray, ...]
    gain: tuple[FloatArray, ...]
    cost: float


def unfolded(
    environment: MarkovTypes, found: SequenceMechanism, tails: list[Tail], claims: tuple[Constraint, ...]
) -> StateMechanism:
    """Write histories before the last action as states, and after it one state a tail and last profile.

    Utility of a period is the same whatever action is drawn, where actions are not recorded.
    """
    from scipy.sparse import csr_array

    tree, env, n = found.tree, environment, environment.agents
    shape, profiles, actions = env.shape[0], prod(env.shape[0]), env.action_counts[0]
    own = np.array(np.unravel_index(np.arange(profiles), shape))
    offset = np.cumsum([0, *tree.slots])
    first_tail, size = int(offset[-1]), int(offset[-1]) + len(tails) * profiles
    distributions = [np.zeros((size, types)) for types in shape]
    for i, distribution in enumerate(distributions):
        distribution[0] = env.initial[i]
        for t in range(1, tree.horizon):
            profile, branch = tree.before(t)
            distribution[offset[t] : offset[t + 1]] = env.kernel[i][0][branch, own[i, profile]]
        for x, tail in enumerate(tails):
            distribution[first_tail + x * profiles : first_tail + (x + 1) * profiles] = env.kernel[i][0][
                tail.action, own[i]
            ]
    allocation = np.zeros((size, profiles, actions))
    allocation[:, :, 0] = 1.0  # at reports that are not possible, which nothing is said of
    payment = np.zeros((n, size, profiles, actions))
    after = np.zeros((size, profiles, actions), dtype=np.int64)
    worth = np.array([env.values[i][0][:, own[i]].T for i in range(n)])  # agent, profile, action
    ends = list[tuple[int, int, int, int, float]]()
    for t in range(tree.horizon):
        policy = found.policy[t]
        alone = policy.sum(axis=1) <= 0
        for node in range(tree.count[t]):
            s, p = int(offset[t]) + int(tree.slot[t][node]), int(tree.profile[t][node])
            chosen = np.eye(policy.shape[1])[0] if alone[node] else policy[node] / policy[node].sum()
            allocation[s, p] = 0.0
            recorded = found.recorded(t)[node]
            fees = np.divide(
                found.payment[t][:, node], recorded, out=np.zeros((n, len(recorded))), where=recorded > 1e-9
            )
            if t + 1 < tree.horizon:
                allocation[s, p] = chosen
                following = tree.following(t)[node]
                after[s, p] = offset[t + 1] + (following if len(following) > 1 else following[0])
                if len(recorded) > 1:
                    payment[:, s, p] = fees
                else:
                    utility = worth[:, p] @ chosen - fees[:, 0]
                    payment[:, s, p] = worth[:, p] - utility[:, None]
                continue
            for x, tail in enumerate(tails):
                if chosen[x] > 0:
                    allocation[s, p, tail.action] += chosen[x]
                    ends.append((s, p, tail.action, first_tail + x * profiles + p, chosen[x]))
                    payment[:, s, p, tail.action] = fees[:, 0] + tail.fee
    for x, tail in enumerate(tails):
        rows = slice(first_tail + x * profiles, first_tail + (x + 1) * profiles)
        allocation[rows] = np.eye(actions)[tail.action]
        payment[:, rows] = tail.fee[:, None, None, None]
        after[rows] = (first_tail + x * profiles + np.arange(profiles))[:, None]
    entries = np.arange(after.size)
    kept = np.ones(after.shape, dtype=bool)
    kept[offset[tree.horizon - 1] : first_tail] = False
    rows_kept = entries[kept.ravel()]
    last = np.array([(s * profiles + p) * actions + a for s, p, a, _, _ in ends], dtype=np.int64)
    shares = np.array([w for *_, w in ends]) / np.maximum(allocation.ravel()[last], 1e-300)
    idle = np.setdiff1d(entries, np.concatenate([rows_kept, last]))  # what does not happen leads to the first state
    row = np.concatenate([rows_kept, last, idle])
    targets = np.array([to for *_, to, _ in ends], dtype=np.int64)
    column = np.concatenate([after.ravel()[rows_kept], targets, np.zeros(len(idle), dtype=np.int64)])
    weight = np.concatenate([np.ones(len(rows_kept)), shares, np.ones(len(idle))])
    matrix = csr_array((weight, (row, column)), shape=(after.size, size))
    source = f"optimum of revenue for ever: {tree.horizon - 1} periods, and one action for ever after them"
    return StateMechanism(environment, tuple(distributions), allocation, payment, matrix, None, claims, source)
