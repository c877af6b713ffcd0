"""From an environment whose types persist, constraints and an objective to what its program will be.

The tree of public histories records the actions that matter; truthful continuation values (and of lies) exist in the
bases that the constraints ask for (`states`). Which rows there are follows from the constraints alone, and their exact
number from the tree with equal slots merged (`pattern`): nothing is built before it is known to fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, partial
from math import frexp

import numpy as np

from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.process import JointProcess, PersistentEnvironment, joint_process
from mechopt.histories.public import PublicTree
from mechopt.lp.independent.plan import BUILD_BYTES_PER_NONZERO, SOLVE_BYTES_PER_NONZERO, Size
from mechopt.lp.persistent import participation, payments
from mechopt.lp.persistent.columns import PersistentColumns, PersistentFamily, make_columns
from mechopt.lp.persistent.dominance import dominance_rows, require_dominant
from mechopt.lp.persistent.hidden_histories import Hidden, hidden_rows
from mechopt.lp.persistent.incentive import Scalar, SparseRows, StageColumns, myopic_rows, value_rows
from mechopt.lp.persistent.information_states import states
from mechopt.lp.persistent.merged_tree import PatternTree
from mechopt.lp.persistent.relaxed import pairs_of, relaxed_rows
from mechopt.lp.persistent.strategies import STRATEGY, compared, require_compatible, strategy_rows
from mechopt.mechanism.constraint_names import asked_constraints, require_outside
from mechopt.mechanism.constraints import (
    EPIR,
    PFIR,
    PPIR,
    STANDARD,
    Asked,
    BayesianIC,
    Constraint,
    DominantIC,
    ExAnteIR,
    Interim,
    MyopicIC,
    PeriodicExPostIC,
    PeriodicIR,
    unimplied,
)
from mechopt.mechanism.objective import Objective, Revenue
from mechopt.mechanism.payments import (
    Budget,
    ExAnteBudgetBalance,
    PaymentConstraint,
    Payments,
    PrefixBudget,
    StrongBudgetBalance,
    on_money,
    payment_constraints,
    require_agents,
    require_slack,
    slack_of,
)

BYTES_PER_NODE = 200


@dataclass(frozen=True, eq=False)
class PersistentPlan:
    """Constraints, bases and row families: everything but the arrays.

    Attributes
    ----------
    tree : PublicTree
    ic, ir : tuples of Constraint
    objective : Objective
    relaxed : bool
        Whether only the first types are private.
    signals : tuple over i of tuples over t >= 1 of int, or None
        Numbers of signals where types are pairs (initial signal, signal) and the environment is relaxed.
    unit : float
        Money of the program is measured in this power of two.
    subject_to : tuple of PaymentConstraint
    """

    tree: PublicTree
    ic: tuple[Constraint, ...]
    ir: tuple[Constraint, ...]
    objective: Objective
    relaxed: bool
    signals: tuple[tuple[int, ...], ...] | None
    unit: Scalar
    subject_to: tuple[PaymentConstraint, ...] = ()

    form = "sequence"

    @property
    def environment(self) -> MarkovTypes | InterdependentTypes:
        """Environment of the program; a separable environment is unfolded."""
        return self.process.environment

    @property
    def process(self) -> JointProcess:
        """The environment's distributions."""
        return self.tree.process

    @cached_property
    def misreports(self) -> dict[str, str]:
        """Basis of values to the misreports that truth is compared with there."""
        if self.relaxed:
            return {"interim": "none"}
        return compared(set(unimplied(self.ic)), set(unimplied(self.ir)), self.within and self.hidden is None)

    @cached_property
    def within(self) -> bool:
        """Whether reporting strategies may gain something: what truth and the best strategy are worth stand apart."""
        asked = any(isinstance(constraint, BayesianIC) for constraint in unimplied(self.ic))
        several = self.tree.horizon > 1 or self.hidden is not None
        return asked and several and any(self.slack(i) for i in range(self.process.agents))

    @cached_property
    def hidden(self) -> str | None:
        """Agents' view of the past, where this is not all."""
        return next((n.sees for n in unimplied(self.ic) if isinstance(n, BayesianIC) and n.sees != "all"), None)

    @property
    def paths(self) -> bool:
        """Whether utilities realised on paths are variables."""
        return bool({EPIR(), PFIR()} & set(unimplied(self.ir)))

    @property
    def paid_paths(self) -> bool:
        """Whether sums of payments on paths are variables."""
        return any(isinstance(constraint, payments.ON_PATHS) for constraint in self.subject_to)

    def make_columns(self, tree: PublicTree | PatternTree) -> PersistentColumns:
        """Number the columns on the public tree or its patterns."""
        bases = {basis: misreports == "none" for basis, misreports in self.misreports.items()}
        seen = self._seen if isinstance(tree, PublicTree) else ()
        return make_columns(tree, bases, self.paths, seen, self.paid_paths)

    @cached_property
    def _seen(self) -> tuple[Hidden, ...]:
        return tuple(Hidden(self.tree, i, self.hidden) for i in range(self.process.agents) if self.hidden is not None)

    def per_unit(self, t: int, i: int | None = None) -> Scalar:
        """Present value of money of period t to the seller, or to agent i, in the program's unit."""
        return (self.process.present_value if i is None else self.process.own_present_value[i])[t] / self.unit

    def slack(self, i: int) -> Scalar:
        """Gain that a misreport of agent i may have, in the program's unit."""
        epsilon = slack_of(self.subject_to, i)
        return (epsilon if isinstance(self.unit, Fraction) else float(epsilon)) / self.unit if epsilon else 0

    def to_seller(self, t: int, i: int) -> Scalar:
        """Seller's present value of a payment of agent i in period t, as a share of the agent's."""
        return 1 if (own := self.process.own_weights) is None else self.process.present_value[t] / own[i][t]

    @cached_property
    def families(self) -> tuple[PersistentFamily, ...]:
        """Row families in order."""
        periods, agents = range(self.tree.horizon), range(self.process.agents)
        found = [PersistentFamily("flow", None, t, partial(_flow, t)) for t in periods]
        for basis, misreports in self.misreports.items():
            name = {"all": "bayesian", "none": "value"}.get(misreports, misreports)
            name = "periodic-ex-post" if basis == "ex post" and misreports == "all" else name
            found += [
                PersistentFamily(name, i, t, partial(self._values, basis, misreports, t, i))
                for t in periods
                for i in agents
            ]
        if self.hidden is not None:
            name = f"bayesian-{self.hidden}"
            found += [
                PersistentFamily(name, i, t, partial(self._hidden, t, i), local=False) for t in periods for i in agents
            ]
        if self.within:
            found += [PersistentFamily("epsilon", i, 0, partial(self._within, i), local=False) for i in agents]
        if MyopicIC() in self.ic:
            found += [PersistentFamily("myopic", i, t, partial(self._myopic, t, i)) for t in periods for i in agents]
        for c in [c for c in unimplied(self.ic) if isinstance(c, DominantIC)]:
            stages = [(t, i) for t in periods[int(c.later) :] for i in agents]
            found += [PersistentFamily(c.name, i, t, partial(self._dominant, t, i), local=False) for t, i in stages]
        if self.relaxed:
            found += [PersistentFamily("initial", i, 0, partial(self._relaxed, i), local=False) for i in agents]
        return (*found, *self._participation(), *self._payments())

    def _payments(self) -> list[PersistentFamily]:
        """Rows of the constraints on payments."""
        found, periods = list[PersistentFamily](), range(self.tree.horizon)
        stages = [(t, i) for t in periods for i in range(self.process.agents)]
        if self.paid_paths:
            found += [PersistentFamily("paid", i, t, partial(self._paid, t, i)) for t, i in stages if t in periods[:-1]]
        for c in on_money(self.subject_to):
            if isinstance(c, payments.SINGLE):
                found += [PersistentFamily(c.name, i, t, partial(self._single, c, t, i)) for t, i in stages]
            elif isinstance(c, payments.ON_PATHS):
                every = isinstance(c, PrefixBudget)
                found += [
                    PersistentFamily(c.name, i, t, partial(self._budget, c, t, i))
                    for t, i in stages
                    if every or t == periods[-1]
                ]
            elif isinstance(c, ExAnteBudgetBalance):
                found.append(PersistentFamily(c.name, None, 0, self._ex_ante, local=False))
            else:
                strong = isinstance(c, StrongBudgetBalance)
                found += [PersistentFamily(c.name, None, t, partial(self._balance, strong, t)) for t in periods]
        return found

    def _single(self, constraint: PaymentConstraint, t: int, i: int, columns: PersistentColumns) -> SparseRows:
        used = columns.allocation[t], columns.payment[t][i]
        return payments.single_rows(constraint, columns.tree, t, i, *used, self.per_unit(t, i))

    def _paid(self, t: int, i: int, columns: PersistentColumns) -> SparseRows:
        here, later = columns.paid[t][i] if t else None, columns.paid[t + 1][i]
        return payments.paid_rows(columns.tree, t, columns.payment[t][i], here, later, self.to_seller(t, i))

    def _budget(self, constraint: Budget | PrefixBudget, t: int, i: int, columns: PersistentColumns) -> SparseRows:
        budget = payments.budget_in_units(constraint.amount(i), self.unit)
        if t + 1 < self.tree.horizon:
            return payments.prefix_rows(columns.tree, t, columns.allocation[t], columns.paid[t + 1][i], budget)
        here = columns.paid[t][i] if t else None
        share = self.to_seller(t, i)
        return payments.budget_rows(columns.tree, columns.allocation[t], columns.payment[t][i], here, budget, share)

    def _balance(self, strong: bool, t: int, columns: PersistentColumns) -> SparseRows:
        used = columns.allocation[t], columns.payment[t]
        shares = [self.to_seller(t, i) for i in range(self.process.agents)]
        return payments.balance_rows(strong, columns.tree, t, *used, self.per_unit(t), shares)

    def _ex_ante(self, columns: PersistentColumns) -> SparseRows:
        per_unit = [self.per_unit(t) for t in range(self.tree.horizon)]
        shares = [[self.to_seller(t, i) for i in range(self.process.agents)] for t in range(self.tree.horizon)]
        return payments.ex_ante_rows(self.tree, columns.allocation, columns.payment, per_unit, shares)

    def _participation(self) -> list[PersistentFamily]:
        """Rows of the participation constraints that are not bounds."""
        found, ir = list[PersistentFamily](), set(unimplied(self.ir))
        periods, agents = range(self.tree.horizon), range(self.process.agents)

        def family(name: str, build: Callable[..., SparseRows], stages: range) -> list[PersistentFamily]:
            return [PersistentFamily(name, i, t, partial(build, t, i)) for t in stages for i in agents]

        if self.paths:
            found += family("realised", self._realised, periods[:-1])
            found += family("epir", self._epir, periods[-1:])
        if PPIR() in ir:
            found += family("per-period", self._per_period, periods)
        if ExAnteIR() in ir:
            found += [PersistentFamily("ex-ante", i, 0, partial(self._ex_ante_utility, i), local=False) for i in agents]
        if "interim" not in self.misreports and "ex post" in self.misreports:
            last = periods if PeriodicIR() in ir else periods[:1] if Interim() in ir else periods[:0]
            name = "periodic" if PeriodicIR() in ir else "interim"
            found += family(name, self._expected, last)
        return found

    def _values(self, basis: str, misreports: str, t: int, i: int, columns: PersistentColumns) -> SparseRows:
        last = t + 1 == self.tree.horizon
        used = StageColumns(
            columns.allocation[t],
            columns.payment[t][i],
            columns.value[basis][t][i],
            None if last else columns.value[basis][t + 1][i],
        )
        now, later = columns.states[basis][t][i], None if last else columns.states[basis][t + 1][i]
        best, fee = basis == STRATEGY, 0 if basis == STRATEGY else self.slack(i)
        return value_rows(columns.tree, t, i, basis, misreports, now, later, used, self.per_unit(t, i), fee, best)

    def _within(self, i: int, columns: PersistentColumns) -> SparseRows:
        per_unit = [self.per_unit(t, i) for t in range(self.tree.horizon)]
        payment = [part[i] for part in columns.payment]
        if self.hidden is not None:
            value, divided = columns.hidden[0][i].ravel(), False
        else:
            known = columns.states[STRATEGY][0][i]
            value, divided = columns.value[STRATEGY][0][i][known.index[0]], self.process.independent
        return strategy_rows(self.tree, i, value, divided, columns.allocation, payment, per_unit, self.slack(i))

    def _myopic(self, t: int, i: int, columns: PersistentColumns) -> SparseRows:
        used = columns.allocation[t], columns.payment[t][i]
        return myopic_rows(columns.tree, t, i, *used, self.per_unit(t, i), self.slack(i))

    def _dominant(self, t: int, i: int, columns: PersistentColumns) -> SparseRows:
        per_unit = [self.per_unit(s, i) for s in range(self.tree.horizon)]
        used = columns.allocation, [part[i] for part in columns.payment]
        return dominance_rows(self.tree, t, i, *used, per_unit, self.slack(i))

    def _hidden(self, t: int, i: int, columns: PersistentColumns) -> SparseRows:
        later = columns.hidden[t + 1][i] if t + 1 < self.tree.horizon else None
        used = columns.allocation[t], columns.payment[t][i]
        return hidden_rows(self._seen[i], t, columns.hidden[t][i], later, *used, self.per_unit(t, i), self.within)

    def _relaxed(self, i: int, columns: PersistentColumns) -> SparseRows:
        per_unit = [self.per_unit(t, i) for t in range(self.tree.horizon)]
        payment = [part[i] for part in columns.payment]
        value, known = columns.value["interim"][0][i], columns.states["interim"][0][i]
        signals = None if self.signals is None else self.signals[i]
        return relaxed_rows(self.tree, i, signals, value, known, columns.allocation, payment, per_unit)

    def _realised(self, t: int, i: int, columns: PersistentColumns) -> SparseRows:
        here = columns.realised[t][i] if t else None
        used = columns.allocation[t], columns.payment[t][i], here, columns.realised[t + 1][i]
        return participation.realised_rows(columns.tree, t, i, *used, self.per_unit(t, i))

    def _epir(self, t: int, i: int, columns: PersistentColumns) -> SparseRows:
        here = columns.realised[t][i] if t else None
        used = columns.allocation[t], columns.payment[t][i], here
        return participation.epir_rows(columns.tree, i, *used, self.per_unit(t, i))

    def _ex_ante_utility(self, i: int, columns: PersistentColumns) -> SparseRows:
        used = columns.allocation, [own[i] for own in columns.payment]
        return participation.ex_ante_rows(self.tree, i, *used, [self.per_unit(t, i) for t in range(self.tree.horizon)])

    def _per_period(self, t: int, i: int, columns: PersistentColumns) -> SparseRows:
        used = columns.allocation[t], columns.payment[t][i]
        return participation.per_period_rows(columns.tree, t, i, *used, self.per_unit(t, i))

    def _expected(self, t: int, i: int, columns: PersistentColumns) -> SparseRows:
        known = states(columns.tree, t, i, "interim", True, True)
        used = columns.states["ex post"][t][i], columns.value["ex post"][t][i]
        return participation.expected_rows(columns.tree, t, i, known, *used)

    @cached_property
    def size(self) -> Size:
        """Rows, columns, non-zeros, histories and bytes; exact, and at any size where agents see all of the past."""
        patterns = PatternTree(self.tree)
        few = self.make_columns(patterns)
        columns = rows = nonzeros = 0
        for block in few.blocks:
            columns += block.total(patterns)
        whole = None
        for family in self.families:
            if family.local:
                built, times = family.build(few), patterns.multiplicity(family.period)
                rows += int(times[built.slot].sum())
                nonzeros += int((times[built.slot] * np.bincount(built.row, minlength=len(built.slot))).sum())
            else:
                whole = whole or self.make_columns(self.tree)
                built = family.build(whole)
                rows, nonzeros = rows + len(built.lower), nonzeros + len(built.row)
        if self.hidden is not None:
            columns += sum(int(np.prod(part.shape(t))) for part in self._seen for t in range(self.tree.horizon))
        histories = sum(self.tree.count)
        build = BUILD_BYTES_PER_NONZERO + SOLVE_BYTES_PER_NONZERO["simplex"]
        return Size(rows, columns, nonzeros, histories, build * nonzeros + BYTES_PER_NODE * histories)


