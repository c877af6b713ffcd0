from fractions import Fraction
from itertools import pairwise, product
from math import inf

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import mechopt as mo
from mechopt.closedform.static.standard import capped_money_burning
from mechopt.closedform.static.virtual_values import iron, utility_virtual_values
from tests.closedform.static_programs import assert_dominant_and_individually_rational, largest_capped_utility
from tests.instances import distributions

CONSTRAINTS = pytest.mark.parametrize("dominant", [False, True], ids=["bayesian", "dominant"])
HALF = Fraction(1, 2)
TWO = ([1, 2], [HALF, HALF])
THREE = ([3], [1])
FAT_TAIL = ([1, 8], [Fraction(3, 4), Fraction(1, 4)])  # virtual values for utility 4/3 and 7
LOW_ZERO = ([0, 4], [HALF, HALF])  # 0 and 4


@st.composite
def markets(draw, most=3):
    """Buyers (unequal supports, zero probabilities, one type; equal at times) and their caps."""
    count = draw(st.integers(1, most))
    buyers = [draw(distributions(4 if count == 1 else 3)) for _ in range(count)]
    buyers = [buyers[0]] * count if draw(st.booleans()) else buyers
    caps = draw(st.lists(st.sampled_from([0, Fraction(1, 4), HALF, 1, 2, 5, inf]), min_size=count, max_size=count))
    return buyers, caps


def assert_best(auction, caps):
    """Dominant, individually rational, monotone, within the caps, and proved optimal by its weights."""
    assert_dominant_and_individually_rational(auction)
    for i, (values, _) in enumerate(auction.buyers):
        assert (np.diff(auction.allocation[i], axis=i) >= 0).all()
        assert auction.utilities[i] <= float(caps[i]) + 1e-12
        assert (auction.payment[i].take(0, axis=i) == 0).all()
        assert len(values) == auction.allocation.shape[1 + i]
    assert auction.utility == pytest.approx(sum(auction.utilities), abs=1e-12)
    assert ((auction.weights >= 0) & (auction.weights <= 1)).all()
    bound = sum((1 - w) * float(cap) for w, cap in zip(auction.weights, caps, strict=True) if w < 1)
    theta = [utility_virtual_values(*buyer) for buyer in auction.buyers]
    for profile in product(*map(range, auction.types)):
        largest = max(w * t[k] for w, t, k in zip(auction.weights, theta, profile, strict=True))
        bound += largest * np.prod([p[k] for (_, p), k in zip(auction.buyers, profile, strict=True)])
    assert auction.bound == pytest.approx(bound, abs=1e-12)
    assert auction.utility == pytest.approx(bound, abs=1e-9)


@CONSTRAINTS
@settings(max_examples=60, deadline=None)
@given(case=markets())
@example(case=([THREE, TWO], [1, inf]))
@example(case=([FAT_TAIL, FAT_TAIL], [inf, inf]))
@example(case=([LOW_ZERO, LOW_ZERO, LOW_ZERO], [HALF, HALF, 1]))
@example(case=([LOW_ZERO, ([0], [1])], [inf, 1]))
@example(case=([FAT_TAIL], [0]))
def test_no_mechanism_leaves_more_capped_utility(case, dominant):
    auction = capped_money_burning(*case)
    assert auction.utility == pytest.approx(largest_capped_utility(*case, dominant), abs=1e-8)
    assert_best(auction, case[1])


@settings(max_examples=60, deadline=None)
@given(case=markets(most=4), scale=st.sampled_from([Fraction(1, 1000), 1, 10**6]))
def test_weights_prove_the_optimum_whatever_the_money_and_the_names(case, scale):
    market, caps = case
    scaled = [([v * scale for v in values], chances) for values, chances in reversed(market)]
    caps_scaled = [cap if cap == inf else cap * scale for cap in reversed(caps)]
    plain, other = capped_money_burning(market, caps), capped_money_burning(scaled, caps_scaled)
    assert other.utility == pytest.approx(float(scale) * plain.utility, rel=1e-9, abs=1e-9 * float(scale))
    assert_best(plain, caps)


@pytest.mark.parametrize(
    ("market", "caps", "utility"),
    [
        pytest.param([TWO], [inf], Fraction(3, 2), id="for-free"),
        pytest.param([TWO], [1], 1, id="one-buyer-capped"),
        pytest.param([TWO], [0], 0, id="nothing-wanted"),
        # Pooled virtual value 3/2 for everybody: any lottery leaves 3/2.
        pytest.param([TWO] * 3, inf, Fraction(3, 2), id="lottery"),
        # 7 unless both are low: 7 * 7/16 + 4/3 * 9/16
        pytest.param([FAT_TAIL] * 2, inf, Fraction(61, 16), id="fat-tails"),
        # 1 of 3 for the first buyer in a third of the cases, 3/2 for the other in two thirds
        pytest.param([THREE, TWO], [1, inf], 2, id="half-weight-on-the-capped"),
        # Both caps at once: 1/3 of the item for 1, 1/2 of it for 3/4
        pytest.param([THREE, TWO], [1, Fraction(3, 4)], Fraction(7, 4), id="all-capped"),
        # 4 unless both are worthless: 4 * 3/4
        pytest.param([LOW_ZERO] * 2, inf, 3, id="value-zero"),
        # At most 3 together, so both caps of 3/2 are met by symmetric sharing
        pytest.param([LOW_ZERO] * 2, Fraction(3, 2), 3, id="every-cap-just-met"),
        # The first wins with 4, which leaves her 2; the second is left 4 * 1/4 where the first has 0
        pytest.param([LOW_ZERO] * 2, [inf, 1], 3, id="second-takes-what-is-left"),
        pytest.param([LOW_ZERO] * 2, [inf, HALF], Fraction(5, 2), id="second-takes-half-of-what-is-left"),
        pytest.param([([0], [1])] * 2, [1, inf], 0, id="worthless"),
    ],
)
def test_by_hand(market, caps, utility):
    auction = capped_money_burning(market, caps)
    assert auction.utility == pytest.approx(float(utility), abs=1e-10)
    assert_best(auction, caps if isinstance(caps, list) else [caps] * len(market))


