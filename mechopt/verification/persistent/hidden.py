"""Best reporting strategies of an agent who does not see all of the past.

She knows her own types, her own reports and, with ``sees="actions"``, the recorded actions; the others' reports, and
with ``sees="own"`` the actions too, stay hidden. What she knows is an information state: a set of slots and of types of
the others, each with its probability. States are listed forward, period by period, under every report that exists at
all slots the state holds possible; the best report is then found backward. Probabilities of types multiply along the
way and are never divided; what the mechanism draws is in the weights of its allocation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mechopt.core.errors import LimitError
from mechopt.core.numbers import FloatArray, IntArray
from mechopt.verification.persistent.replay import Misreport
from mechopt.verification.persistent.response import PersistentPayoffs

MAX_ENTRIES = 2 * 10**7
"""Largest number of (report history, type path) pairs that one period may hold."""
TIE = 1e-12
"""Share of the largest value within which the truth is preferred to another report."""


class _Level(NamedTuple):
    """Information states of a period and their choices of a report.

    Attributes
    ----------
    own : int array ``(states,)``
        True type.
    came, branch : int arrays ``(states,)``
        Choice of the period before and the action seen; 0 in period 0.
    state, report : int arrays ``(choices,)``
    flow : array ``(choices,)``
        Utility of the period, times the probability of the state.
    terms : int
        Largest number of histories that a choice sums over.
    """

    own: IntArray
    came: IntArray
    branch: IntArray
    state: IntArray
    report: IntArray
    flow: FloatArray
    terms: int


@dataclass(frozen=True, eq=False)
class HiddenBest:
    """Best strategy of one agent who sees only a part of the past.

    Parameters
    ----------
    payoffs : PersistentPayoffs
    sees : str
        ``"actions"`` or ``"own"``.
    levels : tuple over t of levels
    values : tuple over t of arrays ``(choices,)``
        Value of each choice with the best reports after it, times the probability of its state.
    """

    payoffs: PersistentPayoffs
    sees: str
    levels: tuple[_Level, ...]
    values: tuple[FloatArray, ...]

    @property
    def terms(self) -> int:
        """Largest number of terms of the sums over histories, all periods together."""
        return sum(level.terms for level in self.levels)

    @property
    def best_and_truth(self) -> tuple[FloatArray, FloatArray]:
        """Values of it and of truth to each first type, ``(K_0,)``; 0 for types of probability 0."""
        level = self.levels[0]
        best = np.zeros(len(self.payoffs.first))
        best[level.own] = _largest(level, self.values[0])
        return self.payoffs.given_first(best), self.payoffs.best_and_truth[1]

    def strategy(self, first: int) -> tuple[Misreport, ...]:
        """Where the best strategy of a first type does not tell the truth."""
        state = int(np.flatnonzero(self.levels[0].own == first)[0])
        return tuple(self._misreports(0, state, (), (first,)))

    def _misreports(
        self, t: int, state: int, seen: tuple[tuple[tuple[int, ...], int | None], ...], own: tuple[int, ...]
    ) -> Iterator[Misreport]:
        level, values = self.levels[t], self.values[t]
        choices = np.flatnonzero(level.state == state)
        here = values[choices]
        true = np.flatnonzero(level.report[choices] == own[-1])
        scale = max(float(np.abs(v[np.isfinite(v)]).max(initial=0.0)) for v in self.values)
        tells = len(true) and here[true[0]] >= here.max() - TIE * scale
        choice = int(choices[true[0] if tells else here.argmax()])
        report = int(level.report[choice])
        if not tells:
            yield Misreport(seen, own, report)
        if t + 1 < len(self.levels):
            after, tree = self.levels[t + 1], self.payoffs.mechanism.tree
            shown = self.sees == "actions" and tree.branches[t] > 1
            for child in np.flatnonzero(after.came == choice):
                action = int(after.branch[child]) if shown else None
                yield from self._misreports(
                    t + 1, int(child), (*seen, ((report,), action)), (*own, int(after.own[child]))
                )


def _largest(level: _Level, values: FloatArray) -> FloatArray:
    """Value of each state; minus infinity where no report is possible."""
    best = np.full(len(level.own), -np.inf)
    np.maximum.at(best, level.state, values)
    return best


def hidden_best(payoffs: PersistentPayoffs, sees: str) -> HiddenBest:
    """Find the best strategy of an agent who sees only a part of the past.

    Parameters
    ----------
    payoffs : PersistentPayoffs
    sees : str
        ``"actions"`` or ``"own"``.

    Raises
    ------
    LimitError
        If there are too many histories of types and reports.
    """
    levels = tuple(_levels(payoffs, sees))
    values = list[FloatArray]()
    for t in reversed(range(len(levels))):
        value = levels[t].flow
        if values:
            after = levels[t + 1]
            value = value + np.bincount(after.came, weights=_largest(after, values[-1]), minlength=len(value))
        values.append(value)
    return HiddenBest(payoffs, sees, levels, tuple(reversed(values)))


def _levels(payoffs: PersistentPayoffs, sees: str) -> Iterator[_Level]:
    tree, i = payoffs.mechanism.tree, payoffs.agent
    process = tree.process
    profile = np.flatnonzero(process.initial > 0)
    weight = process.initial[profile]
    slot = np.zeros(len(profile), dtype=np.int64)
    own, state = np.unique(process.types(0)[i][profile], return_inverse=True)
    came = branch = np.zeros(len(own), dtype=np.int64)
    for t in range(tree.horizon):
        order = np.argsort(state, kind="stable")
        state, slot, profile, weight = state[order], slot[order], profile[order], weight[order]
        reports = np.arange(payoffs.types(t))
        nodes = tree.find(t, slot[:, None], process.with_own(t, i, profile[:, None], reports))
        starts = np.searchsorted(state, np.arange(len(own)))
        possible = np.logical_and.reduceat(nodes >= 0, starts, axis=0)
        possible &= process.may_report(t, i, own[:, None], reports)
        chosen_state, chosen_report = np.nonzero(possible)
        number = np.full(possible.shape, -1)
        number[chosen_state, chosen_report] = np.arange(len(chosen_state))
        entry, report = np.nonzero(possible[state])
        choice, node = number[state[entry], report], nodes[entry, report]
        flow = payoffs.flow(t).sum(axis=2)[node, own[state[entry]]]
        earned: FloatArray = np.bincount(choice, weight[entry] * flow, len(chosen_state)).astype(np.float64)
        yield _Level(
            own,
            came,
            branch,
            chosen_state.astype(np.int64),
            chosen_report.astype(np.int64),
            earned,
            int(np.bincount(choice).max()),
        )
        if t + 1 < tree.horizon:
            count = len(entry) * tree.branches[t] * process.profiles[t + 1]
            if count > MAX_ENTRIES:
                raise LimitError(
                    f"a best strategy with sees={sees!r} goes through {count:,} histories of types and reports, above "
                    f'{MAX_ENTRIES:,}; check mo.BayesianIC("all"), which implies it and needs no such list'
                )
            distribution = process.kernel[t][: tree.branches[t], profile[entry]]
            action, at, following = np.nonzero(distribution > 0)
            weight = weight[entry[at]] * distribution[action, at, following]
            slot, profile = tree.following(t)[node[at], action], following
            seen = action if sees == "actions" else np.zeros_like(action)
            mine = process.types(t + 1)[i][profile]
            width = payoffs.types(t + 1)
            keys = (choice[at] * tree.branches[t] + seen) * width + mine
            found, state = np.unique(keys, return_inverse=True)
            own, branch, came = found % width, found // width % tree.branches[t], found // width // tree.branches[t]
