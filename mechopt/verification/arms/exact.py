"""Bounds and gains of a mechanism on arms in fractions, by loops; it shares nothing with the check in floats.

Tables of the mechanism are the dyadic numbers that they are, values and moves those of the environment, its exact ones
where it has them. Bounds as in `mechopt.verification.arms.bounds`, gains at a joint state from each arm alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import cached_property
from math import prod
from typing import Any

from mechopt.mechanism.endless.arms import ArmsMechanism
from mechopt.verification.exact import fixed_point, require_few

ZERO, ONE = Fraction(0), Fraction(1)
Row = list[Fraction]
Entry = tuple[int, int]
"""Arm and state."""


class _Exact:
    """Numbers of the mechanism and its environment."""

    def __init__(self, m: ArmsMechanism) -> None:
        env = m.environment
        source: Any = env.exact if env.exact is not None else env
        self.n, self.idle = m.agents, m.idling is not None
        self.d = Fraction(source.discount)
        self.value = [[Fraction(v) for v in source.values[i][0][a]] for i, a in enumerate(m.serving)]
        self.kernel = [[[Fraction(p) for p in row] for row in source.kernel[i][0][a]] for i, a in enumerate(m.serving)]
        self.index = [[Fraction(v) for v in row] for row in m.index]
        self.levels = [[Fraction(v) for v in row] for row in m.levels]
        self.table = [[[Fraction(v) for v in row] for row in table] for table in m.waiting]
        self.base, self.start = [Fraction(v) for v in m.base], [Fraction(v) for v in m.start]
        self.floor = Fraction(m.floor)
        self.top = max(self.floor, *self.start, *(levels[-1] for levels in self.levels)) + 1
        self.initial = [[Fraction(p) for p in row] for row in source.initial]

    def at(self, i: int, place: Fraction) -> Row:
        """Values of e_i from a place on, by state."""
        column = sum(level <= place for level in self.levels[i])
        return [row[column] for row in self.table[i]]

    def active(self, entry: Entry) -> bool:
        return not self.idle or self.index[entry[0]][entry[1]] > 0

    @cached_property
    def entries(self) -> list[Entry]:
        return [(i, s) for i in range(self.n) for s in range(len(self.index[i]))]

    def ends(self, i: int) -> Row:
        """Where x_i and y_i may jump, from the floor to the top."""
        return sorted({self.floor, self.top, *(max(v, self.floor) for v in (*self.levels[i], self.start[i]))})

    def top_of(self, entry: Entry) -> Fraction | None:
        """From where on e is 1; None where it always is."""
        i, s = entry
        row, found = self.table[i][s], None
        for column in reversed(range(len(row))):
            if row[column] != 1:
                found = self.levels[i][column]
                break
        return found


class _Pieces:
    """X and y of an arm's states on its intervals."""

    def __init__(self, exact: _Exact, i: int) -> None:
        self.ends = exact.ends(i)
        columns = [exact.at(i, left) for left in self.ends[:-1]]
        states = range(len(exact.value[i]))
        self.x = [
            [int(left >= exact.start[i]) - e[s] for left, e in zip(self.ends, columns, strict=False)] for s in states
        ]
        self.y = [
            [
                e[s] - exact.d * sum((p * v for p, v in zip(exact.kernel[i][s], e, strict=True) if p), ZERO)
                for e in columns
            ]
            for s in states
        ]

    def integral(self, row: Sequence[Fraction], low: Fraction, high: Fraction) -> Fraction:
        """Of a function that is constant on the intervals."""
        total = ZERO
        for left, right, value in zip(self.ends, self.ends[1:], row, strict=False):
            total += value * max(min(right, high) - max(left, low), ZERO)
        return total

    def largest(self, row: Sequence[Fraction], cap: Fraction | None, add: Fraction, sign: int) -> Fraction:
        """Largest over M, up to the cap, of sign times (a number and the integral from M on)."""
        low, top = self.ends[0], self.ends[-1]
        cap = low if cap is None else min(max(cap, low), top)
        tails, total = [ZERO], ZERO
        for left, right, value in zip(self.ends[-2::-1], self.ends[:0:-1], row[::-1], strict=True):
            total += value * (right - left)
            tails.append(total)
        tails.reverse()  # from each end on
        found = [sign * (add + tail) for end, tail in zip(self.ends, tails, strict=True) if end <= cap]
        return max(*found, sign * (add + self.integral(row, cap, top)), found[0])


