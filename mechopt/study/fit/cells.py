"""Cells of a table as numbers: which are missing, and which are no numbers, each with what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from mechopt.core.errors import Fault, shortened
from mechopt.core.numbers import MAX_EXPONENT, FloatArray, IntArray

MOST_FAULTS = 10
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none"})

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_GROUPED = re.compile(r"[^\w.,+-]?\s*[+-]?\d{1,3}([ ,']\d{3})+(\.\d+)?|[^\w.,+-]\s*\d.*|\d[\d.,]*\s*[^\w.,]")
_COMMA = re.compile(r"[+-]?\d+,\d+")


def read_numbers(
    cells: Sequence[str], column: str, lines: Sequence[int]
) -> tuple[FloatArray, npt.NDArray[np.bool_], list[Fault]]:
    """Floats, which are missing (NaN there), and the faults of the others."""
    try:
        array = np.array(list(map(float, cells)))
        if not any("_" in cell for cell in cells) and bool((np.abs(array) <= 10.0**MAX_EXPONENT).all()):
            return array, np.zeros(array.size, dtype=bool), []
    except ValueError:
        pass  # some are texts: look at each
    array, missing = np.full(len(cells), np.nan), np.zeros(len(cells), dtype=bool)
    bad = []
    for row, cell in enumerate(map(str.strip, cells)):
        if cell.lower() in MISSING:
            missing[row] = True
        elif NUMBER.fullmatch(cell) and abs(float(cell)) <= 10.0**MAX_EXPONENT:
            array[row] = float(cell)
        else:
            bad.append(row)
    faults = listed(np.array(bad, dtype=np.int64), lambda row: Fault(at_cell(lines, row, column), *_worded(cells[row])))
    return array, missing, faults


def _worded(cell: str) -> tuple[str, str]:
    """What is wrong with a cell that is no number, and what to write instead."""
    shown, cell = shortened(repr(cell)), cell.strip()
    if NUMBER.fullmatch(cell):
        return f"{shown} is out of range", f"numbers go up to 1e{MAX_EXPONENT}"
    if cell.startswith(("=", "+", "-", "@")):
        return f"{shown} is a formula, not a number", "formulas are not computed; export the sheet's values"
    if _COMMA.fullmatch(cell):
        return f"{shown} is not a number", "write a decimal point, and no separators, as in 1234.5"
    if _GROUPED.fullmatch(cell):
        return f"{shown} is not a plain number", "write it without separators and signs of currency, as in 1234.5"
    return f"{shown} is not a number", "write a number such as 12.5, or leave the cell empty"


def stated(array: FloatArray, row: int) -> str:
    """What an entry is."""
    return f"is {array[row]}"


def missing_fault(lines: Sequence[int], column: str, row: int) -> Fault:
    """The fault of a missing cell."""
    fix = "fill it in, or drop rows with missing cells (--drop-missing): they are then counted"
    return Fault(at_cell(lines, row, column), "is missing", fix)


def at_cell(lines: Sequence[int] | IntArray, row: int, column: str) -> str:
    """Where a cell is, for messages."""
    return f"line {lines[row]}, column {column!r}"


def listed(rows: IntArray, fault: Callable[[int], Fault]) -> list[Fault]:
    """The first faults, and how many more there are."""
    faults = [fault(int(row)) for row in rows[:MOST_FAULTS]]
    more = rows.size - len(faults)
    return [*faults, Fault("", f"... and {more:,} more rows like the last")] if more else faults
