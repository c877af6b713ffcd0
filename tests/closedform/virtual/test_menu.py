"""One buyer: menus, and which regime an instance is in, by hand and against a program over all mechanisms."""

import dataclasses
from collections import Counter

import numpy as np
import pytest

from mechopt.closedform.virtual.menu import deterring_prices
from mechopt.closedform.virtual.pivot import virtual_pivot
from mechopt.environment.separable import SeparableTypes
from mechopt.mechanism.constraints import PeriodicExPostIC
from mechopt.verification.verify import verify
from tests.closedform.separable_programs import optimum, random_separable

HALF = ["1/2", "1/2"]


def item(levels, distribution, base, cost, **changed):
    """One item, worth the level times an even signal."""
    given = {"horizon": 1, "signal_initial": [HALF]} | changed
    return SeparableTypes([levels], [distribution], [[[0, 0], base]], cost=[0, cost], **given)


def test_regime_a_where_the_published_prices_deter_everyone():
    # types 1, 2, 3 (L = -1, 1, 3), signals 1/2 and 2, cost 3/4: type 2 is sold to at signal 2 only, at 3/4 over 1/2.
    # Type 3 with this contract buys at 6 > 3/2, and is indifferent at 3/2: she gets no more than her rent 1.
    pivot = virtual_pivot(item([1, 2, 3], ["1/3"] * 3, ["1/2", 2], "3/4"))
    assert pivot.contracting_gain == pytest.approx(0, abs=1e-14)
    assert pivot.regime == "a"
    assert pivot.diagnosis.menu == pivot.menu == ((1.5, 1.25), (0.75, pytest.approx(3.75 - 1 - 0.75)))


def test_regime_b_where_a_higher_price_deters():
    # the same at cost 3/5: the published price 6/5 lets type 3 buy at 3/2 too: 1/2 (3/10 + 48/10) - M, with
    # M = 2 - 3/5, is 23/20, above her rent 1. At 4, what the accepted signal is worth to type 2, she gets 1/2 2 - 0.
    # Type 3 herself always buys, up to 3/2; then M = 15/4 - 3/2 - 1.
    pivot = virtual_pivot(env := item([1, 2, 3], ["1/3"] * 3, ["1/2", 2], "3/5"))
    assert pivot.contracting_gain == pytest.approx(0.15)
    assert pivot.regime == "b"
    np.testing.assert_allclose(pivot.diagnosis.menu, [(4, 0), (1.5, 1.25)], atol=1e-14)
    assert optimum(env) == pytest.approx(pivot.bound, abs=1e-9)


def test_regime_c_where_no_price_deters():
    # types 2, 4 at 3/4, 1/4: L = 4/3, 4; signals 1, 3/2, cost 3/2: type 2 buys at signal 3/2 only, type 4 always.
    # Type 4 would buy type 2's item at every price that she pays (up to 3): 1/2 (1 + 3) = 2, above the rent 3/2.
    # Bound: 3/4 1/2 (2 - 3/2) + 1/4 (5 - 3/2). Selling a share x at signal 1 leaves type 4 the rent 2 + x/2; best is
    # x = 1: 3/4 (5/2 - 3/2) + 1/4 (5 - 3/2 - 5/2) = 1.
    pivot = virtual_pivot(env := item([2, 4], ["3/4", "1/4"], [1, "3/2"], "3/2"))
    assert pivot.bound == pytest.approx(17 / 16)
    assert (pivot.regime, pivot.diagnosis.undeterred, pivot.diagnosis.menu) == ("c", (0,), ())
    assert "no price after the reports [0] deters" in pivot.diagnosis.reason
    assert optimum(env) == pytest.approx(1)


def test_regimes_of_one_period_are_those_of_the_program():
    counted = Counter()
    for seed in range(60):
        form = ["multiplicative", "additive"][seed % 2]
        grid = "uniform" if seed % 3 else None
        env = random_separable([form], (2 + seed % 4,), (2 + seed % 3,), 2, 1, 1, seed=seed, grid=grid)
        pivot = virtual_pivot(env)
        dynamic = optimum(env)
        assert (pivot.regime == "c") == (dynamic < pivot.bound - 1e-7)
        if pivot.regime == "b":
            assert pivot.contracting_gain > 1e-7
        counted[pivot.regime] += 1
    assert set(counted) == {"a", "b", "c"}
    assert counted["b or c"] == 0


def menu_profit(env, menu):
    """Every type takes her best contract, or none, and buys whenever it pays; ties go the seller's way."""
    values, distribution = env.value_tables[0][1], env.signal_initial[0]
    profit = 0.0
    for k, chance in enumerate(env.initial_probabilities[0]):
        offers = []
        for price, upfront in [(np.inf, 0.0), *menu]:
            buys = values[k] >= price - 1e-9
            utility = distribution @ np.where(buys, values[k] - min(price, 1e9), 0) - upfront
            offers.append(
                (round(utility, 9), upfront + distribution @ buys * (price - env.cost[1]) if buys.any() else upfront)
            )
        profit += chance * max(offers)[1]
    return profit


