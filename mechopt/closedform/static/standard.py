r"""Auctions of one item in one period: Myerson's, second price, a posted price, and capped money burning.

Every mechanism here is dominant-strategy incentive compatible and ex post individually rational, with payments of at
least 0; types of probability zero are types all the same.

Source: Myerson (1981), for finite types Elkind (2007); Vickrey (1961). Money burning has its own module.
"""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from mechopt.closedform.static.auction import Buyers as Buyers
from mechopt.closedform.static.auction import StaticMechanism as StaticMechanism
from mechopt.closedform.static.auction import (
    amount,
    amounts,
    by_own_type,
    by_rank,
    exact_buyers,
    float_buyers,
    slot_weights,
    summed_prices,
)
from mechopt.closedform.static.money_burning import MoneyBurning as MoneyBurning
from mechopt.closedform.static.money_burning import capped_money_burning as capped_money_burning
from mechopt.closedform.static.virtual_values import revenue_virtual
from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import FloatArray


def myerson(buyers: Buyers, cost: Any = 0.0, slots: Any = None) -> StaticMechanism:
    """Sell to the highest ironed virtual value that is at least the cost: the largest revenue there is.

    Of units or slots, the largest go to the highest of them.

    Parameters
    ----------
    buyers : sequence of pairs (values, probabilities)
    cost : number
        The seller's cost of a sale, at least 0.
    slots : sequence of numbers, optional
        Weights of what is sold, the largest first, of which each buyer gets one or none; ``[1, 1]`` are two units.

    Returns
    -------
    StaticMechanism
        Ties go to the buyer of lowest index, and a virtual value equal to the cost buys; so of several best prices for
        one buyer it is the lowest. The winner pays the lowest of her types that would have won. No Bayesian incentive
        compatible and interim individually rational mechanism earns more.

    Raises
    ------
    InputError
        With every fault of the buyers and the cost.
    LimitError
        If there are too many profiles.

    References
    ----------
    Myerson (1981); Elkind (2007) for finite types.

    Examples
    --------
    Two bidders, uniform on 1, ..., 5: virtual values -3, -1, 1, 3, 5.

    >>> round(myerson([(range(1, 6), ["1/5"] * 5)] * 2).revenue, 12)
    2.84

    Two units: each buyer pays 3, with probability 3/5.

    >>> round(myerson([(range(1, 6), ["1/5"] * 5)] * 2, slots=[1, 1]).revenue, 12)
    3.6
    """
    faults: list[Fault] = []
    exact, expense = exact_buyers(buyers, faults), amount(cost, "cost", faults)
    given = None if slots is None else slot_weights(slots, faults)
    if faults:
        raise InputError(faults)
    pairs = float_buyers(exact)
    virtual = by_own_type([revenue_virtual(buyer) for buyer in exact])
    if given is not None:
        allocation = np.where(virtual >= expense, by_rank(given, virtual), 0.0)
    else:
        winner = np.where(virtual.max(axis=0) >= expense, virtual.argmax(axis=0), -1)
        allocation = np.stack([(winner == i).astype(np.float64) for i in range(len(exact))])
    payment = summed_prices(allocation, [values for values, _ in pairs])
    return StaticMechanism(pairs, allocation, payment, expense, given)


