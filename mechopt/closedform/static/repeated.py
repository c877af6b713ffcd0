r"""The same kind of static auction in every period: mechanisms without memory, the yardstick of all others.

*At cost.* Where an item has a cost c the mechanisms here, in `balance` and in `asymptotic` are those of the paper on
what the item is worth above its cost: :math:`\nu = (\theta - c)^+` takes the place of the value, a sale costs the buyer
c on top, and a type below c gets nothing. A type below c then has the utility of :math:`\nu = 0` at the truth and less
from any misreport, so that everything that holds on :math:`\nu` holds. So do guarantees: no mechanism with DIC and
EPIR earns more on the original values than the best one on :math:`\nu` (giving to a type below c loses money, and
making the utilities of such types equal takes a mean-preserving contraction, which the seller can undo by a lottery).
Selling *for free* is selling at cost, and an auction *without reserve* has the reserve c.

Source: Mirrokni, Paes Leme, Tang and Zuo (2020), whose items cost nothing; static auctions: Myerson (1981), for finite
types Elkind (2007).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mechopt.closedform.bank.mechanism import BankAccountMechanism
from mechopt.closedform.bank.stage import Stage
from mechopt.closedform.static.standard import StaticMechanism, myerson, second_price
from mechopt.core.numbers import FloatArray, IntArray
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.require_kind import require_kind
from mechopt.mechanism.constraints import INDEPENDENT_CONSTRAINTS

Buyers = list[tuple[FloatArray, FloatArray]]
Auction = Callable[..., StaticMechanism]


@dataclass(frozen=True, eq=False)
class Market:
    """Value above cost of one period's item, types of equal worth as one; money of the period.

    Attributes
    ----------
    buyers : list over buyers of (worth, probabilities)
    position : list over buyers of arrays ``(K,)``
        Index of each type's worth.
    above : list over buyers of arrays ``(K,)``
        Whether a type's value is at least the cost.
    cost : float
    slots : tuple of float or None
        Weights of the slots, or units; None where there is one item.
    """

    buyers: Buyers
    position: list[IntArray]
    above: list[FloatArray]
    cost: float
    slots: tuple[float, ...] | None = None

    def sold(self, allocation: FloatArray, payment: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Turn an auction of the worth, ``(n, ..., *worths)``, into one of the item, ``(n, ..., *types)``."""
        at: tuple[Any, ...] = (..., *np.ix_(*self.position))
        allocation, payment = allocation[at], payment[at]
        middle = allocation.ndim - 1 - len(self.buyers)
        for i, above in enumerate(self.above):
            axes = [1] * (middle + len(self.buyers))
            axes[middle + i] = -1
            allocation[i] *= above.reshape(axes)
        return allocation, payment + self.cost * allocation


def markets(environment: IndependentTypes) -> Sequence[Market]:
    """Market of each period; equal periods share one object."""
    known: dict[tuple[object, ...], Market] = {}
    listed = []
    for t, cost in enumerate(environment.cost.tolist()):
        pairs = [(v[t], p[t]) for v, p in zip(environment.values, environment.probabilities, strict=True)]
        slots = None if environment.slots is None else tuple(environment.slots[t].tolist())
        key = (cost, slots, *(id(array) for pair in pairs for array in pair))
        if key not in known:
            known[key] = _market(pairs, cost, slots)
        listed.append(known[key])
    return listed


def _market(pairs: Buyers, cost: float, slots: tuple[float, ...] | None) -> Market:
    buyers, positions = [], []
    for values, probabilities in pairs:
        worth, position = np.unique(np.maximum(values - cost, 0.0), return_inverse=True)
        buyers.append((worth, np.bincount(position, probabilities, worth.size).astype(np.float64)))
        positions.append(position)
    return Market(buyers, positions, [(values >= cost).astype(np.float64) for values, _ in pairs], cost, slots)


@dataclass(frozen=True, eq=False)
class Sale:
    """A static auction as it enters a period; present values, by profile of reports.

    Attributes
    ----------
    allocation, payment, utility : arrays ``(n, *types)``
    """

    allocation: FloatArray
    payment: FloatArray
    utility: FloatArray


