"""The folder of a sweep: one file a point, named by its content, written whole or not at all.

A file's name is the SHA-256 of the model's text, what is recorded and the library's version: whoever asks for the same
point finds it, whatever the study; a point that differs in anything is another file. The file holds the model, what is
recorded, the row, and the SHA-256 of these: a row that was changed, by chance or by hand, does not fit and is computed
again. (Who wants to deceive can compute a digest too; who recomputes finds it out.)
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mechopt.core.atomic import write_atomically
from mechopt.core.errors import InputError
from mechopt.core.reading import read_regular
from mechopt.study.sweep.point import STATUSES, Recording, Row, point_key

MAX_BYTES = 40_000_000
"""Largest file of a point that is read; its model has at most a quarter."""


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

    Attributes
    ----------
    damaged : list of Path
        Files that were read and did not fit their digest, or could not be read.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = make_folder(Path(folder) / "points")
        self.damaged = list[Path]()

    def path(self, text: str, recording: Recording) -> Path:
        """Where the row of a point is kept."""
        key = point_key(text, recording)
        return self.folder / key[:2] / f"{key}.json"

    def read(self, text: str, recording: Recording) -> Row | None:
        """The row of a point, or None where there is none, or none that fits its digest."""
        path = self.path(text, recording)
        if not path.exists():
            return None
        try:
            kept = json.loads(read_regular(path, MAX_BYTES))
            row = kept["row"]
            if kept["digest"] == _digest(text, recording, row) and _well_formed(row):
                return dict(row)
        except (InputError, ValueError, TypeError, LookupError, RecursionError):
            pass
        self.damaged.append(path)
        return None

    def write(self, text: str, recording: Recording, row: Row) -> None:
        """Keep the row of a point, with its model and what was recorded."""
        path = self.path(text, recording)
        path.parent.mkdir(exist_ok=True)
        digest = _digest(text, recording, row)
        document = {"model": text, "recording": asdict(recording), "row": row, "digest": digest}
        write_atomically(path, lambda file: _write(file, json.dumps(document, ensure_ascii=False, indent=1)))


def _digest(text: str, recording: Recording, row: object) -> str:
    return hashlib.sha256(json.dumps([text, asdict(recording), row], sort_keys=True).encode()).hexdigest()


def _well_formed(row: object) -> bool:
    """Whether something is a row: known status, plain cells."""
    if not isinstance(row, dict) or row.get("status") not in STATUSES:
        return False
    return all(cell is None or isinstance(cell, (str, int, float)) for cell in row.values())


def _write(file: Any, text: str) -> None:
    file.write(text.encode())
