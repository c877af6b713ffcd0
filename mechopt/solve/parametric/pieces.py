"""The optimum as a piecewise rational function: neighbouring bases with one value make one piece."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from mechopt.core.algebraic import AlgebraicNumber
from mechopt.core.errors import MechoptError
from mechopt.core.functions import RationalFunction
from mechopt.core.polynomials import common_divisor, minus, roots_between, sign, times
from mechopt.solve.parametric.walk import BasisPiece


@dataclass(frozen=True)
class Piece:
    """An interval on which the optimum is one rational function.

    Attributes
    ----------
    start, stop : AlgebraicNumber
    function : RationalFunction
        In lowest terms.
    closed : (bool, bool)
        Whether it holds at the two ends too; it may not where payments grow beyond all bounds towards an end.
    bases : int
        How many bases it took.
    parameter : str
        Its name.
    """

    start: AlgebraicNumber
    stop: AlgebraicNumber
    function: RationalFunction
    closed: tuple[bool, bool]
    bases: int = 1
    parameter: str = "p"

    @property
    def numerator(self) -> tuple[int, ...]:
        """Coefficients from the constant up."""
        return self.function.numerator

    @property
    def denominator(self) -> tuple[int, ...]:
        """Coefficients from the constant up; the leading one is positive."""
        return self.function.denominator

    def value(self, p: Fraction | int | float) -> Fraction | float:
        """Value at a point of the piece: exact for an integer or a fraction, a float for a float."""
        if isinstance(p, float):
            return float(self.function(Fraction(p)))
        return self.function(Fraction(p))

    def __contains__(self, p: Fraction | int) -> bool:
        return not AlgebraicNumber.rational(Fraction(p)) < self.start and not self.stop < AlgebraicNumber.rational(p)

    def __repr__(self) -> str:
        text = self.function.text(self.parameter)
        return f"Piece({float(self.start):.6g} to {float(self.stop):.6g}: {text})"


def merged(bases: Sequence[BasisPiece], parameter: str = "p") -> tuple[Piece, ...]:
    """Join neighbours with one function, where it holds between them too.

    Raises
    ------
    MechoptError
        If the value jumps where both neighbours hold: then something is wrong with the walk.
    """
    pieces: list[Piece] = []
    for basis in bases:
        last = pieces[-1] if pieces else None
        if last is not None and last.stop == basis.start:
            if last.function == basis.value and (last.closed[1] or basis.closed[0]):
                closed = last.closed[0], basis.closed[1]
                pieces[-1] = Piece(last.start, basis.stop, last.function, closed, last.bases + 1, parameter)
                continue
            if last.closed[1] and basis.closed[0] and not meet(last.function, basis.value, basis.start):
                raise MechoptError(f"the optimum found jumps at {basis.start!r}; please report this model")
        pieces.append(Piece(basis.start, basis.stop, basis.value, basis.closed, 1, parameter))
    return tuple(pieces)


def open_ends(bases: Sequence[BasisPiece]) -> list[AlgebraicNumber]:
    """Ends between neighbours at which neither holds."""
    return [
        right.start
        for left, right in pairwise(bases)
        if left.stop == right.start and not left.closed[1] and not right.closed[0]
    ]


def meet(f: RationalFunction, g: RationalFunction, at: AlgebraicNumber) -> bool:
    """Whether two functions have one value at an algebraic number: their difference vanishes with its polynomial."""
    difference = minus(times(f.numerator, g.denominator), times(g.numerator, f.denominator))
    return len(common_divisor(difference, at.polynomial)) == len(at.polynomial)


def kink(left: RationalFunction, right: RationalFunction, at: AlgebraicNumber) -> str:
    """How two pieces meet: ``"convex"``, ``"concave"``, ``"smooth"`` or ``"jump"``."""
    if not meet(left, right, at):
        return "jump"
    jump = right.derivative() - left.derivative()
    if not jump or len(common_divisor(jump.numerator, at.polynomial)) == len(at.polynomial):
        return "smooth"
    return "convex" if sign_of(jump, at) > 0 else "concave"


def sign_of(function: RationalFunction, at: AlgebraicNumber) -> int:
    """Sign of a function at an algebraic number that is neither a root nor a pole."""
    for polynomial in (function.numerator, function.denominator):
        while roots_between(polynomial, at.lower, at.upper) or not sign(polynomial, at.lower):
            at.narrow()
    return sign(function.numerator, at.lower) * sign(function.denominator, at.lower)
