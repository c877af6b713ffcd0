"""Picture of a fit: the estimated distribution of a value, and the types that stand for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mechopt.show.figures.axes import own_axes, titled
from mechopt.show.figures.comparison import BAR, MARK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mechopt.study.fit.result import Fit


def fitted_distribution(fit: Fit, axes: Axes | None = None) -> Axes:
    """P(value <= v) as estimated, and of the types; bars are the bootstrap intervals at the ends of the cells.

    Of a panel: all its values together, without intervals (which are about first types and transitions).

    Parameters
    ----------
    fit : Fit
    axes : matplotlib Axes, optional
        Where to draw; default a figure of its own (``axes.figure``).

    Returns
    -------
    matplotlib.axes.Axes
    """
    axes = own_axes(axes, 7.0, 4.0)
    margin = 0.04 * float(np.ptp(fit.points)) or 1.0
    ends = fit.points[0] - margin, fit.points[-1] + margin
    estimated = np.concatenate([[ends[0]], fit.points, [ends[1]]]), np.concatenate([[0.0], fit.cumulative, [1.0]])
    sums = fit.distribution(fit.cuts)
    types = np.concatenate([[ends[0]], fit.values, [ends[1]]]), np.concatenate([[0.0], sums, [1.0]])
    axes.step(*estimated, where="post", color="0.55", linewidth=1.4, label="estimated from the data")
    axes.step(*types, where="post", color=BAR, linewidth=2.0, label=f"{fit.values.size} types")
    if fit.transitions is None and fit.values.size > 1:
        low, high = fit.interval.cumulative[:-1].T
        axes.vlines(fit.cuts[:-1], low, high, color=MARK, linewidth=3, label=f"{100 * fit.interval.level:g}% interval")
    axes.set(xlabel="value v, money", ylabel="P(value ≤ v)", ylim=(-0.02, 1.04), xlim=ends)
    axes.legend(frameon=False, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    return titled(axes, "Distribution of values")
