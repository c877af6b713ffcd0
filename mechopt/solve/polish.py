"""A solver's point and multipliers once more from its basis, to the last digits of floats.

A solver stops within its tolerances. Its basis says which rows are tight and which columns lie at a bound; the square
system of the rest is solved again, equilibrated by powers of two and with residuals fed back, for the point and for the
multipliers. Near ties and rare types, whose coefficients differ by many orders, then lose no digits to a tolerance.

A basis itself may be one that only a tolerance allows: a row with coefficients of 1e10 and 1e-9 may be missed by all
that the small one asks for. The program is then solved again around the point, in units that are finer by 2^30
(`magnified`): what was within the tolerance is large there, and the small one counts (iterative refinement; Gleixner,
Steffy and Wolter 2016, INFORMS Journal on Computing 28).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from mechopt.core.numbers import Array, FloatArray, IntArray
from mechopt.lp.program import LinearProgram
from mechopt.solve.solution import Solution, Status, judged

BASIC, UPPER, FREE = 1, 2, 3
ROUNDS = 3
"""Residuals that are fed back."""
FINER = 2.0**30
"""Units in which a program is solved around a point."""
LOOSE = 1e-12
"""Share of the value that a point may cost by what it misses beyond rounding."""
Again = Callable[[LinearProgram, Any], tuple[FloatArray, FloatArray, Any] | None]
"""Solves a program from a basis of the solver: point, multipliers and basis, or None where it finds none."""


def refined(program: LinearProgram, answer: Solution, basis: Any, again: Again) -> Solution:
    """The answer once more, where rows that its point misses by more than rounding widen the bracket.

    Parameters
    ----------
    program : LinearProgram
    answer : Solution
    basis : Any
        Of the solver, where it left the answer.
    again : callable
        Solves a program of the same matrix from a basis.
    """
    for _ in range(ROUNDS):
        if answer.loose <= LOOSE * abs(answer.value):
            break
        found = again(magnified(program, answer.primal), basis)
        if found is None:
            break
        step, dual, basis = found
        x = np.clip(answer.primal + step / FINER, program.lower, program.upper)
        closer = judged(program, x, dual, Status.OPTIMAL, answer.algorithm, answer.iterations)
        if not closer.bound.upper - closer.bound.lower < answer.bound.upper - answer.bound.lower:
            break
        answer = closer
    return answer


def magnified(program: LinearProgram, x: FloatArray) -> LinearProgram:
    """The program of z, where the point is ``x + z / FINER``: same matrix and costs, sides and bounds from ``x`` on."""
    activity = program.matrix @ x
    return replace(
        program,
        lower=FINER * (program.lower - x),
        upper=FINER * (program.upper - x),
        row_lower=FINER * (program.row_lower - activity),
        row_upper=FINER * (program.row_upper - activity),
        offset=0.0,
    )


def polished(program: LinearProgram, basis: tuple[Array, Array]) -> tuple[FloatArray, FloatArray] | None:
    """Point and multipliers of a basis, or None where its matrix is singular or not square.

    Parameters
    ----------
    program : LinearProgram
    basis : pair of int arrays
        Where each column and row lies, as in `Solution`.
    """
    from scipy.sparse import csc_array
    from scipy.sparse.linalg import splu

    columns, rows = basis
    basic, tight = np.flatnonzero(columns == BASIC), np.flatnonzero(rows != BASIC)
    if len(basic) != len(tight):
        return None
    x = _placed(columns, program.lower, program.upper)
    side = _placed(rows, program.row_lower, program.row_upper)[tight]
    dual: FloatArray = np.zeros(len(rows))
    if not len(basic):
        return x, dual
    part = csc_array(program.matrix[tight])[:, basic].tocoo()
    by_row, by_column = _scales(part)
    scaled = part.data * by_row[part.row] * by_column[part.col]
    try:
        factors: Any = splu(csc_array((scaled, (part.row, part.col)), shape=part.shape))
    except RuntimeError:
        return None

    def solved(right: FloatArray, transposed: bool) -> FloatArray:
        first, last = (by_column, by_row) if transposed else (by_row, by_column)
        return np.asarray(last * factors.solve(first * right, "T" if transposed else "N"))

    def refined(right: FloatArray, transposed: bool) -> FloatArray:
        left, found = (part.T if transposed else part).tocsr(), solved(right, transposed)
        for _ in range(ROUNDS):
            found = found + solved(right - left @ found, transposed)
        return found

    with np.errstate(all="ignore"):
        x[basic] = refined(side - program.matrix[tight] @ x, False)
        dual[tight] = refined(program.cost[basic], True)
    return (x, dual) if np.isfinite(x).all() and np.isfinite(dual).all() else None


def _placed(status: Array, lower: FloatArray, upper: FloatArray) -> FloatArray:
    """Value of what lies at a bound; 0 for all else."""
    at = np.where(status == UPPER, upper, np.where((status == BASIC) | (status == FREE), 0.0, lower))
    at = np.where(np.isfinite(at), at, np.where(np.isfinite(upper) & (status != BASIC), upper, 0.0))
    return np.asarray(at + 0.0)


def _scales(matrix: Any) -> tuple[FloatArray, FloatArray]:
    """Powers of two that bring the largest entry of every row, then of every column, to about 1."""
    size, rows, columns = np.abs(matrix.data), np.zeros(matrix.shape[0]), np.zeros(matrix.shape[1])
    np.maximum.at(rows, matrix.row, size)
    by_row = _inverse(rows)
    np.maximum.at(columns, matrix.col, size * by_row[matrix.row])
    return by_row, _inverse(columns)


def _inverse(largest: FloatArray) -> FloatArray:
    exponent: IntArray = np.frexp(np.where(largest > 0, largest, 1.0))[1]
    return np.asarray(np.ldexp(1.0, -exponent))