def exact_bounds(m: ArmsMechanism) -> list[tuple[Fraction, Fraction]]:
    """Largest gain of a misreport and largest shortfall of utility of each agent, at most.

    Raises
    ------
    LimitError
        If there are too many products.
    """
    require_few(sum(len(v) ** 2 * (len(v) + 2) for v in m.index), "the check of arms")
    exact = _Exact(m)
    pieces, d = [_Pieces(exact, i) for i in range(exact.n)], exact.d
    tops = {entry: exact.top_of(entry) for entry in exact.entries}
    order = sorted(exact.entries, key=lambda entry: (-exact.index[entry[0]][entry[1]], entry[0]))
    place = {entry: rank for rank, entry in enumerate(order)}
    last = [max(place[i, s] for s in range(len(exact.index[i]))) for i in range(exact.n)]
    wins = {
        entry: exact.active(entry) and all(last[j] > place[entry] for j in range(exact.n) if j != entry[0])
        for entry in exact.entries
    }
    below = _running(order[::-1], tops, exact.n, lambda entry: True, max)
    above = _running(order, tops, exact.n, lambda entry: wins[entry], min)
    found = list[tuple[Fraction, Fraction]]()
    for i, piece in enumerate(pieces):
        states = range(len(exact.index[i]))
        fixed = [exact.value[i][s] - exact.base[i] - (1 - d) * exact.top for s in states]
        off, most = ZERO, ZERO
        winning = [s for s in states if wins[i, s]]
        for s in winning:
            off = max(off, *(piece.largest(piece.y[s], below[i, s], fixed[s], sign) for sign in (1, -1)))
        if winning:
            caps = [below[i, s] for s in winning if below[i, s] is not None]
            cap = max(caps) if caps else None  # type: ignore[type-var]
            most = max(most, *(piece.largest(piece.y[s], cap, fixed[s], 1) for s in states))
        others = [(pieces[k], s, tops[k, s]) for k, s in exact.entries if k != i and wins[k, s]]
        falls = max(
            (p.integral([max(-v, ZERO) for v in p.y[s]], exact.floor, exact.top) for p, s, _ in others), default=ZERO
        )
        rise = max((max(map(abs, p.y[s])) for p, s, _ in others), default=ZERO)
        early = max(
            (p.integral([abs(v) for v in p.y[s]], exact.floor, top) for p, s, top in others if top is not None),
            default=ZERO,
        )
        resting = [[s for s, v in enumerate(row) if v <= 0] for row in exact.index]
        at_rest = exact.idle and all(resting)
        for s in states:
            wrong = piece.integral([max(-v, ZERO) for v in piece.x[s]], exact.floor, exact.top)
            if others:
                most = max(most, max(ZERO, *piece.x[s]) * falls + rise * wrong)
            if (i, s) in above:
                start = exact.floor if above[i, s] is None else above[i, s]
                late = piece.integral([abs(v) for v in piece.x[s]], start, exact.top)  # type: ignore[arg-type]
                off = max(off, max(map(abs, piece.x[s])) * early + rise * late)
            if at_rest:
                most = max(most, -(1 - d) * piece.integral(piece.x[s], exact.floor, exact.top))
                if s in resting[i]:
                    off = max(off, (1 - d) * piece.integral([abs(v) for v in piece.x[s]], exact.floor, exact.top))
        short = max(piece.largest(piece.x[s], exact.top, ZERO, -1) for s in states)
        found.append((most + (1 + d) * off / (1 - d), short + off / (1 - d)))
    return found


def _running(
    order: list[Entry],
    tops: dict[Entry, Fraction | None],
    n: int,
    counts: Callable[[Entry], bool],
    best: Callable[[list[Fraction | None]], Any],
) -> dict[Entry, Fraction | None]:
    """Largest or smallest top of other arms' entries that come before in a list; entries without any are left out.

    None is below all numbers.
    """
    by_arm, found = dict[int, Fraction | None](), dict[Entry, Fraction | None]()

    def of(values: list[Fraction | None]) -> Fraction | None:
        numbers = [v for v in values if v is not None]
        if len(numbers) < len(values) and best is min:
            return None
        return best(numbers) if numbers else None  # type: ignore[arg-type]

    for entry in order:
        rest = [v for k, v in by_arm.items() if k != entry[0]]
        if rest:
            found[entry] = of(rest)
        if counts(entry):
            own = [by_arm[entry[0]]] if entry[0] in by_arm else []
            by_arm[entry[0]] = of([*own, tops[entry]])
    for entry in order if best is max else ():
        found.setdefault(entry, None)
    return found


