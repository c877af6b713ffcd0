"""That a polynomial does not change its sign between two algebraic numbers, by Sturm's theorem on rational brackets.

What the polynomial shares with an end's polynomial is divided out first: a root at the end itself is allowed, another
root of that polynomial is counted apart. Then the brackets of the ends are narrowed until no root is left in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from mechopt.core.algebraic import AlgebraicNumber
from mechopt.core.functions import exact_quotient
from mechopt.core.polynomials import (
    Polynomial,
    common_divisor,
    odd_part,
    primitive,
    root_bound,
    roots_between,
    sign,
    square_free,
)


class SignError(ArithmeticError):
    """A polynomial changes its sign."""


def check_end(end: AlgebraicNumber) -> None:
    """Check that an end is what it says: one simple root in its bracket, of the number that it claims.

    Raises
    ------
    ValueError
        If it is not.
    """
    polynomial = end.polynomial
    if primitive(polynomial) != polynomial or polynomial[-1] <= 0 or square_free(polynomial) != polynomial:
        raise ValueError("the polynomial is not primitive and free of squares")
    below = -root_bound(polynomial)
    if end.lower == end.upper:
        inside = sign(polynomial, end.lower) == 0
        before = roots_between(polynomial, below, end.lower) - 1
    else:
        at_ends = sign(polynomial, end.lower) * sign(polynomial, end.upper)
        inside = end.lower < end.upper and at_ends < 0 and roots_between(polynomial, end.lower, end.upper) == 1
        before = roots_between(polynomial, below, end.lower)
    if not inside or before != end.index:
        raise ValueError("the bracket does not hold that root alone")


@dataclass(frozen=True, eq=False)
class OpenInterval:
    """The numbers strictly between two ends.

    Attributes
    ----------
    start, stop : AlgebraicNumber
        Checked by `check_end`, the first below the second.
    """

    start: AlgebraicNumber
    stop: AlgebraicNumber

    @cached_property
    def _known(self) -> dict[Polynomial, int]:
        return {}

    def sign(self, polynomial: Polynomial) -> int:
        """The sign on the whole interval: -1, 0 (identically zero) or 1; touching zero is no change.

        Raises
        ------
        SignError
            If it changes.
        """
        polynomial = primitive(polynomial)
        if len(polynomial) <= 1:
            return 0 if not polynomial else 1 if polynomial[0] > 0 else -1
        if polynomial not in self._known:
            self._known[polynomial] = self._find(polynomial)
        return self._known[polynomial]

    def _find(self, polynomial: Polynomial) -> int:
        rest = polynomial
        for end in (self.start, self.stop):
            rest = self._without(rest, end)
        if len(rest) > 1 and self._roots(rest) and self._roots(odd_part(rest)):
            raise SignError("a polynomial changes its sign inside")
        point = self._free_point(polynomial)
        return sign(polynomial, point)

    def _without(self, polynomial: Polynomial, end: AlgebraicNumber) -> Polynomial:
        """Divide out what the polynomial has in common with the polynomial of an end."""
        times, shared = 0, common_divisor(polynomial, end.polynomial)
        first = shared
        while len(shared) > 1:
            times += 1
            polynomial = primitive(exact_quotient(polynomial, shared))
            shared = common_divisor(polynomial, shared)
            if len(shared) > 1 and shared != first:
                raise SignError("an end's polynomial is not irreducible")
        if times % 2 and self._roots(first):
            raise SignError("a polynomial changes its sign at another root of an end's polynomial")
        return polynomial

    def has_root(self, polynomial: Polynomial) -> bool:
        """Whether a polynomial vanishes somewhere strictly inside."""
        polynomial = primitive(polynomial)
        if len(polynomial) <= 1:
            return not polynomial
        return self._roots(square_free(polynomial)) > 0

    def vanishes_at(self, polynomial: Polynomial, end: AlgebraicNumber) -> bool:
        """Whether a polynomial is zero at an end."""
        shared = common_divisor(polynomial, end.polynomial) if polynomial else end.polynomial
        if len(shared) <= 1:
            return False
        if end.lower == end.upper:
            return sign(shared, end.lower) == 0
        return sign(shared, end.lower) * sign(shared, end.upper) < 0  # it has the root of the bracket or none there

    def _roots(self, polynomial: Polynomial) -> int:
        """Number of distinct roots strictly inside."""
        if len(polynomial) <= 1:
            return 0
        for end in (self.start, self.stop):
            at_end = self.vanishes_at(polynomial, end)
            while roots_between(polynomial, end.lower, end.upper) + (sign(polynomial, end.lower) == 0) > at_end:
                end.narrow()
        self._apart()
        found = roots_between(polynomial, self.start.upper, self.stop.lower)
        return found - (self.stop.lower == self.stop.upper and self.vanishes_at(polynomial, self.stop))

    def _apart(self) -> None:
        while self.start.upper >= self.stop.lower:
            self.start.narrow()
            self.stop.narrow()

    def inside(self) -> Fraction:
        """A rational inside."""
        self._apart()
        return (self.start.upper + self.stop.lower) / 2

    def _free_point(self, polynomial: Polynomial) -> Fraction:
        """A rational inside that is not a root."""
        self._apart()
        lower, upper = self.start.upper, self.stop.lower
        return next(
            point
            for point in (
                lower + (upper - lower) * Fraction(k, len(polynomial) + 2) for k in range(1, len(polynomial) + 2)
            )
            if sign(polynomial, point)
        )
