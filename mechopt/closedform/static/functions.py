r"""Revenues of static auctions repeated, in exact numbers of any ordered field; see `mechopt.closedform.functions`.

- *repeated Myerson*: :math:`\sum_t \delta^t E (\max_i \bar\phi_i)^+`, the ironed virtual values of the worth above
  the cost;
- *repeated second price*: the second highest worth, 0 where nobody else has one;
- *first best*: :math:`\sum_t \delta^t E (\max_i \theta_i - c)^+`, which is not a mechanism's revenue but bounds all.

Source: Myerson (1981).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

from mechopt.environment.reading.independent import ExactIndependent

Number = Any
"""A fraction or a function of the parameter."""
Distribution = list[tuple[Number, Number]]
"""Worth and probability, the worth rising, probabilities above 0."""


def distributions(exact: ExactIndependent, t: int) -> list[Distribution]:
    """Worth above the cost, and its distribution, by buyer, in one period; equal worths as one."""
    cost, found = exact.cost[t], []
    for values, probabilities in zip(exact.values, exact.probabilities, strict=True):
        distribution: Distribution = []
        for value, probability in zip(values[t], probabilities[t], strict=True):
            worth = value - cost if value > cost else Fraction(0)
            if not probability:
                continue
            if distribution and distribution[-1][0] == worth:
                distribution[-1] = worth, distribution[-1][1] + probability
            else:
                distribution.append((worth, probability))
        found.append(distribution)
    return found


def weight(exact: ExactIndependent, t: int) -> Number:
    """Present value of money of a period."""
    return exact.discount**t


def ironed(distribution: Distribution) -> list[Number]:
    """Ironed virtual values for revenue, by type; see `mechopt.closedform.static.virtual_values`.

    Examples
    --------
    >>> ironed([(Fraction(v), p) for v, p in ((1, Fraction(1, 2)), (2, Fraction(1, 8)), (3, Fraction(3, 8)))])
    [Fraction(-1, 5), Fraction(-1, 5), Fraction(3, 1)]
    """
    tail: Number = Fraction(0)
    virtual: list[Number] = []
    for k in range(len(distribution) - 1, -1, -1):
        value, probability = distribution[k]
        gap = distribution[k + 1][0] - value if k + 1 < len(distribution) else Fraction(0)
        virtual.insert(0, value - gap * tail / probability)
        tail = tail + probability
    return pooled(virtual, distribution)


def ironed_for_utility(distribution: Distribution) -> list[Number]:
    """Ironed virtual values for utility, by type, payments being at least 0.

    Examples
    --------
    >>> third = Fraction(1, 3)
    >>> [str(number) for number in ironed_for_utility([(Fraction(v), third) for v in (1, 2, 3)])]
    ['2', '2', '2']
    """
    tail: Number = sum((probability for _, probability in distribution), start=Fraction(0))
    virtual: list[Number] = []
    for k, (value, probability) in enumerate(distribution):
        virtual.append((value - (distribution[k - 1][0] if k else 0)) * tail / probability)
        tail = tail - probability
    return pooled(virtual, distribution)


def pooled(virtual: Sequence[Number], distribution: Distribution) -> list[Number]:
    """Average over neighbours that fall until what is left rises."""
    blocks: list[tuple[Number, Number, int]] = []  # mean, mass, types
    for mean, (_, mass) in zip(virtual, distribution, strict=True):
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


def chances(buyers: Sequence[Distribution]) -> list[list[Number]]:
    """Probabilities by buyer and type."""
    return [[probability for _, probability in distribution] for distribution in buyers]


def static_revenue(buyers: Sequence[Distribution]) -> Number:
    """Revenue of Myerson's auction of one item."""
    return _expected_best([ironed(distribution) for distribution in buyers], chances(buyers))


def myerson_revenue(exact: ExactIndependent) -> Number:
    """Revenue of `repeated_myerson`, present value."""
    return sum((weight(exact, t) * static_revenue(distributions(exact, t)) for t in periods(exact)), start=Fraction(0))


def first_best(exact: ExactIndependent) -> Number:
    """Expected surplus of selling to whom the item is worth most, where it is worth its cost."""
    total: Number = Fraction(0)
    for t in periods(exact):
        buyers = distributions(exact, t)
        worth = [[value for value, _ in distribution] for distribution in buyers]
        total = total + weight(exact, t) * _expected_best(worth, chances(buyers))
    return total


def second_price_revenue(exact: ExactIndependent) -> Number:
    """Revenue of `repeated_second_price`."""
    total: Number = Fraction(0)
    for t in periods(exact):
        buyers = distributions(exact, t)
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


def periods(exact: ExactIndependent) -> range:
    """Numbers of the periods."""
    return range(len(exact.values[0]))