class Sales:
    """The static auction of each period, computed on first use and once for equal periods.

    Parameters
    ----------
    environment : IndependentTypes
    auction : function of buyers
        Makes the static auction of buyers, pairs of values and probabilities, and ``slots``.
    """

    def __init__(self, environment: IndependentTypes, auction: Auction) -> None:
        self._environment, self._auction = environment, auction
        self._markets = markets(environment)
        self._known: dict[int, tuple[FloatArray, FloatArray, FloatArray]] = {}

    def __getitem__(self, t: int) -> Sale:
        market, env = self._markets[t], self._environment
        if id(market) not in self._known:
            static = self._auction(market.buyers, slots=market.slots)
            allocation, payment = market.sold(static.allocation, static.payment)
            value = np.stack(np.broadcast_arrays(*np.ix_(*(row[t] for row in env.values))))
            self._known[id(market)] = allocation, payment, value * allocation - payment
        allocation, payment, utility = self._known[id(market)]
        return Sale(allocation, env.present_value[t] * payment, env.present_value[t] * utility)


def repeated_myerson(environment: IndependentTypes) -> BankAccountMechanism:
    """Sell every item by the auction that is best for it alone.

    The best among mechanisms that keep super-DIC and EPIR (Lemma B.2).

    Parameters
    ----------
    environment : IndependentTypes

    Returns
    -------
    BankAccountMechanism
        With balances of zero; it satisfies all constraints.

    Examples
    --------
    >>> repeated_myerson(IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=1000)).revenue
    1000.0
    """
    require_kind(environment, "independent", "repeated_myerson", supply="any")
    return _repeated(environment, myerson, "repeated Myerson", "Myerson (1981)")


def repeated_second_price(environment: IndependentTypes) -> BankAccountMechanism:
    """Sell every item to the highest bidder at the second-highest bid, without reserve.

    Equal bids share the item. A cost is bid by the seller: the allocation is efficient. With one buyer it is
    `give_for_free`.

    Parameters
    ----------
    environment : IndependentTypes

    Returns
    -------
    BankAccountMechanism
        With balances of zero; it satisfies all constraints.

    Examples
    --------
    >>> auctions = repeated_second_price(IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=4, agents=2))
    >>> auctions.revenue, auctions.welfare
    (5.0, 7.0)
    """
    require_kind(environment, "independent", "repeated_second_price", supply="any")
    return _repeated(environment, second_price, "repeated second price", "Vickrey (1961)")


def give_for_free(environment: IndependentTypes) -> BankAccountMechanism:
    """Give every item away, to the buyer who values it most.

    With one buyer the price is 0, or the cost. Several buyers would all claim a free item; the paper replaces "give for
    free" by the second-price auction there (supplement F), and so does this: it is `repeated_second_price`.

    Parameters
    ----------
    environment : IndependentTypes

    Returns
    -------
    BankAccountMechanism
        With balances of zero; it satisfies all constraints.

    Examples
    --------
    >>> given = give_for_free(IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=4))
    >>> given.revenue, given.utilities
    (0.0, (6.0,))
    """
    require_kind(environment, "independent", "give_for_free", supply="any")
    return _repeated(environment, second_price, "give for free", "section 4; supplement F for several buyers")


def _repeated(environment: IndependentTypes, auction: Auction, name: str, source: str) -> BankAccountMechanism:
    sales = Sales(environment, auction)

    def stage(t: int, balance: FloatArray) -> Stage:
        sale = sales[t]
        shape = (environment.agents, balance.shape[1], *environment.shape[t])
        allocation, payment = (np.broadcast_to(part[:, None], shape) for part in (sale.allocation, sale.payment))
        return Stage(balance, allocation, payment, np.zeros_like(balance), np.zeros(shape))

    return BankAccountMechanism(environment, stage, name, source, INDEPENDENT_CONSTRAINTS)
