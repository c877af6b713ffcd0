"""The fence ``{keys}`` with the name of a kind of file: its tables and keys, from the models that read the file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel

from mechopt.modelfile.loading import KINDS
from mechopt.study.sweep.study_file import StudyFile

if TYPE_CHECKING:
    from sphinx.application import Sphinx

FENCE = re.compile(r"^```\{keys\} ([a-z]+)\n```$", re.MULTILINE)
FILES: dict[str, type[BaseModel]] = {**KINDS, "study": StudyFile}
SAID = {
    "title": "free text",
    "source": "free text: where the instance comes from",
    "kind": "the kind of the file",
    "solve": "defaults of `mechopt solve`",
    "seed": "whole number at least 0",
}
"""Keys that need no description of their own in the schema."""


def tables(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Tables of a file, each with how its head is written."""
    yield path, model
    for name, field in model.model_fields.items():
        for inner, many in _inner(field.annotation, False):
            where = f"{path.strip('[]')}.{name}".lstrip(".")
            yield from tables(inner, f"[[{where}]]" if many else f"[{where}]")


def _inner(annotation: Any, many: bool) -> Iterator[tuple[type[BaseModel], bool]]:
    """Models within a type, and whether in a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, many
    origin = getattr(annotation, "__origin__", None)
    for part in get_args(annotation):
        yield from _inner(part, many or origin in (list, tuple))


def _elsewhere(annotation: Any) -> str:
    """What a key without a description holds."""
    found = list(_inner(annotation, False))
    return ("tables, see there" if found[0][1] else "a table, see there") if found else "a number or name, see above"


def markdown(kind: str) -> str:
    """The tables of a kind of file."""
    lines = []
    for head, model in tables(FILES[kind]):
        lines += [f"**`{head}`**" if head else "**top level**", "", "| key | meaning |", "|---|---|"]
        for name, field in model.model_fields.items():
            words = field.description or SAID.get(name) or _elsewhere(field.annotation)
            if field.is_required():
                words += " (needed)"
            lines.append(f"| `{name}` | {words.replace('|', chr(92) + '|')} |")
        lines.append("")
    return "\n".join(lines)


def on_read(app: Sphinx, name: str, source: list[str]) -> None:
    """Expand the fences of a page."""
    source[0] = FENCE.sub(lambda match: markdown(match.group(1)), source[0])


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the fence."""
    app.connect("source-read", on_read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
