"""Docstrings as Sphinx's reader of numpydoc understands them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

TOGETHER = re.compile(r"^(\w+(?:, \w+)+)( :.*|)$")


def one_by_one(lines: Iterable[str]) -> Iterator[str]:
    """Attributes that are listed together, ``lower, upper : float``, each by itself with what is said of all."""
    before, section = "", ""
    heads: list[str] = []
    body: list[str] = []
    for line in lines:
        if line and not line.strip("-"):
            section = before
        together = TOGETHER.match(line) if section == "Attributes" else None
        if len(heads) > 1 and line.startswith(" "):
            body.append(line)
        else:
            yield from (part for head in heads for part in (head, *body))
            heads = [f"{name}{together[2]}" for name in together[1].split(", ")] if together else [line]
            body = []
        before = line
    yield from (part for head in heads for part in (head, *body))


def on_docstring(app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Prepare a docstring, before it is read."""
    lines[:] = list(one_by_one(lines))


def setup(app: Sphinx) -> dict[str, Any]:
    """Come before the reader of numpydoc."""
    app.connect("autodoc-process-docstring", on_docstring, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
