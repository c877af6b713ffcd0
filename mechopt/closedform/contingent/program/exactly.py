"""A solution in floats made exact: the rows that bind are solved in fractions, all others are checked."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from mechopt.closedform.contingent.program.nearby import SparseRow, exact_near
from mechopt.closedform.contingent.program.rows import Rows
from mechopt.core.errors import MechoptError
from mechopt.core.numbers import FloatArray, IntArray

BINDING = (1e-9, 1e-7, 1e-5, 1e-12)
"""Slacks, relative to the money of the program, up to which rows are taken to bind; tried in this order."""


def exactly(rows: Rows, near: FloatArray, paid: IntArray, scale: float) -> list[Fraction]:
    """Solve the rows exactly, near to a solution in floats.

    Parameters
    ----------
    rows : Rows
        With fractions.
    near : float array ``(column,)``
    paid : int array
        Columns that are payments: these are solved for first.
    scale : float

    Raises
    ------
    MechoptError
        If no set of binding rows gives one.
    """
    sparse = sparse_rows(rows)
    slack = np.array([float(sum(v * near[c] for c, v in row.items())) for row in sparse]) - rows.side.astype(np.float64)
    order = np.full(len(near), len(near))
    order[paid] = np.arange(len(paid))
    for share in BINDING:
        binding = np.flatnonzero(rows.equal | (slack <= share * scale))
        found = exact_near([sparse[i] for i in binding], [rows.side[i] for i in binding], near, order)
        if found is not None and satisfied(sparse, rows, found):
            return found
    raise MechoptError(
        "exact: no exact transfers were found near those in floats; leave exact=True out, or choose another objective"
    )


def satisfied(sparse: list[SparseRow], rows: Rows, found: list[Fraction]) -> bool:
    """Whether fractions satisfy every row."""
    for row, side, equal in zip(sparse, rows.side.tolist(), rows.equal.tolist(), strict=True):
        left = sum((value * found[column] for column, value in row.items()), Fraction(0)) - side
        if left < 0 or (equal and left != 0):
            return False
    return True


def sparse_rows(rows: Rows) -> list[SparseRow]:
    """Rows as dicts from column to coefficient."""
    found: list[SparseRow] = [{} for _ in range(len(rows.side))]
    for i, column, value in zip(rows.row.tolist(), rows.column.tolist(), rows.value, strict=True):
        found[i][column] = found[i].get(column, Fraction(0)) + value
    return found
