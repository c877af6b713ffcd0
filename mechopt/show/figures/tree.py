"""A mechanism as the tree of its histories: takes a mechanism and an Axes, draws, and returns the Axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mechopt.core.errors import Fault, InputError
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.show.figures.axes import own_axes
from mechopt.show.figures.tree_levels import Level, drawable, heights_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LEAVES = 60
"""Histories of the whole horizon beyond which nothing can be read."""
WIDEST, THINNEST = 9.0, 0.6
"""Line widths, in points, of probability 1 and of the smallest."""


def mechanism_tree(mechanism: Mechanism | SequenceMechanism, axes: Axes | None = None, agent: int = 0) -> Axes:
    """Allocation and payments by history, from left to right; lines are as wide as their history is probable.

    Parameters
    ----------
    mechanism : Mechanism or SequenceMechanism
        Of a `BankAccountMechanism` or `MarkovMechanism` draw ``to_mechanism()`` or ``to_sequence()``.
    axes : matplotlib Axes, optional
        Where to draw; default a figure of its own, as high as the tree needs (``axes.figure``).
    agent : int
        Whose allocation and payment are shown.

    Returns
    -------
    matplotlib.axes.Axes
        At each mark, left of it the reports (values, or names of types), beside it the agent's probability of the item,
        or the action, and her payment, money of the period. Marks are filled by that probability, or by the likeliest
        action. Histories of probability 0 are left out.

    Raises
    ------
    InputError
        If more than 60 histories of the whole horizon have positive probability, or there is no such agent.

    Examples
    --------
    >>> from mechopt.closedform.static.repeated import repeated_myerson
    >>> from mechopt.environment.independent import IndependentTypes
    >>> env = IndependentTypes.iid([1, 2], ["1/4", "3/4"], horizon=2)
    >>> axes = mechanism_tree(repeated_myerson(env).to_mechanism())
    >>> [text.get_text() for text in axes.texts if "pays" in text.get_text()][:2]
    ['0, pays 0', '1, pays 2']
    """
    form = drawable(mechanism)
    agents, leaves = form.agents, form.leaves
    if not 0 <= agent < agents:
        raise InputError([Fault("agent", f"is {agent}", f"write 0 to {agents - 1}")])
    if leaves > MOST_LEAVES:
        raise InputError(
            f"the tree has {leaves:,} histories of the whole horizon; at most {MOST_LEAVES} can be read. Draw fewer "
            "periods or types, or take mechanism.to_frame()"
        )
    levels = form.levels(agent)
    axes = own_axes(axes, 2.0 + 2.2 * len(levels), 1.2 + 0.34 * leaves)
    _draw(axes, levels)
    whose = f" (agent {agent})" if agents > 1 else ""
    axes.set_title(f"{form.shown}{whose}", fontsize=9, loc="left")
    return axes


def _draw(axes: Axes, levels: list[Level]) -> None:
    heights = heights_of(levels)
    last, box = len(levels) - 1, {"boxstyle": "round,pad=0.12", "facecolor": "white", "edgecolor": "none"}
    root = float((heights[0].min() + heights[0].max()) / 2)
    axes.plot(0, root, "o", color="0.2", markersize=4)
    for t, (level, y) in enumerate(zip(levels, heights, strict=True)):
        start = np.full(len(y), root) if t == 0 else heights[t - 1][level.parent]
        for k, height in enumerate(y):
            width = max(THINNEST, WIDEST * float(level.probability[k]))
            x = [t, t + 0.14, t + 0.55, t + 1]
            axes.plot(x, [start[k], start[k], height, height], color="0.72", linewidth=width, zorder=1)
            axes.plot(
                t + 1,
                height,
                marker=level.mark[k],
                markersize=7,
                markerfacecolor=level.fill[k],
                markeredgecolor="0.15",
                zorder=3,
            )
            axes.annotate(
                level.reports[k],
                (t + 1, height),
                (-9, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                fontsize=8,
                zorder=4,
                bbox=box,
            )
            axes.annotate(
                level.labels[k],
                (t + 1, height),
                (8, 0) if t == last else (10, 7),
                textcoords="offset points",
                ha="left" if t == last else "right",
                va="center" if t == last else "bottom",
                fontsize=8,
                zorder=4,
                bbox=box | {"alpha": 0.85},
            )
    axes.set_xlim(-0.08, last + 1.75)
    axes.set_ylim(float(heights[-1].min()) - 0.7, float(heights[-1].max()) + 0.9)
    axes.set_xticks(range(1, last + 2), [f"period {t}" for t in range(last + 1)])
    axes.tick_params(length=0)
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
