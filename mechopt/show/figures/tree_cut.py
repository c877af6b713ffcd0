"""Cut of a tree that is too large to be read: its likeliest histories, and the rest as numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from heapq import heappop, heappush

import numpy as np

from mechopt.core.numbers import FloatArray, IntArray
from mechopt.show.figures.tree_levels import Level

REST = "0.72"
"""Grey of what stands for several histories."""


@dataclass(frozen=True)
class Mark:
    """One history of a drawn tree, or several that are gathered in one.

    Attributes
    ----------
    period : int
    parent : int
        Number of the mark before it; -1 for the root.
    probability : float
    reports, label, fill, shape : str
    more : int
        Histories of the whole horizon that follow and are not drawn; 0 where all are.
    """

    period: int
    parent: int
    probability: float
    reports: str
    label: str
    fill: str
    shape: str
    more: int = 0


def cut(levels: list[Level], below: list[IntArray], horizon: int, most: int, least: float = 0.0) -> list[Mark]:
    """Open the likeliest histories first, as long as there is room.

    Parameters
    ----------
    levels : list over periods
        From the first on; there may be later ones that are not drawn.
    below : list over the same periods of int arrays
        Number of histories of the whole horizon that begin so.
    horizon : int
        Number of periods there are.
    most : int
        Lines that may be drawn below each other.
    least : float
        Probability below which histories are gathered.

    Returns
    -------
    list of Mark
        Period by period, from the top.
    """
    children = [_children(level, len(levels[t - 1].parent) if t else 1) for t, level in enumerate(levels)]
    marks: list[Mark] = []
    lines, waiting = 0, list[tuple[float, int, int]]()

    def opened(t: int, among: IntArray, parent: int, room: int, forced: bool) -> int:
        level = levels[t]
        chance = level.probability[among]
        kept = among[chance >= least]
        if forced and len(kept) + (len(kept) < len(among)) > room:
            kept = np.sort(kept[np.argsort(-level.probability[kept], kind="stable")[: room - 1]])
        rest = np.setdiff1d(among, kept)
        if not forced and (len(kept) + (len(rest) > 0) > room or not len(kept)):
            return 0
        alone = rest if len(rest) == 1 else rest[:0]  # one history stands for itself, and is not opened
        for k in (*kept.tolist(), *alone.tolist()):
            unopened = int(below[t][k]) if t + 1 < horizon else 0
            if k not in alone:
                heappush(waiting, (-float(level.probability[k]), len(marks), k))
            look = level.reports[k], level.labels[k], level.fill[k], level.mark[k]
            marks.append(Mark(t, parent, float(level.probability[k]), *look, unopened))
        if len(rest) > 1:
            total = float(level.probability[rest].sum())
            look = f"{len(rest):,} others", f"{total:.2g} together", REST, "o"
            marks.append(Mark(t, parent, total, *look, int(below[t][rest].sum())))
        return len(kept) + (len(rest) > 0)

    lines = opened(0, np.arange(len(levels[0].parent)), -1, most, True)
    while waiting:
        _, number, k = heappop(waiting)
        t = marks[number].period + 1
        if t == len(levels):
            continue
        added = opened(t, children[t][k], number, most - lines + 1, False)
        if added:
            lines += added - 1
            marks[number] = replace(marks[number], more=0)
    order = np.lexsort((-heights_of(marks), np.array([mark.period for mark in marks])))
    place = np.empty(len(marks), dtype=np.int64)
    place[order] = np.arange(len(marks))
    return [replace(m, parent=-1 if m.parent < 0 else int(place[m.parent])) for m in (marks[k] for k in order)]


def _children(level: Level, parents: int) -> list[IntArray]:
    """Numbers of the histories that follow each of the level before."""
    order = np.argsort(level.parent, kind="stable")
    ends = np.cumsum(np.bincount(level.parent, minlength=parents))
    return [np.asarray(part) for part in np.split(order, ends[:-1])]


def heights_of(marks: list[Mark]) -> FloatArray:
    """Lines one below the other, everything else in the middle of what follows it."""
    children: list[list[int]] = [[] for _ in marks]
    for number, mark in enumerate(marks):
        if mark.parent >= 0:
            children[mark.parent].append(number)
    heights, line = np.zeros(len(marks)), 0
    todo = [(number, False) for number in reversed(range(len(marks))) if marks[number].parent < 0]
    while todo:
        number, seen = todo.pop()
        if not children[number]:
            heights[number], line = -line, line + 1
        elif seen:
            below = heights[children[number]]
            heights[number] = (below.min() + below.max()) / 2
        else:
            todo.append((number, True))
            todo += [(child, False) for child in reversed(children[number])]
    return heights