@pytest.mark.parametrize("seed", range(40))
def test_menus_earn_the_bound_when_types_choose_for_themselves(seed):
    env = random_separable(["multiplicative"], (3,), (3,), 2, 1, 1, seed=seed, grid="uniform")
    pivot = virtual_pivot(env)
    if pivot.regime != "c":
        assert menu_profit(env, pivot.diagnosis.menu) == pytest.approx(pivot.bound, abs=1e-7)


def test_constant_prices_over_periods():
    # fresh signals in two periods: the discounted sum of the instances above
    fresh = {"horizon": 2, "discount": "1/2", "signal_kernel": [[HALF, HALF]]}
    pivot = virtual_pivot(item([1, 2, 3], ["1/3"] * 3, ["1/2", 2], "3/5", **fresh))
    assert pivot.regime == "b"
    np.testing.assert_allclose(pivot.diagnosis.menu, [(4, 0), (1.5, 0.75 * 1.25)], atol=1e-14)
    pivot = virtual_pivot(item([2, 4], ["3/4", "1/4"], [1, "3/2"], "3/2", **fresh))
    assert pivot.regime == "b or c"
    assert "no constant prices" in pivot.diagnosis.reason


def test_more_actions_than_a_sale_have_a_price_each():
    # L = (0, 2): type 2 alone is included, alpha = 1: actions cost 0, 1/4 and 1, all above the cheapest
    env = SeparableTypes([[1, 2]], [HALF], [[[0], [1], [2]]], [[1]], cost=[0, "1/4", 1], horizon=1)
    assert virtual_pivot(env).menu == (((0.0, 0.25, 1.0), pytest.approx(4 - 1)),)


def test_several_agents_where_interval_dominance_fails():
    found = Counter()
    for seed in range(20):
        pivot = virtual_pivot(random_separable(["multiplicative"] * 2, (2, 3), (2, 2), 3, 1, 1, seed=seed))
        found[pivot.regime] += 1
        if pivot.regime == "b":
            assert "cannot be taken back" in pivot.diagnosis.reason
            assert pivot.direct_gain <= 1e-9 < pivot.contracting_gain
        if pivot.regime == "c":
            assert pivot.ironed_bound < pivot.bound
    assert set(found) == {"a", "b", "b or c", "c"}


@pytest.mark.parametrize("form", ["multiplicative", "additive"])
def test_the_bound_is_attained_where_initial_reports_cannot_be_taken_back(form):
    attained = 0
    for seed in range(1, 60):
        env = random_separable([form], (2 + seed % 3,), (2,), 4 - seed % 2, 1 + seed % 2, 0.9, seed=seed)
        pivot = virtual_pivot(env)
        if pivot.direct_gain <= 1e-9 < pivot.contracting_gain:
            assert pivot.regime == "b"
            assert optimum(env) == pytest.approx(pivot.bound, abs=1e-7)
            attained += 1
    assert attained > 0


@pytest.mark.parametrize("forms", [("multiplicative", "additive"), ("additive", "additive")], ids="-".join)
def test_gains_are_those_that_the_checker_finds(forms):
    """The checker searches all strategies over histories; its gain with re-reports is the violation of (16)."""
    seen = 0
    for seed in range(8):
        pivot = virtual_pivot(random_separable(forms, (2, 2), (2, 2), 3, 2, 0.9, seed=seed))
        again = verify(pivot.to_mechanism("any"), [PeriodicExPostIC()])[PeriodicExPostIC()]
        direct = verify(pivot.to_mechanism(), [PeriodicExPostIC()])[PeriodicExPostIC()]
        assert again.gain == pytest.approx(pivot.contracting_gain, abs=1e-9)
        assert direct.gain == pytest.approx(pivot.direct_gain, abs=1e-9)
        seen += pivot.contracting_gain > 1e-6
    assert 0 < seen < 8


def test_values_without_end_are_those_of_many_periods():
    env = random_separable(["multiplicative", "additive"], (2, 2), (2, 2), 3, "infinite", 0.5, seed=1)
    endless = virtual_pivot(env)
    long = virtual_pivot(dataclasses.replace(env, horizon=45))
    assert endless.contracting_gain == pytest.approx(long.contracting_gain, abs=1e-9)
    assert endless.direct_gain == pytest.approx(long.direct_gain, abs=1e-8)


def test_a_type_that_never_buys_has_no_price_to_find():
    values = np.array([[1.0, 2.0], [3.0, 4.0]])
    sold = np.array([[False, False], [True, True]])
    prices, undeterred = deterring_prices(values, np.array([0.5, 0.5]), sold, np.zeros(2))
    assert prices.tolist() == [np.inf, 3.0]
    assert undeterred == ()
