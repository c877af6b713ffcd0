"""The inequalities of one agent: what the truth is worth, and that no report is worth more.

Unknowns of an agent, in one vector: her truthful values V by period and profile, then her transfers by period, reported
profile and the others' next profile, then the last period's payments by profile, then her entry fee. Values may have a
form instead of being free: W less a function of the others' signals (Vickrey-Clarke-Groves), or W itself (Lemma A.3).
Every row reads ``coefficients . x >= side``, or equals it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from math import prod
from typing import Any, NamedTuple

import numpy as np

from mechopt.closedform.contingent.program.numbers import Numbers, marginal, others_of, own_of, with_own
from mechopt.core.errors import LimitError
from mechopt.core.numbers import Array, IntArray

MAX_ENTRIES = 40_000_000
"""Coefficients of one agent that a program is built with."""


class Kind(IntEnum):
    """Kind of a row."""

    TRUTH = 0
    MISREPORT = 1
    LAST = 2
    PARTICIPATION = 3
    CAP = 4
    BALANCE = 5
    BOUND = 6


class Rows(NamedTuple):
    """Rows of a program by entries.

    Attributes
    ----------
    row, column : int arrays ``(entry,)``
    value : array ``(entry,)``
    side : array ``(row,)``
    equal : bool array ``(row,)``
        Whether the row is an equation; else at least `side`.
    label : int array ``(row, 5)``
        Kind, agent (-1 for all), period, true profile, report. For participation the profile is the first one or, for
        one's own first signal, that signal; for a cap it is the number of the payment, and the report 1 where the
        payment is not to be below; for balance the report is the next profile; for bounds of what the truth is worth it
        is 1 from above and 0 from below.
    """

    row: IntArray
    column: IntArray
    value: Array
    side: Array
    equal: Array
    label: IntArray


@dataclass(frozen=True)
class Worth:
    """Truthful values of a period as ``constant + sign * x[column]``; axes: profile. Column -1: the constant alone."""

    constant: Array
    sign: int
    column: IntArray


@dataclass(frozen=True)
class Layout:
    """Where the unknowns of an agent are.

    Attributes
    ----------
    agent : int
    worth : tuple over periods of Worth
    transfers : tuple over periods of int arrays ``(reported profile, others' next profile)``
        Columns.
    last : int array ``(profile,)``, or None
        Columns of the last period's payments.
    fee : int or None
        Column of the entry fee.
    count : int
    """

    agent: int
    worth: tuple[Worth, ...]
    transfers: tuple[IntArray, ...]
    last: IntArray | None
    fee: int | None
    count: int

    @property
    def paid(self) -> IntArray:
        """All columns that are payments."""
        parts = [table.ravel() for table in self.transfers]
        parts += [] if self.last is None else [self.last]
        parts += [] if self.fee is None else [np.array([self.fee])]
        return np.concatenate([np.zeros(0, np.int64), *parts]).astype(np.int64)


def layout(numbers: Numbers, agent: int, policy: Any, welfare: Any, form: str, constant: bool, fee: bool) -> Layout:
    """Number the unknowns of an agent.

    Parameters
    ----------
    numbers : Numbers
    agent : int
    policy : tuple over periods of int arrays ``(profile,)``
    welfare : tuple over periods of arrays ``(profile,)``, or None
        W, where values have a form.
    form : {"free", "vcg", "surplus"}
    constant : bool
        Whether the last period's action is one whatever the reports, and nothing is paid for it.
    fee : bool
    """
    at, worth = 0, list[Worth]()
    final = -1 if numbers.infinite else numbers.stages - 1
    last = None
    for t, shape in enumerate(numbers.shape):
        size = prod(shape)
        if t == final:
            flow = numbers.values[t][agent][policy[t], np.arange(size)]
            columns = np.full(size, -1)
            if not constant:
                columns = last = at + np.arange(size)
                at += size
            worth.append(Worth(flow, -1, columns))
        elif form == "free":
            worth.append(Worth(numbers.zeros(size), 1, at + np.arange(size)))
            at += size
        elif form == "vcg":
            worth.append(Worth(welfare[t], -1, at + others_of(shape, agent)))
            at += size // shape[agent]
        else:
            worth.append(Worth(welfare[t], 1, np.full(size, -1)))
    transfers = []
    for t in range(len(numbers.kernel)):
        then = numbers.shape[numbers.following(t)]
        table = (prod(numbers.shape[t]), prod(then) // then[agent])
        transfers.append(at + np.arange(prod(table)).reshape(table))
        at += prod(table)
    column = at if fee else None
    return Layout(agent, tuple(worth), tuple(transfers), last, column, at + fee)


def incentive_rows(numbers: Numbers, where: Layout, policy: Any) -> list[Rows]:
    """Truth and misreports of every period of one agent."""
    entries = sum(
        prod(shape) * shape[where.agent] * (2 + prod(numbers.shape[numbers.following(t)]))
        for t, shape in enumerate(numbers.shape[: len(numbers.kernel)])
    )
    if entries > MAX_ENTRIES:
        raise LimitError(
            f"the program of one agent has {entries:,} coefficients, at most {MAX_ENTRIES:,} are built; use fewer "
            "signals, or a closed form: method='convex' or 'spanning'"
        )
    found = [_stage(numbers, where, policy, t) for t in range(len(numbers.kernel))]
    if not numbers.infinite and where.last is not None:
        found.append(last_rows(numbers, where, policy))
    return found


def _stage(numbers: Numbers, where: Layout, policy: Any, t: int) -> Rows:
    """V(k) - d E V' + d E p >= u, one row a reported profile and a true signal."""
    agent, shape, discount = where.agent, numbers.shape[t], numbers.discount
    following = numbers.following(t)
    truth = with_own(shape, agent)  # reported profile, true signal: true profile
    count, own = truth.shape
    action = np.broadcast_to(policy[t][:, np.newaxis], truth.shape)
    distribution = discount * numbers.kernel[t][action, truth]
    due = marginal(distribution, numbers.shape[following], agent)
    now, then = where.worth[t], where.worth[following]
    side = numbers.values[t][agent][action, truth] - now.constant[truth]
    side = side + (distribution * then.constant).sum(axis=-1)
    rows = np.arange(count * own).reshape(count, own)
    parts = [
        _entries(rows, now.column[truth], np.full(truth.shape, now.sign, dtype=numbers.dtype)),
        _entries(rows[..., np.newaxis], np.broadcast_to(then.column, distribution.shape), -then.sign * distribution),
        _entries(rows[..., np.newaxis], np.broadcast_to(where.transfers[t][:, np.newaxis], due.shape), due),
    ]
    reported = np.broadcast_to(own_of(shape, agent)[:, np.newaxis], truth.shape)
    equal = (reported == np.arange(own)).ravel()
    label = np.stack([np.where(equal, Kind.TRUTH, Kind.MISREPORT), *_label(agent, t, truth, reported)], axis=1)
    return _joined(parts, side.ravel(), equal, label)


def last_rows(numbers: Numbers, where: Layout, policy: Any) -> Rows:
    """-q(k) + q(r) >= u(a(r), k) - u(a(k), k)."""
    agent, t = where.agent, numbers.stages - 1
    shape = numbers.shape[t]
    truth = with_own(shape, agent)
    reported = np.broadcast_to(own_of(shape, agent)[:, np.newaxis], truth.shape)
    other = reported != np.arange(shape[agent])
    true, told = truth[other], np.broadcast_to(np.arange(len(truth))[:, np.newaxis], truth.shape)[other]
    assert where.last is not None
    values = numbers.values[t][agent]
    side = values[policy[t][told], true] - values[policy[t][true], true]
    rows = np.arange(len(true))
    one: Array = np.full(len(true), 1, dtype=numbers.dtype)
    parts = [_entries(rows, where.last[true], -one), _entries(rows, where.last[told], one)]
    label = np.stack([np.full(len(true), Kind.LAST), *_label(agent, t, true, reported[other])], axis=1)
    return _joined(parts, side, np.zeros(len(true), dtype=bool), label)


def _label(agent: int, t: int, profile: Array, report: Array) -> list[Array]:
    size = profile.size
    return [np.full(size, agent), np.full(size, t), profile.ravel(), np.asarray(report).ravel()]


def _entries(rows: Array, columns: Array, values: Array) -> tuple[Array, Array, Array]:
    """Entries of one part of the rows, without zeros and without what has no column."""
    rows, columns = np.broadcast_arrays(rows, columns)
    kept = (columns >= 0) & (values != 0).astype(bool)
    return rows[kept], columns[kept], values[kept]


def _joined(parts: list[tuple[Array, Array, Array]], side: Array, equal: Array, label: Array) -> Rows:
    row, column, value = (np.concatenate([part[k] for part in parts]) for k in range(3))
    return Rows(row.astype(np.int64), column.astype(np.int64), value, side, equal, label.astype(np.int64))


def stacked_rows(parts: list[tuple[Rows, int]]) -> Rows:
    """Rows one after the other, each part with what is to be added to its columns."""
    starts = np.cumsum([0, *(len(rows.side) for rows, _ in parts)])
    return Rows(
        np.concatenate([rows.row + start for (rows, _), start in zip(parts, starts, strict=False)]),
        np.concatenate([rows.column + offset for rows, offset in parts]),
        np.concatenate([rows.value for rows, _ in parts]),
        np.concatenate([rows.side for rows, _ in parts]),
        np.concatenate([rows.equal for rows, _ in parts]),
        np.concatenate([rows.label for rows, _ in parts]),
    )
