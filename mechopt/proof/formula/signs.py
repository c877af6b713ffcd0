"""That a polynomial does not change its sign between two algebraic numbers, by Sturm's theorem on rational brackets.

The brackets of the ends are narrowed until no root is left in them but the ends themselves, where one is allowed.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from mechopt.core.algebraic import AlgebraicNumber
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
        between = roots_between(polynomial, end.lower, end.upper)
        inside = between == 1 and sign(polynomial, end.lower) * sign(polynomial, end.upper) == -1
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
        """The sign on the whole interval: -1, 0 (identically zero) or 1; touching zero is not a change.

        Raises
        ------
        SignError
            If it changes.
        """
        polynomial = primitive(polynomial)
        if not polynomial:
            return 0
        if polynomial not in self._known:
            self._known[polynomial] = self._find(polynomial)
        return self._known[polynomial]

    def _find(self, polynomial: Polynomial) -> int:
        if self._roots(polynomial) and self._roots(odd_part(polynomial)):
            raise SignError("a polynomial changes its sign inside")
        lower, point = self.start.upper, self.inside()
        while not sign(polynomial, point):
            point = (lower + point) / 2
        return sign(polynomial, point)

    def has_root(self, polynomial: Polynomial) -> bool:
        """Whether a polynomial vanishes somewhere strictly inside."""
        return not polynomial or self._roots(polynomial) > 0

    def vanishes_at(self, polynomial: Polynomial, end: AlgebraicNumber) -> bool:
        """Whether a polynomial is zero at an end."""
        shared = common_divisor(polynomial, end.polynomial)
        if end.lower == end.upper:
            return sign(shared, end.lower) == 0
        return sign(shared, end.lower) != sign(shared, end.upper)  # it has the root of the bracket or none there

    def _roots(self, polynomial: Polynomial) -> int:
        """Number of distinct roots strictly inside."""
        at_start, at_stop = (self.vanishes_at(polynomial, end) for end in (self.start, self.stop))
        for end, at_end in ((self.start, at_start), (self.stop, at_stop)):
            while roots_between(polynomial, end.lower, end.upper) > at_end:
                end.narrow()
        self._apart()
        found = roots_between(polynomial, self.start.upper, self.stop.lower)
        return found - (at_stop and self.stop.lower == self.stop.upper)

    def _apart(self) -> None:
        while self.start.upper >= self.stop.lower:
            self.start.narrow()
            self.stop.narrow()

    def inside(self) -> Fraction:
        """A rational inside."""
        self._apart()
        return (self.start.upper + self.stop.lower) / 2
