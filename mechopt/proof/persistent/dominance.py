"""Rows of dominance once more, by loops over paths, for the checker of certificates.

For every node of the period, another report r of the agent at its slot, and every way on of her types (of positive
probability) and the others' reports: utilities along the truth, less those along the misreport with her true types, are
at least 0. After the misreport she reports the truth where the slot allows it, else there is a row for each report.
This file shares no code with `mechopt.lp`.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from mechopt.proof.certificate import CertificateError
from mechopt.proof.persistent.tree import Histories, PersistentProcess
from mechopt.proof.rows import Entries, Row, whole

Pair = tuple[int, int]
"""Node of the truth, and node of the misreport."""


def require_unmoved(process: PersistentProcess, tree: Histories, start: int) -> None:
    """Refuse dominance where types depend on actions, or across agents.

    Raises
    ------
    CertificateError
    """
    if not process.independent:
        raise CertificateError("ic: dominant is for types that are independent across agents")
    if any(process.controlled[start:]) or any(n > 1 for n in tree.branches[start:]):
        raise CertificateError(f"ic: dominant is for types that no action moves from period {start} on")


class DominanceRows:
    """Rows of misreports of all agents and periods.

    Parameters
    ----------
    process : PersistentProcess
    tree : Histories
    allocation : list over periods
        First column of each.
    payment : dict of (period, agent)
        First column of each.
    slack : list over agents
        What a misreport may gain.
    """

    def __init__(
        self,
        process: PersistentProcess,
        tree: Histories,
        allocation: list[int],
        payment: dict[tuple[int, int], int],
        slack: list[Fraction],
    ) -> None:
        self.process, self.tree, self.slack = process, tree, slack
        self.allocation, self.payment = allocation, payment

    def rows(self, name: str, t: int, i: int) -> Iterator[Row]:
        """All of one agent and period."""
        process, tree = self.process, self.tree
        for node, slot in enumerate(tree.slot[t]):
            m = tree.profile[t][node]
            own = process.profiles[t][m][i]
            for r in range(process.types[t][i]):
                other = tree.nodes[t][slot].get(process.with_own(t, i, m, r))
                if r == own or other is None:
                    continue
                for path in self._paths(t, i, (node, other)):
                    entries = self._entries(t, i, path)
                    yield Row(name, (t, i, slot, f"true type {own}, report {r}"), entries, 0, None)

    def _paths(self, t: int, i: int, pair: Pair) -> Iterator[list[Pair]]:
        """Every way on from a pair, the pair first."""
        process, tree = self.process, self.tree
        if t + 1 == process.periods:
            yield [pair]
            return
        now = process.profiles[t][tree.profile[t][pair[0]]][i]
        (after,), (other,) = tree.after(t, pair[0]), tree.after(t, pair[1])
        for m, node in sorted(tree.nodes[t + 1][after].items()):
            own = process.profiles[t + 1][m][i]
            if not process.own_distribution[i][t][0][now][own]:
                continue
            there = tree.nodes[t + 1][other]
            told = [m] if m in there else [process.with_own(t + 1, i, m, r) for r in range(process.types[t + 1][i])]
            for lie in told:
                if lie in there:
                    for rest in self._paths(t + 1, i, (node, there[lie])):
                        yield [pair, *rest]

    def _entries(self, t: int, i: int, path: list[Pair]) -> Entries:
        process, tree, found = self.process, self.tree, Entries()
        for s, pair in enumerate(path, t):
            truth = tree.profile[s][pair[0]]
            for node, sign in zip(pair, (1, -1), strict=True):
                first = self.allocation[s] + node * process.actions[s]
                fee = self.slack[i] if (node, s) == (pair[1], t) else 0
                worth = [(first + a, sign * (row[truth] - fee)) for a, row in enumerate(process.net[s][i])]
                found += [(column, whole(number)) for column, number in worth if number]
                found.append((self.payment[s, i] + node, -sign))
        return found