def second_price(buyers: Buyers, reserve: Any = None, cost: Any = 0.0, slots: Any = None) -> StaticMechanism:
    """Sell to the highest value among buyers who meet their reserves, at the larger of reserve and next value.

    Of units or slots, the largest go to the highest values, and each buyer pays what her slot is worth to those whom
    she takes it from: of k units the (k+1)-th value, or her reserve.

    Parameters
    ----------
    buyers : sequence of pairs (values, probabilities)
    reserve : number, or sequence over buyers, optional
        At least 0, need not be a type; a value equal to it buys. Buyers below theirs are removed first and set no
        price. Default: the cost, so that without a cost the item is always sold, and to one buyer for free.
    cost : number
        The seller's cost of a sale, at least 0.
    slots : sequence of numbers, optional
        As for `myerson`.

    Returns
    -------
    StaticMechanism
        Equal highest values share the item equally, and pay their share of that value.

    Raises
    ------
    InputError
        With every fault of the buyers, reserves and cost.
    LimitError
        If there are too many profiles.

    References
    ----------
    Vickrey (1961), for units too; slots: Edelman, Ostrovsky and Schwarz (2007), section II.

    Examples
    --------
    >>> second_price([([1, 2], ["1/2", "1/2"])] * 2).payment[0]
    array([[0.5, 0. ],
           [1. , 1. ]])
    """
    faults: list[Fault] = []
    exact, expense = exact_buyers(buyers, faults), amount(cost, "cost", faults)
    weights = None if slots is None else slot_weights(slots, faults)
    given, count = expense if reserve is None else reserve, len(buyers)
    reserves = amounts(given, "reserve", count, faults).reshape(-1, *[1] * count)
    if faults:
        raise InputError(faults)
    pairs = float_buyers(exact)
    values = by_own_type([values for values, _ in pairs])
    bids = np.where(values >= reserves, values, -inf)
    if weights is not None:
        allocation, utility = _positions(bids, reserves, weights)
        return StaticMechanism(pairs, allocation, values * allocation - utility, expense, weights)
    winners = (bids == bids.max(axis=0)) & (bids > -inf)
    allocation = winners / np.maximum(winners.sum(axis=0), 1)
    others = np.stack([np.max(np.delete(bids, i, axis=0), axis=0, initial=-inf) for i in range(count)])
    return StaticMechanism(pairs, allocation, allocation * np.maximum(reserves, others), expense)


def _positions(bids: FloatArray, reserves: FloatArray, weights: tuple[float, ...]) -> tuple[FloatArray, FloatArray]:
    """Each buyer's allocation and utility: the integral of the allocation from her reserve up to her bid.

    With m - 1 of the others above u she gets weight m. Equal bids share the slots of their ranks equally.

    Parameters
    ----------
    bids : array ``(n, *types)``
        Minus infinity below the reserve.
    reserves : array ``(n, 1, ...)``
    weights : tuple of float
    """
    n = len(bids)
    c = np.zeros(max(n, len(weights)) + 1)
    c[: len(weights)] = weights
    sums = np.concatenate([[0.0], np.cumsum(c)])
    above = (bids[None] > bids[:, None]).sum(axis=1)
    ties = (bids[None] == bids[:, None]).sum(axis=1)
    there = bids > -inf
    allocation = np.where(there, (sums[above + ties] - sums[above]) / ties, 0.0)
    utility = np.zeros_like(allocation)
    for i in range(n):
        others = -np.sort(-np.delete(bids, i, axis=0), axis=0)  # the largest first
        top = np.where(there[i], bids[i], reserves[i])
        for m in range(n):  # from the top down: m of the others are above
            low = np.minimum(np.maximum(others[m] if m < n - 1 else -inf, reserves[i]), top)
            utility[i] += c[m] * (top - low)
            top = low
    return allocation, utility


def posted_price(buyer: tuple[Any, Any], price: Any, cost: Any = 0.0) -> StaticMechanism:
    """Offer the item to one buyer at a price; a value equal to the price buys.

    Parameters
    ----------
    buyer : pair (values, probabilities)
    price : number
        At least 0, need not be a type.
    cost : number
        The seller's cost of a sale, at least 0.

    Raises
    ------
    InputError
        With every fault of the buyer, price and cost.

    Examples
    --------
    >>> posted_price(([1, 2], ["1/2", "1/2"]), 1.5)
    StaticMechanism(1 buyer, 2 profiles; revenue 0.75, welfare 1, utilities (0.25))
    """
    return second_price([buyer], price, cost)
