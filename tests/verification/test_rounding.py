"""The bound that the three answers rest on, and the verdict, number by number."""

from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.verification.rounding import (
    Answer,
    ExactVerdict,
    Precision,
    Status,
    Verdict,
    as_float,
    largest_value,
    left,
    tolerance_of,
)

HALF = ["1/2", "1/2"]
U = 2.0**-53


def test_the_tolerance_is_a_share_of_what_an_agent_can_get_at_most():
    """A hundred-millionth, of the largest value of either sign, over all periods, of the agent who has most."""
    env = mo.IndependentTypes([[[1, 2], [4]], [[0, 8], [1, 3]]], [[HALF, [1]], [HALF, HALF]], discount="1/2")
    assert largest_value(env) == 8 + 3 / 2
    values, stay = [[[-4, 0], [-3, 2]], [[0, 1], [1, 0]]], [[HALF] * 2] * 2
    for horizon, largest in ((1, 4), (2, 6), (3, 7), ("infinite", 8)):
        assert largest_value(mo.MarkovTypes(values, stay, [HALF] * 2, horizon=horizon, discount="1/2")) == largest
    own = mo.IndependentTypes([[[1, 2], [4]], [[0, 8], [1, 3]]], [[HALF, [1]], [HALF, HALF]], discounts=["3/4", "1/8"])
    assert largest_value(own) == 8 + 3 / 8
    later = mo.MarkovTypes(values, stay, [HALF] * 2, horizon="infinite", discount="3/4")
    assert largest_value(later) == 16
    grow = [[[[[1]]], [[[3]]], [[[-2]]]]] * 2  # 1 at first, then 3, then -2 for ever
    one = mo.InterdependentTypes(grow, [[[[[1]]]]] * 3, [[1]], horizon="infinite", discount="3/4")
    assert (one.stages, largest_value(one)) == (3, 1 + 3 * 0.75 + 2 * 0.75**2 / 0.25)
    assert tolerance_of(9.5) == pytest.approx(9.5e-8, rel=1e-12, abs=0)


def test_a_discount_near_one_may_be_a_rounded_one():
    """Of 8 units that are left, 4 are for certain."""
    assert left(1 - 8 * U) == 4 * U and left(0.5) == pytest.approx(0.5, rel=1e-15, abs=0) and left(0.5) < 0.5


def test_the_bound_is_twice_the_roundings_of_the_magnitude():
    """2 m u S: for m = 3 and S = 5, 30 units."""
    precision = Precision.of(3, 0.0)
    assert precision == (6 * U, 0.0)
    assert precision.bound(np.array([5.0, 0.0])).tolist() == [30 * U, 0.0]


def test_what_underflows_is_bounded_by_the_smallest_normal_number():
    """m times it, times 1 + the largest number, divided by the smallest divisor."""
    smallest = np.finfo(float).tiny
    assert Precision.of(3, 4.0).least == 15 * smallest
    assert Precision.of(3, 4.0, 0.5).least == 30 * smallest
    assert Precision.of(1, 1e6).bound(np.array([0.0])) == (1e6 + 1) * smallest


def test_a_bound_that_means_nothing_decides_nothing():
    """A tenth of relative rounding is the most; beyond, every answer is a violation, never satisfied."""
    most = int(0.1 / U)
    assert Precision.of(most, 1.0).share == pytest.approx(0.2)
    assert Precision.of(most + 1, 1.0).share == np.inf
    verdict = Verdict(1.0)
    verdict.add(np.array([0.0]), Precision.of(most + 1, 1.0).bound(np.array([1.0])))
    assert verdict.answer.status == Status.VIOLATED


def answer(tolerance, *batches):
    verdict = Verdict(tolerance)
    for gains, roundings in batches:
        verdict.add(np.array(gains, dtype=float), np.array(roundings, dtype=float))
    return verdict.answer


def test_nothing_that_is_looked_at_is_satisfied():
    assert answer(0.5) == Answer(Status.SATISFIED, 0.0, 0.0, None)
    assert answer(0.5, ([], [])) == Answer(Status.SATISFIED, 0.0, 0.0, None)
    assert answer(0.5, ([-np.inf, -np.inf], [0, 0])) == Answer(Status.SATISFIED, 0.0, 0.0, None)
    assert answer(0.0) == Answer(Status.SATISFIED, 0.0, 0.0, None)


def test_the_tolerance_itself_is_tolerated_and_rounding_counts():
    assert answer(0.5, ([0.25], [0.25])) == Answer(Status.SATISFIED, 0.25, 0.25, None)
    assert answer(0.5, ([0.75], [0.25])) == Answer(Status.UNDECIDED, 0.75, 0.25, (0, 0))
    assert answer(0.5, ([0.5], [0.125])) == Answer(Status.UNDECIDED, 0.5, 0.125, (0, 0))
    assert answer(0.5, ([1.0], [0.25])) == Answer(Status.VIOLATED, 1.0, 0.25, (0, 0))


