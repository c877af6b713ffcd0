"""Columns of M^{-i} in the simplex of three outcomes, and what separates each from the others."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from mechopt.closedform.contingent.conditions.hull import TOUCHING
from mechopt.closedform.contingent.conditions.spanning import matrices
from mechopt.core.errors import Fault, InputError, require_type
from mechopt.core.numbers import FloatArray
from mechopt.show.figures.axes import own_axes, titled
from mechopt.show.figures.comparison import BAR, MARK
from mechopt.show.figures.sweep import MARKERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mechopt.closedform.contingent.conditions.spanning import ConvexIndependence

CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])
"""Of the triangle. Distances in it are those of probability vectors, divided by the root of 2, angles are the same."""
ARROW = 0.12
"""Length of the separating directions."""
TEXT = "#b34d00"
"""Of numbers beside marks: darker than the marks, to be read in small print."""


def column_simplex(
    independence: ConvexIndependence,
    axes: Axes | None = None,
    agent: int = 0,
    action: int = 0,
    others: tuple[int, ...] | None = None,
    period: int = 0,
) -> Axes:
    """Draw the others' next signals by an agent's own: points in a triangle, their hull, how far each sticks out.

    Parameters
    ----------
    independence : ConvexIndependence
    axes : matplotlib Axes, optional
        Where to draw; default a figure of its own (``axes.figure``).
    agent : int
    action : int
    others : tuple of int, optional
        The others' signals now; default: the first of each.
    period : int
        With an infinite horizon 0.

    Returns
    -------
    matplotlib.axes.Axes
        One mark a signal, at the distribution of the others' next signals given it; dotted from it to the nearest point
        of the hull of the other marks, and an arrow in the separating direction, with the distance (of probability
        vectors). A crossed mark lies in the hull of the others.

    Raises
    ------
    InputError
        If the others have not three profiles of signals next, or an index does not exist.
    """
    require_type(independence, "ConvexIndependence", "column_simplex", "give mo.convex_independence(env)")
    env = independence.environment
    faults = []
    if not 0 <= period < len(env.kernel):
        raise InputError([Fault("period", f"is {period}", f"kernels lead from the periods 0 to {len(env.kernel) - 1}")])
    if not 0 <= agent < env.agents:
        raise InputError([Fault("agent", f"is {agent}", f"write 0 to {env.agents - 1}")])
    every = matrices(env, period, agent)
    at = tuple(others) if others is not None else (0,) * (env.agents - 1)
    now = [size for j, size in enumerate(env.shape[period]) if j != agent]
    if not 0 <= action < len(every):
        faults.append(Fault("action", f"is {action}", f"write 0 to {len(every) - 1}"))
    if len(at) != len(now) or any(not 0 <= s < size for s, size in zip(at, now, strict=False)):
        faults.append(Fault("others", f"is {at}", f"give a signal for each other agent, below {tuple(now)}"))
    if every.shape[-2] != 3:
        what = f"has {every.shape[-2]} outcomes, the others' next signals"
        faults.append(Fault("environment", what, "a triangle is for 3"))
    if faults:
        raise InputError(faults)
    axes = own_axes(axes, 6.4, 5.4)
    columns = every[(action, *at)]
    points = columns.T @ CORNERS
    _draw_triangle(axes, _outcomes(independence, period, agent))
    _draw_hull(axes, points)
    distance = independence.distances[period][agent][(action, *at)]
    direction = independence.separating[period][agent][(action, *at)]
    for k, point in enumerate(points):
        _draw_column(axes, point, float(distance[k]), direction[k] @ CORNERS, k)
    names = env.types[agent][period]
    handles = [
        axes.plot([], [], color=BAR, marker=MARKERS[k % len(MARKERS)], linestyle="none", markersize=9)[0]
        for k in range(len(points))
    ]
    title = f"own signal of agent {env.names[agent]}"
    axes.legend(handles, names, title=title, frameon=False, loc="upper left", bbox_to_anchor=(0.78, 1.0))
    axes.set(aspect="equal", xlim=(-1.4 * ARROW, 1 + 1.4 * ARROW), ylim=(-1.4 * ARROW, CORNERS[2, 1] + 1.4 * ARROW))
    axes.set_axis_off()
    return titled(axes, f"What the others see next, by the own signal of {env.names[agent]}")


def _outcomes(independence: ConvexIndependence, period: int, agent: int) -> list[str]:
    """Names of the others' next signals."""
    env = independence.environment
    following = env.following(period)
    rows = [names[following] for j, names in enumerate(env.types) if j != agent]
    return [", ".join(profile) for profile in product(*rows)]


def _draw_triangle(axes: Axes, outcomes: list[str]) -> None:
    axes.fill(*CORNERS.T, facecolor="none", edgecolor="0.35", linewidth=1.2)
    for corner, name, offset, side in zip(
        CORNERS, outcomes, ((-14, -12), (14, -12), (0, 8)), ("center", "center", "center"), strict=True
    ):
        text = f"next: {name}"
        axes.annotate(
            text, corner, offset, textcoords="offset points", ha=side, va="bottom" if offset[1] > 0 else "top"
        )


def _draw_hull(axes: Axes, points: FloatArray) -> None:
    """Shade what mixtures of the columns can be; a line where they are in one."""
    try:
        corners = points[ConvexHull(points).vertices]
    except (QhullError, ValueError):
        order = np.lexsort(points.T)
        corners = points[order[[0, -1]]]
    axes.fill(*corners.T, facecolor="#d4d9e5", edgecolor="#9daac5", linewidth=1.2, zorder=1)


def _draw_column(axes: Axes, point: FloatArray, distance: float, step: FloatArray, k: int) -> None:
    """Mark a column, and the way from the nearest mixture of the others to it."""
    marker = MARKERS[k % len(MARKERS)]
    if not np.isfinite(distance):  # the only column
        axes.plot(*point, color=BAR, marker=marker, markersize=9, linestyle="none", zorder=4)
    elif distance <= TOUCHING:
        axes.plot(*point, color=BAR, marker=marker, markersize=9, markerfacecolor="white", linestyle="none", zorder=4)
        axes.plot(*point, color=MARK, marker="x", markersize=9, markeredgewidth=2.2, linestyle="none", zorder=5)
        axes.annotate("0", (point[0], point[1]), (8, 4), textcoords="offset points", color=TEXT, fontsize=9, zorder=6)
    else:
        nearest, tip = point - distance * step, point + ARROW * step / np.linalg.norm(step)
        axes.plot(*np.array([nearest, point]).T, color=MARK, linewidth=1.6, linestyle=":", zorder=2)
        arrow = {"arrowstyle": "-|>", "color": MARK, "linewidth": 1.8, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", (tip[0], tip[1]), (point[0], point[1]), arrowprops=arrow, zorder=3)
        axes.plot(*point, color=BAR, marker=marker, markersize=9, linestyle="none", zorder=4)
        away = 9 * step / np.linalg.norm(step)
        axes.annotate(
            f"{distance:.3g}",
            (tip[0], tip[1]),
            (away[0], away[1]),
            textcoords="offset points",
            ha="left" if away[0] > 3 else "right" if away[0] < -3 else "center",
            va="center",
            color=TEXT,
            fontsize=9,
            zorder=6,
            bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.75},
        )
