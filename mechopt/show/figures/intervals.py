"""Payments that implement a policy, as intervals that shrink with the grid of types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mechopt.closedform.pivot.intervals import PaymentIntervals
from mechopt.core.errors import Fault, InputError, require_type
from mechopt.show.figures.axes import own_axes
from mechopt.show.figures.comparison import BAR, MARK

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def shrinking_intervals(
    steps: Sequence[float],
    intervals: Sequence[PaymentIntervals],
    profiles: Sequence[Sequence[int]],
    price: float | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw the interval of one payment, a bar a grid, against the step of the grid: Theorem 2 in the limit.

    Parameters
    ----------
    steps : sequence of float
        Of the grids.
    intervals : sequence of PaymentIntervals
        Of each grid, from `mechopt.mechanisms.payment_intervals`.
    profiles : sequence of type profiles
        Whose payment is drawn, of each grid.
    price : float, optional
        What the dynamic pivot charges, as a line.
    axes : matplotlib Axes, optional
        Where to draw; default a figure of its own (``axes.figure``).

    Returns
    -------
    matplotlib.axes.Axes
        Payments without bounds are not drawn; the legend counts them.

    Raises
    ------
    InputError
        If there are not as many steps, intervals and profiles.
    """
    for given in (steps, intervals, profiles):
        require_type(given, (tuple, list, np.ndarray), "shrinking_intervals", "give lists with an entry for each grid")
    for found in intervals:
        require_type(found, "PaymentIntervals", "shrinking_intervals", "give mo.mechanisms.payment_intervals(env)")
    if not len(steps) == len(intervals) == len(profiles):
        what = f"are {len(steps)}, intervals {len(intervals)} and profiles {len(profiles)}"
        raise InputError([Fault("steps", what, "give one of each a grid")])
    ends = np.array([[f.lower[tuple(p)], f.upper[tuple(p)]] for f, p in zip(intervals, profiles, strict=True)])
    ends = ends.reshape(-1, 2)
    bounded = np.isfinite(ends).all(axis=1)
    axes = own_axes(axes, 5.5, 3.6)
    places = np.arange(len(steps))
    left_out = f"; {int((~bounded).sum())} without bounds" if not bounded.all() else ""
    axes.vlines(places[bounded], *ends[bounded].T, color=BAR, linewidth=6, label=f"payments{left_out}")
    if price is not None:
        axes.axhline(price, color=MARK, linewidth=1.2, linestyle="--", label=f"dynamic pivot: {price:.4g}")
    axes.set_xticks(places, [f"{step:g}" for step in steps])
    axes.set_xlabel("step of the grid of types")
    axes.set_ylabel("payment")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return axes
