"""Rows of a comparison for independent types: the closed forms, and what is made of the optimal mechanism."""

from __future__ import annotations

from collections.abc import Callable

from mechopt.closedform.bank.asymptotic import asymptotic
from mechopt.closedform.bank.conversions import bank_account, quasi_non_clairvoyant
from mechopt.closedform.bank.mechanism import BankAccountMechanism
from mechopt.closedform.bank.non_clairvoyant import non_clairvoyant_balance, two_period
from mechopt.closedform.static.repeated import give_for_free, repeated_myerson, repeated_second_price
from mechopt.core.errors import InputError
from mechopt.environment.independent import IndependentTypes
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.solve.dual.buyers_policy import BuyersPolicy
from mechopt.solve.dual.markov_policy import MovingPolicy
from mechopt.solve.orbits.mechanism import OrbitMechanism
from mechopt.solve.promised.policy import PromisePolicy
from mechopt.solve.result import Optimum

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
    if isinstance(best.mechanism, OrbitMechanism):
        raise InputError(f"{name}: there are too many histories to write the optimum out; use fewer periods or buyers")
    if name == OPTIMUM:
        return best.mechanism
    if name not in CONVERSIONS:
        raise InputError(f"{name}: is for types that move")
    if not isinstance(best.mechanism, Mechanism):
        raise InputError(f"{name}: there are too many histories to convert the optimum; use fewer periods")
    return CONVERSIONS[name](best.mechanism)
