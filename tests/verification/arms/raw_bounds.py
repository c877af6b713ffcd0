"""The bounds of `mechopt.verification.arms.bounds` from their formulas, by plain loops in fractions."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np

import mechopt as mo
from mechopt.mechanisms import arms_pivot

BELOW_ALL = Fraction(-(10**9))


def instance(seed):
    """Arms of unequal sizes that may rest, with ties; of eight one as it is, the others changed in one way each."""
    rng = np.random.default_rng(seed)
    sizes, idle = [[2, 3], [3], [2, 1, 3], [1, 2]][seed % 4], seed % 3 < 2
    values = [
        [Fraction(int(v), 8 if seed % 2 else 2) for v in rng.integers(1, 16 if seed % 2 else 5, k)] for k in sizes
    ]
    costs = [Fraction(int(c), 8) for c in rng.integers(3 if idle else 0, 13 if idle else 5, len(sizes))]
    pivot = arms_pivot(arms_of(rng, sizes, values, costs, Fraction(int(rng.integers(3, 10)), 10), idle))
    return changed(pivot, seed, rng)


def row(rng, count):
    weights = rng.integers(0, 4, count)
    weights[int(rng.integers(count))] += 1
    return [Fraction(int(w), int(weights.sum())) for w in weights]


def arms_of(rng, sizes, values, costs, discount, idle, first=row):
    """Each action serves one agent, the first one nobody where idling is possible; who is not served stands still."""
    count = len(sizes) + idle
    table = [[[0] * k if a != i + idle else values[i] for a in range(count)] for i, k in enumerate(sizes)]
    still = [np.eye(k, dtype=int).tolist() for k in sizes]
    moves = [
        [[row(rng, k) for _ in range(k)] if a == i + idle else still[i] for a in range(count)]
        for i, k in enumerate(sizes)
    ]
    initial = [first(rng, k) for k in sizes]
    return mo.MarkovTypes(table, moves, initial, cost=[0] * idle + costs, discount=discount)


def changed(pivot, seed, rng):
    size, kind = (0.02, 0.5)[seed // 4 % 2], seed // 8 % 8
    if kind == 1:
        return replace(pivot, base=pivot.base + size * rng.uniform(-1, 1, len(pivot.base)))
    if kind == 2:
        return replace(pivot, start=pivot.start + size * rng.uniform(-1, 1, len(pivot.start)))
    if kind == 3:
        rows = (np.round(row + size * rng.uniform(-2, 2, len(row)), 1) for row in pivot.index)
        return replace(pivot, index=tuple(rows))
    if kind == 4:
        tables = (np.where((t > 0) & (t < 1), np.minimum(1, t * (1 + size)), t) for t in pivot.waiting)
        return replace(pivot, waiting=tuple(tables))
    if kind == 5:
        return replace(pivot, floor=pivot.floor - size, index=tuple(row - 3 * size for row in pivot.index))
    if kind > 5:  # whatever ascends to 1, some from the start on; indices are whole numbers, often 0
        tables = [np.sort(rng.integers(0, 5, t.shape) / 4, axis=1) for t in pivot.waiting]
        for table in tables:
            table[:, -1] = 1
            table[int(rng.integers(len(table)))] = 1 if kind == 7 else table[0]
        index = tuple(rng.integers(-1, 3, len(row)).astype(float) for row in pivot.index)
        levels = tuple(row * (1 if kind == 6 else 4) for row in pivot.levels)
        base = pivot.base + rng.uniform(-1, 1, len(tables))
        return replace(pivot, waiting=tuple(tables), levels=levels, index=index, base=base)
    return pivot


class Raw:
    """e, x, y, ranks and tops of a mechanism."""

    def __init__(self, m):
        self.m, env = m, m.environment
        given = env if env.exact is None else env.exact
        self.d, self.arms = Fraction(given.discount), range(m.agents)
        self.kernel = [given.kernel[i][0][a] for i, a in enumerate(m.serving)]
        self.values = [given.values[i][0][a] for i, a in enumerate(m.serving)]
        self.states = [range(len(row)) for row in m.index]
        self.entries = [(j, s) for j in self.arms for s in self.states[j]]
        self.index = [[Fraction(float(v)) for v in row] for row in m.index]
        self.levels = [[Fraction(float(v)) for v in row] for row in m.levels]
        self.start, self.floor = [Fraction(float(v)) for v in m.start], Fraction(float(m.floor))
        self.top = max(self.floor, *self.start, *(v for row in self.levels for v in row)) + 2
        every = {self.floor, self.top, *self.start, *(v for row in self.levels for v in row)}
        self.places = sorted(v for v in every if v >= self.floor)

    def e(self, j, s, money):
        return Fraction(float(self.m.waiting[j][s][sum(v <= money for v in self.levels[j])]))

    def x(self, i, s, money):
        return (money >= self.start[i]) - self.e(i, s, money)

    def y(self, i, s, money):
        later = sum(Fraction(p) * self.e(i, z, money) for z, p in enumerate(self.kernel[i][s]))
        return self.e(i, s, money) - self.d * later

    def integral(self, f, low, high):
        """Of a function that is constant between places."""
        total = Fraction(0)
        for left, right in pairwise(self.places):
            inside = min(right, high) - max(left, low)
            total += f(left) * inside if inside > 0 else 0
        return total

    def waits(self, one, other):
        """Whether the second entry is another arm's, and waits while the first one is served."""
        (i, s), (k, z) = one, other
        if i == k:
            return False
        return self.index[k][z] < self.index[i][s] or (self.index[k][z] == self.index[i][s] and k > i)

    def wins(self, entry):
        i, s = entry
        active = self.m.idling is None or self.index[i][s] > 0
        return active and all(any(self.waits(entry, (k, z)) for z in self.states[k]) for k in self.arms if k != i)

    def top_of(self, entry):
        """From where on e is 1."""
        j, s = entry
        steps = [BELOW_ALL, *self.levels[j]]
        return min(v for v in steps if all(self.e(j, s, u) == 1 for u in steps if u >= v))

    def phi(self, i, s, money):
        own, price = Fraction(self.values[i][s]), Fraction(float(self.m.base[i]))
        return own - price - (1 - self.d) * self.top + self.integral(lambda u: self.y(i, s, u), money, self.top)

    def up_to(self, cap):
        """Where a function that is linear between places may be largest."""
        cap = min(max(cap, self.floor), self.top)
        return [*(v for v in self.places if v <= cap), cap]


