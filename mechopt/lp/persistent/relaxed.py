"""Rows of the relaxed environment in which agents' first types alone are private and all later ones are seen.

Agent i of first type k who reports r pretends once: what follows is drawn by her true type and seen by the mechanism.
Where types are an initial signal with later ones (`SeparableTypes`), the later signals are seen and the initial one is
taken to be r for ever, while her values stay those of k. Truth is at least as good::

    V(k) >= sum over nodes after r of q_k(n) [sum_a w_t x(n, a) v_i(a, true types) - y_i(n)],

q_k the probability of the types of n given her true k and the actions. No mechanism for the environment itself does
better than the relaxed optimum, since it keeps these rows and more.

A public state is seen by all and misreported by nobody.

Source: Kakade, Lobel and Nazerzadeh (2013), section 3 (there for independent signals: with correlated ones payments
depend on them here, as they must).
"""

from __future__ import annotations

import numpy as np

from mechopt.core.numbers import IntArray
from mechopt.environment.process import PersistentEnvironment
from mechopt.environment.separable import SeparableTypes
from mechopt.environment.states.environment import PublicStates
from mechopt.histories.public import PublicTree
from mechopt.lp.persistent.incentive import Scalar, SparseRows, gathered
from mechopt.lp.persistent.information_states import States, others_weight


def relaxed_rows(
    tree: PublicTree,
    i: int,
    signals: tuple[int, ...] | None,
    value: IntArray,
    known: States,
    allocation: tuple[IntArray, ...],
    payment: list[IntArray],
    per_unit: list[Scalar],
) -> SparseRows:
    """Rows of one agent, over first types k and reports r.

    Parameters
    ----------
    tree : PublicTree
    i : int
    signals : tuple of int or None
        Number of her signals by period from 1 on, where her types are pairs (initial signal, signal); None where the
        whole type is seen.
    value : int array ``(states,)``
        Columns of V at the root.
    known : States
        At the root, interim.
    allocation, payment : columns by period, ``(nodes, A_t)`` and ``(nodes,)``
    per_unit : numbers
        Present value of money of each period, in the program's unit.
    """
    process = tree.process
    parts, labels, rows = [], list[tuple[int, int]](), 0
    first = tree.own(0, i)
    reports = np.unique(first)
    for state in range(known.count):
        true = int(known.own[state])
        lies = reports[(reports != true) & process.may_report(0, i, np.full(len(reports), true), reports)]
        row_of = np.full(process.shape[0][i], -1)
        row_of[lies] = rows + np.arange(len(lies))
        labels += [(true, int(r)) for r in lies]
        rows += len(lies)
        kept = np.arange(len(lies)) + rows - len(lies)
        parts.append((kept, value[np.full(len(lies), state)], np.ones(1, dtype=np.int64)))
        nodes = np.arange(tree.count[0])
        chance = others_weight(tree, 0, i, known, np.full(len(nodes), state), nodes)
        truth = process.with_own(0, i, tree.profile[0], np.full(1, true))
        row = row_of[first]
        for t in range(tree.horizon):
            if t:
                node, branch = tree.came(t)
                before, action = node[tree.slot[t]], branch[tree.slot[t]]
                now = _true_profile(tree, t, i, true, signals)
                chance = chance[before] * process.kernel[t - 1][action, truth[before], now]
                truth, row = now, row[before]
            used = np.flatnonzero(row >= 0)
            worth = process.net_values[t][i].T[truth[used]] * per_unit[t]
            parts.append((row[used][:, None], allocation[t][used], -(chance[used][:, None] * worth)))
            parts.append((row[used], payment[t][used], chance[used]))
    zero = np.zeros(rows)
    pairs = np.array(labels, dtype=np.int64).reshape(-1, 2)
    named = (("true type", pairs[:, 0]), ("report", pairs[:, 1]))
    return SparseRows(*gathered(parts), zero, zero + np.inf, np.zeros(rows, dtype=np.int64), named)


def _true_profile(tree: PublicTree, t: int, i: int, true: int, signals: tuple[int, ...] | None) -> IntArray:
    """Profile of period t at each node where agent i's own initial signal is put back."""
    profile: IntArray = tree.profile[t]
    if signals is None:
        return profile
    process, count, own = tree.process, signals[t - 1], tree.own(t, i)
    states = 1 if process.public is None else int(process.public[t][i].max()) + 1
    types, size = process.shape[0][i] // states, process.shape[t][i] // states  # at one public state
    state, private = own // size, own % size
    pair = true % types * count + private % count
    excluded = private == types * count  # the last type, where the seller may exclude agents
    return process.with_own(t, i, profile, state * size + np.where(excluded, private, pair))


def pairs_of(environment: PersistentEnvironment) -> SeparableTypes | None:
    """The separable environment whose pairs of initial type and signal are types here, with public states or not."""
    source = environment.given[0] if isinstance(environment, PublicStates) else environment
    source = source[0][0] if isinstance(source, tuple) else source
    return source if isinstance(source, SeparableTypes) else None
