"""Formulas as MathML, which browsers draw by themselves: pages need no script and no network."""

import re
from html import escape
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
TERM = r"(\{[^{}]*\}|\\[A-Za-z]+|[A-Za-z])"
REWRITTEN = (
    (re.compile(r"\\[bB]igg?[lrm]?(?![A-Za-z])"), ""),  # brackets stretch by themselves
    (re.compile(rf"(\\(?:bar|hat|tilde))\s*{TERM}_"), r"\1{\2}{}_"),  # else the subscript would stand below
    (re.compile(rf"'\^{TERM}"), r"^{\\prime \1}"),
    (re.compile(r"'"), r"^{\\prime}"),
)
"""What docutils' reader of formulas does not do well, and what is written instead."""


def markup(node: nodes.math | nodes.math_block) -> str:
    """MathML of a formula; one that cannot be read is a warning, and so an error of the build."""
    tex = node.astext()
    for pattern, instead in REWRITTEN:
        tex = pattern.sub(instead, tex)
    try:
        return str(tex2mathml(tex, as_block=isinstance(node, nodes.math_block)))
    except MathError as error:
        LOGGER.warning("formula %r: %s", tex, error, location=node)
        return f"<code>{escape(tex)}</code>"


def inline(translator: Any, node: nodes.math) -> None:
    """Write a formula within a line."""
    translator.body.append(markup(node))
    raise nodes.SkipNode


def display(translator: Any, node: nodes.math_block) -> None:
    """Write a formula on a line of its own."""
    translator.body.append(f'<div class="formula">{markup(node)}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer."""
    app.add_html_math_renderer("mathml", (inline, None), (display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
