"""A tolerance comes from what is compared: a large value in another state, type or period decides nothing."""

from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.closedform.bank.asymptotic import asymptotic
from mechopt.closedform.bank.conversions import bank_account
from mechopt.closedform.bank.money_burning_caps import MoneyBurningAuctions
from mechopt.closedform.bank.reachable import largest_values, reachable
from mechopt.closedform.pivot.efficient_joint import efficient_joint

HALF = ["1/2", "1/2"]
STAYS = [[1, 0], [0, 1]]


@pytest.mark.parametrize("large", [10, 2 * 10**8, 10**12])
def test_the_better_action_of_a_poor_type_beside_a_rich_one(large):
    """Type 0 is worth 1 under action 0 and 1.001 under action 1; type 1 is worth much under both."""
    env = mo.MarkovTypes([[[1, large], ["1001/1000", large]]], [STAYS], [HALF], horizon=2)
    assert [policy[0] for policy in mo.efficient(env).policy] == [1, 1]


@pytest.mark.parametrize("large", [10, 2 * 10**8, 10**12])
def test_the_same_where_values_are_interdependent(large):
    values = [[[[1, large]] * 2, [["1001/1000", large]] * 2], np.zeros((2, 2, 2)).tolist()]
    kernel = [[[[float((a, b) == (c, d)) for d in range(2)] for c in range(2)] for b in range(2)] for a in range(2)]
    env = mo.InterdependentTypes(values, kernel, [[0.25, 0.25], [0.25, 0.25]], horizon=2)
    assert [policy[0, 0] for policy in efficient_joint(env).policy] == [1, 1]


def test_ties_by_rounding_are_ties_at_every_scale():
    """0.1 + 0.2 and 0.3 are one value, also where the sum is compared with a cost that cancels it."""
    for scale in (1e-9, 1.0, 1e9):
        values = [[[0.1 * scale], [0.3 * scale]], [[0.2 * scale], [0.0]]]
        env = mo.MarkovTypes(values, [[[1]]] * 2, [[1]] * 2, cost=[0.3 * scale] * 2, horizon=1)
        found = mo.efficient(env)
        assert found.policy[0].tolist() == [[0]] and found.tied[0].all()


def test_a_price_between_two_values_is_not_moved_to_the_lower_one():
    """With P(2e8) = 1e-8 the price 3/2 leaves the buyer 2 - 1.5e-8; type 1.4 does not buy."""
    chance = 1e-8
    auctions = MoneyBurningAuctions([(np.array([1.4, 2e8]), np.array([1 - chance, chance]))])
    found = auctions(np.array([[(2e8 - 1.5) * chance]]))
    assert found.allocation[0, 0].tolist() == [0.0, 1.0]
    assert found.payment[0, 0, 1] == pytest.approx(1.5, abs=1e-6)


def test_a_price_that_is_a_value_sells_to_it_at_every_scale():
    for scale in (1e-9, 1.0, 1e9):
        values, chances = np.array([1.0, 2.0, 5.0]) * scale, np.array([0.3, 0.3, 0.4])
        auctions = MoneyBurningAuctions([(values, chances)])
        caps = np.maximum(values - values[:, None], 0.0) @ chances
        found = auctions(caps[None])
        assert found.allocation[0].tolist() == [[1, 1, 1], [0, 1, 1], [0, 0, 1]]


def then_worth(value):
    return mo.IndependentTypes([[["7/10", "23/10"]] * 3 + [[value]]], [[HALF] * 3 + [["1"]]])


def test_balances_of_today_are_not_merged_by_a_value_of_tomorrow():
    """Utilities of 1 and 1 + 2^-20 are two balances, whatever comes later."""
    values = [[[1, Fraction(2**20 + 1, 2**20)], [1], [10**12]]]
    env = mo.IndependentTypes(values, [[HALF, ["1"], ["1"]]])
    balances = [stage.balance for _, stage, _ in reachable(asymptotic(env), False)]
    assert balances[1].shape == (1, 2)
    assert largest_values(env).tolist() == [1 + 2**-20, 1 + 2**-20, 1e12]


@pytest.mark.parametrize("value", [2, 2 * 10**10])
def test_a_bank_account_of_a_mechanism_keeps_small_balances_apart(value):
    given = asymptotic(then_worth(value), "sqrt(t log t)").to_mechanism()
    bank = bank_account(given)
    assert bank.conditions().holds
    assert bank.utilities == pytest.approx(given.utilities, abs=1e-6 + 1e-14 * value)
    assert bank.revenue >= given.revenue - 1e-14 * value
    for small, large in zip(bank.to_mechanism().allocation[:3], given.allocation[:3], strict=True):
        assert small == pytest.approx(large)
