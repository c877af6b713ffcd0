"""A solver's point and multipliers once more from its basis, to the last digits of floats.

A solver stops within its tolerances. Its basis says which rows are tight and which columns lie at a bound; the square
system of the rest is solved again, equilibrated by powers of two and with residuals fed back, for the point and for the
multipliers. Near ties and rare types, whose coefficients differ by many orders, then lose no digits to a tolerance.

A basis itself may be one that only a tolerance allows: a row with coefficients of 1e10 and 1e-9 may be missed by all
that the small one asks for, and a multiplier of 1e-17 of the wrong sign matters where a payment that is seldom made is
1e11. The program is then solved again around the point and its multipliers, in units that are finer by 2^30
(`magnified`): what was within the tolerance is large there (iterative refinement; Gleixner, Steffy and Wolter 2016,
INFORMS Journal on Computing 28).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from mechopt.core.numbers import Array, FloatArray, IntArray
from mechopt.lp.program import LinearProgram
from mechopt.solve.solution import Solution, Status, judged, reduced_costs

BASIC, UPPER, FREE = 1, 2, 3
ROUNDS = 3
"""Residuals that are fed back."""
FINER = 2.0**30
"""Units in which a program is solved around a point."""
LOOSE = 1e-10
"""Share of the value that a point or multipliers may cost by what they miss beyond rounding."""
Places = tuple[Array, Array]
Again = Callable[[LinearProgram, Places], tuple[FloatArray, FloatArray, Places] | None]
"""Solves a program from a basis: point, multipliers and basis, or None where it finds none."""


def refined(program: LinearProgram, answer: Solution, places: Places, again: Again) -> tuple[Solution, Places]:
    """The answer and its basis once more, where what it misses by more than rounding widens the bracket.

    Parameters
    ----------
    program : LinearProgram
    answer : Solution
    places : pair of int arrays
        Its basis, as in `Solution`.
    again : callable
        Solves a program from a basis.
    """
    for _ in range(ROUNDS):
        if answer.loose <= LOOSE * abs(answer.value):
            break
        closer = _closer(program, answer, places, again, answer.dual) or _closer(program, answer, places, again, None)
        if closer is None:
            break
        answer, places = closer
    return answer, places


def _closer(
    program: LinearProgram, answer: Solution, places: Places, again: Again, dual: FloatArray | None
) -> tuple[Solution, Places] | None:
    """An answer with a narrower bracket from the magnified program, or None."""
    columns, start = len(program.cost), (np.concatenate(places), np.zeros(len(answer.dual), np.int8))
    found = again(magnified(program, answer.primal, dual), start)
    if found is None:
        return None
    step, price, (at, _) = found
    x = np.clip(answer.primal + step[:columns] / FINER, program.lower, program.upper)
    y = price if dual is None else dual + price / FINER
    closer = judged(program, x, y, Status.OPTIMAL, answer.algorithm, answer.iterations)
    if not closer.bound.upper - closer.bound.lower < answer.bound.upper - answer.bound.lower:
        return None
    return closer, (at[:columns], at[columns:])


def magnified(program: LinearProgram, x: FloatArray, dual: FloatArray | None) -> LinearProgram:
    """The program of (z, s), where the point is ``x + z / FINER`` and its rows' activities move by ``s / FINER``.

    Its rows say ``A z = s``, and its costs are the reduced ones of the columns (0 within their rounding, which would
    make directions without end) and the multipliers of the rows, finer too; without multipliers, the costs as they are.
    """
    rows, columns, _ = program.size
    activity, ends = program.matrix @ x, program.start[1:]
    if dual is None:
        cost = np.concatenate([program.cost, np.zeros(rows)])
    else:
        reduced, unsure = reduced_costs(program, dual)
        cost = FINER * np.concatenate([np.where(np.abs(reduced) > unsure, reduced, 0.0), dual])
    return replace(
        program,
        cost=cost,
        offset=0.0,
        lower=FINER * np.concatenate([program.lower - x, program.row_lower - activity]),
        upper=FINER * np.concatenate([program.upper - x, program.row_upper - activity]),
        start=program.start + np.arange(rows + 1),
        index=np.insert(program.index, ends, columns + np.arange(rows)),
        value=np.insert(program.value, ends, -1.0),
        row_lower=np.zeros(rows),
        row_upper=np.zeros(rows),
    )


def polished(program: LinearProgram, basis: Places) -> tuple[FloatArray, FloatArray] | None:
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
