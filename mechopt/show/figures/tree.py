"""A mechanism as the tree of its histories: takes a mechanism and an Axes, draws, and returns the Axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mechopt.core.errors import Fault, InputError
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.show.figures.axes import own_axes
from mechopt.show.figures.tree_cut import Mark, cut, heights_of
from mechopt.show.figures.tree_levels import drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LEAVES = 60
"""Histories below each other beyond which nothing can be read."""
MOST_LISTED = 20_000
"""Histories of one length from which the likeliest are looked for."""
WIDEST, THINNEST = 9.0, 0.6
"""Line widths, in points, of probability 1 and of the smallest."""


def mechanism_tree(
    mechanism: Mechanism | SequenceMechanism,
    axes: Axes | None = None,
    agent: int = 0,
    depth: int | None = None,
    least: float = 0.0,
) -> Axes:
    """Allocation and payments by history, from left to right; lines are as wide as their history is probable.

    Of a tree that is too large to be read the likeliest histories are drawn, and the rest is counted.

    Parameters
    ----------
    mechanism : Mechanism or SequenceMechanism
        Of a `BankAccountMechanism` or `MarkovMechanism` draw ``to_mechanism()`` or ``to_sequence()``.
    axes : matplotlib Axes, optional
        Where to draw; default a figure of its own, as high as the tree needs (``axes.figure``).
    agent : int
        Whose allocation and payment are shown.
    depth : int, optional
        Periods that are drawn; default all that there is room for.
    least : float
        Probability below which histories are gathered in one line.

    Returns
    -------
    matplotlib.axes.Axes
        At each mark, left of it the reports (values, or names of types), beside it the agent's probability of the item,
        or the action, and her payment, money of the period. Marks are filled by that probability, or by the likeliest
        action. Histories of probability 0 are left out. "+ 8 more" stands where eight histories of the whole horizon
        follow that are not drawn.

    Raises
    ------
    InputError
        If there is no such agent, or no period or no history is left to draw.

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
    horizon, faults = len(form.counts), []
    if not 0 <= agent < form.agents:
        faults.append(Fault("agent", f"is {agent}", f"write 0 to {form.agents - 1}"))
    if depth is not None and not 1 <= depth <= horizon:
        faults.append(Fault("depth", f"is {depth}", f"write 1 to {horizon}"))
    if not 0 <= least < 1:
        faults.append(Fault("least", f"is {least}", "write a probability from 0 on, below 1"))
    if faults:
        raise InputError(faults)
    listed = sum(count <= MOST_LISTED for count in form.counts)
    periods = max(min(listed, depth or horizon), 1)
    marks = cut(form.levels(agent, periods), form.below(periods), horizon, MOST_LEAVES, least)
    lines = len(marks) - len({mark.parent for mark in marks if mark.parent >= 0})
    axes = own_axes(axes, 2.0 + 2.2 * (1 + max(mark.period for mark in marks)), 1.2 + 0.34 * lines)
    _draw(axes, marks)
    whose = f" (agent {agent})" if form.agents > 1 else ""
    hidden = sum(mark.more for mark in marks)
    rest = f"; {form.counts[-1] - hidden:,} of {form.counts[-1]:,} histories in full" if hidden else ""
    axes.set_title(f"{form.shown}{whose}{rest}", fontsize=9, loc="left")
    return axes


def _draw(axes: Axes, marks: list[Mark]) -> None:
    heights, box = heights_of(marks), dict[str, Any](boxstyle="round,pad=0.12", facecolor="white", edgecolor="none")
    first = [heights[k] for k, mark in enumerate(marks) if mark.parent < 0]
    root = float((min(first) + max(first)) / 2)
    axes.plot(0, root, "o", color="0.2", markersize=4)
    followed = {mark.parent for mark in marks}
    for k, (mark, height) in enumerate(zip(marks, heights.tolist(), strict=True)):
        t, start = mark.period, root if mark.parent < 0 else float(heights[mark.parent])
        width = max(THINNEST, WIDEST * mark.probability)
        axes.plot(
            [t, t + 0.14, t + 0.55, t + 1], [start, start, height, height], color="0.72", linewidth=width, zorder=1
        )
        axes.plot(
            t + 1, height, marker=mark.shape, markersize=7, markerfacecolor=mark.fill, markeredgecolor="0.15", zorder=3
        )
        texts = [(mark.reports, (-9, 0), "right", "center", box)]
        inner, more = k in followed, f"  + {mark.more:,} more" if mark.more else ""
        if inner:
            texts.append((mark.label, (10, 7), "right", "bottom", box | {"alpha": 0.85}))
        else:
            texts.append((mark.label + more, (8, 0), "left", "center", box | {"alpha": 0.85}))
        for text, offset, across, along, around in texts:
            axes.annotate(
                text,
                (t + 1, height),
                offset,
                textcoords="offset points",
                ha=across,
                va=along,
                fontsize=8,
                zorder=4,
                bbox=around,
            )
    last = max(mark.period for mark in marks)
    axes.set_xlim(-0.08, last + 1.75 + 0.5 * any(mark.more for mark in marks))
    axes.set_ylim(float(heights.min()) - 0.7, float(heights.max()) + 0.9)
    axes.set_xticks(range(1, last + 2), [f"period {t}" for t in range(last + 1)])
    axes.tick_params(length=0)
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
