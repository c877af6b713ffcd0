"""Brackets around an optimum against the horizon: takes pairs and an Axes, draws, and returns the Axes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from mechopt.core.errors import InputError, require_type
from mechopt.core.numbers import BOUND_TOLERANCE
from mechopt.show.figures.axes import own_axes, titled
from mechopt.show.figures.comparison import BAR, MARK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mechopt.solve.solution import Bound

VISIBLE = 0.01
"""Relative width above which a bracket can be seen as a band."""
LABELLED = 12
"""Most brackets whose widths are all written."""


def bracket_curve(
    brackets: Iterable[tuple[int, Bound]],
    axes: Axes | None = None,
    label: str = "revenue",
    per_period: bool = False,
) -> Axes:
    """Lower and upper bounds against the horizon, with the relative width of each bracket.

    Parameters
    ----------
    brackets : iterable of (horizon, Bound)
        In any order, each horizon once.
    axes : matplotlib Axes, optional
        Where to draw; default a figure of its own (``axes.figure``).
    label : str
        What is bounded.
    per_period : bool
        Whether to divide by the horizon.

    Returns
    -------
    matplotlib.axes.Axes
        Widths are written at every bracket, or of many at the widest one alone; "closed" where rounding is all.

    Raises
    ------
    InputError
        If there is none, a horizon comes twice, or a bound is not finite.
    """
    require_type(brackets, Iterable, "bracket_curve", "give pairs such as (2, mo.optimum(env).bound)")
    given = list(brackets)
    for pair in given:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not isinstance(pair[0], int):
            raise InputError("brackets: an entry is not a pair (horizon, Bound); give (2, mo.optimum(env).bound)")
        require_type(pair[1], "Bound", "bracket_curve", "give pairs such as (2, mo.optimum(env).bound)")
    pairs = sorted(given, key=lambda pair: pair[0])
    horizons = np.array([horizon for horizon, _ in pairs])
    bounds = np.array([(bound.lower, bound.upper) for _, bound in pairs])
    if not len(pairs) or (np.diff(horizons) <= 0).any() or horizons[0] < 1 or not np.isfinite(bounds).all():
        raise InputError("brackets: give at least one, each horizon (1 or more) once, with finite bounds")
    axes = own_axes(axes, 7.0, 4.0)
    from matplotlib.ticker import MaxNLocator

    low, high = (bounds / horizons[:, None] if per_period else bounds).T
    widths = np.array([bound.gap for _, bound in pairs])
    axes.fill_between(horizons, low, high, color="#9daac5", linewidth=0)
    axes.plot(horizons, high, color=MARK, marker="v", markersize=6, linewidth=1.2, linestyle="--", label="upper bound")
    axes.plot(horizons, low, color=BAR, marker="^", markersize=6, linewidth=1.6, label="lower bound")
    for k in range(len(pairs)) if len(pairs) <= LABELLED else [int(widths.argmax())]:
        text = f"{widths[k]:.0e}" if widths[k] < VISIBLE else f"{widths[k]:.0%}"
        text = "closed" if widths[k] <= BOUND_TOLERANCE else text
        axes.annotate(text, (horizons[k], high[k]), (0, 8), textcoords="offset points", ha="center", fontsize=8)
    if horizons[-1] >= 20 * horizons[0]:
        axes.set_xscale("log")
        axes.set_xticks(horizons, [f"{horizon:,}" for horizon in horizons])
        axes.minorticks_off()
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("number of periods; at the marks the relative width of the bracket")
    axes.set_ylabel(f"{label} / number of periods" if per_period else label)
    axes.legend(frameon=False, loc="lower right")
    axes.margins(x=0.06, y=0.14)
    axes.spines[["top", "right"]].set_visible(False)
    return titled(axes, f"Brackets of the largest {label}")
