"""Rows of Bayesian incentive compatibility over several periods where reporting strategies may gain something.

Values D are those of the best strategy: at least what every report is worth, the truth included, in every state. From
contracting on it gains at most epsilon over truth, for each first type k of positive probability P(k)::

    sum over nodes n whose first report is k of q(n) [sum_a w_t x(n, a) v_i(a) - y_i(n)] / P(k) + epsilon - D(k) >= 0

with epsilon as if truth brought it in the first period, where sum_a x(n, a) is 1, and q(n) the probability of the
types of n given the actions. D is divided by P(k) too where values are not given the type.
Single misreports have no rows: one that gains more later, after a history of small probability, is allowed, as long as
no strategy made of such gains more than epsilon at first.
"""

from __future__ import annotations

import numpy as np

from mechopt.core.errors import InputError
from mechopt.core.numbers import IntArray
from mechopt.histories.public import PublicTree
from mechopt.lp.persistent.incentive import Scalar, SparseRows, gathered
from mechopt.mechanism.constraints import (
    AdjacentIC,
    BayesianIC,
    Constraint,
    DominantIC,
    DownwardIC,
    Interim,
    PeriodicExPostIC,
    PeriodicExPostIR,
    PeriodicIR,
)

STRATEGY = "strategy"
"""Basis of the values of the best strategy; states are interim ones."""


def compared(ic: set[Constraint], ir: set[Constraint], within: bool) -> dict[str, str]:
    """Basis of values to the misreports that truth is compared with there.

    Parameters
    ----------
    ic, ir : sets of Constraint
        Without those that others imply.
    within : bool
        Whether strategies of agents who see the past may gain something.
    """
    found: dict[str, str] = {}
    if any(isinstance(constraint, PeriodicExPostIC) for constraint in ic):
        found["ex post"] = "all"
    elif BayesianIC() in ic and not within:
        found["interim"] = "all"
    elif AdjacentIC() in ic:
        found["interim"] = "adjacent"
    elif DownwardIC() in ic:
        found["interim"] = "downward"
    if PeriodicExPostIR() in ir:
        found.setdefault("ex post", "none")
    elif ir & {Interim(), PeriodicIR()} and not found:
        found["interim"] = "none"
    if within:
        found[STRATEGY] = "all"
    return found


def require_compatible(asked: set[Constraint]) -> None:
    """Refuse constraints that differ in what is reported or seen.

    Raises
    ------
    InputError
    """
    if BayesianIC("own") in asked and asked & {AdjacentIC(), DownwardIC()}:
        raise InputError(
            "bayesian-own with adjacent or downward: these constraints differ in which reports an agent who "
            "misreports may make"
        )
    if BayesianIC("actions") in asked and DominantIC(later=True) in asked:
        raise InputError("bayesian-actions with dominant-later: histories that record all actions; take bayesian")


def strategy_rows(
    tree: PublicTree,
    i: int,
    value: IntArray,
    divided: bool,
    allocation: tuple[IntArray, ...],
    payment: list[IntArray],
    per_unit: list[Scalar],
    slack: Scalar,
) -> SparseRows:
    """Rows of one agent, over first types of positive probability.

    Parameters
    ----------
    tree : PublicTree
    i : int
    value : int array ``(K_0,)``
        Columns of D by first type.
    divided : bool
        Whether D is given the first type; else it is times its probability.
    allocation, payment : columns by period, ``(nodes, A_t)`` and ``(nodes,)``
    per_unit : numbers
        Present value of money of each period, in the program's unit.
    slack : number
        What strategies may gain, in the program's unit.
    """
    process = tree.process
    chances = process.initial.reshape(process.shape[0]).sum(axis=tuple(j for j in range(process.agents) if j != i))
    true = np.flatnonzero(chances > 0)
    rows = np.arange(len(true))
    row_of, first = np.full(len(chances), -1), tree.own(0, i)
    row_of[true] = rows
    share = np.ones(1, dtype=np.int64) if divided else 1 / chances[true]
    parts = [(rows, value[true], -share)]
    for t in range(tree.horizon):
        if t:
            node, _ = tree.came(t)
            first = first[node[tree.slot[t]]]
        used = np.flatnonzero((row_of[first] >= 0) & (tree.reach[t] > 0))
        weight = tree.reach[t][used] / chances[first[used]]
        worth = process.net_values[t][i].T[tree.profile[t][used]] * per_unit[t] + (0 if t else slack)
        parts.append((row_of[first[used]][:, None], allocation[t][used], weight[:, None] * worth))
        parts.append((row_of[first[used]], payment[t][used], -weight))
    zero, slots = np.zeros(len(true)), np.zeros(len(true), np.int64)
    return SparseRows(*gathered(parts), zero, zero + np.inf, slots, (("true type", true),))
