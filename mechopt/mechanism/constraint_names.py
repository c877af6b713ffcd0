"""Notions by their names on the command line and in files."""

from __future__ import annotations

from difflib import get_close_matches

from mechopt.core.errors import Fault, InputError
from mechopt.mechanism.constraints import ALL_NOTIONS, Notion, as_notions


def notion_named(name: str) -> Notion:
    """Look up a notion by its name on the command line.

    Raises
    ------
    InputError
        With the nearest name.
    """
    names = {notion.name: notion for notion in ALL_NOTIONS}
    if name in names:
        return names[name]
    near = get_close_matches(name.lower(), names, n=1)
    mend = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}"
    raise InputError([Fault("", f"{name!r} is not a notion", mend)])


def parse_notions(text: str, role: str) -> tuple[Notion, ...]:
    """Read ``"ppic+indu"``; ``"none"`` for none.

    Examples
    --------
    >>> parse_notions("ppic+indu", "ic")
    (PPIC(), INDU())
    """
    if text.strip() == "none":
        return ()
    return as_notions([notion_named(part.strip()) for part in text.split("+")], role)
