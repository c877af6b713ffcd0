"""Cases that a static optimum decides: one period, super-DIC, and participation only in expectation at the start.

Posted prices and Myerson's auction are computed here in exact fractions from virtual values, with no program.
"""

from fractions import Fraction
from itertools import product
from math import prod

import pytest
from hypothesis import example, given, settings

import mechopt as mo
from tests.instances import environments

EQUAL_REVENUE = mo.IndependentTypes.iid([2, 4, 8, 16], ["1/2", "1/4", "1/8", "1/8"], horizon=1)
ZERO_PROBABILITIES = mo.IndependentTypes.iid([1, 2, 3, 5], [0, "1/2", 0, "1/2"], horizon=1, agents=2, cost="1/2")
ABOVE_ALL_VALUES = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=1, cost=3)


def support(values, probabilities):
    return [(v, f) for v, f in zip(values, probabilities, strict=True) if f]


def posted_price(distribution, cost):
    """max over prices r in the support of (r - cost) P(value >= r), or 0 where no price pays."""
    return max(0, *((r - cost) * sum(f for v, f in distribution if v >= r) for r, _ in distribution))


def ironed_virtual_values(distribution):
    """(ironed virtual value, probability) of each type; see Myerson (1981), section 6, with sums for integrals.

    phi_k = v_k - (v_(k+1) - v_k) P(value > v_k) / f_k; neighbours in the wrong order are pooled at their mean.
    """
    blocks = []  # (mean, probability, probabilities of the types)
    for k, (v, f) in enumerate(distribution):
        above = distribution[k + 1 :]
        phi = v - (above[0][0] - v) * sum(g for _, g in above) / f if above else v
        blocks.append((phi, f, [f]))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            high, low = blocks[-2], blocks[-1]
            blocks[-2:] = [
                ((high[0] * high[1] + low[0] * low[1]) / (high[1] + low[1]), high[1] + low[1], high[2] + low[2])
            ]
    return [(phi, f) for phi, _, members in blocks for f in members]


def myerson(distributions, cost):
    """E max(largest ironed virtual value - cost, 0)."""
    virtual = [ironed_virtual_values(distribution) for distribution in distributions]
    return sum(
        prod((f for _, f in profile), start=Fraction(1)) * max(0, max(phi for phi, _ in profile) - cost)
        for profile in product(*virtual)
    )


def distributions(env, t):
    return [support(v[t], f[t]) for v, f in zip(env.exact.values, env.exact.probabilities, strict=True)]


def static_optima(env):
    """Present value of Myerson's auction, by period."""
    return [env.exact.discount**t * myerson(distributions(env, t), env.exact.cost[t]) for t in range(env.horizon)]


def full_surpluses(env):
    """Present value of E max(largest value - cost, 0), by period."""
    return [
        env.exact.discount**t
        * sum(
            prod((f for _, f in profile), start=Fraction(1)) * max(0, max(v for v, _ in profile) - env.exact.cost[t])
            for profile in product(*distributions(env, t))
        )
        for t in range(env.horizon)
    ]


def value(env, ic, ir):
    best = mo.optimum(env, ic, ir)
    assert best.status == "optimal"
    return pytest.approx(best.value, abs=1e-8)


@settings(max_examples=60, deadline=None)
@given(environments(max_buyers=1, max_periods=1, max_types=6))
@example(EQUAL_REVENUE)
@example(ABOVE_ALL_VALUES)
def test_one_buyer_and_period_earn_the_best_posted_price(env):
    best = posted_price(distributions(env, 0)[0], env.exact.cost[0])
    assert myerson(distributions(env, 0), env.exact.cost[0]) == best
    assert float(best) == value(env, mo.DIC(), mo.EPIR())


@settings(max_examples=60, deadline=None)
@given(environments(max_buyers=3, max_periods=1, max_types=4))
@example(ZERO_PROBABILITIES)
def test_several_buyers_earn_the_auction_by_ironed_virtual_values(env):
    auction = float(myerson(distributions(env, 0), env.exact.cost[0]))
    assert auction == value(env, mo.DIC(), mo.EPIR())
    assert auction == value(env, mo.ExPostIC(), mo.EPIR())
    assert auction == value(env, mo.DIC(), mo.Interim())


def test_irregular_values_are_ironed():
    # Values 1, 4, 5 at 1/2, 1/10, 2/5: phi = 1 - 3 = -2, 4 - 4 = 0, 5. At 1, 2, 10 with 2/5, 2/5, 1/5: phi = -1/2, -2,
    # 10, and the first two are pooled at -5/4.
    regular = support([1, 4, 5], [Fraction(1, 2), Fraction(1, 10), Fraction(2, 5)])
    assert [phi for phi, _ in ironed_virtual_values(regular)] == [-2, 0, 5]
    irregular = support([1, 2, 10], [Fraction(2, 5), Fraction(2, 5), Fraction(1, 5)])
    assert [phi for phi, _ in ironed_virtual_values(irregular)] == [Fraction(-5, 4), Fraction(-5, 4), 10]


@settings(max_examples=40, deadline=None)
@given(environments(max_buyers=2, max_periods=3))
def test_super_dic_earns_the_static_optima_together(env):
    # Mirrokni et al. (2020), Lemma B.2.
    assert float(sum(static_optima(env))) == value(env, mo.SuperDIC(), mo.EPIR())


@pytest.mark.parametrize("buyers", [1, 2], ids=["one buyer", "two buyers"])
def test_super_dic_on_two_values_earns_no_more_than_separate_sales(buyers):
    # Virtual values 0 and 2: 1 a period from one buyer, 2 P(a value is 2) = 3/2 from two.
    env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2, agents=buyers)
    assert {1: 2.0, 2: 3.0}[buyers] == value(env, mo.SuperDIC(), mo.EPIR())
    assert mo.optimum(env).value > {1: 2.0, 2: 3.0}[buyers] + 0.1


@settings(max_examples=40, deadline=None)
@given(environments(max_buyers=2, max_periods=3))
def test_interim_participation_earns_the_first_auction_and_all_later_surplus(env):
    # Later periods are sold in advance at their expected surplus, which no buyer's later type can tell her to refuse.
    expected = static_optima(env)[0] + sum(full_surpluses(env)[1:])
    assert float(expected) == value(env, mo.DIC(), mo.Interim())
