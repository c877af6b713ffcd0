r"""Best response of an agent whose types persist, the others truthful, to a mechanism in sequence form.

Agent i's true type moves by the true distribution under the actions that are taken, whatever she reported. After the
slot s, with previous true type j, her true type k and report r are worth, weighted by the mass of s and by the
probability of k and of the others' types m,

    E(s, j, k, r) = sum_m P(k, m | j, s) Q(s, r, m; k),
    Q(n; k) = w_t (weighted value of k less payment at n) + sum_b C((n, b), k),

where C(s', k) is what she makes of the next slot. Four continuations C are used: with the best reports from there on,
or with the truth (the best report at slots where her type cannot be reported); and with her report chosen before the
others' current types are known, C = sum_k max_r E, or after, C = sum_{k,m} P(k, m | j, s) max_r Q(s, r, m; k).
Probabilities of types multiply, nothing is divided, so types and slots of weight 0 need no care. Present values.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from mechopt.core.numbers import FloatArray, IntArray
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.verification.rounding import Precision


class Groups(NamedTuple):
    """Nodes of a period put together by a key; groups lie in the order of their slots."""

    order: IntArray
    starts: IntArray
    slot_starts: IntArray
    slot: IntArray
    member: IntArray

    def sum(self, array: FloatArray) -> FloatArray:
        """Sum over the nodes of each group."""
        total: FloatArray = np.add.reduceat(array[self.order], self.starts, axis=0)
        return total

    def largest(self, array: FloatArray) -> FloatArray:
        """Maximum over the nodes of each group."""
        best: FloatArray = np.maximum.reduceat(array[self.order], self.starts, axis=0)
        return best

    def by_slot(self, array: FloatArray) -> FloatArray:
        """Maximum over the groups of each slot."""
        best: FloatArray = np.maximum.reduceat(array, self.slot_starts, axis=0)
        return best


def _groups(slot: IntArray, member: IntArray, width: int) -> Groups:
    keys = slot * width + member
    order = np.argsort(keys, kind="stable")
    found, starts = np.unique(keys[order], return_index=True)
    slots = found // width
    return Groups(order, starts, np.unique(slots, return_index=True)[1], slots, found % width)


class Stage(NamedTuple):
    """Values of one period with a given continuation.

    Attributes
    ----------
    node : array ``(nodes, K)``
        Q by node and true type.
    report : array ``(groups, K_before, K)`` or None
        E by slot and report (`Payoffs.by_report`), previous and current true type; where the others' types are unknown.
    best, truth : arrays ``(slots, K_before, K)``, or ``(groups, K)`` where the others' types are known
        Of the best report, and of the truth where it can be reported.
    """

    node: FloatArray
    report: FloatArray | None
    best: FloatArray
    truth: FloatArray


@dataclass(frozen=True, eq=False)
class PersistentPayoffs:
    """Payoffs of one agent in a mechanism in sequence form.

    Parameters
    ----------
    mechanism : SequenceMechanism
    agent : int
    """

    mechanism: SequenceMechanism
    agent: int

    def types(self, t: int) -> int:
        """Number of the agent's types in period t."""
        return self.mechanism.process.shape[t][self.agent]

    def profiles(self, t: int) -> IntArray:
        """Reported profile of each node with the agent's type replaced by each of hers, ``(nodes, K)``."""
        tree = self.mechanism.tree
        return tree.process.with_own(t, self.agent, tree.profile[t][:, None], np.arange(self.types(t)))

    def flow(self, t: int) -> FloatArray:
        """Weighted utility of period t by node, true type and branch, present value; ``(nodes, K, branches[t])``."""
        tree, process = self.mechanism.tree, self.mechanism.process
        values = process.net_values[t][self.agent][:, self.profiles(t)]
        if tree.branches[t] > 1:
            got = np.moveaxis(values, 0, 2) * self.mechanism.allocation[t][:, None, :]
        else:
            got = np.einsum("ank,na->nk", values, self.mechanism.allocation[t])[:, :, None]
        weight = process.own_present_value[self.agent][t]
        flow: FloatArray = weight * (got - self.mechanism.payment[t][self.agent][:, None, :])
        return flow

    def stage_flow(self, t: int) -> FloatArray:
        """Weighted value less payment of period t by node and true type, whatever there is outside; ``(nodes, K)``."""
        process = self.mechanism.process
        values = process.values[t][self.agent][:, self.profiles(t)]
        got = np.einsum("ank,na->nk", values, self.mechanism.allocation[t])
        paid = self.mechanism.payment[t][self.agent].sum(axis=1)
        flow: FloatArray = process.own_present_value[self.agent][t] * (got - paid[:, None])
        return flow

    def realised(self, t: int) -> FloatArray:
        """Utility up to period t along truthful paths, times the weight of the path; ``(nodes, branches[t])``.

        What was realised before is divided among recorded actions as their weights are, and evenly where these are 0.
        """
        mechanism, tree, before = self.mechanism, self.mechanism.tree, np.zeros(1)
        path: FloatArray = np.zeros((0, 0))
        for s in range(t + 1):
            after = np.maximum(mechanism.recorded(s), 0.0)
            mass = after.sum(axis=1, keepdims=True)
            share = np.full(after.shape, 1 / tree.branches[s])
            np.divide(after, mass, out=share, where=mass > 0)
            path = before[tree.slot[s]][:, None] * share + self.truthful_flow(s)
            before = path.ravel()
        return path

    def truthful_flow(self, t: int) -> FloatArray:
        """The same where the report is true, ``(nodes, branches[t])``."""
        tree = self.mechanism.tree
        return self.flow(t)[np.arange(tree.count[t]), tree.own(t, self.agent)]

    def chances(self, t: int) -> FloatArray:
        """Probability of each true type with the others' types of the node, by previous one; ``(nodes, K_before, K)``.

        In period 0 there is one previous type.
        """
        tree, process, to = self.mechanism.tree, self.mechanism.process, self.profiles(t)
        if t == 0:
            return process.initial[to][:, None, :]
        node, branch = (part[tree.slot[t]] for part in tree.came(t))
        start = self.profiles(t - 1)[node]
        return process.kernel[t - 1][branch[:, None, None], start[:, :, None], to[:, None, :]]

    @cached_property
    def by_report(self) -> tuple[Groups, ...]:
        """Nodes by slot and own report (`Groups.member`), one a period."""
        tree, i = self.mechanism.tree, self.agent
        return tuple(_groups(tree.slot[t], tree.own(t, i), self.types(t)) for t in range(tree.horizon))

    @cached_property
    def by_others(self) -> tuple[Groups, ...]:
        """Nodes by slot and the others' types (`Groups.member`: the profile with own type 0), one a period."""
        tree, process = self.mechanism.tree, self.mechanism.process
        return tuple(_groups(tree.slot[t], self.profiles(t)[:, 0], process.profiles[t]) for t in range(tree.horizon))

    def _stages(self, truthful: bool, informed: bool) -> tuple[Stage, ...]:
        """Backward induction; ``informed`` of the others' current types or not."""
        tree, stages = self.mechanism.tree, list[Stage]()
        after: FloatArray | None = None
        for t in reversed(range(tree.horizon)):
            node = self.flow(t).sum(axis=2)
            if after is not None:
                node = node + after[tree.following(t)].sum(axis=1)
            stage = self._informed(t, node) if informed else self._uninformed(t, node)
            stages.append(stage)
            made = stage.truth if truthful else stage.best
            if informed:
                at_node = np.empty_like(node)
                groups = self.by_others[t]
                sizes = np.diff(np.append(groups.starts, len(node)))
                at_node[groups.order] = np.repeat(made, sizes, axis=0)
                # every node of a group carries the same chances: count each group once
                first = groups.order[groups.starts]
                each = np.einsum("gjk,gk->gj", self.chances(t)[first], at_node[first])
                after = np.add.reduceat(each, groups.slot_starts, axis=0)
            else:
                after = made.sum(axis=2)
        return tuple(reversed(stages))

    def _may(self, t: int, report: IntArray) -> FloatArray | None:
        """0 where a true type may make a report, else minus infinity, ``(reports, K)``; None where every one may."""
        process = self.mechanism.process
        if process.public is None:
            return None
        told = process.may_report(t, self.agent, np.arange(self.types(t)), report[:, None])
        return np.where(told, 0.0, -np.inf)

    def _uninformed(self, t: int, node: FloatArray) -> Stage:
        groups = self.by_report[t]
        report = groups.sum(self.chances(t) * node[:, None, :])
        may = self._may(t, groups.member)
        best = groups.by_slot(report if may is None else report + may[:, None, :])
        best[best == -np.inf] = 0.0  # what is public there is none of these types'
        truth = best.copy()
        pairs = np.arange(len(report))
        truth[groups.slot, :, groups.member] = report[pairs, :, groups.member]
        return Stage(node, report, best, truth)

    def _informed(self, t: int, node: FloatArray) -> Stage:
        groups, own = self.by_others[t], self.mechanism.tree.own(t, self.agent)
        may = self._may(t, own)
        best = groups.largest(node if may is None else node + may)
        best[best == -np.inf] = 0.0
        truth, place = best.copy(), self.group_of(t)
        truth[place, own] = node[np.arange(len(node)), own]
        return Stage(node, None, best, truth)

    def group_of(self, t: int) -> IntArray:
        """Group of `by_others` that each node belongs to."""
        groups = self.by_others[t]
        place = np.empty(len(groups.order), dtype=np.int64)
        sizes = np.diff(np.append(groups.starts, len(groups.order)))
        place[groups.order] = np.repeat(np.arange(len(groups.starts)), sizes)
        return place

    @cached_property
    def best(self) -> tuple[Stage, ...]:
        """The best strategy of reports chosen before the others' current types are known, by period."""
        return self._stages(truthful=False, informed=False)

    @cached_property
    def truthful(self) -> tuple[Stage, ...]:
        """Truth from the next period on; the present report chosen before the others' types are known."""
        return self._stages(truthful=True, informed=False)

    @cached_property
    def informed_best(self) -> tuple[Stage, ...]:
        """The best strategy of reports chosen when the others' current types are known."""
        return self._stages(truthful=False, informed=True)

    @cached_property
    def informed(self) -> tuple[Stage, ...]:
        """Truth from the next period on; the present report chosen when the others' types are known."""
        return self._stages(truthful=True, informed=True)

    @cached_property
    def truth(self) -> tuple[FloatArray, ...]:
        """Value of truth for good at each node, the report being true; ``(nodes,)`` by period."""
        tree, i = self.mechanism.tree, self.agent
        return tuple(stage.node[np.arange(tree.count[t]), tree.own(t, i)] for t, stage in enumerate(self.truthful))

    @property
    def first(self) -> FloatArray:
        """Distribution of the first type, ``(K_0,)``."""
        return self.mechanism.process.initial_marginal(self.agent)

    def given_first(self, value: FloatArray) -> FloatArray:
        """A value by first type, times its probability, to that given the type; 0 for types of probability 0."""
        given: FloatArray = np.divide(value, self.first, out=np.zeros_like(value), where=self.first > 0)
        return given

    @cached_property
    def best_and_truth(self) -> tuple[FloatArray, FloatArray]:
        """Values of the best strategy and of truth to each first type, ``(K_0,)``; 0 for types of probability 0."""
        return self.given_first(self.best[0].best[0, 0]), self.given_first(self.truthful[0].truth[0, 0])

    @property
    def strategy_gains(self) -> FloatArray:
        """Gain of the best strategy over truth by first type, ``(K_0,)``."""
        best, truth = self.best_and_truth
        return best - truth

    def beliefs(self, t: int) -> FloatArray:
        """Her beliefs about the others' types after a truthful past, ``(nodes, K)``.

        Probability of the others' types at the node given her current type and the slot's reports and actions; 0 where
        it is not defined, as her type has probability 0 there and types are not independent.
        """
        tree, process, i = self.mechanism.tree, self.mechanism.process, self.agent
        joint = self.chances(t)
        if t:
            before = tree.own(t - 1, i)[tree.came(t)[0]][tree.slot[t]]
            joint = np.take_along_axis(joint, before[:, None, None], axis=1)
        joint = joint[:, 0]
        if process.independent:
            others = joint.sum(axis=1, keepdims=True)
            return np.broadcast_to(others, joint.shape)
        own = self.own_chances(t)[tree.slot[t]]
        given: FloatArray = np.divide(joint, own, out=np.zeros_like(joint), where=own > 0)
        return given

    def own_chances(self, t: int) -> FloatArray:
        """Probability of her current type after a truthful past, ``(slots, K)``."""
        tree, process, i = self.mechanism.tree, self.mechanism.process, self.agent
        if t == 0:
            return self.first[None]
        node, branch = tree.came(t)
        own: FloatArray = process.marginal(t - 1, i)[branch, tree.profile[t - 1][node]]
        return own


