r"""Rows of the incentive constraints where types persist, sees everything: truthful continuation values and of every
misreport.

With x the realisation weights, y the present values of the weighted payments, and w_t that of money of period t, for a
state s of agent i (`states`) at a slot with true type k, and a report r there::

    U(s, r) = sum_m q(s, m) [ sum_a w_t x(n, a) v_i(a, (k, m)) - y_i(n) + sum_{a, k'} P(k' | ...) V(s') ],

n the node of the slot with the reports (r, m), s' her state at the slot after n and a with true type k', which has
positive probability (P is then 1 where values are not divided by probabilities, see `states`). Rows say

- V(s) = U(s, k) in truthful states: V is the value of truth;
- V(s) >= U(s, r) for every other report r: truth is best. In states that are not truthful V is a bound on what can be
  had after a misreport, the deviation value; nothing bounds it from above but the incentive to come there.

In truthful states of positive probability these are all constraints of Bayesian IC from contracting on: V(s) is at
least every continuation, and equal to truth at the root, so truth is optimal wherever truth leads. Ex post the same
rows stand for every profile of the others, truthful or not, which is periodic ex post IC.

Agents who do not look ahead (`myopic_rows`) compare the first two terms of U(s, r) alone, in likely states.

Source: the sequence form of one player's deviations; Bergemann and Valimaki (2010), section 2, for the second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mechopt.core.numbers import Array, IntArray
from mechopt.lp.persistent.information_states import States, Tree, others_weight, states

Scalar = Any
"""A float, or a Fraction in exact programs."""


@dataclass(frozen=True, eq=False)
class SparseRows:
    """Rows by their non-zeros.

    Attributes
    ----------
    row, column, coefficient : arrays ``(nonzeros,)``
        No coefficient is zero, and no (row, column) twice.
    lower, upper : float arrays ``(rows,)``
    slot : int array ``(rows,)``
        Slot of the period that each row is about.
    labels : tuple of (str, int array ``(rows,)``)
        What else each row is about, such as true types and reports.
    """

    row: IntArray
    column: IntArray
    coefficient: Array
    lower: Array
    upper: Array
    slot: IntArray
    labels: tuple[tuple[str, IntArray], ...] = ()


def gathered(parts: list[tuple[IntArray, IntArray, Array]]) -> tuple[IntArray, IntArray, Array]:
    """Concatenate (row, column, coefficient), each broadcast and flattened, without zeros."""
    rows, columns, coefficients = [], [], []
    for row, column, coefficient in parts:
        shape = np.broadcast_shapes(row.shape, column.shape, coefficient.shape)
        flat = [np.broadcast_to(part, shape).ravel() for part in (row, column, coefficient)]
        kept = flat[2] != 0
        rows.append(flat[0][kept])
        columns.append(flat[1][kept])
        coefficients.append(flat[2][kept])
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(coefficients)


@dataclass(frozen=True, eq=False)
class StageColumns:
    """Columns that the rows of one agent and period use.

    Attributes
    ----------
    allocation : int array ``(nodes, A_t)``
    payment : int array ``(nodes,)``
    value : int array ``(states,)``
    later : int array ``(states of the next period,)`` or None in the last period
    """

    allocation: IntArray
    payment: IntArray
    value: IntArray
    later: IntArray | None


def _pairs(tree: Tree, t: int, i: int, basis: str, now: States) -> tuple[IntArray, IntArray]:
    """All (state, node) such that the node is at the state's slot, and ex post has the same types of the others."""
    if basis == "ex post":
        reports = np.arange(tree.process.shape[t][i])
        node = tree.find(t, now.slot[:, None], tree.process.with_own(t, i, now.profile[:, None], reports))
        state, place = np.nonzero(node >= 0)
        return state, node[state, place]
    sizes = np.bincount(tree.slot[t], minlength=tree.slots[t])
    first = np.cumsum(sizes) - sizes
    repeat = sizes[now.slot]
    state = np.arange(now.count).repeat(repeat)
    within = np.arange(len(state)) - (np.cumsum(repeat) - repeat).repeat(repeat)
    return state, first[now.slot[state]] + within


def _allowed(misreports: str, true: IntArray, report: IntArray, truthful: Array, tellable: Array) -> Array:
    """Which reports a state compares with: all, its neighbours or the next lower one; its own always.

    After a misreport, local constraints go on with the truth where it can be told, else with the best report.
    """
    if misreports == "all":
        return np.ones(len(true), dtype=bool)
    if misreports == "none":
        return np.asarray(truthful & (true == report))
    near = np.abs(true - report) <= 1 if misreports == "adjacent" else (true - report <= 1) & (report <= true)
    allowed: Array = np.where(truthful, near, (true == report) | ~tellable)
    return allowed


