"""From a plan where types persist to a linear program, and from its solutions back to mechanisms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mechopt.core.numbers import Array, FloatArray, IntArray, readonly
from mechopt.histories.public import PublicTree
from mechopt.lp.persistent.columns import PersistentColumns, labelled
from mechopt.lp.persistent.incentive import Scalar, SparseRows
from mechopt.lp.persistent.payments import SINGLE
from mechopt.lp.persistent.plan import PersistentPlan
from mechopt.lp.program import LinearProgram, whole_numbers
from mechopt.mechanism.constraints import PFIR, Interim, PeriodicExPostIR, PeriodicIR, closure
from mechopt.mechanism.payments import Deterministic, claims_of
from mechopt.mechanism.sequence import SequenceMechanism


@dataclass(frozen=True, eq=False)
class BuiltFamily:
    """Rows of one kind, agent and period, with what each is about.

    Attributes
    ----------
    name : str
    agent : int or None
    period : int
    rows : SparseRows
    """

    name: str
    agent: int | None
    period: int
    rows: SparseRows

    def describe(self, index: int, tree: PublicTree) -> str:
        """Say in words what a row demands of whom, when and after which history."""
        t = self.period
        words = [self.name] + ([] if self.agent is None else [tree.words.agent(self.agent)])
        words += [f"period {t}", tree.after(t, int(self.rows.slot[index]))]
        for name, numbers in self.rows.labels:
            words.append(labelled(tree, t, self.agent, name, int(numbers[index])))
        return ", ".join(words)


@dataclass(frozen=True, eq=False)
class PersistentLayout:
    """The way back from a vector of columns to a mechanism.

    Attributes
    ----------
    plan : PersistentPlan
    columns : PersistentColumns
    """

    plan: PersistentPlan
    columns: PersistentColumns

    @property
    def unit(self) -> float:
        """Money of the program times this is money of the environment."""
        return float(self.plan.unit)

    def in_units(self, x: FloatArray) -> FloatArray:
        """Columns whose money is that of the environment, as in a certificate, in the program's units."""
        scaled = x.copy()
        for block in self.columns.blocks:
            if block.kind != "allocation":
                scaled[block.first : block.first + int(np.prod(block.shape))] /= self.unit
        return scaled

    def mechanism(self, x: FloatArray) -> SequenceMechanism:
        """The mechanism that a solution stands for; weights within rounding of their sums are normalised.

        What an agent pays at a node is divided among recorded actions so that all are equally good for her per weight,
        or, where participation on paths has utilities of its own, so that each path realises its own. Where payments
        are constrained, all recorded actions cost the same, or under a budget each path pays its own sum.

        Parameters
        ----------
        x : float array ``(columns,)``
        """
        plan, columns = self.plan, self.columns
        tree, process = plan.tree, plan.process
        allocation, payment, mass = [], [], np.ones(1)
        realised = [np.zeros((process.agents, 1))]
        realised += [x[part] * plan.unit for part in columns.realised[1:]] if plan.paths else []
        sums = [np.zeros((process.agents, 1)), *(x[part] * plan.unit for part in columns.paid[1:])]
        even = any(isinstance(constraint, SINGLE) for constraint in plan.subject_to)
        for t in range(tree.horizon):
            weights = _put_right(x[columns.allocation[t]], mass[tree.slot[t]])
            recorded = weights if tree.branches[t] > 1 else weights.sum(axis=1, keepdims=True)
            total = recorded.sum(axis=1, keepdims=True)
            share = np.where(total > 0, recorded / np.where(total > 0, total, 1.0), 1 / recorded.shape[1])
            worth = process.net_values[t][:, :, tree.profile[t]].swapaxes(1, 2)  # (n, nodes, A_t)
            value = worth * weights if tree.branches[t] > 1 else (worth * weights).sum(axis=2, keepdims=True)
            own = np.array([weights[t] for weights in process.own_present_value])[:, None]
            paid = x[columns.payment[t]] * (plan.unit / own)  # (n, nodes)
            surplus = value.sum(axis=2) - paid
            if even or (plan.paid_paths and tree.branches[t] > 1):
                each = share * paid[:, :, None]
                if plan.paid_paths and tree.branches[t] > 1:
                    before = sums[t][:, tree.slot[t]][:, :, None] * share
                    each = (sums[t + 1][:, tree.following(t)] - before) / process.present_value[t]
                    each += share * (paid - each.sum(axis=2))[:, :, None]
                gain = value - each
            elif plan.paths and tree.branches[t] > 1:
                before = realised[t][:, tree.slot[t]][:, :, None] * share
                gain = (realised[t + 1][:, tree.following(t)] - before) / own[:, :, None]
                gain += share * (surplus - gain.sum(axis=2))[:, :, None]
            else:
                gain = share * surplus[:, :, None]
            allocation.append(readonly(weights))
            payment.append(readonly(value - gain + 0.0))
            mass = recorded.ravel()
        words = f"{'relaxed ' if plan.relaxed else ''}optimum of {plan.objective}, sequence form"
        claims = claims_of(plan.ic, plan.ir, plan.subject_to)
        return SequenceMechanism(tree, tuple(allocation), tuple(payment), claims, words)


