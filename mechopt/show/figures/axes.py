"""Where a picture is drawn that was given no Axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mechopt.core.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
    return Figure(figsize=(width, height), layout="constrained").subplots()
