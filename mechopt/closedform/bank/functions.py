r"""Revenues of bank account mechanisms in exact numbers of any ordered field; see `mechopt.closedform.functions`.

- *non-clairvoyant balance*, one buyer or two: shares of Myerson's revenue, of the second-price auction, the spends, and
  the money-burning auctions that give them back (`mechopt.closedform.bank.non_clairvoyant`);
- *two-period*, one buyer or two: the same with the shares of Theorem 6.3;
- *asymptotic*, any number of buyers: second-price auctions, later those who can pay the fee
  (`mechopt.closedform.bank.asymptotic`). The thresholds :math:`\sqrt t \ln t` are irrational; here as there they are
  the nearest double, taken for the exact number that it is.

Source: Mirrokni, Paes Leme, Tang and Zuo (2020), Theorems 5.4, 6.1 and 6.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import product
from math import prod
from typing import NamedTuple

from mechopt.closedform.bank.asymptotic import THRESHOLDS
from mechopt.closedform.bank.burning_functions import burnt
from mechopt.closedform.bank.non_clairvoyant import ONE_BUYER, SEVERAL_BUYERS, TWO_PERIODS, Mix
from mechopt.closedform.static.functions import Distribution, Number, distributions, periods, static_revenue, weight
from mechopt.core.errors import InputError
from mechopt.environment.reading.independent import ExactIndependent

MOST_STATES = 20_000


def balance_revenue(exact: ExactIndependent) -> Number:
    """Revenue of `non_clairvoyant_balance` for one buyer or two.

    Raises
    ------
    InputError
        If there are more buyers, or too many different balances.
    """
    mix = ONE_BUYER if len(exact.values) == 1 else SEVERAL_BUYERS
    return _mixed_revenue(exact, [mix] * len(periods(exact)), "non-clairvoyant-balance")


def two_period_revenue(exact: ExactIndependent) -> Number:
    """Revenue of `two_period` for one buyer or two.

    Raises
    ------
    InputError
        If there are more buyers, or not two periods.
    """
    if len(periods(exact)) != 2:
        raise InputError(f"two-period is for two periods; the model has {len(periods(exact))}")
    return _mixed_revenue(exact, TWO_PERIODS, "two-period")


class Outcome(NamedTuple):
    """Outcome of a second-price auction without reserve at one profile, money of the period.

    Attributes
    ----------
    chance : number
        Of the profile.
    gains, paid : tuples over buyers
        Utilities and payments; equal highest buyers share the item.
    """

    chance: Number
    gains: tuple[Number, ...]
    paid: tuple[Number, ...]


def second_price_outcomes(buyers: Sequence[Distribution]) -> list[Outcome]:
    """The second-price auction, profile by profile."""
    outcomes = []
    for profile in product(*buyers):
        worth, gains, paid = [value for value, _ in profile], list[Number](), list[Number]()
        for i, value in enumerate(worth):
            others: Number = Fraction(0)
            for j, rival in enumerate(worth):
                others = rival if j != i and rival > others else others
            gains.append(value - others if value > others else Fraction(0))
            if value > others:
                paid.append(others)
            else:
                tied = sum(1 for rival in worth if rival == value)
                paid.append(value / tied if value == others else Fraction(0))
        chance = prod((probability for _, probability in profile), start=Fraction(1))
        outcomes.append(Outcome(chance, tuple(gains), tuple(paid)))
    return outcomes


def _mean(numbers: Iterable[tuple[Number, Number]]) -> Number:
    """Sum of probability times number."""
    return sum((chance * number for chance, number in numbers), start=Fraction(0))


def _mixed_revenue(exact: ExactIndependent, mixes: Sequence[Mix], name: str) -> Number:
    """Revenue of a mixture of the three auctions, by recursion over balances."""
    count = len(exact.values)
    if count > 2:
        raise InputError(
            f"{name} is known as a function for one buyer or two; the money-burning auctions of {count} are found by "
            "a program, whose solutions are not unique"
        )
    total: Number = Fraction(0)
    states: dict[tuple[Number, ...], Number] = {(Fraction(0),) * count: Fraction(1)}
    for t in periods(exact):
        buyers, scale, (fixed, filled, burned) = distributions(exact, t), weight(exact, t), mixes[t]
        outcomes = second_price_outcomes(buyers)
        earned = _mean((o.chance, sum(o.paid, start=Fraction(0))) for o in outcomes)
        total = total + scale * (fixed * static_revenue(buyers) + filled * earned)
        full = [burned * scale * _mean((p, value) for value, p in distribution) for distribution in buyers]
        after: dict[tuple[Number, ...], Number] = {}
        for balance, reached in states.items():
            left = balance
            if burned:
                caps = [(b if b < f else f) / (burned * scale) for b, f in zip(balance, full, strict=True)]
                auction = burnt(buyers, caps)
                spends = [burned * scale * u for u in auction.utility]
                total = total + reached * (sum(spends, start=Fraction(0)) + burned * scale * auction.revenue)
                left = tuple(b - s for b, s in zip(balance, spends, strict=True))
            for o in outcomes:
                to = tuple(b + filled * scale * gain for b, gain in zip(left, o.gains, strict=True))
                after[to] = after.get(to, Fraction(0)) + reached * o.chance
        states = after
        _require_few(len(states), name)
    return total


def _require_few(states: int, name: str) -> None:
    if states > MOST_STATES:
        raise InputError(f"{name} has more than {MOST_STATES:,} balances; try a shorter horizon")


def asymptotic_revenue(exact: ExactIndependent) -> Number:
    """Revenue of `asymptotic`; each buyer's balance is followed by itself.

    Raises
    ------
    InputError
        If there are too many different balances.
    """
    threshold = THRESHOLDS["sqrt(t) log t"]
    total: Number = Fraction(0)
    auctions = [second_price_outcomes(distributions(exact, t)) for t in periods(exact)]
    for i in range(len(exact.values)):
        given: Number = Fraction(0)
        states: dict[Number, Number] = {Fraction(0): Fraction(1)}
        for t, outcomes in enumerate(auctions):
            scale = weight(exact, t)
            fee = scale * _mean((o.chance, o.gains[i]) for o in outcomes)
            price = scale * _mean((o.chance, o.paid[i]) for o in outcomes)
            welfare = scale * _mean((o.chance, sum(o.paid + o.gains, start=Fraction(0))) for o in outcomes)
            plain = given <= welfare * Fraction(threshold(t + 1))
            given = given + fee if plain else given
            after: dict[Number, Number] = {}
            for balance, reached in states.items():
                served, spend = (True, Fraction(0)) if plain else (balance >= fee, fee)
                total = total + reached * (price + spend) if served else total
                for o in outcomes:
                    to = balance - spend + scale * o.gains[i] if served else balance
                    after[to] = after.get(to, Fraction(0)) + reached * o.chance
            states = after
            _require_few(len(states), "asymptotic")
    return total
