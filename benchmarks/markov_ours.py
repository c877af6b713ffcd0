"""mechopt's own part of `benchmarks.markov`."""

from __future__ import annotations

import mechopt as mo
from benchmarks.markov_instances import Agents, Project


def build(given: Agents | Project) -> mo.MarkovTypes | Project:
    """The environment."""
    if isinstance(given, Project):
        return given
    return mo.MarkovTypes(given.values, given.kernel, given.initial, discount=given.discount)


def solve(model: mo.MarkovTypes | Project, contender: str) -> list[float]:
    """Sum and first entry of W and of every W_{-i}, or first and last index."""
    if isinstance(model, Project):
        indices = mo.gittins_indices(model.kernel, model.rewards, model.discount)
        return [float(indices[0]), float(indices.mean())]
    best = mo.efficient(model)
    return [float(number) for part in (best.welfare, *best.welfare_without) for number in (part.mean(), part.flat[0])]
