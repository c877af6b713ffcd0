"""From an environment, constraints and an objective to a linear program, and back to a mechanism.

Three forms of the same problem, each the smallest that the constraints allow (``form="auto"``):

- ``"promise"``: lifetime utilities only (`slopes`); one buyer, DIC or what it makes attainable.
- ``"utility"``: allocation and lifetime utilities S. Payments by period are gone: whatever their timing, S is the same.
  Two timings give them back. *Bank*: the buyer's realised utility follows S, R(h) = S(h), so that each period's utility
  is a fair bet; given DIC the mechanism then satisfies PPIC and INDU, and with S >= 0 also PFIR (it is a bank account
  mechanism with balance S). *Rebate*: each sale is charged at the reported value and S comes back at the end, R = 0
  until then; given S >= 0 the mechanism keeps every participation constraint. (Mirrokni et al. 2020, Lemmas 3.2, A.3,
  B.1.)
- ``"payment"``: allocation, S and realised utilities R, that is payments by period, for all other combinations, such
  as PPIC without INDU or PPIC with per-period participation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, partial
from math import frexp, prod
from typing import ClassVar

from mechopt.core.errors import InputError
from mechopt.environment.independent import IndependentTypes
from mechopt.histories.reports import HistoryTree
from mechopt.lp.independent import incentive, participation
from mechopt.lp.independent.columns import Columns, column_shapes, make_columns
from mechopt.lp.independent.feasibility import needs_slots, slots, supply
from mechopt.lp.independent.payments import payment_families
from mechopt.lp.independent.period import Stage
from mechopt.lp.independent.promise_form import slope_families
from mechopt.lp.program import RowFamily
from mechopt.mechanism.constraint_names import asked_constraints, require_outside
from mechopt.mechanism.constraints import (
    DIC,
    EPIR,
    INDU,
    PEIR,
    PFIR,
    PPIC,
    PPIR,
    STANDARD,
    Asked,
    Constraint,
    ExAnteIR,
    ExpectedContinuationIR,
    ExPostIC,
    Interim,
    PeriodicIR,
    SuperDIC,
    closure,
    unimplied,
)
from mechopt.mechanism.objective import Objective, Revenue
from mechopt.mechanism.payments import (
    Deterministic,
    EpsilonIC,
    PaymentConstraint,
    Payments,
    on_money,
    payment_constraints,
    require_agents,
    require_slack,
    slack_of,
)

Maker = Callable[[Stage], RowFamily]

BUILD_BYTES_PER_NONZERO = 61
SOLVE_BYTES_PER_NONZERO = {"simplex": 300, "ipx": 450}
BYTES_PER_NODE = 64
PROMISE_TYPES = 8
"""From this many types on the promise form is the faster one (measured; see benchmarks)."""


@dataclass(frozen=True)
class Size:
    """Size of a program, known before it is built; exact at any size.

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
    ic, ir : tuples of Constraint
    objective : Objective
    form : str
        ``"promise"``, ``"utility"`` or ``"payment"``.
    timing : str
        How payments by period come back: ``"bank"``, ``"rebate"``, or ``"own"`` in the payment form.
    unit : float
        Money of the program is measured in this power of two.
    misreports : str
        ``"adjacent"`` or ``"all"``.
    subject_to : tuple of PaymentConstraint
    """

    tree: HistoryTree
    ic: tuple[Constraint, ...]
    ir: tuple[Constraint, ...]
    objective: Objective
    form: str
    timing: str
    unit: float
    misreports: str
    subject_to: tuple[PaymentConstraint, ...] = ()

    exactly: ClassVar[bool] = False
    """Whether its rows are built from fractions."""

    @property
    def environment(self) -> IndependentTypes:
        """Environment of the program."""
        return self.tree.environment

    @property
    def has_slots(self) -> bool:
        """Whether who has which slot has columns of its own."""
        return needs_slots(self.tree, Deterministic() in self.subject_to)

    def make_columns(self) -> Columns:
        """Number the columns."""
        return make_columns(self.tree, self.form, self.has_slots)

    def stage(self, t: int, i: int) -> Stage:
        """Numbers of buyer i in period t."""
        return Stage(self.tree, t, i, self.unit, *self.compared(i))

    def compared(self, i: int) -> tuple[str, Fraction]:
        """Which misreports of buyer i get a row, and what they may gain."""
        epsilon = slack_of(self.subject_to, i)
        return "all" if epsilon else self.misreports, epsilon

    @cached_property
    def families(self) -> tuple[RowFamily, ...]:
        """Row families in order."""
        tree, periods, buyers = self.tree, range(self.tree.horizon), range(self.tree.environment.agents)
        stages = [self.stage(t, i) for t in periods for i in buyers]
        families = [participation.promise(stage) for stage in stages]
        if self.form == "promise":
            return (*families, *(family for stage in stages for family in slope_families(stage)), *self._interim())
        if len(buyers) > 1 or tree.environment.slots is not None:
            families += [family for t in periods for family in supply(tree, t, self.exactly)]
        if self.has_slots:
            families += [family for t in periods for family in slots(tree, t)]
        if self.form == "utility":
            row: dict[Constraint, Maker] = {
                DIC(): incentive.dic,
                ExPostIC(): incentive.ex_post,
                SuperDIC(): incentive.super_dic,
            }
            families += [row[constraint](stage) for constraint in _strongest(self.ic) for stage in stages]
            return (*families, *self._interim())
        makers: dict[Constraint, Maker] = {
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
        if self.environment.outside is not None:
            makers |= {
                EPIR(): partial(participation.on_paths, "epir"),
                PFIR(): partial(participation.on_paths, "prefix"),
                ExAnteIR(): participation.ex_ante,
            }
        asked = {INDU(): range(tree.horizon - 1), EPIR(): range(tree.horizon)[-1:], ExAnteIR(): range(1)}
        slack = any(slack_of(self.subject_to, i) for i in range(self.environment.agents))
        kept = (*self.ic, *unimplied(self.ir)) if slack else unimplied((*self.ic, *self.ir))
        for constraint in kept:  # with a slack one incentive constraint implies others with a larger one alone
            if constraint in makers:
                when = asked.get(constraint, range(tree.horizon))
                families += [makers[constraint](stage) for stage in stages if stage.period in when]
        paid = payment_families(on_money(self.subject_to), self.stage, tree.horizon, len(buyers))
        return (*families, *self._interim(), *paid)

    def _interim(self) -> list[RowFamily]:
        """Rows of `Interim`, unless bounds say it (one buyer) or EPIR does."""
        buyers = self.tree.environment.agents
        if Interim() not in unimplied(self.ir) or (buyers == 1 and self.environment.outside is None):
            return []
        return [participation.interim(self.stage(0, i)) for i in range(buyers)]

    @cached_property
    def size(self) -> Size:
        """Rows, columns, non-zeros, histories and bytes."""
        columns = sum(prod(shape) for _, _, shape in column_shapes(self.tree, self.form, self.has_slots))
        rows, nonzeros = sum(f.rows for f in self.families), sum(f.nonzeros for f in self.families)
        histories = sum(self.tree.count[1:])
        build = BUILD_BYTES_PER_NONZERO + SOLVE_BYTES_PER_NONZERO["simplex"]
        total = build * nonzeros + BYTES_PER_NODE * self.tree.environment.agents * histories
        return Size(rows, columns, nonzeros, histories, total)


def _strongest(ic: Iterable[Constraint]) -> list[Constraint]:
    """The one of super-DIC, ex post IC and DIC that the constraints demand, or none."""
    implied, ranked = closure(ic), (SuperDIC(), ExPostIC(), DIC())
    found: list[Constraint] = [constraint for constraint in ranked if constraint in implied]
    return found[:1]


def payment_timing(ic: Iterable[Constraint], ir: Iterable[Constraint]) -> str:
    """``"bank"`` or ``"rebate"`` where lifetime utilities determine the mechanism, else ``"own"``.

    Bank payments satisfy PPIC and INDU given DIC, and every participation constraint but PPIR and periodic IR; rebates
    keep every participation constraint given EPIR, but neither PPIC nor INDU.
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
    ic: Asked = STANDARD,
    ir: Asked = STANDARD,
    objective: Objective = Revenue(),
    form: str = "auto",
    misreports: str = "adjacent",
    subject_to: Payments = (),
) -> Plan:
    """Choose the form of the program and list its row families, building no array.

    Parameters
    ----------
    environment : IndependentTypes
    ic, ir : Constraint, several or None
        Incentive and participation constraints; default DIC and EPIR.
    objective : Objective
    form : str
        ``"auto"`` (the smallest), or one that is allowed: ``"promise"``, ``"utility"``, ``"payment"``.
    misreports : str
        ``"adjacent"``, or ``"all"`` for a row against every misreport: the same set of mechanisms, more rows.
    subject_to : PaymentConstraint, str, several or None
        Constraints on payments, or `Deterministic`; with any on payments, with outside options and where discounts
        differ the payment form is the one form.

    Raises
    ------
    InputError
        If the form does not exist or cannot express the constraints.
    """
    ic, ir = asked_constraints(ic, ir, "independent")
    limits = payment_constraints(subject_to)
    require_agents(limits, environment.agents)
    require_slack(ic, limits, 1)  # all of them bound single misreports
    timing = payment_timing(ic, ir)
    require_outside((*ic, *ir), environment)
    allowed = ["payment"]
    slack = any(isinstance(constraint, EpsilonIC) for constraint in limits)
    free = not on_money(limits) and not slack and environment.outside is None and environment.discounts is None
    if timing != "own" and free:
        allowed.append("utility")
        one = environment.agents == 1 and environment.slots is None
        if not limits and one and DIC() in closure(ic) and SuperDIC() not in ic:
            allowed.append("promise")
    if form == "auto":
        wide = max(max(types) for types in environment.shape) >= PROMISE_TYPES
        form = "promise" if wide and "promise" in allowed else "utility" if "utility" in allowed else "payment"
    if form not in allowed:
        raise InputError(f"form {form!r} cannot express these constraints; allowed: {', '.join(['auto', *allowed])}")
    if misreports not in ("adjacent", "all"):
        raise InputError(f"misreports {misreports!r}; write 'adjacent' or 'all'")
    top = max(float(v[-1]) for row in environment.values for v in row)
    unit = 2.0 ** (frexp(top)[1] - 1) if top > 0 else 1.0
    timing = "own" if form == "payment" else timing
    return Plan(HistoryTree(environment), ic, ir, objective, form, timing, unit, misreports, limits)
