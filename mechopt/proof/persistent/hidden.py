r"""Rows of Bayesian incentive compatibility where agents do not see all of the past, for the checker of certificates.

Slots that agent i cannot tell apart are a *cell*: one for each sequence of her reports, with the actions where she sees
them, in that order. Her true history h and type k make a state; q(n, h, k) is the chance of the others' reports at and
before node n and of h and k, given the actions::

    V(cell, h, k) - sum_n q(n, h, k) [sum_a x(n, a) v_i(a) - y_i(n)] - sum_cell' sum_k' V(cell', (h, k), k') = 0 or >= 0

by cell, report r, h and k, over the nodes n of the cell with r and the cells after r, and over k' such that the state
(cell', (h, k), k') has positive probability; = 0 for the truth after truth.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from mechopt.proof.persistent.tree import Histories
from mechopt.proof.rows import Entries, Number, Row, whole

Cell = tuple[tuple[int, int], ...]
"""Over periods: her report, and the action that she saw (0 where she did not)."""


class HiddenRows:
    """Rows of agent i; ``sees`` is ``"actions"`` or ``"own"``."""

    def __init__(self, tree: Histories, i: int, sees: str) -> None:
        self.tree, self.i, self.process = tree, i, tree.process
        self.cell: list[list[Cell]] = [[()]]  # by slot
        for t in range(1, self.process.periods):
            self.cell.append([])
            for n, b in zip(tree.parent[t], tree.branch[t], strict=True):
                seen = self._report(t - 1, n), b if sees == "actions" else 0
                self.cell[t].append((*self.cell[t - 1][tree.slot[t - 1][n]], seen))
        self.number = [{cell: k for k, cell in enumerate(sorted(set(level)))} for level in self.cell]
        types = [row[i] for row in self.process.types]
        self.pasts = [list(product(*(range(count) for count in types[:t]))) for t in range(len(types))]
        self.types = types
        self.place = [{past: h for h, past in enumerate(level)} for level in self.pasts]
        self.weights: dict[tuple[int, int, tuple[int, ...]], Number] = {}

    def _report(self, t: int, node: int) -> int:
        return self.process.profiles[t][self.tree.profile[t][node]][self.i]

    def size(self, t: int) -> int:
        """Number of columns of a period."""
        return len(self.number[t]) * len(self.pasts[t]) * self.types[t]

    def _column(self, t: int, cell: Cell, past: tuple[int, ...], k: int) -> int:
        return (self.number[t][cell] * len(self.pasts[t]) + self.place[t][past]) * self.types[t] + k

    def _weight(self, t: int, slot: int, past: tuple[int, ...]) -> Number:
        """Chance of the others' reports before a slot and of her true history, given its actions."""
        key = t, slot, past
        if key not in self.weights:
            before = past[:-1], past[-1]
            self.weights[key] = self._chance(t - 1, self.tree.parent[t][slot], *before)
        return self.weights[key]

    def _chance(self, t: int, node: int, past: tuple[int, ...], k: int) -> Number:
        """q: the same with the others' reports at a node and her true type."""
        process, slot, m = self.process, self.tree.slot[t][node], self.tree.profile[t][node]
        truth = process.with_own(t, self.i, m, k)
        if t == 0:
            return process.initial[truth]
        weight = self._weight(t, slot, past)
        if not weight:
            return 0
        before = process.with_own(t - 1, self.i, self.tree.past(t, slot), past[-1])
        return whole(weight * process.distribution[t - 1][self.tree.branch[t][slot]][before][truth])

    def rows(
        self, name: str, t: int, value: int, later: int, allocation: int, payment: int, best: bool
    ) -> Iterator[Row]:
        """Rows of a period; first columns of V now and later, of the period's allocation, and of her payments.

        ``best``: V is what the best strategy is worth, at least the truth and not equal to it.
        """
        groups: dict[tuple[Cell, int], list[int]] = {}
        for node, slot in enumerate(self.tree.slot[t]):
            groups.setdefault((self.cell[t][slot], self._report(t, node)), []).append(node)
        likely: set[tuple[Cell, tuple[int, ...], int]] = set()
        for node, slot in enumerate(self.tree.slot[t + 1] if t + 1 < self.process.periods else ()):
            for past, k in product(self.pasts[t + 1], range(self.types[t + 1])):
                if self._chance(t + 1, node, past, k):
                    likely.add((self.cell[t + 1][slot], past, k))
        following: dict[tuple[Cell, int], list[Cell]] = {}
        for cell in self.number[t + 1] if t + 1 < self.process.periods else ():
            following.setdefault((cell[:-1], cell[-1][0]), []).append(cell)
        for cell, report in sorted(groups):
            for past, k in product(self.pasts[t], range(self.types[t])):
                if not self.process.may_report(t, self.i, k, report):
                    continue
                entries: Entries = [(value + self._column(t, cell, past, k), 1)]
                for node in groups[cell, report]:
                    entries += self._node(t, node, past, k, allocation, payment)
                for after in following.get((cell, report), ()):
                    states = [(after, (*past, k), own) for own in range(self.types[t + 1])]
                    for state in filter(likely.__contains__, states):
                        entries.append((later + self._column(t + 1, *state), -1))
                equal = report == k and past == tuple(told for told, _ in cell) and not best
                words = f"told and seen {cell}, true past {past}, true type {k}, report {report}"
                place = (t, self.i, self.tree.slot[t][groups[cell, report][0]], words)
                yield Row(name, place, entries, 0, 0 if equal else None)

    def _node(self, t: int, node: int, past: tuple[int, ...], k: int, allocation: int, payment: int) -> Entries:
        chance = self._chance(t, node, past, k)
        if not chance:
            return []
        truth = self.process.with_own(t, self.i, self.tree.profile[t][node], k)
        entries: Entries = [(payment + node, chance)]
        for a, worth in enumerate(self.process.net[t][self.i]):
            if worth[truth]:
                entries.append((allocation + node * self.process.actions[t] + a, -chance * worth[truth]))
        return entries
