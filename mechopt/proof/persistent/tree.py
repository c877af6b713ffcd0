"""Exact distributions and public histories where types persist, by loops, for the checker of certificates.

A profile is numbered with the type of agent 0 slowest. In period t a *slot* is what is public before the reports: the
profiles reported before, and the actions of the periods where they are recorded. A *node* is a slot with the profile
reported there. Slot ``node * branches + branch`` follows a node, branch being the action or 0 where none is recorded;
nodes are numbered by slot, then by profile. This file shares no code with `mechopt.lp` and `mechopt.histories.public`.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.states.environment import PublicStates
from mechopt.proof.certificate import CertificateError
from mechopt.proof.rows import Number, whole

Profile = tuple[int, ...]


class PersistentProcess:
    """Exact numbers by period: ``worth[t][i][a][m]``, ``cost[t][a]`` and ``gains[t][a][m]``, the seller's besides, are
    present values, ``scale[t]`` that of money to the seller and ``own_scale[i][t]`` to an agent.

    ``net[t][i][a][m]`` is worth less what an agent gives up of her outside option in the period: the option, less what
    is expected of it in the next. Sums of it over the rest of the horizon are those of worth less the option.

    ``distribution[t][a][m][m']`` is the probability of the next profile. Where ``independent``,
    ``own_distribution[i][t][a][k][k']`` and ``own_first[i][k]`` are those of one agent's types.
    """

    def __init__(self, environment: MarkovTypes | InterdependentTypes) -> None:
        exact = environment.exact
        if exact is None or environment.infinite:
            raise CertificateError("fingerprint: this environment has no exact numbers, or no last period")
        self.agents, self.periods = environment.agents, environment.stages
        self.types = [list(row) for row in environment.shape]
        self.actions = list(environment.action_counts)
        self.profiles = [list(product(*(range(count) for count in row))) for row in self.types]
        self.independent = isinstance(environment, MarkovTypes)
        scale = self.scale = [exact.discount**t for t in range(self.periods)]
        self.own_scale = [
            [own**t for t in range(self.periods)] for own in exact.discounts or [exact.discount] * self.agents
        ]
        costs: Any = exact.cost if isinstance(exact.cost[0], tuple) else (exact.cost,) * self.periods
        self.cost = [[scale[t] * fee for fee in costs[t]] for t in range(self.periods)]
        gains = exact.seller_values
        self.gains = [
            [[scale[t] * self._gain(gains, t, a, m) for m in self.profiles[t]] for a in range(self.actions[t])]
            for t in range(self.periods)
        ]
        self.own_first: list[list[Number]] = []
        self.own_distribution: list[list[list[list[list[Number]]]]] = []
        if isinstance(environment, MarkovTypes):
            self._independent(environment.exact)
        else:
            self._joint(exact)
        self.net = self.worth if exact.outside is None else self._net(exact.outside)
        self.controlled = [
            any(matrix != distribution[0] for matrix in distribution) for distribution in self.distribution
        ]
        self.public: list[list[list[int]]] | None = None
        self.forbidden: list[list[list[bool]]] | None = None
        if isinstance(environment, PublicStates):
            self.public = [[row.tolist() for row in period] for period in environment.public]
            self.forbidden = [flags.tolist() for flags in environment.forbidden]

    def state(self, t: int, m: int) -> int:
        """Public state of a profile: that of the first agent's type; 0 where there are none."""
        return 0 if self.public is None else int(self.public[t][0][self.profiles[t][m][0]])

    def agrees(self, t: int, m: int) -> bool:
        """Whether all agents' types have one public state."""
        if self.public is None:
            return True
        return len({row[k] for row, k in zip(self.public[t], self.profiles[t][m], strict=True)}) == 1

    def may_report(self, t: int, i: int, true: int, report: int) -> bool:
        """Whether a type can report another: they have one public state."""
        return self.public is None or self.public[t][i][true] == self.public[t][i][report]

    def ruled_out(self, t: int, m: int) -> list[int]:
        """Actions that the public state of a profile forbids."""
        if self.forbidden is None:
            return []
        return [a for a, row in enumerate(self.forbidden[t]) if row[self.state(t, m)]]

    def share(self, t: int, i: int) -> Fraction:
        """The seller's present value of a payment by agent i's."""
        return self.scale[t] / self.own_scale[i][t]

    def _net(self, options: Any) -> list[list[list[list[Number]]]]:
        found: list[list[list[list[Number]]]] = []
        for t, tables in enumerate(self.worth):
            found.append([])
            for i, table in enumerate(tables):
                found[t].append([])
                for a, row in enumerate(table):
                    net = list[Number]()
                    for m, worth in enumerate(row):
                        given_up = self.own_scale[i][t] * options[i][t][self.profiles[t][m][i]]
                        if t + 1 < self.periods:
                            for n, p in zip(self.profiles[t + 1], self.distribution[t][a][m], strict=True):
                                given_up -= self.own_scale[i][t + 1] * p * options[i][t + 1][n[i]]
                        net.append(whole(worth - given_up))
                    found[t][i].append(net)
        return found

    def _gain(self, gains: Any, t: int, a: int, profile: Profile) -> Fraction:
        """Worth of an action to the seller at a profile, money of the period."""
        if gains is None:
            return Fraction(0)
        if self.independent:
            return sum((row[t][a][profile[i]] for i, row in enumerate(gains)), Fraction(0))
        gain: Fraction = gains[t][(a, *profile)]
        return gain

    def _independent(self, exact: Any) -> None:
        self.own_first = [[whole(p) for p in row] for row in exact.initial]
        self.own_distribution = [
            [[[[whole(p) for p in row] for row in matrix] for matrix in kernel] for kernel in chain]
            for chain in exact.kernel
        ]
        self.worth = [
            [
                [[whole(self.own_scale[i][t] * table[m[i]]) for m in self.profiles[t]] for table in exact.values[i][t]]
                for i in range(self.agents)
            ]
            for t in range(self.periods)
        ]
        self.initial = [whole(prod(self.own_first[i][k] for i, k in enumerate(m))) for m in self.profiles[0]]
        self.distribution = [
            [
                [
                    [
                        whole(prod(self.own_distribution[i][t][a][m[i]][k] for i, k in enumerate(n)))
                        for n in self.profiles[t + 1]
                    ]
                    for m in self.profiles[t]
                ]
                for a in range(self.actions[t])
            ]
            for t in range(self.periods - 1)
        ]

    def _joint(self, exact: Any) -> None:
        self.worth = [
            [
                [
                    [whole(self.own_scale[i][t] * exact.values[i][t][(a, *m)]) for m in self.profiles[t]]
                    for a in range(count)
                ]
                for i in range(self.agents)
            ]
            for t, count in enumerate(self.actions)
        ]
        self.initial = [whole(exact.initial[m]) for m in self.profiles[0]]
        self.distribution = [
            [
                [[whole(exact.kernel[t][(a, *m, *n)]) for n in self.profiles[t + 1]] for m in self.profiles[t]]
                for a in range(self.actions[t])
            ]
            for t in range(self.periods - 1)
        ]

    def with_own(self, t: int, i: int, m: int, k: int) -> int:
        """Profile of period t in which agent i's type is k instead."""
        stride = prod(self.types[t][i + 1 :])
        return m + (k - self.profiles[t][m][i]) * stride

    def others(self, t: int, i: int, branch: int, past: int, m: int) -> Number:
        """Probability of the others' types in m after the profile ``past``, where types persist independently."""
        rest = [(j, k) for j, k in enumerate(self.profiles[t][m]) if j != i]
        if t == 0:
            return whole(prod(self.own_first[j][k] for j, k in rest))
        before = self.profiles[t - 1][past]
        return whole(prod(self.own_distribution[j][t - 1][branch][before[j]][k] for j, k in rest))


class Histories:
    """The slots and nodes of all periods.

    Parameters
    ----------
    process : PersistentLaws
    every_report : bool
        Whether any type may be reported at any history; else those only that an agent's reports so far allow.
    every_action : bool
        Whether all actions are recorded; else those only that move types.
    """

    def __init__(self, process: PersistentProcess, every_report: bool, every_action: bool) -> None:
        self.process = process
        kept = [every_action or moved for moved in process.controlled]
        self.branches = [
            count if keep else 1 for count, keep in zip(process.actions, kept, strict=False)
        ]  # but the last
        self.parent: list[list[int]] = [[-1]]  # by slot: the node that it follows
        self.branch: list[list[int]] = [[0]]
        self.slot: list[list[int]] = []  # by node
        self.profile: list[list[int]] = []
        self.reach: list[list[Number]] = []  # probability of the reported types of a node, given its actions
        self.nodes: list[list[dict[int, int]]] = []  # by slot: profile to node, in order
        for t in range(process.periods):
            if t:
                count, nodes = self.branches[t - 1], len(self.slot[t - 1])
                self.parent.append([n for n in range(nodes) for _ in range(count)])
                self.branch.append([b for _ in range(nodes) for b in range(count)])
            self._grow(t, every_report)

    def _grow(self, t: int, every_report: bool) -> None:
        slots, profiles = list[int](), list[int]()
        reach, nodes = list[Number](), list[dict[int, int]]()
        allowed: dict[tuple[int, int], list[int]] = {}
        for s in range(len(self.parent[t])):
            key = self.past(t, s), self.branch[t][s]
            if key not in allowed:
                allowed[key] = self._reportable(t, *key, every_report)
            nodes.append({m: len(slots) + k for k, m in enumerate(allowed[key])})
            distribution = self.process.initial if t == 0 else self.process.distribution[t - 1][key[1]][key[0]]
            mass = self.reach[t - 1][self.parent[t][s]] if t else 1
            slots += [s] * len(allowed[key])
            profiles += allowed[key]
            reach += [whole(mass * distribution[m]) for m in allowed[key]]
        self.slot.append(slots)
        self.profile.append(profiles)
        self.reach.append(reach)
        self.nodes.append(nodes)

    def _reportable(self, t: int, past: int, branch: int, every_report: bool) -> list[int]:
        """Profiles whose every type is possible after that agent's last report, for some types of the others."""
        process = self.process
        agreed = [m for m in range(len(process.profiles[t])) if process.agrees(t, m)]
        if every_report:
            return agreed if process.public is None else self._possible(t, past, branch, agreed)
        likely = list[set[int]]()
        for i in range(process.agents):
            if t == 0:
                rows = [process.initial]
            else:
                own = process.profiles[t - 1][past][i]
                rows = [
                    distribution
                    for m, distribution in zip(
                        process.profiles[t - 1], process.distribution[t - 1][branch], strict=True
                    )
                    if m[i] == own
                ]
            likely.append({process.profiles[t][m][i] for row in rows for m, p in enumerate(row) if p})
        return [m for m in agreed if all(k in likely[i] for i, k in enumerate(process.profiles[t][m]))]

    def _possible(self, t: int, past: int, branch: int, agreed: list[int]) -> list[int]:
        """Profiles whose public state can follow the one before."""
        process = self.process
        rows = [process.initial]
        if t:
            now = process.state(t - 1, past)
            rows = [
                distribution
                for m, distribution in enumerate(process.distribution[t - 1][branch])
                if process.state(t - 1, m) == now
            ]
        states = {process.state(t, m) for row in rows for m, p in enumerate(row) if p}
        return [m for m in agreed if process.state(t, m) in states]

    def past(self, t: int, s: int) -> int:
        """Profile reported just before a slot; -1 at the start."""
        return self.profile[t - 1][self.parent[t][s]] if t else -1

    def reports(self, t: int, s: int, i: int) -> list[int]:
        """Reports open to agent i at a slot, rising."""
        return sorted({self.process.profiles[t][m][i] for m in self.nodes[t][s]})

    def after(self, t: int, node: int) -> range:
        """Slots of period t + 1 that follow a node, by branch."""
        return range(node * self.branches[t], (node + 1) * self.branches[t])
