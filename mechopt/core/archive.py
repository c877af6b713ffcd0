"""Reading numpy ``.npz`` archives that others wrote: no pickles, and nothing is inflated before its size is agreed.

A member says in the archive's directory how large it is and in its own header of a few bytes which shape and type its
numbers have. Both must be what the reader asks for before the numbers are read, so that a small file cannot ask for
more memory than what it is to hold. Only regular files are opened: a pipe would wait, a device has no end.
"""

from __future__ import annotations

import io
import json
import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np

from mechopt.core.errors import InputError, LimitError, shortened
from mechopt.core.numbers import Array
from mechopt.core.reading import open_regular

HEADER_BYTES = 65536
"""Largest JSON header."""
DIRECTORY_BYTES = 2**24
"""Most that is read at once of an archive as it lies on the disk: its directory."""
MEMORY_SHARE = 0.5
"""Of the memory that is free, what the numbers of one file may take."""
DAMAGES = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    tokenize.TokenError,
    SyntaxError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    EOFError,
    OverflowError,
    MemoryError,
    Warning,
    RuntimeError,  # encrypted, an unknown compression, a header nested without end
)
"""What Python and numpy raise on the files of others."""

WORDS = {"f": "floats", "i": "whole numbers", "fi": "numbers", "u": "bytes"}
"""Kinds of numbers in words."""

Shape = tuple[int, ...]


class _Bounded(io.BufferedReader):
    """A file of which nobody reads a large part at once, whatever the archive says of itself."""

    def read(self, size: int | None = -1, /) -> bytes:
        there = os.fstat(self.fileno()).st_size - self.tell()
        if (there if size is None or size < 0 else min(size, there)) > DIRECTORY_BYTES:
            raise zipfile.BadZipFile("its directory is too large")
        return super().read(size)


class Archive:
    """An archive that is open for reading; see `open_archive`.

    Parameters
    ----------
    path : path
        For messages.
    members : zipfile.ZipFile
    """

    def __init__(self, path: str | Path, members: zipfile.ZipFile) -> None:
        self.path, self._members, self._promised = path, members, 0
        self.names = {name.removesuffix(".npy") for name in members.namelist() if name.endswith(".npy")}

    def header(self) -> dict[str, Any]:
        """The JSON object of the column ``header``."""
        if "header" not in self.names:
            raise LookupError("it has no header")
        size = self._member("header").file_size
        if size > HEADER_BYTES:
            raise InputError(f"{self.path}: header is larger than this version writes; the file is damaged")
        with self._members.open("header.npy") as file:
            shape, dtype = _described(file)
        if len(shape) != 1 or dtype != np.uint8 or not 0 <= shape[0] <= size:
            raise InputError(f"{self.path}: header is not a text; the file is damaged")
        header = json.loads(self.column("header", shape, kinds="u").tobytes())
        if not isinstance(header, dict):
            raise InputError(f"{self.path}: header is not an object; the file is damaged")
        return header

    def column(self, name: str, *shapes: Shape, kinds: str = "f") -> Array:
        """Read one column, whose size and header are compared with what is asked for before its numbers are inflated.

        Parameters
        ----------
        name : str
        *shapes : tuples of int
            One of these it must have.
        kinds : str
            numpy's letters of the kinds of numbers that it may hold; at most 8 bytes each.

        Raises
        ------
        InputError
            If it is missing, or something else.
        LimitError
            If the columns of this file together take more memory than there is.
        """
        member = self._member(name)
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InputError(f"{self.path}: {name} is compressed in a way that numpy does not write")
        wanted = max(map(prod, shapes))
        if member.file_size > 8 * wanted + HEADER_BYTES:
            raise InputError(f"{self.path}: {name} is larger than this environment asks for; the file is damaged")
        with self._members.open(member) as file:
            shape, dtype = _described(file)
            rest = member.file_size - file.tell()
        if shape not in shapes or dtype.kind not in kinds or dtype.itemsize > 8:
            asked = " or ".join(str(s[0]) if len(s) == 1 else str(s) for s in dict.fromkeys(shapes))
            found = f"{name} has shape {shape} of {shortened(str(dtype))}"
            raise InputError(f"{self.path}: {found}, expected {asked} {WORDS[kinds]}; the file is damaged")
        if prod(shape) * dtype.itemsize != rest:
            raise InputError(f"{self.path}: {name} has shape {shape}, but not as many numbers; the file is damaged")
        self.require_memory(member.file_size)
        with self._members.open(member) as file:
            column: Array = np.lib.format.read_array(file, allow_pickle=False)
        return column

    def _member(self, name: str) -> zipfile.ZipInfo:
        if name not in self.names:
            raise InputError(f"{self.path}: has no {name}; the file is damaged")
        return self._members.getinfo(f"{name}.npy")

    def require_memory(self, size: int) -> None:
        """Refuse numbers of so many bytes, in addition to those before, where they would not fit.

        Raises
        ------
        LimitError
        """
        import psutil

        self._promised += size
        limit = int(MEMORY_SHARE * psutil.virtual_memory().available)
        if self._promised > limit:
            raise LimitError(
                f"{self.path}: holds at least {self._promised:,} bytes of numbers, the limit on this machine is "
                f"{limit:,}; use one with more memory"
            )


def _described(file: Any) -> tuple[Shape, np.dtype[Any]]:
    """Shape and type of the numbers that follow in an open member."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    with catch_warnings():
        simplefilter("error")  # of headers that numpy does not write
        shape, _, dtype = read(file)
    return shape, dtype


@contextmanager
def open_archive(path: str | Path, what: str = "a mechanism file") -> Iterator[Archive]:
    """Open an archive; whatever is wrong with it within the block becomes an `InputError` that names the file.

    Parameters
    ----------
    path : path
    what : str
        What it is to be, for messages.

    Raises
    ------
    InputError
        If it is no regular file, cannot be read, or is damaged.
    """
    try:
        with _Bounded(open_regular(path)) as file, zipfile.ZipFile(file) as members:
            yield Archive(path, members)
    except InputError as error:
        raise error if str(path) in str(error) else InputError(error.faults, str(path)) from None
    except OSError as error:
        raise InputError(f"{path}: cannot read ({error.strerror or error})") from None
    except DAMAGES as error:
        reason = shortened(str(error), 200)
        raise InputError(f"{path}: not {what}, or damaged ({reason}); write one with --save") from None
