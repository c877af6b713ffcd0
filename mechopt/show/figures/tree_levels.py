"""Histories of a mechanism as levels of a tree to draw: what is reported, what follows, and how probable it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, singledispatch
from typing import Any, NamedTuple

import numpy as np

from mechopt.core.errors import InputError
from mechopt.core.numbers import FloatArray, IntArray
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.show.figures.comparison import BAR

FILLS = ("white", BAR, "#e6a000", "#8c8c8c", "#7a3b8f", "#2a9d8f", "#444444")
MARKS = ("o", "s", "D", "^", "v", "P", "X")
"""By action, the first one again after the last."""
ROUNDING = 1e-9


@dataclass(frozen=True)
class Level:
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


def fresh_leaves(mechanism: Mechanism) -> int:
    """Number of histories of the whole horizon that have positive probability."""
    likely = 1
    for row in zip(*mechanism.environment.probabilities, strict=True):
        for law in row:
            likely *= int((law > 0).sum())
    return likely


def fresh_levels(mechanism: Mechanism, agent: int) -> list[Level]:
    """Levels of a mechanism for types that are drawn afresh."""
    env, tree, kept = mechanism.environment, mechanism.tree, np.zeros(1, dtype=np.int64)
    levels = []
    for t in range(tree.horizon):
        shape = tree.children(t)
        place = np.full(tree.count[t], -1, dtype=np.int64)
        place[kept] = np.arange(len(kept))
        kept = np.flatnonzero(tree.reach[t + 1] > 0)
        history, *profile = np.unravel_index(kept, shape)
        sold, paid = (part[t][agent].ravel()[kept] for part in (mechanism.allocation, mechanism.payment))
        reported = [[f"{row[t][k]:g}" for k in column] for row, column in zip(env.values, profile, strict=True)]
        levels.append(
            Level(
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


def moving_leaves(mechanism: SequenceMechanism) -> int:
    """Number of histories of the whole horizon that have positive probability."""
    return int((_likely(mechanism, mechanism.tree.horizon - 1) > ROUNDING).sum())


def moving_levels(mechanism: SequenceMechanism, agent: int) -> list[Level]:
    """Levels of a mechanism for types that move; a child of several recorded actions names its own."""
    tree, process = mechanism.tree, mechanism.process
    levels = list[Level]()
    before = np.zeros(1, dtype=np.int64)
    for t in range(tree.horizon):
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
            Level(
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
    return mechanism.environment.types[i][t]


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


class Drawable(NamedTuple):
    """What a tree is drawn from.

    Attributes
    ----------
    agents, leaves : int
        Leaves are histories of the whole horizon of positive probability.
    levels : function of agent
    shown : str
        What stands at the marks.
    """

    agents: int
    leaves: int
    levels: Callable[[int], list[Level]]
    shown: str


@singledispatch
def drawable(mechanism: Any) -> Drawable:
    """How a mechanism is drawn as a tree, by its form.

    Raises
    ------
    InputError
        If it is not one over histories.
    """
    raise InputError(
        f"a {type(mechanism).__name__} is not drawn as a tree; give its to_mechanism() or to_sequence(), a mechanism "
        "over histories"
    )


@drawable.register(Mechanism)
def _(mechanism: Mechanism) -> Drawable:
    levels = partial(fresh_levels, mechanism)
    return Drawable(mechanism.environment.agents, fresh_leaves(mechanism), levels, "probability of the item, payment")


@drawable.register(SequenceMechanism)
def _(mechanism: SequenceMechanism) -> Drawable:
    levels = partial(moving_levels, mechanism)
    return Drawable(mechanism.process.agents, moving_leaves(mechanism), levels, "action, payment")


def heights_of(levels: list[Level]) -> list[FloatArray]:
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
