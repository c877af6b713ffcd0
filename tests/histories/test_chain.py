"""Expectations along the chain of type profiles, against plain loops over actions, profiles and next profiles."""

from fractions import Fraction
from itertools import product
from math import prod

import numpy as np
import pytest

from mechopt.environment.markov import MarkovTypes
from mechopt.histories.chain import ahead, taken


def _random(seed: int) -> MarkovTypes:
    """One to three agents, two or three types; of each agent, types move alike under all actions or not."""
    rng = np.random.default_rng(seed)
    agents, actions = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    sizes = rng.integers(1, 4, agents)

    def row(size: int) -> list[Fraction]:
        weights = rng.integers(0, 4, size)
        weights[rng.integers(size)] += 1
        return [Fraction(int(w), int(weights.sum())) for w in weights]

    def kernel(size: int) -> list[list[list[Fraction]]]:
        alike = [row(size) for _ in range(size)]
        moved = rng.random() < 0.5
        return [[row(size) for _ in range(size)] if moved else alike for _ in range(actions)]

    values = [rng.integers(0, 9, (actions, size)).tolist() for size in sizes]
    return MarkovTypes(values, [kernel(size) for size in sizes], [row(size) for size in sizes], discount="1/2")


@pytest.mark.parametrize("first", range(0, 300, 50))
def test_expectations_are_those_of_plain_loops_on_300_random_chains(first: int) -> None:
    for seed in range(first, first + 50):
        env, rng = _random(seed), np.random.default_rng(seed + 1000)
        shape, everybody = env.shape[0], range(env.agents)
        value, policy = rng.normal(size=shape), rng.integers(0, env.action_counts[0], shape)
        found = ahead(env, value, 0, everybody)
        picked = taken(found, policy)
        assert found.shape == (env.action_counts[0], *shape)
        for types in product(*map(range, shape)):
            for a in range(env.action_counts[0]):
                expected = sum(
                    value[after] * prod(env.kernel[i][0][a][types[i]][after[i]] for i in everybody)
                    for after in product(*map(range, shape))
                )
                assert found[(a, *types)] == pytest.approx(expected, rel=1e-12, abs=1e-12)
                if a == policy[types]:
                    assert picked[types] == found[(a, *types)]
