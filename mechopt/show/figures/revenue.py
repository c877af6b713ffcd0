"""Revenue of mechanisms where no optimum is known: takes a comparison and an Axes, draws, and returns the Axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mechopt.show.figures.axes import own_axes, titled
from mechopt.show.figures.comparison import BAR, MARK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mechopt.study.compare.comparison import Comparison


def revenue_bars(comparison: Comparison, axes: Axes | None = None) -> Axes:
    """Revenue of each mechanism, and bounds on every mechanism as broken lines.

    Parameters
    ----------
    comparison : Comparison
    axes : matplotlib Axes, optional
        Where to draw; default a figure of its own (``axes.figure``).

    Returns
    -------
    matplotlib.axes.Axes
    """
    entries = [entry for entry in comparison.entries if entry.computed != "bound"][::-1]
    bounds = [entry for entry in comparison.entries if entry.computed == "bound"]
    axes = own_axes(axes, 7.0, 1.0 + 0.38 * len(entries))
    places = np.arange(len(entries))
    revenues = [entry.revenue for entry in entries]
    axes.barh(places, revenues, color=BAR, height=0.62)
    amounts = [0.0, *revenues, *(entry.revenue for entry in bounds)]
    low, high = min(amounts), max(amounts)
    width = (high - low) or 1.0
    for place, entry in enumerate(entries):
        axes.text(max(entry.revenue, 0.0) + 0.01 * width, place, f"{entry.revenue:.4g}", va="center", fontsize=9)
    for entry in bounds:
        axes.axvline(entry.revenue, color=MARK, linewidth=2, linestyle="--", label=f"{entry.name} {entry.revenue:.4g}")
    if bounds:
        axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.0)
    axes.set_yticks(places, [entry.name for entry in entries])
    axes.set_xlabel("revenue")
    axes.set_xlim(low - (0.02 * width if low < 0 else 0.0), high + 0.12 * width)
    axes.spines[["top", "right"]].set_visible(False)
    return titled(axes, "Revenue")
