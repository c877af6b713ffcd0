"""Backward recursion of the promised-utility dynamic program on both sides, at slopes chosen by a tolerance.

`mechopt.solve.promised.optimum` states the recursion and what proves its bounds. Money here is in units of the largest
value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mechopt.core.numbers import FloatArray, IntArray
from mechopt.environment.independent import IndependentTypes
from mechopt.solve.promised import kernels as promise_kernels
from mechopt.solve.promised.concave import Concave, constant, hull
from mechopt.solve.promised.lottery import (
    MAX_PIVOTS,
    RATE_TOLERANCE,
    PriceStage,
    attained,
    best_responses,
    certified,
    first_basis,
    stage_rates,
)
from mechopt.solve.promised.policy import PromiseTable
from mechopt.solve.promised.simplex import Basis

Tolerance = Callable[[FloatArray, FloatArray], FloatArray]
"""Largest accepted gap of intervals of promises, given their left and right ends."""

MAX_ROUNDS, MAX_NODES = 60, 200_000
FIRST_SLOPES = 6
SAME_SLOPE = 1e-12
STRIDE = 6
"""Of the slopes that are solved from scratch."""
BLOCK = 2048
"""Slopes of a chain whose dictionaries are kept at once; they stay in the processor's cache."""
FEW_PIVOTS = 8
"""A seed that takes more from its neighbour's basis is left out; it is needed only if a gap asks for it."""


@dataclass(frozen=True, eq=False)
class Period:
    """A period, and what its prices mean for all types of the environment.

    Attributes
    ----------
    stage : PriceStage
    steepest : float
        What the period adds to the slope of G at 0: the most welfare that a price adds for the surplus it gives.
    sells : array ``(J, K)``
        Whether a price sells to a type.
    gains : array ``(J, K)``
        What a type gains from a price.
    compiled : bool
        Whether the compiled kernels are taken.
    """

    stage: PriceStage
    steepest: float
    sells: FloatArray
    gains: FloatArray
    compiled: bool


def period(environment: IndependentTypes, t: int, unit: float, compiled: bool | None = None) -> Period:
    """Reduce a period to the values above cost that have probability; see `mechopt.solve.promised.optimum`."""
    compiled = promise_kernels.compiled() if compiled is None else compiled
    values, distribution = (
        environment.values[0][t],
        environment.probabilities[0][t] / environment.probabilities[0][t].sum(),
    )
    scale, margin = environment.present_value[t] / unit, values - environment.cost[t]
    priced = np.flatnonzero((margin > 0) & (distribution > 0))
    if not priced.size:
        nothing = np.zeros((1, len(values)))
        return Period(PriceStage(np.ones(1), np.zeros(1), np.zeros((1, 1))), 0.0, nothing, nothing, compiled)
    below = max(float(distribution[margin <= 0].sum()), 0.0)
    worthless = [0.0] if below > 0 else []
    y, f = np.append(worthless, margin[priced]), np.append([below] if below > 0 else [], distribution[priced])
    f = f / f.sum()
    surplus = np.maximum(y[:, None] - margin[priced], 0.0)
    welfare = np.cumsum((f * y)[::-1])[::-1][len(worthless) :]
    extra, given = welfare[:-1] - welfare[-1], f @ surplus[:, :-1]
    sells = np.arange(len(values)) >= priced[:, None]
    gains = scale * np.where(sells, values - values[priced][:, None], 0.0)
    stage = PriceStage(f, scale * welfare, scale * surplus)
    return Period(stage, float((extra / given).max(initial=0.0)), sells.astype(np.float64), gains, compiled)


