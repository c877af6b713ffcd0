"""Rational functions of one parameter with rational coefficients: the numbers of models that have a parameter.

They take part in the arithmetic of fractions. Equality is identity of functions; a function that is not zero counts as
true though it may vanish somewhere. Order has a meaning only where the parameter is: within `compared_at` signs are
those at a point, and what was compared is recorded, so that the caller can show that it holds on an interval.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from fractions import Fraction
from math import gcd, lcm
from typing import Any

from mechopt.core.polynomials import (
    ONE,
    Polynomial,
    common_divisor,
    derivative,
    minus,
    negative,
    plus,
    polynomial_text,
    power,
    sign,
    times,
    value,
)

Exact = int | Fraction


class Comparisons:
    """The point at which signs are taken, and the polynomials whose sign mattered."""

    def __init__(self, point: Fraction) -> None:
        self.point, self.polynomials = point, set[Polynomial]()


_COMPARING: ContextVar[Comparisons | None] = ContextVar("comparing", default=None)


@contextmanager
def compared_at(point: Fraction) -> Iterator[Comparisons]:
    """Give functions the order that they have at a point."""
    comparisons = Comparisons(point)
    token = _COMPARING.set(comparisons)
    try:
        yield comparisons
    finally:
        _COMPARING.reset(token)


class RationalFunction:
    """A quotient of polynomials in lowest terms, the leading coefficient of the denominator positive.

    Parameters
    ----------
    numerator, denominator : tuples of int
        Coefficients from the constant up.

    Examples
    --------
    >>> p = RationalFunction.parameter()
    >>> (1 - p**2) / (1 - p)
    1 + p
    >>> (p / 2 + 1)(Fraction(1, 3))
    Fraction(7, 6)
    """

    __slots__ = ("denominator", "numerator")

    numerator: Polynomial
    denominator: Polynomial

    def __init__(self, numerator: Polynomial, denominator: Polynomial = ONE) -> None:
        if not denominator:
            raise ZeroDivisionError("the denominator is zero")
        if len(denominator) > 1 and numerator:
            common = common_divisor(numerator, denominator)
            if len(common) > 1:
                numerator, denominator = exact_quotient(numerator, common), exact_quotient(denominator, common)
        if not numerator:
            denominator = ONE
        content = gcd(*numerator, *denominator)
        if denominator[-1] < 0:
            content = -content
        if content != 1:
            numerator = tuple(x // content for x in numerator)
            denominator = tuple(x // content for x in denominator)
        self.numerator, self.denominator = numerator, denominator

    @classmethod
    def parameter(cls) -> RationalFunction:
        """The parameter itself."""
        return cls((0, 1))

    @classmethod
    def of(cls, number: Any) -> RationalFunction:
        """A function, or the constant of an integer or fraction."""
        if isinstance(number, cls):
            return number
        if isinstance(number, (int, Fraction)):
            return cls((number.numerator,) if number else (), (number.denominator,))
        raise TypeError(f"{number!r} is neither exact nor a function of the parameter")

    @property
    def constant(self) -> Fraction | None:
        """The number that it is, or None where it depends on the parameter."""
        if len(self.numerator) > 1 or len(self.denominator) > 1:
            return None
        return Fraction(self.numerator[0] if self.numerator else 0, self.denominator[0])

    def __call__(self, at: Exact) -> Fraction:
        """Value at a rational that is not a pole."""
        at = Fraction(at)
        return value(self.numerator, at) / value(self.denominator, at)

    def __add__(self, other: Any) -> RationalFunction:
        if not isinstance(other, (RationalFunction, int, Fraction)):
            return NotImplemented
        other = RationalFunction.of(other)
        if self.denominator == other.denominator:
            return RationalFunction(plus(self.numerator, other.numerator), self.denominator)
        numerator = plus(times(self.numerator, other.denominator), times(other.numerator, self.denominator))
        return RationalFunction(numerator, times(self.denominator, other.denominator))

    def __mul__(self, other: Any) -> RationalFunction:
        if not isinstance(other, (RationalFunction, int, Fraction)):
            return NotImplemented
        other = RationalFunction.of(other)
        return RationalFunction(times(self.numerator, other.numerator), times(self.denominator, other.denominator))

    def __truediv__(self, other: Any) -> RationalFunction:
        if not isinstance(other, (RationalFunction, int, Fraction)):
            return NotImplemented
        other = RationalFunction.of(other)
        return RationalFunction(times(self.numerator, other.denominator), times(self.denominator, other.numerator))

    def __rtruediv__(self, other: Any) -> RationalFunction:
        return RationalFunction.of(other) / self

    def __pow__(self, exponent: int) -> RationalFunction:
        if not isinstance(exponent, int):
            return NotImplemented
        if exponent < 0:
            return 1 / self**-exponent
        return RationalFunction(power(self.numerator, exponent), power(self.denominator, exponent))

    def __neg__(self) -> RationalFunction:
        return RationalFunction(negative(self.numerator), self.denominator)

    def __sub__(self, other: Any) -> RationalFunction:
        return self.__add__(-other)

    def __rsub__(self, other: Any) -> RationalFunction:
        return (-self).__add__(other)

    __radd__, __rmul__ = __add__, __mul__

    def __bool__(self) -> bool:
        return bool(self.numerator)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (RationalFunction, int, Fraction)):
            return NotImplemented
        other = RationalFunction.of(other)
        return self.numerator == other.numerator and self.denominator == other.denominator

    def __hash__(self) -> int:
        constant = self.constant
        return hash((self.numerator, self.denominator)) if constant is None else hash(constant)

    def _sign(self) -> int:
        """Sign at the point of comparison, recorded."""
        constant = self.constant
        if constant is not None:
            return (constant > 0) - (constant < 0)
        comparing = _COMPARING.get()
        if comparing is None:
            raise TypeError(f"{self} has no sign without a value of the parameter")
        comparing.polynomials |= {self.numerator, self.denominator}
        return sign(self.numerator, comparing.point) * sign(self.denominator, comparing.point)

    def __lt__(self, other: Any) -> bool:
        return RationalFunction.of(self - other)._sign() < 0

    def __le__(self, other: Any) -> bool:
        return RationalFunction.of(self - other)._sign() <= 0

    def __gt__(self, other: Any) -> bool:
        return RationalFunction.of(self - other)._sign() > 0

    def __ge__(self, other: Any) -> bool:
        return RationalFunction.of(self - other)._sign() >= 0

    def __abs__(self) -> RationalFunction:
        return -self if self._sign() < 0 else self

    def derivative(self) -> RationalFunction:
        """Derivative in the parameter."""
        n, d = self.numerator, self.denominator
        return RationalFunction(minus(times(derivative(n), d), times(n, derivative(d))), times(d, d))

    def text(self, name: str = "p") -> str:
        """As one reads it, such as ``(1 + 2 p)/(3 - p)``."""
        below = polynomial_text(self.denominator, name)
        if below == "1":
            return polynomial_text(self.numerator, name, rising=True)
        above = polynomial_text(self.numerator, name, rising=True)
        above = f"({above})" if sum(map(bool, self.numerator)) > 1 else above
        return f"{above}/({below})" if len(self.denominator) > 1 and below != name else f"{above}/{below}"

    def latex(self, name: str = "p") -> str:
        """As LaTeX, without delimiters."""
        above = polynomial_text(self.numerator, name, rising=True, latex=True)
        if self.denominator == ONE:
            return above
        return rf"\frac{{{above}}}{{{polynomial_text(self.denominator, name, latex=True)}}}"

    def __repr__(self) -> str:
        return self.text()


def exact_quotient(a: Polynomial, b: Polynomial) -> Polynomial:
    """Quotient of integer polynomials where the primitive b divides a."""
    rest, found = list(a), list[int]()
    while len(rest) >= len(b):
        factor, left = divmod(rest[-1], b[-1])
        if left:
            raise ArithmeticError("the polynomial does not divide")
        found.append(factor)
        for k, x in enumerate(b, len(rest) - len(b)):
            rest[k] -= factor * x
        rest.pop()
    if any(rest):
        raise ArithmeticError("the polynomial does not divide")
    return tuple(reversed(found))


def interpolated(points: Sequence[Fraction], values: Sequence[Fraction]) -> RationalFunction | None:
    """The rational function of least degree through given values, or None where they need more points to tell.

    The sum of the degrees is at most ``len(points) - 3``: two points are left to contradict it.

    Examples
    --------
    >>> points = [Fraction(k) for k in range(2, 9)]
    >>> interpolated(points, [x**2 / (x + 1) for x in points])
    p^2/(p + 1)
    """
    if all(number == values[0] for number in values):
        return RationalFunction.of(Fraction(values[0]))
    differences = list(values)
    newton = [differences[0]]
    for step in range(1, len(points)):
        differences = [
            (differences[k + 1] - differences[k]) / (points[k + step] - points[k]) for k in range(len(differences) - 1)
        ]
        newton.append(differences[0])
    while newton and not newton[-1]:
        newton.pop()
    if len(newton) <= len(points) - 2:
        function = RationalFunction(())
        for coefficient, point in zip(reversed(newton), reversed(points[: len(newton)]), strict=True):
            function = function * (RationalFunction.parameter() - point) + coefficient
        return function
    return _rational(points, newton)


def _rational(points: Sequence[Fraction], newton: Sequence[Fraction]) -> RationalFunction | None:
    """Rational reconstruction by Euclid's algorithm on the interpolating polynomial."""
    through, vanishing = list[Fraction](), [Fraction(1)]
    for coefficient, point in zip(newton, points, strict=False):
        through = _sum(through, [coefficient * x for x in vanishing])
        vanishing = _sum([Fraction(0), *vanishing], [-point * x for x in vanishing])
    for point in points[len(newton) :]:
        vanishing = _sum([Fraction(0), *vanishing], [-point * x for x in vanishing])
    before, now = (vanishing, list[Fraction]()), (through, [Fraction(1)])
    best: tuple[int, list[Fraction], list[Fraction]] | None = None
    while now[0]:
        size = len(now[0]) + len(now[1]) - 2
        if best is None or size < best[0]:
            best = size, now[0], now[1]
        factor, rest = _divided(before[0], now[0])
        product = list[Fraction]()
        for k, x in enumerate(factor):
            product = _sum(product, [Fraction(0)] * k + [x * y for y in now[1]])
        before, now = now, (rest, _sum(before[1], [-x for x in product]))
    if best is None or best[0] > len(points) - 3:
        return None
    numerator, denominator = best[1:]
    scale = lcm(*(x.denominator for x in numerator + denominator))
    function = RationalFunction(tuple(int(x * scale) for x in numerator), tuple(int(x * scale) for x in denominator))
    return function


def _sum(a: list[Fraction], b: list[Fraction]) -> list[Fraction]:
    total = [Fraction(0)] * max(len(a), len(b))
    for part in (a, b):
        for k, x in enumerate(part):
            total[k] += x
    while total and not total[-1]:
        total.pop()
    return total


def _divided(a: list[Fraction], b: list[Fraction]) -> tuple[list[Fraction], list[Fraction]]:
    rest, found = list(a), [Fraction(0)] * max(len(a) - len(b) + 1, 0)
    while len(rest) >= len(b):
        factor, shift = rest[-1] / b[-1], len(rest) - len(b)
        found[shift] = factor
        rest = _sum(rest[:-1], [Fraction(0)] * shift + [-factor * x for x in b[:-1]])
    return found, rest
