"""Instances of `benchmarks.markov`, by name.

``dense-K``: three agents with K types each, four actions, discount 0.9, values and kernels by action drawn at random,
every type reached from every other. ``local-K``: the same, but a type moves by at most one place a period, so that the
joint chain is sparse. ``beta-N``: one Beta(1,1)-Bernoulli project that is frozen after N observations.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

AGENTS, ACTIONS, DISCOUNT = 3, 4, 0.9


class Agents(NamedTuple):
    """Numbers of an environment: ``values[i][a, k]``, ``kernel[i][a, k, l]``, ``initial[i][k]``."""

    values: list[FloatArray]
    kernel: list[FloatArray]
    initial: list[FloatArray]
    discount: float


class Project(NamedTuple):
    """Numbers of a project: ``kernel[k, l]``, ``rewards[k]``."""

    kernel: FloatArray
    rewards: FloatArray
    discount: float


def instance(name: str) -> Agents | Project:
    """Numbers of an instance."""
    kind, size = name.split("-")
    return beta(int(size)) if kind == "beta" else agents(int(size), kind == "local")


def agents(types: int, local: bool) -> Agents:
    """Three agents; see the module's docstring."""
    rng, values, kernel = np.random.default_rng(types), [], []
    near = np.abs(np.subtract.outer(np.arange(types), np.arange(types))) <= 1
    for _ in range(AGENTS):
        weights = rng.uniform(0.1, 1.0, size=(ACTIONS, types, types)) * (near if local else 1.0)
        kernel.append(weights / weights.sum(axis=2, keepdims=True))
        values.append(rng.uniform(size=(ACTIONS, types)))
    return Agents(values, kernel, [np.full(types, 1 / types)] * AGENTS, DISCOUNT)


def beta(last: int) -> Project:
    """Success and failure counts (s, f) with s + f <= last; the reward is the posterior mean."""
    states = [(s, n - s) for n in range(last + 1) for s in range(n + 1)]
    place = {state: k for k, state in enumerate(states)}
    rewards = np.array([(s + 1) / (s + f + 2) for s, f in states])
    kernel = np.zeros((len(states), len(states)))
    for (s, f), k in place.items():
        if s + f == last:
            kernel[k, k] = 1.0
        else:
            kernel[k, place[s + 1, f]] = rewards[k]
            kernel[k, place[s, f + 1]] = 1 - rewards[k]
    return Project(kernel, rewards, 0.9)
