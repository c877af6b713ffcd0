r"""Money-burning auctions in exact numbers of any ordered field: what a spend gives back, for one buyer and for two.

The auctions are those of `mechopt.closedform.bank.money_burning_caps`: a posted price for one buyer; for two a place on
the frontier of pairs of expected utilities, along which buyer 0 gains one set of profiles of equal
:math:`\vartheta_1 / \vartheta_0` after another. Three buyers' best auctions are found by a program, are not unique,
and have no functions here.

Source: Mirrokni, Paes Leme, Tang and Zuo (2020), section 4 and supplement E.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from typing import NamedTuple

from mechopt.closedform.static.functions import Distribution, Number, ironed_for_utility


class Burnt(NamedTuple):
    """A money-burning auction at given caps.

    Attributes
    ----------
    utility : tuple over buyers
        Expected, at most the caps.
    revenue : number
        Expected payments.
    """

    utility: tuple[Number, ...]
    revenue: Number


def burnt(buyers: Sequence[Distribution], caps: Sequence[Number]) -> Burnt:
    """The auction for one buyer or two; caps at most what the item is worth to the buyer on average.

    Examples
    --------
    >>> half = Fraction(1, 2)
    >>> low_or_high = [(Fraction(1), half), (Fraction(2), half)]
    >>> burnt([low_or_high], [Fraction(1, 4)])  # the price 3/2
    Burnt(utility=(Fraction(1, 4),), revenue=Fraction(3, 4))
    >>> burnt([low_or_high] * 2, [Fraction(3, 4), Fraction(3, 4)]).utility
    (Fraction(3, 4), Fraction(3, 4))
    """
    if len(buyers) == 1:
        return Burnt((caps[0],), posted_revenue(buyers[0], caps[0]))
    return _on_the_frontier(buyers, caps)


def posted_revenue(distribution: Distribution, cap: Number) -> Number:
    """Revenue of the lowest posted price that leaves the buyer a utility of ``cap``, at most what the item is worth.

    Examples
    --------
    >>> half = Fraction(1, 2)
    >>> posted_revenue([(Fraction(1), half), (Fraction(2), half)], Fraction(1, 4))  # the price 3/2
    Fraction(3, 4)
    """
    above: Number = Fraction(0)  # utility that the next higher price leaves, and its chance of a sale
    chance: Number = Fraction(0)
    for k in range(len(distribution) - 1, -1, -1):
        value, probability = distribution[k]
        chance = chance + probability
        below = distribution[k - 1][0] if k else Fraction(0)
        at_below = above + (value - below) * chance
        if cap <= above:  # at the value itself the type buys
            return value * chance
        if cap < at_below or (not k and cap <= at_below):
            return (value - (cap - above) / chance) * chance
        above = at_below
    return Fraction(0)


def _on_the_frontier(buyers: Sequence[Distribution], caps: Sequence[Number]) -> Burnt:
    ratios, event = _events(buyers)
    first, second = _frontier(buyers, event, len(ratios))
    start = sum(1 for ratio in ratios if ratio < 1)
    at_first, at_second = _place(first, caps[0]), _place([-u for u in second], -caps[1])
    place: Number = Fraction(start)
    if first[start] > caps[0] and second[start] < caps[1]:
        place = at_first if at_first > at_second else at_second
    elif first[start] < caps[0] and second[start] > caps[1]:
        place = at_first if at_first < at_second else at_second
    reached = _at(first, place), _at(second, place)
    kept = [cap / u if u > cap else Fraction(1) for cap, u in zip(caps, reached, strict=True)]
    utility = tuple(k * u for k, u in zip(kept, reached, strict=True))
    share = {profile: _clipped(place + 1 - number) for profile, number in event.items()}
    return Burnt(utility, _payments(buyers, share, kept))


def _events(buyers: Sequence[Distribution]) -> tuple[list[Number], dict[tuple[int, int], int]]:
    """Distinct ratios in rising order, and each profile's place among them; 0: buyer 0 has it from the start."""
    own, other = (ironed_for_utility(distribution) for distribution in buyers)
    ratio = {(a, b): other[b] / own[a] for a in range(len(own)) for b in range(len(other)) if own[a] > 0}
    ratios: list[Number] = []
    for number in ratio.values():
        if number > 0 and number not in ratios:
            place = sum(1 for known in ratios if known < number)
            ratios.insert(place, number)
    event = dict[tuple[int, int], int]()
    for profile in product(range(len(own)), range(len(other))):
        number = ratio.get(profile)
        if number is None:
            event[profile] = len(ratios) + 1  # never
        else:
            event[profile] = 1 + ratios.index(number) if number > 0 else 0
    return ratios, event


def _frontier(
    buyers: Sequence[Distribution], event: dict[tuple[int, int], int], places: int
) -> tuple[list[Number], list[Number]]:
    """Expected utilities of the two buyers after each number of places."""
    own, other = (ironed_for_utility(distribution) for distribution in buyers)
    zero: Number = Fraction(0)
    gains = [[zero] * (places + 2) for _ in range(2)]
    for (a, b), number in event.items():
        chance = buyers[0][a][1] * buyers[1][b][1]
        gains[0][number] = gains[0][number] + chance * own[a]
        gains[1][number] = gains[1][number] + chance * other[b]
    first, second = [gains[0][0]], [sum(gains[1][1:], start=zero)]
    for k in range(1, places + 1):
        first.append(first[-1] + gains[0][k])
        second.append(second[-1] - gains[1][k])
    return first, second


def _place(rising: Sequence[Number], level: Number) -> Number:
    """Where a piecewise linear function through the points reaches a level; its ends where it never does."""
    if level <= rising[0]:
        return Fraction(0)
    for k in range(1, len(rising)):
        if level <= rising[k]:
            return k - 1 + (level - rising[k - 1]) / (rising[k] - rising[k - 1])
    return Fraction(len(rising) - 1)


def _at(points: Sequence[Number], place: Number) -> Number:
    """The piecewise linear function through the points."""
    for k in range(1, len(points)):
        if place <= k:
            return points[k - 1] + (place - (k - 1)) * (points[k] - points[k - 1])
    return points[-1]


def _clipped(number: Number) -> Number:
    if number <= 0:
        return Fraction(0)
    return Fraction(1) if number >= 1 else number


def _payments(buyers: Sequence[Distribution], share: dict[tuple[int, int], Number], kept: Sequence[Number]) -> Number:
    """Expected payments: each rise of the own allocation is sold at the next lower value, 0 below the lowest."""
    total: Number = Fraction(0)
    for i in range(2):
        mine, theirs = buyers[i], buyers[1 - i]
        for b in range(len(theirs)):
            paid: Number = Fraction(0)
            before: Number = Fraction(0)
            for a in range(len(mine)):
                won = share[a, b] if i == 0 else 1 - share[b, a]
                sold = kept[i] * won
                paid = paid + (sold - before) * (mine[a - 1][0] if a else Fraction(0))
                before = sold
                total = total + mine[a][1] * theirs[b][1] * paid
    return total
