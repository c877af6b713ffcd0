"""From a plan to a linear program, and from its solutions back to mechanisms.

The forms of a program and the timings of payments are those of `mechopt.lp.independent.plan`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mechopt.core.numbers import FloatArray, readonly
from mechopt.lp.independent.columns import Columns
from mechopt.lp.independent.payments import receipts
from mechopt.lp.independent.plan import Plan
from mechopt.lp.independent.promise_form import allocation_map
from mechopt.lp.program import LinearProgram, assemble, whole_numbers
from mechopt.mechanism.constraints import (
    EPIR,
    PFIR,
    ExAnteIR,
    Interim,
    closure,
)
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.outcome import own_surplus, own_values
from mechopt.mechanism.payments import Deterministic, claims_of


@dataclass(frozen=True, eq=False)
class Layout:
    """The way back from a vector of columns to a mechanism.

    Attributes
    ----------
    plan : Plan
    columns : Columns
    """

    plan: Plan
    columns: Columns

    @property
    def unit(self) -> float:
        """Money of the program times this is money of the environment."""
        return self.plan.unit

    def allocation(self, x: FloatArray) -> list[FloatArray]:
        """Allocation by period, ``(n, count[t], *types[t])``."""
        if self.plan.form != "promise":
            return [x[block] for block in self.columns.allocation]
        return [
            (x[self.columns.lifetime[t + 1]].reshape(-1, *self.plan.tree.shape[t]) @ matrix.T + constant)[None]
            for t, (matrix, constant) in enumerate(allocation_maps(self.plan))
        ]

    def realised(self, x: FloatArray) -> list[FloatArray]:
        """Realised utility R by length of history, ``(n, count[t])``, present value in money of the environment."""
        plan, last = self.plan, self.plan.tree.horizon
        if plan.timing == "own":
            return [x[block] * plan.unit for block in self.columns.realised]
        lifetime = [x[block] * plan.unit for block in self.columns.lifetime]
        moves = plan.timing == "bank"
        return [u if t == last or (moves and t > 0) else np.zeros_like(u) for t, u in enumerate(lifetime)]

    def in_units(self, x: FloatArray) -> FloatArray:
        """Columns whose utilities are in money of the environment, as in a certificate, in the program's units."""
        scaled = x.copy()
        for block in (*self.columns.lifetime, *self.columns.realised[:-1]):  # the last realised block is lifetime's
            scaled[block] /= self.unit
        return scaled

    def mechanism(self, x: FloatArray) -> Mechanism:
        """The mechanism that a solution stands for; allocations within rounding of [0, 1] are put into it.

        Parameters
        ----------
        x : float array ``(columns,)``
        """
        plan, env = self.plan, self.plan.tree.environment
        realised = self.realised(x)
        allocation, payment = [], []
        for t, raw in enumerate(self.allocation(x)):
            most = 1.0 if env.slots is None else float(env.slots[t][0])
            sold = np.clip(raw, 0.0, most) + 0.0  # + 0.0: no negative zeros
            own = np.array([weights[t] for weights in env.own_present_value]).reshape(-1, *[1] * (sold.ndim - 1))
            gain = realised[t + 1].reshape(sold.shape) - realised[t].reshape(*realised[t].shape, *[1] * env.agents)
            allocation.append(readonly(sold))
            payment.append(readonly(own_values(plan.tree, t) * sold - gain / own + 0.0))
        words = f"optimum of {plan.objective}, {plan.form} form"
        return Mechanism(env, tuple(allocation), tuple(payment), claims_of(plan.ic, plan.ir, plan.subject_to), words)


def _sale_gains(plan: Plan, t: int) -> FloatArray:
    """Coefficients of sales of period t in the objective, in units; shape ``(n, 1, *types[t])``."""
    env, weight = plan.tree.environment, plan.objective.revenue + plan.objective.welfare
    gains: FloatArray = weight * env.present_value[t] * own_surplus(plan.tree, t) / plan.unit
    if env.discounts is not None:
        more = np.array([own[t] - env.present_value[t] for own in env.own_present_value])
        values = own_values(plan.tree, t)
        gains = gains + plan.objective.welfare * more.reshape(-1, *[1] * (values.ndim - 1)) * values / plan.unit
    return gains


