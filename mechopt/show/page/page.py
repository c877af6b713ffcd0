"""The page of a report: templates, tables, what a reader needs to compute it again.

A page is one file. Its content security policy allows no network and no script but its own, which is named by its hash;
everything that comes from models and names is escaped.
"""

from __future__ import annotations

import base64
import hashlib
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mechopt.core.atomic import require_target, write_atomically
from mechopt.core.errors import InputError
from mechopt.core.printable import printable

if TYPE_CHECKING:
    from jinja2 import Environment

LIBRARIES = ("mechopt", "numpy", "scipy", "highspy", "matplotlib")
"""Whose versions a report names."""
MOST_TEXT = 20_000
"""Characters of a model file that a report shows."""


SPACES = "\n\t\u00a0\u2009\u202f"
"""Separators that a page may hold."""


def writable(text: str) -> str:
    """Text without control characters, which neither HTML nor XML has a way to write, and without direction marks."""
    return printable(text, SPACES)


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    label : str
    numeric : bool
        Set flush right.
    narrow : bool
        Whether the label stands upright, for a column of marks.
    group : str
        Heading above neighbouring columns.
    explained : str
        What the column says, on its heading.
    """

    label: str
    numeric: bool = False
    narrow: bool = False
    group: str = ""
    explained: str = ""


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes
    ----------
    text : str
    key : float, str or None
        To sort by; None, for what is unknown, comes last.
    mark : str
        ``"kept"``, ``"broken"``, ``"undecided"`` or ``"open"`` for a constraint, else empty.
    target : str
        Id of what a click on the cell shows.
    """

    text: str
    key: float | str | None = None
    mark: str = ""
    target: str = ""


@dataclass(frozen=True)
class Table:
    """A table that sorts by each of its columns; the first column heads the rows."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Headings above the columns and how many columns each spans; empty where there are none."""
        spans: list[tuple[str, int]] = []
        for column in self.columns:
            if spans and spans[-1][0] == column.group:
                spans[-1] = (column.group, spans[-1][1] + 1)
            else:
                spans.append((column.group, 1))
        return spans if any(group for group, _ in spans) else []


@dataclass(frozen=True)
class Picture:
    """A figure: the SVG element, and what stands below it."""

    svg: str
    caption: str


@dataclass(frozen=True)
class Origin:
    """How a page came about.

    Attributes
    ----------
    command : str
        On the command line, or Python.
    seed : str
        In words.
    fingerprints : tuple of (str, str)
        What, SHA-256.
    model : str
        Text of the model or study file.
    """

    command: str
    seed: str
    fingerprints: tuple[tuple[str, str], ...]
    model: str = ""
    versions: tuple[tuple[str, str], ...] = field(default_factory=lambda: tuple(versions()))

    @property
    def shown(self) -> str:
        """The text, as far as a page shows it."""
        return (
            self.model
            if len(self.model) <= MOST_TEXT
            else f"{self.model[:MOST_TEXT]}\n… ({len(self.model):,} characters)"
        )


def versions() -> list[tuple[str, str]]:
    """Python, the system and the libraries that a report rests on."""
    found = [("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")]
    for name in LIBRARIES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return found


@cache
def _environment() -> Environment:
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError:
        raise InputError('reports need jinja2; pip install "mechopt[report]"') from None
    loader = PackageLoader("mechopt.show.page", "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def render(template: str, scripts: tuple[str, ...] = (), base: str = "script.js", **context: Any) -> str:
    """Fill a template of ``templates/``, whose script is allowed by its hash.

    Parameters
    ----------
    template : str
    scripts : tuple of str
        Files of ``templates/`` that run after the first.
    base : str
        The first: that of all reports, or a page's own; none where it is empty.
    context
        What the template names.

    Raises
    ------
    InputError
        If jinja2 is not installed.
    """
    environment = _environment()
    script = "\n".join(environment.get_template(name).render() for name in (base, *scripts) if name)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    from markupsafe import Markup

    page = environment.get_template(template).render(context, script=Markup(script), script_hash=f"sha256-{digest}")
    return writable(page)


def file_text(name: str, bundled: Mapping[str, Path]) -> str:
    """The text of a file, or of a bundled one by its name, to be shown; nothing where it cannot be read again."""
    path = Path(name)
    if not os.path.isfile(path) and name in bundled:
        path = bundled[name]
    try:
        text = path.read_text("utf-8-sig", errors="replace") if os.path.isfile(path) else ""
    except (OSError, ValueError):
        return ""
    return text.replace("\r\n", "\n")


def require_report(path: str | Path) -> None:
    """Refuse before long work where a page could not be made or written afterwards.

    Raises
    ------
    InputError
        If jinja2 is not installed, or there is no such folder.
    """
    _environment()
    if os.path.isdir(path) or not os.path.isdir(Path(path).parent):
        raise InputError(f"{path}: cannot write a page there; name a file in a folder that exists")
    require_target(path)


def write_report(page: str, path: str | Path) -> None:
    """Write a page, whole or not at all.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    content = page.encode()
    write_atomically(path, lambda file: _write(file, content))


def _write(file: Any, content: bytes) -> None:
    file.write(content)
