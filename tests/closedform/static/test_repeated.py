"""Static auctions repeated: values by hand, every constraint on random environments, costs and discounts."""

from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.closedform.static.repeated import give_for_free, repeated_myerson, repeated_second_price
from mechopt.mechanism.constraints import INDEPENDENT_CONSTRAINTS
from tests.closedform.bank_instances import BATCHES, HALF, SHAPES, environment, require_theorems

MAKERS = [repeated_myerson, repeated_second_price, give_for_free]


@pytest.mark.parametrize("seeds", BATCHES)
@pytest.mark.parametrize("buyers", SHAPES)
@pytest.mark.parametrize("make", MAKERS)
def test_every_constraint_is_kept(make, buyers, seeds):
    for seed in seeds:
        bank = make(environment(seed, buyers))
        assert bank.claims == INDEPENDENT_CONSTRAINTS
        require_theorems(bank)


def test_three_buyers_keep_every_constraint():
    for seed in range(10):
        for make in MAKERS:
            require_theorems(make(environment(seed, 3)))


@pytest.mark.parametrize("buyers", SHAPES)
def test_repeated_myerson_is_the_best_super_dynamic_mechanism(buyers):
    # Lemma B.2: super-DIC and EPIR allow no more than static auctions
    for seed in range(12):
        env = environment(seed, buyers)
        best = mo.optimum(env, mo.SuperDIC(), mo.EPIR()).value
        assert repeated_myerson(env).revenue == pytest.approx(best, abs=1e-7)


def test_two_uniform_bidders_on_five_values():
    # virtual values -3, -1, 1, 3, 5: reserve 3; E max over (1, 3, 5 at 1/5 each, else 0) = 2.84
    env = mo.IndependentTypes.iid(range(1, 6), ["1/5"] * 5, horizon=3, agents=2)
    assert repeated_myerson(env).revenue == pytest.approx(3 * 2.84, abs=1e-12)
    # E min of two uniform draws from 1..5 = sum_v P(both >= v) = (25+16+9+4+1)/25
    assert repeated_second_price(env).revenue == pytest.approx(3 * 55 / 25, abs=1e-12)
    assert repeated_second_price(env).welfare == pytest.approx(env.first_best, abs=1e-12)


def test_one_buyer_gets_the_item_for_free_or_at_cost():
    env = mo.IndependentTypes.iid([1, 4], HALF, horizon=2, cost=[0, 3], discount="1/2")
    for given in (give_for_free(env), repeated_second_price(env)):
        # period 0 is worth 5/2; in period 1 only type 4 buys, at 3, and keeps 1, at half the weight
        assert given.revenue == pytest.approx(0, abs=1e-12)
        assert given.utilities == pytest.approx((2.5 + 0.5 * 0.5,), abs=1e-12)
        mechanism = given.to_mechanism()
        np.testing.assert_allclose(mechanism.payment[1][0], [[0, 3], [0, 3]], atol=1e-12)


@pytest.mark.parametrize("make", MAKERS)
def test_a_thousand_periods_are_a_thousand_times_one(make):
    one = make(mo.IndependentTypes.iid([2, 3, 7], ["1/2", "1/4", "1/4"], horizon=1, agents=2))
    thousand = make(mo.IndependentTypes.iid([2, 3, 7], ["1/2", "1/4", "1/4"], horizon=1000, agents=2))
    outcome = thousand.outcome()
    assert (outcome.method, outcome.states) == ("balance distribution", 1)
    assert outcome.revenue == pytest.approx(1000 * one.revenue, rel=1e-12)
    assert outcome.utilities == pytest.approx(tuple(1000 * u for u in one.utilities), rel=1e-12)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("buyers", SHAPES)
def test_a_cost_below_all_values_is_a_shift_of_values(make, buyers):
    values = [[[3, 5, 9], [4, 6]], [[3, 4], [7, 8]]][:buyers]
    weights = [[[Fraction(1, len(row))] * len(row) for row in rows] for rows in values]
    costly = make(mo.IndependentTypes(values, weights, cost=[3, 2]))
    shifted = [[[v - c for v in row] for row, c in zip(rows, (3, 2), strict=True)] for rows in values]
    free = make(mo.IndependentTypes(shifted, weights))
    assert costly.revenue == pytest.approx(free.revenue, abs=1e-12)
    assert costly.utilities == pytest.approx(free.utilities, abs=1e-12)


def test_nobody_below_cost_is_served():
    env = mo.IndependentTypes([[[1, 2, 6]], [[0, 5]]], [[["1/3"] * 3], [HALF]], cost=3)
    for make in MAKERS:
        mechanism = make(env).to_mechanism()
        below = [mechanism.allocation[0][0, :, :2, :], mechanism.allocation[0][1, :, :, :1]]
        assert max(float(part.max()) for part in below) == 0.0
