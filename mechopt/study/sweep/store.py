"""The folder of a sweep: one file a point, named by its content, written whole or not at all.

A file's name is the SHA-256 of the model's text, what is recorded and the library's version: whoever asks for the same
point finds it, whatever the study; a point that differs in anything is another file.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mechopt.core.atomic import write_atomically
from mechopt.core.errors import InputError
from mechopt.study.sweep.point import Recording, Row, point_key


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
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = make_folder(Path(folder) / "points")

    def path(self, text: str, recording: Recording) -> Path:
        """Where the row of a point is kept."""
        key = point_key(text, recording)
        return self.folder / key[:2] / f"{key}.json"

    def read(self, text: str, recording: Recording) -> Row | None:
        """The row of a point, or None where there is none, or none that can be read."""
        try:
            kept = json.loads(self.path(text, recording).read_bytes())
        except (OSError, ValueError):
            return None
        row = kept.get("row") if isinstance(kept, dict) else None
        return row if isinstance(row, dict) and isinstance(row.get("status"), str) else None

    def write(self, text: str, recording: Recording, row: Row) -> None:
        """Keep the row of a point, with its model and what was recorded."""
        path = self.path(text, recording)
        path.parent.mkdir(exist_ok=True)
        document = {"model": text, "recording": asdict(recording), "row": row}
        write_atomically(path, lambda file: _write(file, json.dumps(document, ensure_ascii=False, indent=1)))


def _write(file: Any, text: str) -> None:
    file.write(text.encode())
