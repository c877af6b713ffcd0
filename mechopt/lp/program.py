"""A sparse linear program in named blocks.

maximise ``cost @ x + offset`` subject to ``row_lower <= A x <= row_upper`` and ``lower <= x <= upper``, A stored by
rows. Rows come in families (`Rows`), each an array over the index that names them, so that every row can say which
constraint, agent, period, history and types it stands for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from mechopt.core.numbers import Array, FloatArray, IntArray, readonly
from mechopt.histories.reports import HistoryTree
from mechopt.lp.independent.columns import Columns

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True)
class Rows:
    """One family of rows, all of one width.

    Parameters
    ----------
    columns : int array ``(*axes, width)``
        Column numbers; rows are numbered by the leading axes in C order.
    coefficients : array broadcastable to ``columns``
        Zeros are dropped when the program is assembled.
    lower, upper : float, or array broadcastable to the leading axes
        ``lower <= row <= upper`` for every row.
    """

    columns: IntArray
    coefficients: Array
    lower: float | FloatArray
    upper: float | FloatArray


class Described(Protocol):
    """Rows that can say what they are about."""

    @property
    def name(self) -> str:
        """Of the constraint, or what else the rows are for."""

    def describe(self, index: int, tree: Any) -> str:
        """Say in words what row number ``index`` of the family demands."""


class NamedColumns(Protocol):
    """Columns of one kind that can say whose they are."""

    @property
    def name(self) -> str:
        """Unique in a program."""

    @property
    def kind(self) -> str:
        """Such as ``"allocation"``."""

    @property
    def first(self) -> int:
        """First column."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the block."""

    def describe(self, column: int, tree: Any) -> str:
        """Say in words whose variable a column is."""


@dataclass(frozen=True)
class RowFamily:
    """Meaning and size of a family of rows, known before it is built.

    Parameters
    ----------
    name : str
        Constraint, or ``supply`` or ``promise``.
    agent : int or None
    period : int
        Period of the history in ``axes`` (its length).
    axes : tuple of (str, int)
        Names and sizes of the row index, such as ``(("history", 9), ("pair", 4))``.
    width : int
        Non-zeros a row, zeros dropped.
    build : callable
        Makes the rows from the columns.
    pairs : int array ``(P, 2)``
        (true type, report) for each entry of an axis ``pair``.
    """

    name: str
    agent: int | None
    period: int
    axes: tuple[tuple[str, int], ...]
    width: int
    build: Callable[[Columns], Rows]
    pairs: IntArray | None = None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return prod(size for _, size in self.axes)

    @property
    def nonzeros(self) -> int:
        """Number of non-zeros of all rows together."""
        return self.rows * self.width

    def describe(self, index: int, tree: HistoryTree) -> str:
        """Say in words what row number ``index`` of this family demands of whom, when and after which history."""
        if self.axes == (("row", 1),):
            return self.name
        t, known, words = self.period, tree.words, [self.name]
        if self.agent is not None:
            words.append(known.agent(self.agent))
        if self.axes[:1] != (("row", self.rows),):
            words.append(f"period {t}")
        place = np.unravel_index(index, tuple(size for _, size in self.axes)) if self.axes else ()
        for (axis, size), at in zip(self.axes, place, strict=True):
            position = int(at)
            if axis == "history":
                words.append(tree.after(t, position))
            elif axis == "pair" and self.pairs is not None and self.agent is not None:
                true, report = (known.type(t, self.agent, int(k)) for k in self.pairs[position])
                words.append(f"true type {true}, report {report}")
            elif axis == "type" and self.agent is not None:
                words.append(f"type {known.type(t, self.agent, position)}")
            elif axis == "report profile":
                words.append(f"reports {known.profile(t, np.unravel_index(position, tree.shape[t]))}")
            elif axis == "others' profile" and self.agent is not None:
                words.append(f"others' types {_others(position, t, self.agent, tree)}" if size > 1 else "")
            else:
                words.append(f"{axis} {position}")
        return ", ".join(filter(None, words))


def _others(position: int, t: int, agent: int, tree: HistoryTree) -> str:
    """The types of all others but one, by the number of their profile."""
    rest = [j for j in range(len(tree.shape[t])) if j != agent]
    types = np.unravel_index(position, tuple(tree.shape[t][j] for j in rest))
    return "/".join(tree.words.type(t, j, int(k)) for j, k in zip(rest, types, strict=True))