def raw_bounds(m):
    """Largest gain of a misreport and largest shortfall of each agent, at most."""
    r = Raw(m)
    return [_of(r, i) for i in r.arms]


def _of(r, i):
    d, floor, top = r.d, r.floor, r.top
    winning = [s for s in r.states[i] if r.wins((i, s))]
    waiting = {s: [r.top_of(other) for other in r.entries if r.waits((i, s), other)] for s in winning}
    below = {s: max(tops, default=BELOW_ALL) for s, tops in waiting.items()}
    off = max((abs(r.phi(i, s, u)) for s in winning for u in r.up_to(below[s])), default=0)
    most = 0
    if winning:
        most = max(0, *(r.phi(i, s, u) for s in r.states[i] for u in r.up_to(max(below.values()))))

    def y(entry):
        return lambda u: r.y(*entry, u)

    def x(s):
        return lambda u: r.x(i, s, u)

    def size(f):
        return lambda u: abs(f(u))

    def negative(f):
        return lambda u: max(-f(u), 0)

    others = [entry for entry in r.entries if entry[0] != i and r.wins(entry)]
    falls = max((r.integral(negative(y(entry)), floor, top) for entry in others), default=0)
    early = max((r.integral(size(y(entry)), floor, r.top_of(entry)) for entry in others), default=0)
    rise = max((abs(r.y(*entry, u)) for entry in others for u in r.places[:-1]), default=0)
    rests = [[s for s in r.states[j] if r.index[j][s] <= 0] for j in r.arms]
    at_rest = r.m.idling is not None and all(rests)
    rest_cap = max((r.top_of((k, s)) for k in r.arms if k != i for s in rests[k]), default=BELOW_ALL)
    short = -(10**9)
    for s in r.states[i]:
        values = [r.x(i, s, u) for u in r.places[:-1]]
        short = max(short, *(-r.integral(x(s), u, top) for u in r.places))
        most = max(most, max(0, *values) * falls + rise * r.integral(negative(x(s)), floor, top))
        before = [r.top_of(other) for other in others if r.waits(other, (i, s))]
        if before:
            off = max(off, max(map(abs, values)) * early + rise * r.integral(size(x(s)), min(before), top))
        if at_rest:
            most = max(most, *(-(1 - d) * r.integral(x(s), u, top) for u in r.up_to(rest_cap)))
            if s in rests[i]:
                off = max(off, (1 - d) * r.integral(size(x(s)), floor, top))
    return most + (1 + d) * off / (1 - d), short + off / (1 - d)
