"""One optimum out of many: programs solved in turn, each over the optimal face of those before.

A face is described by complementary slackness, not by a row for the objective: columns with a reduced cost are fixed at
their bound, rows with a multiplier at their side. Such a description is exact with an exact basis, and with a float one
it leaves the solver no slack to sell.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mechopt.core.numbers import SOLVER_TOLERANCE, Array, FloatArray, IntArray, readonly
from mechopt.lp.program import LinearProgram
from mechopt.solve import highs_program, runtime

PRESSED = 10 * SOLVER_TOLERANCE
"""Reduced costs and multipliers above this, in the solver's scale of the objective, are not 0."""
SMALL = 5_000
"""Rows up to which a program is solved in one piece of work, whose end a Ctrl-C waits for."""


@dataclass(frozen=True, eq=False)
class Point:
    """An optimal solution and what presses on it.

    Attributes
    ----------
    value : float
    x : float array ``(columns,)``
    columns, rows : bool arrays
        Which columns and rows are pressed against a side.
    """

    value: float
    x: FloatArray
    columns: Array
    rows: Array


def best_point(program: LinearProgram, algorithm: str = "simplex", presolve: bool = True) -> Point | None:
    """Solve a program; None where it has no optimum (or the solver finds none).

    Parameters
    ----------
    program : LinearProgram
        To be maximised.
    algorithm : str
        ``"simplex"`` or ``"ipx"``.
    presolve : bool
    """
    scale = highs_program.objective_scale(program.cost)

    def solved() -> Any:
        for reduced_first in (True, False) if presolve else (False,):
            solver = highs_program.to_highs(program, scale, reduced_first)
            runtime.set_options(solver, {"threads": 1, "solver": algorithm})
            if len(program.row_lower) > SMALL:
                runtime.run(solver)
            else:
                runtime.require(solver.run(), "failed")
            if solver.getModelStatus().name in ("kOptimal", "kModelEmpty"):
                return solver.getSolution()
        return None

    found = solved() if len(program.row_lower) > SMALL else runtime.apart(solved)
    if found is None:
        return None
    x, dual = np.array(found.col_value, dtype=np.float64), np.array(found.row_dual, dtype=np.float64) / scale
    if len(x) != len(program.cost) or not np.isfinite(x).all():
        return None
    x = np.clip(x, program.lower, program.upper)
    row = _rows(program)
    reduced = program.cost - np.bincount(program.index, program.value * dual[row], minlength=len(x))
    limit = PRESSED / scale
    return Point(float(program.cost @ x + program.offset), x, np.abs(reduced) > limit, np.abs(dual) > limit)


def _rows(program: LinearProgram) -> IntArray:
    """Row of each entry of the matrix."""
    return np.repeat(np.arange(len(program.row_lower)), np.diff(program.start))


def optimal_face(program: LinearProgram, point: Point) -> LinearProgram:
    """The program whose feasible points are the optimal ones of a program.

    Parameters
    ----------
    program : LinearProgram
    point : Point
        Of this program.
    """
    activity = np.bincount(_rows(program), program.value * point.x[program.index], minlength=len(program.row_lower))
    nearer_upper = np.abs(program.row_upper - activity) < np.abs(activity - program.row_lower)
    side = np.where(nearer_upper, program.row_upper, program.row_lower)
    free = ~np.isfinite(side) | ~point.rows
    bound = np.where(np.abs(program.upper - point.x) < np.abs(point.x - program.lower), program.upper, program.lower)
    loose = ~np.isfinite(bound) | ~point.columns
    return replace(
        program,
        lower=readonly(np.where(loose, program.lower, bound)),
        upper=readonly(np.where(loose, program.upper, bound)),
        row_lower=readonly(np.where(free, program.row_lower, side)),
        row_upper=readonly(np.where(free, program.row_upper, side)),
    )


MOST_PASSES = 50
"""Passes over the equalities of a program after which no more columns are looked for."""


def determined(program: LinearProgram) -> Array:
    """Which columns have one value at all feasible points, as far as equalities with one unknown tell, one by one.

    Parameters
    ----------
    program : LinearProgram

    Returns
    -------
    bool array ``(columns,)``
    """
    known: Array = program.lower == program.upper
    row = _rows(program)
    equal = (program.row_lower == program.row_upper)[row]
    row, column = row[equal], program.index[equal]
    for _ in range(MOST_PASSES):
        open_ = ~known[column]
        row, column = row[open_], column[open_]
        alone = np.bincount(row, minlength=len(program.row_lower))[row] == 1
        if not alone.any():
            break
        known[column[alone]] = True
    return known
