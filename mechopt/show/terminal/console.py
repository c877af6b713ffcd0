"""Standard output and standard error, on a terminal and elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

from mechopt.core.printable import printable

if TYPE_CHECKING:
    from rich.status import Status


ELSEWHERE = 200
"""Width of tables that do not go to a terminal."""


def say(text: str) -> None:
    """Write lines to standard output; of what a terminal would obey only line ends."""
    _write(sys.stdout, text)


def tell(text: str) -> None:
    """Write lines to standard error, as `say`."""
    _write(sys.stderr, text)


def _write(stream: TextIO, text: str) -> None:
    text = printable(text, keep="\n") + "\n"
    try:
        try:
            stream.write(text)
        except UnicodeEncodeError:  # letters that the terminal's encoding lacks
            stream.write(text.encode(stream.encoding, "backslashreplace").decode(stream.encoding))
    except BrokenPipeError:
        drop(stream)


def drop(stream: TextIO) -> None:
    """Nobody takes what is written to a stream: it goes nowhere from here on, and the work goes on."""
    with suppress(OSError, ValueError):  # a stream without a descriptor
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def flush() -> None:
    """Send on what is written so far; a reader who has left is no fault.

    Raises
    ------
    OSError
        If it cannot be written, as on a full disk; it is dropped then.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            drop(stream)
        except OSError:
            drop(stream)
            raise


def show_rows(rows: list[tuple[str, str]]) -> None:
    """Label and text by line; wrapped and coloured on a terminal, one line each elsewhere."""
    rows = [(printable(label), printable(text)) for label, text in rows]
    if not sys.stdout.isatty():
        width = max((len(label) for label, _ in rows), default=0)
        for label, text in rows:
            say(f"{label:<{width}}  {text}")
        return
    from rich.console import Console
    from rich.text import Text

    from mechopt.show.terminal.fitted import paragraph

    console = Console(markup=False, highlight=False)
    width = max((len(label) for label, _ in rows), default=0)
    for label, text in rows:
        style = "red" if "VIOLATED" in text or "UNDECIDED" in text else ""
        for k, line in enumerate(paragraph(text, max(console.width - width - 2, 20)) or [""]):
            name = label if k == 0 else ""
            console.print(Text.assemble((f"{name:<{width}}  ", "bold"), (line, style)), soft_wrap=True)


def show_table(header: list[str], rows: list[list[str]], left: tuple[int, ...] | None = None) -> None:
    """Columns under a header, as wide as the terminal; no word is cut.

    Where they are too many to stand side by side, the others follow in a table of their own.

    Parameters
    ----------
    header : list of str
    rows : list of lists of str
    left : tuple of int, optional
        Columns that are set flush left; default the first and the last.
    """
    from shutil import get_terminal_size

    from mechopt.show.terminal.fitted import fitted, side_by_side

    left = (0, len(header) - 1) if left is None else left
    right = [column for column in range(len(header)) if column not in left]
    printed = [[printable(cell) for cell in row] for row in rows]
    width = get_terminal_size((80, 24)).columns if sys.stdout.isatty() else ELSEWHERE
    names = [printable(name) for name in header]
    for group in side_by_side(names, printed, width):
        part = [[row[k] for k in group] for row in printed]
        for line in fitted([names[k] for k in group], part, [k for k, c in enumerate(group) if c in right], width):
            say(line)


class Shown:
    """A line on a terminal that says how far long work is; call it with iterations and seconds."""

    def __init__(self, status: Status, label: str) -> None:
        self.status, self.label, self.between = status, label, ""

    def __call__(self, iterations: int, seconds: float) -> None:
        """Show counters, behind the bracket where one is known."""
        self.status.update(f"{self.label}: {self.between}{iterations:,} iterations, {seconds:.1f} s")

    def bracket(self, lower: float, upper: float, seconds: float) -> None:
        """Show between what the optimum lies so far."""
        width = f" (width {(upper - lower) / abs(upper):.1e})" if upper else ""
        self.between = f"{lower:.9g} <= optimum <= {upper:.9g}{width}, "
        self.status.update(f"{self.label}: {self.between}{seconds:.1f} s")

    def pieces(self, count: int, share: float) -> None:
        """Show how many pieces of a formula there are so far, and the share of the interval that they cover."""
        self.status.update(f"{self.label}: {count} pieces, {share:.2%} of the interval")


@contextmanager
def progress_shown(label: str) -> Iterator[Shown | None]:
    """Show the solver's iterations and seconds, or its bracket, on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console

    with Console(stderr=True, markup=False).status(label) as status:
        yield Shown(status, label)
