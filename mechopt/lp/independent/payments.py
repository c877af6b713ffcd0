r"""Rows of constraints on payments where types are independent across periods.

Of the columns of the payment form (see `columns`): with w = delta^t and the node n = (h, m) after the history h and the
reports m, the payment of buyer i in present value is w v_i x_i(n) - (R_i(n) - R_i(h)), so that::

    no-money              w v_i x_i(n) - R_i(n) + R_i(h)  = 0
    no-subsidy                          "                >= 0
    payment-cap                         "                <= w b_i
    budget                sum_s w_s v_i x_i(n_s) - R_i(n) <= B_i    at the ends n of full paths; prefix: at every n
    weak-budget-balance   sum_i [w (v_i - c) x_i(n) - R_i(n) + R_i(h)] >= 0;  strong: = 0
    ex-ante               E sum_t sum_i w (v_i - c) x_i - sum_i S_i(root) >= 0

Rows are divided by the amount where it is not 0, so that every side is 0 or +-1. Where discounts differ, R and single
payments are the buyer's present values, sums and balance the seller's: R(n) becomes the sum of her shares of what R
gains in each period (`receipts`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from mechopt.core.numbers import Array, IntArray
from mechopt.lp.independent.columns import Columns
from mechopt.lp.independent.period import Stage
from mechopt.lp.program import RowFamily, Rows
from mechopt.mechanism.payments import (
    Budget,
    ExAnteBudgetBalance,
    NoMoney,
    NoSubsidy,
    PaymentCap,
    PaymentConstraint,
    PrefixBudget,
    StrongBudgetBalance,
)


@dataclass(frozen=True)
class CountedFamily(RowFamily):
    """Rows of which some have fewer non-zeros than others.

    Parameters
    ----------
    entries : int
        Non-zeros of all rows together.
    """

    entries: int = 0

    @property
    def nonzeros(self) -> int:
        """Number of non-zeros of all rows together."""
        return self.entries


def _own(stage: Stage) -> IntArray:
    """Own type in each report profile, ``(M,)``."""
    own: IntArray = np.indices(stage.types)[stage.buyer].ravel()
    return own


def receipts(stages: Sequence[Stage]) -> list[Any]:
    """Coefficients of R by length of history in what the seller has of ``-sum_t share_t (R_{t+1} - R_t)``.

    Her present value of a buyer's payments less values is this, ``share`` being her present value by the buyer's; 0 for
    R at the start.
    """
    shares = [stage.to_seller for stage in stages]
    return [0, *(after - before for before, after in pairwise(shares)), -shares[-1]]


def _paid(stage: Stage, worth: Array, columns: Columns, share: Any = 1) -> tuple[IntArray, Array]:
    """Columns ``(H, M, 3)`` and coefficients ``(M, 3)`` of worth x(n) - share (R(n) - R(h)), ``worth`` by own type."""
    t, i, own = stage.period, stage.buyer, worth[_own(stage)]
    sold = columns.allocation[t][i].reshape(stage.histories, -1)
    after = columns.realised[t + 1][i].reshape(sold.shape)
    before = np.broadcast_to(columns.realised[t][i][:, None], sold.shape)
    one = np.ones(len(own), dtype=np.int64) * share
    return np.stack([sold, after, before], axis=-1), np.stack([own, -one, one], axis=-1)


def _zeros(stage: Stage, worth: Array) -> int:
    """How many of the profiles have a worth of 0."""
    return int(np.count_nonzero(worth[_own(stage)] == 0))


def _divided(coefficients: Array, amount: float | Fraction) -> tuple[Array, float]:
    """Coefficients and upper side of a row that is at most an amount."""
    if amount == 0:
        return coefficients, 0.0
    return coefficients / abs(amount), 1.0 if amount > 0 else -1.0


def _each_rows(constraint: PaymentConstraint, stage: Stage, columns: Columns) -> Rows:
    index, coefficients = _paid(stage, stage.values, columns)
    if isinstance(constraint, PaymentCap):
        coefficients, upper = _divided(coefficients, stage.money(constraint.amount(stage.buyer)))
        return Rows(index, coefficients, -np.inf, upper)
    return Rows(index, coefficients, 0.0, 0.0 if isinstance(constraint, NoMoney) else np.inf)


def _each(constraint: PaymentConstraint, stage: Stage) -> RowFamily:
    """One buyer's payments in one period."""
    profiles = prod(stage.types)
    axes = (("history", stage.histories), ("report profile", profiles))
    entries = stage.histories * (3 * profiles - _zeros(stage, stage.values))
    build = partial(_each_rows, constraint, stage)
    return CountedFamily(constraint.name, stage.buyer, stage.period, axes, 3, build, None, entries)


