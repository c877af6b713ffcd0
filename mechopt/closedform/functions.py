r"""Revenues of closed-form mechanisms in exact numbers of any ordered field: fractions, or functions of a parameter.

Everything here is arithmetic and comparisons, so that with functions for numbers (`mechopt.core.functions`) it gives
the revenue as a function, valid as long as no comparison comes out differently. Only environments with types that are
independent across periods. The mechanisms are those of `repeated` and `balance`; a cost is taken off the values as
there.

- *repeated Myerson*: :math:`\sum_t \delta^t E (\max_i \bar\phi_i)^+`, the ironed virtual values of the worth above
  the cost;
- *repeated second price*: the second highest worth, 0 where nobody else has one;
- *non-clairvoyant balance*, one buyer: a third of Myerson's revenue, the spends, and a third of the posted prices
  that leave the buyer three times the spend;
- *two-period*, one buyer and two periods: half of Myerson's revenue; the other half of the first period is given for
  free, that of the second spends what it left and sells at posted prices;
- *first best*: :math:`\sum_t \delta^t E (\max_i \theta_i - c)^+`, which is not a mechanism's revenue but bounds all.

Source: Myerson (1981); Mirrokni, Paes Leme, Tang and Zuo (2020), section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

from mechopt.core.errors import InputError
from mechopt.environment.reading.independent import ExactIndependent

Number = Any
"""A fraction or a function of the parameter."""
Law = list[tuple[Number, Number]]
"""Worth and probability, the worth rising, probabilities above 0."""

MOST_STATES = 100_000
THIRDS = Fraction(1, 3), Fraction(1, 3), Fraction(1, 3)
TWO_PERIODS = (Fraction(1, 2), Fraction(1, 2), Fraction(0)), (Fraction(1, 2), Fraction(0), Fraction(1, 2))
"""By period: shares of Myerson's auction, of the item for free, and of the posted price that gives back a spend."""


def laws(exact: ExactIndependent, t: int) -> list[Law]:
    """Worth above the cost, and its distribution, by buyer, in one period; equal worths as one."""
    cost, found = exact.cost[t], []
    for values, probabilities in zip(exact.values, exact.probabilities, strict=True):
        law: Law = []
        for value, probability in zip(values[t], probabilities[t], strict=True):
            worth = value - cost if value > cost else Fraction(0)
            if not probability:
                continue
            if law and law[-1][0] == worth:
                law[-1] = worth, law[-1][1] + probability
            else:
                law.append((worth, probability))
        found.append(law)
    return found


def weight(exact: ExactIndependent, t: int) -> Number:
    """Present value of money of a period."""
    return exact.discount**t


def ironed(law: Law) -> list[Number]:
    """Ironed virtual values for revenue, by type.

    Examples
    --------
    >>> ironed([(Fraction(v), p) for v, p in ((1, Fraction(1, 2)), (2, Fraction(1, 8)), (3, Fraction(3, 8)))])
    [Fraction(-1, 5), Fraction(-1, 5), Fraction(3, 1)]
    """
    tail: Number = Fraction(0)
    virtual: list[Number] = []
    for k in range(len(law) - 1, -1, -1):
        value, probability = law[k]
        gap = law[k + 1][0] - value if k + 1 < len(law) else Fraction(0)
        virtual.insert(0, value - gap * tail / probability)
        tail = tail + probability
    blocks: list[tuple[Number, Number, int]] = []  # mean, mass, types
    for mean, (_, mass) in zip(virtual, law, strict=True):
        block = mean, mass, 1
        while blocks and blocks[-1][0] >= block[0]:
            before = blocks.pop()
            total = before[1] + block[1]
            block = (before[0] * before[1] + block[0] * block[1]) / total, total, before[2] + block[2]
        blocks.append(block)
    return [mean for mean, _, types in blocks for _ in range(types)]


def _expected_best(found: Sequence[Sequence[Number]], chances: Sequence[Sequence[Number]]) -> Number:
    """E max(0, largest entry) over independent draws."""
    total: Number = Fraction(0)
    for profile in product(*(range(len(row)) for row in found)):
        best: Number = Fraction(0)
        for i, k in enumerate(profile):
            best = found[i][k] if found[i][k] > best else best
        total = total + prod((chances[i][k] for i, k in enumerate(profile)), start=Fraction(1)) * best
    return total


def _chances(buyers: Sequence[Law]) -> list[list[Number]]:
    return [[probability for _, probability in law] for law in buyers]


def static_revenue(buyers: Sequence[Law]) -> Number:
    """Revenue of Myerson's auction of one item."""
    return _expected_best([ironed(law) for law in buyers], _chances(buyers))


