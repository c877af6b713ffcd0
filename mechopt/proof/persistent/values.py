r"""Rows of the truthful continuation values and of misreports, by loops over histories, for the checker of
certificates.

A *state* of agent i at a slot is what she knows of herself: her type k where types persist independently; her type
before and now, (l, k), where they are correlated; the whole profile (k, m) ex post. It is truthful where k may be
reported there and l was. With q the chance of the others' reports at node n, given the state (and of k, where
correlated)::

    V(s) - sum_n q [sum_a x(n, a) v_i(a, truth) - y_i(n) + sum_b sum_s' P(s') V(s')] = 0 or >= 0

by state and then by report r, over the nodes n of the slot with r; = 0 for the truth in truthful states. Local
constraints compare truthful states with near reports only, and others with the truth where it can be told.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from mechopt.proof.persistent.tree import Histories
from mechopt.proof.rows import Entries, Number, Row, whole


class State(NamedTuple):
    """Knowledge of agent i at a slot: her types before and now (0 where it does not matter), ex post the profile."""

    slot: int
    earlier: int
    own: int
    profile: int


def list_states(tree: Histories, t: int, i: int, basis: str) -> dict[State, bool]:
    """List all states of a period in order, and whether each is truthful."""
    process, found = tree.process, dict[State, bool]()
    correlated = t > 0 and not process.independent
    for s in range(len(tree.parent[t])):
        reports = tree.reports(t, s, i)
        states = {process.state(t, m) for m in tree.nodes[t][s]}
        if basis == "ex post":
            for m, types in enumerate(process.profiles[t]):
                if process.public and not (process.agrees(t, m) and process.state(t, m) in states):
                    continue
                if any(process.with_own(t, i, m, r) in tree.nodes[t][s] for r in reports):
                    found[State(s, 0, types[i], m)] = types[i] in reports
            continue
        told = process.profiles[t - 1][tree.past(t, s)][i] if correlated else 0
        for before in range(process.types[t - 1][i] if correlated else 1):
            for k in range(process.types[t][i]):
                if process.public and process.public[t][i][k] not in states:
                    continue
                if correlated and not process.may_report(t - 1, i, before, told):
                    continue
                found[State(s, before, k, 0)] = k in reports and before == told
    return found


def likely(tree: Histories, t: int, i: int, state: State, basis: str) -> bool:
    """Whether truth leads to a truthful state with positive probability, given the actions."""
    own, nodes = tree.process.profiles[t], tree.nodes[t][state.slot]
    if basis == "ex post":
        return tree.reach[t][nodes[state.profile]] > 0
    return any(own[m][i] == state.own and tree.reach[t][node] for m, node in nodes.items())


def _compared(misreports: str, true: int, reports: list[int], truthful: bool) -> list[int]:
    """With which of the possible reports a state is compared."""
    if misreports == "none":
        return [true] if truthful else []
    if misreports == "all" or true not in reports:
        return reports
    if not truthful:
        return [true]  # after a misreport, local constraints go on with the truth
    return [r for r in reports if 0 <= true - r <= 1 or (misreports == "adjacent" and r == true + 1)]


def state_chance(tree: Histories, t: int, i: int, state: State, m: int) -> Number:
    """Weight that an interim state gives to the others' types in m."""
    process, s = tree.process, state.slot
    branch, past = tree.branch[t][s], tree.past(t, s)
    if process.independent:
        return process.others(t, i, branch, past, m)
    truth = process.with_own(t, i, m, state.own)
    if t == 0:
        return process.initial[truth]
    return process.distribution[t - 1][branch][process.with_own(t - 1, i, past, state.earlier)][truth]


