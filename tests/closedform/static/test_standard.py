from fractions import Fraction
from itertools import product
from math import inf

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import mechopt as mo
from mechopt.closedform.static.standard import StaticMechanism, myerson, posted_price, second_price
from tests.closedform.static_programs import assert_dominant_and_individually_rational, largest_revenue, largest_welfare
from tests.instances import distributions

CONSTRAINTS = pytest.mark.parametrize("dominant", [False, True], ids=["bayesian", "dominant"])
HALF = Fraction(1, 2)
TWO = ([1, 2], [HALF, HALF])
POOLED = ([2, 3, 4], [HALF, Fraction(1, 8), Fraction(3, 8)])


def uniform(top):
    return (list(range(1, top + 1)), [Fraction(1, top)] * top)


@st.composite
def markets(draw):
    """One to three buyers, unequal supports, zero probabilities, one type; the same distribution at times."""
    count = draw(st.integers(1, 3))
    buyers = [draw(distributions(4 if count == 1 else 3)) for _ in range(count)]
    return [buyers[0]] * count if draw(st.booleans()) else buyers


@CONSTRAINTS
@settings(max_examples=50, deadline=None)
@given(market=markets(), cost=st.integers(0, 4))
@example(market=[TWO, TWO], cost=1)
@example(market=[POOLED, POOLED], cost=0)
@example(market=[([1, 2, 3], [0, 1, 0]), ([2], [1])], cost=0)
@example(market=[([1], [1])], cost=2)
def test_myerson_earns_what_no_mechanism_exceeds(market, cost, dominant):
    auction = myerson(market, cost)
    assert auction.revenue == pytest.approx(largest_revenue(market, cost, dominant), abs=1e-8)
    assert_dominant_and_individually_rational(auction)


@CONSTRAINTS
@settings(max_examples=50, deadline=None)
@given(market=markets(), cost=st.integers(0, 4))
@example(market=[TWO, TWO, TWO], cost=1)
@example(market=[([1], [1])], cost=2)
def test_second_price_yields_the_largest_welfare(market, cost, dominant):
    auction = second_price(market, cost=cost)
    assert auction.welfare == pytest.approx(largest_welfare(market, cost, dominant), abs=1e-8)
    assert_dominant_and_individually_rational(auction)


@pytest.mark.parametrize(
    ("market", "cost", "revenue"),
    [
        # Virtual values 2j - 5: E max(0, .) = 1 (9 - 4)/25 + 3 (16 - 9)/25 + 5 (25 - 16)/25
        pytest.param([uniform(5)] * 2, 0, 71 / 25, id="two-bidders-uniform-on-five"),
        # 2j - 10: sum over j = 6..10 of (2j - 10) (2j - 1)/100
        pytest.param([uniform(10)] * 2, 0, 4.9, id="two-bidders-uniform-on-ten"),
        # 2j - 6: (2 (64 - 27) + 4 (125 - 64) + 6 (216 - 125))/216 = 864/216
        pytest.param([uniform(6)] * 3, 0, 4, id="three-bidders-uniform-on-six"),
        # 2j - 5 - 2: 1 (16 - 9)/25 + 3 (25 - 16)/25
        pytest.param([uniform(5)] * 2, 2, 34 / 25, id="two-bidders-uniform-on-five-at-cost"),
        # Virtual values (1, 0, 4) of (2, 3, 4) iron to (4/5, 4/5, 4): 4 (1 - 25/64) + 4/5 * 25/64
        pytest.param([POOLED] * 2, 0, 2.75, id="ironed"),
        # One buyer, price 3 on {1, 2, 3}: 3 * 3/8, above 1 and 2 * 1/2
        pytest.param([([1, 2, 3], POOLED[1])], 0, 9 / 8, id="one-buyer-ironed"),
        pytest.param([([1], [1])], 2, 0, id="cost-above-every-value"),
        pytest.param([([0], [1])], 0, 0, id="worthless"),
    ],
)
def test_myerson_by_hand(market, cost, revenue):
    assert myerson(market, cost).revenue == pytest.approx(revenue, abs=1e-12)


def test_myerson_sells_at_a_virtual_value_of_zero():
    # {1, 2} at 1/2 each: virtual values 0 and 2; the prices 1 and 2 both earn 1.
    auction = myerson([TWO])
    assert auction.allocation.tolist() == [[1, 1]]
    assert auction.payment.tolist() == [[1, 1]]