def test_violated_is_told_of_where_it_is_most_certain():
    """1.25 for certain at the second place, though the first may be worth more."""
    found = answer(0.5, ([[2.0, 1.5], [1.25, 0.0]], [[1.0, 0.25], [0.25, 0.0]]), ([1.5, 1.0], [0.25, 0.0]))
    assert found == Answer(Status.VIOLATED, 1.5, 0.25, (0, 1))
    later = answer(0.5, ([0.0], [0.0]), ([], []), ([1.0, 3.0, 3.0], [0.0, 0.0, 0.0]))
    assert later == Answer(Status.VIOLATED, 3.0, 0.0, (2, 1))


def test_undecided_is_told_of_where_most_could_be_gained():
    found = answer(0.5, ([0.5, 0.25], [0.0, 1.0]), ([0.25, 0.25], [1.0, 0.5]))
    assert found == Answer(Status.UNDECIDED, 0.5, 0.75, (0, 1))


def test_of_several_gains_the_largest_is_reported():
    assert answer(1.0, ([-1.0, 0.5], [0, 0]), ([0.25], [0])) == Answer(Status.SATISFIED, 0.5, 0.0, None)


@pytest.mark.parametrize(
    ("gain", "rounding"), [(np.nan, 0.0), (np.inf, 0.0), (0.0, np.nan), (0.0, np.inf), (-1.0, np.inf)]
)
def test_what_is_no_number_is_a_violation(gain, rounding):
    found = answer(0.5, ([2.0, gain], [0.0, rounding]))
    assert found == Answer(Status.VIOLATED, np.inf, 0.0, (0, 1))


def test_fractions_are_compared_as_they_are():
    little = Fraction(1, 10**30)
    for gain, status in ((Fraction(1, 2), "satisfied"), (Fraction(1, 2) + little, "violated")):
        verdict = ExactVerdict(0.5)
        verdict.add(Fraction(1, 3), (0,))
        verdict.add(gain, (1, 2))
        verdict.add(gain, (3, 4))
        assert verdict.answer == Answer(Status(status), 0.5, 0.0, None, gain)
        assert verdict.place == (1, 2)
    nothing = ExactVerdict(0.5)
    nothing.add(Fraction(-1), (0,))
    nothing.add(Fraction(0), (1,))
    assert nothing.answer == Answer(Status.SATISFIED, 0.0, 0.0, None, Fraction(0)) and nothing.place is None


def test_fractions_beyond_floats_are_infinite_with_their_sign():
    huge = Fraction(10) ** 400
    assert (as_float(huge), as_float(-huge), as_float(Fraction(1, 4))) == (np.inf, -np.inf, 0.25)


@pytest.mark.parametrize("limit", ["no-money", "no-subsidy", "payment-cap:2"])
def test_where_nothing_is_worth_anything_to_agents_the_seller_sets_the_scale(limit):
    """Honest optima of worthless items that cost something, or bring the seller something."""
    fresh = mo.IndependentTypes([[[0], [0]]], [[[1], [1]]], cost=[2, 1], seller_values=[[[-2], [1]]], discount="4/5")
    moving = mo.MarkovTypes([[[0]]], [[[1]]], [[1]], cost=[1], horizon=3)
    for env, ic, scale in ((fresh, "super-dic", 2.8), (moving, "periodic-ex-post", 3.0)):
        best = mo.optimum(env, ic, "epir", subject_to=limit)
        report = mo.verify(best.mechanism)
        assert report.holds, report
        assert report[limit].tolerance == pytest.approx(1e-8 * scale)
        assert mo.verify(best.mechanism, exact=True).holds


def test_the_largest_value_knows_what_there_is_outside_and_what_the_seller_pays():
    half, still = ["1/2", "1/2"], [["1/2", "1/2"]] * 2

    def largest(value, **more):
        return largest_value(mo.MarkovTypes([[[0, 0], [value, 0]]], [still], [half], horizon=2, discount="1/2", **more))

    assert largest(1) == 1.5
    # outside, present values as of each period: 3 in the first one, and 10 in the second one, which is worth 5
    assert largest(1, outside=[[[-3, 1], [4, -10]]]) == 5
    assert largest(8, outside=[[[-3, 1], [4, -10]]]) == 12
    # where there is anything, however little, costs do not count
    assert largest("1/2", cost=[0, 7]) == 0.75
    assert largest(0, cost=[0, -7]) == 10.5
    assert largest(0, cost=[0, 1], seller_values=[[[0, 0], [2, -9]]]) == 13.5
