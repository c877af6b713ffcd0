"""Cells of a table as numbers: which are missing, and which are no numbers, each with what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from mechopt.core.errors import Fault, shortened
from mechopt.core.numbers import MAX_EXPONENT, FloatArray, IntArray

MOST_NAMED = 5
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none"})

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_GROUPED = re.compile(r"[^\w.,+-]?\s*[+-]?\d{1,3}([ ,']\d{3})+(\.\d+)?|[^\w.,+-]\s*\d.*|\d[\d.,]*\s*[^\w.,]")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_COMMA = re.compile(r"[+-]?\d+,\d+")


def read_numbers(
    cells: Sequence[str], column: str, lines: Sequence[int], currency: str = "", unit: str = "line"
) -> tuple[FloatArray, npt.NDArray[np.bool_], list[Fault]]:
    """Floats, which are missing (NaN there), and the faults of the others.

    Parameters
    ----------
    cells : sequence of str
    column : str
        Its name, for messages.
    lines : sequence of int
        Where each cell is.
    currency : str
        A sign that may stand before or behind a number, such as ``"$"`` or ``"EUR"``; with one, commas may part
        thousands, as in ``$1,234.50``.
    unit : str
        What ``lines`` counts.
    """
    given, cells = cells, [_without(cell, currency) for cell in cells] if currency else cells
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
    where = partial(at_cell, lines, column=column, unit=unit)
    faults = by_kind(np.array(bad, dtype=np.int64), lambda row: Fault(where(row), *_worded(given[row])), lines, unit)
    return array, missing, faults


def _without(cell: str, currency: str) -> str:
    """A cell without a sign of currency, and then without commas between thousands."""
    plain = cell.strip()
    sign = plain[:1] if plain[:1] in ("-", "+") else ""
    body = plain[len(sign) :].strip()
    if body.startswith(currency):
        body = body[len(currency) :].strip()
    elif body.endswith(currency):
        body = body[: -len(currency)].strip()
    if _THOUSANDS.fullmatch(body):
        body = body.replace(",", "")
    return sign + body


def _worded(cell: str) -> tuple[str, str]:
    """Fault of a cell that is no number, and what to write instead."""
    shown, cell = shortened(repr(cell)), cell.strip()
    if NUMBER.fullmatch(cell):
        return f"{shown} is out of range", f"numbers go up to 1e{MAX_EXPONENT}"
    if cell.startswith(("=", "+", "-", "@")):
        return f"{shown} is a formula, not a number", "formulas are not computed; export the sheet's values"
    if _COMMA.fullmatch(cell):
        return f"{shown} is not a number", "write a decimal point, and no separators, as in 1234.5"
    if _GROUPED.fullmatch(cell):
        fix = "write it without separators and signs of currency, as in 1234.5, or name the sign (--currency '$')"
        return f"{shown} is not a plain number", fix
    return f"{shown} is not a number", "write a number such as 12.5, or leave the cell empty"


def stated(array: FloatArray, row: int) -> str:
    """Entry in words."""
    return f"is {array[row]}"


def missing_fault(lines: Sequence[int], column: str, row: int, unit: str = "line") -> Fault:
    """The fault of a missing cell."""
    fix = "fill it in, or drop rows with missing cells (--drop-missing): they are then counted"
    return Fault(at_cell(lines, row, column, unit), "is missing", fix)


def at_cell(lines: Sequence[int] | IntArray, row: int, column: str, unit: str = "line") -> str:
    """Where a cell is, for messages."""
    return f"{unit} {lines[row]}, column {column!r}"


def by_kind(
    rows: IntArray, fault: Callable[[int], Fault], lines: Sequence[int] | IntArray, unit: str = "line"
) -> list[Fault]:
    """One fault of each kind, the first, with the number of all that are fixed alike and where the next of them are.

    Parameters
    ----------
    rows : int array
    fault : callable
        From a row to its fault; those with one fix are of one kind.
    lines : sequence of int
    unit : str
        What ``lines`` counts.
    """
    first, others = dict[str, Fault](), dict[str, list[int]]()
    for row in rows.tolist():
        found = fault(row)
        if found.fix in first:
            others[found.fix].append(int(lines[row]))
        else:
            first[found.fix], others[found.fix] = found, []
    return [
        Fault(found.where, f"{found.what}{_more(others[fix], unit)}", found.fix) if others[fix] else found
        for fix, found in first.items()
    ]


def _more(lines: list[int], unit: str) -> str:
    """How many others there are, and where the first of them."""
    shown = ", ".join(map(str, lines[:MOST_NAMED])) + (", ..." if len(lines) > MOST_NAMED else "")
    return f" ({len(lines):,} more of this kind: {unit}{'s' * (len(lines) > 1)} {shown})"
