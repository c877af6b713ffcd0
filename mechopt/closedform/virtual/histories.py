"""The virtual pivot at every public history, so that it can be checked as any other mechanism.

On the unfolded environment a report after contracting is a pair of initial type and signal (or "excluded"). Weights and
the included agents are those of the reports at contracting; the values that enter the policy and the payments (22) are
those of the reports of the period. So agents may take back their initial reports, which changes no weights.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from mechopt.closedform.virtual.mechanism import Profile, VirtualPivot
from mechopt.closedform.virtual.phase import Phase, later_chains, phase
from mechopt.core.numbers import FloatArray, IntArray
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.process import joint_process
from mechopt.histories.public import PublicTree
from mechopt.mechanism.sequence import SequenceMechanism


def sequence_mechanism(pivot: VirtualPivot, reports: str) -> SequenceMechanism:
    """Write a virtual pivot over public histories; see `VirtualPivot.to_mechanism`.

    Parameters
    ----------
    pivot : VirtualPivot
    reports : str
    """
    env = pivot.environment
    unfolded = env.to_markov(exclusion=env.exclusion_matters or not bool(pivot.included.all()))
    tree = PublicTree(joint_process(unfolded), reports)
    agents, shape = range(env.agents), env.initial_shape
    first = np.array(list(product(*map(range, shape))))[tree.profile[0]]
    sets = pivot.included[tuple(first.T)] @ (1 << np.arange(env.agents))
    policy: list[IntArray] = [sets if unfolded.action_counts[0] > 1 else np.zeros_like(sets)]
    payment: list[FloatArray] = [np.array([pivot.upfront[i][tuple(first.T)] for i in agents])]
    root = np.arange(tree.count[0])
    for t in range(1, tree.horizon):
        policy.append(np.zeros(tree.count[t], dtype=np.int64))
        payment.append(np.zeros((env.agents, tree.count[t])))
    roots = [root]
    for t in range(1, tree.horizon):
        node, _ = tree.came(t)
        roots.append(roots[-1][node[tree.slot[t]]])
    for r, profile in enumerate(map(tuple, first.tolist())):
        here = _phase(pivot, unfolded, profile)
        fees = {i: _fees(pivot, here, i, profile) for i in here.members}
        for t in range(1, tree.horizon):
            nodes = np.flatnonzero(roots[t] == r)
            reported = tuple(tree.own(t, i)[nodes] for i in here.members)
            policy[t][nodes] = here.policy[t - 1][reported]
            for i in here.members:
                payment[t][i, nodes] = fees[i][t - 1][reported]
    return SequenceMechanism.of_policy(tree, policy, payment, source="virtual pivot")


def _phase(pivot: VirtualPivot, unfolded: MarkovTypes, profile: Profile) -> Phase:
    """The allocation phase over pairs of initial type and signal, as reported in the period."""
    env, tables = pivot.environment, []
    members = np.flatnonzero(pivot.included[profile]).tolist()
    for i in range(env.agents):
        values = unfolded.values[i][1]
        tables.append(pivot.virtual[i].flow(profile[i], values) if i in members else np.zeros_like(values))
    return phase(later_chains(unfolded, tables), members)


def _fees(pivot: VirtualPivot, here: Phase, i: int, profile: Profile) -> tuple[FloatArray, ...]:
    virtual = pivot.virtual[i]
    fees: tuple[FloatArray, ...] = here.payment(i, float(virtual.alpha[profile[i]]), virtual.beta[profile[i]])
    return fees
