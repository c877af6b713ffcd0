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


def side_by_side(header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[list[int]]:
    """Columns of a table in groups that fit, each with the first column, which names the rows.

    Parameters
    ----------
    header : sequence of str
    rows : sequence of sequences of str
    width : int

    Examples
    --------
    >>> side_by_side(["name", "first", "second"], [["a", "1", "2"]], width=13)
    [[0, 1], [0, 2]]
    """
    least = [
        max(len(word) for cell in column for word in [*cell.split(), ""]) for column in zip(header, *rows, strict=True)
    ]
    groups = [[0]]
    for column in range(1, len(least)):
        here = [*groups[-1], column]
        if len(groups[-1]) > 1 and sum(least[k] for k in here) + len(GAP) * (len(here) - 1) > width:
            groups.append([0, column])
        else:
            groups[-1] = here
    return groups


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
