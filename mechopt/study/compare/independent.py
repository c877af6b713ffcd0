"""Rows of a comparison for independent types: the closed forms, and what is made of the optimal mechanism.

Whether a closed form is non-clairvoyant is tried on changed futures; the optimum, which is of one environment as a
whole, knows the future, and so does what is made of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mechopt.closedform.bank.asymptotic import asymptotic
from mechopt.closedform.bank.conversions import bank_account, quasi_non_clairvoyant
from mechopt.closedform.bank.mechanism import BankAccountMechanism
from mechopt.closedform.bank.non_clairvoyant import non_clairvoyant_balance, two_period
from mechopt.closedform.static.repeated import give_for_free, repeated_myerson, repeated_second_price
from mechopt.core.errors import InputError, LimitError
from mechopt.environment.independent import IndependentTypes
from mechopt.mechanism.direct import Mechanism
from mechopt.solve.dual.buyers_policy import BuyersPolicy
from mechopt.solve.orbits.mechanism import OrbitMechanism
from mechopt.solve.promised.policy import PromisePolicy
from mechopt.study.compare.foresight import NO, foresight
from mechopt.study.compare.row import Row, Setting
from mechopt.study.lemmas.throttling import asymptotic_loss

IndependentMechanism = Mechanism | BankAccountMechanism | PromisePolicy | BuyersPolicy


def quasi_balance(environment: IndependentTypes) -> Mechanism:
    """The balance mechanism, made individually rational in every period."""
    return quasi_non_clairvoyant(non_clairvoyant_balance(environment))


def quasi_two_period(environment: IndependentTypes) -> Mechanism:
    """The two-period mechanism, made individually rational in every period."""
    return quasi_non_clairvoyant(two_period(environment))


MAX_BALANCES = 20_000
"""Balances up to which the loss of the asymptotic mechanism is bounded."""
QUASI = "quasi-non-clairvoyant"
"""Of the balance mechanism; with two periods of the two-period one, whose guarantee is better."""
BUILDERS: dict[str, Callable[[IndependentTypes], IndependentMechanism]] = {
    "repeated-myerson": repeated_myerson,
    "repeated-second-price": repeated_second_price,
    "give-for-free": give_for_free,
    "non-clairvoyant-balance": non_clairvoyant_balance,
    "two-period": two_period,
    "asymptotic": asymptotic,
    QUASI: quasi_balance,
}
"""Closed forms by name; those that do not fit an environment raise `InputError`."""

PER_PERIOD = "clairvoyant-per-period"
"""The optimum with the timing of payments that gives no buyer a loss in any period."""
CONVERSIONS: dict[str, Callable[[Mechanism], IndependentMechanism]] = {
    "bank-account": bank_account,
    PER_PERIOD: quasi_non_clairvoyant,
}
"""What is made of the optimal mechanism."""

OPTIMUM = "clairvoyant-optimum"


def proved_revenue(environment: IndependentTypes) -> float | None:
    """Revenue of the asymptotic mechanism by the proof of Theorem F.1; None where it is not about the environment."""
    try:
        loss = asymptotic_loss(environment, max_states=MAX_BALANCES)
    except (InputError, LimitError):
        return None
    return environment.first_best - float(loss.azuma_bound[-1])


def _closed_form(name: str) -> Row:
    def rule(environment: IndependentTypes) -> Callable[[IndependentTypes], IndependentMechanism]:
        return quasi_two_period if name == QUASI and environment.horizon == 2 else BUILDERS[name]

    def build(setting: Setting) -> IndependentMechanism:
        try:
            return rule(setting.environment)(setting.environment)
        except LimitError as error:
            raise InputError(f"{name}: {error}") from None

    def knows(environment: IndependentTypes) -> str:
        return foresight(rule(environment), environment)

    if name == "asymptotic":
        return Row(name, build, knows=knows, proved=proved_revenue)
    return Row(name, build, knows=knows)


def _of_optimum(name: str) -> Row:
    def build(setting: Setting) -> Any:
        if setting.best is None or setting.best.mechanism is None:
            what = "the optimum is out of reach here; use fewer periods or types, or give a time limit"
            raise InputError(f"{name}: {what}")
        mechanism = setting.best.mechanism
        if isinstance(mechanism, OrbitMechanism):
            what = "there are too many histories to write the optimum out; use fewer periods or buyers"
            raise InputError(f"{name}: {what}")
        if name == OPTIMUM:
            return mechanism
        if not isinstance(mechanism, Mechanism):
            raise InputError(f"{name}: there are too many histories to convert the optimum; use fewer periods")
        return CONVERSIONS[name](mechanism)

    return Row(name, build, knows=lambda environment: NO)


ROWS = (_of_optimum(OPTIMUM), *map(_closed_form, BUILDERS), *map(_of_optimum, CONVERSIONS))