class _Alone:
    """Arms at a joint state: discounts and sums of each alone, by level."""

    def __init__(self, m: ArmsMechanism) -> None:
        self.exact = _Exact(m)
        e = self.exact
        sizes = [len(row) for row in e.index]
        require_few(sum(k**4 for k in sizes) + sum(k**2 for k in sizes) * sum(sizes), "the gain at a joint state")
        self.levels = [sorted({v for v in row if not e.idle or v > 0}, reverse=True) for row in e.index]
        places = {e.floor, *(max(v, e.floor) for rows in (*e.levels, e.start) for v in rows)}
        self.ends = [*sorted(places), e.top]

    def reach(self, j: int, chances: Row) -> list[Row]:
        """Expected discount at the first state below each level, by that state, from a distribution of states."""
        e, found = self.exact, [chances]
        size = range(len(chances))
        for level in self.levels[j]:
            on = [s for s in size if e.index[j][s] >= level]
            visits = fixed_point([[e.kernel[j][t][s] for t in on] for s in on], [chances[s] for s in on], e.d)
            row = [ZERO if s in on else chances[s] for s in size]
            for t, weight in zip(on, visits, strict=True):
                for s in size:
                    if s not in on and e.kernel[j][t][s]:
                        row[s] += e.d * weight * e.kernel[j][t][s]
            found.append(row)
        return found

    def sums(self, i: int, flow: Row) -> list[Row]:
        """Discounted sums of a flow until below each level, by state."""
        e, found = self.exact, [[ZERO] * len(flow)]
        for level in self.levels[i]:
            on = [s for s in range(len(flow)) if e.index[i][s] >= level]
            values = fixed_point([[e.kernel[i][s][t] for t in on] for s in on], [flow[s] for s in on], e.d)
            row = [ZERO] * len(flow)
            for s, value in zip(on, values, strict=True):
                row[s] = value
            found.append(row)
        return found

    def truth(self, i: int, laws: Sequence[Row]) -> Row:
        """V_i by own state, the others' states being distributed so."""
        e = self.exact
        reach = {j: self.reach(j, chances) for j, chances in enumerate(laws) if j != i}
        values, services = self.sums(i, e.value[i]), self.sums(i, [ONE] * len(e.value[i]))
        found = [ZERO] * len(e.value[i])
        spread = {j: [e.at(j, left) for left in self.ends[:-1]] for j in reach}
        for q, level in enumerate(self.levels[i]):
            rows = {
                j: row[sum(v > level or (v == level and j < i) for v in self.levels[j])] for j, row in reach.items()
            }
            done = prod((sum(row, ZERO) for row in rows.values()), start=ONE)
            waited = ZERO
            for c, (left, right) in enumerate(zip(self.ends, self.ends[1:], strict=False)):
                if left >= e.start[i]:
                    parts = (
                        sum((p * v for p, v in zip(row, spread[j][c], strict=True)), ZERO) for j, row in rows.items()
                    )
                    waited += (right - left) * prod(parts, start=ONE)
            charged = (e.base[i] + (1 - e.d) * e.top) * done - (1 - e.d) * waited
            for s in range(len(found)):
                found[s] += (values[q + 1][s] - values[q][s]) * done - (services[q + 1][s] - services[q][s]) * charged
        return found

    def price(self, i: int, state: Sequence[int]) -> Fraction:
        e, kept = self.exact, ZERO
        for left, right in zip(self.ends, self.ends[1:], strict=False):
            if left >= e.start[i]:
                kept += (right - left) * prod((e.at(j, left)[s] for j, s in enumerate(state) if j != i), start=ONE)
        return e.base[i] + (1 - e.d) * (e.top - kept)

    def served(self, state: Sequence[int]) -> int | None:
        e = self.exact
        best = max(range(e.n), key=lambda i: (e.index[i][state[i]], -i))
        return best if e.active((best, state[best])) else None


def _at(size: int, s: int) -> Row:
    return [ONE if t == s else ZERO for t in range(size)]


def exact_gain(m: ArmsMechanism, i: int, state: Sequence[int]) -> Fraction:
    """Gain of agent i's misreport at a joint state; 0 where no report changes who is served."""
    alone = _Alone(m)
    e, now = alone.exact, alone.served(state)
    laws = [_at(len(e.value[j]), s) for j, s in enumerate(state)]
    honest = alone.truth(i, laws)
    for r in range(len(e.value[i])):
        then = alone.served([*state[:i], r, *state[i + 1 :]])
        if then == now:
            continue
        if then == i:
            later = sum((p * v for p, v in zip(e.kernel[i][state[i]], honest, strict=True)), ZERO)
            told = e.value[i][state[i]] - alone.price(i, state) + e.d * later
        elif then is None:
            told = e.d * honest[state[i]]
        else:
            laws[then] = e.kernel[then][state[then]]
            told = e.d * alone.truth(i, laws)[state[i]]
        return told - honest[state[i]]
    return ZERO


def exact_utility(m: ArmsMechanism, i: int, state: Sequence[int]) -> Fraction:
    """How far what truth is worth to agent i at a joint state is below 0."""
    alone = _Alone(m)
    laws = [_at(len(alone.exact.value[j]), s) for j, s in enumerate(state)]
    return -alone.truth(i, laws)[state[i]]


def exact_first(m: ArmsMechanism) -> Iterator[tuple[int, int, Fraction]]:
    """Agent, first state and utility expected over the others' first states."""
    alone = _Alone(m)
    for i, chances in enumerate(alone.exact.initial):
        found = alone.truth(i, alone.exact.initial)
        yield from ((i, s, found[s]) for s, p in enumerate(chances) if p)
