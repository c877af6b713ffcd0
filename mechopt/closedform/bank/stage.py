"""One period of a bank account mechanism, and what its checks and its outcome need to know of the whole.

See `mechopt.closedform.bank.mechanism` for the conditions and their source.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mechopt.core.numbers import FloatArray
from mechopt.environment.independent import IndependentTypes
from mechopt.histories.reports import HistoryTree
from mechopt.mechanism.direct import Mechanism


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


class BankAccounts(Protocol):
    """A bank account mechanism as `reachable`, `check_conditions` and `bank_outcome` see it."""

    @property
    def environment(self) -> IndependentTypes:
        """The environment."""

    @property
    def name(self) -> str:
        """For messages."""

    @property
    def separable(self) -> bool:
        """Whether what concerns a buyer depends on no other balance than her own."""

    @property
    def effort(self) -> int:
        """Entries of an array that a column of a stage costs beyond arithmetic."""

    @property
    def tree(self) -> HistoryTree:
        """The histories, of which nothing is computed before it is asked for."""

    def stage(self, t: int, balance: FloatArray, /) -> Stage:
        """Allocation, payments and next balances of period t at each column of balances ``(n, S)``."""

    def values(self, t: int) -> FloatArray:
        """Present value of the item of period t to each buyer, broadcastable to ``(n, S, *types)``."""

    def utility(self, t: int, stage: Stage) -> FloatArray:
        """Utility of each buyer in period t by profile, present value; ``(n, S, *types)``."""

    def to_mechanism(self) -> Mechanism:
        """Unroll on the tree of histories."""
