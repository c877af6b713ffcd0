"""A mechanism as the tree of its histories: takes a mechanism and an Axes, draws, and returns the Axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import FloatArray, IntArray
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.study.figures import BAR

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LEAVES = 60
"""Histories of the whole horizon beyond which nothing can be read."""
WIDEST, THINNEST = 9.0, 0.6
"""Line widths, in points, of probability 1 and of the smallest."""
FILLS = ("white", BAR, "#e6a000", "#8c8c8c", "#7a3b8f", "#2a9d8f", "#444444")
MARKS = ("o", "s", "D", "^", "v", "P", "X")
"""By action, the first one again after the last."""
ROUNDING = 1e-9


@dataclass(frozen=True)
class _Level:
    """Histories of one length that have positive probability.

    Attributes
    ----------
    parent : int array
        Number of each in the level before.
    probability : float array
    reports : list of str
        What is reported last.
    labels : list of str
        What follows that.
    fill : list of str
        Colour of each.
    mark : list of str
    """

    parent: IntArray
    probability: FloatArray
    reports: list[str]
    labels: list[str]
    fill: list[str]
    mark: list[str]


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
    >>> from mechopt.closedform.repeated import repeated_myerson
    >>> from mechopt.environment.independent import IndependentTypes
    >>> env = IndependentTypes.iid([1, 2], ["1/4", "3/4"], periods=2)
    >>> axes = mechanism_tree(repeated_myerson(env).to_mechanism())
    >>> [text.get_text() for text in axes.texts if "pays" in text.get_text()][:2]
    ['0, pays 0', '1, pays 2']
    """
    fresh = isinstance(mechanism, Mechanism)
    agents = mechanism.environment.buyers if isinstance(mechanism, Mechanism) else mechanism.process.agents
    if not 0 <= agent < agents:
        raise InputError([Fault("agent", f"is {agent}", f"write 0 to {agents - 1}")])
    leaves = _fresh_leaves(mechanism) if isinstance(mechanism, Mechanism) else _moving_leaves(mechanism)
    if leaves > MOST_LEAVES:
        raise InputError(
            f"the tree has {leaves:,} histories of the whole horizon; at most {MOST_LEAVES} can be read. Draw fewer "
            "periods or types, or take mechanism.to_frame()"
        )
    levels = _fresh(mechanism, agent) if isinstance(mechanism, Mechanism) else _moving(mechanism, agent)
    if axes is None:
        from matplotlib.figure import Figure

        size = 2.0 + 2.2 * len(levels), 1.2 + 0.34 * leaves
        axes = Figure(figsize=size, layout="constrained").subplots()
    _draw(axes, levels)
    whose = f" (agent {agent})" if agents > 1 else ""
    what = "probability of the item, payment" if fresh else "action, payment"
    axes.set_title(f"{what}{whose}", fontsize=9, loc="left")
    return axes


def _fresh_leaves(mechanism: Mechanism) -> int:
    likely = 1
    for row in zip(*mechanism.environment.probabilities, strict=True):
        for law in row:
            likely *= int((law > 0).sum())
    return likely


def _fresh(mechanism: Mechanism, agent: int) -> list[_Level]:
    """Levels of a mechanism for types that are drawn afresh."""
    env, tree, kept = mechanism.environment, mechanism.tree, np.zeros(1, dtype=np.int64)
    levels = []
    for t in range(tree.periods):
        shape = tree.children(t)
        place = np.full(tree.count[t], -1, dtype=np.int64)
        place[kept] = np.arange(len(kept))
        kept = np.flatnonzero(tree.reach[t + 1] > 0)
        history, *profile = np.unravel_index(kept, shape)
        sold, paid = (part[t][agent].ravel()[kept] for part in (mechanism.allocation, mechanism.payment))
        reported = [[f"{row[t][k]:g}" for k in column] for row, column in zip(env.values, profile, strict=True)]
        levels.append(
            _Level(
                place[history],
                tree.reach[t + 1][kept],
                [", ".join(words) for words in zip(*reported, strict=True)],
                [f"{_short(x)}, pays {_short(p)}" for x, p in zip(sold, paid, strict=True)],
                [_shade(x) for x in sold],
                ["o"] * len(kept),
            )
        )
    return levels


def _likely(mechanism: SequenceMechanism, t: int) -> FloatArray:
    """Probability of each node of period t when everybody is truthful."""
    tree = mechanism.tree
    likely: FloatArray = tree.reach[t] * mechanism.mass(t)[tree.slot[t]]
    return likely


