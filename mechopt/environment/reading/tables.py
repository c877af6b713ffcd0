"""Tables of numbers as users give them to closed forms that compute in floats: arrays, lists, text fractions."""

from __future__ import annotations

from typing import Any

import numpy as np

from mechopt.core.errors import Fault, shortened
from mechopt.core.numbers import PROBABILITY_TOLERANCE, FloatArray, to_exact
from mechopt.environment.reading.check import exact_list, exact_scalar

MAX_FAULTS = 5
"""Of the bad entries or rows of one table this many are listed."""


def number_table(given: Any, axes: int, where: str, faults: list[Fault]) -> FloatArray | None:
    """Read a table of finite numbers with this many axes; appends faults and then gives None.

    Examples
    --------
    >>> number_table([["1/2", 0.5], [1, 0]], 2, "kernel", [])
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    try:
        table = np.asarray(given)
    except ValueError:
        faults.append(Fault(where, "has rows of unequal length", "give every row the same number of entries"))
        return None
    if table.ndim != axes:
        faults.append(Fault(where, f"has {table.ndim} axes", f"it must have {axes}"))
        return None
    if table.size == 0:
        faults.append(Fault(where, "is empty", "give at least one entry"))
        return None
    if table.dtype.kind in "iuf":
        numbers, bad = table.astype(np.float64), np.argwhere(~np.isfinite(table))
        found = [Fault(_at(where, k), f"{table[tuple(k)]} is not a finite number", "write one") for k in bad]
    else:
        numbers, found = np.zeros(table.shape), []
        for k, entry in np.ndenumerate(table):
            try:
                numbers[k] = float(to_exact(entry))
            except ValueError as error:
                found.append(Fault(_at(where, k), str(error), "write a finite number"))
    faults += found[:MAX_FAULTS]
    return None if found else numbers


def number(given: Any, where: str, faults: list[Fault]) -> float | None:
    """Read one number; appends a fault and gives None where it is none."""
    exact = exact_scalar(given, where, faults)
    return None if exact is None else float(exact)


def increasing(given: Any, where: str, faults: list[Fault]) -> FloatArray | None:
    """Read an increasing list of numbers; appends faults and then gives None."""
    exact = exact_list(given, where, faults)
    if exact is None:
        return None
    grid = np.array([float(entry) for entry in exact])
    if not len(grid):
        faults.append(Fault(where, "is empty", "give at least one entry"))
    elif (np.diff(grid) <= 0).any():
        faults.append(Fault(where, f"{shortened(str(grid.tolist()))} does not increase", "list each once, in order"))
    else:
        return grid
    return None


def require_distribution(table: FloatArray, first: int, where: str, faults: list[Fault]) -> None:
    """Check that a table holds probabilities, at least 0, that sum to 1 over its axes from ``first`` on."""
    rows = table.reshape(*table.shape[:first], -1)
    negative, sums = np.argwhere(rows.min(axis=-1) < 0), rows.sum(axis=-1)
    found = [Fault(_at(where, k), "has negative entries", "probabilities must be at least 0") for k in negative]
    for k in np.argwhere(abs(sums - 1) > PROBABILITY_TOLERANCE * rows.shape[-1]):
        found.append(Fault(_at(where, k), f"sums to {sums[tuple(k)]:.12g}, not 1", "write exact fractions"))
    faults += found[:MAX_FAULTS]


def _at(where: str, index: Any) -> str:
    return where + "".join(f"[{int(k)}]" for k in index)
