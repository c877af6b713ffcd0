r"""Rows of Bayesian incentive compatibility where agents do not see all of the past.

Agent i knows her own true types, her own reports, and all recorded actions (``sees="actions"``) or not even these
(``"own"``). Slots that she cannot tell apart form a *cell*: one for each sequence of her reports, and of actions where
she sees them. A state is a cell with her true history h = (k_0, ..., k_t-1) and her true type k. With

    W(slot, h)    probability of the others' reports at the slot and of h, given its actions,
    q(n, h, k)    the same with the others' reports at node n and her next type k,

not divided by anything, her values obey, for every report r available in the cell,

    V(cell, h, k) >= sum over nodes n of the cell with her report r of q(n, h, k) [sum_a w_t x(n, a) v_i - y_i(n)]
                     + sum over the cells after r, and over k', of V(cell', (h, k), k')

with equality for the truth after truth, k' of positive probability. The true history stays whole because, where
actions go unseen, her own past tells her about them.
"""

from __future__ import annotations

from functools import cached_property
from math import prod

import numpy as np

from mechopt.core.numbers import Array, IntArray
from mechopt.histories.public import PublicTree
from mechopt.lp.persistent.incentive import Scalar, SparseRows, gathered


class Hidden:
    """Histories that agent i can tell apart on a public tree.

    Parameters
    ----------
    tree : PublicTree
    i : int
    sees : str
        ``"actions"`` or ``"own"``.
    """

    def __init__(self, tree: PublicTree, i: int, sees: str) -> None:
        self.tree, self.i, self.sees = tree, i, sees

    @cached_property
    def types(self) -> tuple[int, ...]:
        """Number of her types by period."""
        return tuple(row[self.i] for row in self.tree.process.shape)

    def pasts(self, t: int) -> int:
        """Number of true histories before period t."""
        return prod(self.types[:t])

    @cached_property
    def _cells(self) -> list[tuple[IntArray, IntArray]]:
        """By period: cell of each slot; her reports in each cell, numbered like true histories."""
        cell, reported = np.zeros(1, np.int64), np.zeros(1, np.int64)
        levels = [(cell, reported)]
        for t in range(1, self.tree.horizon):
            node, branch = self.tree.came(t)
            seen = branch if self.sees == "actions" else np.zeros_like(branch)
            own = self.tree.own(t - 1, self.i)[node]
            before = cell[self.tree.slot[t - 1][node]]
            keys = (before * self.types[t - 1] + own) * self.tree.branches[t - 1] + seen
            unique, cell = np.unique(keys, return_inverse=True)
            pair = unique // self.tree.branches[t - 1]
            reported = reported[pair // self.types[t - 1]] * self.types[t - 1] + pair % self.types[t - 1]
            levels.append((cell, reported))
        return levels

    def cell(self, t: int) -> IntArray:
        """Cell of each slot of period t."""
        return self._cells[t][0]

    def reported(self, t: int) -> IntArray:
        """Her reports in each cell of period t, numbered like true histories."""
        return self._cells[t][1]

    @cached_property
    def _weights(self) -> list[Array]:
        """W by period, ``(slots, pasts)``."""
        weights: list[Array] = [np.ones((1, 1), dtype=self.tree.process.initial.dtype)]
        for t in range(1, self.tree.horizon):
            node, _ = self.tree.came(t)
            weights.append(self._chances(t - 1, weights[-1])[node].reshape(len(node), -1))
        return weights

    def chances(self, t: int) -> Array:
        """q: probability of the others' reports at each node, her true history and her true type; ``(nodes, h, k)``."""
        return self._chances(t, self._weights[t])

    def _chances(self, t: int, weights: Array) -> Array:
        """The same from W of the period."""
        tree, process, i = self.tree, self.tree.process, self.i
        slot, own = tree.slot[t], np.arange(self.types[t])
        truth = process.with_own(t, i, tree.profile[t][:, None], own)  # (nodes, k)
        if t == 0:
            return np.asarray(process.initial[truth][:, None, :])
        past, branch = tree.before(t)
        earlier = np.arange(self.pasts(t)) % self.types[t - 1]
        true_past = process.with_own(t - 1, i, past[slot][:, None], earlier)  # (nodes, h)
        moved = process.kernel[t - 1][branch[slot][:, None, None], true_past[:, :, None], truth[:, None, :]]
        return np.asarray(weights[slot][:, :, None] * moved)

    def likely(self, t: int) -> Array:
        """Which states of period t have positive probability, ``(cells, pasts, types)``."""
        found = np.zeros(self.shape(t), dtype=bool)
        np.logical_or.at(found, self.cell(t)[self.tree.slot[t]], self.chances(t) > 0)
        return found

    def shape(self, t: int) -> tuple[int, int, int]:
        """Cells, true histories and types of period t: the axes of V."""
        return len(self.reported(t)), self.pasts(t), self.types[t]


def hidden_rows(
    hidden: Hidden,
    t: int,
    value: IntArray,
    later: IntArray | None,
    allocation: IntArray,
    payment: IntArray,
    per_unit: Scalar,
    best: bool = False,
) -> SparseRows:
    """Rows of one agent in one period.

    Parameters
    ----------
    hidden : Hidden
    t : int
    value, later : int arrays ``(cells, pasts, types)``
        Columns of V in this period and the next; None in the last.
    allocation : int array ``(nodes, A_t)``
    payment : int array ``(nodes,)``
    per_unit : number
        Present value of money of the period, in the program's unit.
    best : bool
        V is what the best strategy is worth, after truth too: at least the truth, and not equal to it.
    """
    tree, process, i = hidden.tree, hidden.tree.process, hidden.i
    _, pasts, types = hidden.shape(t)
    cell, report = hidden.cell(t)[tree.slot[t]], tree.own(t, i)
    pairs = np.unique(cell * types + report)  # (cell, report) that exist, in order
    place = np.searchsorted(pairs, cell * types + report)
    chance = hidden.chances(t)
    own = np.arange(types)
    truth = process.with_own(t, i, tree.profile[t][:, None], own)
    worth = process.net_values[t][i].T[truth] * per_unit  # (nodes, k, a)
    row = (place[:, None, None] * pasts + np.arange(pasts)[:, None]) * types + own
    parts = [
        (row[..., None], allocation[:, None, None, :], -(chance[..., None] * worth[:, None])),
        (row, payment[:, None, None], chance),
    ]
    pair_cell, pair_report = np.divmod(pairs, types)
    rows = np.arange(len(pairs) * pasts * types).reshape(len(pairs), pasts, types)
    parts.append((rows, value[pair_cell], np.ones((1, 1, 1), dtype=np.int64)))
    if later is not None:
        node, _ = tree.came(t + 1)
        after, first = np.unique(hidden.cell(t + 1), return_index=True)  # the pair that each next cell comes from
        came = place[node[first]]
        following = later[after].reshape(len(after), pasts, types, -1)
        likely = hidden.likely(t + 1)[after].reshape(following.shape)  # others are worth 0, and nothing bounds their V
        parts.append((rows[came][..., None], following, -likely.astype(np.int64)))
    truthful = hidden.reported(t)[pair_cell][:, None, None] == np.arange(pasts)[:, None]
    equal = (truthful & (pair_report[:, None, None] == own) & (not best)).ravel()
    labels = (
        ("true history", np.broadcast_to(np.arange(pasts)[:, None], rows.shape).ravel()),
        ("true type", np.broadcast_to(own, rows.shape).ravel()),
        ("report", np.broadcast_to(pair_report[:, None, None], rows.shape).ravel()),
    )
    zero, place_of = np.zeros(rows.size), np.zeros(len(pairs), dtype=np.int64)
    place_of[place] = tree.slot[t]  # one of the slots of the cell
    slots = np.broadcast_to(place_of[:, None, None], rows.shape).ravel()
    found = SparseRows(*gathered(parts), zero, np.where(equal, 0.0, np.inf), slots, labels)
    told = process.may_report(t, i, own, pair_report[:, None, None])
    return found if process.public is None else _kept(found, np.broadcast_to(told, rows.shape).ravel())


def _kept(rows: SparseRows, kept: Array) -> SparseRows:
    """Some of the rows, numbered again."""
    number, there = np.cumsum(kept) - 1, kept[rows.row]
    parts = number[rows.row[there]], rows.column[there], rows.coefficient[there]
    labels = tuple((name, part[kept]) for name, part in rows.labels)
    return SparseRows(*parts, rows.lower[kept], rows.upper[kept], rows.slot[kept], labels)
