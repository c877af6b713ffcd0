"""Ends of intervals and signs between them: what is at the edge, and what a bracket must not hide."""

from fractions import Fraction
from math import isqrt

import pytest

from mechopt.core.algebraic import AlgebraicNumber, real_roots
from mechopt.core.polynomials import times
from mechopt.proof.formula.signs import OpenInterval, SignError, check_end

F = Fraction
ROOT_OF_HALF = AlgebraicNumber((-1, 0, 2), 1, F(1, 2), F(1))
REFUSED = {  # polynomial, number of the root, bracket
    "a-root-at-the-upper-end": ((2, -3, 1), 0, "1/2", "1"),
    "a-root-at-the-lower-end": ((2, -3, 1), 1, "1", "3"),
    "roots-at-both-ends": ((2, -3, 1), 1, "1", "2"),
    "turned-round": ((-1, 0, 2), 1, "1", "1/2"),
    "turned-round-about-another": ((-1, 0, 2), 0, "1", "-1"),
    "a-leading-zero": ((-1, 2, 0), 0, "1/2", "1/2"),
    "a-negative-leading-coefficient": ((1, -2), 0, "1/2", "1/2"),
    "no-root-there": ((-1, 2), 0, "1/2", "1"),
    "the-first-said-to-be-the-second": ((-1, 0, 2), 1, "-1", "0"),
    "a-rational-one-said-to-be-another": ((2, -3, 1), 1, "1", "1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_ends_that_are_not_what_they_say(name):
    polynomial, index, lower, upper = REFUSED[name]
    with pytest.raises(ValueError, match=r"bracket|primitive"):
        check_end(AlgebraicNumber(polynomial, index, F(lower), F(upper)))


def test_ends_that_are():
    for end in (
        ROOT_OF_HALF,
        AlgebraicNumber((-1, 0, 2), 0, F(-1), F(0)),
        *map(AlgebraicNumber.rational, (0, 1, F(2, 7))),
    ):
        check_end(end)
    check_end(AlgebraicNumber((2, -3, 1), 0, F(1), F(1)))
    check_end(AlgebraicNumber((2, -3, 1), 1, F(3, 2), F(3)))


def between(start, stop):
    ends = (AlgebraicNumber.rational(end) if isinstance(end, (int, F)) else end for end in (start, stop))
    return OpenInterval(*ends)


def test_a_point_strictly_inside():
    assert between(F(1, 2), 1).inside() == F(3, 4)
    for start, stop in ((F(1, 2), AlgebraicNumber((-1, 0, 2), 1, F(1, 2), F(1))), (F(7, 10), ROOT_OF_HALF)):
        point = between(start, stop).inside()
        assert start < point and 2 * point * point < 1
    assert 2 * between(AlgebraicNumber((-1, 0, 2), 1, F(1, 2), F(1)), 1).inside() ** 2 > 1


def test_signs_of_constants_and_of_nothing():
    unit = between(0, 1)
    assert [unit.sign(p) for p in ((4,), (-4,), ())] == [1, -1, 0]
    assert [unit.has_root(p) for p in ((4,), (-4,), ())] == [False, False, True]
    assert [unit.vanishes_at(p, unit.start) for p in ((4,), ())] == [False, True]
    irrational = between(ROOT_OF_HALF, 1)
    assert [irrational.vanishes_at(p, irrational.start) for p in ((4,), (), (-1, 0, 2), (-1, 2))] == [
        False,
        True,
        True,
        False,
    ]


SQUARE = times((-3, 4), (-3, 4))  # touches zero at 3/4


def test_touching_zero_at_the_first_point_that_is_tried():
    interval = between(F(1, 2), 1)
    assert interval.sign(SQUARE) == 1
    assert interval.sign(times(SQUARE, times((-1, 2), (1, -1)))) == 1  # negative beyond either end
    assert interval.sign(times(SQUARE, times((1, -2), (1, -1)))) == -1
    twice = times(SQUARE, times((-5, 8), (-5, 8)))  # and at 5/8, which comes next
    assert interval.sign(times(twice, times((-1, 2), (1, -1)))) == 1


@pytest.mark.parametrize("power", range(1, 5))
def test_roots_at_the_ends_do_not_count(power):
    """Linear ends and irrational ones, of odd and even multiplicity; those just beside them do."""
    for start, own in ((F(1, 2), (-1, 2)), (AlgebraicNumber((-1, 0, 2), 1, F(1, 2), F(1)), (-1, 0, 2))):
        polynomial = (1,)
        for _ in range(power):
            polynomial = times(polynomial, own)
        above, below = between(start, 1), between(0, start)
        assert above.sign(polynomial) == 1 and below.sign(polynomial) == (-1) ** power
        assert not above.has_root(polynomial) and not below.has_root(polynomial)
        around = between(0, 1)
        assert around.has_root(polynomial)
        if power % 2:
            with pytest.raises(SignError, match="changes its sign inside"):
                around.sign(polynomial)
        else:
            assert around.sign(polynomial) == 1


def test_roots_where_a_bracket_ends_are_inside():
    """The bracket of the upper end begins at 3/4, where the polynomial changes its sign."""
    stop = next(root for root in real_roots((-2, 0, 0, 3)))  # 0.8736
    stop = AlgebraicNumber(stop.polynomial, 0, F(3, 4), F(1))
    with pytest.raises(SignError):
        between(F(1, 2), stop).sign((-3, 4))
    assert between(F(1, 2), AlgebraicNumber(stop.polynomial, 0, F(3, 4), F(1))).sign(SQUARE) == 1
    start = AlgebraicNumber(stop.polynomial, 0, F(3, 4), F(19, 20))  # ends where a root is inside
    with pytest.raises(SignError):
        between(start, 1).sign((-19, 20))
    assert between(AlgebraicNumber(stop.polynomial, 0, F(3, 4), F(19, 20)), 1).sign((-3, 4)) == 1


def test_one_number_by_two_polynomials_is_not_searched_for_ever():
    """(2 p^2 - 1)(p - 3) is not irreducible, as an end of a file may claim."""
    other = AlgebraicNumber(times((-1, 0, 2), (-3, 1)), 1, F(1, 2), F(1))
    check_end(other)
    same = AlgebraicNumber((-1, 0, 2), 1, F(1, 2), F(1))
    assert not other < same and not same < other and other != same
    digits = isqrt(10**60 // 2)  # of the root of one half, cut after thirty
    close = times((-1, 0, 2), (-digits, 10**30))
    below = AlgebraicNumber(close, 1, F(0), F(digits, 10**30) + F(1, 10**31))
    assert below < same and not same < below