def _flow(t: int, columns: PersistentColumns) -> SparseRows:
    return participation.flow_rows(columns.tree, t, columns.allocation[t], columns.mass[t])


def persistent_plan(
    environment: PersistentEnvironment,
    ic: Asked = STANDARD,
    ir: Asked = STANDARD,
    objective: Objective = Revenue(),
    relaxed: bool = False,
    subject_to: Payments = (),
) -> PersistentPlan:
    """List the row families of a program where types persist, building no array of the tree's size.

    Parameters
    ----------
    environment : MarkovTypes, SeparableTypes or InterdependentTypes
        With a finite horizon.
    ic, ir : Constraint, several or None
        Of `PERSISTENT_CONSTRAINTS`; default Bayesian IC and interim rationality.
    objective : Objective
    relaxed : bool
        Only the first types are private; `ic` does not matter then.
    subject_to : PaymentConstraint, str, several or None
        Constraints on payments.

    Raises
    ------
    InputError
        If a constraint is not defined for persistent types, or the horizon is infinite, or constraints on payments do
        not go together where actions move types (`mechopt.lp.persistent.payments`).
    """
    ic, ir = asked_constraints(ic, ir, "persistent")
    require_outside(ir, environment)
    limits = payment_constraints(subject_to)
    process, signals = joint_process(environment), None
    require_agents(limits, process.agents)
    require_slack(ic, limits, process.horizon)
    pairs = pairs_of(environment) if relaxed else None
    if pairs is not None:
        signals = tuple((count,) * (process.horizon - 1) for count in pairs.signal_shape)
    asked = set(unimplied(ic))
    require_compatible(asked)
    require_dominant(asked, process)
    own = BayesianIC("own") in asked and any(process.controlled)
    rereport = PeriodicExPostIC(rereport=True) in asked
    record = "all" if BayesianIC("actions") in asked else "relevant"
    seen = relaxed and (pairs is None or pairs.correlated)
    tree = PublicTree(process, "any" if own or rereport or seen else "consistent", record)
    payments.require_one_division(tree, ir, limits)
    top = max(float(np.abs(part).max()) for part in process.values)
    unit = 2.0 ** (frexp(top)[1] - 1) if top > 0 else 1.0
    return PersistentPlan(tree, () if relaxed else ic, ir, objective, relaxed, signals, unit, limits)
