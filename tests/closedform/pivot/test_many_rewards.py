"""Many rewards at once against one program each."""

import numpy as np
import pytest

from mechopt.closedform.pivot.efficient import solve
from mechopt.closedform.pivot.many_rewards import many_values
from mechopt.closedform.virtual.phase import signal_chains
from mechopt.environment.separable import SeparableTypes
from tests.closedform.separable_programs import random_separable

CASES = {
    "one-for-ever": (["multiplicative"], (4,), (5,), 3, "infinite"),
    "two-for-ever": (["additive", "multiplicative"], (2, 2), (2, 3), 3, "infinite"),
    "two-finite": (["additive"] * 2, (3, 2), (1, 2), 2, 3),
    "one-period": (["multiplicative"], (3,), (2,), 3, 1),
}


@pytest.mark.parametrize("dense", [400, 0], ids=["together", "one by one"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_equals_one_program_each(case, dense, monkeypatch):
    monkeypatch.setattr("mechopt.closedform.pivot.many_rewards.DENSE", dense)
    for seed in range(5):
        env = random_separable(*case, discount="9/10", seed=seed)
        assert isinstance(env, SeparableTypes)
        rng, members = np.random.default_rng(seed), list(range(env.agents))
        shape = [(len(env.cost), size) for size in env.signal_shape]
        for agent in members:
            tables = rng.normal(size=(12, *shape[agent]))
            given = [rng.normal(size=part) for part in shape]
            found = many_values(signal_chains(env, given), members, agent, tables)
            for table, values in zip(tables, found, strict=True):
                alone = [table if j == agent else part for j, part in enumerate(given)]
                np.testing.assert_allclose(
                    values, solve(signal_chains(env, alone), members)[0][0], rtol=1e-11, atol=1e-12
                )
