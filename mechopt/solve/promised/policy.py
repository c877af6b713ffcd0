"""A mechanism for one buyer whose only memory is the utility that it has promised her: tables over promises.

Everything is present value. In period t a promise w between two tabulated ones is replaced by a public lottery over
them whose mean is w; then the buyer reports, the item is allocated and her next promise is read off the table. Below
the first and above the last tabulated promise that one is used, and what is missing or left over is added to every
next promise. Payments have bank timing: the buyer's realised utility up to and including period t is always her promise
after period t, so that the promise is her balance, and it is what she has at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from mechopt.core.atomic import require_target
from mechopt.core.errors import InputError, LimitError
from mechopt.core.numbers import FloatArray, IntArray
from mechopt.environment.independent import IndependentTypes
from mechopt.histories.reports import HistoryTree
from mechopt.mechanism.archive import save
from mechopt.mechanism.bank_table import BankPeriod, BankTable
from mechopt.mechanism.constraints import DIC, EPIR, Notion, closure
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.methods import MechanismMethods
from mechopt.mechanism.simulation import Runs, played

MAX_ENTRIES = 20_000_000
"""Largest number of histories on which a policy is written out."""
SMALLEST_WEIGHT = 1e-200
"""Smallest discount factor of a period by which present values are still divided."""


@dataclass(frozen=True, eq=False)
class PromiseTable:
    """One period of a policy; present values.

    Attributes
    ----------
    promises : array ``(n,)``
        Tabulated promises w, increasing.
    allocation : array ``(n, K)``
        Probability of a sale by promise and reported type.
    next_promises : array ``(n, K)``
        What is promised after the report; their mean over types is w.
    """

    promises: FloatArray
    allocation: FloatArray
    next_promises: FloatArray

    def between(self, w: FloatArray) -> tuple[IntArray, FloatArray, FloatArray]:
        """Place promises among the tabulated ones.

        Returns
        -------
        left, share, excess : arrays shaped like ``w``
            ``w - excess`` is a mixture of entry ``left``, and of the next one with weight ``share``.
        """
        inside = np.clip(w, self.promises[0], self.promises[-1])
        left = np.clip(np.searchsorted(self.promises, inside, side="right") - 1, 0, max(len(self.promises) - 2, 0))
        right = np.minimum(left + 1, len(self.promises) - 1)
        width = self.promises[right] - self.promises[left]
        share = (inside - self.promises[left]) / np.where(width > 0, width, 1.0)
        return left, share, w - inside


@dataclass(frozen=True, eq=False, repr=False)
class PromisePolicy(MechanismMethods):
    """A promised-utility mechanism.

    Attributes
    ----------
    environment : IndependentTypes
        With one buyer.
    tables : tuple over periods of PromiseTable
        The one entry of the first is the promise that the buyer starts from.
    claims : tuple of Notion
        What it keeps.
    """

    environment: IndependentTypes
    tables: tuple[PromiseTable, ...]
    claims: tuple[Notion, ...] = (DIC(), EPIR())

    @property
    def source(self) -> str:
        """How it came about."""
        return "optimum of revenue, promised-utility dynamic program"

    @property
    def promise(self) -> float:
        """The buyer's expected utility."""
        return float(self.tables[0].promises[0])

    @cached_property
    def distribution(self) -> tuple[FloatArray, ...]:
        """Probability of each tabulated promise by period, after the public lottery."""
        return tuple(self._forward())

    def _forward(self) -> Iterator[FloatArray]:
        mass: FloatArray = np.ones(1)
        for t, table in enumerate(self.tables):
            yield mass
            if t + 1 < len(self.tables):
                after = self.tables[t + 1]
                flow = mass[:, None] * self.environment.probabilities[0][t]
                left, share, _ = after.between(table.next_promises)
                count = len(after.promises)
                right = np.minimum(left + 1, count - 1)
                mass = np.bincount(left.ravel(), (flow * (1 - share)).ravel(), count).astype(np.float64)
                mass += np.bincount(right.ravel(), (flow * share).ravel(), count)

    @cached_property
    def welfare(self) -> float:
        """Expected value of what is sold, net of costs, from the distribution of promises."""
        env, total = self.environment, 0.0
        for t, (table, mass) in enumerate(zip(self.tables, self.distribution, strict=True)):
            gain = env.present_value[t] * env.probabilities[0][t] * (env.values[0][t] - env.cost[t])
            total += float(mass @ table.allocation @ gain)
        return total

    @property
    def revenue(self) -> float:
        """Expected revenue net of costs, from the distribution of promises."""
        return self.welfare - self.promise

    @property
    def utilities(self) -> tuple[float, ...]:
        """The buyer's expected utility."""
        return (self.promise,)

    def save(self, path: str | Path) -> None:
        """Save the policy written out over histories; where there are too many, as a bank table.

        Raises
        ------
        LimitError
            If there are too many histories, and the policy is no bank account.
        """
        require_target(path)
        few = sum(HistoryTree(self.environment).count[1:]) <= MAX_ENTRIES
        written = self.to_mechanism() if few or EPIR() not in closure(self.claims) else self.to_bank_table()
        save(written, path)

    def to_mechanism(self) -> Mechanism:
        """Write the policy out on the tree of histories.

        Each public lottery is replaced by its mean: the mixture of the two entries' allocations and next promises. What
        follows is concave in the promise, so that this loses nothing; it may gain what the lottery loses.

        Raises
        ------
        LimitError
            If there are too many histories.
        InputError
            If the discount makes a period's money too small to be told from 0.
        """
        env, count = self.environment, HistoryTree(self.environment).count
        if sum(count[1:]) > MAX_ENTRIES:
            raise LimitError(
                f"{env.horizon} periods have more than {MAX_ENTRIES:,} histories; use revenue or simulate(), which "
                "follow promises, or to_bank_table()",
            )
        if env.present_value[-1] < SMALLEST_WEIGHT:
            raise InputError(f"discount {env.discount:g} over {env.horizon} periods: the last one's money is too small")
        promise, paid_out = np.full(1, self.promise), np.zeros(1)
        allocation, payment = [], []
        for t, table in enumerate(self.tables):
            left, share, excess = table.between(promise)
            right, part = np.minimum(left + 1, len(table.promises) - 1), share[:, None]
            sold = (1 - part) * table.allocation[left] + part * table.allocation[right]
            after = (1 - part) * table.next_promises[left] + part * table.next_promises[right] + excess[:, None]
            utility = (after - paid_out[:, None]) / env.present_value[t]
            allocation.append(sold[None])
            payment.append((env.values[0][t] * sold - utility)[None])
            promise = paid_out = after.ravel()
        return Mechanism(env, tuple(allocation), tuple(payment), self.claims, self.source)

    def to_bank_table(self) -> BankTable:
        """Write the policy as a bank account mechanism with finite tables, at any horizon.

        The balance is the promise; public lotteries are the table's coins. A promise above the last tabulated one is
        cut to that, and the buyer keeps what is above: no more than first best can be had from there on.

        Raises
        ------
        InputError
            If the policy keeps only interim participation: its balances may fall below 0.
        """
        if EPIR() not in closure(self.claims):
            raise InputError("a bank account keeps EPIR; this policy was made for interim participation alone")
        env, periods = self.environment, []
        for t, table in enumerate(self.tables):
            utility = table.next_promises - (table.promises[:, None] if t else 0.0)
            payment = env.present_value[t] * env.values[0][t] * table.allocation - utility
            after, share = np.zeros(payment.shape, dtype=np.int64), np.zeros(payment.shape)
            if t + 1 < len(self.tables):
                after, share, _ = self.tables[t + 1].between(table.next_promises)
            balances = table.promises if t else np.zeros(1)
            periods.append(BankPeriod(balances, table.allocation, payment, after, share))
        return BankTable(env, tuple(periods), self.claims, self.source)

    def __repr__(self) -> str:
        entries = sum(len(table.promises) for table in self.tables)
        return f"PromisePolicy({len(self.tables)} periods, {entries} promises; revenue {self.revenue:.9g})"


@played.register(PromisePolicy)
def _(policy: PromisePolicy, rng: np.random.Generator, runs: int) -> Runs:
    """Types and public lotteries."""
    env = policy.environment
    promise, welfare = np.full(runs, policy.promise), np.zeros(runs)
    for t, table in enumerate(policy.tables):
        left, share, excess = table.between(promise)
        entry = left + (rng.random(runs) < share)
        types = rng.choice(env.shape[t][0], size=runs, p=env.probabilities[0][t])
        margin = env.present_value[t] * (env.values[0][t] - env.cost[t])
        welfare += margin[types] * table.allocation[entry, types]
        promise = table.next_promises[entry, types] + excess
    return Runs(welfare - promise, promise[None], welfare)


def nothing_sold(environment: IndependentTypes, claims: tuple[Notion, ...]) -> PromisePolicy:
    """The policy that sells nothing and promises nothing."""
    zeros = [np.zeros((1, *types)) for types in environment.shape]
    return PromisePolicy(environment, tuple(PromiseTable(np.zeros(1), zero, zero) for zero in zeros), claims)
