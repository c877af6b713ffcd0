"""A solver's point and multipliers once more from its basis, to the last digits of floats.

A solver stops within its tolerances. Its basis says which rows are tight and which columns lie at a bound; the square
system of the rest is solved again, equilibrated by powers of two and with residuals fed back, for the point and for the
multipliers. Near ties and rare types, whose coefficients differ by many orders, then lose no digits to a tolerance.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mechopt.core.numbers import Array, FloatArray, IntArray
from mechopt.lp.program import LinearProgram

BASIC, UPPER, FREE = 1, 2, 3
ROUNDS = 3
"""Residuals that are fed back."""


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
