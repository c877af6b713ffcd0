"""Nested lists of exact numbers: read with every fault at its key path, and turned into arrays and back."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from fractions import Fraction
from typing import Any, TypeVar

import numpy as np

from mechopt.core.errors import Fault, shortened
from mechopt.core.numbers import Array, FloatArray, readonly, to_exact

Number = Callable[[Any], Fraction]
Vector = tuple[Fraction, ...]
Matrix = tuple[Vector, ...]

A = TypeVar("A")
B = TypeVar("B")

LARGE = 1_000
"""Entries from which an array is looked through for numbers that repeat."""
TEXTS = {1: "numbers", 2: "lists of numbers", 3: "lists of lists of numbers"}


def is_list(given: Any) -> bool:
    """Tell whether something is a list, a tuple, a range or an array with axes."""
    if isinstance(given, np.ndarray):
        return given.ndim > 0
    return isinstance(given, (list, range)) or type(given) is tuple


def depth(given: Any) -> int:
    """Count how deeply lists are nested, along first entries.

    Examples
    --------
    >>> depth([[1, 2], [3, 4]]), depth(5), depth([np.ones((2, 2))])
    (2, 0, 3)
    """
    levels = 0
    while is_list(given):
        levels, given = levels + 1, given[0] if len(given) else None
    return levels


def numbers(given: Any, levels: int, where: str, faults: list[Fault], read: Number = to_exact) -> Any:
    """Read nested lists of numbers exactly.

    Parameters
    ----------
    given : nested sequences or array
    levels : int
        How deep they are to be; 0 for one number.
    where : str
        Their key path.
    faults : list of Fault
        One is appended for every entry that is no number and every list that is none.
    read : callable
        Turns one entry into a fraction, or raises ValueError.

    Returns
    -------
    nested tuples of Fraction, or None after a fault
    """
    before = len(faults)
    if levels and is_list(given):
        if isinstance(given, np.ndarray):
            if (table := _of_few_numbers(given, levels, read)) is not None:
                return table
            given = given.tolist()
        if levels == 1 and len(given):
            try:
                return tuple(map(read, given))
            except ValueError:
                pass  # found again below, with its key path
        entries = tuple(numbers(entry, levels - 1, f"{where}[{k}]", faults, read) for k, entry in enumerate(given))
        if not entries:
            faults.append(Fault(where, "is empty", "give at least one entry"))
        return entries if len(faults) == before else None
    if is_list(given):
        faults.append(Fault(where, f"{shortened(repr(given))} is a list, not a number", "take a pair of brackets away"))
        return None
    try:
        number = read(given)
    except ValueError as error:
        faults.append(Fault(where, str(error), "write a finite number"))
        return None
    if levels:
        fix = f"write a list of {TEXTS.get(levels, 'nested lists of numbers')}"
        faults.append(Fault(where, f"{shortened(str(given))} is not a list", fix))
        return None
    return number


def _of_few_numbers(given: Array, levels: int, read: Number) -> Any:
    """Entries of a large array in which most repeat others, each number read once; None where it is not such an array.

    Kernels of agents who stand still most of the time are such arrays.
    """
    if given.size < LARGE or given.ndim != levels or given.dtype.kind != "f":
        return None
    different, places = np.unique(given, return_inverse=True)
    if 2 * len(different) > given.size:
        return None
    try:
        exact = [read(number) for number in different.tolist()]
    except ValueError:
        return None
    return _tuples(np.array(exact, dtype=object)[places].reshape(given.shape).tolist())


def _tuples(nested: Any) -> Any:
    return tuple(map(_tuples, nested)) if isinstance(nested, list) else nested


def floats(exact: Any) -> FloatArray:
    """Round nested tuples of fractions to a read-only array.

    Examples
    --------
    >>> floats(((Fraction(1, 2), Fraction(1)),))
    array([[0.5, 1. ]])
    """
    return readonly(_rounded(exact))


def _rounded(exact: Any) -> Any:
    if isinstance(exact, np.ndarray):
        return exact.astype(np.float64)
    return [_rounded(entry) for entry in exact] if isinstance(exact, tuple) else float(exact)


def unrounded(given: Any, exact: Any) -> Any:
    """Put exact numbers in place of the arrays and floats that are their rounding.

    Examples
    --------
    >>> unrounded((np.array([1 / 3, 2 / 3]), 0.5), ((Fraction(1, 3), Fraction(2, 3)), Fraction(1, 4)))
    ((Fraction(1, 3), Fraction(2, 3)), 0.5)
    """
    if isinstance(given, tuple) and isinstance(exact, tuple) and len(given) == len(exact):
        pairs = zip(given, exact, strict=True)
        return shared(pairs, lambda pair: unrounded(*pair), lambda pair: (id(pair[0]), id(pair[1])))
    if isinstance(given, np.ndarray):
        try:
            return exact if np.array_equal(given, floats(exact)) else given
        except ValueError:  # not as many entries everywhere, other than in an array
            return given
    return exact if isinstance(given, float) and given == float(exact) else given


def shared(entries: Iterable[A], convert: Callable[[A], B], key: Callable[[A], Hashable] = id) -> tuple[B, ...]:
    """Convert entries, of which many may be the same one, such as those of equal periods: that is converted once.

    Parameters
    ----------
    entries : iterable
    convert : callable
    key : callable
        What tells entries apart.
    """
    known: dict[Hashable, B] = {}
    found = []
    for entry in entries:
        name = key(entry)
        if name not in known:
            known[name] = convert(entry)
        found.append(known[name])
    return tuple(found)


def kernel_array(matrices: tuple[Any, ...]) -> FloatArray:
    """Round kernels by action to an array ``(action, type, next)``; where all are the same one, its axis is broadcast.

    Parameters
    ----------
    matrices : tuple over actions of nested tuples of fractions
    """
    same = all(matrix is matrices[0] for matrix in matrices)
    array = floats(matrices[:1] if same else matrices)
    return np.broadcast_to(array, (len(matrices), *array.shape[1:])) if same else array


def plain(numbers: Any) -> Any:
    """Turn nested tuples of arrays, fractions and texts into what JSON can write."""
    if isinstance(numbers, np.ndarray):
        return numbers.tolist()
    if isinstance(numbers, tuple):
        return [plain(entry) for entry in numbers]
    return str(numbers) if isinstance(numbers, Fraction) else numbers


def unless_zero(tables: Sequence[Any]) -> tuple[Any, ...] | None:
    """The tables as a tuple; None where no number in them differs from 0."""
    return tuple(tables) if any(map(_differs, tables)) else None


def _differs(table: Any) -> bool:
    return any(map(_differs, table)) if isinstance(table, tuple) else bool(table)
