"""Rows of a comparison for independent types: the closed forms, and what is made of the optimal mechanism.

Whether a closed form is non-clairvoyant is tried on changed futures; the optimum, which is of one environment as a
whole, knows the future, and so does what is made of it.
"""

from __future__ import annotations

from collections.abc import Callable

from mechopt.closedform.bank.asymptotic import asymptotic
from mechopt.closedform.bank.conversions import bank_account, quasi_non_clairvoyant
from mechopt.closedform.bank.mechanism import BankAccountMechanism
from mechopt.closedform.bank.non_clairvoyant import non_clairvoyant_balance, two_period
from mechopt.closedform.static.repeated import give_for_free, repeated_myerson, repeated_second_price
from mechopt.core.errors import InputError, LimitError
from mechopt.environment.independent import IndependentTypes
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.endless.states import StateMechanism
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.solve.dual.buyers_policy import BuyersPolicy
from mechopt.solve.dual.markov_policy import PersistentPolicy
from mechopt.solve.myopic.policy import MyopicPolicy
from mechopt.solve.orbits.mechanism import OrbitMechanism
from mechopt.solve.promised.policy import PromisePolicy
from mechopt.solve.result import Optimum
from mechopt.study.compare.foresight import NO, foresight
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
INDEPENDENT_NAMES = (OPTIMUM, *BUILDERS, *CONVERSIONS)


def _rule(name: str, environment: IndependentTypes) -> Callable[[IndependentTypes], IndependentMechanism]:
    return quasi_two_period if name == QUASI and environment.horizon == 2 else BUILDERS[name]


def knows(name: str, environment: IndependentTypes) -> str:
    """Whether the mechanism of this name is non-clairvoyant; see `foresight`."""
    return foresight(_rule(name, environment), environment) if name in BUILDERS else NO


def proved_revenue(environment: IndependentTypes) -> float | None:
    """What the proof of Theorem F.1 says that the asymptotic mechanism earns here; None where it is not about it."""
    try:
        loss = asymptotic_loss(environment, max_states=MAX_BALANCES)
    except (InputError, LimitError):
        return None
    return environment.first_best - float(loss.azuma_bound[-1])


def build(name: str, environment: IndependentTypes, best: Optimum | None) -> IndependentMechanism:
    """Make a mechanism by name; raises `InputError` where it does not apply."""
    if name in BUILDERS:
        try:
            return _rule(name, environment)(environment)
        except LimitError as error:
            raise InputError(f"{name}: {error}") from None
    if best is None or best.mechanism is None:
        raise InputError(f"{name}: the optimum is out of reach here; use fewer periods or types, or give a time limit")
    assert not isinstance(best.mechanism, (SequenceMechanism, StateMechanism, PersistentPolicy, MyopicPolicy))
    if isinstance(best.mechanism, OrbitMechanism):
        raise InputError(f"{name}: there are too many histories to write the optimum out; use fewer periods or buyers")
    if name == OPTIMUM:
        return best.mechanism
    if name not in CONVERSIONS:
        raise InputError(f"{name}: is for persistent types")
    if not isinstance(best.mechanism, Mechanism):
        raise InputError(f"{name}: there are too many histories to convert the optimum; use fewer periods")
    return CONVERSIONS[name](best.mechanism)
