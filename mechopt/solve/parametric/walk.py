"""All pieces of an interval: a basis, its largest interval, what is left, and again.

A list of open intervals not yet covered, their ends algebraic numbers; a rational strictly inside the largest; the
optimal basis there; its largest interval, clipped. Ends are never stepped past, so that no piece is missed however
short. Simple rationals are where things happen: where a point turns out to be special, the next one is searched for in
a smaller window.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from mechopt.core.algebraic import AlgebraicNumber
from mechopt.core.errors import MechoptError, NoOptimumError
from mechopt.core.functions import RationalFunction
from mechopt.core.numbers import Array
from mechopt.core.polynomials import common_divisor
from mechopt.solve import highs
from mechopt.solve.exact.rational import SingularError
from mechopt.solve.exact.simplex import UnboundedError, optimise
from mechopt.solve.parametric.basis import ParametricBasis, Rows, sign_at
from mechopt.solve.parametric.elimination import Poly, Ratio, SingularSystemError
from mechopt.solve.parametric.program import ParametricProgram, require_flint
from mechopt.solve.parametric.roots import isolated
from mechopt.solve.solution import Status

RETRIES = 60
MOST_PIECES = 2000
Open = tuple[AlgebraicNumber, AlgebraicNumber]
Progress = Callable[[int, float], None]
"""Called with the pieces so far and the share of the interval that they cover."""


@dataclass(frozen=True, eq=False)
class BasisPiece:
    """An interval on which one basis is optimal.

    Attributes
    ----------
    start, stop : AlgebraicNumber
    closed : (bool, bool)
        Whether primal, dual and value have no pole at the two ends, so that the basis is optimal there too.
    value : RationalFunction
    primal : tuple of RationalFunction
        By column.
    dual : dict from row to RationalFunction
        Multipliers that are not zero.
    """

    start: AlgebraicNumber
    stop: AlgebraicNumber
    closed: tuple[bool, bool]
    value: RationalFunction
    primal: tuple[RationalFunction, ...]
    dual: dict[int, RationalFunction]


@dataclass(frozen=True, eq=False)
class Walk:
    """Result of a walk.

    Attributes
    ----------
    bases : tuple of BasisPiece
        From below.
    uncovered : tuple of (AlgebraicNumber, AlgebraicNumber)
        Open intervals left when the walk was stopped; empty where it is complete.
    solves, pivots, retries : int
        Float solves, exact pivots that repaired their bases, and special points met.
    stopped : str
        Why it was stopped: ``""``, ``"pieces"``, ``"time"`` or ``"interrupted"``.
    """

    bases: tuple[BasisPiece, ...]
    uncovered: tuple[Open, ...]
    solves: int
    pivots: int
    retries: int
    stopped: str


@dataclass(eq=False)
class Walker:
    """The state of a walk.

    Parameters
    ----------
    program : ParametricProgram
    start, stop : AlgebraicNumber
    point : Fraction
        Inside.
    """

    program: ParametricProgram
    start: AlgebraicNumber
    stop: AlgebraicNumber
    point: Fraction
    bases: list[BasisPiece] = field(default_factory=list)
    solves: int = 0
    pivots: int = 0
    retries: int = 0

    def __post_init__(self) -> None:
        """Prepare the rows."""
        self.rows = Rows(self.program, self.point)
        self.uncovered: list[Open] = [(self.start, self.stop)]
        self._roots: dict[Any, list[AlgebraicNumber]] = {}
        self._factors: dict[Any, list[tuple[Poly, int]]] = {}
        self._functions: dict[Any, RationalFunction] = {}

    def walk(
        self, most_pieces: int = MOST_PIECES, deadline: float = float("inf"), progress: Progress | None = None
    ) -> Walk:
        """Cover the interval.

        Parameters
        ----------
        most_pieces : int
        deadline : float
            Of ``time.monotonic()``.
        progress : callable, optional
        """
        stopped = ""
        try:
            while self.uncovered:
                if len(self.bases) >= most_pieces:
                    stopped = "pieces"
                elif time.monotonic() > deadline:
                    stopped = "time"
                if stopped:
                    break
                self._step(deadline)
                if progress is not None:
                    left = sum(float(b) - float(a) for a, b in self.uncovered)
                    progress(len(self.bases), 1 - left / (float(self.stop) - float(self.start)))
        except TimeoutError:
            stopped = "time"
        except KeyboardInterrupt:
            stopped = "interrupted"
        bases = tuple(sorted(self.bases, key=lambda piece: piece.start))
        return Walk(bases, tuple(sorted(self.uncovered)), self.solves, self.pivots, self.retries, stopped)

    def _step(self, deadline: float) -> None:
        """Cover a part of the largest open interval."""
        chosen = max(self.uncovered, key=lambda open_: float(open_[1]) - float(open_[0]))
        lower, upper = chosen
        for attempt in range(RETRIES):
            point = point_between(lower, upper, attempt)
            basis = self._basis_at(point, deadline)
            ends = None if basis is None else self._ends(basis, point, lower, upper)
            if basis is None or ends is None:
                self.retries += 1
                continue
            piece = self._piece(basis, *ends)
            self.uncovered.remove(chosen)
            self.bases.append(piece)
            self.uncovered += [part for part in ((lower, piece.start), (piece.stop, upper)) if part[0] < part[1]]
            return
        raise MechoptError(f"no point between {lower!r} and {upper!r} is generic; try another interval")

    def _basis_at(self, point: Fraction, deadline: float) -> ParametricBasis | None:
        """The optimal basis at a point; None where it is singular or the point special."""
        self.solves += 1
        solution = highs.solve_program(self.program.at(point), keep_basis=True)
        if solution.status is Status.INTERRUPTED:
            raise KeyboardInterrupt
        if solution.status is Status.UNBOUNDED:
            self._unbounded(point)
        slacks = np.zeros(self.program.columns, np.int8), np.ones(self.program.rows, np.int8)
        columns, rows = solution.basis or slacks
        placed = self._placed(np.concatenate([columns, rows]).astype(np.int64))
        try:
            basis = ParametricBasis(self.rows, placed)
            if len(basis.basic) == len(basis.tight) and self._violation(basis, point) is False:
                return basis
        except SingularSystemError:
            pass
        exact = self.program.exactly_at(point)
        try:
            best = optimise(exact, columns, rows, deadline)
        except UnboundedError:
            self._unbounded(point)
            raise
        except SingularError:
            return None
        self.pivots += best.pivots
        try:
            basis = ParametricBasis(self.rows, best.status)
            return basis if self._violation(basis, point) is False else None
        except SingularSystemError:
            return None

    def _placed(self, status: Array) -> Array:
        """Put every variable outside the basis where it has a bound."""
        program = self.program
        has_lower = np.isfinite(np.concatenate([program.lower, program.row_lower]))
        has_upper = np.isfinite(np.concatenate([program.upper, program.row_upper]))
        status = np.where((status == 2) & ~has_upper, 0, status)
        status = np.where((status == 0) & ~has_lower, np.where(has_upper, 2, 3), status)
        return np.where((status == 3) & has_lower, 0, np.where(status > 3, 0, status))

    def _unbounded(self, point: Fraction) -> None:
        raise NoOptimumError(f"the optimum is unbounded where the parameter is {point}; add constraints")

    def _violation(self, basis: ParametricBasis, point: Fraction) -> bool | None:
        """Whether the basis fails at a point; None where an entry vanishes there alone."""
        special = False
        for (n, d), wanted in basis.distinct_conditions:
            if not n:
                continue
            at = sign_at(n, point) * sign_at(d, point)
            if at == 0 or sign_at(d, point) == 0:
                special = True
            elif at != wanted:
                return True
        return None if special else False

    def _ends(
        self, basis: ParametricBasis, point: Fraction, lower: AlgebraicNumber, upper: AlgebraicNumber
    ) -> Open | None:
        """The largest interval around a point on which the basis stays optimal, clipped."""
        below, above = lower, upper
        seen = set[Any]()
        numerators = [n for (n, _), _ in basis.distinct_conditions]
        for polynomial, odd in [*((n, True) for n in numerators), *((d, False) for d in basis.denominators)]:
            for factor in self._factors_of(polynomial, odd):
                key = tuple(factor.coeffs())
                if key in seen:
                    continue
                seen.add(key)
                for root in self._real_roots(factor):
                    if root < point:
                        below = max(below, root)
                    else:
                        above = min(above, root)
        return below, above

    def _factors_of(self, polynomial: Poly, odd: bool) -> list[Poly]:
        """Irreducible factors; where ``odd``, those at which the polynomial changes its sign."""
        if polynomial.degree() < 1:
            return []
        key = tuple(polynomial.coeffs())
        if key not in self._factors:
            self._factors[key] = [(f, times) for f, times in polynomial.factor()[1] if f.degree() > 0]
        return [f for f, times in self._factors[key] if not odd or times % 2]

    def _real_roots(self, factor: Poly) -> list[AlgebraicNumber]:
        """Real roots of an irreducible polynomial, from below."""
        key = tuple(int(c) for c in factor.coeffs())
        if key not in self._roots:
            self._roots[key] = isolated(factor)
        return self._roots[key]

    def _function(self, ratio: Ratio) -> RationalFunction:
        key = _key(*ratio)
        if key not in self._functions:
            n, d = key
            self._functions[key] = RationalFunction(tuple(map(int, n)), tuple(map(int, d)))
        return self._functions[key]

    def _piece(self, basis: ParametricBasis, start: AlgebraicNumber, stop: AlgebraicNumber) -> BasisPiece:
        primal = tuple(self._function(ratio) for ratio in basis.primal)
        dual = {r: self._function(ratio) for r, ratio in basis.dual.items()}
        value = self._function(basis.value)
        below = {function.denominator for function in (value, *primal, *dual.values())}
        closed = [all(len(common_divisor(d, end.polynomial)) < 2 for d in below if len(d) > 1) for end in (start, stop)]
        return BasisPiece(start, stop, (closed[0], closed[1]), value, primal, dual)


def _key(n: Poly, d: Poly) -> Any:
    return tuple(n.coeffs()), tuple(d.coeffs())


def point_between(lower: AlgebraicNumber, upper: AlgebraicNumber, attempt: int) -> Fraction:
    """A simple rational in a window around the middle that shrinks with each attempt, and moves."""
    while lower.upper >= upper.lower:
        lower.narrow()
        upper.narrow()
    a, b = lower.upper, upper.lower
    half = Fraction(1, 8 * (1 + attempt) ** 2)
    centre = Fraction(1, 2) + Fraction((attempt * 37) % 64 - 32, 97) / 2 * (attempt > 0)
    return simplest_between(a + (b - a) * (centre - half / 2), a + (b - a) * (centre + half / 2))


def simplest_between(lower: Fraction, upper: Fraction) -> Fraction:
    """The fraction of least denominator strictly inside an interval.

    Examples
    --------
    >>> simplest_between(Fraction(3, 10), Fraction(2, 5))
    Fraction(1, 3)
    """
    floor = lower.numerator // lower.denominator
    if floor + 1 < upper:
        return Fraction(floor + 1)
    a, b = lower - floor, upper - floor
    if a == 0:
        return floor + Fraction(1, int(1 / b) + 1)
    return floor + 1 / simplest_between(1 / b, 1 / a)


def find_pieces(program: ParametricProgram, start: Fraction, stop: Fraction, point: Fraction, **limits: Any) -> Walk:
    """Cover an interval with bases; see `Walker`.

    Raises
    ------
    InputError
        If python-flint is not installed.
    NoOptimumError
        If the program is unbounded somewhere.
    """
    require_flint()
    ends = AlgebraicNumber.rational(start), AlgebraicNumber.rational(stop)
    return Walker(program, *ends, point).walk(**limits)
