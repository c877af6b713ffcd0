"""Exact solutions of sparse linear equations, near to one in floats.

Rows are reduced one after the other, each by its own pivot, columns in an order of preference; what has no pivot takes
its float, as the simple fraction that it seems to be or else as a short binary one, and the pivots follow exactly. A
row that reduces to nothing has to have nothing on its right-hand side.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import frexp

import numpy as np

from mechopt.core.errors import LimitError
from mechopt.core.numbers import FloatArray, IntArray

SparseRow = dict[int, Fraction]
BITS = 34
"""Binary digits that a float without a pivot is rounded to, relative to the largest."""
SIMPLE, SEEMS = 10**4, 1e-11
"""Largest denominator of a fraction that a float is taken for, and how near it has to be, relative to the largest."""
MAX_WORK = 40_000_000
"""Products of fractions in a reduction."""


def exact_near(
    rows: Sequence[SparseRow], sides: Sequence[Fraction], near: FloatArray, order: IntArray
) -> list[Fraction] | None:
    """Solve ``rows . x = sides`` exactly, near to floats.

    Parameters
    ----------
    rows : sequence of dicts from column to coefficient
    sides : sequence of Fraction
    near : float array ``(column,)``
    order : int array ``(column,)``
        Rank of each column: pivots are taken where it is lowest.

    Returns
    -------
    list of Fraction, or None where the equations contradict each other

    Raises
    ------
    LimitError
        If it takes too long.

    Examples
    --------
    >>> rows = [{0: Fraction(1, 3), 1: Fraction(1)}, {0: Fraction(1), 1: Fraction(3)}]
    >>> exact_near(rows, [Fraction(1), Fraction(3)], np.array([1.5, 0.5]), np.array([0, 1]))
    [Fraction(3, 2), Fraction(1, 2)]
    """
    pivots: dict[int, tuple[SparseRow, Fraction]] = {}
    used: list[int] = []
    work = 0
    for given, given_side in zip(rows, sides, strict=True):
        row, side = dict(given), Fraction(given_side)
        waiting = [column for column in used if column in row]
        while waiting:
            for column in waiting:
                times = row.pop(column, None)
                if not times:
                    continue
                by, by_side = pivots[column]
                work += len(by)
                side -= times * by_side
                for other, value in by.items():
                    left = row.get(other, 0) - times * value
                    if left:
                        row[other] = Fraction(left)
                    else:
                        row.pop(other, None)
            waiting = [column for column in row if column in pivots]
        if work > MAX_WORK:
            raise LimitError("an exact solution takes too long here; use fewer signals, or exact=False")
        if not row:
            if side:
                return None
            continue
        pivot = min(row, key=lambda column: order[column])
        scale = row.pop(pivot)
        pivots[pivot] = {column: value / scale for column, value in row.items()}, side / scale
        used.append(pivot)
    found = rounded(near)
    for pivot in reversed(used):
        row, side = pivots[pivot]
        found[pivot] = side - sum((value * found[column] for column, value in row.items()), Fraction(0))
    return found


def rounded(near: FloatArray) -> list[Fraction]:
    """Floats as the simple fractions that they seem to be, else as short binary ones."""
    largest = float(np.abs(near).max(initial=0.0))
    if largest == 0:
        return [Fraction(0)] * len(near)
    unit = BITS - frexp(largest)[1]
    scaled = np.rint(np.ldexp(near, unit))
    step = Fraction(1, 2**unit) if unit >= 0 else Fraction(2**-unit)
    found = [int(entry) * step for entry in scaled.tolist()]
    for k, entry in enumerate(near.tolist()):
        simple = Fraction(entry).limit_denominator(SIMPLE)
        if abs(float(simple) - entry) <= SEEMS * largest:
            found[k] = simple
    return found