def test_myerson_breaks_ties_for_the_lowest_index():
    auction = myerson([TWO, TWO])
    assert auction.allocation.tolist() == [[[1, 0], [1, 1]], [[0, 1], [0, 0]]]
    # Against a low rival buyer 0 would win with either type; buyer 1 only with the high one.
    assert auction.payment.tolist() == [[[1, 0], [1, 2]], [[0, 2], [0, 0]]]


def test_myerson_winner_pays_her_own_threshold():
    # Virtual values: buyer 0: 4 - 6 = -2 and 10; buyer 1: 5. Buyer 0 wins with 10 alone and pays 10.
    auction = myerson([([4, 10], [HALF, HALF]), ([5], [1])])
    assert auction.payment.tolist() == [[[0], [10]], [[5], [0]]]
    assert (auction.revenue, auction.welfare, auction.utilities) == (7.5, 7.5, (0, 0))


def test_types_of_probability_zero_change_no_revenue_and_no_other_type():
    market = [([2, 3, 4], POOLED[1]), ([1, 5], [HALF, HALF])]
    padded = [([1, 2, 2.5, 3, 4, 6], [0, HALF, 0, *POOLED[1][1:], 0]), ([1, 3, 5], [HALF, 0, HALF])]
    at = np.ix_([0, 1], [1, 3, 4], [0, 2])
    for auction in (myerson, second_price):
        plain, wide = auction(market), auction(padded)
        assert wide.revenue == pytest.approx(plain.revenue, abs=1e-12)
        np.testing.assert_allclose(wide.allocation[at], plain.allocation)
        np.testing.assert_allclose(wide.payment[at], plain.payment)
        assert_dominant_and_individually_rational(wide)
    assert not myerson(padded).allocation[0, 0].any()


@settings(max_examples=25, deadline=None)
@given(market=markets(), cost=st.integers(0, 4), scale=st.sampled_from([Fraction(1, 1000), 7, 10**6]))
def test_money_and_names_do_not_matter(market, cost, scale):
    scaled = [([v * scale for v in values], chances) for values, chances in reversed(market)]
    for auction in (myerson, second_price):
        plain, other = auction(market, cost=cost), auction(scaled, cost=cost * scale)
        assert other.revenue == pytest.approx(float(scale) * plain.revenue, rel=1e-12, abs=1e-9)
        if auction is second_price:  # equal virtual values may belong to unequal values
            assert other.welfare == pytest.approx(float(scale) * plain.welfare, rel=1e-12, abs=1e-9)


def vickrey(bids, reserves):
    """Allocation and payments at one profile, in fractions."""
    alive = [i for i, bid in enumerate(bids) if bid >= reserves[i]]
    top = max((bids[i] for i in alive), default=None)
    winners = [i for i in alive if bids[i] == top]
    shares, prices = [Fraction(0)] * len(bids), [Fraction(0)] * len(bids)
    for i in winners:
        shares[i] = Fraction(1, len(winners))
        prices[i] = shares[i] * max([reserves[i], *(bids[j] for j in alive if j != i)])
    return shares, prices


@settings(max_examples=40, deadline=None)
@given(market=markets(), reserves=st.lists(st.integers(0, 16).map(lambda r: Fraction(r, 2)), min_size=3, max_size=3))
def test_second_price_with_reserves_at_every_profile(market, reserves):
    reserves = reserves[: len(market)]
    auction = second_price(market, reserves)
    for profile in product(*(range(len(values)) for values, _ in market)):
        shares, prices = vickrey([values[k] for (values, _), k in zip(market, profile, strict=True)], reserves)
        assert auction.allocation[(slice(None), *profile)].tolist() == [float(x) for x in shares]
        np.testing.assert_allclose(auction.payment[(slice(None), *profile)], np.array(prices, float), atol=1e-12)
    assert_dominant_and_individually_rational(auction)


def test_second_price_prices():
    auction = second_price([([1, 3], [HALF, HALF]), ([2], [1])], reserve=[2.5, 0])
    # Buyer 0 with 3 pays her reserve 2.5 > 2; with 1 she is removed and buyer 1 gets the item for free.
    assert auction.payment.tolist() == [[[0], [2.5]], [[0], [0]]]
    assert auction.allocation.tolist() == [[[0], [1]], [[1], [0]]]


def test_without_a_reserve_the_cost_is_the_reserve():
    assert second_price([TWO], cost=1.5).payment.tolist() == [[0, 1.5]]
    assert second_price([TWO]).payment.tolist() == [[0, 0]]
    sold_at_a_loss = second_price([TWO], reserve=0, cost=1.5)
    assert (sold_at_a_loss.revenue, sold_at_a_loss.welfare) == (-1.5, 0)