class PersistentSizes(PersistentPayoffs):
    """Sums of the absolute values of what the payoffs are sums of; see `mechopt.verification.rounding`."""

    def stage_flow(self, t: int) -> FloatArray:
        """All in absolute value."""
        process, mechanism = self.mechanism.process, self.mechanism
        values = np.abs(process.values[t][self.agent][:, self.profiles(t)])
        got = np.einsum("ank,na->nk", values, np.abs(mechanism.allocation[t]))
        paid = np.abs(mechanism.payment[t][self.agent]).sum(axis=1)
        flow: FloatArray = process.own_present_value[self.agent][t] * (got + paid[:, None])
        return flow

    def flow(self, t: int) -> FloatArray:
        """All in absolute value."""
        tree, process = self.mechanism.tree, self.mechanism.process
        values, allocation = (
            process.net_sizes[t][self.agent][:, self.profiles(t)],
            np.abs(self.mechanism.allocation[t]),
        )
        if tree.branches[t] > 1:
            got = np.moveaxis(values, 0, 2) * allocation[:, None, :]
        else:
            got = np.einsum("ank,na->nk", values, allocation)[:, :, None]
        weight = process.own_present_value[self.agent][t]
        flow: FloatArray = weight * (got + np.abs(self.mechanism.payment[t][self.agent])[:, None, :])
        return flow


def precision(mechanism: SequenceMechanism, more: int = 0) -> Precision:
    """Rounding of the payoffs of a mechanism; ``more`` roundings of a term than those that follow.

    A term meets, a period: sums over actions (value; weights of a draw that is not recorded, twice), over branches,
    over profiles twice (an agent's report, and beliefs) and over her own types; products of the kernel of profiles from
    those of the n agents, each rounded on the way in; value, discount and the rest (8). ``discount^t`` rounds t + 2
    times.
    """
    tree, process = mechanism.tree, mechanism.process
    depth = process.horizon + 10 + more
    for t in range(process.horizon):
        depth += 3 * process.actions[t] + tree.branches[t] + 2 * process.profiles[t] + max(process.shape[t])
        depth += 4 * process.agents + 8
        depth += 2 * max(process.profiles) + 4 if process.options is not None else 0
    largest = max(
        *(float(sizes.max()) for sizes in process.net_sizes),
        *(float(np.abs(paid).max()) for paid in mechanism.payment),
    )
    chances = (process.initial, *process.kernel)
    divisor = min(float(part[part > 0].min()) for part in chances)
    return Precision.of(depth, largest, divisor)
