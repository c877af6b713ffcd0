"""Random and named environments whose types persist, for property tests."""

from __future__ import annotations

import numpy as np

import mechopt as mo


def random_markov(seed, agents=None, periods=None, actions=None, most=3, sparse=False, controlled=None, discount=None):
    """An environment with unequal type counts; `sparse` puts zeros into kernels and first laws."""
    rng = np.random.default_rng(seed)
    n = agents or int(rng.integers(1, 3))
    horizon = periods or int(rng.integers(1, 4))
    count = actions or int(rng.integers(2, 4))
    steered = bool(rng.integers(2)) if controlled is None else controlled

    def distribution(*shape):
        weights = rng.integers(0 if sparse else 1, 5, shape).astype(float)
        weights[..., 0] += weights.sum(axis=-1) == 0
        return weights / weights.sum(axis=-1, keepdims=True)

    sizes = [int(rng.integers(1, most + 1)) for _ in range(n)]
    values = [np.sort(rng.integers(0, 9, (count, k)), axis=1) for k in sizes]
    kernel = [distribution(count, k, k) if steered else distribution(k, k) for k in sizes]
    return mo.MarkovTypes(
        values=values,
        kernel=kernel,
        initial=[distribution(k) for k in sizes],
        cost=rng.integers(0, 2, count),
        horizon=horizon,
        discount=discount or rng.choice([1, 0.9]),
    )


def one_item(seed, agents=2, types=2, periods=2, discount=1):
    """One item a period, action 0 keeps it; full-support kernels that no action moves."""
    rng = np.random.default_rng(seed)
    values = [np.zeros((agents + 1, types)) for _ in range(agents)]
    for i in range(agents):
        values[i][i + 1] = np.sort(rng.choice(np.arange(1, 12), types, replace=False))
    kernel = [rng.dirichlet(np.ones(types), types).round(3) for _ in range(agents)]
    for part in kernel:
        part[:, 0] = 1 - part[:, 1:].sum(axis=1)
    initial = [np.full(types, 1 / types)] * agents
    return mo.MarkovTypes(values, kernel, initial, horizon=periods, discount=discount)


def battaglini(periods):
    """Values 1 and 2, the high one with probability 0.6 at first, types stay with probability 0.75."""
    stay = [["3/4", "1/4"], ["1/4", "3/4"]]
    return mo.MarkovTypes([[[0, 0], [1, 2]]], [stay], [["2/5", "3/5"]], actions=["keep", "sell"], horizon=periods)


def three_types(periods=2):
    """Values 1, 2, 4: local incentive constraints are not enough."""
    stay = [["7/10", "3/20", "3/20"], ["3/20", "7/10", "3/20"], ["3/20", "3/20", "7/10"]]
    return mo.MarkovTypes([[[0, 0, 0], [1, 2, 4]]], [stay], [["1/4", "1/4", "1/2"]], horizon=periods)


def random_correlated(seed, sizes=(2, 2), actions=2, periods=2, sparse=True):
    """Correlated signals and interdependent values; `sparse` puts zeros into the joint distributions."""
    rng = np.random.default_rng(seed)
    profiles = int(np.prod(sizes))

    def distribution(*shape):
        weights = rng.integers(0 if sparse else 1, 4, shape).astype(float)
        weights[..., 0] += weights.sum(axis=-1) == 0
        return weights / weights.sum(axis=-1, keepdims=True)

    values = [rng.integers(0, 6, (actions, *sizes)).tolist() for _ in sizes]
    kernel = distribution(actions, profiles, profiles).reshape(actions, *sizes, *sizes)
    return mo.InterdependentTypes(values, kernel, distribution(profiles).reshape(sizes), horizon=periods)