def _put_right(weights: FloatArray, mass: FloatArray) -> FloatArray:
    """Realisation weights that are at least 0 and sum to the mass of their slots."""
    weights = np.clip(weights, 0.0, None)
    total = weights.sum(axis=1)
    even = np.full_like(weights, 1 / weights.shape[1])
    shares = np.where(total[:, None] > 0, weights / np.where(total > 0, total, 1.0)[:, None], even)
    put: FloatArray = shares * mass[:, None]
    return put


def objective(plan: PersistentPlan, columns: PersistentColumns, weights: tuple[Scalar, Scalar, Scalar]) -> Array:
    """Cost vector, in the program's unit, from the weights of revenue, welfare and utility."""
    process, tree = plan.process, plan.tree
    cost = np.zeros(columns.count, dtype=process.initial.dtype)
    revenue, welfare, utility = weights
    for t in range(tree.horizon):
        weight = tree.reach[t] * plan.per_unit(t)
        values = sum(own / plan.to_seller(t, i) for i, own in enumerate(process.values[t]))
        worth = (welfare + utility) * values.T - (revenue + welfare) * process.net_costs(t).T
        cost[columns.allocation[t]] = weight[:, None] * worth[tree.profile[t]]
        for i, column in enumerate(columns.payment[t]):
            cost[column] = (revenue * plan.to_seller(t, i) - utility) * tree.reach[t]
    return cost


def _bounds(plan: PersistentPlan, columns: PersistentColumns) -> tuple[FloatArray, FloatArray]:
    """Bounds: weights at least 0, and the participation constraints that are bounds."""
    lower, upper = np.full(columns.count, -np.inf), np.full(columns.count, np.inf)
    for t, block in enumerate(columns.allocation):
        lower[block] = 0.0
        if plan.process.forbidden is not None:
            upper[block[plan.process.forbidden[t].T[plan.tree.profile[t]]]] = 0.0
    implied = closure(plan.ir)
    for basis, constraint in (("interim", PeriodicIR()), ("ex post", PeriodicExPostIR())):
        if basis in columns.value and constraint in implied:
            for values, known in zip(columns.value[basis], columns.states[basis], strict=True):
                for value, part in zip(values, known, strict=True):
                    lower[value[part.likely]] = 0.0
    if "interim" in columns.value and Interim() in implied:
        for value, part in zip(columns.value["interim"][0], columns.states["interim"][0], strict=True):
            lower[value[part.likely]] = 0.0
    if PFIR() in implied and plan.paths:
        for t in range(1, plan.tree.horizon):
            node, _ = plan.tree.came(t)
            lower[columns.realised[t][:, plan.tree.alive(t - 1)[node]]] = 0.0
    return lower, upper


def compile_persistent(plan: PersistentPlan) -> tuple[LinearProgram, PersistentLayout]:
    """Build the program of a plan.

    Parameters
    ----------
    plan : PersistentPlan

    Returns
    -------
    program : LinearProgram
        Maximises the objective in units of ``plan.unit``.
    layout : PersistentLayout
        Takes its solutions back to mechanisms.

    Examples
    --------
    >>> from mechopt import MarkovTypes
    >>> from mechopt.lp.persistent.plan import persistent_plan
    >>> stay = [["3/4", "1/4"], ["1/4", "3/4"]]
    >>> plan = persistent_plan(MarkovTypes([[[0, 0], [1, 2]]], [stay], [["2/5", "3/5"]], horizon=2))
    >>> program, layout = compile_persistent(plan)
    >>> program.size == (plan.size.rows, plan.size.columns, plan.size.nonzeros)
    True
    >>> program.describe_row(7)
    'bayesian, agent 0, period 0, at the start, true type 0, report 1'
    """
    columns, goal = plan.make_columns(plan.tree), plan.objective
    built = [BuiltFamily(f.name, f.agent, f.period, f.build(columns)) for f in plan.families]
    lower, upper = _bounds(plan, columns)
    firsts = np.cumsum([0, *(len(family.rows.lower) for family in built)])
    start, index, value = _by_rows([family.rows for family in built], firsts)
    program = LinearProgram(
        readonly(objective(plan, columns, (goal.revenue, goal.welfare, goal.utility))),
        0.0,
        readonly(lower),
        readonly(upper),
        start,
        index,
        value,
        np.concatenate([family.rows.lower for family in built]),
        np.concatenate([family.rows.upper for family in built]),
        tuple((int(first), family) for first, family in zip(firsts, built, strict=False)),
        columns.blocks,
        plan.tree,
        plan.tree.horizon,
        whole_numbers(Deterministic() in plan.subject_to, columns.allocation),
    )
    return program, PersistentLayout(plan, columns)


def _by_rows(parts: list[SparseRows], firsts: IntArray) -> tuple[IntArray, IntArray, Array]:
    """Start, index and value of the matrix by rows."""
    row = np.concatenate([part.row + first for part, first in zip(parts, firsts, strict=False)])
    column = np.concatenate([part.column for part in parts])
    value = np.concatenate([part.coefficient for part in parts])
    order = np.lexsort((column, row))
    start = np.concatenate([[0], np.bincount(row, minlength=int(firsts[-1])).cumsum()])
    return start, column[order], value[order].astype(np.float64)
