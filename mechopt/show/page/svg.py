"""A picture as inline SVG of a page: no file, no network, colours that follow the page's light and dark.

matplotlib writes the SVG, with text as text. What would clash in a page that holds several (ids, a style sheet for all
elements, a document type) is taken out, the ink becomes the page's ``currentColor``, the two colours of
`mechopt.show.figures.comparison` its custom properties ``--bar`` and ``--mark``, and what lies between the first and
white a mixture with its ``--paper``.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from mechopt.show.figures.axes import figure_of, plain_texts
from mechopt.show.figures.comparison import BAR, MARK
from mechopt.show.page.page import writable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SVG, LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
INK = "#010203"
"""Stands for the page's ink until the picture is in the page."""
INKED = (
    "text.color",
    "axes.labelcolor",
    "axes.edgecolor",
    "xtick.color",
    "ytick.color",
    "axes.titlecolor",
    "hatch.color",
)
COLOURS = {
    INK: "currentColor",
    "#262626": "currentColor",
    "#333333": "currentColor",
    "#444444": "currentColor",
    "#595959": "currentColor",
    "#b34d00": "var(--mark)",
    BAR: "var(--bar)",
    MARK: "var(--mark)",
}
"""Ink and the two colours of `mechopt.show.figures.comparison`, which a page has for light and for dark."""
HEX = re.compile(r"#[0-9a-f]{6}\b")
WHITE, NEAR = 255, 3
PAPER = re.compile(r"#fff(fff)?\b")
LONG = re.compile(r"(\d+\.\d{2})\d+")
REFERENCE = re.compile(r"url\(#([^)]+)\)")


def inline_svg(draw: Callable[[], Axes], label: str, prefix: str) -> str:
    """Draw, and give the SVG element.

    Parameters
    ----------
    draw : callable
        Draws and returns the Axes.
    label : str
        What the picture shows, for those who do not see it.
    prefix : str
        Of ids, to keep them apart from those of other pictures.
    """
    import matplotlib

    inked: dict[Any, Any] = dict.fromkeys(INKED, INK)
    plain: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": prefix,
        "savefig.transparent": True,
    }
    buffer = io.StringIO()
    with matplotlib.rc_context({**inked, **plain}), plain_texts():
        figure_of(draw).savefig(buffer, format="svg", metadata={"Date": None})
    return _for_page(writable(buffer.getvalue()), label, prefix)


def _for_page(document: str, label: str, prefix: str) -> str:
    """The root element of an SVG document, without what belongs to documents."""
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", LINK)
    root = ElementTree.fromstring(document)
    for parent in root.iter():
        for child in [child for child in parent if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style")]:
            parent.remove(child)
    used = {name for element in root.iter() for value in element.attrib.values() for name in REFERENCE.findall(value)}
    used |= {target[1:] for element in root.iter() if (target := element.get(f"{{{LINK}}}href", "")).startswith("#")}
    for element in root.iter():
        _adapt(element, used, prefix)
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    wide, high = root.attrib["viewBox"].split()[2:]
    root.attrib.update({"role": "img", "aria-label": label, "style": f"--wide: {wide}pt; aspect-ratio: {wide}/{high}"})
    return ElementTree.tostring(root, encoding="unicode")


def _mixed(colour: str) -> str:
    """Colour between paper and the bars', as the page's own mixture of them; else the colour itself."""
    given, bar = (np.array([int(text[k : k + 2], 16) for k in (1, 3, 5)]) for text in (colour, BAR))
    share = float(np.mean((WHITE - given) / (WHITE - bar)))
    near = np.abs(WHITE - share * (WHITE - bar) - given).max() <= NEAR
    if not near or not 0.01 < share < 0.99:
        return colour
    return f"color-mix(in srgb, var(--bar) {100 * share:.0f}%, var(--paper))"


def _adapt(element: ElementTree.Element, used: set[str], prefix: str) -> None:
    """Ids, references, colours and digits of one element."""
    is_text = element.tag == f"{{{SVG}}}text"
    for key, value in list(element.attrib.items()):
        if key == "id":
            if value in used:
                element.set(key, f"{prefix}-{value}")
            else:
                del element.attrib[key]
        elif key == f"{{{LINK}}}href" and value.startswith("#"):
            element.set(key, f"#{prefix}-{value[1:]}")
        elif not value.startswith("data:"):
            value = REFERENCE.sub(rf"url(#{prefix}-\1)", value)
            for colour, named in COLOURS.items():
                value = value.replace(colour, named)
            value = HEX.sub(lambda found: _mixed(found[0]), value)
            if not is_text:
                value = PAPER.sub("var(--paper)", value)
            element.set(key, LONG.sub(r"\1", value))
    if element.tag != f"{{{SVG}}}text" and element.text is not None and not element.text.strip():
        element.text = "\n"
    if element.tail is not None and not element.tail.strip():
        element.tail = "\n"