def test_payments_leave_the_buyer_as_much_as_they_can():
    # FAT_TAIL alone with type 8 once sold to only above a rival worth 4: she pays 1, the type that would not have won.
    auction = capped_money_burning([FAT_TAIL, ([4], [1])], inf)
    assert auction.allocation.tolist() == [[[0], [1]], [[1], [0]]]
    assert auction.payments.tolist() == [[[0], [1]], [[0], [0]]]
    assert auction.payments is auction.payment
    assert auction.utilities == (7 / 4, 3)


def test_the_printed_virtual_value_gives_a_wrong_optimum():
    # Supplement, footnote 2: (v_(j+1) - v_j) P(v > v_j) / f_j is 0 for a buyer who surely has value 3, and (1, 0) for
    # {1, 2} at 1/2 each, pooled 1/2. So the second buyer would always get the item, for free: E v = 3/2. Giving it to
    # the first leaves 3.
    def printed(values, chances):
        above = [sum(chances[j + 1 :]) for j in range(len(values))]
        steps = [*(high - low for low, high in pairwise(values)), 0]
        return iron([d * a / f for d, a, f in zip(steps, above, chances, strict=True)], chances)

    assert printed(*THREE) == [0]
    assert printed(*TWO) == [HALF, HALF]
    auction = capped_money_burning([THREE, TWO], inf)
    assert auction.utility == 3 == pytest.approx(largest_capped_utility([THREE, TWO], [inf, inf], dominant=True))
    assert auction.allocation[0].all()


def test_monotone_where_every_scaled_virtual_value_is_zero():
    # Every cap is met with something to spare, so the weights are 0 and any rule solves the program; one that gave
    # buyer 0 her share at low types alone would too, and could not be paid for.
    market, caps = [FAT_TAIL, FAT_TAIL], [Fraction(3, 2), Fraction(3, 2)]
    auction = capped_money_burning(market, caps)
    assert auction.weights.tolist() == [0, 0]
    assert auction.utilities == pytest.approx((1.5, 1.5), abs=1e-12)
    assert_best(auction, caps)


def test_types_of_probability_zero_change_nothing():
    market, caps = [([1, 8], FAT_TAIL[1]), LOW_ZERO], [1, 2]
    padded = [([0, 1, 3, 8, 9], [0, FAT_TAIL[1][0], 0, FAT_TAIL[1][1], 0]), ([0, 2, 4], [HALF, 0, HALF])]
    plain, wide = capped_money_burning(market, caps), capped_money_burning(padded, caps)
    at = np.ix_([0, 1], [1, 3], [0, 2])
    assert wide.utility == pytest.approx(plain.utility, abs=1e-12)
    np.testing.assert_allclose(wide.allocation[at], plain.allocation, atol=1e-12)
    np.testing.assert_allclose(wide.payment[at], plain.payment, atol=1e-12)
    assert_best(wide, caps)


@pytest.mark.parametrize("seed", range(6))
def test_many_rules_in_a_lottery(seed):
    # Four or five buyers with fat tails and caps of which some bind: several rules, weights strictly between 0 and 1.
    rng = np.random.default_rng(seed)
    market = [(np.sort(rng.lognormal(sigma=1.5, size=4)), rng.dirichlet(np.ones(4))) for _ in range(4 + seed % 2)]
    caps = [float(values @ chances) * rng.uniform(0.2, 0.9) for values, chances in market]
    auction = capped_money_burning(market, caps)
    assert ((auction.weights > 1e-9) & (auction.weights < 1 - 1e-9)).any()
    assert_best(auction, caps)


@pytest.mark.parametrize("cap", [1e-9, 1e-12, 1e-300], ids=str)
def test_tiny_caps_are_met(cap):
    market = [FAT_TAIL, TWO, THREE]
    auction = capped_money_burning(market, cap)
    assert auction.utilities == pytest.approx([cap] * 3, rel=1e-12, abs=0)


@pytest.mark.parametrize(
    ("caps", "where"),
    [
        pytest.param([1], ["caps"], id="too-few"),
        pytest.param([1, -0.5], ["caps[1]"], id="negative"),
        pytest.param([float("nan"), -inf], ["caps[0]", "caps[1]"], id="not-a-number"),
        pytest.param("x", ["caps"], id="text"),
        pytest.param([[1], 2], ["caps[0]"], id="nested"),
    ],
)
def test_faults_of_caps(caps, where):
    with pytest.raises(mo.InputError) as error:
        capped_money_burning([TWO, TWO], caps)
    assert [fault.where for fault in error.value.faults] == where


def test_faults_of_buyers_and_caps_come_together():
    with pytest.raises(mo.InputError) as error:
        capped_money_burning([TWO, ([1, 2], [0.5, 0.4])], [1, -1])
    assert [fault.where for fault in error.value.faults] == ["buyers[1].probabilities", "caps[1]"]
