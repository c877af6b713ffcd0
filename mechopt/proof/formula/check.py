"""The stand-alone checker of formulas: plain integers and polynomials, nothing of what found them.

It rebuilds the rows of the program from the model, its numbers being functions of the parameter, and proves on every
interval that the file names, for maximise c x over a <= A x <= b, l <= x <= u:

- the primal x keeps every row and bound: each becomes "a polynomial has no change of sign on the open interval";
- multipliers y of the rows press on sides that exist, and so do the reduced costs c - y A on bounds;
- c x, and what the multipliers prove, are one function, identically, and it is the one that is claimed.

Where primal, dual, rows and value have no pole at an end, all of it holds at the end too, by continuity. What no
interval includes so has a certificate of the plain model at that point, or is named as not proved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import zip_longest
from typing import Any

from mechopt.core.algebraic import AlgebraicNumber
from mechopt.core.functions import RationalFunction, exact_quotient
from mechopt.core.polynomials import ONE, Polynomial, minus, negative, plus, times, trimmed
from mechopt.environment.parametric import ParametricModel
from mechopt.mechanism.payments import EpsilonIC, payments_at
from mechopt.proof.certificate import CertificateError
from mechopt.proof.check import check_certificate
from mechopt.proof.formula.file import ClaimedPiece, FormulaProof, GuaranteeProof, ProvedBasis, Sparse
from mechopt.proof.formula.rows import IntegerRow, ParametricRows, least_multiple, rebuilt_rows, require_proof_size
from mechopt.proof.formula.signs import OpenInterval, SignError, check_end


@dataclass(frozen=True)
class Theorem:
    """Theorem that was proved.

    Attributes
    ----------
    pieces : tuple of ClaimedPiece
        On each interval the optimum is the function, the ends included where ``closed`` says so.
    points : dict from Fraction to Fraction
        The optimum at points that no interval includes.
    unproved : tuple of AlgebraicNumber
        Points that no interval includes, about which nothing was proved.
    uncovered : tuple of (AlgebraicNumber, AlgebraicNumber)
        Open intervals about which nothing was proved.
    bases : int
        How many primal and dual pairs it took.
    """

    pieces: tuple[ClaimedPiece, ...]
    points: dict[Fraction, Fraction]
    unproved: tuple[AlgebraicNumber, ...]
    uncovered: tuple[tuple[AlgebraicNumber, AlgebraicNumber], ...]
    bases: int


MOST_ENTRIES = 100_000
"""Rows and columns of a program that is rebuilt with functions for numbers."""


def check_formula_proof(model: ParametricModel, proof: FormulaProof, most: int = MOST_ENTRIES) -> Theorem:
    """Prove a formula anew.

    Parameters
    ----------
    model : ParametricModel
        That it claims to be about.
    proof : FormulaProof
    most : int
        Refuse programs with more rows and columns, told before anything is built.

    Returns
    -------
    Theorem

    Raises
    ------
    CertificateError
        If it proves nothing; it says which interval, row, column or entry fails.
    """
    if proof.fingerprint != model.fingerprint:
        raise CertificateError(
            f"fingerprint: made for another model ({proof.fingerprint[:12]}, this one is {model.fingerprint[:12]}); "
            "give the model file that it was made from"
        )
    if (proof.parameter, proof.start, proof.stop) != (model.parameter, model.start, model.stop):
        raise CertificateError("interval: it is another one than the model's")
    if any(isinstance(constraint, EpsilonIC) for constraint in proof.subject_to):
        raise CertificateError("subject_to: formulas keep incentive constraints as they are, without epsilon")
    check_cover(proof)
    require_proof_size(model, proof, most)
    rows = rebuilt_rows(model, proof)
    closed = []
    for number, basis in enumerate(proof.bases):
        claimed = claimed_piece(proof, basis)
        try:
            closed.append(BasisCheck(rows, basis, claimed.value).run())
        except CertificateError as error:
            raise CertificateError(
                f"basis {number}, {interval_words(proof, basis.start, basis.stop)}: {error}"
            ) from None
    points = _check_points(model, proof)
    check_ends(proof, closed, [*map(AlgebraicNumber.rational, points), *proof.unproved])
    return Theorem(proof.pieces, points, proof.unproved, proof.uncovered, len(proof.bases))


def _check_points(model: ParametricModel, proof: FormulaProof) -> dict[Fraction, Fraction]:
    """The optimum at points that have certificates of their own."""
    found = {}
    for point, certificate in proof.points:
        asked = certificate.ic, certificate.ir, certificate.objective, certificate.subject_to
        same = proof.ic, proof.ir, proof.objective, payments_at(proof.subject_to, point)
        if not model.start < point < model.stop or asked != same:
            raise CertificateError(f"points: the certificate at {point} is about something else")
        value = check_certificate(model.at(point), certificate)
        if value is None:
            raise CertificateError(f"points: the optimum at {point} has no value")
        found[point] = value
    return found


def check_ends(
    proof: FormulaProof | GuaranteeProof, closed: Sequence[tuple[bool, bool]], apart: Sequence[AlgebraicNumber]
) -> None:
    """Check that ends where bases meet are included by one of them or stand apart, and what pieces say of theirs."""
    held = {
        end
        for basis, holds in zip(proof.bases, closed, strict=True)
        for end, holding in zip((basis.start, basis.stop), holds, strict=True)
        if holding
    }
    for end in {basis.start for basis in proof.bases} & {basis.stop for basis in proof.bases} - held:
        if end not in apart:
            raise CertificateError(f"ends: nothing is proved at {end!r}, where there is a pole")
        if any(piece.start < end < piece.stop for piece in proof.pieces):
            raise CertificateError(f"pieces: one goes over {end!r}, about which that is not proved")
    for piece in proof.pieces:
        for side, end, outer in ((0, piece.start, proof.start), (1, piece.stop, proof.stop)):
            known = any(
                holds[side] and (basis.start, basis.stop)[side] == end
                for basis, holds in zip(proof.bases, closed, strict=True)
            )
            if piece.closed[side] and (end == outer or not known):
                raise CertificateError(f"pieces: one includes its end {end!r}, about which that is not proved")
            if not piece.closed[side] and known and end != outer:
                raise CertificateError(f"pieces: one leaves out its end {end!r} without need")


def interval_words(proof: FormulaProof | GuaranteeProof, start: AlgebraicNumber, stop: AlgebraicNumber) -> str:
    """An interval in words."""
    return f"{proof.parameter} from {float(start):.10g} to {float(stop):.10g}"


def check_cover(proof: FormulaProof | GuaranteeProof) -> None:
    """Check that intervals follow each other without gap, those of the claims and those of the bases alike."""
    for parts in (proof.pieces, proof.bases):
        intervals = [(part.start, part.stop) for part in parts] + list(proof.uncovered)
        for end in (end for interval in intervals for end in interval):
            try:
                check_end(end)
            except ValueError as error:
                raise CertificateError(f"ends: {end!r}: {error}") from None
        intervals.sort(key=lambda interval: interval[0])
        at = AlgebraicNumber.rational(proof.start)
        for start, stop in intervals:
            if start != at:
                raise CertificateError(
                    f"ends: nothing is claimed {interval_words(proof, at, start)}, or something twice"
                )
            if not start < stop:
                raise CertificateError(f"ends: {interval_words(proof, start, stop)} is not an interval")
            at = stop
        if at != proof.stop:
            raise CertificateError(f"ends: the last interval ends at {at!r}, the model's at {proof.stop}")


def claimed_piece(proof: FormulaProof | GuaranteeProof, basis: ProvedBasis) -> ClaimedPiece:
    """The piece that a basis lies in."""
    for piece in proof.pieces:
        if not basis.start < piece.start and not piece.stop < basis.stop:
            return piece
    raise CertificateError(f"pieces: none holds the basis {interval_words(proof, basis.start, basis.stop)}")


class BasisCheck:
    """One basis: polynomials over common denominators, and what they must satisfy."""

    def __init__(self, rows: ParametricRows, basis: ProvedBasis, claimed: RationalFunction) -> None:
        self.rows, self.claimed = rows, claimed
        self.interval = OpenInterval(basis.start, basis.stop)
        self.x, self.below = self._spread(basis.primal, rows.columns, "primal")
        self.y, self.price = self._spread(basis.dual, len(rows.rows), "dual")

    def _spread(self, entries: Sparse, size: int, name: str) -> tuple[list[Polynomial], Polynomial]:
        """Numerators over one denominator that is positive on the interval."""
        common = ONE
        for function in dict.fromkeys(f for _, f in entries):
            common = least_multiple(common, function.denominator)
        if self.interval.has_root(common):
            raise CertificateError(f"{name}: the denominator vanishes inside")
        common = common if self.interval.sign(common) > 0 else negative(common)
        dense: list[Polynomial] = [()] * size
        for j, function in entries:
            if j >= size:
                raise CertificateError(f"{name}: there is no entry {j}; the program has {size}")
            dense[j] = times(function.numerator, exact_quotient(common, function.denominator))
        return dense, common

    def _sign(self, polynomial: Polynomial, words: str) -> int:
        try:
            return self.interval.sign(polynomial)
        except SignError as error:
            raise CertificateError(f"{words}: {error}") from None

    def run(self) -> tuple[bool, bool]:
        """Check everything; whether it holds at the two ends too."""
        rows = self.rows
        for row in rows.rows:
            self._check_between(_activity(row, self.x), times(row.scale, self.below), row.lower, row.upper, row.words)
        for j, (number, lower, upper) in enumerate(zip(self.x, rows.lower, rows.upper, strict=True)):
            self._check_between(number, self.below, lower, upper, partial(rows.words, j))
        primal = plus(_total(zip(rows.cost, self.x, strict=True)), times(rows.offset, self.below))
        self._check_value(primal, times(rows.common, self.below), "primal")
        self._check_value(self._bound(), times(rows.common, self.price), "dual")
        poles = self.below, self.price, rows.common, self.claimed.denominator
        interval = self.interval
        start, stop = (
            not any(interval.vanishes_at(pole, end) for pole in poles) for end in (interval.start, interval.stop)
        )
        return start, stop

    def _check_between(self, number: Polynomial, scale: Polynomial, lower: Any, upper: Any, words: Any) -> None:
        """Lower * scale <= number <= upper * scale."""
        for side, wanted in ((lower, 1), (upper, -1)):
            if side is None:
                continue
            gap = number if not side else minus(times(number, (side.denominator,)), times(scale, (side.numerator,)))
            if not gap:
                continue
            name = words if isinstance(words, str) else words()
            if self._sign(gap, f"primal: {name}") == -wanted:
                raise CertificateError(f"primal: {name} is violated")

    def _bound(self) -> Polynomial:
        """Bound by the multipliers, times the common denominators of rows and multipliers."""
        rows = self.rows
        bound = times(rows.offset, self.price)
        reduced = [times(cost, self.price) for cost in rows.cost]
        for row, y, stretch in zip(rows.rows, self.y, rows.stretch, strict=True):
            if not y:
                continue
            side = self._pressed(y, row.lower, row.upper, f"multiplier of {row.words}")
            if side:
                bound = plus(bound, _scaled(times(rows.common, y), side))
            stretched = times(stretch, y)
            for j, entry in row.entries:
                reduced[j] = minus(reduced[j], times(stretched, entry))
        for j, cost in enumerate(reduced):
            if cost:
                side = self._pressed(cost, rows.lower[j], rows.upper[j], f"reduced cost of {rows.words(j)}")
                if side:
                    bound = plus(bound, _scaled(cost, side))
        return bound

    def _pressed(self, polynomial: Polynomial, lower: Any, upper: Any, words: str) -> Fraction:
        """The side that a multiplier presses on."""
        if lower is not None and lower == upper:
            return Fraction(lower)
        side = upper if self._sign(polynomial, f"dual: {words}") > 0 else lower
        if side is None:
            raise CertificateError(f"dual: {words} presses on a side that it has not")
        return Fraction(side)

    def _check_value(self, numerator: Polynomial, denominator: Polynomial, name: str) -> None:
        left = times(numerator, self.claimed.denominator)
        if minus(left, times(denominator, self.claimed.numerator)):
            found = RationalFunction(numerator, denominator)
            raise CertificateError(f"value: the {name} is worth {found}, the file says {self.claimed}")


def _scaled(polynomial: Polynomial, factor: Fraction) -> Polynomial:
    if factor.denominator != 1:
        raise CertificateError(f"a side of the program is {factor}; only whole ones are known")
    return times(polynomial, (factor.numerator,))


def _activity(row: IntegerRow, x: Sequence[Polynomial]) -> Polynomial:
    return _total((entry, x[j]) for j, entry in row.entries)


def _total(pairs: Any) -> Polynomial:
    """Sum of products."""
    total: list[int] = []
    for a, b in pairs:
        total = [x + y for x, y in zip_longest(total, times(a, b), fillvalue=0)]
    return trimmed(total)
