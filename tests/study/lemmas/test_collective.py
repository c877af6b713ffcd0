"""The condition of the collective pivot mechanism beside the program of all payments."""

import numpy as np
import pytest

import mechopt as mo
from mechopt.lemmas import collective_pivot
from tests.closedform.markov_instances import random_environment
from tests.closedform.pivot.test_balanced_team import three_by_three


def trade(periods=1, discount=1):
    """Buyer 1 or 3, seller with cost 0 or 2, all even, fresh in each period."""
    half = [["1/2", "1/2"]] * 2
    return mo.MarkovTypes([[[0, 0], [1, 3]], [[0, 0], [0, -2]]], [half] * 2, half, horizon=periods, discount=discount)


@pytest.mark.parametrize(
    ("environment", "condition", "program"),
    [
        # 2 x 2, by hand: E W = (1 + 0 + 3 + 1) / 4; min over buyers (1 + 0) / 2, over sellers (0 + 1) / 2
        (trade(), 1 / 2 + 1 / 2 - 5 / 4, 1 / 4),
        (three_by_three(1, 1), -8 / 9, -2 / 9),
        (three_by_three(2, "3/10"), -0.7155555556, 0.0311111111),
    ],
)
def test_published_numbers(environment, condition, program):
    found = collective_pivot(environment)
    assert found.at_first == pytest.approx(condition, abs=1e-9)
    assert found.program == pytest.approx(program, abs=1e-9)
    assert (found.lump_sums, found.possible) == (False, program >= 0)


def agrees(seed):
    """Against the library's program in which efficiency is worth far more than money, and sums over types."""
    periods, agents, types = 1 + seed // 2 % 2, 2 + seed % 2, 2 + seed % 3 // 2
    env = random_environment((types,) * agents, periods, 2, (0.8, 0.3)[seed % 5 // 3], seed)
    found = collective_pivot(env)
    welfare, weight = mo.efficient(env).welfare[0], 1e4
    least = 0.0
    for i in range(agents):
        mean = np.moveaxis(welfare, i, 0)
        for j in reversed([j for j in range(agents) if j != i]):
            mean = np.tensordot(mean, env.initial[j], axes=(mean.ndim - 1, 0))
        least += mean.min()
    expected = float((env.initial_distribution * welfare).sum())
    assert found.at_first == pytest.approx(least - (agents - 1) * expected, abs=1e-8)
    assert found.every_period <= found.at_first + 1e-9
    best = mo.optimum(env, "bayesian", "interim", objective=mo.Revenue() + weight * mo.Welfare(), exact=False)
    assert found.at_first <= found.program + 1e-8
    assert found.program <= best.value - weight * expected + 1e-5
    if best.mechanism.welfare == pytest.approx(expected, abs=1e-10):
        assert found.program == pytest.approx(best.value - weight * expected, abs=1e-4)
        return True
    return False


@pytest.mark.filterwarnings("ignore:values or joint probabilities differ")
def test_the_program_is_that_of_all_mechanisms_which_are_efficient():
    assert sum(agrees(seed) for seed in range(8)) >= 6


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:values or joint probabilities differ")
def test_the_program_is_that_of_all_mechanisms_which_are_efficient_in_bulk():
    assert sum(agrees(seed) for seed in range(100, 220)) >= 100


@pytest.mark.parametrize(("discount", "at_first", "always"), [("3/20", False, False), ("1/4", True, True)])
def test_thresholds_for_ever(discount, at_first, always):
    # fresh types: participation from a discount of 1/6 on
    half = [["1/2", "1/2"]] * 2
    env = mo.MarkovTypes([[[0, 0], [1, 3]], [[0, 0], [0, -2]]], [half] * 2, half, discount=discount)
    found = collective_pivot(env)
    assert (found.lump_sums, found.lump_sums_every_period, found.program) == (at_first, always, None)
    assert found.possible is (True if at_first else None)


def test_what_is_possible_is_a_balanced_mechanism():
    # two periods at a discount of 3/10: the condition fails, the program does not, and such a mechanism exists
    env = three_by_three(2, "3/10")
    best = mo.optimum(env, "bayesian", "interim", objective=mo.Revenue() + 1e3 * mo.Welfare())
    shared = mo.mechanisms.balance(best.mechanism)
    report = mo.verify(shared, ["bayesian", "interim", mo.StrongBudgetBalance()])
    assert report.holds
    assert shared.welfare == pytest.approx(mo.efficient(env).expected_welfare, abs=1e-8)


def test_large_programs_are_refused():
    with pytest.raises(mo.errors.LimitError, match="more than 300,000 entries"):
        collective_pivot(trade(12))
