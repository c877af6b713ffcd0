"""Real algebraic numbers: a polynomial, which of its real roots, and a rational bracket around it.

Numbers with one polynomial are compared by the number of the root; others by narrowing their brackets until they are
apart. Nothing is ever computed in a number field.
"""

from __future__ import annotations

import itertools
from fractions import Fraction
from functools import total_ordering
from math import gcd, isqrt

from mechopt.core.polynomials import (
    Polynomial,
    common_divisor,
    polynomial_text,
    primitive,
    root_bound,
    roots_between,
    sign,
    square_free,
)

DIGITS = 60
"""Brackets for display are narrowed to this many binary digits."""
LARGEST_SQUARE = 10_000
"""Squares of factors up to this one are taken out of a root."""


@total_ordering
class AlgebraicNumber:
    """A real root of an irreducible polynomial.

    Parameters
    ----------
    polynomial : tuple of int
        Coefficients from the constant up; primitive, irreducible, the leading one positive.
    index : int
        Which of its real roots, counted from 0 upwards.
    lower, upper : Fraction
        This root alone lies between them, or they are the root itself.

    Examples
    --------
    >>> golden = real_roots((1, -3, 1))[0]
    >>> golden
    0.381966 (root 0 of p^2 - 3 p + 1)
    >>> golden < Fraction(1, 2), golden.radical()
    (True, '(3 - sqrt(5))/2')
    """

    __slots__ = ("index", "lower", "polynomial", "upper")

    def __init__(self, polynomial: Polynomial, index: int, lower: Fraction, upper: Fraction) -> None:
        self.polynomial, self.index, self.lower, self.upper = polynomial, index, lower, upper

    @classmethod
    def rational(cls, number: Fraction | int) -> AlgebraicNumber:
        """A rational as the root of a polynomial of degree 1."""
        number = Fraction(number)
        return cls((-number.numerator, number.denominator), 0, number, number)

    @property
    def exact(self) -> Fraction | None:
        """The number itself where it is rational."""
        if len(self.polynomial) == 2:
            return Fraction(-self.polynomial[0], self.polynomial[1])
        return None

    def narrow(self) -> None:
        """Halve the bracket."""
        if self.lower == self.upper:
            return
        middle = (self.lower + self.upper) / 2
        at = sign(self.polynomial, middle)
        if at == 0:
            self.lower = self.upper = middle
        elif at == sign(self.polynomial, self.upper):
            self.upper = middle
        else:
            self.lower = middle

    def narrowed(self, width: Fraction) -> None:
        """Narrow the bracket to a width."""
        while self.upper - self.lower > width:
            self.narrow()

    def _compared(self, other: AlgebraicNumber) -> int:
        if self.polynomial == other.polynomial:
            return (self.index > other.index) - (self.index < other.index)
        for step in itertools.count():
            if self.upper < other.lower or (self.upper == other.lower and self.lower < other.upper):
                return -1
            if other.upper < self.lower or (self.lower == other.upper and other.lower < self.upper):
                return 1
            if self.lower == self.upper == other.lower == other.upper or (step == DIGITS and self._same(other)):
                return 0
            self.narrow()
            other.narrow()
        raise AssertionError

    def _same(self, other: AlgebraicNumber) -> bool:
        """Whether two polynomials, one of them not irreducible after all, have their root in common."""
        shared = common_divisor(self.polynomial, other.polynomial)
        lower, upper = max(self.lower, other.lower), min(self.upper, other.upper)
        return roots_between(shared, lower, upper) + (sign(shared, lower) == 0) > 0

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (int, Fraction)):
            return self.exact == other
        if not isinstance(other, AlgebraicNumber):
            return NotImplemented
        return self.polynomial == other.polynomial and self.index == other.index

    def __lt__(self, other: AlgebraicNumber | Fraction | int) -> bool:
        other = other if isinstance(other, AlgebraicNumber) else AlgebraicNumber.rational(other)
        return self != other and self._compared(other) < 0

    def __hash__(self) -> int:
        return hash((self.polynomial, self.index))

    def __float__(self) -> float:
        if self.exact is not None:
            return float(self.exact)
        self.narrowed(Fraction(1, 2**DIGITS))
        return float((self.lower + self.upper) / 2)

    def radical(self) -> str | None:
        """The number in radicals where it is rational or quadratic, else None."""
        if self.exact is not None:
            return str(self.exact)
        if len(self.polynomial) != 3:
            return None
        outside, inside, below = self.quadratic()
        root = f"sqrt({inside})" if abs(outside[1]) == 1 else f"{abs(outside[1])} sqrt({inside})"
        text = (
            f"{outside[0]} {'-' if outside[1] < 0 else '+'} {root}" if outside[0] else f"{'-' * (outside[1] < 0)}{root}"
        )
        return text if below == 1 else f"({text})/{below}" if outside[0] else f"{text}/{below}"

    def quadratic(self) -> tuple[tuple[int, int], int, int]:
        """``((a, b), d, c)`` of (a + b sqrt(d)) / c, for a polynomial of degree 2."""
        c, b, a = self.polynomial
        inside, outside = b * b - 4 * a * c, 1
        for k in range(min(isqrt(inside), LARGEST_SQUARE), 1, -1):
            if inside % (k * k) == 0:
                inside, outside = inside // (k * k), k
                break
        top, root, below = -b, outside if self.index else -outside, 2 * a
        common = gcd(top, root, below)
        return (top // common, root // common), inside, below // common

    def __repr__(self) -> str:
        if self.exact is not None:
            return str(self.exact)
        return f"{float(self):.6g} (root {self.index} of {polynomial_text(self.polynomial)})"


def real_roots(polynomial: Polynomial) -> list[AlgebraicNumber]:
    """All real roots of an irreducible polynomial, from below, by Sturm's theorem and bisection.

    Examples
    --------
    >>> [float(root) for root in real_roots((-1, 0, 4))]
    [-0.5, 0.5]
    """
    polynomial = primitive(polynomial)
    if polynomial[-1] < 0:
        polynomial = tuple(-x for x in polynomial)
    if len(polynomial) == 2:
        return [AlgebraicNumber.rational(Fraction(-polynomial[0], polynomial[1]))]
    reach = root_bound(polynomial)
    waiting, found = [(-reach, reach)], list[tuple[Fraction, Fraction]]()
    while waiting:
        lower, upper = waiting.pop()
        count = roots_between(polynomial, lower, upper)
        if count == 1:
            found.append((lower, upper))
        elif count:
            middle = (lower + upper) / 2
            waiting += [(lower, middle), (middle, upper)]
    found.sort()
    numbers = [AlgebraicNumber(polynomial, k, lower, upper) for k, (lower, upper) in enumerate(found)]
    for number in numbers:
        if sign(polynomial, number.upper) == 0:
            number.lower = number.upper
        else:
            while sign(polynomial, number.lower) == 0:  # a neighbour's root: step inside
                number.narrow()
    return numbers


def is_bracket(polynomial: Polynomial, lower: Fraction, upper: Fraction) -> bool:
    """Whether exactly one real root lies in the closed interval."""
    if lower == upper:
        return sign(polynomial, lower) == 0
    at_lower = sign(polynomial, lower) == 0
    return lower < upper and at_lower + roots_between(square_free(polynomial), lower, upper) == 1
