"""Real roots by FLINT: factors, certified enclosures, and values of functions at algebraic numbers."""

from __future__ import annotations

from fractions import Fraction
from math import lcm
from typing import Any

from mechopt.core.algebraic import AlgebraicNumber
from mechopt.core.functions import RationalFunction
from mechopt.core.polynomials import Polynomial, trimmed
from mechopt.solve.parametric.program import require_flint


def isolated(factor: Any) -> list[AlgebraicNumber]:
    """Real roots of an irreducible ``fmpz_poly``, from below, by certified enclosures."""
    coefficients = tuple(int(c) for c in factor.coeffs())
    if coefficients[-1] < 0:
        coefficients = tuple(-c for c in coefficients)
    if len(coefficients) == 2:
        return [AlgebraicNumber.rational(Fraction(-coefficients[0], coefficients[1]))]
    real = [root.real for root, _ in factor.complex_roots() if root.imag == 0]
    brackets = sorted((_fraction(ball.lower()), _fraction(ball.upper())) for ball in real)
    return [AlgebraicNumber(coefficients, k, lower, upper) for k, (lower, upper) in enumerate(brackets)]


def _fraction(ball: Any) -> Fraction:
    exact = ball.fmpq()
    return Fraction(int(exact.p), int(exact.q))


def roots_of(polynomial: Polynomial) -> list[AlgebraicNumber]:
    """Distinct real roots of any polynomial that is not zero, from below.

    Examples
    --------
    >>> roots_of((2, -5, 4, -5, 2))  # (2 p - 1)(p - 2)(p^2 + 1)
    [1/2, 2]
    """
    poly = require_flint().fmpz_poly(list(polynomial))
    factors = [factor for factor, _ in poly.factor()[1] if factor.degree() > 0]
    return sorted(root for factor in factors for root in isolated(factor))


def value_at(function: RationalFunction, at: AlgebraicNumber) -> AlgebraicNumber:
    """Value of a function at an algebraic number that is not a pole, as an algebraic number.

    Its polynomial is a factor of the resultant of the number's polynomial and y times the denominator less the
    numerator; which root it is follows from enclosures.

    Examples
    --------
    >>> golden = roots_of((1, -3, 1))[0]
    >>> value_at(RationalFunction((0, 2), (3,)), golden).radical()
    '(3 - sqrt(5))/3'
    """
    exact = at.exact
    if exact is not None:
        return AlgebraicNumber.rational(function(exact))
    poly = require_flint().fmpz_poly
    modulus = poly(list(at.polynomial))
    degree = len(at.polynomial) - 1
    points: list[tuple[Fraction, Fraction]] = []
    size = max(len(function.numerator), len(function.denominator))
    above, below = (list(part) + [0] * (size - len(part)) for part in (function.numerator, function.denominator))
    y = 0
    while len(points) <= degree:  # the resultant has this degree in y; a drop of degree in x is avoided
        combined = poly([y * d - n for n, d in zip(above, below, strict=True)])
        if combined.degree() == size - 1:
            points.append((Fraction(y), Fraction(resultant(modulus, combined))))
        y += 1
    candidates = roots_of(_through(points))
    while True:
        lower, upper = enclosed(function, at)
        fitting = [c for c in candidates if not (c.upper < lower or upper < c.lower)]
        if len(fitting) == 1:
            return fitting[0]
        at.narrow()
        for candidate in fitting:
            candidate.narrow()


def resultant(a: Any, b: Any) -> int:
    """Resultant of two ``fmpz_poly`` of positive degree: the determinant of Sylvester's matrix.

    Examples
    --------
    >>> from flint import fmpz_poly
    >>> resultant(fmpz_poly([-2, 1]), fmpz_poly([1, -3, 1]))
    -1
    """
    rows, size = [], a.degree() + b.degree()
    for of, others in ((a, b.degree()), (b, a.degree())):
        high_first = of.coeffs()[::-1]
        rows += [[0] * k + high_first + [0] * (size - len(high_first) - k) for k in range(others)]
    return int(require_flint().fmpz_mat(rows).det()) if size else 1


def _through(points: list[tuple[Fraction, Fraction]]) -> Polynomial:
    """The polynomial through points, times a constant, with integer coefficients."""
    total: list[Fraction] = [Fraction(0)] * len(points)
    for k, (x, value) in enumerate(points):
        term = [value]
        for other, (z, _) in enumerate(points):
            if other != k:
                term = [a - z * b for a, b in zip([Fraction(0), *term], [*term, Fraction(0)], strict=True)]
                term = [entry / (x - z) for entry in term]
        total = [a + b for a, b in zip(total, term, strict=True)]
    common = lcm(*(entry.denominator for entry in total))
    return trimmed(int(entry * common) for entry in total)


def enclosed(function: RationalFunction, at: AlgebraicNumber) -> tuple[Fraction, Fraction]:
    """An interval that holds the function's value, from the bracket of its argument."""
    while True:
        above = _on_bracket(function.numerator, at)
        below = _on_bracket(function.denominator, at)
        if below[0] > 0 or below[1] < 0:
            ratios = [a / b for a in above for b in below]
            return min(ratios), max(ratios)
        at.narrow()


def _on_bracket(polynomial: Polynomial, at: AlgebraicNumber) -> tuple[Fraction, Fraction]:
    """Horner's rule in interval arithmetic."""
    lower = upper = Fraction(0)
    for coefficient in reversed(polynomial):
        products = [a * b for a in (lower, upper) for b in (at.lower, at.upper)]
        lower, upper = min(products) + coefficient, max(products) + coefficient
    return lower, upper
