"""A solver's point and multipliers once more from its basis, to the last digits of floats.

A solver stops within its tolerances. Its basis says which rows are tight and which columns lie at a bound; the square
system of the rest is solved again, equilibrated by powers of two and with residuals fed back, for the point and for the
multipliers. Near ties and rare types, whose coefficients differ by many orders, then lose no digits to a tolerance.

A basis itself may be one that only a tolerance allows: a row with coefficients of 1e10 and 1e-9 may be missed by all
that the small one asks for, and a multiplier of 1e-17 of the wrong sign matters where a payment that is seldom made is
1e11. The program is then solved again around the point and its multipliers, in units that are finer by up to 2^30
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
from mechopt.solve.solution import Bound, Solution, Status, judged, lower_bound, reduced_costs

BASIC, UPPER, FREE = 1, 2, 3
ROUNDS = 3
"""Residuals that are fed back."""
FINER = (2.0**16, 2.0**23, 2.0**30)
"""Units in which a program is solved around a point, in turn: what moves far must not be lost in rounding."""
TIGHT = 1e-16
"""Units by which a point may miss a row beyond rounding: what the tolerance is in finer units, and some."""
LOOSE = 1e-10
"""Share of the value that multipliers may cost by reduced costs beyond rounding."""
PASSES = 4
"""Of the scaling of rows and columns in turn."""
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
    for finer in FINER:
        if not needs_refining(answer):
            break
        for dual in (answer.dual, None):
            if (closer := _closer(program, answer, places, again, dual, finer)) is not None:
                answer, places = closer
                break
    return (answer if answer.missed <= TIGHT else without_point(program, answer)), places


def without_point(program: LinearProgram, answer: Solution) -> Solution:
    """The answer where its point misses rows that nobody can price: what is known below is the null mechanism."""
    null = np.zeros_like(answer.primal)
    nothing = lower_bound(program, null, np.zeros_like(answer.dual))
    bound = Bound(min(nothing, answer.bound.upper), answer.bound.upper, answer.bound.method)
    return replace(answer, status=Status.INACCURATE, bound=bound, missed=0.0)


def needs_refining(answer: Solution) -> bool:
    """Whether the point misses a row by more than rounding, or the multipliers cost more than little."""
    return answer.missed > TIGHT or answer.loose > LOOSE * abs(answer.value)


def _closer(
    program: LinearProgram, answer: Solution, places: Places, again: Again, dual: FloatArray | None, finer: float
) -> tuple[Solution, Places] | None:
    """An answer with a narrower bracket from the magnified program, or None."""
    columns, start = len(program.cost), (np.concatenate(places), np.zeros(len(answer.dual), np.int8))
    scaled, by_row, by_column = balanced(magnified(program, answer.primal, dual, finer))
    found = again(scaled, start)
    if found is None:
        return None
    step, price, (at, _) = found
    step, price = by_column * step, by_row * price
    x = np.clip(answer.primal + step[:columns] / finer, program.lower, program.upper)
    y = price if dual is None else dual + price / finer
    closer = judged(program, x, y, Status.OPTIMAL, answer.algorithm, answer.iterations)
    if max(closer.missed, TIGHT) >= max(answer.missed, TIGHT) and closer.loose >= answer.loose:
        return None
    return closer, (at[:columns], at[columns:])


def magnified(program: LinearProgram, x: FloatArray, dual: FloatArray | None, finer: float) -> LinearProgram:
    """The program of (z, s), where the point is ``x + z / finer`` and its rows' activities move by ``s / finer``.

    Its rows say ``A z = s``, and its costs are the reduced ones of the columns (0 within their rounding, which would
    make directions without end) and the multipliers of the rows, finer too; without multipliers, the costs as they are.
    """
    rows, columns, _ = program.size
    activity, ends = program.matrix @ x, program.start[1:]
    if dual is None:
        cost = np.concatenate([program.cost, np.zeros(rows)])
    else:
        reduced, unsure = reduced_costs(program, dual)
        cost = finer * np.concatenate([np.where(np.abs(reduced) > unsure, reduced, 0.0), dual])
    return replace(
        program,
        cost=cost,
        offset=0.0,
        lower=finer * np.concatenate([program.lower - x, program.row_lower - activity]),
        upper=finer * np.concatenate([program.upper - x, program.row_upper - activity]),
        start=program.start + np.arange(rows + 1),
        index=np.insert(program.index, ends, columns + np.arange(rows)),
        value=np.insert(program.value, ends, -1.0),
        row_lower=np.zeros(rows),
        row_upper=np.zeros(rows),
    )


def balanced(program: LinearProgram) -> tuple[LinearProgram, FloatArray, FloatArray]:
    """Rows and columns times powers of two that bring the coefficients together, so that none is dropped as small.

    Returns
    -------
    program : LinearProgram
    by_row, by_column : float arrays
        Its point times ``by_column`` and its multipliers times ``by_row`` are those of the program that was given.
    """
    row, column = np.repeat(np.arange(len(program.row_lower)), np.diff(program.start)), program.index
    by_row, by_column = np.ones(len(program.row_lower)), np.ones(len(program.cost))
    for _ in range(PASSES):
        by_row *= _inverse(_middle(row, np.abs(program.value) * by_row[row] * by_column[column], len(by_row)))
        by_column *= _inverse(_middle(column, np.abs(program.value) * by_row[row] * by_column[column], len(by_column)))
    scaled = replace(
        program,
        value=program.value * by_row[row] * by_column[column],
        cost=program.cost * by_column,
        lower=program.lower / by_column,
        upper=program.upper / by_column,
        row_lower=program.row_lower * by_row,
        row_upper=program.row_upper * by_row,
    )
    return scaled, by_row, by_column


def _middle(place: IntArray, size: FloatArray, count: int) -> FloatArray:
    """Geometric mean of the smallest and largest size at each place; 1 where there is none."""
    least, most = np.full(count, np.inf), np.zeros(count)
    np.minimum.at(least, place, size)
    np.maximum.at(most, place, size)
    return np.where(most > 0, np.sqrt(np.where(most > 0, least, 1.0)) * np.sqrt(most), 1.0)


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
