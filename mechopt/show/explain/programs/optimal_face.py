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
FITS = 1e-7
"""How far rows of fixed columns may be off, a share of what they add up."""
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
    scale, row = highs_program.objective_scale(program.cost), _rows(program)
    free = program.lower < program.upper
    x, dual = np.where(free, 0.0, program.lower), np.zeros(len(program.row_lower))
    rows = np.unique(row[free[program.index]])
    if not _fits(program, x, free, rows):
        return None
    small = program if free.all() and len(rows) == len(dual) else _without_fixed(program, free, rows)
    if len(small.cost):
        answer = _answer(small, scale, algorithm, presolve)
        if answer is None:
            return None
        x[free], dual[rows] = answer if small is not program else (answer[0][free], answer[1][rows])
    reduced = program.cost - np.bincount(program.index, program.value * dual[row], minlength=len(x))
    limit = PRESSED / scale
    return Point(float(program.cost @ x + program.offset), x, np.abs(reduced) > limit, np.abs(dual) > limit)


def _fits(program: LinearProgram, x: FloatArray, free: Array, rows: IntArray) -> bool:
    """Whether rows without free columns hold, as well as the solver asks."""
    if len(rows) == len(program.row_lower):
        return True
    row, terms = _rows(program), program.value * x[program.index]
    activity = np.bincount(row, terms, minlength=len(program.row_lower))
    size = np.bincount(row, np.abs(terms), minlength=len(program.row_lower))
    allowed = FITS * np.maximum(1.0, size)
    holds = (activity >= program.row_lower - allowed) & (activity <= program.row_upper + allowed)
    holds[rows] = True
    return bool(holds.all())


def _without_fixed(program: LinearProgram, free: Array, rows: IntArray) -> LinearProgram:
    """The program of the free columns, and of the rows that have some."""
    row, left = _rows(program), free[program.index]
    fixed = program.value * np.where(free, 0.0, program.lower)[program.index]
    spent = np.bincount(row, fixed, minlength=len(program.row_lower))[rows]
    sizes = np.bincount(row[left], minlength=len(program.row_lower))[rows]
    place = np.cumsum(free) - 1
    return replace(
        program,
        cost=readonly(program.cost[free]),
        offset=program.offset + float(program.cost[~free] @ program.lower[~free]),
        lower=readonly(program.lower[free]),
        upper=readonly(program.upper[free]),
        start=readonly(np.concatenate([[0], np.cumsum(sizes)]), np.int64),
        index=readonly(place[program.index[left]], np.int64),
        value=readonly(program.value[left]),
        row_lower=readonly(program.row_lower[rows] - spent),
        row_upper=readonly(program.row_upper[rows] - spent),
    )


def _answer(
    program: LinearProgram, scale: float, algorithm: str, presolve: bool
) -> tuple[FloatArray, FloatArray] | None:
    """The solver's columns and multipliers; None where it has no optimum."""

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
    return np.clip(x, program.lower, program.upper), dual


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
