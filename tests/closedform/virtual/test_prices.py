"""Prices of actions by report: by hand, by best replies of the types, and against a program over all mechanisms."""

from collections import Counter

import numpy as np
import pytest

import mechopt as mo
from mechopt.closedform.virtual.prices import closest_prices, report_prices
from mechopt.mechanism.constraints import BayesianIC, Interim
from tests.closedform.separable_programs import optimum, random_separable

FAIR = ["1/2", "1/2"]


def test_three_actions_by_hand():
    # Levels 1, 2, 3 alike: L = -1, 1, 3. At an even signal the first action is worth (1, 2) and the second (3/2, 4)
    # times the level, at costs 1 and 3. L = 1: only the first action at the high signal, 2 - 1. L = 3: both signals,
    # the second action at the high one: (3 - 1, 12 - 3): bound (1/3)(1/2 + (2 + 9)/2) = 2; U = (0, 0, 2/2 = 1).
    base = [[0, 0], [1, 2], ["3/2", 4]]
    env = mo.SeparableTypes([[1, 2, 3]], [["1/3"] * 3], [base], [FAIR], cost=[0, 1, 3], horizon=1)
    pivot = mo.virtual_pivot(env)
    assert pivot.bound == pytest.approx(2)
    found = [report_prices(pivot, k) for k in (1, 2)]
    assert all(prices.implements for prices in found)
    values = env.value_tables[0]
    for prices, policy in zip(found, ([0, 1], [1, 2]), strict=True):
        made = values[:, prices.report] - prices.price[:, None]
        np.testing.assert_allclose(made.max(axis=0), made[policy, [0, 1]], atol=1e-9)
        for k, rent in enumerate((0, 0, 1)):
            worth = (values[:, k] - prices.price[:, None]).max(axis=0).mean() - prices.upfront
            assert worth <= rent + 1e-9
    best = mo.optimal_contract(env)
    assert best.attains
    assert pivot.regime == "b"


def test_whom_no_prices_keep_away():
    # types 2, 4 at 3/4, 1/4, signals 1, 3/2, cost 3/2: the low type buys at 3/2 only, at most for 3, where the high
    # type buys at both, (1 + 3)/2 = 2; her rent is 3/2
    env = mo.SeparableTypes([[2, 4]], [["3/4", "1/4"]], [[[0, 0], [1, "3/2"]]], [FAIR], cost=[0, "3/2"], horizon=1)
    low, high = mo.optimal_contract(env).reports
    assert low.excess == pytest.approx(0.5)
    assert low.tempted.tolist() == [0, 1]
    assert not low.implements
    assert high.implements


def replies(env, prices, k):
    """Best value of type k at these prices, by backward induction or value iteration over signals."""
    values, kernel, d = env.value_tables[0][:, k], env.signal_kernel[0], env.discount
    endless = env.horizon == "infinite"
    length = int(np.log(1e-12) / np.log(d)) + 1 if endless else env.horizon
    later = np.zeros(values.shape[1])
    for t in reversed(range(length)):
        price = prices if prices.ndim == 1 else prices[t]
        later = np.array([values[a] - price[a] + d * kernel[a] @ later for a in range(len(price))]).max(axis=0)
    return d * float(env.signal_initial[0] @ later)


def hard_cases(seeds):
    """Instances where the published payments do not implement the policy."""
    for seed in seeds:
        horizon = 1 + seed % 3 if seed % 5 else "infinite"
        form = ["multiplicative", "additive"][seed % 2]
        signals, actions = (4 if horizon == "infinite" else 2), (2 if horizon == 3 else 2 + seed % 3)
        grid = "uniform" if seed % 3 else None
        env = random_separable(
            [form], (3,), (signals,), actions, horizon, 0.9, seed=seed, controlled=bool(seed % 4), grid=grid
        )
        pivot = mo.virtual_pivot(env, ironed=True)
        if pivot.regime != "a":
            yield pivot


@pytest.mark.parametrize(
    ("seeds", "least"),
    [
        pytest.param(range(100, 130), (3, 0, 0, 0), id="few"),
        pytest.param(range(100, 260), (25, 1, 8, 2), id="many", marks=pytest.mark.slow),
    ],
)
def test_menus_attain_the_bound_exactly_where_prices_implement(seeds, least):
    counted = Counter()
    for pivot in hard_cases(seeds):
        env = pivot.environment
        found = [closest_prices(pivot, int(k)) for k in np.flatnonzero(pivot.included[:, 0])]
        for prices in found:
            truth = pivot.utility[0]
            gains = [replies(env, prices.price, k) - prices.upfront - truth[k] for k in range(len(truth))]
            assert max(gains) == pytest.approx(prices.excess, abs=1e-6)
            assert gains[prices.report] == pytest.approx(0, abs=1e-6)
        best, menu = mo.optimal_contract(env), all(prices.implements for prices in found)
        assert best.attains or not menu
        changing = any(prices.by_period for prices in found if prices.implements)
        attained = None
        if env.horizon != "infinite":
            dynamic = optimum(env)
            attained = dynamic > pivot.bound - 1e-7
            assert best.profit <= dynamic + 1e-7
            assert menu <= attained
            mechanism = best.to_mechanism()
            assert mechanism.revenue == pytest.approx(best.profit, abs=1e-8)
            assert mo.verify(mechanism, [BayesianIC(), Interim()]).holds
            if env.horizon == 1:
                assert menu == attained
        counted[menu, changing, attained] += 1
    kinds = [(True, False, True), (True, True, True), (True, False, None), (False, False, False)]
    for kind, count in zip(kinds, least, strict=True):
        assert counted[kind] >= count


def test_a_type_alone_and_prices_that_scale_with_money():
    alone = mo.SeparableTypes(
        [[2]], [["1"]], [[[0, 0], [1, 2], [2, 3]]], [FAIR], [[FAIR, FAIR]], cost=[0, 1, 3], horizon=2
    )
    found = report_prices(mo.virtual_pivot(alone), 0)
    assert found.implements
    assert mo.optimal_contract(alone).attains
    base = np.array([[0, 0], [1, 2], [1.5, 4]])
    small, large = (
        mo.virtual_pivot(
            mo.SeparableTypes([[1, 2, 3]], [["1/3"] * 3], [base * m], [FAIR], cost=[0, m, 3 * m], horizon=1)
        )
        for m in (1e-4, 1e5)
    )
    for k in (1, 2):
        one, other = report_prices(small, k), report_prices(large, k)
        assert (one.implements, other.implements) == (True, True)
        np.testing.assert_allclose(one.price * 1e9, other.price, rtol=1e-6)
