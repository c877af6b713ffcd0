"""What a solver answered, and what we find out about it ourselves.

A solver's word is no proof. From its primal point and its row multipliers alone, with our own matrix, we recompute

- a lower bound: the objective at the point, less the multipliers' price of every violation;
- an upper bound by weak duality: for any multipliers y of the right signs, max cost @ x <= sum over rows of y times the
  side that it presses on + sum over columns of the reduced cost times the bound that it presses on. Where a reduced
  cost has the wrong sign for a column without that bound, its size times the column's value in the solution is added:
  exact for columns with bounds, first order in the solver's rounding for the others.

The status follows from the width of this bracket, not from the solver.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from mechopt.core.numbers import BOUND_TOLERANCE, SOLVER_TOLERANCE, Array, FloatArray
from mechopt.lp.program import LinearProgram


class Status(StrEnum):
    """How an attempt to solve ended."""

    OPTIMAL = "optimal"
    TIME_LIMIT = "time limit"
    INTERRUPTED = "interrupted"
    INFEASIBLE = "infeasible"
    UNBOUNDED = "unbounded"
    INACCURATE = "inaccurate"

    @property
    def advice(self) -> str:
        """What to try."""
        return {
            Status.OPTIMAL: "",
            Status.TIME_LIMIT: "raise the time limit, or use fewer types or periods",
            Status.INTERRUPTED: "run it again without interrupting it",
            Status.INFEASIBLE: "no mechanism keeps all of this: drop one of the rows that conflict",
            Status.UNBOUNDED: "add a participation notion such as EPIR, or change the objective",
            Status.INACCURATE: "try the other method (simplex or ipx), or bring the values closer together",
        }[self]


@dataclass(frozen=True)
class Bound:
    """``lower <= optimum <= upper``, and how that is known.

    Attributes
    ----------
    lower, upper : float
    method : str
    """

    lower: float
    upper: float
    method: str

    @property
    def gap(self) -> float:
        """Width relative to the larger side, at least 1."""
        return (self.upper - self.lower) / max(1.0, abs(self.lower), abs(self.upper))


@dataclass(frozen=True, eq=False)
class Solution:
    """A solver's answer to one program, in the program's units.

    Attributes
    ----------
    status : Status
        Ours: "optimal" means that the recomputed bracket is closed.
    value : float
        Objective at ``primal``.
    bound : Bound
    primal : float array ``(columns,)``
    dual : float array ``(rows,)``
        Multipliers: change of the optimum by a change of the row's side.
    violation : float
        Largest violation of a row or bound at ``primal``.
    algorithm : str
        ``"simplex"`` or ``"ipx"``.
    iterations : int
    conflict : tuple of str
        Where there is no solution or no bound: the rows or columns responsible, in words.
    basis : pair of int arrays, or None
        Where the solver left each column and row: 0 at the lower bound, 1 basic, 2 at the upper bound, 3 free at zero.
    """

    status: Status
    value: float
    bound: Bound
    primal: FloatArray
    dual: FloatArray
    violation: float
    algorithm: str
    iterations: int
    conflict: tuple[str, ...] = ()
    basis: tuple[Array, Array] | None = None


def violations(program: LinearProgram, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """How far ``x`` misses each row and each column bound; both at least 0."""
    activity = program.matrix @ x
    rows = np.maximum(np.maximum(program.row_lower - activity, activity - program.row_upper), 0.0)
    return rows, np.maximum(np.maximum(program.lower - x, x - program.upper), 0.0)


def lower_bound(program: LinearProgram, x: FloatArray, dual: FloatArray) -> float:
    """Objective at ``x`` less the price of its violations; -inf where they are not small."""
    rows, columns = violations(program, x)
    if max(rows.max(initial=0.0), columns.max(initial=0.0)) > 1e3 * SOLVER_TOLERANCE:
        return -np.inf
    reduced = np.abs(program.cost - dual @ program.matrix)
    return float(program.cost @ x + program.offset - np.abs(dual) @ rows - reduced @ columns)


def upper_bound(program: LinearProgram, dual: FloatArray, x: FloatArray) -> float:
    """Bound by weak duality; see the module's docstring.

    Parameters
    ----------
    program : LinearProgram
    dual : float array ``(rows,)``
    x : float array ``(columns,)``
        Sizes of the columns in a solution, used for columns without the bound that their reduced cost presses on.
    """
    with np.errstate(invalid="ignore"):
        y = np.where((dual > 0) & np.isinf(program.row_upper) | (dual < 0) & np.isinf(program.row_lower), 0.0, dual)
        rows = np.where(y > 0, y * program.row_upper, np.where(y < 0, y * program.row_lower, 0.0)).sum()
        reduced = program.cost - y @ program.matrix
        pressed = np.where(reduced > 0, program.upper, program.lower)
        size = np.where(np.isinf(pressed), np.sign(reduced) * np.maximum(np.abs(x), 1.0), pressed)
        return float(rows + np.where(reduced != 0, reduced * size, 0.0).sum() + program.offset)


def judged(
    program: LinearProgram, x: FloatArray, dual: FloatArray, reported: Status, algorithm: str, iterations: int
) -> Solution:
    """Turn a primal point and multipliers into a `Solution` with our own bracket and status.

    The null mechanism (nothing sold, nothing paid; the zero vector) is feasible unless a user's own row forbids it, and
    gives a lower bound where the point is none.
    """
    lower, upper = lower_bound(program, x, dual), upper_bound(program, dual, x)
    rows, columns = violations(program, x)
    worst = float(max(rows.max(initial=0.0), columns.max(initial=0.0)))
    null = np.zeros_like(x)
    nothing = lower_bound(program, null, np.zeros_like(dual))
    if reported is not Status.OPTIMAL:
        wrong = _unsupported(program, dual)
        upper = np.inf if wrong > 1e3 * SOLVER_TOLERANCE else upper
    if lower < nothing:
        lower, x, worst = nothing, null, 0.0
    bound = Bound(lower, max(lower, upper), "recomputed primal and dual")
    status = reported
    if bound.gap <= BOUND_TOLERANCE:
        status = Status.OPTIMAL
    elif reported is Status.OPTIMAL:
        status = Status.INACCURATE
    return Solution(status, float(program.cost @ x + program.offset), bound, x, dual, worst, algorithm, iterations)


def _unsupported(program: LinearProgram, dual: FloatArray) -> float:
    """Largest wrong-signed multiplier or reduced cost that no bound supports, relative to the largest cost."""
    reduced = program.cost - dual @ program.matrix
    free = np.where(reduced > 0, np.isinf(program.upper), np.isinf(program.lower))
    wrong = np.where(dual > 0, np.isinf(program.row_upper), np.isinf(program.row_lower))
    worst = max(np.abs(reduced[free]).max(initial=0.0), np.abs(dual[wrong]).max(initial=0.0))
    return float(worst / max(np.abs(program.cost).max(initial=0.0), 1e-300))
