"""Reading a table of numbers for an estimate: a CSV file, or arrays; every fault with its line, column, value and fix.

The first line of a file names the columns. A missing cell (empty, ``NA``, ``N/A``, ``NaN``, ``null``, ``None``) is a
fault unless rows with one are to be dropped, and then they are counted. Nothing else is fixed or left out silently.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mechopt.core.errors import Fault, InputError, shortened
from mechopt.core.numbers import MAX_EXPONENT, FloatArray, IntArray
from mechopt.study.fit.cells import (
    MISSING,
    NUMBER,
    at_cell,
    by_kind,
    missing_fault,
    read_numbers,
    stated,
)

MAX_CSV_BYTES = 500_000_000
MOST_LINES = 10


@dataclass(frozen=True)
class Dropped:
    """Rows that an estimate leaves out, because it was told to.

    Attributes
    ----------
    reason : str
    rows : int
    first : tuple of int
        Where the first of them are.
    unit : str
        What ``first`` counts: lines of the file from 1, or positions in the array from 0.
    """

    reason: str
    rows: int
    first: tuple[int, ...]
    unit: str = "line"

    def __str__(self) -> str:
        more = ", ..." if self.rows > len(self.first) else ""
        at = f"{self.unit}{'s' * (self.rows != 1)} {', '.join(map(str, self.first))}{more}"
        return f"{self.rows} row{'s' * (self.rows != 1)}: {self.reason} ({at})"


@dataclass(frozen=True)
class Table:
    """Columns of numbers and of texts, all of one length.

    Attributes
    ----------
    numbers : mapping from a column's name to a float array ``(rows,)``
    texts : mapping from a column's name to an object array ``(rows,)``
    lines : int array ``(rows,)``
        Line in the file, from 1; or position in the array, from 0.
    name, digest : str
        The file and the SHA-256 of its content; empty for arrays.
    dropped : tuple of Dropped
    """

    numbers: Mapping[str, FloatArray]
    texts: Mapping[str, npt.NDArray[np.object_]]
    lines: IntArray
    name: str = ""
    digest: str = ""
    dropped: tuple[Dropped, ...] = ()

    def where(self, row: int, column: str) -> str:
        """Where a cell is, for messages."""
        return at_cell(self.lines, row, column) if self.name else f"{column}[{self.lines[row]}]"

    def place(self, row: int) -> str:
        """Where a row is, in words."""
        return f"{'line' if self.name else 'position'} {self.lines[row]}"

    def keep(self, kept: npt.NDArray[np.bool_], reason: str) -> Table:
        """The rows that are kept; the others are listed under the reason."""
        if kept.all():
            return self
        left = self.lines[~kept]
        first, unit = tuple(left[:MOST_LINES].tolist()), "line" if self.name else "position"
        return replace(
            self,
            numbers={name: column[kept] for name, column in self.numbers.items()},
            texts={name: column[kept] for name, column in self.texts.items()},
            lines=self.lines[kept],
            dropped=(*self.dropped, Dropped(reason, left.size, first, unit)),
        )

    def require(self, good: npt.NDArray[np.bool_], column: str, what: Callable[[int], str], fix: str) -> None:
        """Raise an `InputError` that lists the rows which are not good."""
        rows, unit = np.flatnonzero(~good), "line" if self.name else "position"
        faults = by_kind(rows, lambda row: Fault(self.where(row, column), what(row), fix), self.lines, unit)
        if faults:
            raise InputError(faults, self.name)


def bundled_data() -> dict[str, Path]:
    """Bundled data files by name, such as ``ebay-mario-kart-2009``; the fits take these names for a path.

    Examples
    --------
    >>> "ebay-mario-kart-2009" in bundled_data()
    True
    """
    package = Path(str(files("mechopt")))
    folder = next((f for f in (package / "data", package.parent / "data") if f.is_dir()), None)
    return {} if folder is None else {path.stem: path for path in sorted(folder.glob("*.csv"))}


def has_columns(data: Any) -> bool:
    """Whether data name their columns: a file, or a data frame of pandas."""
    return isinstance(data, (str, Path)) or is_frame(data)


def is_frame(data: Any) -> bool:
    """Whether data are a data frame of pandas, or look like one."""
    return hasattr(data, "columns") and hasattr(data, "iloc")


def read_csv(
    path: Any,
    numbers: Sequence[str],
    texts: Sequence[str] = (),
    drop_missing: bool = False,
    encoding: str = "utf-8-sig",
    delimiter: str = ",",
    currency: str = "",
) -> Table:
    """Read columns of a CSV file, of a bundled one by its name, or of a data frame.

    Parameters
    ----------
    path : path or pandas.DataFrame
    numbers, texts : sequences of str
        Names of the columns that are read as numbers and as they are; other columns are not looked at.
    drop_missing : bool
        Leave out rows with a missing cell in these columns, and count them.
    encoding, delimiter : str
        Of a file.
    currency : str
        A sign that may stand at numbers; see `read_numbers`.

    Raises
    ------
    InputError
        With every kind of fault once a column: line, column, value, how many there are, and fix.
    """
    wanted = list(dict.fromkeys([*numbers, *texts]))
    if is_frame(path):
        data, name, unit = b"", "", "row"
        cells, lines, blank = _cells_of_frame(path, wanted)
    else:
        data, name, unit = _bytes(_found(path)), str(path), "line"
        text = _decoded(data, encoding, name)
        _require_delimiter(delimiter)
        cells, lines, blank = _cells(text, wanted, delimiter, name)
    read: dict[str, FloatArray] = {}
    faults: list[Fault] = []
    empty = np.zeros(len(lines), dtype=bool)
    for column in wanted:
        if column in numbers:
            read[column], missing, bad = read_numbers(cells[column], column, lines, currency, unit)
            faults += bad
        else:
            missing = np.fromiter((cell.strip().lower() in MISSING for cell in cells[column]), bool, len(lines))
        if not drop_missing:
            faults += by_kind(np.flatnonzero(missing), partial(missing_fault, lines, column, unit=unit), lines, unit)
        empty |= missing
    if faults:
        raise InputError(faults, name)
    objects = {column: np.array(cells[column], dtype=object) for column in texts}
    digest = hashlib.sha256(data).hexdigest() if name else ""
    table = Table(read, objects, np.array(lines, dtype=np.int64), name, digest, blank)
    return table.keep(~empty, "a cell is missing")


def _cells_of_frame(frame: Any, wanted: Sequence[str]) -> tuple[dict[str, list[str]], list[int], tuple[Dropped, ...]]:
    """Cells of the wanted columns of a data frame as text, missing ones empty, and the number of each row from 0."""
    places = _places([str(column) for column in frame.columns], wanted, ",", "the data frame")
    cells = {}
    for column, place in zip(wanted, places, strict=True):
        entries = frame.iloc[:, place]
        known = entries.notna().tolist()
        cells[column] = [str(entry) if there else "" for entry, there in zip(entries.tolist(), known, strict=True)]
    if not len(frame):
        raise InputError("the data frame has no rows")
    return cells, list(range(len(frame))), ()


def columns_of(path: str | Path, encoding: str = "utf-8-sig", delimiter: str = ",") -> list[str]:
    """Names of the columns of a CSV file, or of a bundled one by its name.

    Examples
    --------
    >>> columns_of("ebay-mario-kart-2009")[:3]
    ['auction', 'days', 'bids']
    """
    text = _decoded(_bytes(_found(path)), encoding, str(path))
    _require_delimiter(delimiter)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        return [cell.strip() for cell in next(cells for cells in reader if cells)]
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num}: is not valid CSV ({error})") from None


def _found(path: str | Path) -> Path:
    """The file, or the bundled one of that name."""
    return Path(path) if os.path.exists(path) else bundled_data().get(str(path), Path(path))  # no error on odd names


def _require_delimiter(delimiter: str) -> None:
    if len(delimiter) != 1 or delimiter.isalnum() or delimiter in '"\r\n .-':
        raise InputError(f"delimiter {delimiter!r} is not a character such as , or ;")


def from_arrays(columns: Mapping[str, Any], drop_missing: bool = False) -> Table:
    """Make a table of arrays of one length; every fault by column and position. NaN is a missing entry.

    Parameters
    ----------
    columns : mapping
        From a name to a sequence of numbers.
    drop_missing : bool
        Leave out rows with a missing entry, and count them.

    Examples
    --------
    >>> table = from_arrays({"value": [1, float("nan"), 3]}, drop_missing=True)
    >>> table.numbers["value"], str(table.dropped[0])
    (array([1., 3.]), '1 row: an entry is missing (position 1)')
    """
    numbers: dict[str, FloatArray] = {}
    for name, given in columns.items():
        try:
            array = np.array(given, dtype=np.float64)
        except (TypeError, ValueError):
            raise InputError([Fault(name, f"{shortened(repr(given))} is not a list of numbers")]) from None
        if array.ndim != 1:
            raise InputError([Fault(name, f"has {array.ndim} axes", "give one, or the path of a CSV file")])
        rows = next(iter(numbers.values()), array).size
        if array.size != rows:
            raise InputError([Fault(name, f"has {array.size} entries for {rows} rows", "give one a row")])
        numbers[name] = array
    table = Table(numbers, {}, np.arange(rows))
    if drop_missing:
        table = table.keep(~np.isnan(np.array(list(numbers.values()))).any(axis=0), "an entry is missing")
    for name, array in table.numbers.items():
        finite = np.abs(array) <= 10.0**MAX_EXPONENT  # false for nan
        table.require(finite, name, partial(stated, array), "fix it, or drop rows with missing entries (drop_missing)")
    return table


def _bytes(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise InputError(f"{path}: is a folder; give a CSV file")
        size = path.stat().st_size
        if size > MAX_CSV_BYTES:
            raise InputError(f"{path}: {size:,} bytes; at most {MAX_CSV_BYTES:,}: keep the columns that are needed")
        with path.open("rb") as file:
            data = file.read(MAX_CSV_BYTES + 1)  # a pipe or a device tells no size
    except FileNotFoundError:
        near = get_close_matches(str(path), bundled_data(), n=1)
        fix = f"did you mean the bundled {near[0]}?" if near else f"bundled: {', '.join(bundled_data())}"
        raise InputError(f"{path}: no such file; {fix}") from None
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{shortened(str(path), 300)}: cannot read ({getattr(error, 'strerror', error)})") from None
    if len(data) > MAX_CSV_BYTES:
        raise InputError(f"{path}: is longer than {MAX_CSV_BYTES:,} bytes")
    if data.startswith(b"PK\x03\x04"):
        raise InputError(f"{path}: is a workbook or an archive, not a CSV file; export the sheet as CSV")
    return data


def _decoded(data: bytes, encoding: str, name: str) -> str:
    try:
        text = data.decode(encoding)
    except LookupError:
        raise InputError(f"encoding {encoding!r} is not known; such as utf-8, latin-1 or cp1252") from None
    except UnicodeError as error:
        start = getattr(error, "start", 0)
        at, byte = data[:start].count(b"\n") + 1, data[start]
        fix = "save it as UTF-8, or name its encoding (--encoding latin-1)"
        raise InputError(f"{name}: line {at}: byte 0x{byte:02x} is not {encoding} text; {fix}") from None
    if not text.strip():
        raise InputError(f"{name}: is empty; the first line names the columns, each further line is a row")
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise InputError(f"{name}: line {line}: holds a zero byte; this is no CSV text (or UTF-16: --encoding utf-16)")
    return text


def _cells(
    text: str, wanted: Sequence[str], delimiter: str, name: str
) -> tuple[dict[str, list[str]], list[int], tuple[Dropped, ...]]:
    """Cells of the wanted columns, the line on which each row begins, and blank lines between rows."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    lines: list[int] = []
    blank: list[int] = []
    ragged: list[tuple[int, int]] = []
    try:
        header = [cell.strip() for cell in next(cells for cells in reader if cells)]
        places = _places(header, wanted, delimiter, name)
        columns: list[list[str]] = [[] for _ in places]
        picked = list(zip(columns, places, strict=True))
        width, last = len(header), reader.line_num
        for cells in reader:
            if len(cells) == width:
                lines.append(last + 1)
                for column, place in picked:
                    column.append(cells[place])
            elif not cells:
                blank.append(last + 1)
            else:
                ragged.append((last + 1, len(cells)))
            last = reader.line_num
    except csv.Error as error:
        raise InputError(f"{name}: line {reader.line_num}: is not valid CSV ({error})") from None
    if ragged:
        fix = "put cells that hold a separator in quotes"
        at, counts = [line for line, _ in ragged], [count for _, count in ragged]
        said = [f"has {count} cells, the first line names {width} columns" for count in counts]
        rows = np.arange(len(ragged))
        raise InputError(by_kind(rows, lambda row: Fault(f"line {at[row]}", said[row], fix), at), name)
    if not lines:
        raise InputError(f"{name}: holds no rows below the line that names the columns")
    inside = [line for line in blank if line < lines[-1]]  # those at the end are no rows
    skipped = Dropped("the line is blank", len(inside), tuple(inside[:MOST_LINES]))
    return dict(zip(wanted, columns, strict=True)), lines, (skipped,) if inside else ()


def _places(header: Sequence[str], wanted: Sequence[str], delimiter: str, name: str) -> list[int]:
    faults = []
    for column in wanted:
        count = header.count(column)
        if count == 1:
            continue
        if count:
            faults.append(Fault("line 1", f"names column {column!r} {count} times", "rename all but one"))
            continue
        near = get_close_matches(column, header, n=1)
        fix = f"did you mean {near[0]!r}?" if near else f"columns: {shortened(', '.join(map(repr, header)), 200)}"
        others = [other for other in ";\t|" if other != delimiter and other in header[0]]
        if len(header) == 1 and others:
            fix = f"cells seem to be separated by {others[0]!r}: name it (--delimiter)"
        elif all(NUMBER.fullmatch(cell) for cell in header):
            fix = "the first line holds numbers; write the names of the columns above it"
        faults.append(Fault("", f"has no column {column!r}", fix))
    if faults:
        raise InputError(faults, name)
    return [header.index(column) for column in wanted]
