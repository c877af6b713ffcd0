"""Rows of a comparison for independent types: the closed forms, and what is made of the optimal mechanism."""

from __future__ import annotations

import math
from collections.abc import Callable

from mechopt.closedform.bank.asymptotic import asymptotic
from mechopt.closedform.bank.conversions import bank_account, quasi_non_clairvoyant
from mechopt.closedform.bank.mechanism import BankAccountMechanism
from mechopt.closedform.bank.non_clairvoyant import non_clairvoyant_balance, two_period
from mechopt.closedform.static.repeated import give_for_free, repeated_myerson, repeated_second_price
from mechopt.core.errors import InputError
from mechopt.environment.independent import IndependentTypes
from mechopt.histories.reports import HistoryTree
from mechopt.mechanism.constraints import FRESH_NOTIONS
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.solve.dual.buyers_policy import BuyersPolicy
from mechopt.solve.dual.markov_policy import MovingPolicy
from mechopt.solve.promised.policy import PromisePolicy
from mechopt.solve.result import Optimum
from mechopt.study.compare.comparison import Entry
from mechopt.verification.found import MAX_CHECKED_HISTORIES
from mechopt.verification.verify import verify

FreshMechanism = Mechanism | BankAccountMechanism | PromisePolicy | BuyersPolicy

BUILDERS: dict[str, Callable[[IndependentTypes], FreshMechanism]] = {
    "repeated-myerson": repeated_myerson,
    "repeated-second-price": repeated_second_price,
    "give-for-free": give_for_free,
    "non-clairvoyant-balance": non_clairvoyant_balance,
    "two-period": two_period,
    "asymptotic": asymptotic,
}
"""Closed forms by name; those that do not fit an environment raise `InputError`."""

CONVERSIONS: dict[str, Callable[[Mechanism], FreshMechanism]] = {
    "bank-account": bank_account,
    "quasi-non-clairvoyant": quasi_non_clairvoyant,
}
"""What is made of the optimal mechanism."""

OPTIMUM = "clairvoyant-optimum"
FRESH_NAMES = (OPTIMUM, *BUILDERS, *CONVERSIONS)


def build(name: str, environment: IndependentTypes, best: Optimum | None) -> FreshMechanism:
    """Make a mechanism by name; raises `InputError` where it does not apply."""
    if name in BUILDERS:
        return BUILDERS[name](environment)
    if best is None or best.mechanism is None:
        raise InputError(f"{name}: the optimum is out of reach here; use fewer periods or types, or give a time limit")
    assert not isinstance(best.mechanism, (SequenceMechanism, MovingPolicy))
    if name == OPTIMUM:
        return best.mechanism
    if name not in CONVERSIONS:
        raise InputError(f"{name}: is for types that move")
    if not isinstance(best.mechanism, Mechanism):
        raise InputError(f"{name}: there are too many histories to convert the optimum; use fewer periods")
    return CONVERSIONS[name](best.mechanism)


def entry(name: str, mechanism: FreshMechanism, best: Optimum | None, static: float) -> Entry:
    """One row of the table, checked where there are few enough histories."""
    if isinstance(mechanism, BankAccountMechanism):
        expectation = mechanism.expectation
        computed, error = expectation.method, expectation.revenue_error
        claims, guarantee = mechanism.claims, mechanism.guarantee
    else:
        computed, error, claims, guarantee = "enumeration", None, mechanism.notions, None
    revenue, histories = mechanism.revenue, sum(HistoryTree(mechanism.environment).count[1:])
    report = None
    if histories <= MAX_CHECKED_HISTORIES:
        report = verify(mechanism, FRESH_NOTIONS)
    return Entry(
        name,
        revenue,
        mechanism.welfare,
        mechanism.utilities,
        revenue / best.value if best is not None and best.value > 0 else math.nan,
        revenue / static if static > 0 else math.nan,
        computed,
        error,
        report,
        claims,
        guarantee,
        mechanism.source,
    )
