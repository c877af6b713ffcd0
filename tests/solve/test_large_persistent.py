"""What is too large where types persist is refused with figures before memory is asked for."""

import re

import numpy as np
import pytest

import mechopt as mo
from mechopt.environment.process import joint_process
from mechopt.histories.public import PublicTree
from tests.interdependent_instances import random_environment


def alike(agents, types, horizon):
    """Agents who draw from the same uniform law in every period."""
    even = [1 / types] * types
    values = [[0] * types, list(range(types))]
    return mo.MarkovTypes([values] * agents, [[even] * types] * agents, [even] * agents, horizon=horizon, discount=0.9)


def figure(error):
    """The first long number of a message."""
    return int(re.search(r"\d[\d,]{6,}", str(error.value))[0].replace(",", ""))


@pytest.mark.parametrize(
    "call", [mo.optimum, mo.relaxed_optimum, lambda env: mo.formats.plan(env).size], ids=["optimum", "relaxed", "plan"]
)
def test_programs_that_cannot_even_be_counted(call):
    with pytest.raises(mo.errors.LimitError, match=r"non-zeros .* histories") as error:
        call(alike(3, 10, 5))
    assert "1,001,001,001,001,000 histories" in str(error.value)  # 1000 + 1000^2 + ... + 1000^5: reports alone


def test_values_of_many_agents():
    with pytest.raises(mo.errors.LimitError, match="values by type profile have") as error:
        mo.optimum(alike(30, 3, 2))
    assert figure(error) == 30 * 2 * 3**30


def test_histories_that_cannot_be_written_out():
    env = random_environment(4, sizes=(3, 3), actions=2, horizon=9, private_last=True)
    tree = PublicTree(joint_process(env))
    with pytest.raises(mo.errors.LimitError, match="public histories are above 20,000,000") as error:
        assert tree.profile
    assert figure(error) == sum(9 * 18**t for t in range(9))  # 9 profiles, and then 2 actions times 9 profiles
    with pytest.raises(mo.errors.LimitError, match="public histories"):
        mo.contingent_transfers(env, "spanning").to_mechanism()
    assert np.isfinite(mo.contingent_transfers(env, "spanning").gain)
