"""Facts about a formula, each decided exactly: where it rises and falls."""

from __future__ import annotations

from mechopt.core.polynomials import Polynomial, derivative, minus, times
from mechopt.proof.formula.signs import OpenInterval, SignError
from mechopt.solve.parametric.pieces import Piece


def slope_polynomial(piece: Piece) -> Polynomial:
    """Numerator of the derivative of a piece, of the derivative's sign."""
    n, d = piece.numerator, piece.denominator
    return minus(times(derivative(n), d), times(n, derivative(d)))


def direction(piece: Piece) -> str:
    """``"constant"``, ``"rising"``, ``"falling"`` or ``"turning"`` on the piece."""
    slope = slope_polynomial(piece)
    if not slope:
        return "constant"
    try:
        return "rising" if OpenInterval(piece.start, piece.stop).sign(slope) > 0 else "falling"
    except SignError:
        return "turning"


def direction_of(pieces: tuple[Piece, ...]) -> str:
    """The same of all pieces together: constant ones beside rising ones are ``"nondecreasing"``."""
    found = {direction(piece) for piece in pieces}
    moving = found - {"constant"}
    if not moving:
        return "constant"
    if len(moving) > 1 or "turning" in moving:
        return "neither rising nor falling"
    word = moving.pop()
    return word if "constant" not in found else {"rising": "nondecreasing", "falling": "nonincreasing"}[word]
