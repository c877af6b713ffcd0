"""The fence ``{api}`` on a page: one public name a line becomes a table of these and their docstrings."""

import inspect
import re
from enum import Enum
from operator import attrgetter
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

import mechopt

PUBLIC = {*mechopt.__all__, *(name for space in mechopt.NAMESPACES for name in getattr(mechopt, space).__all__)}
FENCE = re.compile(r"^```\{api\}\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def names(source: str) -> list[str]:
    """Names that the fences of a page list."""
    return [name for block in FENCE.findall(source) for name in block.split()]


def entry(name: str) -> str:
    """Directive that documents a public name, ``optimum`` or ``errors.LimitError``."""
    value = attrgetter(name)(mechopt)
    space, _, own = name.rpartition(".")
    module = f".. currentmodule:: {'mechopt.' + space if space else 'mechopt'}\n\n"
    if inspect.isclass(value):
        kind = "autoexception" if issubclass(value, BaseException) else "autoclass"
        if issubclass(value, Enum):
            return f"{module}.. {kind}:: {own}\n   :undoc-members:\n"
    else:
        kind = "autofunction" if callable(value) else "autodata"
    return f"{module}.. {kind}:: {own}\n"


def expand(block: re.Match[str]) -> str:
    """One fence as reStructuredText within a page in Markdown."""
    listed = block.group(1).split()
    table = "".join(f"   {name}\n" for name in listed)
    lines = [".. currentmodule:: mechopt\n", f".. autosummary::\n   :nosignatures:\n\n{table}", *map(entry, listed)]
    return "```{eval-rst}\n" + "\n".join(lines) + "```"


def on_read(app: Sphinx, name: str, source: list[str]) -> None:
    """Expand the fences of a page."""
    source[0] = FENCE.sub(expand, source[0])


def tidy(app: Sphinx, document: nodes.document) -> None:
    """Leave words of docstrings, such as `values`, unlinked to some attribute of that name; call attributes so."""
    for reference in list(document.findall(addnodes.pending_xref)):
        first = reference.get("reftarget", "").lstrip("~.").split(".")[0]
        if reference.get("refdomain") == "py" and first != "mechopt" and first not in PUBLIC:
            reference.replace_self(reference.children)
    for name in document.findall(nodes.field_name):
        if name.astext() == "Variables":  # as Sphinx calls what numpydoc calls attributes
            name[0] = nodes.Text("Attributes")
    for text in list(document.findall(nodes.Text)):
        if text == " -- ":  # as Sphinx sets names off from what is said of them
            text.parent.replace(text, nodes.Text(" – "))
    for image in document.findall(nodes.image):
        image.setdefault("alt", "what the code above draws")  # of notebooks


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the fence."""
    app.connect("source-read", on_read)
    app.connect("doctree-read", tidy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
