"""Histories of a mechanism as levels of a tree to draw: what is reported, what follows, and how probable it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, singledispatch
from math import prod
from typing import Any, NamedTuple

import numpy as np

from mechopt.core.errors import InputError
from mechopt.core.numbers import FloatArray, IntArray
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.show.figures.comparison import BAR

FILLS = ("white", BAR, "#e6a000", "#8c8c8c", "#9a5ab5", "#2a9d8f", "#444444")
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


def independent_counts(mechanism: Mechanism) -> list[int]:
    """Number of histories of positive probability at the end of each period."""
    counts = [1]
    for row in zip(*mechanism.environment.probabilities, strict=True):
        counts.append(counts[-1] * prod(int((distribution > 0).sum()) for distribution in row))
    return counts[1:]


def independent_below(mechanism: Mechanism, periods: int) -> list[IntArray]:
    """Histories of the whole horizon that begin with each, all of positive probability."""
    counts = independent_counts(mechanism)
    return [np.full(counts[t], counts[-1] // counts[t]) for t in range(periods)]


def independent_levels(mechanism: Mechanism, agent: int, periods: int) -> list[Level]:
    """The first levels of a mechanism for types independent across periods."""
    env, tree, kept = mechanism.environment, mechanism.tree, np.zeros(1, dtype=np.int64)
    levels = []
    for t in range(periods):
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


def persistent_counts(mechanism: SequenceMechanism) -> list[int]:
    """Number of histories of positive probability at the end of each period."""
    return [int((_likely(mechanism, t) > ROUNDING).sum()) for t in range(mechanism.tree.horizon)]


def persistent_below(mechanism: SequenceMechanism, periods: int) -> list[IntArray]:
    """Histories of the whole horizon that begin with each, all of positive probability."""
    tree = mechanism.tree
    found = [(_likely(mechanism, tree.horizon - 1) > ROUNDING).astype(np.int64)]
    for t in range(tree.horizon - 1, 0, -1):
        node, _ = tree.came(t)
        found.append(np.bincount(node[tree.slot[t]], weights=found[-1], minlength=tree.count[t - 1]).astype(np.int64))
    return [below[_likely(mechanism, t) > ROUNDING] for t, below in enumerate(found[::-1][:periods])]


def persistent_levels(mechanism: SequenceMechanism, agent: int, periods: int) -> list[Level]:
    """The first levels of a mechanism for persistent types; a child of several recorded actions names its own."""
    tree, process = mechanism.tree, mechanism.process
    levels = list[Level]()
    before = np.zeros(1, dtype=np.int64)
    for t in range(periods):
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
                [
                    f"{_mixed(distribution, names)}, pays {_short(p)}"
                    for distribution, p in zip(chance, paid, strict=True)
                ],
                [FILLS[a % len(FILLS)] for a in most],
                [MARKS[a % len(MARKS)] for a in most],
            )
        )
        before = np.full(tree.count[t], -1, dtype=np.int64)
        before[kept] = np.arange(len(kept))
    return levels


def _type_names(mechanism: SequenceMechanism, t: int, i: int) -> tuple[str, ...]:
    return mechanism.environment.types[i][t]


def _mixed(distribution: FloatArray, names: tuple[str, ...]) -> str:
    """Actions that are taken, with their probabilities where there is not just one."""
    used = np.flatnonzero(distribution > 1e-6)
    if len(used) == 1:
        return names[int(used[0])]
    return " / ".join(f"{_short(distribution[a])} {names[a]}" for a in used.tolist())


def _short(number: float) -> str:
    return f"{number if abs(number) > ROUNDING else 0.0:.4g}"


def _shade(share: float) -> str:
    """From white to dark by a probability."""
    from matplotlib.colors import to_hex, to_rgb

    dark = np.array(to_rgb(BAR))
    shade: str = to_hex(tuple(1 - np.clip(share, 0, 1) * (1 - dark)))
    return shade


class Drawable(NamedTuple):
    """Material of the drawing of a tree.

    Attributes
    ----------
    agents : int
    counts : list over periods of int
        Histories of positive probability.
    levels : function of agent and number of periods
    below : function of number of periods
        Histories of the whole horizon that begin with each of a level, all of positive probability.
    shown : str
        What stands at the marks.
    """

    agents: int
    counts: list[int]
    levels: Callable[[int, int], list[Level]]
    below: Callable[[int], list[IntArray]]
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
    return Drawable(
        mechanism.environment.agents,
        independent_counts(mechanism),
        partial(independent_levels, mechanism),
        partial(independent_below, mechanism),
        "probability of the item, payment",
    )


@drawable.register(SequenceMechanism)
def _(mechanism: SequenceMechanism) -> Drawable:
    return Drawable(
        mechanism.process.agents,
        persistent_counts(mechanism),
        partial(persistent_levels, mechanism),
        partial(persistent_below, mechanism),
        "action, payment",
    )
