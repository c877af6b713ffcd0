"""Tables of text in a given width: cells wrap between words, and no word is ever cut."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

WIDTH = 80
GAP = "  "


def fitted(
    header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = (), width: int = WIDTH
) -> list[str]:
    r"""Lines of a table, no wider than asked for unless a single word is.

    Parameters
    ----------
    header : sequence of str
    rows : sequence of sequences of str
    right : sequence of int
        Columns that are set flush right.
    width : int

    Examples
    --------
    >>> print("\n".join(fitted(["name", "what it is"], [["price", "one for all"]], width=16)))
    name   what it
           is
    ────────────────
    price  one for
           all
    """
    columns = list(zip(header, *rows, strict=True))
    least = [max(len(word) for cell in column for word in [*cell.split(), ""]) for column in columns]
    wide = [max(map(len, column)) for column in columns]
    room = width - len(GAP) * (len(wide) - 1)
    while sum(wide) > room and wide != least:
        widest = max(range(len(wide)), key=lambda k: (wide[k] > least[k], wide[k]))
        wide[widest] = max(least[widest], wide[widest] - max(1, (sum(wide) - room) // len(wide)))
    total = sum(wide) + len(GAP) * (len(wide) - 1)
    body = [line for row in rows for line in _wrapped(row, wide, right)]
    return [*_wrapped(header, wide, right), "─" * total, *body]


def _wrapped(row: Sequence[str], wide: Sequence[int], right: Sequence[int]) -> list[str]:
    """One row as lines."""
    cells = [
        wrap(cell, size, break_long_words=False, break_on_hyphens=False) if cell else []
        for cell, size in zip(row, (max(size, 1) for size in wide), strict=True)
    ]
    lines = []
    for k in range(max(1, *map(len, cells))):
        parts = [cell[k] if k < len(cell) else "" for cell in cells]
        placed = [
            part.rjust(size) if column in right else part.ljust(size)
            for column, (part, size) in enumerate(zip(parts, wide, strict=True))
        ]
        lines.append(GAP.join(placed).rstrip())
    return lines


def paragraph(text: str, width: int = WIDTH) -> list[str]:
    """A text as lines, no word cut."""
    return wrap(text, width, break_long_words=False, break_on_hyphens=False)
