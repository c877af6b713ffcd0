"""The frontier as a picture: takes a result and an Axes, draws, and returns the Axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mechopt.show.figures.axes import own_axes, titled
from mechopt.show.figures.comparison import BAR, MARK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mechopt.study.frontier.frontier import Frontier

LABELLED_SEGMENTS = 6
"""Breakpoint weights are written beside the curve where it has at most this many segments."""


def frontier_curve(frontier: Frontier, axes: Axes | None = None) -> Axes:
    """Revenue against welfare or the agents' utility, corners marked, ends named.

    Parameters
    ----------
    frontier : Frontier
    axes : matplotlib Axes, optional
        Where to draw; default a figure of its own (``axes.figure``).

    Returns
    -------
    matplotlib.axes.Axes
    """
    axes = own_axes(axes, 6.0, 4.2)
    x, y = frontier.amounts, frontier.revenues
    style = "-" if frontier.complete else "--"
    axes.plot(x, y, style, color=BAR, linewidth=1.8, marker="o", markersize=5, zorder=3)
    wide, high = float(x[-1] - x[0]), float(y[0] - y[-1])
    wide, high = wide or max(abs(float(x[0])), 1.0), high or max(abs(float(y[0])), 1.0)
    axes.set_xlim(x[0] - 0.12 * wide, x[-1] + 0.3 * wide)
    axes.set_ylim(y[-1] - 0.25 * high, y[0] + 0.2 * high)
    ends = [(0, "most revenue", (6.0, 8.0)), (-1, "most welfare", (9.0, -4.0))]
    for k, text, offset in ends if len(x) > 1 else [(0, "most of both", (8.0, 8.0))]:
        axes.plot(x[k], y[k], "D", color=MARK, markersize=8, zorder=4)
        text += f"\n({x[k]:.4g}, {y[k]:.4g})"
        axes.annotate(text, (x[k], y[k]), xytext=offset, textcoords="offset points", fontsize=9)
    notes = [] if frontier.complete else [f"incomplete ({frontier.stopped})"]
    if 0 < len(x) - 1 <= LABELLED_SEGMENTS:
        for k, weight in enumerate(frontier.weights):
            label, middle = f"w = {weight:.3g}", ((x[k] + x[k + 1]) / 2, (y[k] + y[k + 1]) / 2)
            axes.annotate(label, middle, (-6, -4), textcoords="offset points", ha="right", va="top", fontsize=8)
        notes.append(f"w: weight of {frontier.between} at which both ends of a segment are equally good")
    axes.text(0.02, 0.02, "\n".join(notes), transform=axes.transAxes, fontsize=8, va="bottom")
    axes.set_xlabel("welfare" if frontier.between == "welfare" else "agents' utility")
    axes.set_ylabel("revenue")
    axes.spines[["top", "right"]].set_visible(False)
    return titled(axes, f"Most revenue by {axes.get_xlabel()}")
