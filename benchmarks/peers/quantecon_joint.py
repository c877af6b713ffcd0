"""QuantEcon's DiscreteDP on the joint chain of type profiles, for W and for every W_{-i}.

With everybody the joint kernel is dense, ``(S, A, S)``, where every type is reached from every other; else it is
sparse, in DiscreteDP's formulation by pairs of state and action. Both are built from products of the agents' kernels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from quantecon.markov import DiscreteDP

from benchmarks.markov_instances import Agents

EPSILON = 1e-9
"""Tolerance of modified policy iteration; policy iteration is exact."""


def build(given: Agents) -> list[DiscreteDP]:
    """One program with everybody, and one without each agent."""
    everybody = range(len(given.values))
    groups = [list(everybody), *([j for j in everybody if j != i] for i in everybody)]
    return [_program(given, members) for members in groups]


def _program(given: Agents, members: list[int]) -> DiscreteDP:
    actions, sizes = len(given.values[0]), [given.values[i].shape[1] for i in members]
    rewards = np.zeros((actions, *sizes))
    for axis, i in enumerate(members):
        rewards += given.values[i].reshape(actions, *(size if k == axis else 1 for k, size in enumerate(sizes)))
    rewards = rewards.reshape(actions, -1)
    if all((given.kernel[i] > 0).all() for i in members):
        kernel = np.empty((rewards.shape[1], actions, rewards.shape[1]))
        for a in range(actions):
            joint = given.kernel[members[0]][a]
            for i in members[1:]:
                joint = np.kron(joint, given.kernel[i][a])
            kernel[:, a] = joint
        return DiscreteDP(rewards.T, kernel, given.discount)
    return DiscreteDP(*_sparse(given, members, rewards))


def _sparse(given: Agents, members: list[int], rewards: Any) -> tuple[Any, ...]:
    """Rows in the order of states, actions of a state next to each other."""
    actions, states = rewards.shape
    parts = []
    for a in range(actions):
        joint = sp.csr_matrix(given.kernel[members[0]][a])
        for i in members[1:]:
            joint = sp.kron(joint, sp.csr_matrix(given.kernel[i][a]), format="csr")
        parts.append(joint)
    order = np.arange(states * actions).reshape(actions, states).T.ravel()
    kernel = sp.vstack(parts, format="csr")[order]
    of_state, of_action = np.repeat(np.arange(states), actions), np.tile(np.arange(actions), states)
    return rewards.T.ravel(), kernel, given.discount, of_state, of_action


def solve(model: list[DiscreteDP], contender: str) -> list[float]:
    """Mean and first entry of each value function."""
    values: list[float] = []
    for program in model:
        if contender == "policy":
            found = program.policy_iteration().v
        else:
            found = program.modified_policy_iteration(epsilon=EPSILON).v
        values += [float(found.mean()), float(found[0])]
    return values
