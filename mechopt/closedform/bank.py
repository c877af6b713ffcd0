r"""Bank account mechanisms: one static auction a period, chosen by the buyers' balances.

All money in this module is present value: period t's values are :math:`\delta^t \theta`, so that a discount needs no
interest on balances and every statement of the paper, who has none, holds as printed. Balances are public, start at
:math:`b_0 = 0`, and the mechanism of period t may depend on the past only through the vector b of balances before it:
allocation :math:`x(\theta, b)`, payment :math:`p(\theta, b)` and next balance :math:`b'(\theta, b)`, such that

- (IC) :math:`\mathbb{E}_{-i}[\theta^i x^i(j, \cdot, b) - p^i(j, \cdot, b)]` is largest at :math:`j = \theta^i`;
- (BI) :math:`\mathbb{E}[u^i(\theta, b)] = c^i_t \ge 0` for every b, where :math:`u^i = \theta^i x^i - p^i`;
- (BU) :math:`0 \le b'^i(\theta, b) \le b^i + u^i(\theta, b)` whatever the types.

The *spend* s^i(b) is charged to buyer i whatever her type and whoever gets the item, and leaves her balance; the
*deposit* is what enters it: :math:`b' = b - s + d`. By (BI) nothing that is reported now moves what can be expected
later, so (IC) gives PPIC, INDU and hence DIC; (BU) sums to PFIR and hence EPIR; (BI) is PEIR.

Source: Mirrokni, Paes Leme, Tang and Zuo (2020), section 3, Lemma 3.2, supplement A.1, A.2 and (several buyers) D.2,
who count periods from 1. Balances that can be reached are what the conditions are asked of here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from math import prod
from pathlib import Path

import numpy as np

from mechopt.closedform import bank_outcome, conditions
from mechopt.core.errors import InputError, LimitError
from mechopt.core.numbers import FloatArray
from mechopt.environment.independent import IndependentTypes
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.notions import ALL_NOTIONS, INDU, PEIR, PFIR, PPIC, ExPostIC, Notion, closure
from mechopt.mechanism.outcome import own_values
from mechopt.tree import HistoryTree

MAX_LEAVES = 20_000_000
"""Largest number of entries of one array of an unrolled mechanism."""


def library_order(notions: frozenset[Notion]) -> tuple[Notion, ...]:
    """Notions in the library's order."""
    return tuple(sorted(notions, key=ALL_NOTIONS.index))


BANK_ACCOUNT_NOTIONS = library_order(closure([PPIC(), INDU(), PFIR(), PEIR()]))
"""What every bank account mechanism keeps: Lemma 3.2 and supplement A.1."""
DOMINANT_BANK_ACCOUNT_NOTIONS = library_order(closure([*BANK_ACCOUNT_NOTIONS, ExPostIC()]))
"""The same where each period's auction is incentive compatible whatever the others report (Lemma 6.2)."""


@dataclass(frozen=True, eq=False)
class Stage:
    """One period at S vectors of balances; present values.

    Attributes
    ----------
    balance : array ``(n, S)``
        Before the period.
    allocation : array ``(n, S, *types)``
        Probability that buyer i gets the item at a profile of reports.
    payment : array ``(n, S, *types)``
        From buyer i to the seller, the spend included.
    spend : array ``(n, S)``
        At least 0: charged whatever is reported, and taken from the balance.
    deposit : array ``(n, S, *types)``
        What enters the balance.
    """

    balance: FloatArray
    allocation: FloatArray
    payment: FloatArray
    spend: FloatArray
    deposit: FloatArray

    @property
    def next_balance(self) -> FloatArray:
        """Balance after the period: balance - spend + deposit; shape ``(n, S, *types)``."""
        return over_profiles(self.balance - self.spend, self.deposit.ndim - 2) + self.deposit


def over_profiles(array: FloatArray, buyers: int) -> FloatArray:
    """Give ``(n, S)`` one axis of length 1 a buyer, to be broadcast over profiles."""
    return array.reshape(*array.shape, *[1] * buyers)


@dataclass(frozen=True, eq=False, repr=False)
class BankAccountMechanism:
    """A mechanism whose only memory is one balance a buyer.

    It stands where a `mechopt.Mechanism` stands, without a tree of histories: ``to_mechanism`` unrolls it where the
    tree is small, ``outcome`` follows the distribution of balances where it is not.

    Parameters
    ----------
    environment : IndependentTypes
    stage : function of (t, balance)
        What happens in period t at each column of ``balance``, an array ``(n, S)``; a pure function that returns a
        `Stage`.
    name : str
    source : str
        The theorem that it comes from.
    claims : tuple of Notion
        What its theorem proves; the default is what (IC), (BI) and (BU) give.
    guarantee : Fraction or None
        Proved share of the largest revenue that DIC and EPIR allow to a seller who knows all distributions.

    Examples
    --------
    Sell to a buyer of type 1 or 2 for two periods: the first item is free, her value goes to the bank. In the second
    period she spends up to what the item is worth to her on average beforehand, and gets it at whatever price makes
    her indifferent: price r with E(theta - r)^+ = spend.

    >>> env = IndependentTypes.iid([1, 2], ["1/2", "1/2"], periods=2)
    >>> def stage(t, balance):
    ...     if t == 0:
    ...         give, pay, put = [1, 1], [0, 0], [1, 2]
    ...         spend = 0 * balance
    ...     else:
    ...         spend = np.minimum(balance, 1.5)
    ...         give, pay, put = [1, 1], (1.5 - spend)[0, :, None] + spend[0, :, None] * [1, 1], [0, 0]
    ...     shape = (1, balance.shape[1], 2)
    ...     return Stage(balance, *(np.broadcast_to(a, shape) for a in (give, pay)), spend, np.broadcast_to(put, shape))
    >>> bank = BankAccountMechanism(env, stage, name="by hand")
    >>> bank
    BankAccountMechanism(by hand: 1 buyer, 2 periods)
    >>> bank.conditions()
    Conditions(IC holds, BI holds, BU fails: agent 0, period 1, balance 1: type 0 has utility -0.5 ...)
    """

    environment: IndependentTypes
    stage: Callable[[int, FloatArray], Stage]
    name: str = "bank account"
    source: str = ""
    claims: tuple[Notion, ...] = BANK_ACCOUNT_NOTIONS
    guarantee: Fraction | None = None
