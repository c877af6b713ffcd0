"""Mechanisms side by side on one environment: revenue, welfare, share of the optimum, notions kept and broken.

The yardsticks are the clairvoyant optimum (the best mechanism of a seller who knows all distributions in advance, by
linear program) and the sum of static optima (Myerson's auction in each period by itself). Beside each measured ratio
stands the share of the optimum that the literature guarantees.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mechopt.closedform.asymptotic import asymptotic
from mechopt.closedform.balance import non_clairvoyant_balance, two_period
from mechopt.closedform.bank import BankAccountMechanism
from mechopt.closedform.frontload import bank_account, quasi_non_clairvoyant
from mechopt.closedform.repeated import give_for_free, repeated_myerson, repeated_second_price
from mechopt.core.errors import InputError, LimitError
from mechopt.environment.independent import IndependentTypes
from mechopt.lp.choose import AnyTypes, plan
from mechopt.lp.plan import Plan
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.notions import FRESH_NOTIONS, STANDARD, Asked
from mechopt.mechanism.orbit import OrbitMechanism
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.solve.cuts_moving_policy import MovingPolicy
from mechopt.solve.cuts_policy import BuyersPolicy
from mechopt.solve.found import Optimum
from mechopt.solve.optimum import optimum, promise_notion, sooner_by_dual
from mechopt.solve.promise_policy import PromisePolicy
from mechopt.study.compare_moving import NAMES as MOVING_NAMES
from mechopt.study.compare_moving import MovingMechanism, compare_moving
from mechopt.study.comparison import Comparison as Comparison
from mechopt.study.comparison import Entry
from mechopt.tree import HistoryTree
from mechopt.verify.check import verify

FreshMechanism = Mechanism | BankAccountMechanism | PromisePolicy | BuyersPolicy
AnyMechanism = FreshMechanism | MovingMechanism

MAX_CHECKED_HISTORIES = 200_000
"""Notions are checked exhaustively on trees up to this size, and left open beyond."""

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
NAMES = tuple(dict.fromkeys((*FRESH_NAMES, *MOVING_NAMES)))


def compare(
    environment: AnyTypes,
    mechanisms: Iterable[str] | Mapping[str, AnyMechanism] | None = None,
    ic: Asked = STANDARD,
    ir: Asked = STANDARD,
    time_limit: float | None = None,
) -> Comparison:
    """Put mechanisms side by side.

    Parameters
    ----------
    environment : IndependentTypes, MarkovTypes, SeparableTypes or InterdependentTypes
    mechanisms : names, or a mapping from names to mechanisms, optional
        Default: all that apply to the kind of environment. A mapping compares mechanisms of one's own.
    ic, ir : Notion, several or None
        What the optimum is optimal under; default DIC and EPIR (guarantees are about these), and where types move
        Bayesian IC and interim IR.
    time_limit : float, optional
        Seconds for the optimum.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        If a name is unknown, or a mechanism that was asked for by name does not fit the environment.

    Examples
    --------
    >>> env = IndependentTypes.iid([1, 2], ["1/2", "1/2"], periods=2)
    >>> table = compare(env)
    >>> round(table["clairvoyant-optimum"].revenue, 9), round(table["repeated-myerson"].ratio, 9)
    (2.25, 0.888888889)
    >>> table["non-clairvoyant-balance"].ratio >= 1 / 3
    True
    """
    own = mechanisms if isinstance(mechanisms, Mapping) else {}
    _require_known([name for name in mechanisms or () if name not in own])
    if not isinstance(environment, IndependentTypes):
        return compare_moving(environment, mechanisms, ic, ir, time_limit)
    asked = tuple(mechanisms) if mechanisms is not None else FRESH_NAMES
    best = _optimum(environment, ic, ir, time_limit)
    static = repeated_myerson(environment).revenue
    entries, skipped = [], {}
    for name in asked:
        try:
            mechanism: Any = own[name] if name in own else _build(name, environment, best)
        except InputError as error:
            if mechanisms is not None:
                raise
            skipped[name] = str(error)
            continue
        entries.append(_entry(name, mechanism, best, static))
    return Comparison(environment, tuple(entries), best, static, skipped, FRESH_NOTIONS)


def _optimum(environment: IndependentTypes, ic: Asked, ir: Asked, time_limit: float | None) -> Optimum | None:
    """The optimum by whatever reaches it, or None; what dual dynamic programming alone reaches needs a time limit."""
    chosen = plan(environment, ic, ir)
    if time_limit is None and isinstance(chosen, Plan) and promise_notion(chosen) is None and sooner_by_dual(chosen):
        return None
    try:
        return optimum(environment, ic, ir, time_limit=time_limit)
    except LimitError:
        return None


def _require_known(names: list[str]) -> None:
    from difflib import get_close_matches

    for name in names:
        if name not in NAMES:
            near = get_close_matches(name, NAMES, n=1)
            mend = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(NAMES)}"
            raise InputError(f"{name!r} is not a mechanism; {mend}")


def _build(name: str, environment: IndependentTypes, best: Optimum | None) -> FreshMechanism:
    """Make a mechanism by name; raises `InputError` where it does not apply."""
    if name in BUILDERS:
        return BUILDERS[name](environment)
    if best is None or best.mechanism is None:
        raise InputError(f"{name}: the optimum is out of reach here; use fewer periods or types, or give a time limit")
    assert not isinstance(best.mechanism, (SequenceMechanism, MovingPolicy))
    if isinstance(best.mechanism, OrbitMechanism):
        raise InputError(f"{name}: there are too many histories to write the optimum out; use fewer periods or buyers")
    if name == OPTIMUM:
        return best.mechanism
    if name not in CONVERSIONS:
        raise InputError(f"{name}: is for types that move")
    if not isinstance(best.mechanism, Mechanism):
        raise InputError(f"{name}: there are too many histories to convert the optimum; use fewer periods")
    return CONVERSIONS[name](best.mechanism)


def _entry(name: str, mechanism: FreshMechanism, best: Optimum | None, static: float) -> Entry:
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