class ValueRows:
    """Rows of one basis; ``columns[t][i]`` are those of the states that have one.

    A misreport in a truthful state costs ``slack[i]``, what it may gain. Of basis ``"strategy"`` V is what the best
    strategy is worth, at least the truth, and nothing costs anything.
    """

    def __init__(
        self,
        tree: Histories,
        basis: str,
        misreports: str,
        columns: list[list[dict[State, int]]],
        slack: list[Fraction],
    ) -> None:
        self.tree, self.basis, self.misreports, self.columns, self.slack = tree, basis, misreports, columns, slack

    def rows(self, name: str, t: int, i: int, allocation: int, payment: int) -> Iterator[Row]:
        """Rows of one agent and period; first columns of the period's allocation, and of her payments."""
        tree, process = self.tree, self.tree.process
        truthful, best = list_states(tree, t, i, self.basis), self.basis == "strategy"
        for state, column in self.columns[t][i].items():
            reports = [r for r in tree.reports(t, state.slot, i) if process.may_report(t, i, state.own, r)]
            for report in _compared(self.misreports, state.own, reports, truthful[state]):
                entries: Entries = [(column, 1)]
                for m, node in tree.nodes[t][state.slot].items():
                    if process.profiles[t][m][i] == report:
                        fee = self.slack[i] if truthful[state] and report != state.own and not best else 0
                        entries += self._node(t, i, state, m, node, allocation, payment, fee)
                equal = truthful[state] and report == state.own and not best
                place = f"true type {state.own}, number {column}, report {report}"
                yield Row(name, (t, i, state.slot, place), entries, 0, 0 if equal else None)

    def _node(
        self, t: int, i: int, state: State, m: int, node: int, allocation: int, payment: int, fee: Number
    ) -> Entries:
        tree, process = self.tree, self.tree.process
        ex_post = self.basis == "ex post"
        truth = state.profile if ex_post else process.with_own(t, i, m, state.own)
        if ex_post and process.with_own(t, i, m, state.own) != truth:
            return []  # the others' types are known, and not these
        chance = 1 if ex_post else state_chance(tree, t, i, state, m)
        if not chance:
            return []
        entries: Entries = [(payment + node, chance)]
        for a, worth in enumerate(process.net[t][i]):
            if worth[truth] != fee:
                entries.append((allocation + node * process.actions[t] + a, -chance * whole(worth[truth] - fee)))
        if t + 1 < process.periods:
            for branch, slot in enumerate(tree.after(t, node)):
                for later, likely in self._later(t, i, state.own, truth, branch, slot):
                    column = self.columns[t + 1][i].get(later)
                    if likely and column is not None:
                        entries.append((column, -chance * likely))
        return entries

    def _later(self, t: int, i: int, own: int, truth: int, branch: int, slot: int) -> Iterator[tuple[State, Number]]:
        """Her states at a later slot, with their chances; those of correlated types, if above 0, are in the values."""
        process = self.tree.process
        if self.basis == "ex post":
            for m, chance in enumerate(process.distribution[t][branch][truth]):
                yield State(slot, 0, process.profiles[t + 1][m][i], m), chance
            return
        for k in range(process.types[t + 1][i]):
            if process.independent:
                yield State(slot, 0, k, 0), process.own_distribution[i][t][branch][own][k]
            else:
                distribution = process.distribution[t][branch][truth]
                possible = any(p and m[i] == k for m, p in zip(process.profiles[t + 1], distribution, strict=True))
                yield State(slot, own, k, 0), int(possible)

    def expected(self, name: str, t: int, i: int) -> Iterator[Row]:
        """From ex post values: the expected value of truth over the others' types is at least 0 in truthful states."""
        tree, process = self.tree, self.tree.process
        for state, truthful in list_states(tree, t, i, "interim").items():
            if truthful and likely(tree, t, i, state, "interim"):
                entries: Entries = []
                for m in tree.nodes[t][state.slot]:
                    chance = state_chance(tree, t, i, state, m)
                    if process.profiles[t][m][i] == state.own and chance:
                        entries.append((self.columns[t][i][State(state.slot, 0, state.own, m)], chance))
                yield Row(name, (t, i, state.slot, f"true type {state.own}"), entries, Fraction(0), None)
