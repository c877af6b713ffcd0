"""The inequalities of robust transfers, each for every distribution of a set: families of rows, and cutting planes."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any, NamedTuple

import numpy as np

from mechopt.closedform.contingent.program.numbers import Numbers, others_of, own_of, with_own
from mechopt.closedform.contingent.program.optimum import Infeasible, Program, repaired, smallest_payments
from mechopt.closedform.contingent.program.rows import MAX_ENTRIES, Kind, Layout, Rows, Worth, last_rows, stacked_rows
from mechopt.core.errors import LimitError, MechoptError
from mechopt.core.numbers import Array, FloatArray, IntArray
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.kernels.lines import Lines
from mechopt.environment.kernels.sets import KernelSet

VIOLATED = 1e-9
"""Violation, relative to the money of the program, from which a distribution is added."""
MOST_ROUNDS = 500
"""Rounds of cutting planes."""


class Family(NamedTuple):
    """Rows ``sum sign x[column] + d q.(sum sign x[columns] + constant) >= side`` for every q of the lines' sets.

    Attributes
    ----------
    lines : Lines
        Whose sets the distributions are of.
    side : array ``(line,)``
    now : list of (int array ``(line,)``, sign)
        Columns outside the expectation.
    later : list of (int array ``(line, next profile)``, sign)
        Columns inside; -1 for none.
    constant : array ``(line, next profile)``
    label : int array ``(line, 5)``
        As of `Rows`.
    """

    lines: Lines
    side: Array
    now: list[tuple[IntArray, int]]
    later: list[tuple[IntArray, int]]
    constant: Array
    label: IntArray

    def worth(self, x: Array) -> Array:
        """Terms inside the expectation; axes: line, next profile."""
        padded: Array = np.concatenate([x, np.array([Fraction(0) if x.dtype == object else 0.0], dtype=x.dtype)])
        return np.asarray(sum((sign * padded[columns] for columns, sign in self.later), self.constant))

    def slack(self, x: Array, distribution: Array, discount: Any) -> Array:
        """How much each row has left under its distribution."""
        outside = sum((sign * x[column] for column, sign in self.now), -self.side)
        return np.asarray(outside + discount * (distribution * self.worth(x)).sum(axis=1))

    def rows(self, which: IntArray, distribution: Array, discount: Any) -> Rows:
        """Rows of some lines under distributions."""
        count, outcomes = distribution.shape
        at = np.arange(count)
        entries = [(at, column[which], np.full(count, sign, dtype=distribution.dtype)) for column, sign in self.now]
        for columns, sign in self.later:
            row = np.broadcast_to(at[:, np.newaxis], (count, outcomes))
            entries.append((row.ravel(), columns[which].ravel(), (sign * discount * distribution).ravel()))
        row, column, value = (np.concatenate([entry[k] for entry in entries]) for k in range(3))
        kept = (column >= 0) & (value != 0).astype(bool)
        side = self.side[which] - discount * (distribution * self.constant[which]).sum(axis=1)
        equal = np.zeros(count, dtype=bool)
        return Rows(row[kept], column[kept], value[kept], side, equal, self.label[which])


@dataclass(frozen=True)
class Block:
    """A program of one agent: all periods, or one where periods are apart.

    Attributes
    ----------
    agent : int
    periods : tuple of int
        Whose transfers are unknown.
    layout : Layout
        Of the largest values of the truth, of transfers and of the last period's payments.
    lower : tuple over periods of Worth
    families : list of Family
    plain : list of Rows
        Without any distribution: the last period's.
    count : int
    """

    agent: int
    periods: tuple[int, ...]
    layout: Layout
    lower: tuple[Worth, ...]
    families: list[Family]
    plain: list[Rows]
    count: int


class Cuts(NamedTuple):
    """Rows that were added: of a family, which lines, and the names of the distributions (None: the given ones)."""

    family: int
    which: IntArray
    names: IntArray | None


class Solved(NamedTuple):
    """Unknowns of a block, and the rows that they were found from."""

    x: FloatArray
    cuts: list[Cuts]


class Contradiction(NamedTuple):
    """Multipliers of the rows of the cuts, in order, the plain ones first."""

    multipliers: FloatArray
    cuts: list[Cuts]


class Asked(NamedTuple):
    """Setting of robust transfers.

    Attributes
    ----------
    environment : InterdependentTypes
    kernels : KernelSet
    policy : tuple over periods of int arrays ``(profile,)``
    constant : bool
        Whether the last period's action is one whatever the reports.
    controlled : tuple over periods of bool
        Whether transitions, or their sets, depend on actions.
    """

    environment: InterdependentTypes
    kernels: KernelSet
    policy: tuple[IntArray, ...]
    constant: bool
    controlled: tuple[bool, ...]


def blocks(asked: Asked, numbers: Numbers, agent: int) -> list[Block]:
    """Programs of an agent: one, or one a period where no transitions depend on actions."""
    periods = range(len(numbers.kernel))
    parts = [tuple(periods)]
    if not any(asked.controlled):
        parts = [(t,) for t in periods] + ([] if numbers.infinite or asked.constant else [()])
    return [_block(asked, numbers, agent, part) for part in parts]


def _block(asked: Asked, numbers: Numbers, agent: int, periods: tuple[int, ...]) -> Block:
    policy, constant = asked.policy, asked.constant
    at, final = 0, -1 if numbers.infinite else numbers.stages - 1
    together = any(asked.controlled)
    upper, lower, last = list[Worth](), list[Worth](), None
    for t, shape in enumerate(numbers.shape):
        size = prod(shape)
        none = np.full(size, -1)
        if t == final:
            paid = none
            if not constant and (together or not periods):
                paid = last = at + np.arange(size)
                at += size
            ends = Worth(numbers.values[t][agent][policy[t], np.arange(size)], -1, paid)
            upper.append(ends)
            lower.append(ends)
            continue
        for values in (upper, lower):
            values.append(Worth(numbers.zeros(size), 1, at + np.arange(size) if together else none))
            at += size if together else 0
    transfers = []
    for t in range(len(numbers.kernel)):
        then = numbers.shape[numbers.following(t)]
        table = (prod(numbers.shape[t]), prod(then) // then[agent] if t in periods else 0)
        transfers.append(at + np.arange(prod(table)).reshape(table))
        at += prod(table)
    where = Layout(agent, tuple(upper), tuple(transfers), last, None, at)
    families = [
        family for t in periods for family in _families(asked, numbers, where, tuple(lower), t) if len(family.side)
    ]
    plain = [] if last is None else [last_rows(numbers, where, policy)]
    return Block(agent, periods, where, tuple(lower), families, [rows for rows in plain if len(rows.side)], at)


def _families(asked: Asked, numbers: Numbers, where: Layout, lower: tuple[Worth, ...], t: int) -> list[Family]:
    policy, together = asked.policy, any(asked.controlled)
    agent, shape, following = where.agent, numbers.shape[t], numbers.following(t)
    own, moved = own_of(shape, agent), with_own(shape, agent)
    values, actions = numbers.values[t][agent], policy[t]
    true, told = (axis.ravel() for axis in np.broadcast_arrays(moved, np.arange(len(moved))[:, np.newaxis]))
    true, told = true[true != told], told[true != told]
    paid = where.transfers[t][:, others_of(numbers.shape[following], agent)]  # reported profile, next profile
    if len(true) * paid.shape[1] * 8 > MAX_ENTRIES:
        size = len(true) * paid.shape[1] * 8
        raise LimitError(f"the robust program has about {size:,} coefficients a round, at most {MAX_ENTRIES:,}")
    later = range(following, len(numbers.kernel))
    apart = any(asked.controlled[s] for s in later)

    def family(
        action: IntArray, profile: IntArray, side: Array, now: Any, inside: Any, kind: Kind, report: Any
    ) -> Family:
        columns, constant = list[tuple[IntArray, int]](), numbers.zeros(len(profile), paid.shape[1])
        for part, sign in inside:
            if isinstance(part, Worth):
                constant = constant + sign * part.constant
                columns.append((np.broadcast_to(part.column, constant.shape), sign * part.sign))
            else:
                columns.append((paid[part], sign))
        label = np.stack(np.broadcast_arrays(int(kind), agent, t, profile, report), axis=1).astype(np.int64)
        return Family(Lines(asked.environment, t, action, profile), side, now, columns, constant, label)

    upper_later, lower_later = where.worth[following], lower[following]
    same = actions[told] == actions[true]
    k, m = true[same], told[same]
    found = [family(actions[k], k, numbers.zeros(len(k)), [], [(m, 1), (k, -1)], Kind.MISREPORT, own[m])]
    k, m = true[~same], told[~same]
    if not asked.controlled[t]:
        side = values[actions[m], k] - values[actions[k], k]
        between = [(lower_later, 1), (upper_later, -1)] if apart else []
        found.append(family(actions[k], k, side, [], [(m, 1), (k, -1), *between], Kind.MISREPORT, own[m]))
    else:
        now = [(lower[t].column[k], 1)]
        inside = [(m, 1), (upper_later, -1)]
        found.append(family(actions[m], k, values[actions[m], k], now, inside, Kind.MISREPORT, own[m]))
    if together:
        s = np.arange(len(moved))
        flow = values[actions, s]
        above = [(s, 1), (upper_later, -1)]
        found.append(family(actions, s, flow, [(where.worth[t].column, 1)], above, Kind.BOUND, 1))
        below = [(s, -1), (lower_later, 1)]
        found.append(family(actions, s, -flow, [(lower[t].column, -1)], below, Kind.BOUND, 0))
    return found


def cut_rows(block: Block, cuts: list[Cuts], kernels: KernelSet, discount: Any, exact: bool) -> Rows:
    """The rows of the cuts, the plain ones first."""
    parts = list(block.plain)
    for family, which, names in cuts:
        distribution = _distributions(block.families[family], which, names, kernels, exact)
        parts.append(block.families[family].rows(which, distribution, discount))
    return stacked_rows([(rows, 0) for rows in parts])


def _distributions(family: Family, which: IntArray, names: IntArray | None, kernels: KernelSet, exact: bool) -> Array:
    lines = family.lines
    some = Lines(lines.environment, lines.period, lines.action[which], lines.profile[which])
    if names is None:
        return some.exact if exact else some.given
    return kernels.exact_points(some, names) if exact else kernels.points(some, names)


def distributions(block: Block, cuts: list[Cuts], kernels: KernelSet) -> list[tuple[Fraction, ...] | None]:
    """Those of the rows of the cuts, as fractions; None for the plain ones."""
    found: list[tuple[Fraction, ...] | None] = [None] * sum(len(rows.side) for rows in block.plain)
    for family, which, names in cuts:
        found += [
            tuple(distribution)
            for distribution in _distributions(block.families[family], which, names, kernels, exact=True)
        ]
    return found


def cut(block: Block, kernels: KernelSet, discount: float, scale: float) -> Solved | Contradiction:
    """Solve a block by cutting planes: rows of the given kernel first, then the worst of those violated.

    Raises
    ------
    LimitError
        If there are too many rounds.
    """
    if not block.families and not block.plain:
        return Solved(np.zeros(block.count), [])
    cuts = [Cuts(f, np.arange(len(family.side)), None) for f, family in enumerate(block.families)]
    for _ in range(MOST_ROUNDS):
        rows = cut_rows(block, cuts, kernels, discount, exact=False)
        program = Program(rows, block.count, block.layout.paid, scale)
        found = smallest_payments(program)
        if isinstance(found, Infeasible):
            return Contradiction(found.multipliers, cuts)
        added = violated(block, kernels, found * scale, discount, VIOLATED * scale)
        if not added:
            x = repaired(program, program.matrix, found * scale)
            if violated(block, kernels, x, discount, 10 * VIOLATED * scale):
                x = found * scale
            return Solved(x, cuts)
        cuts += added
    raise LimitError(f"robust transfers: no solution after {MOST_ROUNDS} rounds; try a smaller set")


def violated(block: Block, kernels: KernelSet, x: FloatArray, discount: float, above: float) -> list[Cuts]:
    """Rows that the worst distributions violate."""
    found = []
    for f, family in enumerate(block.families):
        names = kernels.worst(family.lines, family.worth(x))
        slack = family.slack(x, kernels.points(family.lines, names), discount)
        which = np.flatnonzero(slack < -above)
        if len(which):
            found.append(Cuts(f, which, names[which]))
    return found


def exact_violated(block: Block, kernels: KernelSet, x: list[Fraction], discount: Fraction) -> list[Cuts]:
    """The same in fractions, for a block of fractions."""
    found = []
    vector = np.array(x, dtype=object)
    for f, family in enumerate(block.families):
        worth = family.worth(vector)
        names = kernels.worst(family.lines, _ranks(worth) if kernels.by_order else worth.astype(np.float64))
        slack = family.slack(vector, kernels.exact_points(family.lines, names), discount)
        which = np.flatnonzero((slack < 0).astype(bool))
        if len(which):
            found.append(Cuts(f, which, names[which]))
    return found


def _ranks(worth: Array) -> FloatArray:
    """Numbers in the same order, so that ties and tiny differences of fractions are not lost to rounding."""
    found = np.zeros(worth.shape)
    for line, row in zip(found, worth, strict=True):
        known = {value: k for k, value in enumerate(sorted(set(row)))}
        line[:] = [known[value] for value in row]
    return found


def require_progress(rounds: int) -> None:
    """Stop a search for exact transfers that does not end."""
    if rounds > MOST_ROUNDS:
        raise MechoptError("exact: no exact robust transfers were found near those in floats; leave exact=True out")
