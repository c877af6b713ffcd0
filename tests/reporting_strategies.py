"""Mechanisms for persistent types, and what reporting strategies are worth in them, by enumeration
of all strategies.
"""

from itertools import product

import numpy as np
import pytest

from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.process import joint_process
from mechopt.histories.public import PublicTree
from mechopt.mechanism.sequence import SequenceMechanism
from tests.closedform.markov_instances import random_environment


def controlled(seed):
    return random_environment((2, 2), 2, 2, 0.9, seed)


def moves_that_end(seed):
    """Agent 0 can leave type 0 only under action 1, agent 1 cannot leave type 1: reports depend on the past."""
    rng = np.random.default_rng(seed)
    kernel = [[[[1, 0], [0.5, 0.5]], [[0.25, 0.75], [0, 1]]], [[0.5, 0.5], [0, 1]]]
    return MarkovTypes(rng.normal(size=(2, 2, 2)), kernel, [[0.5, 0.5], [0.25, 0.75]], horizon=2)


def correlated(seed):
    rng = np.random.default_rng(seed)
    distribution = rng.dirichlet(np.ones(4), size=(2, 2, 2)).reshape(2, 2, 2, 2, 2)
    initial = rng.dirichlet(np.ones(4)).reshape(2, 2)
    return InterdependentTypes(rng.normal(size=(2, 2, 2, 2)), distribution, initial, horizon=2, discount=0.8)


def one_agent(seed):
    return random_environment((2,), 2, 3, 0.7, seed)


def never_high_first(seed):
    """Agent 1's second type has probability 0 at first."""
    rng = np.random.default_rng(seed)
    kernel = [[[0.5, 0.5], [0.25, 0.75]]] * 2
    return MarkovTypes(rng.normal(size=(2, 2, 2)), kernel, [[0.5, 0.5], [1, 0]], horizon=2)


FAMILIES = {
    "controlled": (controlled, "consistent", "relevant"),
    "moves-that-end": (moves_that_end, "consistent", "relevant"),
    "moves-that-end-rereports": (moves_that_end, "any", "relevant"),
    "correlated": (correlated, "consistent", "relevant"),
    "one-agent-three-periods": (one_agent, "any", "relevant"),
    "uncontrolled-actions-shown": (never_high_first, "consistent", "all"),
    "uncontrolled-actions-hidden": (never_high_first, "any", "relevant"),
}


def families(test):
    return pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())(test)


def random_mechanism(family, seed, sparse=False):
    """Random weights (some actions never taken if sparse) and payments, also where the weight is 0."""
    make, reports, record = family
    rng = np.random.default_rng(seed)
    tree = PublicTree(joint_process(make(seed)), reports, record)
    mass, allocation, payment = np.ones(1), [], []
    for t in range(tree.horizon):
        rows = rng.dirichlet(np.ones(tree.process.actions[t]), size=tree.count[t])
        if sparse:
            rows = np.where(rng.random((len(rows), 1)) < 0.5, np.eye(rows.shape[1])[0], rows)
        weights = rows * mass[tree.slot[t]][:, None]
        recorded = weights if tree.branches[t] > 1 else weights.sum(axis=1, keepdims=True)
        allocation.append(weights)
        paid = rng.normal(size=(tree.process.agents, *recorded.shape))
        payment.append(paid * (1 if sparse else recorded))
        mass = recorded.ravel()
    return SequenceMechanism(tree, tuple(allocation), tuple(payment))


class Game:
    """A mechanism as one agent plays it, from the definition: histories as tuples, types as tuples, loops."""

    def __init__(self, mechanism, agent, sees="all"):
        self.mechanism, self.agent, self.sees = mechanism, agent, sees
        self.tree, self.process = mechanism.tree, mechanism.process

    def profile(self, t, types):
        return int(np.ravel_multi_index(types, self.process.shape[t]))

    def node(self, t, slot, types, report):
        told = (*types[: self.agent], report, *types[self.agent + 1 :])
        found = np.flatnonzero((self.tree.slot[t] == slot) & (self.tree.profile[t] == self.profile(t, told)))
        return int(found[0]) if len(found) else None

    def distribution(self, t, types, action):
        """Types of period t and their probabilities, after types and an action of the period before."""
        profiles = list(product(*map(range, self.process.shape[t])))
        row = self.process.initial if t == 0 else self.process.kernel[t - 1][action, self.profile(t - 1, types)]
        return [(profile, float(p)) for profile, p in zip(profiles, row, strict=True) if p > 0]

    def flow(self, t, node, branch, types):
        taken = [branch] if self.tree.branches[t] > 1 else range(self.process.actions[t])
        worth = self.process.values[t][self.agent, :, self.profile(t, types)]
        got = sum(worth[a] * self.mechanism.allocation[t][node, a] for a in taken)
        return self.process.present_value[t] * (got - self.mechanism.payment[t][self.agent, node, branch])

    def knows(self, point):
        """What the agent knows at a point (slot, seen past by slot, own reports, actions, own types, types)."""
        slot, told, actions, own, _ = point
        if self.sees == "all":
            return slot, own  # the slot holds all reports and actions
        return (told, actions, own) if self.sees == "actions" else (told, own)

    def step(self, t, point, report):
        """Points of the next period, their probabilities, and the utility of this one."""
        slot, told, actions, own, types = point
        node, after, utility = self.node(t, slot, types, report), [], 0.0
        for branch in range(self.tree.branches[t]):
            utility += self.flow(t, node, branch, types)
            if t + 1 < self.tree.horizon:
                into = int(self.tree.following(t)[node, branch])
                for moved, chance in self.distribution(t + 1, types, branch):
                    mine = (*own, moved[self.agent])
                    after.append(((into, (*told, report), (*actions, branch), mine, moved), chance))
        return after, utility

    def strategies(self, t, points):
        """All pure strategies from a set of points on, as dictionaries from (period, what is known) to reports."""
        states = {}
        for point in points:
            states.setdefault(self.knows(point), []).append(point)
        choices = [
            [
                r
                for r in range(self.process.shape[t][self.agent])
                if all(self.node(t, p[0], p[4], r) is not None for p in held)
            ]
            for held in states.values()
        ]
        for reports in product(*choices):
            chosen = dict(zip(((t, known) for known in states), reports, strict=True))
            if t + 1 == self.tree.horizon:
                yield chosen
                continue
            following = [
                after
                for known, held in states.items()
                for point in held
                for after, _ in self.step(t, point, chosen[t, known])[0]
            ]
            for rest in self.strategies(t + 1, following):
                yield chosen | rest

    def value(self, t, point, strategy):
        report = point[3][-1] if strategy is None else strategy[t, self.knows(point)]
        after, utility = self.step(t, point, report)
        return utility + sum(chance * self.value(t + 1, following, strategy) for following, chance in after)

    def gain(self, first):
        """Largest gain of all strategies of a first type over the truth."""
        start = [
            ((0, (), (), (first,), types), chance)
            for types, chance in self.distribution(0, None, None)
            if types[self.agent] == first
        ]
        truth = sum(chance * self.value(0, point, None) for point, chance in start)
        best = max(
            sum(chance * self.value(0, point, strategy) for point, chance in start)
            for strategy in self.strategies(0, [point for point, _ in start])
        )
        return (best - truth) / sum(chance for _, chance in start)
