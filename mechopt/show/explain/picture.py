"""States by period and where reports lead, as wide as they are probable: takes an explanation and an Axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
WIDEST_PICTURE = 18.0
"""Inches."""


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
    met = [np.unique(part).tolist() for part in automaton.mode]
    return drawn([state.name for state in found.states], met, flows(found), found.summary, axes)


def drawn(
    names: list[str],
    met: list[list[int]],
    chances: dict[tuple[int, int, int], float],
    title: str,
    axes: Axes | None = None,
) -> Axes:
    """Draw the states met in each period, and the flow of probability between them.

    Parameters
    ----------
    names : list of str
        Of the states.
    met : list over t of lists of int
        Numbers of the states of each period.
    chances : dict
        Probability by (period, state, next state).
    title : str
    axes : matplotlib Axes, optional
    """
    horizon, tallest = len(met), max(map(len, met))
    axes = own_axes(axes, min(max(5.0, 1.5 * horizon), WIDEST_PICTURE), max(2.2, 0.75 * tallest))
    height = {(t, mode): -(k - (len(modes) - 1) / 2) for t, modes in enumerate(met) for k, mode in enumerate(modes)}
    for (t, start, end), chance in chances.items():
        ends = [t, t + 1], [height[t, start], height[t + 1, end]]
        axes.plot(*ends, color=COLOURS[start % len(COLOURS)], alpha=0.5, linewidth=max(0.8, WIDEST * chance), zorder=1)
    size = min(1.0, 1.0 / max(horizon / 12, tallest / 16))
    for (t, mode), y in height.items():
        axes.scatter([t], [y], s=420 * size, color=COLOURS[mode % len(COLOURS)], zorder=2)
        style: dict[str, Any] = {"ha": "center", "va": "center", "weight": "bold", "fontsize": 10 * max(size, 0.55)}
        axes.text(t, y, names[mode], color="white", zorder=3, **style)
    axes.set_xticks(range(0, horizon, -(-horizon // 12)))
    axes.set_xlabel("period")
    axes.set_yticks([])
    axes.set_xlim(-0.5, horizon - 0.5)
    axes.set_ylim(-(tallest - 1) / 2 - 0.7, (tallest - 1) / 2 + 0.7)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_title(title, fontsize=10, loc="left")
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
