"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from mechopt.core.errors import InputError


def write_atomically(path: str | Path, write: Callable[[IO[bytes]], None]) -> None:
    """Let ``write`` fill a temporary file beside the target, then move it there; on failure nothing is left.

    Raises
    ------
    InputError
        If the folder does not exist or cannot be written to.
    """
    path = Path(path)
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise InputError(f"{path}: cannot write ({error.strerror})") from None
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        os.replace(name, path)
    except OSError as error:
        raise InputError(f"{path}: cannot write ({error.strerror})") from None
    finally:
        Path(name).unlink(missing_ok=True)
