"""Files that are written whole or not at all, and only where a regular file is or may be.

A symbolic link is followed: the file that it points to is replaced, the link stays. A device, pipe, socket or folder is
refused, whoever asks; `require_target` refuses it before the work whose result would go there.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from mechopt.core.errors import InputError

KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISDIR, "Is a directory"),
    (stat.S_ISCHR, "Is a device"),
    (stat.S_ISBLK, "Is a device"),
    (stat.S_ISFIFO, "Is a pipe"),
    (stat.S_ISSOCK, "Is a socket"),
)
"""What there may be in place of a regular file."""


_begun: set[str] = set()


def kind_of_file(mode: int) -> str:
    """Kind of a file that is not a regular one, in words; empty for a regular one.

    Examples
    --------
    >>> kind_of_file(os.stat(os.curdir).st_mode)
    'Is a directory'
    """
    if stat.S_ISREG(mode):
        return ""
    return next((words for test, words in KINDS if test(mode)), "Is not a regular file")


def require_target(path: str | Path) -> Path:
    """Find the place where a file would be written, and refuse what cannot be one.

    Parameters
    ----------
    path : path
        Of a file that need not exist.

    Returns
    -------
    Path
        With all links followed.

    Raises
    ------
    InputError
        If something else than a regular file is there, or there is no folder that can be written to.

    Examples
    --------
    >>> require_target(os.curdir)
    Traceback (most recent call last):
    ...
    mechopt.core.errors.InputError: .: cannot write (Is a directory); name a regular file
    """
    try:
        try:
            kind = kind_of_file(os.stat(path).st_mode)
        except FileNotFoundError:
            kind = ""
        if kind:
            raise InputError(f"{path}: cannot write ({kind}); name a regular file")
        target = Path(os.path.realpath(path))
        if not stat.S_ISDIR(os.stat(target.parent).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(target.parent, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except InputError:
        raise
    except (OSError, ValueError) as error:  # a name with NUL, too long, a loop of links
        raise InputError(f"{path}: cannot write ({getattr(error, 'strerror', None) or error})") from None
    return target


def write_atomically(path: str | Path, write: Callable[[IO[bytes]], None]) -> None:
    """Let ``write`` fill a temporary file beside the target, then move it there; on failure nothing is left.

    Raises
    ------
    InputError
        As `require_target`, or if the disk is full.
    """
    target = require_target(path)
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".writing-")
    except OSError as error:
        raise InputError(f"{path}: cannot write ({error.strerror})") from None
    _begun.add(name)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        os.replace(name, require_target(target))
    except OSError as error:
        raise InputError(f"{path}: cannot write ({error.strerror})") from None
    finally:
        Path(name).unlink(missing_ok=True)
        _begun.discard(name)


def remove_begun() -> None:
    """Remove temporary files of a process that is about to leave without further ado."""
    for name in tuple(_begun):
        Path(name).unlink(missing_ok=True)
