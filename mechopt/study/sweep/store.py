"""The folder of a sweep: rows by what they are about, in SQLite files that only grow.

A row is found by the SHA-256 of the model's text, what is recorded and the library's version: whoever asks for the same
point finds it, whatever the study; a point that differs in anything is another row. Beside it stand the model, what was
recorded, and the SHA-256 of all of these: a row that was changed, by chance or by hand, does not fit and is computed
again. (Who wants to deceive can compute a digest too; who recomputes finds it out.)

Rows are written in transactions: a process that is killed, or a machine that loses power, leaves those of whole batches
and nothing else. Each shard of a sweep writes a file of its own, so that jobs may share a folder on a network; all
files of the folder are read.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from mechopt.core.atomic import kind_of_file
from mechopt.core.errors import InputError
from mechopt.study.sweep.point import STATUSES, Recording, Row, point_key

MAX_BYTES = 10_000_000
"""Longest text of a row that is read."""
WAIT_SECONDS = 60.0
"""For another process that writes to the same file."""
TABLES = (
    "CREATE TABLE IF NOT EXISTS recordings (id INTEGER PRIMARY KEY, recording TEXT NOT NULL UNIQUE)",
    "CREATE TABLE IF NOT EXISTS points (key TEXT NOT NULL UNIQUE, row TEXT NOT NULL, digest TEXT NOT NULL, "
    "recording INTEGER NOT NULL REFERENCES recordings, model TEXT NOT NULL)",
)
ASKED = f"SELECT key, CASE WHEN length(row) <= {MAX_BYTES} THEN row END, digest FROM points WHERE key IN ({{}})"
KEPT = "INSERT OR REPLACE INTO points (key, row, digest, recording, model) VALUES (?, ?, ?, ?, ?)"


def make_folder(path: Path) -> Path:
    """Make a folder where it does not exist.

    Raises
    ------
    InputError
        If it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot make this folder ({error.strerror}); give another with --out") from None
    return path


class Store:
    """Rows by point.

    Parameters
    ----------
    folder : path
        Made where it does not exist.
    name : str
        Of the file that is written to, below ``points``.

    Attributes
    ----------
    damaged : list of str
        Rows that did not fit their digest, and files that cannot be read.

    Raises
    ------
    InputError
        If the folder or the file cannot be written to, or the file is something else.
    """

    def __init__(self, folder: str | Path, name: str = "rows") -> None:
        self.folder = make_folder(Path(folder) / "points")
        self.path = self.folder / f"{name}.sqlite"
        self.damaged = list[str]()
        try:
            self._own = _opened(self.path, new=True)
            with self._own:
                for table in TABLES:
                    self._own.execute(table)
        except (sqlite3.Error, OSError) as error:
            what = f"{self.path}: cannot keep rows in this file ({error})"
            raise InputError(f"{what}; move it away, or give another folder with --out") from None
        self._recordings = dict[str, int]()
        self._all = [(self.path, self._own), *self._others()]

    def _others(self) -> Iterable[tuple[Path, sqlite3.Connection]]:
        for path in sorted(self.folder.glob("*.sqlite")):
            if path != self.path:
                try:
                    yield path, _opened(path, new=False)
                except (sqlite3.Error, OSError):
                    self.damaged.append(str(path))

    @property
    def empty(self) -> bool:
        """Whether no row is kept."""
        return not any(self._asked(path, file, "SELECT 1 FROM points LIMIT 1", ()) for path, file in self._all)

    def read(self, texts: Sequence[str], recording: Recording) -> dict[str, Row]:
        """The rows of some points by the text of their models, without those of which none fits its digest."""
        keys = {point_key(text, recording): text for text in texts}
        found = dict[str, Row]()
        for path, file in self._all:
            query = ASKED.format(", ".join("?" * len(keys)))
            for key, kept, digest in self._asked(path, file, query, tuple(keys)):
                row = _row(kept)
                if row is not None and digest == _digest(keys[key], recording, row):
                    found[keys[key]] = row
                else:
                    self.damaged.append(f"{path}: row {key}")
        return found

    def _asked(
        self, path: Path, file: sqlite3.Connection, query: str, values: tuple[str, ...]
    ) -> list[tuple[str, object, object]]:
        try:
            return file.execute(query, values).fetchall()
        except sqlite3.Error:
            if str(path) not in self.damaged:
                self.damaged.append(str(path))
            return []

    def write(self, rows: Mapping[str, Row], recording: Recording) -> None:
        """Keep rows by the text of their models, all of them or none.

        Raises
        ------
        InputError
            If the file cannot be written to.
        """
        kept = [
            (point_key(text, recording), json.dumps(row, ensure_ascii=False), _digest(text, recording, row), text)
            for text, row in rows.items()
        ]
        try:
            with self._own:
                number = self._number(recording)
                self._own.executemany(KEPT, [(key, row, digest, number, text) for key, row, digest, text in kept])
        except sqlite3.Error as error:
            raise InputError(f"{self.path}: cannot keep rows ({error}); rows before these are kept") from None

    def _number(self, recording: Recording) -> int:
        text = json.dumps(asdict(recording), sort_keys=True)
        if text not in self._recordings:
            self._own.execute("INSERT OR IGNORE INTO recordings (recording) VALUES (?)", (text,))
            (number,) = self._own.execute("SELECT id FROM recordings WHERE recording = ?", (text,)).fetchone()
            self._recordings[text] = int(number)
        return self._recordings[text]

    def close(self) -> None:
        """Close the files."""
        for _, file in self._all:
            file.close()


def _opened(path: Path, new: bool) -> sqlite3.Connection:
    """Open a file of rows; only a regular one."""
    if path.exists() and (kind := kind_of_file(path.stat().st_mode)):
        raise OSError(f"it is {kind}")
    mode = "rwc" if new else "rw"
    file = sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", timeout=WAIT_SECONDS, uri=True)
    try:
        file.execute("PRAGMA trusted_schema = OFF")
        file.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        file.close()
        raise
    return file


def kept_rows(folder: str | Path) -> list[tuple[str, Row]]:
    """Keys and rows of all files of a folder, in the order in which they were kept; whatever their digests."""
    found = list[tuple[str, Row]]()
    for path in sorted((Path(folder) / "points").glob("*.sqlite")):
        with closing(_opened(path, new=False)) as file:
            found += [(key, json.loads(row)) for key, row in file.execute("SELECT key, row FROM points ORDER BY rowid")]
    return found


def _digest(text: str, recording: Recording, row: object) -> str:
    return hashlib.sha256(json.dumps([text, asdict(recording), row], sort_keys=True).encode()).hexdigest()


def _row(text: object) -> Row | None:
    """A row that was kept, if it is one: known status, plain cells."""
    if not isinstance(text, str):
        return None
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or row.get("status") not in STATUSES:
        return None
    return row if all(cell is None or isinstance(cell, (str, int, float)) for cell in row.values()) else None
