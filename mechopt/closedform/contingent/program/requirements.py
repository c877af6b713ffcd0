"""Further demands on transfers: that agents want to take part, caps on payments, a balanced budget.

Participation is decided on before the first transfer: an agent's truthful value less her entry fee is at least what she
has outside. Budgets count all payments and the seller's costs, each in its own period.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from mechopt.closedform.contingent.program.numbers import Numbers, others_of, own_of
from mechopt.closedform.contingent.program.rows import MAX_ENTRIES, Kind, Layout, Rows
from mechopt.core.errors import InputError, LimitError
from mechopt.core.numbers import Array, IntArray, to_exact

Participation = Literal["ex-ante", "interim", "ex-post"]
Balance = Literal["ex-ante", "weak", "strong"]
Form = Literal["free", "vcg", "surplus"]
Aim = Literal["smallest", "deficit", "surplus"]

CHOICES: dict[str, tuple[Any, ...]] = {
    "objective": ("smallest", "deficit", "surplus"),
    "participation": (None, "ex-ante", "interim", "ex-post"),
    "balance": (None, "ex-ante", "weak", "strong"),
    "form": ("free", "vcg", "surplus"),
}


@dataclass(frozen=True)
class Requirements:
    """Demands on transfers besides the truth being best.

    Attributes
    ----------
    objective : {"smallest", "deficit", "surplus"}
        Least largest payment; least expected deficit; largest expected surplus of the budget. Of several solutions the
        one with the smallest largest payment.
    participation : {None, "ex-ante", "interim", "ex-post"}
        What the truth is worth less the entry fee is at least `outside`: before the first signal, given the own one, at
        every profile of first signals.
    outside : tuple over agents of Fraction
        Present value of not taking part.
    fee : bool
        Whether everybody pays, or gets, an entry fee in the first period, whatever the signals.
    cap : Fraction or None
        Largest payment, of either sign.
    balance : {None, "ex-ante", "weak", "strong"}
        Payments cover the seller's costs: in expectation, or in every period after all reports; or they equal them.
    form : {"free", "vcg", "surplus"}
        What the truth is worth to an agent: anything; W less a function of the others' signals; W, as in Lemma A.3. The
        last period apart.
    """

    objective: Aim = "smallest"
    participation: Participation | None = None
    outside: tuple[Fraction, ...] = ()
    fee: bool = False
    cap: Fraction | None = None
    balance: Balance | None = None
    form: Form = "free"

    @property
    def joint(self) -> bool:
        """Whether agents cannot be treated one by one."""
        return self.balance is not None or self.objective == "deficit"


def requirements(agents: int, outside: Any, cap: Any, fee: bool, **chosen: Any) -> Requirements:
    """Read what is asked for, and refuse what does not exist."""
    for name, known in CHOICES.items():
        if chosen[name] not in known:
            raise InputError(f"{name}: {chosen[name]!r} is none of {', '.join(map(repr, known))}")
    each = list(outside) if isinstance(outside, (Sequence, np.ndarray)) and not isinstance(outside, str) else None
    each = [outside] * agents if each is None else each
    if len(each) != agents:
        raise InputError(f"outside: has {len(each)} entries for {agents} agents; write one number, or one for each")
    try:
        exact, limit = tuple(to_exact(entry) for entry in each), None if cap is None else to_exact(cap)
    except (ValueError, TypeError) as error:
        raise InputError(f"outside, cap: {error}") from None
    if limit is not None and limit < 0:
        raise InputError(f"cap: is {limit}; it must be at least 0")
    if chosen["objective"] == "surplus" and chosen["participation"] is None and limit is None:
        raise InputError(
            "objective: the surplus is unbounded where agents have to take part; add participation='ex-ante' or "
            "another, or cap=..."
        )
    return Requirements(outside=exact, cap=limit, fee=bool(fee), **chosen)


def expected_worth(numbers: Numbers, where: Layout) -> tuple[IntArray, Array, Any]:
    """Value of the truth to an agent ex ante, less the fee: columns, coefficients, constant."""
    now = where.worth[0]
    columns, values = now.column, now.sign * numbers.initial
    kept = columns >= 0
    columns, values = columns[kept], values[kept]
    if where.fee is not None:
        columns, values = np.append(columns, where.fee), np.append(values, _one(numbers, -1))
    return columns, values, (numbers.initial * now.constant).sum()


def agent_requirements(numbers: Numbers, where: Layout, asked: Requirements) -> list[Rows]:
    """Participation and caps of one agent."""
    found = []
    if asked.participation is not None:
        found.append(_participation(numbers, where, asked))
    if asked.cap is not None:
        paid, cap = where.paid, asked.cap if numbers.exact else float(asked.cap)
        signs = np.concatenate([np.full(len(paid), _one(numbers, s), dtype=numbers.dtype) for s in (1, -1)])
        columns = np.concatenate([paid, paid])
        label = _labels(Kind.CAP, where.agent, 0, np.tile(np.arange(len(paid)), 2), np.repeat([1, 0], len(paid)))
        side: Array = np.full(len(columns), -cap, dtype=numbers.dtype)
        found.append(Rows(np.arange(len(columns)), columns, signs, side, np.zeros(len(columns), dtype=bool), label))
    return found


def _participation(numbers: Numbers, where: Layout, asked: Requirements) -> Rows:
    outside = asked.outside[where.agent] if numbers.exact else float(asked.outside[where.agent])
    now, shape, size = where.worth[0], numbers.shape[0], len(numbers.initial)
    if asked.participation == "ex-post":
        group, count = np.arange(size), size
        weight: Array = np.full(size, _one(numbers), dtype=numbers.dtype)
    elif asked.participation == "interim":
        group, weight, count = own_of(shape, where.agent), numbers.initial, shape[where.agent]
    else:
        group, weight, count = np.zeros(size, np.int64), numbers.initial, 1
    total, constant = numbers.zeros(count), numbers.zeros(count)
    np.add.at(total, group, weight)
    np.add.at(constant, group, weight * now.constant)
    kept = now.column >= 0
    rows, columns, values = group[kept], now.column[kept], (now.sign * weight)[kept]
    if where.fee is not None:
        rows, columns = np.append(rows, np.arange(count)), np.append(columns, np.full(count, where.fee))
        values = np.append(values, -total)
    entry = (values != 0).astype(bool)
    label = _labels(Kind.PARTICIPATION, where.agent, 0, np.arange(count), np.arange(count))
    side = outside * total - constant
    return Rows(rows[entry], columns[entry], values[entry], side, np.zeros(count, dtype=bool), label)


def balance_rows(numbers: Numbers, layouts: Sequence[Layout], policy: Any, asked: Requirements, welfare: Any) -> Rows:
    """Budget balance; columns of an agent come after those of the agents before.

    Parameters
    ----------
    numbers : Numbers
    layouts : sequence over agents of Layout
    policy : tuple over periods of int arrays ``(profile,)``
    asked : Requirements
    welfare : number
        Expected surplus of the rule, present value.
    """
    offsets = np.cumsum([0, *(where.count for where in layouts)])
    if asked.balance == "ex-ante":
        parts = [expected_worth(numbers, where) for where in layouts]
        columns = np.concatenate([c + offset for (c, _, _), offset in zip(parts, offsets, strict=False)])
        values = -np.concatenate([v for _, v, _ in parts])
        side: Array = np.array([sum(constant for _, _, constant in parts) - welfare], dtype=numbers.dtype)
        label = _labels(Kind.BALANCE, -1, -1, np.zeros(1, int), np.zeros(1, int))
        return Rows(np.zeros(len(columns), np.int64), columns, values, side, np.zeros(1, dtype=bool), label)
    return _every_period(numbers, layouts, policy, asked, offsets)


def _every_period(numbers: Numbers, layouts: Sequence[Layout], policy: Any, asked: Requirements, offsets: Any) -> Rows:
    rows, columns, sides, labels, at = [], [], [], [], 0
    final = -1 if numbers.infinite else numbers.stages - 1

    def paid_at_once(t: int, row: IntArray, then: IntArray) -> None:
        for where, offset in zip(layouts, offsets, strict=False):
            if t == final and where.last is not None:
                rows.append(row)
                columns.append(offset + where.last[then])

    first = np.arange(len(numbers.initial))
    for where, offset in zip(layouts, offsets, strict=False):
        if where.fee is not None:
            rows.append(first)
            columns.append(np.full(len(first), offset + where.fee))
    paid_at_once(0, first, first)
    sides.append(numbers.costs[0][policy[0]])
    labels.append(_labels(Kind.BALANCE, -1, 0, first, first))
    at += len(first)
    for t, kernel in enumerate(numbers.kernel):
        following = numbers.following(t)
        before, then = (axis.ravel() for axis in np.indices(kernel.shape[1:]))
        if at + len(then) > MAX_ENTRIES // 10:
            raise LimitError("balance: too many pairs of profiles in a row; ask for balance='ex-ante'")
        row = at + np.arange(len(then))
        for where, offset in zip(layouts, offsets, strict=False):
            rows.append(row)
            others = others_of(numbers.shape[following], where.agent)
            columns.append(offset + where.transfers[t][before, others[then]])
        paid_at_once(t + 1, row, then)
        sides.append(numbers.costs[following][policy[following]][then])
        labels.append(_labels(Kind.BALANCE, -1, t + 1, before, then))
        at += len(then)
    none = np.zeros(0, np.int64)
    row, side = np.concatenate([none, *rows]), np.concatenate(sides)
    value: Array = np.full(len(row), _one(numbers), dtype=numbers.dtype)
    equal = np.full(at, asked.balance == "strong")
    return Rows(row.astype(np.int64), np.concatenate([none, *columns]), value, side, equal, np.concatenate(labels))


def _one(numbers: Numbers, sign: int = 1) -> Any:
    return Fraction(sign) if numbers.exact else float(sign)


def _labels(kind: Kind, agent: int, period: int, profile: Iterable[int], report: Iterable[int]) -> IntArray:
    profile, report = np.asarray(profile), np.asarray(report)
    size = len(profile)
    parts = [np.full(size, int(kind)), np.full(size, agent), np.full(size, period), profile, report]
    return np.stack(parts, axis=1).astype(np.int64)
