"""Where a picture is drawn that was given no Axes, and how it becomes a file."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mechopt.core.atomic import require_target, write_atomically
from mechopt.core.errors import InputError
from mechopt.core.printable import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def own_axes(axes: Axes | None, width: float, height: float) -> Axes:
    """Return the Axes that were given, or those of a new figure, in inches.

    Raises
    ------
    InputError
        If matplotlib is not installed; it says how to.
    """
    if axes is not None:
        return axes
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != "matplotlib":
            raise
        raise InputError('pictures need matplotlib; pip install "mechopt[notebook]"') from None
    own = Figure(figsize=(width, height), layout="constrained").subplots()
    setattr(own, "_repr_png_", partial(_png, own))  # noqa: B010 - a notebook asks the instance, which has no such method
    return own


def titled(axes: Axes, title: str) -> Axes:
    """Write a title above Axes that have none, as it is, and give the Axes back."""
    if title and not any(axes.get_title(loc=place) for place in ("left", "center", "right")):
        axes.set_title(title, fontsize=10, loc="left", parse_math=False)
    return axes


def _png(axes: Axes) -> bytes:
    """The figure of these Axes, for a notebook whose cell ends with them."""
    from io import BytesIO

    file = BytesIO()
    with plain_texts():
        figure_of(lambda: axes).savefig(file, format="png", dpi=110)
    return file.getvalue()


@contextmanager
def plain_texts() -> Iterator[None]:
    """Draw texts as they are: a dollar sign in a name is not a formula; letters that the font lacks are no news."""
    import matplotlib

    with matplotlib.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def figure_of(draw: Callable[[], Axes]) -> Figure:
    """Draw, and give the figure, whose texts are printable."""
    from matplotlib.text import Text

    figure = draw().get_figure(root=True)
    assert figure is not None
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        if not text.get_text().isprintable():
            text.set_text(printable(text.get_text(), keep="\n"))
    return figure


def picture_ending(path: str | Path) -> str:
    """How a picture's file ends, which says its format.

    Raises
    ------
    InputError
        If that is none of PNG, SVG and PDF.
    """
    ending = Path(path).suffix.lower().removeprefix(".")
    if ending not in ("png", "svg", "pdf"):
        raise InputError(f"{path}: pictures end in .png, .svg or .pdf")
    return ending


def save_picture(draw: Callable[[], Axes], path: str | Path) -> None:
    """Draw to a PNG, SVG or PDF file, by its ending, whole or not at all.

    Raises
    ------
    InputError
        If the ending is another, or the file cannot be written; before anything is drawn.
    """
    ending = picture_ending(path)
    require_target(path)
    with plain_texts():
        figure = figure_of(draw)
        write_atomically(path, lambda file: figure.savefig(file, format=ending, dpi=150))