def myerson_revenue(exact: ExactIndependent) -> Number:
    """Revenue of `repeated_myerson`, present value."""
    return sum((weight(exact, t) * static_revenue(laws(exact, t)) for t in _periods(exact)), start=Fraction(0))


def first_best(exact: ExactIndependent) -> Number:
    """Expected surplus of selling to whom the item is worth most, where it is worth its cost."""
    total: Number = Fraction(0)
    for t in _periods(exact):
        buyers = laws(exact, t)
        worth = [[value for value, _ in law] for law in buyers]
        total = total + weight(exact, t) * _expected_best(worth, _chances(buyers))
    return total


def second_price_revenue(exact: ExactIndependent) -> Number:
    """Revenue of `repeated_second_price`."""
    total: Number = Fraction(0)
    for t in _periods(exact):
        buyers = laws(exact, t)
        for profile in product(*buyers):
            highest: Number = Fraction(0)
            second: Number = Fraction(0)
            for value, _ in profile:
                if value > highest:
                    highest, second = value, highest
                elif value > second:
                    second = value
            chance = prod((probability for _, probability in profile), start=Fraction(1))
            total = total + weight(exact, t) * chance * second
    return total


def balance_revenue(exact: ExactIndependent) -> Number:
    """Revenue of `non_clairvoyant_balance` for one buyer.

    Raises
    ------
    InputError
        If there are several buyers, or too many different balances.
    """
    return _mixed_revenue(exact, [THIRDS] * len(_periods(exact)), "non-clairvoyant balance")


def two_period_revenue(exact: ExactIndependent) -> Number:
    """Revenue of `two_period` for one buyer.

    Raises
    ------
    InputError
        If there are several buyers, or not two periods.
    """
    if len(_periods(exact)) != 2:
        raise InputError(f"two-period is for two periods; the model has {len(_periods(exact))}")
    return _mixed_revenue(exact, TWO_PERIODS, "two-period")


def _mixed_revenue(exact: ExactIndependent, mixes: Sequence[tuple[Fraction, Fraction, Fraction]], name: str) -> Number:
    """Revenue of a mixture of the three auctions, by recursion over balances."""
    if len(exact.values) > 1:
        raise InputError(f"{name} is known as a function for one buyer only")
    total: Number = Fraction(0)
    states: dict[Number, Number] = {Fraction(0): Fraction(1)}
    for t in _periods(exact):
        (law,) = laws(exact, t)
        scale, (fixed, filled, burned) = weight(exact, t), mixes[t]
        total = total + fixed * scale * static_revenue([law])
        mean: Number = sum((value * chance for value, chance in law), start=Fraction(0))
        after: dict[Number, Number] = {}
        for balance, reached in states.items():
            most = burned * scale * mean
            spend = balance if balance < most else most
            if burned:
                total = total + reached * (spend + burned * scale * posted_revenue(law, spend / (burned * scale)))
            for value, chance in law:
                to = balance - spend + filled * scale * value
                after[to] = after.get(to, Fraction(0)) + reached * chance
        if len(after) > MOST_STATES:
            raise InputError(f"{name} has more than {MOST_STATES} balances; try a shorter horizon")
        states = after
    return total


def posted_revenue(law: Law, cap: Number) -> Number:
    """Revenue of the lowest posted price that leaves the buyer a utility of ``cap``, at most what the item is worth.

    Examples
    --------
    >>> half = Fraction(1, 2)
    >>> posted_revenue([(Fraction(1), half), (Fraction(2), half)], Fraction(1, 4))  # the price 3/2
    Fraction(3, 4)
    """
    above: Number = Fraction(0)  # utility that the next higher price leaves, and its chance of a sale
    chance: Number = Fraction(0)
    for k in range(len(law) - 1, -1, -1):
        value, probability = law[k]
        chance = chance + probability
        below = law[k - 1][0] if k else Fraction(0)
        at_below = above + (value - below) * chance
        if cap <= above:  # at the value itself the type buys
            return value * chance
        if cap < at_below or (not k and cap <= at_below):
            return (value - (cap - above) / chance) * chance
        above = at_below
    return Fraction(0)


def _periods(exact: ExactIndependent) -> range:
    return range(len(exact.values[0]))


REVENUES: dict[str, Callable[[ExactIndependent], Number]] = {
    "repeated-myerson": myerson_revenue,
    "repeated-second-price": second_price_revenue,
    "non-clairvoyant-balance": balance_revenue,
    "two-period": two_period_revenue,
    "first-best": first_best,
}
"""By the name that comparisons have for them, and the first best."""