def _path_rows(constraint: Budget | PrefixBudget, stages: Sequence[Stage], columns: Columns) -> Rows:
    """Payments on every path of the length of the stages."""
    last, i, tree = stages[-1], stages[0].buyer, stages[0].tree
    count = tree.count[last.period + 1]
    index, coefficients = [], []
    for stage in stages:
        node = np.arange(count) // (count // tree.count[stage.period + 1])
        index.append(columns.allocation[stage.period][i].ravel()[node])
        coefficients.append((stage.to_seller * stage.values)[_own(stage)][node % prod(stage.types)])
    for length, share in enumerate(receipts(stages)):
        if share != 0:
            index.append(columns.realised[length][i][np.arange(count) // (count // tree.count[length])])
            coefficients.append(np.full(count, share))
    shape = (last.histories, -1, len(index))
    divided, upper = _divided(np.stack(coefficients, axis=-1), stages[0].money_now(constraint.amount(i)))
    return Rows(np.stack(index, axis=-1).reshape(shape), divided.reshape(shape), -np.inf, upper)


def _path(constraint: Budget | PrefixBudget, stages: Sequence[Stage]) -> RowFamily:
    """One buyer's payments on paths."""
    last, tree = stages[-1], stages[0].tree
    profiles, count = prod(last.types), tree.count[last.period + 1]
    axes = (("history", last.histories), ("report profile", profiles))
    zeros = sum(_zeros(stage, stage.values) * (count // prod(stage.types)) for stage in stages)
    build = partial(_path_rows, constraint, stages)
    width = len(stages) + sum(bool(share != 0) for share in receipts(stages))
    return CountedFamily(constraint.name, last.buyer, last.period, axes, width, build, None, count * width - zeros)


def _balance_rows(strong: bool, stages: Sequence[Stage], columns: Columns) -> Rows:
    parts = [_paid(stage, stage.margins, columns, stage.to_seller) for stage in stages]
    index, coefficients = (np.concatenate([part[k] for part in parts], axis=-1) for k in range(2))
    return Rows(index, coefficients, 0.0, 0.0 if strong else np.inf)


def _balance(constraint: PaymentConstraint, stages: Sequence[Stage]) -> RowFamily:
    """All buyers' payments in one period."""
    first = stages[0]
    profiles = prod(first.types)
    axes = (("history", first.histories), ("report profile", profiles))
    zeros = sum(_zeros(stage, stage.margins) for stage in stages)
    entries = first.histories * (3 * len(stages) * profiles - zeros)
    build = partial(_balance_rows, isinstance(constraint, StrongBudgetBalance), stages)
    return CountedFamily(constraint.name, None, first.period, axes, 3 * len(stages), build, None, entries)


def _ex_ante_rows(stages: Sequence[Sequence[Stage]], columns: Columns) -> Rows:
    tree = stages[0][0].tree
    index, coefficients, reach = [], [], np.ones(1, dtype=np.int64)
    for t, row in enumerate(stages):
        reach = np.multiply.outer(reach, tree.distribution[t].ravel()).ravel()
        for stage in row:
            index.append(columns.allocation[t][stage.buyer].ravel())
            margins = stage.margins[_own(stage)]
            coefficients.append((reach.reshape(-1, len(margins)) * margins).ravel())
    for i in range(len(stages[0])):
        shares = receipts([row[i] for row in stages])
        if not any(shares[:-1]):  # the mean of R at the end is S at the start
            index.append(columns.lifetime[0][i])
            coefficients.append(np.array([shares[-1]]))
            continue
        reach = np.ones(1, dtype=np.int64)
        for length, share in enumerate(shares):
            if length:
                reach = np.multiply.outer(reach, tree.distribution[length - 1].ravel()).ravel()
            if share != 0:
                index.append(columns.realised[length][i])
                coefficients.append(reach * share)
    return Rows(np.concatenate(index)[None], np.concatenate(coefficients)[None], 0.0, np.inf)


def _ex_ante(stages: Sequence[Sequence[Stage]]) -> RowFamily:
    """The expected budget: one row."""
    shares = [receipts([row[i] for row in stages]) for i in range(len(stages[0]))]
    entries, likely = sum(not any(own[:-1]) for own in shares), 1
    for length, row in enumerate(stages, 1):
        shape = row[0].types
        chances = np.ones(shape, dtype=bool)
        for stage, distribution in zip(row, row[0].distributions, strict=True):
            chances &= np.asarray(distribution > 0).reshape([-1 if j == stage.buyer else 1 for j in range(len(shape))])
        entries += sum(likely * int(np.count_nonzero(chances.ravel() & (s.margins[_own(s)] != 0))) for s in row)
        likely *= int(np.count_nonzero(chances))
        entries += likely * sum(bool(any(own[:-1]) and own[length] != 0) for own in shares)
    build = partial(_ex_ante_rows, stages)
    return CountedFamily(ExAnteBudgetBalance.name, None, 0, (), entries, build, None, entries)


def payment_families(
    subject_to: Sequence[PaymentConstraint], stage: Callable[[int, int], Stage], periods: int, buyers: int
) -> Iterator[RowFamily]:
    """Rows of constraints on payments, in their order.

    Parameters
    ----------
    subject_to : sequence of PaymentConstraint
    stage : callable
        From period and buyer to her numbers.
    periods, buyers : int
    """
    stages = [[stage(t, i) for i in range(buyers)] for t in range(periods)] if subject_to else []
    for constraint in subject_to:
        if isinstance(constraint, (NoMoney, NoSubsidy, PaymentCap)):
            yield from (_each(constraint, one) for row in stages for one in row)
        elif isinstance(constraint, (Budget, PrefixBudget)):
            lengths = range(1, periods + 1) if isinstance(constraint, PrefixBudget) else (periods,)
            for length in lengths:
                yield from (_path(constraint, [row[i] for row in stages[:length]]) for i in range(buyers))
        elif isinstance(constraint, ExAnteBudgetBalance):
            yield _ex_ante(stages)
        else:
            yield from (_balance(constraint, row) for row in stages)
