"""Text from outside on its way to a terminal, a message, a page or a picture.

Titles, names, keys and file names are chosen by whoever wrote the file. A control character in them is a command to a
terminal (ESC colours, moves, retitles), a direction mark turns the text around it, a line end forges a line of output.
"""

from __future__ import annotations

import re
from collections.abc import Callable

SUBSTITUTE = "?"


def printable(text: str, keep: str = "") -> str:
    r"""Replace every character that is not shown as itself.

    These are Unicode's control, format (direction marks, zero width), surrogate, private and unassigned characters and
    all separators but the space.

    Parameters
    ----------
    text : str
    keep : str
        Characters that stay, such as the line end of a text of several lines.

    Examples
    --------
    >>> printable("\x1b[31mred\n")
    '?[31mred?'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else SUBSTITUTE for c in text)


def escaped_json(document: str) -> str:
    r"""JSON with such characters written as ``\uXXXX``: a reader gets the same strings, a terminal no command.

    Parameters
    ----------
    document : str
        JSON, in which they can stand within strings only; line ends between its tokens stay.

    Examples
    --------
    >>> print(escaped_json('["\u202e"]'))
    ["\u202e"]
    """
    return _escaped(document, _pairs)


def escaped_toml(text: str) -> str:
    r"""A TOML string with such characters written as ``\uXXXX`` or ``\UXXXXXXXX``, halves of characters as ``?``."""
    return _escaped(text, _point)


def _escaped(text: str, escape: Callable[[str], str]) -> str:
    return re.sub(r"[^\n -~]", lambda found: found[0] if found[0].isprintable() else escape(found[0]), text)


def _pairs(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[k : k + 4]}" for k in range(0, len(units), 4))


def _point(character: str) -> str:
    code = ord(character)
    if 0xD800 <= code < 0xE000:
        return SUBSTITUTE
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
