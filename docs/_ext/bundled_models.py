"""The fence ``{models}``: bundled models by topic, each with its title, from their files."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from mechopt.modelfile import bundled

if TYPE_CHECKING:
    from sphinx.application import Sphinx

FENCE = "```{models}\n```"
TOPICS = {
    "independent": "Types independent across periods",
    "markov": "Persistent types",
    "separable": "An initial signal and what is learned later",
    "interdependent": "Correlated signals and interdependent values",
    "scenarios": "A seller who does not know the future",
}
"""By kind of model file, in the order of the page."""


def by_topic() -> dict[str, list[tuple[str, str]]]:
    """(name, title) of the bundled models of each topic.

    Raises
    ------
    KeyError
        If a kind of file has no topic yet.
    """
    found: dict[str, list[tuple[str, str]]] = {topic: [] for topic in TOPICS.values()}
    for name, path in sorted(bundled().items()):
        file = tomllib.loads(path.read_text(encoding="utf-8"))
        found[TOPICS[file["kind"]]].append((name, str(file.get("title", ""))))
    return found


def tables() -> str:
    """Markdown: a table a topic."""
    parts = []
    for topic, models in by_topic().items():
        rows = "\n".join(f"| `{name}` | {title} |" for name, title in models)
        parts.append(f"### {topic}\n\n| model | about |\n|---|---|\n{rows}")
    return "\n\n".join(parts)


def on_read(app: Sphinx, name: str, source: list[str]) -> None:
    """Expand the fence of a page."""
    if FENCE in source[0]:
        source[0] = source[0].replace(FENCE, tables())


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the fence."""
    app.connect("source-read", on_read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
