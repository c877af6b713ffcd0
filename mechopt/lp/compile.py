"""From an environment, notions and an objective to a linear program, and back to a mechanism.

Three forms of the same problem, each the smallest that the notions allow (``form="auto"``):

- ``"promise"``: lifetime utilities only (`slopes`); one buyer, DIC or what it makes attainable.
- ``"utility"``: allocation and lifetime utilities S. Payments by period are gone: whatever their timing, S is the same.
  Two timings give them back. *Bank*: the buyer's realised utility follows S, R(h) = S(h), so that each period's utility
  is a fair bet; given DIC the mechanism then keeps PPIC and INDU, and with S >= 0 also PFIR (it is a bank account
  mechanism with balance S). *Rebate*: each sale is charged at the reported value and S comes back at the end, R = 0
  until then; given S >= 0 the mechanism keeps every participation notion. (Mirrokni et al. 2020, Lemmas 3.2, A.3, B.1.)
- ``"payment"``: allocation, S and realised utilities R, that is payments by period, for all other combinations, such
  as PPIC without INDU or PPIC with per-period participation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from math import frexp, prod

import numpy as np

from mechopt.core.errors import InputError
from mechopt.core.numbers import FloatArray, readonly
from mechopt.environment.independent import IndependentTypes
from mechopt.lp import incentive, participation
from mechopt.lp.columns import Columns, column_shapes, make_columns
from mechopt.lp.feasibility import supply
from mechopt.lp.program import LinearProgram, RowFamily, assemble
from mechopt.lp.slopes import allocation_map, slope_families
from mechopt.lp.stage import Stage
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.notions import (
    DIC,
    EPIR,
    INDU,
    PEIR,
    PFIR,
    PPIC,
    PPIR,
    ExpectedContinuationIR,
    ExPostIC,
    Interim,
    Notion,
    Objective,
    PeriodicIR,
    Revenue,
    SuperDIC,
    as_notions,
    closure,
)
from mechopt.mechanism.outcome import own_values
from mechopt.tree import HistoryTree

Maker = Callable[[Stage], RowFamily]

BUILD_BYTES_PER_NONZERO = 61
SOLVE_BYTES_PER_NONZERO = {"simplex": 300, "ipx": 450}
BYTES_PER_NODE = 64
PROMISE_TYPES = 8
"""From this many types on the promise form is the faster one (measured; see benchmarks)."""


@dataclass(frozen=True)
class Size:
    """What a program will be, known before it is built; exact at any size.

    Attributes
    ----------
    rows, columns, nonzeros : int
    histories : int
        Of all lengths from 1 on.
    bytes : int
        Estimate of the memory to build and solve it.
    """

    rows: int
    columns: int
    nonzeros: int
    histories: int
    bytes: int


@dataclass(frozen=True, eq=False)
class Plan:
    """The chosen form, its row families and their sizes: everything but the arrays.

    Attributes
    ----------
    tree : HistoryTree
    ic, ir : tuples of Notion
    objective : Objective
    form : str
        ``"promise"``, ``"utility"`` or ``"payment"``.
    timing : str
        How payments by period come back: ``"bank"``, ``"rebate"``, or ``"own"`` in the payment form.
    unit : float
        Money of the program is measured in this power of two.
    misreports : str
        ``"adjacent"`` or ``"all"``.
    """

    tree: HistoryTree
    ic: tuple[Notion, ...]
    ir: tuple[Notion, ...]
    objective: Objective
    form: str
    timing: str
    unit: float
    misreports: str

    def stage(self, t: int, i: int) -> Stage:
        """Numbers of buyer i in period t."""
        return Stage(self.tree, t, i, self.unit, self.misreports)

    @cached_property
    def families(self) -> tuple[RowFamily, ...]:
        """Row families in order."""
        tree, periods, buyers = self.tree, range(self.tree.periods), range(self.tree.environment.buyers)
        stages = [self.stage(t, i) for t in periods for i in buyers]
        families = [participation.promise(stage) for stage in stages]
        if self.form == "promise":
            return (*families, *(family for stage in stages for family in slope_families(stage)), *self._interim())
        if len(buyers) > 1:
            families += [supply(tree, t) for t in periods]
        if self.form == "utility":
            row: dict[Notion, Maker] = {
                DIC(): incentive.dic,
                ExPostIC(): incentive.ex_post,
                SuperDIC(): incentive.super_dic,
            }
            families += [row[notion](stage) for notion in _strongest(self.ic) for stage in stages]
            return (*families, *self._interim())
        makers: dict[Notion, Maker] = {
            DIC(): incentive.dic,
            ExPostIC(): incentive.ex_post,
            SuperDIC(): incentive.super_dic,
            PPIC(): incentive.ppic,
            INDU(): incentive.indu,
            PPIR(): participation.per_period,
            PEIR(): participation.per_period_expected,
            PeriodicIR(): participation.periodic,
            ExpectedContinuationIR(): participation.expected_continuation,
        }
        for notion in _unimplied((*self.ic, *self.ir)):
            if notion in makers:
                last = tree.periods - 1 if notion == INDU() else tree.periods
                families += [makers[notion](stage) for stage in stages if stage.period < last]
        return (*families, *self._interim())

    def _interim(self) -> list[RowFamily]:
        """Rows of `Interim`, unless bounds say it (one buyer) or EPIR does."""
        buyers = self.tree.environment.buyers
        if Interim() not in _unimplied(self.ir) or buyers == 1:
            return []
        return [participation.interim(self.stage(0, i)) for i in range(buyers)]

    @cached_property
    def size(self) -> Size:
        """Rows, columns, non-zeros, histories and bytes."""
        columns = sum(prod(shape) for _, _, shape in column_shapes(self.tree, self.form))
        rows, nonzeros = sum(f.rows for f in self.families), sum(f.nonzeros for f in self.families)
        histories = sum(self.tree.count[1:])
        build = BUILD_BYTES_PER_NONZERO + SOLVE_BYTES_PER_NONZERO["simplex"]
        total = build * nonzeros + BYTES_PER_NODE * self.tree.environment.buyers * histories
        return Size(rows, columns, nonzeros, histories, total)


def _unimplied(notions: Iterable[Notion]) -> list[Notion]:
    """The given notions without those that the rest implies."""
    kept = list(notions)
    for notion in list(kept):
        if notion in closure(n for n in kept if n != notion):
            kept.remove(notion)
    return kept


def _strongest(ic: Iterable[Notion]) -> list[Notion]:
    """The one of super-DIC, ex post IC and DIC that the notions demand, or none."""
    implied, ranked = closure(ic), (SuperDIC(), ExPostIC(), DIC())
    found: list[Notion] = [notion for notion in ranked if notion in implied]
    return found[:1]


def payment_timing(ic: Iterable[Notion], ir: Iterable[Notion]) -> str:
    """``"bank"`` or ``"rebate"`` where lifetime utilities determine the mechanism, else ``"own"``.

    Bank payments keep PPIC and INDU given DIC, and every participation notion but PPIR and periodic IR; rebates keep
    every participation notion given EPIR, but neither PPIC nor INDU.
    """
    ic, ir = set(ic), set(ir)
    if PPIC() in ic and DIC() not in closure(ic):
        return "own"
    if not ir & {PPIR(), PeriodicIR()}:
        return "bank"
    if not ic & {PPIC(), INDU()} and EPIR() in closure(ir):
        return "rebate"
    return "own"


def plan(
    environment: IndependentTypes,
    ic: Notion | Iterable[Notion] | None = DIC(),  # noqa: B008 - frozen values
    ir: Notion | Iterable[Notion] | None = EPIR(),  # noqa: B008
    objective: Objective = Revenue(),  # noqa: B008
    form: str = "auto",
    misreports: str = "adjacent",
) -> Plan:
    """Choose the form of the program and list its row families, building no array.

    Parameters
    ----------
    environment : IndependentTypes
    ic, ir : Notion, several or None
        Incentive and participation notions.
    objective : Objective
    form : str
        ``"auto"`` (the smallest), or one that is allowed: ``"promise"``, ``"utility"``, ``"payment"``.
    misreports : str
        ``"adjacent"``, or ``"all"`` for a row against every misreport: the same set of mechanisms, more rows.

    Raises
    ------
    InputError
        If the form does not exist or cannot express the notions.
    """
    ic, ir = as_notions(ic, "ic"), as_notions(ir, "ir")
    timing = payment_timing(ic, ir)
    allowed = ["payment"]
    if timing != "own":
        allowed.append("utility")
        if environment.buyers == 1 and DIC() in closure(ic) and SuperDIC() not in ic:
            allowed.append("promise")
    if form == "auto":
        wide = max(max(types) for types in environment.types) >= PROMISE_TYPES
        form = "promise" if wide and "promise" in allowed else "utility" if "utility" in allowed else "payment"
    if form not in allowed:
        raise InputError(f"form {form!r} cannot express these notions; allowed: {', '.join(['auto', *allowed])}")
    if misreports not in ("adjacent", "all"):
        raise InputError(f"misreports {misreports!r}; write 'adjacent' or 'all'")
    top = max(float(v[-1]) for row in environment.values for v in row)
    unit = 2.0 ** (frexp(top)[1] - 1) if top > 0 else 1.0
    timing = "own" if form == "payment" else timing
    return Plan(HistoryTree(environment), ic, ir, objective, form, timing, unit, misreports)


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
            (x[self.columns.lifetime[t + 1]].reshape(-1, *self.plan.tree.types[t]) @ matrix.T + constant)[None]
            for t, (matrix, constant) in enumerate(allocation_maps(self.plan))
        ]

    def realised(self, x: FloatArray) -> list[FloatArray]:
        """Realised utility R by length of history, ``(n, count[t])``, present value in money of the environment."""
        plan, last = self.plan, self.plan.tree.periods
        if plan.timing == "own":
            return [x[block] * plan.unit for block in self.columns.realised]
        lifetime = [x[block] * plan.unit for block in self.columns.lifetime]
        moves = plan.timing == "bank"
        return [u if t == last or (moves and t > 0) else np.zeros_like(u) for t, u in enumerate(lifetime)]

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
            sold = np.clip(raw, 0.0, 1.0) + 0.0  # + 0.0: no negative zeros
            gain = realised[t + 1].reshape(sold.shape) - realised[t].reshape(*realised[t].shape, *[1] * env.buyers)
            allocation.append(readonly(sold))
            payment.append(readonly(own_values(plan.tree, t) * sold - gain / env.weights[t] + 0.0))
        words = f"optimum of {plan.objective}, {plan.form} form"
        return Mechanism(env, tuple(allocation), tuple(payment), (*plan.ic, *plan.ir), words)


def _sale_gains(plan: Plan, t: int) -> FloatArray:
    """What a sale of period t adds to the objective, in units; shape ``(n, 1, *types[t])``."""
    env, weight = plan.tree.environment, plan.objective.revenue + plan.objective.welfare
    gains: FloatArray = weight * env.weights[t] * (own_values(plan.tree, t) - env.cost[t]) / plan.unit
    return gains


def allocation_maps(plan: Plan) -> list[tuple[FloatArray, FloatArray]]:
    """Promise form: x = matrix @ S + constant, by period."""
    return [allocation_map(plan.stage(t, 0), _sale_gains(plan, t).ravel()) for t in range(plan.tree.periods)]


def _objective(plan: Plan, columns: Columns) -> tuple[FloatArray, float]:
    """Cost vector and offset: welfare in x, and each buyer's utility is S at the root."""
    tree, weights = plan.tree, plan.objective
    cost, offset = np.zeros(columns.count), 0.0
    cost[columns.lifetime[0]] = weights.utility - weights.revenue
    for t in range(tree.periods):
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


def _bounds(plan: Plan, columns: Columns) -> tuple[FloatArray, FloatArray]:
    """Lower and upper bounds: allocations in [0, 1], and the participation notions that are bounds."""
    lower, upper = np.full(columns.count, -np.inf), np.full(columns.count, np.inf)
    for block in columns.allocation:
        lower[block], upper[block] = 0.0, 1.0
    implied = closure(plan.ir)
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
    elif implied & {PEIR(), ExpectedContinuationIR(), Interim()}:
        lower[columns.lifetime[0]] = 0.0
    if Interim() in plan.ir and plan.tree.environment.buyers == 1:
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
    >>> env = IndependentTypes.iid([1, 2], ["1/2", "1/2"], periods=3)
    >>> program, layout = compile_program(plan(env))
    >>> program.size, program.describe_row(7)
    ((21, 29, 63), 'dic, agent 0, period 0, history [], true type 1, report 0')
    """
    columns = make_columns(plan.tree, plan.form)
    cost, offset = _objective(plan, columns)
    lower, upper = _bounds(plan, columns)
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
    )
    return program, Layout(plan, columns)