def value_rows(
    tree: Tree,
    t: int,
    i: int,
    basis: str,
    misreports: str,
    now: States,
    later: States | None,
    columns: StageColumns,
    per_unit: Scalar,
    slack: Scalar = 0,
    best: bool = False,
) -> SparseRows:
    """Rows V(s) - U(s, r) = 0 or >= 0 of one agent in one period.

    Parameters
    ----------
    tree : PublicTree or PatternTree
    t, i : int
    basis : str
        ``"interim"`` or ``"ex post"``.
    misreports : str
        ``"all"``, ``"adjacent"``, ``"downward"``, or ``"none"``: the value of truth alone.
    now, later : States
        Of the period and the next; None in the last.
    columns : StageColumns
    per_unit : number
        Present value of money of the period, in the program's unit.
    slack : number
        What a misreport in a truthful state may gain, in the program's unit: as if it cost that.
    best : bool
        V is what the best strategy is worth, in truthful states too: at least the truth, and not equal to it.
    """
    process = tree.process
    state, node = _pairs(tree, t, i, basis, now)
    report = tree.own(t, i)[node]
    tellable = np.zeros(now.count, dtype=bool)
    tellable[state[report == now.own[state]]] = True
    kept = _allowed(misreports, now.own[state], report, now.truthful[state], tellable[state])
    kept &= process.may_report(t, i, now.own[state], report)
    state, node, report = state[kept], node[kept], report[kept]
    ex_post = basis == "ex post"
    weight: Array = np.ones(len(state), dtype=np.int64) if ex_post else others_weight(tree, t, i, now, state, node)
    keys, row = np.unique(state * process.shape[t][i] + report, return_inverse=True)
    row_state, row_report = np.divmod(keys, process.shape[t][i])
    truth = process.with_own(t, i, tree.profile[t][node], now.own[state])
    fee = np.where(now.truthful[state] & (report != now.own[state]), slack, 0)[:, None]
    worth = weight[:, None] * (process.net_values[t][i].T[truth] * per_unit - fee)
    parts = [
        (np.arange(len(keys)), columns.value[row_state], np.ones(len(keys), dtype=np.int64)),
        (row[:, None], columns.allocation[node], -worth),
        (row, columns.payment[node], weight),
    ]
    if later is not None and columns.later is not None:
        parts.append(_continuation(tree, t, i, basis, row, node, truth, weight, later, columns.later))
    equal = now.truthful[row_state] & (row_report == now.own[row_state]) & (not best)
    return SparseRows(
        *gathered(parts),
        np.zeros(len(keys)),
        np.where(equal, 0.0, np.inf),
        now.slot[row_state],
        (("true type", now.own[row_state]), ("report", row_report)),
    )


def myopic_rows(
    tree: Tree, t: int, i: int, allocation: IntArray, payment: IntArray, per_unit: Scalar, slack: Scalar = 0
) -> SparseRows:
    """Rows of `MyopicIC`: utility of the period from the truth less that from another report, in likely states.

    Parameters
    ----------
    tree : PublicTree or PatternTree
    t, i : int
    allocation : int array ``(nodes, A_t)``
    payment : int array ``(nodes,)``
    per_unit : number
        Present value of money of the period, in the program's unit.
    slack : number
        What a misreport may gain.
    """
    process, width = tree.process, tree.process.shape[t][i]
    now = states(tree, t, i, "interim", True, True)
    state, node = _pairs(tree, t, i, "interim", now)
    report = tree.own(t, i)[node]
    untrue = (report != now.own[state]) & process.may_report(t, i, now.own[state], report)
    keys = np.unique((state * width + report)[untrue])
    row_state, row_report = np.divmod(keys, width)
    lie = np.flatnonzero(untrue)
    truth = np.flatnonzero(report == now.own[state])
    first, rows = np.searchsorted(row_state, state[truth]), np.bincount(row_state, minlength=now.count)[state[truth]]
    again = truth.repeat(rows)  # the truth stands in the row of every other report
    place = first.repeat(rows) + np.arange(len(again)) - (np.cumsum(rows) - rows).repeat(rows)
    pair = np.concatenate([lie, again])
    row = np.concatenate([np.searchsorted(keys, (state * width + report)[lie]), place])
    sign = np.concatenate([np.full(len(lie), -1), np.ones(len(again), dtype=np.int64)])
    weight = others_weight(tree, t, i, now, state[pair], node[pair]) * sign
    own = process.with_own(t, i, tree.profile[t][node[pair]], now.own[state[pair]])
    worth = weight[:, None] * (process.values[t][i].T[own] * per_unit - np.where(sign < 0, slack, 0)[:, None])
    parts = [(row[:, None], allocation[node[pair]], worth), (row, payment[node[pair]], -weight)]
    zero = np.zeros(len(keys))
    labels = (("true type", now.own[row_state]), ("report", row_report))
    return SparseRows(*gathered(parts), zero, zero + np.inf, now.slot[row_state], labels)


def _continuation(
    tree: Tree,
    t: int,
    i: int,
    basis: str,
    row: IntArray,
    node: IntArray,
    truth: IntArray,
    weight: Array,
    later: States,
    columns: IntArray,
) -> tuple[IntArray, IntArray, Array]:
    """Non-zeros of -sum over branches and next types of q P V(s')."""
    process, slot = tree.process, tree.following(t)[node]  # (pairs, branches)
    branches = np.arange(tree.branches[t])
    if basis == "ex post":
        place = later.index[slot]  # (pairs, branches, profiles)
        chance: Array = process.kernel[t][branches[None, :], truth[:, None]]
    else:
        own = process.types(t)[i][truth]
        if process.independent:
            place = later.index[slot]
            chance = process.marginal(t, i)[branches[None, :], truth[:, None]]
        else:
            count = process.shape[t + 1][i]
            place = later.index[slot[:, :, None], own[:, None, None] * count + np.arange(count)]
            chance = (process.marginal(t, i)[branches[None, :], truth[:, None]] > 0).astype(np.int64)
    coefficient = -np.where(place >= 0, weight[:, None, None] * chance, 0)
    return np.broadcast_to(row[:, None, None], place.shape), columns[place], coefficient
