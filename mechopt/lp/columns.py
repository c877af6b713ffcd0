"""The variables of a program, as column numbers in the shape of the tree.

- ``allocation[t]``: ``(n, count[t], *types[t])``, who gets the item; absent from the promise form.
- ``lifetime[t]``: ``(n, count[t])`` for t = 0, ..., T: S, the expected present value of a buyer's utility over her
  whole life, as seen at a history of length t: what was realised on it plus the truthful future.
- ``realised[t]``: ``(n, count[t])``: R, the part that was realised. ``realised[T]`` is ``lifetime[T]``, and
  ``realised[0]`` is fixed at zero. Only in the payment form.

Money is measured in `unit`, a power of two near the largest value, so that the program does not depend on the currency.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from mechopt.core.numbers import IntArray
from mechopt.tree import HistoryTree

Blocks = tuple[tuple[str, int, tuple[int, ...]], ...]


@dataclass(frozen=True, eq=False)
class Columns:
    """Column numbers by kind and period; see the module's docstring.

    Attributes
    ----------
    allocation, lifetime, realised : tuples over t of int arrays
        ``allocation`` and ``realised`` are empty where the form has none.
    blocks : tuple of (name, first column, shape)
    count : int
    """

    allocation: tuple[IntArray, ...]
    lifetime: tuple[IntArray, ...]
    realised: tuple[IntArray, ...]
    blocks: Blocks
    count: int


def column_shapes(tree: HistoryTree, form: str) -> list[tuple[str, tuple[int, ...]]]:
    """Names and shapes of the blocks of columns of a form, in order."""
    n, periods = tree.environment.buyers, tree.periods
    shapes: list[tuple[str, tuple[int, ...]]]
    shapes = [(f"lifetime utility, histories of length {t}", (n, tree.count[t])) for t in range(periods + 1)]
    if form != "promise":
        shapes += [(f"allocation, period {t}", (n, *tree.children(t))) for t in range(periods)]
    if form == "payment":
        shapes += [(f"realised utility, histories of length {t}", (n, tree.count[t])) for t in range(periods)]
    return shapes


def make_columns(tree: HistoryTree, form: str) -> Columns:
    """Number the columns of a form (``"promise"``, ``"utility"`` or ``"payment"``)."""
    arrays, blocks, first = [], [], 0
    for name, shape in column_shapes(tree, form):
        size = prod(shape)
        arrays.append(np.arange(first, first + size).reshape(shape))
        blocks.append((name, first, shape))
        first += size
    periods = tree.periods
    lifetime, rest = tuple(arrays[: periods + 1]), tuple(arrays[periods + 1 :])
    allocation, realised = rest[:periods], rest[periods:]
    if realised:
        realised = (*realised, lifetime[periods])
    return Columns(allocation, lifetime, realised, tuple(blocks), first)
