"""The fence ``{picture}`` with a text in place of the picture: code whose last line gives Axes, and what it draws."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

from mechopt.show.page.svg import inline_svg

if TYPE_CHECKING:
    from sphinx.application import Sphinx

FENCE = re.compile(r"^```\{picture\} ([^\n]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def drawn(code: str, label: str, prefix: str) -> str:
    """SVG of the Axes that the last line of some code gives."""
    *before, last = ast.parse(code).body
    assert isinstance(last, ast.Expr)
    names: dict[str, Any] = {}
    exec(compile(ast.Module(before, []), prefix, "exec"), names)
    return inline_svg(lambda: eval(compile(ast.Expression(last.value), prefix, "eval"), names), label, prefix)


def on_read(app: Sphinx, name: str, source: list[str]) -> None:
    """Expand the fences of a page."""
    count = 0

    def expand(match: re.Match[str]) -> str:
        nonlocal count
        count += 1
        svg = drawn(match[2], match[1], f"{name}-{count}-").replace("\n", " ")
        return f'```python\n{match[2]}```\n\n```{{raw}} html\n<figure class="picture">{svg}</figure>\n```'

    source[0] = FENCE.sub(expand, source[0])


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the fence."""
    app.connect("source-read", on_read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
