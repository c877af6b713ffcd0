"""Arrays with an axis a signal: read from lists or taken as they are, and checked as distributions, with every fault.

A joint array is an object array of fractions where lists, texts or fractions are given, and a float array where a
numpy array of floats is: those can be large, and are checked without a Python loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from mechopt.core.errors import Fault
from mechopt.core.numbers import PROBABILITY_TOLERANCE, Array, to_exact
from mechopt.environment.reading import check
from mechopt.environment.reading.nested import Number, is_list, numbers

SHOWN = 20
"""Faults of one array that are listed."""


def joint_array(given: Any, levels: int, where: str, faults: list[Fault], read: Number = to_exact) -> Array | None:
    """Read nested lists, or an array, with a number of axes.

    Parameters
    ----------
    given : nested sequences or array
    levels : int
        Number of axes.
    where : str
        Key path.
    faults : list of Fault
        What is wrong is appended.
    read : callable
        Turns one entry of a list into a fraction, or raises ValueError.

    Returns
    -------
    object array of Fraction, or float array where arrays of floats are given; None after a fault
    """
    if isinstance(given, (list, tuple)) and given and all(_is_plain(entry) for entry in given):
        given = np.stack(given) if len({entry.shape for entry in given}) == 1 else given
    if _is_plain(given):
        array = np.asarray(given, dtype=np.float64)
        if array.ndim != levels:
            faults.append(Fault(where, f"has {array.ndim} axes, not {levels}", "see the layout in the documentation"))
            return None
        for place in np.argwhere(~np.isfinite(array))[:SHOWN]:
            faults.append(Fault(f"{where}{_index(place)}", f"is {array[tuple(place)]}", "write a finite number"))
        if not array.size:
            faults.append(Fault(where, "is empty", "give at least one entry"))
        return array if array.size and np.isfinite(array).all() else None
    before = len(faults)
    listed = numbers(given, levels, where, faults, read)
    if listed is not None:
        _ragged([(listed, where)], levels, faults)
    return np.array(listed, dtype=object) if len(faults) == before else None


def _is_plain(given: Any) -> bool:
    return isinstance(given, np.ndarray) and given.ndim > 0 and given.dtype.kind in "iuf"


def _ragged(rows: list[tuple[Any, str]], levels: int, faults: list[Fault]) -> None:
    """Lists of one level are to be equally long."""
    wanted = len(rows[0][0])
    found = [
        Fault(where, f"has {len(row)} entries, {rows[0][1]} has {wanted}", "give one a signal")
        for row, where in rows
        if len(row) != wanted
    ]
    faults += found[:SHOWN]
    if levels > 1 and not found:
        _ragged([(entry, f"{where}[{k}]") for row, where in rows for k, entry in enumerate(row)], levels - 1, faults)


def alike(arrays: list[Array]) -> list[Array]:
    """Give arrays one kind of number: all floats, or all fractions."""
    if len({array.dtype for array in arrays}) == 1:
        return arrays
    return [array if array.dtype == object else fractions(array) for array in arrays]


def fractions(array: Array) -> Array:
    """Object array of the fractions that floats stand for."""
    distinct, place = np.unique(array, return_inverse=True)
    exact = np.empty(distinct.size, dtype=object)
    exact[:] = [to_exact(number) for number in distinct.tolist()]
    found: Array = exact[place].reshape(array.shape)
    return found


def has_floats(given: Any) -> bool:
    """Tell whether any number in nested lists is a binary float, which may only round what is meant."""
    if isinstance(given, np.ndarray):
        return given.dtype.kind == "f" or (given.dtype == object and has_floats(given.ravel().tolist()))
    if is_list(given):
        return any(map(has_floats, given))
    return isinstance(given, (float, np.floating))


def joint_distribution_faults(
    array: Array, leading: int, where: str, floats: bool, names: Sequence[Sequence[str]] = ()
) -> list[Fault]:
    """Check distributions: at least 0, sum to 1 over all axes but the leading ones.

    Parameters
    ----------
    array : array
    leading : int
        Number of axes that say which distribution it is: action and signals.
    where : str
        Key path of the array.
    floats : bool
        Whether numbers may be rounded.
    names : sequence of sequences of str
        Of the entries along the leading axes, for the message.
    """
    faults = [
        Fault(f"{where}{_index(place)}", f"is {_shown(array[tuple(place)])}", "probabilities must be at least 0")
        for place in np.argwhere(array < 0)[:SHOWN]
    ]
    distributions = array.reshape(*array.shape[:leading], prod(array.shape[leading:]))
    totals = np.asarray(distributions.sum(axis=-1))
    slack = PROBABILITY_TOLERANCE if floats else 0
    wrong = np.argwhere(np.abs(totals - 1) > slack)
    for place in wrong[:SHOWN]:
        named = [repr(axis[k]) for axis, k in zip(names, place, strict=True)] if names else []
        action = [f"action {named.pop(0)}"] if named and array.ndim % 2 else []
        profile = f" ({', '.join([*action, 'signals ' + ', '.join(named)])})" if named else ""
        what = f"sums to {_shown(totals[tuple(place)])} over all next signals, not 1{profile}"
        if not leading:
            what = f"sums to {_shown(totals[()])}, not 1"
        faults.append(Fault(f"{where}{_index(place)}", what, 'write exact fractions such as "1/3"'))
    if len(wrong) > SHOWN:
        faults.append(Fault(where, f"has {len(wrong) - SHOWN} more profiles whose distributions do not sum to 1"))
    return faults


def misshapen_fault(where: str, found: tuple[int, ...], wanted: tuple[int, ...], words: str) -> Fault:
    """Fault of an array of the wrong shape, with what its axes are."""
    sizes = ["x".join(map(str, shape)) for shape in (found, wanted)]
    return Fault(where, f"is {sizes[0]}, needed is {sizes[1]}", f"axes: {words}")


def _index(place: Any) -> str:
    return "".join(f"[{k}]" for k in np.atleast_1d(place).tolist())


def _shown(number: Any) -> str:
    return check.shown(number) if isinstance(number, Fraction) else f"{number:.12g}"
