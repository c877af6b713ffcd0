"""Interdependent environments that several tests use."""

import numpy as np

from mechopt.environment.interdependent import InterdependentTypes


def random_environment(
    seed, sizes=(2, 3), actions=3, horizon=2, discount=0.9, controlled=True, cost=False, private_last=False
):
    """Dirichlet laws and uniform values; `sizes` is a tuple over agents, or a list of such over periods.

    With `private_last` the values of the last period depend on the own signal alone, so that its efficient allocation
    is implementable ex post.
    """
    rng = np.random.default_rng(seed)
    by_period = [sizes] * (1 if horizon == "infinite" else horizon) if isinstance(sizes, tuple) else sizes
    values = tuple(rng.uniform(-1, 1, size=(len(size), actions, *size)) for size in by_period)
    if private_last:
        values = (*values[:-1], private(rng, by_period[-1], actions))
    following = by_period if horizon == "infinite" else by_period[1:]
    kernels = tuple(
        distribution(rng, (*((actions,) if controlled else ()), *size), after)
        for size, after in zip(by_period, following, strict=False)
    )
    return InterdependentTypes(
        tuple(zip(*values, strict=True)),
        kernels,
        distribution(rng, (), by_period[0]),
        cost=rng.uniform(0, 0.5, size=actions) if cost else 0,
        horizon=horizon,
        discount=discount,
    )


def private(rng, sizes, actions):
    """Uniform values of the own signal, ``(agent, action, *signals)``."""
    rows = []
    for i, size in enumerate(sizes):
        own = rng.uniform(-1, 1, size=(actions, *(size if j == i else 1 for j in range(len(sizes)))))
        rows.append(np.broadcast_to(own, (actions, *sizes)))
    return np.stack(rows)


def distribution(rng, leading, following):
    """Random joint distributions ``(*leading, *following)``."""
    drawn = rng.dirichlet(np.ones(int(np.prod(following))), size=leading or 1)
    return drawn.reshape(*leading, *following)
