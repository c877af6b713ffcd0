"""Rows where types persist that no misreport enters: flow of realisation weights, and participation.

With realisation weights x, present values y of weighted payments, and R(s) the present value of an agent's weighted
realised utility at a slot s (0 at the root)::

    flow         sum_a x(n, a) = x of the last recorded action on the way to n (1 where there is none)
    realised     sum_b R(slot after n and b) = R(slot of n) + sum_a w_t x(n, a) v_i(a) - y_i(n)
    epir         R(slot of n) + sum_a ... >= 0 at last nodes n whose types have positive probability
    per-period   sum_a w_t x(n, a) v_i(a) - y_i(n) >= 0 at such nodes of every period
    ex-ante      sum over all nodes, each with the probability of its types, of sum_a ... >= 0
    participation    sum_m q(k, m) V(s, (k, m)) >= 0: interim or periodic rationality from ex post values

How R is divided among the recorded actions b of a node is free, as payments may depend on the mechanism's own draw.
"""

from __future__ import annotations

import numpy as np

from mechopt.core.numbers import Array, IntArray
from mechopt.histories.public import PublicTree
from mechopt.lp.persistent.incentive import Scalar, SparseRows, gathered
from mechopt.lp.persistent.information_states import States, Tree, others_weight


def flow_rows(tree: Tree, t: int, allocation: IntArray, mass: IntArray) -> SparseRows:
    """Weights of a node sum to the mass of its slot, whose column is -1 where it is 1."""
    nodes, column = np.arange(tree.count[t]), mass[tree.slot[t]]
    one = np.ones(1, dtype=np.int64)
    parts = [(nodes[:, None], allocation, one), (nodes, column, np.where(column >= 0, -1, 0))]
    side = np.where(column >= 0, 0.0, 1.0)
    return SparseRows(*gathered(parts), side, side, tree.slot[t], (("reports", tree.profile[t]),))


def _surplus(
    tree: Tree,
    t: int,
    i: int,
    nodes: IntArray,
    allocation: IntArray,
    payment: IntArray,
    per_unit: Scalar,
    sign: int = 1,
) -> list[tuple[IntArray, IntArray, Array]]:
    """Non-zeros of sign * (sum_a w_t x v_i - y) in rows numbered as the nodes are listed."""
    rows, worth = np.arange(len(nodes)), tree.process.net_values[t][i].T[tree.profile[t][nodes]] * (sign * per_unit)
    return [(rows[:, None], allocation[nodes], worth), (rows, payment[nodes], np.full(1, -sign))]


def realised_rows(
    tree: Tree,
    t: int,
    i: int,
    allocation: IntArray,
    payment: IntArray,
    here: IntArray | None,
    later: IntArray,
    per_unit: Scalar,
) -> SparseRows:
    """Realised utility after each node of a period before the last; `here` and `later` are columns of R by slot."""
    nodes, one = np.arange(tree.count[t]), np.ones(1, dtype=np.int64)
    parts = _surplus(tree, t, i, nodes, allocation, payment, per_unit, -1)
    parts.append((nodes[:, None], later[tree.following(t)], one))
    if here is not None:
        parts.append((nodes, here[tree.slot[t]], -one))
    zero = np.zeros(len(nodes))
    return SparseRows(*gathered(parts), zero, zero, tree.slot[t], (("reports", tree.profile[t]),))


def epir_rows(
    tree: Tree, i: int, allocation: IntArray, payment: IntArray, here: IntArray | None, per_unit: Scalar
) -> SparseRows:
    """Realised utility of full paths of positive probability is at least 0."""
    t = tree.horizon - 1
    nodes = np.flatnonzero(tree.alive(t))
    parts = _surplus(tree, t, i, nodes, allocation, payment, per_unit)
    if here is not None:
        parts.append((np.arange(len(nodes)), here[tree.slot[t][nodes]], np.ones(1, dtype=np.int64)))
    labels = (("reports", tree.profile[t][nodes]),)
    zero = np.zeros(len(nodes))
    return SparseRows(*gathered(parts), zero, zero + np.inf, tree.slot[t][nodes], labels)


def per_period_rows(
    tree: Tree, t: int, i: int, allocation: IntArray, payment: IntArray, per_unit: Scalar
) -> SparseRows:
    """Utility of each period is at least 0 at nodes of positive probability."""
    nodes = np.flatnonzero(tree.alive(t))
    parts = _surplus(tree, t, i, nodes, allocation, payment, per_unit)
    labels = (("reports", tree.profile[t][nodes]),)
    zero = np.zeros(len(nodes))
    return SparseRows(*gathered(parts), zero, zero + np.inf, tree.slot[t][nodes], labels)


def ex_ante_rows(
    tree: PublicTree, i: int, allocation: tuple[IntArray, ...], payment: list[IntArray], per_unit: list[Scalar]
) -> SparseRows:
    """Expected utility, everybody truthful, is at least 0: one row."""
    parts = list[tuple[IntArray, IntArray, Array]]()
    row, zero = np.zeros(1, dtype=np.int64), np.zeros(1)
    for t in range(tree.horizon):
        worth = tree.process.net_values[t][i].T[tree.profile[t]] * per_unit[t]
        parts.append((row, allocation[t], tree.reach[t][:, None] * worth))
        parts.append((row, payment[t], -tree.reach[t]))
    return SparseRows(*gathered(parts), zero, zero + np.inf, row)


def expected_rows(tree: Tree, t: int, i: int, known: States, values: States, columns: IntArray) -> SparseRows:
    """Expected value of truth over the others' types is at least 0 in likely interim states.

    Parameters
    ----------
    known : States
        Interim and likely.
    values, columns : States, int array
        Ex post, and their columns.
    """
    sizes = np.bincount(tree.slot[t], minlength=tree.slots[t])
    first = np.cumsum(sizes) - sizes
    repeat = sizes[known.slot]
    state = np.arange(known.count).repeat(repeat)
    node = first[known.slot[state]] + np.arange(len(state)) - (np.cumsum(repeat) - repeat).repeat(repeat)
    kept = tree.own(t, i)[node] == known.own[state]
    state, node = state[kept], node[kept]
    weight = others_weight(tree, t, i, known, state, node)
    column = columns[values.index[tree.slot[t][node], tree.profile[t][node]]]
    zero = np.zeros(known.count)
    labels = (("true type", known.own),)
    return SparseRows(*gathered([(state, column, weight)]), zero, zero + np.inf, known.slot, labels)
