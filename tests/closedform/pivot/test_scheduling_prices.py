"""Closed-form prices of one-shot tasks and licences against the dynamic pivot of the same environment."""

import numpy as np
import pytest

from mechopt.closedform.pivot.dynamic_pivot import dynamic_pivot
from mechopt.closedform.pivot.scheduling_prices import scheduling_prices, second_price_form
from mechopt.core.errors import InputError
from mechopt.environment.families.learning import licensing
from mechopt.environment.families.tasks import scheduling
from mechopt.environment.markov import MarkovTypes
from mechopt.mechanism.constraints import PeriodicExPostIC, PeriodicExPostIR
from mechopt.verification.efficient_exit import efficient_exit
from mechopt.verification.verify import verify


@pytest.mark.parametrize(
    ("values", "discount", "prices", "bids", "welfare"),
    [
        # bids from the last: 1/2, (3 + 1/2)/2 = 7/4, (5 + 7/4)/2 = 27/8; welfare 5 + 3/2 + 1/4
        pytest.param([5, 3, 1], "1/2", [7 / 4, 1 / 2, 0], [27 / 8, 7 / 4, 1 / 2], 27 / 4, id="five-three-one"),
        # 0.3, 0.6 + 0.9 * 0.3 = 0.87, 1 + 0.9 * 0.87 = 1.783; welfare 10 + 5.4 + 2.43
        pytest.param([10, 6, 3], "0.9", [0.87, 0.30, 0], [1.783, 0.87, 0.3], 17.83, id="ten-six-three"),
        pytest.param([1, 5, 3], "1/2", [0, 7 / 4, 1 / 2], [1 / 2, 27 / 8, 7 / 4], 27 / 4, id="in-another-order"),
    ],
)
def test_prices_and_bids_by_hand(values, discount, prices, bids, welfare):
    found = scheduling_prices(values, discount)
    assert found.price == pytest.approx(prices)
    assert found.bid == pytest.approx(bids)
    assert found.welfare == pytest.approx(welfare)


def test_contributions_by_hand():
    # v_1 - v_2 + (v_2 - v_3)/2 + v_3/4 = 13/4, then 3 - 1 + 1/2, then 1
    assert scheduling_prices([5, 3, 1], "1/2").marginal_contribution == pytest.approx([13 / 4, 5 / 2, 1])


@pytest.mark.parametrize("seed", range(4))
def test_prices_are_those_of_the_dynamic_pivot(seed):
    rng = np.random.default_rng(seed)
    values, discount = [int(v) for v in rng.integers(0, 50, size=5)], float(rng.choice([0.3, 0.7, 0.95]))
    found, env = scheduling_prices(values, discount), scheduling(values, discount)
    pivot = dynamic_pivot(env)
    for i in range(5):
        waiting = tuple(int(found.period[j] < found.period[i]) for j in range(5))
        paid = [float(row[waiting]) for row in pivot.transfer]
        assert paid == pytest.approx([found.price[i] if j == i else 0 for j in range(5)], abs=1e-9)
        contribution = float(pivot.marginal_contribution[i][waiting])
        assert contribution == pytest.approx(found.marginal_contribution[i], abs=1e-9)
        # the price is the highest bid of those who still wait
        left = [found.bid[j] for j in range(5) if found.period[j] > found.period[i]]
        assert found.price[i] == pytest.approx(max(left, default=0))
    assert found.welfare == pytest.approx(pivot.welfare)


def test_many_tasks_are_no_matter():
    found = scheduling_prices(np.arange(1000), "0.99")
    assert found.price.min() == found.price[0] == 0
    # p_i = (1-d) sum d^k v_(i+1+k): of the most valuable task 999, below 998
    assert found.price[999] == pytest.approx(0.01 * sum(0.99**k * (998 - k) for k in range(998)))


def test_bad_tasks_are_all_named():
    with pytest.raises(InputError) as caught:
        scheduling_prices([1, -2], 1)
    assert [fault.where for fault in caught.value.faults] == ["values[1]", "discount"]
    with pytest.raises(InputError, match="at least one task"):
        scheduling_prices([], "1/2")


@pytest.mark.parametrize(
    "env",
    [licensing([(1, 1), (2, 3)], 4, "9/10"), licensing([(1, 1), (2, 1), (1, 2)], 2, "4/5"), scheduling([5, 3], "1/2")],
    ids=["two-bidders", "three-bidders", "tasks"],
)
def test_second_price_form_is_the_dynamic_pivot(env):
    auction, pivot = second_price_form(env), dynamic_pivot(env)
    for i in range(env.agents):
        assert auction.transfer[i][0] == pytest.approx(pivot.transfer[i], abs=1e-9)
    report = verify(auction, [PeriodicExPostIC(), PeriodicExPostIR()])
    assert report.holds
    assert max(check.gain for check in report.values()) < 1e-9
    assert efficient_exit(auction).holds
    assert auction.revenue == pytest.approx(pivot.revenue)


def test_other_environments_have_no_second_price_form():
    values, still = [[[1], [1]], [[0], [-1]]], [[1]]
    with pytest.raises(InputError) as caught:
        second_price_form(MarkovTypes(values, [still] * 2, [[1], [1]], cost=1, horizon=2))
    places = [fault.where for fault in caught.value.faults]
    assert places == ["horizon", "cost", "agents[0].values", "agents[1].values"]
    mixing = [["1/2", "1/2"], ["1/2", "1/2"]]
    free = [[[1, 1], [0, 0]], [[0, 0], [1, 1]]]
    with pytest.raises(InputError, match="moves where others are served"):
        second_price_form(MarkovTypes(free, [mixing] * 2, [["1/2", "1/2"]] * 2, discount="1/2"))
    with pytest.raises(InputError, match="one action an agent"):
        second_price_form(MarkovTypes([[[1], [0], [0]]] * 2, [still] * 2, [[1], [1]], discount="1/2"))
