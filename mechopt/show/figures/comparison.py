"""Pictures: each takes a result and an Axes, draws, and returns the Axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mechopt.show.figures.axes import own_axes, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mechopt.study.compare.comparison import Comparison

BAR, MARK = "#3b528b", "#d95f02"
"""Colours that differ in lightness, so that they survive grey print and colour blindness."""


def ratio_bars(comparison: Comparison, axes: Axes | None = None) -> Axes:
    """Share of the optimum that each mechanism earns, and the share that the literature guarantees; bounds left out.

    Parameters
    ----------
    comparison : Comparison
    axes : matplotlib Axes, optional
        Where to draw; default a figure of its own (``axes.figure``).

    Returns
    -------
    matplotlib.axes.Axes
    """
    entries = [e for e in comparison.entries if not np.isnan(e.ratio) and e.computed != "bound"][::-1]
    axes = own_axes(axes, 7.0, 1.0 + 0.38 * len(entries))
    places = np.arange(len(entries))
    axes.barh(places, [entry.ratio for entry in entries], color=BAR, height=0.62)
    for place, entry in enumerate(entries):
        axes.text(max(entry.ratio, 0.0) + 0.01, place, f"{entry.ratio:.3f}", va="center", fontsize=9)
    guaranteed = [(place, float(e.guarantee)) for place, e in zip(places, entries, strict=True) if e.guarantee]
    if guaranteed:
        x = [share for _, share in guaranteed]
        y = np.array([place for place, _ in guaranteed])
        axes.vlines(x, y - 0.42, y + 0.42, color=MARK, linewidth=3, label="guaranteed share")
        axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.0)
    axes.set_yticks(places, [entry.name for entry in entries], parse_math=False)
    axes.set_xlabel("revenue / optimal revenue")
    ratios = [0.0, 1.0, *(entry.ratio for entry in entries)]
    axes.set_xlim(min(ratios), 1.12 * max(ratios))
    axes.spines[["top", "right"]].set_visible(False)
    return titled(axes, "Share of the optimal revenue")
