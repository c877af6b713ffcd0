"""Rows of a sweep, column by column: a million of them in some hundred megabytes.

A cell takes nine bytes, and a text what it takes once; rows are made of them when they are asked for.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import numpy as np

from mechopt.core.numbers import FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd

MISSING, FLOAT, WHOLE, TEXT, NOTHING, LONG = range(6)
"""Kinds of a cell: there is none, number, whole number, text, None, whole number too long for a float."""
EXACT = 2**53
Entry = TypeVar("Entry")


class Column:
    """Cells of one column by place."""

    def __init__(self) -> None:
        self.numbers, self.kinds = array("d"), bytearray()

    def put(self, place: int, cell: object, texts: dict[str, int]) -> None:
        """Add a cell after those that are there."""
        ahead = place - len(self.kinds)
        self.numbers.extend([0.0] * ahead)
        self.kinds.extend([MISSING] * ahead)
        kind, number = NOTHING, 0.0
        if isinstance(cell, float):
            kind, number = FLOAT, cell
        elif isinstance(cell, int) and abs(cell) <= EXACT:
            kind, number = WHOLE, float(cell)
        elif cell is not None:
            kind = LONG if isinstance(cell, int) else TEXT
            number = float(texts.setdefault(str(cell), len(texts)))
        self.numbers.append(number)
        self.kinds.append(kind)

    def cell(self, place: int, texts: list[str]) -> Any:
        """The cell at a place, where its kind is not `MISSING`."""
        kind, number = self.kinds[place], self.numbers[place]
        if kind == FLOAT:
            return number
        if kind == WHOLE:
            return int(number)
        if kind == NOTHING:
            return None
        return texts[int(number)] if kind == TEXT else int(texts[int(number)])

    def floats(self, count: int) -> FloatArray:
        """All cells as numbers, NaN where there is none; ``(count,)``."""
        kinds, found = np.frombuffer(bytes(self.kinds), dtype=np.uint8), np.full(count, np.nan)
        numeric = (kinds == FLOAT) | (kinds == WHOLE)
        found[: len(kinds)][numeric] = np.array(self.numbers)[numeric]
        return found


class Rows:
    """Points of a sweep: what varied, and the row; by number of the point."""

    def __init__(self) -> None:
        self.numbers, self.varied, self.columns = array("q"), dict[str, Column](), dict[str, Column]()
        self._texts = dict[str, int]()

    def __len__(self) -> int:
        return len(self.numbers)

    def add(self, number: int, varied: dict[str, Any], row: dict[str, Any]) -> None:
        """Add a point, in any order."""
        place = len(self.numbers)
        self.numbers.append(number)
        for columns, cells in ((self.varied, varied), (self.columns, row)):
            for key, cell in cells.items():
                if key not in columns:
                    columns[key] = Column()
                columns[key].put(place, cell, self._texts)

    def finished(self) -> Finished:
        """The rows in the order of their numbers."""
        return Finished(self.numbers, self.varied, self.columns, list(self._texts))


class Finished(Sequence[dict[str, Any]]):
    """Rows in the order of the study; a row is made when it is asked for.

    Attributes
    ----------
    numbers : int array ``(n,)``
        Of the points.
    varied, columns : dict of Column
        By name.
    """

    def __init__(self, numbers: array[int], varied: dict[str, Column], columns: dict[str, Column], texts: list[str]):
        self.order: IntArray = np.argsort(np.array(numbers, dtype=np.int64), kind="stable")
        self.numbers: IntArray = np.array(numbers, dtype=np.int64)[self.order]
        self.varied, self.columns, self.texts = varied, columns, texts

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, k: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, k: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, k: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(k, slice):
            return [self[j] for j in range(*k.indices(len(self)))]
        return self.made(k, self.columns)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self.made(k, self.columns) for k in range(len(self)))

    def made(self, k: int, columns: dict[str, Column]) -> dict[str, Any]:
        """The k-th row of some columns."""
        place = int(self.order[k])
        return {
            name: column.cell(place, self.texts)
            for name, column in columns.items()
            if place < len(column.kinds) and column.kinds[place] != MISSING
        }

    def numeric(self, name: str) -> FloatArray:
        """A column of numbers in the order of the rows, NaN where there is none."""
        if name not in self.columns:
            return np.full(len(self), np.nan)
        return self.columns[name].floats(len(self))[self.order]

    def counted(self, name: str) -> dict[str, int]:
        """How often each text stands in a column, in the order in which they come."""
        column = self.columns.get(name)
        if column is None:
            return {}
        codes = np.array(column.numbers, dtype=np.int64)[self.order]
        found, first, counts = np.unique(codes, return_index=True, return_counts=True)
        return dict(Counter({self.texts[found[j]]: int(counts[j]) for j in np.argsort(first)}))

    def to_frame(self, order: Callable[[str], Any]) -> pd.DataFrame:
        """All columns, sorted; what varied and the row side by side."""
        import pandas as pd

        both = self.varied | self.columns
        data = {name: self._series(both[name]) for name in sorted(both, key=order)}
        return pd.DataFrame(
            data, index=pd.Index(self.numbers, name="point"), columns=pd.Index(list(data), dtype=object)
        )

    def _series(self, column: Column) -> Any:
        """Whole numbers, numbers, or whatever there is."""
        kinds = np.zeros(len(self), dtype=np.uint8)
        kinds[: len(column.kinds)] = np.frombuffer(bytes(column.kinds), dtype=np.uint8)
        if not np.isin(kinds, (MISSING, FLOAT, WHOLE)).all():
            cells = (column.cell(p, self.texts) if kinds[p] != MISSING else np.nan for p in self.order.tolist())
            return np.fromiter(cells, dtype=object, count=len(self))
        numbers = column.floats(len(self))[self.order]
        return numbers.astype(np.int64) if (kinds == WHOLE).all() else numbers


class Lazy(Sequence[Entry], Generic[Entry]):
    """Entries that are made when they are asked for."""

    def __init__(self, count: int, make: Callable[[int], Entry]) -> None:
        self._count, self._make = count, make

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, k: int) -> Entry: ...
    @overload
    def __getitem__(self, k: slice) -> list[Entry]: ...
    def __getitem__(self, k: int | slice) -> Entry | list[Entry]:
        if isinstance(k, slice):
            return [self._make(j) for j in range(*k.indices(self._count))]
        if not -self._count <= k < self._count:
            raise IndexError(f"entry {k} of {self._count}")
        return self._make(k % self._count)

    def __iter__(self) -> Iterator[Entry]:
        return map(self._make, range(self._count))
