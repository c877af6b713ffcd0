"""Reading files of others: regular files only, without waiting, and no more of them than asked for."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from mechopt.core.atomic import kind_of_file
from mechopt.core.errors import InputError, shortened


def open_regular(path: str | Path) -> io.FileIO:
    """Open a file that is a regular one; a pipe would wait, a device has no end.

    Raises
    ------
    OSError
        If it cannot be opened.
    InputError
        If it is something else.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    handle = os.open(path, flags)
    try:
        if kind := kind_of_file(os.fstat(handle).st_mode):
            raise InputError(f"{path}: cannot read ({kind}); name a regular file")
        return io.FileIO(handle)
    except BaseException:
        os.close(handle)
        raise


def read_regular(path: str | Path, limit: int) -> bytes:
    """Read a regular file of at most so many bytes.

    Parameters
    ----------
    path : path
    limit : int
        Bytes.

    Raises
    ------
    InputError
        If it is something else, is longer, or cannot be read.
    """
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            data = file.read(limit + 1) if size <= limit else None
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: cannot read ({getattr(error, 'strerror', None) or error})") from None
    if data is None or len(data) > limit:
        raise InputError(f"{path}: has {size:,} bytes, at most {limit:,} are read")
    return data


def distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object in which every key stands once; the ``object_pairs_hook`` of `json.loads`.

    Raises
    ------
    ValueError
        With the key that stands twice.
    """
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"key {shortened(key)!r} stands twice")
        found[key] = value
    return found
