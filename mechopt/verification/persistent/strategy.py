"""The best strategy of an agent who sees the past, as a list of the places where it does not tell the truth."""

from __future__ import annotations

import numpy as np

from mechopt.verification.persistent.replay import Misreport
from mechopt.verification.persistent.response import PersistentPayoffs

TIE = 1e-12
"""Share of the largest value within which the truth is preferred to another report."""


def open_strategy(payoffs: PersistentPayoffs, first: int) -> tuple[Misreport, ...]:
    """Misreports of the best strategy of a first type, at all histories that it can lead to.

    Parameters
    ----------
    payoffs : PersistentPayoffs
    first : int
        Of positive probability.
    """
    tree = payoffs.mechanism.tree
    misreports, states = list[Misreport](), {(0, 0, first)}  # (slot, previous true type, true type)
    for t in range(tree.horizon):
        report, following = payoffs.best[t].report, set[tuple[int, int, int]]()
        assert report is not None
        groups, scale = payoffs.by_report[t], float(np.abs(report).max())
        ends = np.append(groups.slot_starts, len(groups.slot))
        for slot, before, true in sorted(states):
            part = slice(int(ends[slot]), int(ends[slot + 1]))
            told = groups.member[part]
            may = tree.process.may_report(t, payoffs.agent, np.array(true), told)
            values = np.where(may, report[part, before, true], -np.inf)
            truthful = np.flatnonzero(told == true)
            tells = len(truthful) and values[truthful[0]] >= values.max() - TIE * scale
            choice = true if tells else int(told[values.argmax()])
            if not tells:
                misreports.append(Misreport(tree.history(t, slot), (before, true) if t else (true,), choice))
            if t + 1 < tree.horizon:
                following |= _reached(payoffs, t, slot, before, true, choice)
        states = following
    return tuple(misreports)


def _reached(
    payoffs: PersistentPayoffs, t: int, slot: int, before: int, true: int, report: int
) -> set[tuple[int, int, int]]:
    """Slots and types of the next period that have positive probability."""
    tree, process, i = payoffs.mechanism.tree, payoffs.mechanism.process, payoffs.agent
    if t == 0:
        distribution = process.initial
    else:
        came, branch = divmod(slot, tree.branches[t - 1])
        start = process.with_own(t - 1, i, tree.profile[t - 1][came], np.array(before))
        distribution = process.kernel[t - 1][branch, start]
    profiles = np.flatnonzero((distribution > 0) & (process.types(t)[i] == true))
    nodes = tree.find(t, np.full(len(profiles), slot), process.with_own(t, i, profiles, np.array(report)))
    reached = set[tuple[int, int, int]]()
    for profile, node in zip(profiles, nodes, strict=True):
        for branch in range(tree.branches[t]):
            likely = np.flatnonzero(process.marginal(t, i)[branch, profile] > 0)
            after = int(tree.following(t)[node, branch])
            reached |= {(after, true, int(k)) for k in likely}
    return reached
