"""The variables of a program, as column numbers in the shape of the tree.

- ``allocation[t]``: ``(n, count[t], *types[t])``, who gets the item; absent from the promise form.
- ``lifetime[t]``: ``(n, count[t])`` for t = 0, ..., T: S, the expected present value of a buyer's utility over her
  whole life, as seen at a history of length t: what was realised on it plus the truthful future.
- ``slots[t]``: ``(n, count[t], *types[t], S_t)``: who has which slot, where nothing may be drawn and weights differ.
- ``realised[t]``: ``(n, count[t])``: R, the part that was realised. ``realised[T]`` is ``lifetime[T]``, and
  ``realised[0]`` is fixed at zero. Only in the payment form.

Money is measured in `unit`, a power of two near the largest value, so that the program does not depend on the currency.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from mechopt.core.numbers import IntArray
from mechopt.histories.reports import HistoryTree


@dataclass(frozen=True)
class ColumnBlock:
    """Columns of one kind over the histories of one length.

    Attributes
    ----------
    kind : str
        ``"allocation"``, ``"lifetime utility"``, ``"realised utility"`` or ``"slot"``.
    length : int
        Of the histories; for allocations, before the period.
    first : int
        First column.
    shape : tuple of int
        ``(n, count[length])``, for allocations ``(n, count[length], *types[length])``.
    """

    kind: str
    length: int
    first: int
    shape: tuple[int, ...]

    @property
    def name(self) -> str:
        """Such as ``"allocation 0"``."""
        return f"{self.kind} {self.length}"

    def describe(self, column: int, tree: HistoryTree) -> str:
        """Say in words whose variable a column is, and after which history."""
        agent, node, *reports = (int(p) for p in np.unravel_index(column - self.first, self.shape))
        kind = f"slot {reports.pop()}" if self.kind == "slot" else self.kind
        words = f"{kind} of {tree.words.agent(agent)} {tree.after(self.length, node)}"
        return f"{words}, reports {tree.words.profile(self.length, reports)}" if reports else words


@dataclass(frozen=True, eq=False)
class Columns:
    """Column numbers by kind and period; see the module's docstring.

    Attributes
    ----------
    allocation, lifetime, realised, slots : tuples over t of int arrays
        Empty where the form has none.
    blocks : tuple of ColumnBlock
    count : int
    """

    allocation: tuple[IntArray, ...]
    lifetime: tuple[IntArray, ...]
    realised: tuple[IntArray, ...]
    blocks: tuple[ColumnBlock, ...]
    count: int
    slots: tuple[IntArray, ...] = ()

    @property
    def drawn(self) -> tuple[IntArray, ...]:
        """Columns that are 0 or 1 where nothing may be drawn."""
        return self.slots or self.allocation


def column_shapes(tree: HistoryTree, form: str, slots: bool = False) -> list[tuple[str, int, tuple[int, ...]]]:
    """Kind, length of history and shape of the blocks of columns of a form, in order."""
    n, periods = tree.environment.agents, tree.horizon
    shapes: list[tuple[str, int, tuple[int, ...]]]
    shapes = [("lifetime utility", t, (n, tree.count[t])) for t in range(periods + 1)]
    if form != "promise":
        shapes += [("allocation", t, (n, *tree.children(t))) for t in range(periods)]
    if form == "payment":
        shapes += [("realised utility", t, (n, tree.count[t])) for t in range(periods)]
    weights = tree.environment.slots if slots else None
    for t, row in enumerate(weights or ()):
        shapes.append(("slot", t, (n, *tree.children(t), len(row))))
    return shapes


def make_columns(tree: HistoryTree, form: str, slots: bool = False) -> Columns:
    """Number the columns of a form (``"promise"``, ``"utility"`` or ``"payment"``)."""
    arrays: dict[str, list[IntArray]] = {"lifetime utility": [], "allocation": [], "realised utility": [], "slot": []}
    blocks, first = [], 0
    for kind, length, shape in column_shapes(tree, form, slots):
        arrays[kind].append(np.arange(first, first + prod(shape)).reshape(shape))
        blocks.append(ColumnBlock(kind, length, first, shape))
        first += prod(shape)
    lifetime, allocation, realised, slot = arrays.values()
    if realised:
        realised.append(lifetime[-1])
    return Columns(tuple(allocation), tuple(lifetime), tuple(realised), tuple(blocks), first, tuple(slot))
