"""One row of a comparison: what a mechanism earns, how that was computed, and which constraints it satisfies.

`computed` and `checked` depend on the form of the mechanism; a further form registers functions of its own.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import singledispatch
from typing import Any

from mechopt.closedform.bank.conditions import Conditions
from mechopt.closedform.bank.mechanism import BankAccountMechanism
from mechopt.closedform.contingent.mechanism import contingent_mechanism
from mechopt.closedform.contingent.result import ContingentTransfers
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
from mechopt.solve.result import Optimum
from mechopt.study.compare.comparison import Entry
from mechopt.verification.balanced import GAINS as BALANCED_GAINS
from mechopt.verification.contracted import CHECKED as CONTRACTED
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


def entry(
    name: str,
    mechanism: Any,
    best: Optimum | None,
    static: float = math.nan,
    non_clairvoyant: str = "",
    checks: bool = True,
) -> Entry:
    """Describe a mechanism.

    Parameters
    ----------
    name : str
    mechanism : a mechanism of any form
    best : Optimum or None
        What revenue is divided by.
    static : float
        Sum of static optima; NaN for persistent types.
    non_clairvoyant : str
        See `Entry`.
    checks : bool
        Whether constraints are checked.
    """
    revenue = float(mechanism.revenue)
    how, error = computed(mechanism)
    report = checked(mechanism) if checks else None
    unchecked_bank = checks and report is None and isinstance(mechanism, BankAccountMechanism)
    return Entry(
        name,
        revenue,
        float(mechanism.welfare),
        tuple(mechanism.utilities),
        revenue / best.value if best is not None and best.value > 0 else math.nan,
        revenue / static if static > 0 else math.nan,
        how,
        error,
        report,
        tuple(mechanism.claims),
        mechanism.guarantee,
        getattr(mechanism, "source", ""),
        non_clairvoyant,
        conditions(mechanism) if unchecked_bank else None,
        *((mechanism.max_abs, mechanism.theorem) if isinstance(mechanism, ContingentTransfers) else ()),
    )


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
    try:
        sequence = mechanism.to_sequence()
    except LimitError:
        return verify(mechanism, STATE_CONSTRAINTS)
    return checked(sequence)


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


@checked.register(BalancedMechanism)
def _(mechanism: BalancedMechanism) -> Report | None:
    """By last profile of reports; over histories where these are finitely many and can be written out."""
    if mechanism.environment.infinite:
        return verify(mechanism, tuple(BALANCED_GAINS))
    try:
        return checked(mechanism.to_mechanism())
    except LimitError:
        return None
