"""Non-clairvoyant balance and the two-period mechanism: theorems on random environments, values by hand, tightness."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.closedform.bank.money_burning_caps import MoneyBurningAuctions
from mechopt.closedform.bank.non_clairvoyant import non_clairvoyant_balance, two_period
from mechopt.closedform.static.money_burning import capped_money_burning
from tests.closedform.bank_instances import BATCHES, HALF, SHAPES, environment, require_theorems

MAKERS = {"balance": non_clairvoyant_balance, "two-period": two_period}
DOMINANT = {mo.DIC(), mo.ExPostIC(), mo.PPIC(), mo.INDU(), mo.EPIR(), mo.PFIR(), mo.PEIR()}


def require_guarantee(bank, optimum):
    assert bank.revenue >= float(bank.guarantee) * optimum - 1e-9 * max(1.0, optimum)
    assert bank.revenue <= optimum + 1e-7 * max(1.0, optimum)


@pytest.mark.parametrize("seeds", BATCHES)
@pytest.mark.parametrize("buyers", SHAPES)
def test_theorems_hold_and_revenue_is_never_below_the_guarantee(buyers, seeds):
    # half of the environments have costs or a discount; the guarantee is a share of what DIC and EPIR allow there
    shares = {1: (Fraction(1, 3), Fraction(1, 2)), 2: (Fraction(1, 5), Fraction(1, 2))}[buyers]
    for seed in seeds:
        env = environment(seed, buyers)
        optimum = mo.optimum(env).value
        banks = [non_clairvoyant_balance(env)] + ([two_period(env)] if env.horizon == 2 else [])
        for bank, share in zip(banks, shares, strict=False):
            assert bank.guarantee == share and set(bank.claims) >= DOMINANT
            require_theorems(bank)
            require_guarantee(bank, optimum)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_three_buyers(make):
    seeds = [seed for seed in range(30) if environment(seed, 3).horizon == 2][:8]
    for seed in seeds:
        env = environment(seed, 3)
        bank = make(env)
        require_theorems(bank)
        require_guarantee(bank, mo.optimum(env).value)


def test_balance_of_one_buyer_by_hand():
    # values 1, 2 at 1/2. Period 0: 1/3 Myerson earns 1/3, the free third 0, the last third is sold to type 2 at 2: 1/3.
    # Period 1, balance 1/3 or 2/3, spend at most 1/2. Balance 1/3: spend 1/3, E(theta - r)^+ = 1 at r = 1/2, earns 1/6.
    # Balance 2/3: spend 1/2, r = 0. Either way 1/3 + 1/2.
    env = mo.IndependentTypes.iid([1, 2], HALF, horizon=2)
    bank = non_clairvoyant_balance(env)
    assert bank.revenue == pytest.approx(2 / 3 + 5 / 6, abs=1e-12)
    stage = bank.stage(1, np.array([[1 / 3, 2 / 3]]))
    np.testing.assert_allclose(stage.spend, [[1 / 3, 1 / 2]], atol=1e-12)
    np.testing.assert_allclose(stage.payment, [[[5 / 6, 5 / 6], [5 / 6, 5 / 6]]], atol=1e-12)
    np.testing.assert_allclose(stage.next_balance, [[[1 / 3, 2 / 3], [1 / 2, 5 / 6]]], atol=1e-12)


def test_two_period_of_one_buyer_by_hand():
    # Period 0: 1/2 Myerson, 1/2 free: 1/2. Balance 1/2: spend 1/2, E(theta - r)^+ = 1 at r = 1/2: 1/2 + 1/2 + 1/4.
    # Balance 1: spend 3/4 = E theta / 2, r = 0: 1/2 + 3/4.
    env = mo.IndependentTypes.iid([1, 2], HALF, horizon=2)
    assert two_period(env).revenue == pytest.approx(1 / 2 + 5 / 4, abs=1e-12)


def test_balance_of_two_buyers_by_hand():
    # values 1, 2 at 1/2: Myerson 3/2 (virtual values 0, 2), second price 5/4; balances are 0 at first, so nothing is
    # burned: 3/10 + 1/2. With probability 1/4 each, a buyer was the only one of type 2: her balance is 2/5 * 1, her cap
    # 1 < E theta = 3/2, and since both virtual values for utility iron to 3/2 a lottery gives her 1 for nothing: spend
    # 2/5. Period 1 earns 1/2 * 2/5 more than period 0.
    env = mo.IndependentTypes.iid([1, 2], HALF, horizon=2, agents=2)
    assert non_clairvoyant_balance(env).revenue == pytest.approx(0.8 + 0.8 + 0.2, abs=1e-12)


def test_the_third_is_tight_where_the_top_type_vanishes():
    # one period: (Myerson + f_2 * 2) / 3 with Myerson = 1 for f_2 <= 1/2, so the ratio is (1 + 2 f_2) / 3
    for rare in (Fraction(1, 10), Fraction(1, 1000), Fraction(1, 100000)):
        env = mo.IndependentTypes.iid([1, 2], [1 - rare, rare], horizon=1)
        ratio = non_clairvoyant_balance(env).revenue / mo.optimum(env).value
        assert ratio == pytest.approx((1 + 2 * float(rare)) / 3, abs=1e-9)


def test_the_half_of_two_periods_is_tight_where_the_first_item_is_worthless():
    # nothing can be put into the bank: (1/2 Myerson + 1/2 * 2 f_2) / Myerson = 1/2 + f_2
    for rare in (Fraction(1, 10), Fraction(1, 1000), Fraction(1, 100000)):
        env = mo.IndependentTypes([[[0], [1, 2]]], [[[1], [1 - rare, rare]]])
        assert two_period(env).revenue / mo.optimum(env).value == pytest.approx(0.5 + float(rare), abs=1e-9)


def test_a_price_at_a_value_sells_to_it():
    # 3 s = E(theta - 2)^+ = 1/2 at r = 2 exactly: types 2 and 3 buy in the last third
    env = mo.IndependentTypes.iid([1, 2, 3], ["1/4", "1/4", "1/2"], horizon=1)
    for noise in (-1e-14, 0.0, 1e-14):
        stage = non_clairvoyant_balance(env).stage(0, np.array([[1 / 6 + noise]]))
        # Myerson's price is 2 or 3 (both earn 3/2; the lowest is taken), the free third goes to all
        np.testing.assert_allclose(stage.allocation[0, 0], [1 / 3, 1, 1], atol=1e-12)


def test_the_last_third_is_priced_at_the_highest_value_that_can_occur():
    # a balance of 0 leaves nothing to give back: price 2, not 9, so 1/3 * 1 + 1/3 * 2/2
    env = mo.IndependentTypes.iid([1, 2, 9], ["1/2", "1/2", 0], horizon=1)
    assert non_clairvoyant_balance(env).revenue == pytest.approx(2 / 3, abs=1e-12)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("buyers", SHAPES)
def test_a_period_does_not_depend_on_later_ones(make, buyers):
    first = {1: [[1, 4, 6]], 2: [[1, 4, 6], [2, 3]]}[buyers]
    seconds = [{1: [[1, 2]], 2: [[1, 2], [5]]}, {1: [[0, 10, 100]], 2: [[7], [0, 50]]}]
    stages = []
    for second in seconds:
        rows = [[a, b] for a, b in zip(first, second[buyers], strict=True)]
        probabilities = [[[Fraction(1, len(v))] * len(v) for v in row] for row in rows]
        stages.append(make(mo.IndependentTypes(rows, probabilities)).stage(0, np.zeros((buyers, 1))))
    np.testing.assert_array_equal(stages[0].allocation, stages[1].allocation)
    np.testing.assert_array_equal(stages[0].payment, stages[1].payment)
    np.testing.assert_array_equal(stages[0].next_balance, stages[1].next_balance)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("buyers", SHAPES)
def test_a_discount_is_the_same_as_smaller_values(make, buyers):
    values = [[[3, 5, 9], [4, 6]], [[3, 4], [7, 8]]][:buyers]
    weights = [[[Fraction(1, len(row))] * len(row) for row in rows] for rows in values]
    discounted = make(mo.IndependentTypes(values, weights, cost=[1, 4], discount="3/4"))
    shrunk = [[rows[0], [Fraction(3, 4) * v for v in rows[1]]] for rows in values]
    plain = make(mo.IndependentTypes(shrunk, weights, cost=[1, 3]))
    assert discounted.revenue == pytest.approx(plain.revenue, abs=1e-12)
    assert discounted.utilities == pytest.approx(plain.utilities, abs=1e-12)
    assert discounted.to_mechanism().revenue == pytest.approx(plain.revenue, abs=1e-12)


def test_money_in_other_units():
    env = environment(8, 2)
    scaled = mo.IndependentTypes(
        [[[1e4 * v for v in kinds] for kinds in row] for row in env.values], [list(row) for row in env.probabilities]
    )
    assert non_clairvoyant_balance(scaled).revenue == pytest.approx(1e4 * non_clairvoyant_balance(env).revenue)


def test_two_period_refuses_other_horizons():
    with pytest.raises(mo.InputError, match="two periods, the environment has 3"):
        two_period(mo.IndependentTypes.iid([1, 2], HALF, horizon=3))


def test_a_spend_without_its_auction_breaks_utility_independence_and_is_named():
    env = mo.IndependentTypes.iid([1, 2], HALF, horizon=2, agents=2)
    bank = non_clairvoyant_balance(env)

    def stage(t, balance):
        made = bank.stage(t, balance)
        return replace(made, payment=made.payment + (t == 1) * np.maximum(balance - 0.1, 0)[:, :, None, None])

    check = replace(bank, stage=stage).conditions()["BI"]
    found = check.counterexample
    # the higher balance is 2/5, so that 3/10 too much is charged there: expected utility is lower by that
    assert not check.holds and (found.period, found.gain) == (1, pytest.approx(0.3))
    assert found.other_balance[found.agent] == pytest.approx(0.4) and found.balance[found.agent] == 0


@pytest.mark.parametrize("seeds", BATCHES)
def test_money_burning_for_two_buyers_agrees_with_the_linear_programme(seeds):
    for seed in seeds:
        rng = np.random.default_rng([77, seed])
        env = environment(seed, 2)
        buyers = [(row[0], distribution[0]) for row, distribution in zip(env.values, env.probabilities, strict=True)]
        caps = rng.choice([0, 0.3, 1, 2.5, 20], size=(2, 5)) * rng.choice([1.0, rng.random()], size=(2, 5))
        burned = MoneyBurningAuctions(buyers)(caps)
        best = [capped_money_burning(buyers, column).utility for column in caps.T.tolist()]
        np.testing.assert_allclose(np.minimum(burned.utility, caps).sum(axis=0), best, atol=1e-9)
        assert (burned.utility <= caps + 1e-12).all() and burned.payment.min() >= -1e-12
        assert burned.allocation.min() >= 0 and burned.allocation.sum(axis=0).max() <= 1 + 1e-12
        values = np.stack(np.broadcast_arrays(*np.ix_(*(v for v, _ in buyers))))
        utility = (values[:, None] * burned.allocation - burned.payment) * env.distribution(0)
        np.testing.assert_allclose(utility.sum(axis=(2, 3)), burned.utility, atol=1e-12)