@dataclass(frozen=True, eq=False)
class Nodes:
    """Slopes, falling, with a point of the lower side and a bound on the conjugate at each; n of them.

    Attributes
    ----------
    slopes, promises, heights, conjugate, lowest : arrays ``(n,)``
        The slope, w and L(w) where it is optimal, the bound on G* at the slope, and v_1.
    lottery : array ``(n, J)``
    """

    slopes: FloatArray
    promises: FloatArray
    heights: FloatArray
    conjugate: FloatArray
    lowest: FloatArray
    lottery: FloatArray

    def arrays(self) -> tuple[FloatArray, ...]:
        """All of them, in the order of the class."""
        return self.slopes, self.promises, self.heights, self.conjugate, self.lowest, self.lottery

    def gaps(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Height of the triangles between chords and tangents, slopes of the chords, left and right ends."""
        left = np.maximum.accumulate(self.promises)
        left, right = left[:-1], left[1:]
        return (*_triangles(self.slopes[:-1], self.slopes[1:], left, right, np.diff(self.heights)), left, right)


def _triangles(
    steep: FloatArray, flat: FloatArray, left: FloatArray, right: FloatArray, rise: FloatArray
) -> tuple[FloatArray, FloatArray]:
    width = right - left
    wide = width > 1e-13 * max(float(right[-1]), 1e-300)
    chord = rise / np.where(wide, width, 1.0)
    least = SAME_SLOPE * steep[0]
    open_ = wide & (steep - chord > least) & (chord - flat > least)
    height = (steep - chord) * (chord - flat) * width / np.where(open_, steep - flat, 1.0)
    return np.where(open_, height, 0.0), chord


@dataclass(frozen=True, eq=False)
class Solved:
    """A period after its recursion: all nodes, those on the hull of the lower side, and its function."""

    nodes: Nodes
    corners: IntArray
    lower: Concave

    def table(self, period: Period, unit: float) -> PromiseTable:
        """The policy of the corners, in money."""
        nodes, at = self.nodes, self.corners
        lottery = nodes.lottery[at]
        sold = np.minimum(lottery @ period.sells, 1.0)
        after = unit * (nodes.lowest[at][:, None] + lottery @ period.gains)
        return PromiseTable(unit * nodes.promises[at], sold, after)


def flat(height: float) -> Solved:
    """A period from which on welfare is the same whatever the promise."""
    zero, value = np.zeros(1), np.full(1, height)
    return Solved(
        Nodes(zero, zero, value, value, zero, np.zeros((1, 1))), np.zeros(1, dtype=np.int64), constant(height)
    )


def recursion(
    period: Period, after: Solved, seeds: FloatArray, tolerance: Tolerance, tick: Callable[[], None]
) -> tuple[Solved, int]:
    """Solve a period at slopes between which no gap is above the tolerance.

    Parameters
    ----------
    period : Period
    after : Solved
        The next one.
    seeds : array
        Slopes to begin with.
    tolerance : Tolerance
    tick : callable
        Called before each round; may raise to stop.

    Returns
    -------
    Solved, and the number of slopes at which the period was solved
    """
    ends = _ends(period, after)
    top = ends.slopes[0]
    seeds = seeds[(seeds > SAME_SLOPE * top) & (seeds < top * (1 - SAME_SLOPE))]
    if ends.promises[-1] <= 0 or not seeds.size:
        return _finished(ends), 0
    inside = (_Chained if period.compiled else _Lockstep)(period, after, seeds)
    solved = len(seeds)
    for _ in range(MAX_ROUNDS):
        tick()
        gaps, chords, left, right = _joined(ends, inside.nodes).gaps()
        wide = np.flatnonzero(gaps > tolerance(left, right))
        if not wide.size:
            break
        known = len(inside.nodes.slopes)
        inside.add(chords[wide], wide)
        solved += len(wide)
        if len(inside.nodes.slopes) == known or known > MAX_NODES:
            break
    return _finished(_joined(ends, inside.nodes)), solved


class _Lockstep:
    """Nodes with their dictionaries: more of them start from those near them."""

    def __init__(self, period: Period, after: Solved, seeds: FloatArray) -> None:
        """Solve a few of the seeds from scratch, then the others from a neighbour's basis where that takes few pivots.

        Seeds that take more are left out.
        """
        self.period, self.after = period, after
        self.nodes, self.basis = self._at(seeds[::STRIDE], None, MAX_PIVOTS)
        others = np.flatnonzero(np.arange(len(seeds)) % STRIDE)
        if others.size:
            near = np.minimum((others + STRIDE // 2) // STRIDE, len(self.nodes.slopes) - 1)
            self._from(seeds[others], near, FEW_PIVOTS)

    def add(self, slopes: FloatArray, wide: IntArray) -> None:
        """Some more slopes, each of an interval between the ends and the nodes."""
        self._from(slopes, np.clip(wide - 1, 0, len(self.nodes.slopes) - 1), MAX_PIVOTS)

    def _from(self, slopes: FloatArray, near: IntArray, pivots: int) -> None:
        fresh, basis = self._at(slopes, self.basis.take(near), pivots)
        self.nodes, order = _merged(self.nodes, fresh)
        self.basis = self.basis.joined(basis).take(order)

    def _at(self, slopes: FloatArray, start: Basis | None, pivots: int) -> tuple[Nodes, Basis]:
        """Nodes at some slopes: the lower side from the optimiser's points, the upper side from its multipliers.

        Slopes that take more pivots are left out, unless there is nothing else to start from.
        """
        stage, known = self.period.stage, self.after.nodes
        found = best_responses(stage, self.after.lower, slopes, start, pivots, compiled=False)
        w, heights = attained(stage, self.after.lower, found.lowest, found.lottery)
        conjugates = np.interp(found.multipliers, known.slopes[::-1], known.conjugate[::-1])
        bound = certified(stage, conjugates, slopes, found.multipliers)
        nodes = Nodes(slopes, w, heights, bound, found.lowest, found.lottery)
        if start is None or found.settled.all():
            return nodes, found.basis
        chosen = np.flatnonzero(found.settled)
        return Nodes(*(array[chosen] for array in nodes.arrays())), found.basis.take(chosen)


class _Chained:
    """Nodes whose slopes fall, each of which starts where the one before it ended; compiled."""

    def __init__(self, period: Period, after: Solved, seeds: FloatArray) -> None:
        self.period, self.after = period, after
        self.rates = stage_rates(period.stage, after.lower.knots, after.lower.slopes)
        self.nodes = self._along(seeds)

    def add(self, slopes: FloatArray, _: IntArray) -> None:
        """Some more slopes, falling."""
        self.nodes, _ = _merged(self.nodes, self._along(slopes))

    def _along(self, slopes: FloatArray) -> Nodes:
        stage, lower, known = self.period.stage, self.after.lower, self.after.nodes
        limits = RATE_TOLERANCE * (stage.welfare[0] + slopes)
        basis, parts = first_basis(stage, lower, min(len(slopes), BLOCK)), []
        for begin in range(0, len(slopes), BLOCK):
            block = slice(begin, min(begin + BLOCK, len(slopes)))
            if begin:
                basis.put(np.zeros(1, np.int64), basis.take(np.array([BLOCK - 1])))
            promise_kernels.climb(self.rates, slopes[block], limits[block], basis, MAX_PIVOTS, chained=True)
            parts.append(promise_kernels.read(self.rates, slopes[block], basis))
        lowest, lottery, multipliers = (np.concatenate(part) for part in zip(*parts, strict=True))
        points, tangents = (lower.knots, lower.heights), (known.slopes, known.conjugate)
        numbers = stage.probabilities, stage.welfare, stage.surplus
        reached = promise_kernels.evaluate(points, tangents, numbers, slopes, (lowest, lottery, multipliers))
        return Nodes(slopes, *reached, lowest, lottery)


def first_seeds(period: Period, after: Solved) -> FloatArray:
    """Some slopes for a period after which nothing is known."""
    top = period.steepest + after.nodes.slopes[0]
    return np.linspace(top, 0.0, FIRST_SLOPES + 2)[1:-1]


def next_seeds(solved: Solved, tolerance: Tolerance) -> FloatArray:
    """Slopes for the period before: without every second one that is not needed."""
    nodes = solved.nodes
    if len(nodes.slopes) < 3:
        return nodes.slopes[1:-1]
    w = np.maximum.accumulate(nodes.promises)
    middle = np.arange(1, len(w) - 1, 2)
    before, behind = middle - 1, middle + 1
    rise = nodes.heights[behind] - nodes.heights[before]
    gap, _ = _triangles(nodes.slopes[before], nodes.slopes[behind], w[before], w[behind], rise)
    keep = np.ones(len(w), dtype=np.bool_)
    keep[middle] = gap >= 0.7 * tolerance(w[before], w[behind])
    keep[[0, -1]] = False
    slopes: FloatArray = nodes.slopes[keep]
    return slopes


def _ends(period: Period, after: Solved) -> Nodes:
    """Both exact ends: the highest price and no promise; the lowest price and all that can be promised."""
    stage, known = period.stage, after.nodes
    width = after.lower.knots[-1]
    slopes = np.array([period.steepest + known.slopes[0], 0.0])
    promises = np.array([0.0, width + stage.expected_surplus[0]])
    sales = stage.welfare[[-1, 0]]
    lottery = np.zeros((2, len(stage.welfare)))
    lottery[0, -1] = lottery[1, 0] = 1.0
    ends = after.lower.heights[[0, -1]]
    return Nodes(slopes, promises, sales + ends, sales + known.conjugate[[0, -1]], np.array([0.0, width]), lottery)


def _joined(ends: Nodes, inside: Nodes) -> Nodes:
    pairs = zip(ends.arrays(), inside.arrays(), strict=True)
    return Nodes(*(np.concatenate([end[:1], array, end[1:]]) for end, array in pairs))


def _merged(nodes: Nodes, fresh: Nodes) -> tuple[Nodes, IntArray]:
    order = np.argsort(-np.concatenate([nodes.slopes, fresh.slopes]), kind="stable")
    pairs = zip(nodes.arrays(), fresh.arrays(), strict=True)
    return Nodes(*(np.concatenate(pair)[order] for pair in pairs)), order


def _finished(nodes: Nodes) -> Solved:
    by_promise = np.argsort(nodes.promises, kind="stable")
    by_promise = np.concatenate(
        [[0], by_promise[(by_promise != 0) & (by_promise != len(by_promise) - 1)], [len(by_promise) - 1]]
    )
    corners, lower = hull(nodes.promises[by_promise], nodes.heights[by_promise])
    return Solved(nodes, by_promise[corners], lower)
