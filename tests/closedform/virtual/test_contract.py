"""Menus for one buyer who chooses for herself: by hand, against the bound and against the best of all mechanisms."""

import numpy as np
import pytest

from mechopt.closedform.virtual.contract import optimal_contract
from mechopt.closedform.virtual.pivot import virtual_pivot
from mechopt.core.errors import InputError
from mechopt.environment.separable import SeparableTypes
from mechopt.mechanism.constraints import BayesianIC, Interim
from mechopt.verification.verify import verify
from tests.closedform.separable_programs import optimum, random_separable

HALF = ["1/2", "1/2"]


def item(levels, distribution, base, cost, **changed):
    given = {"horizon": 1, "signal_initial": [HALF]} | changed
    return SeparableTypes([levels], [distribution], [[[0, 0], base]], cost=[0, cost], **given)


def test_a_higher_price_where_the_published_one_does_not_deter():
    # prices 4 and 3/2 with 0 and 5/4 upfront (regime b): type 2 buys at signal 2 for 4, type 3 always for 3/2; her rent
    # is 1
    best = optimal_contract(item([1, 2, 3], ["1/3"] * 3, ["1/2", 2], "3/5"))
    np.testing.assert_allclose(best.menu, [(4, 0), (1.5, 1.25)], atol=1e-12)
    np.testing.assert_allclose(best.utility, [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(best.profit_by_type, [0, 0.5 * (4 - 0.6), 1.25 + 1.5 - 0.6], atol=1e-12)
    assert best.attains
    assert best.profit == pytest.approx(best.bound, abs=1e-9)


def test_below_the_bound_where_nothing_implements_the_policy():
    # types 2, 4 at 3/4, 1/4 (regime c, bound 17/16). At the published price 9/4 and 3/8 upfront the low type buys at
    # signal 3/2, profit 3/8 + 3/8, and the high type always, 3/8 + 9/4 - 3/2: 3/4 3/4 + 1/4 9/8 = 27/32. At price 3 and
    # nothing upfront, which tempts the high type least, the low type brings 1/2 3/2 and the high one 3/2: 15/16.
    best = optimal_contract(item([2, 4], ["3/4", "1/4"], [1, "3/2"], "3/2"))
    assert best.menu[0] == pytest.approx((3, 0))
    assert best.choice.tolist() == [0, 0]
    np.testing.assert_allclose(best.utility, [0, 2], atol=1e-12)
    np.testing.assert_allclose(best.profit_by_type, [0.75, 1.5], atol=1e-12)
    assert best.profit == pytest.approx(15 / 16)
    assert not best.attains
    published = virtual_pivot(best.environment).menu[0]
    assert published == pytest.approx((9 / 4, 3 / 8))


def test_types_that_are_not_to_buy_are_offered_nothing():
    # types 3, 4, 5 of ironed virtual levels 5/3, 5/3, 5 at cost 9/5: sold to at 5 only, 2/5 16/5
    env = SeparableTypes([[3, 4, 5]], [[0.5, 0.1, 0.4]], [[[0], [1]]], [[1]], cost=[0, "9/5"], horizon=1)
    best = optimal_contract(env)
    assert best.attains
    assert best.profit == pytest.approx(1.28)
    assert best.to_mechanism().revenue == pytest.approx(1.28)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("form", ["multiplicative", "additive"])
def test_never_above_the_best_of_all_mechanisms(form, seed):
    env = random_separable([form], (3,), (2,), 2 + seed % 2, 1 + (seed // 2) % 2, 0.9, seed=seed, null=seed % 3 > 0)
    best, pivot = optimal_contract(env), virtual_pivot(env, ironed=True)
    dynamic = optimum(env)
    assert best.profit <= dynamic + 1e-7
    assert best.utility.min() >= -1e-12
    if pivot.regime == "a":
        assert best.attains
        assert best.profit == pytest.approx(dynamic, abs=1e-6)
    mechanism = best.to_mechanism()
    assert mechanism.revenue == pytest.approx(best.profit, abs=1e-9)
    assert mechanism.utilities == pytest.approx(best.utilities, abs=1e-9)
    assert verify(mechanism, [BayesianIC(), Interim()]).holds


def test_endless_periods():
    env = random_separable(["multiplicative"], (3,), (4,), 2, "infinite", 0.9, seed=3, grid="uniform", controlled=False)
    best, pivot = optimal_contract(env), virtual_pivot(env)
    if pivot.regime in "ab":
        assert best.profit == pytest.approx(pivot.bound, abs=1e-6)
    assert best.profit <= pivot.bound + 1e-9
    assert best.welfare == pytest.approx(best.profit + best.utilities[0])


def test_one_buyer_only():
    with pytest.raises(InputError, match="for one agent, not 2"):
        optimal_contract(random_separable(["multiplicative"] * 2, (2, 2), (2, 2), 2, 1, 1))