def _moving_leaves(mechanism: SequenceMechanism) -> int:
    return int((_likely(mechanism, mechanism.tree.periods - 1) > ROUNDING).sum())


def _moving(mechanism: SequenceMechanism, agent: int) -> list[_Level]:
    """Levels of a mechanism for types that move; a child of several recorded actions names its own."""
    tree, process = mechanism.tree, mechanism.process
    levels = list[_Level]()
    before = np.zeros(1, dtype=np.int64)
    for t in range(tree.periods):
        likely = _likely(mechanism, t)
        kept = np.flatnonzero(likely > ROUNDING)
        parent, came = np.zeros(len(kept), dtype=np.int64), np.zeros(len(kept), dtype=np.int64)
        drawn = np.zeros(len(kept), dtype=bool)
        if t:
            node, branch = tree.came(t)
            parent, came = before[node[tree.slot[t][kept]]], branch[tree.slot[t][kept]]
            used = (mechanism.recorded(t - 1)[node[tree.slot[t][kept]]] > ROUNDING).sum(axis=1)
            drawn = used > 1
        names, mass = mechanism.environment.action_names(t), mechanism.mass(t)[tree.slot[t][kept]]
        earlier = mechanism.environment.action_names(t - 1) if t else ()
        paid = mechanism.payment[t][agent][kept].sum(axis=1) / mass
        chance = mechanism.policy[t][kept]
        types = [_type_names(mechanism, t, i) for i in range(process.agents)]
        profiles = np.array(np.unravel_index(tree.profile[t][kept], process.shape[t])).T
        reports = [", ".join(types[i][k] for i, k in enumerate(profile)) for profile in profiles.tolist()]
        reports = [
            f"{earlier[a]}: {text}" if several else text
            for text, a, several in zip(reports, came.tolist(), drawn.tolist(), strict=True)
        ]
        most = chance.argmax(axis=1).tolist()
        levels.append(
            _Level(
                parent,
                likely[kept],
                reports,
                [f"{_mixed(law, names)}, pays {_short(p)}" for law, p in zip(chance, paid, strict=True)],
                [FILLS[a % len(FILLS)] for a in most],
                [MARKS[a % len(MARKS)] for a in most],
            )
        )
        before = np.full(tree.count[t], -1, dtype=np.int64)
        before[kept] = np.arange(len(kept))
    return levels


def _type_names(mechanism: SequenceMechanism, t: int, i: int) -> tuple[str, ...]:
    env = mechanism.environment
    return env.types[t][i] if isinstance(env, InterdependentTypes) else env.types[i][t]


def _mixed(law: FloatArray, names: tuple[str, ...]) -> str:
    """Actions that are taken, with their probabilities where there is not just one."""
    used = np.flatnonzero(law > 1e-6)
    if len(used) == 1:
        return names[int(used[0])]
    return " / ".join(f"{_short(law[a])} {names[a]}" for a in used.tolist())


def _short(number: float) -> str:
    return f"{number if abs(number) > ROUNDING else 0.0:.4g}"


def _shade(share: float) -> str:
    """From white to dark by a probability."""
    from matplotlib.colors import to_hex, to_rgb

    dark = np.array(to_rgb(BAR))
    shade: str = to_hex(tuple(1 - np.clip(share, 0, 1) * (1 - dark)))
    return shade


def _heights(levels: list[_Level]) -> list[FloatArray]:
    """Leaves one below the other, everything else in the middle of what follows it."""
    heights: list[FloatArray] = [np.zeros(0)] * len(levels)
    order = [np.arange(len(levels[0].parent))]
    for level in levels[1:]:
        rank = np.empty(len(order[-1]), dtype=np.int64)
        rank[order[-1]] = np.arange(len(rank))
        order.append(np.argsort(rank[level.parent], kind="stable"))
    heights[-1] = np.empty(len(order[-1]))
    heights[-1][order[-1]] = -np.arange(len(order[-1]), dtype=np.float64)
    for t in range(len(levels) - 2, -1, -1):
        parent, below = levels[t + 1].parent, heights[t + 1]
        count = len(levels[t].parent)
        low, high = np.full(count, np.inf), np.full(count, -np.inf)
        np.minimum.at(low, parent, below)
        np.maximum.at(high, parent, below)
        heights[t] = (low + high) / 2
    return heights


def _draw(axes: Axes, levels: list[_Level]) -> None:
    heights = _heights(levels)
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
