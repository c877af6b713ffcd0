"""The text of a file that a user names."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

from mechopt.core.errors import InputError, shortened

MAX_FILE_BYTES = 10_000_000


def text_of(path: str | Path, known: Mapping[str, Path], kind: str) -> str:
    """Read a file, or a bundled one by its name.

    Parameters
    ----------
    path : path or name
    known : mapping
        Bundled files by name.
    kind : str
        What it holds, for messages, such as ``"model"``.

    Raises
    ------
    InputError
        If there is none, it is too long, or no UTF-8 text.
    """
    try:
        found = Path(path)
        if not found.exists() and str(path) in known:
            found = known[str(path)]
        if found.is_dir():
            raise InputError(f"{path}: is a folder; give one of the .toml files in it")
        size = found.stat().st_size
        if size > MAX_FILE_BYTES:
            raise InputError(f"{path}: {size:,} bytes; {kind} files have at most {MAX_FILE_BYTES:,}")
        with found.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)  # a pipe or a device tells no size
        if len(data) > MAX_FILE_BYTES:
            raise InputError(f"{path}: is longer than {kind} files, which have at most {MAX_FILE_BYTES:,} bytes")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not a UTF-8 text; {kind} files are TOML") from None
    except FileNotFoundError:
        near = get_close_matches(str(path), known, n=1)
        listed = "mechopt models lists the bundled ones" if kind == "model" else f"bundled: {', '.join(known)}"
        fix = f"did you mean the bundled {near[0]}?" if near else listed
        raise InputError(f"{path}: no such file; {fix}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{shortened(str(path), 300)}: cannot read ({getattr(error, 'strerror', error)})") from None
