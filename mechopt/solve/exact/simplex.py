"""From a basis to the exact optimum of a program in integers, with exact pivots where the basis is not optimal.

A basis names the columns that are basic and the rows that are tight, equally many; all other columns lie at a bound
(or at zero where they are free). Of the whole basis matrix only A[tight rows, basic columns] is ever factorised: the
slacks of the other rows drop out. Where the basis is not feasible, dual pivots make it so, for an objective that is
shifted to where the basis is dual feasible; should they stall, primal pivots reduce the sum of violations. Then primal
pivots improve the objective itself; after stalls the lowest index goes (Bland), so that it ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from mechopt.core.errors import MechoptError
from mechopt.core.numbers import Array, IntArray
from mechopt.solve.exact.independent import ExactProgram
from mechopt.solve.exact.lifting import ExactLimitError, require_time
from mechopt.solve.exact.rational import Factored, IntegerMatrix, SingularError, independent

LOWER, BASIC, UPPER, FREE = 0, 1, 2, 3
PIVOTS = 10_000
STALLS = 20
"""Pivots without progress after which the lowest index goes."""


class UnboundedError(MechoptError):
    """The program has no bound."""


@dataclass(frozen=True, eq=False)
class ExactPoint:
    """Numerators of every entry and their common denominator.

    Attributes
    ----------
    numerators : array of int
    denominator : int
    """

    numerators: Array
    denominator: int


@dataclass(frozen=True, eq=False)
class ExactOptimum:
    """Primal and dual that prove each other optimal.

    Attributes
    ----------
    value : Fraction
        Objective, offset included.
    primal : ExactPoint
        By column.
    dual : ExactPoint
        By row of the integer program, for the integer cost.
    pivots : int
        How many were needed.
    status : int array
        Where the optimal basis has each column and, after them, each row: 0 at the lower bound or side, 1 basic, 2 at
        the upper one, 3 free at zero.
    """

    value: Fraction
    primal: ExactPoint
    dual: ExactPoint
    pivots: int
    status: Array


class InfeasibleError(MechoptError):
    """No point keeps all rows and bounds; ``multipliers`` prove it.

    With u the multipliers by row, u @ s - (u @ A) @ x is 0 wherever s = A x, but below 0 for all s within the sides of
    the rows and all x within the bounds (Farkas).
    """

    def __init__(self, multipliers: ExactPoint) -> None:
        super().__init__("the program has no feasible point")
        self.multipliers = multipliers


class _Problem:
    """Columns and, after them, rows as variables: row r is the variable of number ``columns + r``."""

    def __init__(self, program: ExactProgram, deadline: float) -> None:
        self.deadline = deadline
        self.columns, self.rows = len(program.cost), len(program.row_lower)
        self.matrix = IntegerMatrix(program.start, program.index, program.value, self.columns)
        self.cost = np.concatenate([program.cost.astype(object), np.zeros(self.rows, dtype=object)])
        self.has_lower = np.isfinite(np.concatenate([program.lower, program.row_lower]))
        self.has_upper = np.isfinite(np.concatenate([program.upper, program.row_upper]))
        scale = np.concatenate([np.ones(self.columns, dtype=object), program.factor.astype(object)])
        self.lower, self.upper = (
            np.where(finite, np.concatenate(sides), 0.0).astype(np.int64).astype(object) * scale
            for finite, sides in (
                (self.has_lower, (program.lower, program.row_lower)),
                (self.has_upper, (program.upper, program.row_upper)),
            )
        )
        self.fixed = self.has_lower & self.has_upper & (self.lower == self.upper)


class _Basis:
    """One basis: its factors, primal point and multipliers."""

    def __init__(self, problem: _Problem, status: Array) -> None:
        self.problem, self.status, p = problem, status, problem
        self.basic: IntArray = np.flatnonzero(status[: p.columns] == BASIC)
        self.tight: IntArray = np.flatnonzero(status[p.columns :] != BASIC)
        if len(self.basic) != len(self.tight):
            raise SingularError(f"{len(self.basic)} basic columns for {len(self.tight)} tight rows")
        self.factored = Factored(p.matrix.part(self.tight, self.basic), p.deadline)
        at = np.where(status == LOWER, p.lower, np.where(status == UPPER, p.upper, 0))
        fixed = np.where(status == BASIC, 0, at)
        right = fixed[p.columns :] - p.matrix.times(fixed[: p.columns])
        numerators, self.denominator = self.factored.solve(right[self.tight])
        x = fixed[: p.columns] * self.denominator
        x[self.basic] = numerators
        self.x = np.concatenate([x, p.matrix.times(x)])

    def violations(self) -> tuple[Array, Array]:
        """Which variables are below their lower and above their upper bounds."""
        p = self.problem
        below = p.has_lower & (self.x < p.lower * self.denominator)
        return below, p.has_upper & (self.x > p.upper * self.denominator)

    def multipliers(self, cost: Array) -> tuple[Array, Array, int]:
        """Multipliers of the rows, reduced costs of all variables, and their denominator."""
        p = self.problem
        right = cost[: p.columns]
        basic_rows = np.flatnonzero(np.where(self.status[p.columns :] == BASIC, cost[p.columns :], 0))
        if len(basic_rows):  # violations of rows: their cost falls on the columns
            right = right + p.matrix.transposed.times(np.where(self.status[p.columns :] == BASIC, cost[p.columns :], 0))
        numerators, denominator = self.factored.solve(right[self.basic], transposed=True)
        y: Array = np.zeros(p.rows, dtype=object)
        y[self.tight] = numerators
        reduced = right * denominator - p.matrix.transposed.times(y)
        own = np.where(self.status[p.columns :] == BASIC, 0, cost[p.columns :]) * denominator
        return y, np.concatenate([reduced, y + own]), denominator

    def direction(self, entering: int) -> tuple[Array, int]:
        """How all variables move, times the denominator, when a variable outside the basis grows by 1."""
        p = self.problem
        move: Array = np.zeros(p.columns, dtype=object)
        right: Array = np.zeros(p.rows, dtype=object)
        if entering < p.columns:
            move[entering] = 1
            right = -p.matrix.times(move)
        else:
            right[entering - p.columns] = 1
        numerators, denominator = self.factored.solve(right[self.tight])
        move = move * denominator
        move[self.basic] = numerators
        return np.concatenate([move, p.matrix.times(move)]), denominator


def optimise(program: ExactProgram, columns: Array, rows: Array, deadline: float = float("inf")) -> ExactOptimum:
    """Solve exactly, starting from a basis.

    Parameters
    ----------
    program : ExactProgram
    columns, rows : int arrays
        0 at the lower bound, 1 basic, 2 at the upper bound, 3 free at zero; of any quality: where it is not a basis,
        the slacks are one.
    deadline : float
        Of ``time.monotonic()``, looked at before each pivot and within each exact system.

    Raises
    ------
    TimeoutError
        If the deadline has passed.
    UnboundedError
        If there is no bound.
    InfeasibleError
        If there is no feasible point, with the proof.
    ExactLimitError
        If it takes too many pivots, or numbers with too many digits.
    """
    problem = _Problem(program, deadline)
    status = _placed(problem, np.concatenate([columns, rows]).astype(np.int64))
    require_time(deadline)
    basis, dual_pivots = _made_feasible(_first(problem, status), deadline)
    stalled = 0
    for pivots in range(dual_pivots, PIVOTS):
        require_time(deadline)
        below, above = basis.violations()
        feasible = not (below.any() or above.any())
        cost = problem.cost if feasible else below.astype(np.int64).astype(object) - above.astype(np.int64)
        y, reduced, denominator = basis.multipliers(cost)
        entering = _entering(basis, reduced, bland=stalled > STALLS)
        if entering is None:
            if not feasible:
                loose = np.where(basis.status[problem.columns :] == BASIC, cost[problem.columns :], 0)
                raise InfeasibleError(ExactPoint(y - loose * denominator, denominator))
            numerator = sum((program.cost.astype(object) * basis.x[: problem.columns]).tolist())
            value = Fraction(numerator, basis.denominator * program.denominator) + program.offset
            primal = ExactPoint(basis.x[: problem.columns], basis.denominator)
            return ExactOptimum(value, primal, ExactPoint(y, denominator), pivots, basis.status)
        basis, moved = _pivoted(basis, entering, bool(reduced[entering] > 0), below, above)
        stalled = 0 if moved else stalled + 1
    raise ExactLimitError(f"no exact optimum within {PIVOTS:,} pivots")


def _made_feasible(basis: _Basis, deadline: float) -> tuple[_Basis, int]:
    """Dual pivots, for the objective or, where the basis is not dual feasible, for one shifted so that it is.

    They stop early where no bound can be met or nothing is gained for long; what is left is for primal pivots.
    """
    p, stalled = basis.problem, 0
    _, reduced, denominator = basis.multipliers(p.cost)
    cost = p.cost * denominator - np.where(_wanted(basis, reduced), reduced, 0)
    for pivots in range(PIVOTS // 2):
        require_time(deadline)
        below, above = basis.violations()
        if not (below | above).any() or stalled > 5 * STALLS:
            return basis, pivots
        gaps = np.where(below, p.lower * basis.denominator - basis.x, basis.x - p.upper * basis.denominator)
        gaps = np.where(below | above, gaps, 0)
        leaving = int(np.argmax(gaps) if stalled <= STALLS else np.argmax(gaps > 0))
        _, reduced, denominator = basis.multipliers(cost)
        unit: Array = np.zeros(len(cost), dtype=object)
        unit[leaving] = 1 if below[leaving] else -1
        _, pull, _ = basis.multipliers(unit)
        candidates = np.flatnonzero(_wanted(basis, pull))
        if not len(candidates):
            return basis, pivots
        best = min((Fraction(abs(reduced[j]), abs(pull[j])), j) for j in candidates.tolist())
        status = basis.status.copy()
        status[best[1]], status[leaving] = BASIC, LOWER if below[leaving] else UPPER
        basis = _Basis(p, status)
        stalled = 0 if best[0] else stalled + 1
    return basis, PIVOTS // 2


def _wanted(basis: _Basis, reduced: Array) -> Array:
    """Which variables outside the basis improve an objective by leaving their bound."""
    up = (basis.status == LOWER) | (basis.status == FREE)
    down = (basis.status == UPPER) | (basis.status == FREE)
    wanted: Array = ~basis.problem.fixed & ((up & (reduced > 0)) | (down & (reduced < 0)))
    return wanted


def _first(problem: _Problem, status: Array) -> _Basis:
    """The given basis, or the largest regular part of it, or that of all slacks."""
    try:
        return _Basis(problem, status)
    except SingularError:
        basic = np.flatnonzero(status[: problem.columns] == BASIC)
        tight = np.flatnonzero(status[problem.columns :] != BASIC)
    rows, columns = independent(problem.matrix.part(tight, basic), problem.deadline)
    status[np.setdiff1d(basic, basic[columns])] = LOWER
    status[problem.columns + np.setdiff1d(tight, tight[rows])] = BASIC
    try:
        return _Basis(problem, _placed(problem, status))
    except SingularError:
        slack = np.concatenate([np.full(problem.columns, LOWER), np.full(problem.rows, BASIC)])
        return _Basis(problem, _placed(problem, slack))


def _placed(problem: _Problem, status: Array) -> Array:
    """Put every variable outside the basis where it has a bound."""
    status = np.where((status == UPPER) & ~problem.has_upper, LOWER, status)
    status = np.where((status == LOWER) & ~problem.has_lower, np.where(problem.has_upper, UPPER, FREE), status)
    return np.where((status == FREE) & problem.has_lower, LOWER, np.where(status > FREE, LOWER, status))


def _entering(basis: _Basis, reduced: Array, bland: bool) -> int | None:
    """A variable that improves the objective by leaving its bound: the steepest, or the first; None at an optimum."""
    wanted = np.flatnonzero(_wanted(basis, reduced))
    if not len(wanted):
        return None
    return int(wanted[0] if bland else wanted[np.argmax(np.abs(reduced[wanted]))])


def _pivoted(basis: _Basis, entering: int, grows: bool, below: Array, above: Array) -> tuple[_Basis, bool]:
    """Move one variable from its bound until the next is met; a violated one stops where it ceases to be."""
    p, status = basis.problem, basis.status.copy()
    move, move_denominator = basis.direction(entering)
    move = move if grows else -move
    move[(basis.status != BASIC)] = 0
    rising, falling = move > 0, move < 0
    stops = []  # (variables, bound that is met, which bound)
    lower, upper = p.lower * basis.denominator, p.upper * basis.denominator
    stops.append((falling & p.has_lower & ~below & ~above, lower, LOWER))
    stops.append((falling & above & p.has_upper, upper, UPPER))
    stops.append((rising & p.has_upper & ~below & ~above, upper, UPPER))
    stops.append((rising & below & p.has_lower, lower, LOWER))
    best: tuple[Fraction, int, int] | None = None
    if p.has_lower[entering] and p.has_upper[entering]:
        span = Fraction(p.upper[entering] - p.lower[entering])
        best = (span, entering, UPPER if grows else LOWER)
    for chosen, bounds, side in stops:
        for j in np.flatnonzero(chosen).tolist():
            length = Fraction((bounds[j] - basis.x[j]) * move_denominator, move[j] * basis.denominator)
            if best is None or length < best[0] or (length == best[0] and j < best[1]):
                best = (length, j, side)
    if best is None:
        raise UnboundedError("the program has no bound")
    length, leaving, side = best
    if leaving != entering:
        status[entering] = BASIC
    status[leaving] = side
    return _Basis(p, status), length != 0
