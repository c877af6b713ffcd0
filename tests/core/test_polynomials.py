"""Polynomials, roots and rational functions, against sympy-free identities: products of known roots."""

import re
from fractions import Fraction
from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mechopt.core.algebraic import AlgebraicNumber, is_bracket, real_roots
from mechopt.core.functions import RationalFunction, compared_at, interpolated
from mechopt.core.polynomials import (
    common_divisor,
    odd_part,
    primitive,
    roots_between,
    sign,
    square_free,
    times,
    trimmed,
)

RATIONALS = st.fractions(-4, 4, max_denominator=6)


def with_roots(roots: list[Fraction]) -> tuple[int, ...]:
    return reduce(times, [(-r.numerator, r.denominator) for r in roots], (1,))


@given(st.lists(RATIONALS, min_size=1, max_size=6), RATIONALS, RATIONALS)
def test_sturm_counts_distinct_roots(roots: list[Fraction], a: Fraction, b: Fraction) -> None:
    lower, upper = min(a, b), max(a, b)
    assert roots_between(with_roots(roots), lower, upper) == sum(lower < r <= upper for r in set(roots))


@given(st.lists(RATIONALS, max_size=6))
def test_multiplicities(roots: list[Fraction]) -> None:
    polynomial = with_roots(roots)
    odd = [r for r in sorted(set(roots)) if roots.count(r) % 2]
    assert odd_part(polynomial) in (primitive(with_roots(odd)), primitive(tuple(-x for x in with_roots(odd))))
    assert square_free(polynomial) == with_roots(sorted(set(roots)))


@given(st.lists(RATIONALS, max_size=4), st.lists(RATIONALS, max_size=4))
def test_common_divisors_have_the_common_roots(a: list[Fraction], b: list[Fraction]) -> None:
    common = [r for r in sorted(set(a)) for _ in range(min(a.count(r), b.count(r)))]
    assert common_divisor(with_roots(a), with_roots(b)) == with_roots(common)


def test_roots_of_an_irreducible_cubic() -> None:
    roots = real_roots((2, -4, 0, 1))
    assert [round(float(r), 10) for r in roots] == [-2.2143197434, 0.5391888728, 1.6751308706]
    assert roots == sorted(roots) and roots[0] != roots[1]
    for root in roots:
        assert is_bracket(root.polynomial, root.lower, root.upper)
        assert sign(root.polynomial, root.lower) * sign(root.polynomial, root.upper) < 0


@settings(deadline=None)
@given(st.integers(-3, 3), st.integers(-6, 6), st.integers(1, 3), RATIONALS)
def test_numbers_are_ordered_as_their_floats(c: int, b: int, a: int, other: Fraction) -> None:
    if b * b - 4 * a * c <= 0 or int((b * b - 4 * a * c) ** 0.5) ** 2 == b * b - 4 * a * c:
        return
    roots = real_roots((c, b, a))
    surd = (b * b - 4 * a * c) ** 0.5
    assert [float(r) for r in roots] == pytest.approx([(-b - surd) / (2 * a), (-b + surd) / (2 * a)])
    for root in roots:
        assert (root < AlgebraicNumber.rational(other)) == (float(root) < other)
        text = re.sub(r"(\d) sqrt", r"\1 * sqrt", root.radical() or "")
        assert eval(text, {"sqrt": lambda x: x**0.5}) == pytest.approx(float(root))


@given(st.lists(st.integers(-5, 5), max_size=4), st.lists(st.integers(-5, 5), min_size=1, max_size=3), st.data())
def test_interpolation_finds_the_function(numerator: list[int], denominator: list[int], data: st.DataObject) -> None:
    below = trimmed(denominator) or (1,)
    function = RationalFunction(trimmed(numerator), below)
    points = [Fraction(2 * k + 1, 7) + 10 for k in range(11)]
    assert interpolated(points, [function(p) for p in points]) == function


def test_too_few_points_tell_nothing() -> None:
    points = [Fraction(k) for k in range(2, 9)]
    assert interpolated(points, [p**6 for p in points]) is None
    assert interpolated(points, [1 / p**5 for p in points]) is None


@given(RATIONALS, RATIONALS, RATIONALS)
def test_functions_compute_as_their_values(a: Fraction, b: Fraction, x: Fraction) -> None:
    p = RationalFunction.parameter()
    f, g = a * p**2 + b, 1 / (p * p + 1)
    for h, value in (
        (f + g, f(x) + g(x)),
        (f * g, f(x) * g(x)),
        (f / g, f(x) / g(x)),
        (2 - f, 2 - f(x)),
        (f - g, f(x) - g(x)),
    ):
        assert h(x) == value
    assert (f == f(x)) == (a == 0)
    assert f.derivative() == 2 * a * p


def test_order_needs_a_point_and_is_recorded() -> None:
    p = RationalFunction.parameter()
    with pytest.raises(TypeError, match="no sign"):
        _ = p > 0
    with compared_at(Fraction(1, 3)) as comparisons:
        assert p < 1 and abs(p - 1) == 1 - p and max(p, 1 - p) == 1 - p
    assert (-1, 1) in comparisons.polynomials or (1, -1) in comparisons.polynomials
    with pytest.raises(TypeError):
        Fraction(p)
    with pytest.raises(TypeError):
        RationalFunction.of(0.5)