@pytest.mark.parametrize(
    ("price", "revenue", "welfare"),
    [
        pytest.param(0, 0, 1.5, id="free"),
        pytest.param(1, 1, 1.5, id="at-a-type"),
        pytest.param("3/2", 0.75, 1, id="between-types"),
        pytest.param(3, 0, 0, id="above-all"),
    ],
)
def test_posted_price(price, revenue, welfare):
    sale = posted_price(TWO, price)
    assert (sale.revenue, sale.welfare, sale.utilities[0]) == (revenue, welfare, welfare - revenue)


@settings(max_examples=30, deadline=None)
@given(market=markets(), cost=st.integers(0, 4))
def test_expectations_of_a_static_mechanism(market, cost):
    auction = second_price(market, reserve=2, cost=cost)
    profiles = list(product(*(range(len(values)) for values, _ in market)))
    revenue, interim = Fraction(0), [np.zeros(len(values)) for values, _ in market]
    for profile in profiles:
        chances = [market[i][1][k] for i, k in enumerate(profile)]
        for i, k in enumerate(profile):
            x, p = Fraction(auction.allocation[(i, *profile)]), Fraction(auction.payment[(i, *profile)])
            rivals = np.prod([float(f) for j, f in enumerate(chances) if j != i])
            interim[i][k] += rivals * float(market[i][0][k] * x - p)
            revenue += np.prod(np.array(chances, dtype=object)) * (p - cost * x)
    assert auction.revenue == pytest.approx(float(revenue), abs=1e-12)
    for i, (_, chances) in enumerate(market):
        np.testing.assert_allclose(auction.interim_utility[i], interim[i], atol=1e-12)
        assert auction.utilities[i] == pytest.approx(interim[i] @ np.array(chances, float), abs=1e-12)
        share = np.moveaxis(auction.distribution * auction.allocation[i], i, 0).reshape(len(chances), -1).sum(axis=1)
        np.testing.assert_allclose(auction.interim_allocation[i] * np.array(chances, float), share, atol=1e-12)
    assert auction.welfare == pytest.approx(auction.revenue + sum(auction.utilities))
    assert auction.distribution.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("call", "where"),
    [
        pytest.param(lambda: myerson([]), ["buyers"], id="no-buyers"),
        pytest.param(lambda: myerson([[1, 2, 3]]), ["buyers[0]"], id="not-a-pair"),
        pytest.param(
            lambda: myerson([TWO, ([2, 1], [0.5, 0.4])], cost=-1),
            ["buyers[1].values[1]", "buyers[1].probabilities", "cost"],
            id="every-fault-at-once",
        ),
        pytest.param(lambda: myerson([TWO], cost=[1]), ["cost"], id="cost-a-list"),
        pytest.param(lambda: second_price([TWO, TWO], reserve=[1]), ["reserve"], id="reserve-too-short"),
        pytest.param(lambda: second_price([TWO, TWO], reserve=[1, -1]), ["reserve[1]"], id="reserve-negative"),
        pytest.param(lambda: second_price([TWO], reserve=inf), ["reserve"], id="reserve-infinite"),
        pytest.param(
            lambda: StaticMechanism([TWO], np.ones((1, 3)), np.full((1, 2), np.nan)),
            ["allocation", "payment"],
            id="shape-and-nan",
        ),
        pytest.param(
            lambda: StaticMechanism([TWO, TWO], np.ones((2, 2, 2)), np.zeros((2, 2, 2))), ["allocation"], id="two-items"
        ),
        pytest.param(lambda: StaticMechanism([TWO], [[-1, 1]], [[0, 0]]), ["allocation"], id="negative-share"),
    ],
)
def test_faults(call, where):
    with pytest.raises(mo.InputError) as error:
        call()
    assert [fault.where for fault in error.value.faults] == where


def test_too_many_profiles_are_refused_before_they_are_made():
    with pytest.raises(mo.errors.LimitError, match="fewer buyers or fewer types"):
        myerson([uniform(10)] * 9)


def test_arrays_cannot_be_written_to():
    auction = myerson([TWO, TWO])
    arrays = [
        auction.allocation,
        auction.payment,
        auction.distribution,
        auction.ex_post_utility,
        *auction.interim_utility,
    ]
    assert not any(array.flags.writeable for array in [*arrays, *auction.interim_allocation, *auction.buyers[0]])