@dataclass(frozen=True, eq=False)
class LinearProgram:
    """Maximise ``cost @ x + offset`` over ``row_lower <= A x <= row_upper``, ``lower <= x <= upper``.

    Attributes
    ----------
    cost : float array ``(columns,)``
    offset : float
    lower, upper : float arrays ``(columns,)``
    start, index, value : arrays
        A by rows: row r has the columns ``index[start[r]:start[r+1]]`` and coefficients ``value[...]``.
    row_lower, row_upper : float arrays ``(rows,)``
    families : tuple of (first row, RowFamily)
    column_blocks : tuple of ColumnBlock
        Named variables.
    tree : HistoryTree, or PublicTree where types persist
        For the names of histories.
    periods : int
        Of its histories, which say how often its numbers were rounded; 1 for a program that is given in rows.
    integer : int array
        Columns that are to be whole numbers; `mechopt.solve.highs.solve_program` leaves this out of account.
    """

    cost: FloatArray
    offset: float
    lower: FloatArray
    upper: FloatArray
    start: IntArray
    index: IntArray
    value: FloatArray
    row_lower: FloatArray
    row_upper: FloatArray
    families: tuple[tuple[int, Described], ...]
    column_blocks: Sequence[NamedColumns]
    tree: Any
    periods: int = 1
    integer: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def size(self) -> tuple[int, int, int]:
        """Rows, columns, non-zeros."""
        return len(self.row_lower), len(self.cost), len(self.value)

    @property
    def matrix(self) -> csr_array:
        """A as a scipy sparse array."""
        from scipy.sparse import csr_array

        return csr_array((self.value, self.index, self.start), shape=self.size[:2])

    def describe_row(self, row: int) -> str:
        """Say in words what a row stands for."""
        starts = [first for first, _ in self.families]
        first, family = self.families[int(np.searchsorted(starts, row, side="right")) - 1]
        return family.describe(row - first, self.tree)

    def describe_column(self, column: int) -> str:
        """Say in words what a column stands for."""
        block = next(block for block in reversed(self.column_blocks) if column >= block.first)
        return block.describe(column, self.tree)

    def scaled(self, unit: float) -> LinearProgram:
        """The same program with its objective in money of the environment; the columns stay in units."""
        return replace(self, cost=readonly(self.cost * unit), offset=self.offset * unit)

    def with_rows(self, name: str, columns: Any, coefficients: Any, lower: float, upper: float) -> LinearProgram:
        """Add a family of rows of one's own, for example a budget.

        Parameters
        ----------
        name : str
            Named in reports of conflicts.
        columns, coefficients : arrays ``(rows, width)``
            Column numbers from the layout, and coefficients, in the units of the program (see `Layout.unit`).
        lower, upper : float
            ``lower <= row <= upper``.
        """
        rows = Rows(np.asarray(columns), np.asarray(coefficients, dtype=np.float64), lower, upper)
        family = RowFamily(name, None, 0, (("row", len(rows.columns)),), rows.columns.shape[-1], lambda _: rows)
        start, index, value, row_lower, row_upper = assemble([rows])
        return replace(
            self,
            start=readonly(np.concatenate([self.start, self.start[-1] + start[1:]]), np.int64),
            index=readonly(np.concatenate([self.index, index]), np.int64),
            value=readonly(np.concatenate([self.value, value])),
            row_lower=readonly(np.concatenate([self.row_lower, row_lower])),
            row_upper=readonly(np.concatenate([self.row_upper, row_upper])),
            families=(*self.families, (self.size[0], family)),
        )


def whole_numbers(asked: bool, allocation: Sequence[IntArray]) -> IntArray:
    """Columns of the allocation where nothing may be drawn, else none."""
    return np.concatenate([block.ravel() for block in allocation]) if asked else np.zeros(0, np.int64)


def assemble(blocks: Sequence[Rows]) -> tuple[IntArray, IntArray, FloatArray, FloatArray, FloatArray]:
    """Stack families of rows: ``start, index, value, row_lower, row_upper`` of the matrix by rows, zeros dropped."""
    counts, index, value = [np.zeros(1, np.int64)], [], []
    lower, upper = list[FloatArray](), list[FloatArray]()
    for rows in blocks:
        width = rows.columns.shape[-1]
        columns = rows.columns.reshape(-1, width)
        coefficients = np.broadcast_to(rows.coefficients, rows.columns.shape).reshape(-1, width)
        if np.all(rows.coefficients):
            counts.append(np.full(len(columns), width, np.int64))
            index.append(columns.ravel())
            value.append(coefficients.ravel())
        else:
            kept = coefficients != 0
            counts.append(kept.sum(axis=1))
            index.append(columns[kept])
            value.append(coefficients[kept])
        for sides, side in ((lower, rows.lower), (upper, rows.upper)):
            sides.append(np.broadcast_to(side, rows.columns.shape[:-1]).astype(np.float64).ravel())
    if not blocks:
        return np.zeros(1, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0), np.zeros(0)
    return (
        np.cumsum(np.concatenate(counts)),
        np.concatenate(index),
        np.concatenate(value).astype(np.float64, copy=False),
        np.concatenate(lower),
        np.concatenate(upper),
    )
