r"""Money-burning auctions at many vectors of caps at once: the utility that a spend buys.

Each maximises :math:`\sum_i \min(c_i, \mathbb{E} u_i)` with payments at least 0.

*One buyer.* A posted price does it: r with :math:`\mathbb{E}(\theta - r)^+ = \min(c, \mathbb{E}\theta)`. The smallest
such r is taken: where there is nothing to give back it is the highest value of positive probability, no higher price.

*Two buyers.* With ironed virtual values for utility :math:`\vartheta`, the pairs of expected utilities that no other
pair beats are those of the rules "buyer 0 wins where :math:`\lambda\vartheta_0 \ge \vartheta_1`" and of lotteries over
two neighbouring ones. Along this frontier, from :math:`\lambda = 0` upwards, buyer 0 gains one profile after another.
At :math:`\lambda = 1` the sum is largest; from there the solution is found by moving towards the buyer who is short of
her cap while the other exceeds hers, until either is met. A buyer who still exceeds her cap gets her share scaled down.

*More buyers.* One `mechopt.capped_money_burning` a vector of caps: some milliseconds each.

The best auctions for two buyers or more are not unique; nor are, where several caps bind, their utilities and payments.

Source: Mirrokni, Paes Leme, Tang and Zuo (2020), section 4 and supplement E.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from mechopt.closedform.static.money_burning import capped_money_burning
from mechopt.closedform.static.virtual_values import utility_virtual_values
from mechopt.core.numbers import FloatArray

Distributions = Sequence[tuple[FloatArray, FloatArray]]

SNAP = 1e-9
"""A price this close to a value, relative to it, is that value: at r = theta_j type j buys."""
ROUNDING = 16 * float(np.finfo(np.float64).eps)
"""Of a utility, relative to the largest; a price that is computed from one misses by that over the chance of a sale."""
REMEMBERED = 4096
"""Auctions of three buyers or more, by caps, that are kept."""
PROGRAMME_EFFORT = 50_000
"""Time of one of them, in entries of an array."""


class Burned(NamedTuple):
    """Auctions at S vectors of caps.

    Attributes
    ----------
    allocation, payment : arrays ``(n, S, *types)``
    utility : array ``(n, S)``
        Expected, at most the caps.
    """

    allocation: FloatArray
    payment: FloatArray
    utility: FloatArray


class MoneyBurningAuctions:
    """Money-burning auctions for given buyers.

    Parameters
    ----------
    buyers : sequence of pairs (values, probabilities)

    Attributes
    ----------
    most : array ``(n, 1)``
        Expected values: no cap above them matters.

    Examples
    --------
    The price that leaves a buyer 1/4, and the one that leaves her as much as she can get:

    >>> auctions = MoneyBurningAuctions([(np.array([1.0, 2.0]), np.array([0.5, 0.5]))])
    >>> auctions(np.array([[0.25, 9.0]])).payment
    array([[[0. , 1.5],
            [0. , 0. ]]])
    """

    def __init__(self, buyers: Distributions) -> None:
        self._buyers = buyers
        self.most = np.array([[float(values @ probabilities)] for values, probabilities in buyers])
        self._frontier = _Frontier(buyers) if len(buyers) == 2 else None
        self._programme = lru_cache(REMEMBERED)(self._solved)

    @property
    def effort(self) -> int:
        """Time that one vector of caps takes beyond arithmetic on arrays, in entries of an array."""
        return PROGRAMME_EFFORT if len(self._buyers) > 2 else 0

    def __call__(self, caps: FloatArray) -> Burned:
        """Auctions at caps ``(n, S)``."""
        caps = np.clip(caps, 0.0, self.most)
        if len(self._buyers) == 1:
            return _posted(*self._buyers[0], caps)
        if self._frontier is not None:
            return self._frontier.auctions(caps)
        made = [self._programme(tuple(column)) for column in caps.T.tolist()]
        return Burned(*(np.stack(part, axis=1) for part in zip(*made, strict=True)))

    def _solved(self, caps: tuple[float, ...]) -> tuple[FloatArray, FloatArray, FloatArray]:
        auction = capped_money_burning(self._buyers, caps)
        return auction.allocation, auction.payment, np.minimum(auction.utilities, caps)


def _posted(worth: FloatArray, probabilities: FloatArray, caps: FloatArray) -> Burned:
    """Posted prices for one buyer; caps ``(1, S)``, at most her expected worth."""
    likely = worth[probabilities > 0]
    prices = np.union1d(likely, 0.0)[::-1]
    surplus = np.maximum(worth - prices[:, None], 0.0) @ probabilities
    price = np.interp(caps[0], surplus, prices)
    place = np.abs(price[:, None] - likely).argmin(axis=1)
    near, chance = likely[place], np.cumsum(probabilities[probabilities > 0][::-1])[::-1][place]
    price = np.where(np.abs(price - near) <= SNAP * near + ROUNDING * surplus[-1] / chance, near, price)
    sold = (worth >= price[:, None]).astype(np.float64)
    return Burned(sold[None], (price[:, None] * sold)[None], caps)


class _Frontier:
    """Rules for two buyers in the order in which buyer 0 gains profiles, and the utilities along it.

    Attributes
    ----------
    event : array ``(K_0, K_1)``
        Place of a profile in that order; 0 for those that she has from the start, the number of places + 1 for never.
    utility : array ``(2, places + 1)``
        Expected utilities after each number of places.
    start : int
        Number of places with lambda below 1.
    """

    def __init__(self, buyers: Distributions) -> None:
        (values_0, distribution_0), (values_1, distribution_1) = buyers
        virtual = [utility_virtual_values(values, distribution) for values, distribution in buyers]
        own, other = virtual[0][:, None], virtual[1][None, :]
        ratio = np.divide(other, own, out=np.full((own.size, other.size), np.inf), where=own > 0)
        finite = np.unique(ratio[np.isfinite(ratio) & (ratio > 0)])
        self.event = np.where(ratio > 0, 1 + np.searchsorted(finite, ratio), 0)
        self.start = int(np.searchsorted(finite, 1.0))
        likely = np.multiply.outer(distribution_0, distribution_1)
        gains = [np.bincount(self.event.ravel(), (likely * v).ravel(), finite.size + 2) for v in (own, other)]
        first = np.cumsum(gains[0][:-1])
        self.utility = np.stack([first, gains[1].sum() - np.cumsum(gains[1][:-1])])
        self._below = [np.append(0.0, values[:-1]) for values in (values_0, values_1)]

    def auctions(self, caps: FloatArray) -> Burned:
        """Auctions at caps ``(2, S)``."""
        first, second = self.utility
        places = np.arange(first.size, dtype=np.float64)
        at_first = np.interp(caps[0], first, places)
        at_second = np.interp(-caps[1], -second, places)
        here = self.utility[:, self.start, None]
        back = (here[0] > caps[0]) & (here[1] < caps[1])
        ahead = (here[0] < caps[0]) & (here[1] > caps[1])
        place = np.full(caps.shape[1], float(self.start))
        place = np.where(back, np.maximum(at_first, at_second), place)
        place = np.where(ahead, np.minimum(at_first, at_second), place)
        share = np.clip(place[:, None, None] + 1.0 - self.event, 0.0, 1.0)
        reached = np.stack([np.interp(place, places, first), np.interp(place, places, second)])
        kept = np.divide(caps, reached, out=np.ones_like(caps), where=reached > caps)
        allocation = kept[:, :, None, None] * np.stack([share, 1.0 - share])
        payment = np.empty_like(allocation)
        for i, below in enumerate(self._below):
            rises = np.diff(allocation[i], axis=1 + i, prepend=0.0)
            payment[i] = np.cumsum(rises * (below[:, None] if i == 0 else below), axis=1 + i)
        return Burned(allocation, payment, kept * reached)
