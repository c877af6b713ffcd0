"""One row of a comparison: what a mechanism earns, how that was computed, and which constraints it satisfies.

`computed` and `checked` depend on the form of the mechanism; a further form registers functions of its own.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import replace
from functools import singledispatch
from typing import Any

from mechopt.closedform.bank.conditions import Conditions
from mechopt.closedform.bank.mechanism import BankAccountMechanism
from mechopt.closedform.contingent.mechanism import contingent_mechanism
from mechopt.closedform.contingent.result import ContingentTransfers
from mechopt.closedform.virtual.contract import OptimalContract
from mechopt.closedform.virtual.mechanism import VirtualPivot
from mechopt.core.errors import InputError, LimitError
from mechopt.environment.independent import IndependentTypes
from mechopt.histories.reports import HistoryTree
from mechopt.mechanism.balanced import BalancedMechanism
from mechopt.mechanism.constraints import (
    INDEPENDENT_CONSTRAINTS,
    PERSISTENT_CONSTRAINTS,
    Constraint,
    Interim,
    PeriodicExPostIC,
    PeriodicExPostIR,
    PeriodicIR,
)
from mechopt.mechanism.endless.contracted import ContractedMechanism
from mechopt.mechanism.endless.states import StateMechanism
from mechopt.mechanism.payments import PaymentConstraint
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.mechanism.stationary import MarkovMechanism
from mechopt.study.compare.comparison import Entry
from mechopt.study.compare.row import Row, Setting
from mechopt.verification.balanced.check import GAINS as BALANCED_GAINS
from mechopt.verification.contracted import CHECKED as CONTRACTED
from mechopt.verification.menu.check import CHECKED as MENU_CHECKED
from mechopt.verification.verify import MAX_CHECKED_HISTORIES, MAX_CHECKED_NODES, Report, verify

MAX_CHECKED_BALANCES = 20_000
"""Conditions of bank accounts are checked where no period has more balances."""
STATE_CONSTRAINTS: tuple[Constraint, ...] = (
    PeriodicExPostIC(),
    PeriodicExPostIC(rereport=True),
    Interim(),
    PeriodicIR(),
    PeriodicExPostIR(),
)
"""What is checked state by state, with any horizon."""
CHECKED = tuple(constraint for constraint in PERSISTENT_CONSTRAINTS if constraint != PeriodicExPostIC(rereport=True))
"""What is checked with a finite horizon, on the tree of consistent reports."""


def described(row: Row, built: Any, setting: Setting, static: float = math.nan, checks: bool = True) -> Entry:
    """Describe a mechanism, or a bound on all of them.

    Parameters
    ----------
    row : Row
    built : a mechanism of any form, or a number
        What the row has built.
    setting : Setting
        With the optimum, which revenue is divided by.
    static : float
        Sum of static optima; NaN for persistent types.
    checks : bool
        Whether constraints are checked.
    """
    best = setting.best.value if setting.best is not None and setting.best.value > 0 else math.nan
    if row.bound:
        return Entry(row.name, built, math.nan, (), built / best, math.nan, "bound", None, None, (), None, row.bound)
    revenue = float(built.revenue)
    how, error = computed(built)
    report = checked(built) if checks else None
    unchecked_bank = checks and report is None and isinstance(built, BankAccountMechanism)
    found = Entry(
        row.name,
        revenue,
        float(built.welfare),
        tuple(built.utilities),
        revenue / best,
        revenue / static if static > 0 else math.nan,
        how,
        error,
        report,
        tuple(built.claims),
        built.guarantee,
        getattr(built, "source", ""),
        row.knows(setting.environment) if checks else "",
        conditions(built) if unchecked_bank else None,
        *((built.max_abs, built.theorem) if isinstance(built, ContingentTransfers) else ()),
    )
    return replace(found, proved_revenue=row.proved(setting.environment)) if checks else found


def limited(row: Entry, mechanism: Any, limits: tuple[PaymentConstraint, ...]) -> Entry:
    """The same with checks of what payments keep, where the mechanism was checked and they can be."""
    if not limits or row.report is None or row.report.environment is None:
        return row
    try:
        more = verify(mechanism, limits)
    except (InputError, LimitError):
        return row
    return replace(row, report=Report({**row.report, **more}, row.report.environment))


@singledispatch
def computed(mechanism: Any) -> tuple[str, float | None]:
    """How the revenue of a mechanism was computed, and its standard error where it was simulated."""
    fresh = isinstance(mechanism.environment, IndependentTypes)
    return "enumeration" if fresh else "backward induction", None


@computed.register(BankAccountMechanism)
def _(mechanism: BankAccountMechanism) -> tuple[str, float | None]:
    return mechanism.expectation.method, mechanism.expectation.revenue_error


@computed.register(StateMechanism)
def _(mechanism: StateMechanism) -> tuple[str, float | None]:
    return "values of states", None


@computed.register(SequenceMechanism)
def _(mechanism: SequenceMechanism) -> tuple[str, float | None]:
    return "enumeration", None


@singledispatch
def checked(mechanism: Any) -> Report | None:
    """Which constraints a mechanism satisfies; None where the tree is too large, or nothing is checked."""
    if not isinstance(mechanism.environment, IndependentTypes):
        return None
    histories = sum(HistoryTree(mechanism.environment).count[1:])
    return verify(mechanism, INDEPENDENT_CONSTRAINTS) if histories <= MAX_CHECKED_HISTORIES else None


def conditions(mechanism: BankAccountMechanism) -> Conditions | None:
    """The conditions at reachable balances; None where these are too many to go through."""
    try:
        return mechanism.conditions(MAX_CHECKED_BALANCES)
    except LimitError:
        return None


@checked.register(SequenceMechanism)
def _(mechanism: SequenceMechanism) -> Report | None:
    return verify(mechanism, CHECKED) if sum(mechanism.tree.count) <= MAX_CHECKED_NODES else None


@checked.register(ContingentTransfers)
def _(mechanism: ContingentTransfers) -> Report | None:
    """Over histories where these are finitely many and can be written out."""
    if mechanism.environment.infinite:
        return verify(mechanism)
    try:
        return checked(contingent_mechanism(mechanism)) or verify(mechanism)
    except LimitError:
        return verify(mechanism)


@checked.register(MarkovMechanism)
def _(mechanism: MarkovMechanism) -> Report | None:
    """By state; over histories where these are finitely many and can be written out."""
    if mechanism.environment.infinite:
        return verify(mechanism, STATE_CONSTRAINTS)
    written = None
    with suppress(LimitError):
        written = checked(mechanism.to_sequence())
    return written or verify(mechanism, STATE_CONSTRAINTS)


@checked.register(StateMechanism)
def _(mechanism: StateMechanism) -> Report | None:
    """State by state, what it was made to satisfy."""
    return verify(mechanism, mechanism.claims) if mechanism.after.nnz <= MAX_CHECKED_HISTORIES else None


@checked.register(ContractedMechanism)
def _(mechanism: ContractedMechanism) -> Report | None:
    """By state, and at contracting."""
    return verify(mechanism, CONTRACTED)


@checked.register(VirtualPivot)
def _(mechanism: VirtualPivot) -> Report | None:
    """Contract by contract, with an infinite horizon."""
    return verify(mechanism) if mechanism.environment.infinite else None


@checked.register(OptimalContract)
def _(mechanism: OptimalContract) -> Report | None:
    """By the buyer's own programs, where there is an infinite horizon or too many histories."""
    return verify(mechanism, MENU_CHECKED)


@checked.register(BalancedMechanism)
def _(mechanism: BalancedMechanism) -> Report | None:
    """By last profile of reports; over histories where these are finitely many and can be written out."""
    written = None
    if not mechanism.environment.infinite:
        with suppress(LimitError):
            written = checked(mechanism.to_mechanism())
    return written or verify(mechanism, tuple(BALANCED_GAINS))
