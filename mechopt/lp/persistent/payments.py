r"""Rows of constraints on payments where types persist, and which of them go together.

With realisation weights x, present values y_i of weighted payments, W(n) = sum_a x(n, a) and P_i(s) the present value
of agent i's weighted payments on the way to a slot s (0 at the root); where discounts differ, y in the agent's, P and
balance in the seller's present value::

    no-money              y_i(n)  = 0
    no-subsidy            y_i(n) >= 0
    payment-cap           y_i(n) <= w_t b_i W(n)
    paid                  sum_b P_i(slot after n and b) = P_i(slot of n) + y_i(n)
    budget                P_i(slot of n) + y_i(n) <= B_i W(n) at last nodes
    prefix-budget         and P_i(slot after n and b) <= B_i times the weight of that slot
    weak-budget-balance   sum_i y_i(n) - w_t sum_a cost_a x(n, a) >= 0;  strong: = 0
    ex-ante               the sum of these over all nodes, each with the probability of its types, >= 0

How a payment is divided among the recorded actions that the mechanism may draw is one choice at each node. Constraints
on single payments take it proportional to the weights, those on sums of payments leave it free, and so does
participation on paths: where actions are recorded, at most one of these three can be asked for
(`require_one_division`), for the sums on a path of two of them are not linear in x, y together. Where nothing may be
drawn there is nothing to divide, and they go together. With draws no other columns would help from three periods on:
two mechanisms may keep both no-subsidy and a budget, and their mean in x, y break the budget however its payments are
divided. One draws an action in period 1 for sure and takes B at the end; the other takes B first and never draws it. On
their mean's path through that action, of weight 1/2, B/2 and B are paid.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np

from mechopt.core.errors import InputError
from mechopt.core.numbers import IntArray
from mechopt.histories.public import PublicTree
from mechopt.lp.persistent.incentive import Scalar, SparseRows, gathered
from mechopt.lp.persistent.information_states import Tree
from mechopt.mechanism.constraints import EPIR, PFIR, PPIR, Constraint
from mechopt.mechanism.payments import (
    Budget,
    Deterministic,
    NoMoney,
    NoSubsidy,
    PaymentCap,
    PaymentConstraint,
    PrefixBudget,
    on_money,
)

SINGLE = (NoMoney, NoSubsidy, PaymentCap)
ON_PATHS = (Budget, PrefixBudget)


def require_one_division(tree: PublicTree, ir: Iterable[Constraint], subject_to: Collection[PaymentConstraint]) -> None:
    """Refuse constraints that each want their own division of payments among the actions that are drawn.

    Raises
    ------
    InputError
        With the two, and what to do.
    """
    if max(tree.branches) == 1 or Deterministic() in subject_to:
        return
    listed = on_money(subject_to)
    groups: list[list[Constraint]] = [
        [c for c in listed if isinstance(c, SINGLE)],
        [c for c in listed if isinstance(c, ON_PATHS)],
        [c for c in ir if isinstance(c, (EPIR, PFIR, PPIR))] if listed else [],
    ]
    asked = [group[0].name for group in groups if group]
    if len(asked) > 1 and (groups[0] or groups[1]):
        raise InputError(
            f"{asked[0]} with {asked[1]}: actions move types here, so payments may depend on the mechanism's own draw "
            "of the action, and these two together are not linear in them; leave one out, or ask for participation "
            "as interim or periodic, or for payments by single payments only (payment-cap instead of budget), or draw "
            "nothing (deterministic beside them)"
        )


def single_rows(
    constraint: PaymentConstraint,
    tree: Tree,
    t: int,
    i: int,
    allocation: IntArray,
    payment: IntArray,
    per_unit: Scalar,
) -> SparseRows:
    """Rows of `NoMoney`, `NoSubsidy` or `PaymentCap` for one agent in one period."""
    nodes, one = np.arange(tree.count[t]), np.ones(1, dtype=np.int64)
    parts: list[tuple[IntArray, IntArray, Any]] = [(nodes, payment, one)]
    lower = np.zeros(len(nodes))
    upper = lower if isinstance(constraint, NoMoney) else lower + np.inf
    if isinstance(constraint, PaymentCap):
        cap = per_unit * _like(constraint.amount(i), per_unit)
        parts.append((nodes[:, None], allocation, np.array([-cap])))
        lower, upper = lower - np.inf, lower
    return SparseRows(*gathered(parts), lower, upper, tree.slot[t], (("reports", tree.profile[t]),))


def paid_rows(
    tree: Tree, t: int, payment: IntArray, here: IntArray | None, later: IntArray, share: Scalar
) -> SparseRows:
    """Payments on the way to the slots after a period; `here` and `later` are columns of P by slot."""
    nodes, one = np.arange(tree.count[t]), np.ones(1, dtype=np.int64)
    parts: list[tuple[IntArray, IntArray, Any]]
    parts = [(nodes[:, None], later[tree.following(t)], one), (nodes, payment, np.array([-share]))]
    if here is not None:
        parts.append((nodes, here[tree.slot[t]], -one))
    zero = np.zeros(len(nodes))
    return SparseRows(*gathered(parts), zero, zero, tree.slot[t], (("reports", tree.profile[t]),))


def prefix_rows(tree: Tree, t: int, allocation: IntArray, later: IntArray, budget: Scalar) -> SparseRows:
    """Rows of prefix budgets: payments up to a period before the last, by node and recorded action."""
    branches = tree.branches[t]
    rows = np.arange(tree.count[t] * branches).reshape(-1, branches)
    parts = [(rows, later[tree.following(t)], np.ones(1, dtype=np.int64))]
    weights = allocation if branches > 1 else allocation[:, None, :]
    parts.append((rows if branches > 1 else rows[:, :, None], weights, np.array([-budget])))
    zero = np.zeros(rows.size)
    labels: tuple[tuple[str, IntArray], ...] = (("reports", tree.profile[t].repeat(branches)),)
    if branches > 1:
        labels = (*labels, ("action", np.tile(np.arange(branches), tree.count[t])))
    return SparseRows(*gathered(parts), zero - np.inf, zero, tree.slot[t].repeat(branches), labels)


def budget_rows(
    tree: Tree, allocation: IntArray, payment: IntArray, here: IntArray | None, budget: Scalar, share: Scalar
) -> SparseRows:
    """Rows of budgets: payments on a full path."""
    t, one = tree.horizon - 1, np.ones(1, dtype=np.int64)
    nodes = np.arange(tree.count[t])
    parts: list[tuple[IntArray, IntArray, Any]] = [(nodes, payment, np.array([share]))]
    parts.append((nodes[:, None], allocation, np.array([-budget])))
    if here is not None:
        parts.append((nodes, here[tree.slot[t]], one))
    zero = np.zeros(len(nodes))
    return SparseRows(*gathered(parts), zero - np.inf, zero, tree.slot[t], (("reports", tree.profile[t]),))


def balance_rows(
    strong: bool,
    tree: Tree,
    t: int,
    allocation: IntArray,
    payment: IntArray,
    per_unit: Scalar,
    shares: Sequence[Scalar],
) -> SparseRows:
    """Payments of a period less the cost of its action; ``payment`` of all agents, ``(n, nodes)``."""
    nodes = np.arange(tree.count[t])
    parts: list[tuple[IntArray, IntArray, Any]]
    parts = [(nodes, row, np.array([share])) for row, share in zip(payment, shares, strict=True)]
    parts.append((nodes[:, None], allocation, tree.process.costs[t] * -per_unit))
    zero = np.zeros(len(nodes))
    upper = zero if strong else zero + np.inf
    return SparseRows(*gathered(parts), zero, upper, tree.slot[t], (("reports", tree.profile[t]),))


def ex_ante_rows(
    tree: PublicTree,
    allocation: tuple[IntArray, ...],
    payment: tuple[IntArray, ...],
    per_unit: list[Scalar],
    shares: Sequence[Sequence[Scalar]],
) -> SparseRows:
    """Expected payments less expected costs: one row."""
    parts = list[tuple[IntArray, IntArray, Any]]()
    row, zero = np.zeros(1, dtype=np.int64), np.zeros(1)
    for t in range(tree.horizon):
        parts += [(row, own, tree.reach[t] * share) for own, share in zip(payment[t], shares[t], strict=True)]
        costs = tree.process.costs[t] * -per_unit[t]
        parts.append((row, allocation[t], tree.reach[t][:, None] * costs))
    return SparseRows(*gathered(parts), zero, zero + np.inf, row)


def budget_in_units(amount: Any, unit: Scalar) -> Scalar:
    """An amount of money of period 0 in the program's unit."""
    return _like(amount, unit) / unit


def _like(amount: Any, scalar: Scalar) -> Any:
    """An exact amount, as a float beside floats."""
    return float(amount) if isinstance(scalar, float) else amount