def allocation_maps(plan: Plan) -> list[tuple[FloatArray, FloatArray]]:
    """Promise form: x = matrix @ S + constant, by period."""
    return [allocation_map(plan.stage(t, 0), _sale_gains(plan, t).ravel()) for t in range(plan.tree.horizon)]


def _objective(plan: Plan, columns: Columns) -> tuple[FloatArray, float]:
    """Cost vector and offset: welfare in x, and each buyer's utility is S at the root."""
    tree, weights = plan.tree, plan.objective
    cost, offset = np.zeros(columns.count), 0.0
    cost[columns.lifetime[0]] = weights.utility - weights.revenue
    for i in range(tree.environment.agents if tree.environment.discounts is not None else 0):
        cost[columns.lifetime[0][i]] = weights.utility
        for length, share in enumerate(receipts([plan.stage(t, i) for t in range(tree.horizon)])):
            cost[columns.realised[length][i]] += weights.revenue * share * tree.reach[length]
    for t in range(tree.horizon):
        gains = _sale_gains(plan, t)
        reach = tree.reach[t + 1].reshape(tree.children(t))
        if plan.form != "promise":
            cost[columns.allocation[t]] = gains * reach
            continue
        matrix, constant = allocation_maps(plan)[t]
        worth = gains.reshape(1, -1) * reach
        cost[columns.lifetime[t + 1].reshape(reach.shape)] += worth @ matrix
        offset += float((worth @ constant).sum())
    return cost, offset


def column_bounds(plan: Plan, columns: Columns) -> tuple[FloatArray, FloatArray]:
    """Lower and upper bounds: allocations in [0, 1], and the participation constraints that are bounds."""
    lower, upper = np.full(columns.count, -np.inf), np.full(columns.count, np.inf)
    for block in (*columns.allocation, *columns.slots):
        lower[block], upper[block] = 0.0, 1.0
    implied = closure(plan.ir)
    if plan.environment.outside is not None:
        lower[columns.realised[0]] = upper[columns.realised[0]] = 0.0
        return lower, upper
    if (
        EPIR() in implied
    ):  # and then at every history, as S is an average of S at the end of paths; it speeds simplex up
        for block in columns.lifetime:
            lower[block] = 0.0
    if plan.form == "payment":
        lower[columns.realised[0]] = upper[columns.realised[0]] = 0.0
        if PFIR() in plan.ir:
            for block in columns.realised[1:]:
                lower[block] = 0.0
        if ExAnteIR() in plan.ir:
            lower[columns.lifetime[0]] = 0.0
    elif ExAnteIR() in implied:
        lower[columns.lifetime[0]] = 0.0
    if Interim() in plan.ir and plan.tree.environment.agents == 1:
        lower[columns.lifetime[1]] = 0.0
    return lower, upper


def compile_program(plan: Plan) -> tuple[LinearProgram, Layout]:
    """Build the program of a plan.

    Returns
    -------
    program : LinearProgram
        Maximises the objective in units of ``plan.unit``.
    layout : Layout
        Takes its solutions back to mechanisms.

    Examples
    --------
    >>> from mechopt import IndependentTypes
    >>> from mechopt.formats import plan
    >>> env = IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=3)
    >>> program, layout = compile_program(plan(env))
    >>> program.size, program.describe_row(7)
    ((21, 29, 63), 'dic, buyer 0, period 0, at the start, true type 2, report 1')
    """
    columns = plan.make_columns()
    cost, offset = _objective(plan, columns)
    lower, upper = column_bounds(plan, columns)
    start, index, value, row_lower, row_upper = assemble([family.build(columns) for family in plan.families])
    firsts = np.cumsum([0, *(family.rows for family in plan.families)])[:-1]
    program = LinearProgram(
        readonly(cost),
        offset,
        readonly(lower),
        readonly(upper),
        start,
        index,
        value,
        row_lower,
        row_upper,
        tuple((int(first), family) for first, family in zip(firsts, plan.families, strict=True)),
        columns.blocks,
        plan.tree,
        plan.tree.horizon,
        whole_numbers(Deterministic() in plan.subject_to, columns.drawn),
    )
    return program, Layout(plan, columns)
