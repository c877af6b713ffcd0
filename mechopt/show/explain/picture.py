"""States by period and where reports lead, as wide as they are probable: takes an explanation and an Axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mechopt.core.errors import LimitError
from mechopt.show.explain.explanation import Explanation
from mechopt.show.figures.axes import own_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#2f5d9b", "#9c4a1a", "#1f6f4a", "#6b4a9c", "#8a2f5d", "#4a5a1a", "#5a5a5a", "#0f6170")
MOST_DRAWN = 400
"""States of all periods together up to which a picture is drawn."""
WIDEST = 14.0
"""Width, in points, of an arrow of probability 1."""


def flow_picture(found: Explanation, axes: Axes | None = None) -> Axes:
    """Draw the states of each period as circles, and the flow of probability between them; see `Explanation.plot`.

    Parameters
    ----------
    found : Explanation
    axes : matplotlib Axes, optional
        Where to draw; default a figure of its own.

    Raises
    ------
    LimitError
        If there are too many states to be seen.
    """
    automaton = found.automaton
    if automaton.states > MOST_DRAWN:
        raise LimitError(f"{automaton.states} states are above {MOST_DRAWN}, too many for a picture; use to_frame()")
    horizon, met = automaton.play.horizon, [np.unique(part) for part in automaton.mode]
    tallest = max(map(len, met))
    axes = own_axes(axes, max(5.0, 1.5 * horizon), max(2.2, 0.75 * tallest))
    height = {(t, mode): -(k - (len(modes) - 1) / 2) for t, modes in enumerate(met) for k, mode in enumerate(modes)}
    for (t, start, end), chance in flows(found).items():
        ends = [t, t + 1], [height[t, start], height[t + 1, end]]
        axes.plot(*ends, color=COLOURS[start % len(COLOURS)], alpha=0.5, linewidth=max(0.8, WIDEST * chance), zorder=1)
    for (t, mode), y in height.items():
        axes.scatter([t], [y], s=420, color=COLOURS[mode % len(COLOURS)], zorder=2)
        axes.text(t, y, found.states[mode].name, color="white", ha="center", va="center", weight="bold", zorder=3)
    axes.set_xticks(range(horizon))
    axes.set_xlabel("period")
    axes.set_yticks([])
    axes.set_xlim(-0.5, horizon - 0.5)
    axes.set_ylim(-(tallest - 1) / 2 - 0.7, (tallest - 1) / 2 + 0.7)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_title(found.summary, fontsize=10, loc="left")
    return axes


def flows(found: Explanation) -> dict[tuple[int, int, int], float]:
    """Probability of going from a state of a period to one of the next: by (period, state, next state).

    Examples
    --------
    >>> import mechopt as mo
    >>> env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=3)
    >>> flows(mo.optimum(env).explain())[0, 0, 1]
    0.5
    """
    automaton, chances = found.automaton, dict[tuple[int, int, int], float]()
    play = automaton.play
    for t in range(play.horizon - 1):
        state = automaton.state[t][play.slot[t]]
        for branch in range(play.following[t].shape[1]):
            after = automaton.state[t + 1][play.following[t][:, branch]]
            drawn = play.allocation[t][:, branch] if play.following[t].shape[1] > 1 else np.ones(len(state))
            weight = play.reach[t] * drawn
            for node in np.flatnonzero((state >= 0) & (after >= 0) & (weight > 0)):
                key = t, int(automaton.mode[t][state[node]]), int(automaton.mode[t + 1][after[node]])
                chances[key] = chances.get(key, 0.0) + float(weight[node])
    return chances
