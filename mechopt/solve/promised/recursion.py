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
from mechopt.solve.promised.lottery import MAX_PIVOTS, PriceStage, attained, best_responses, certified
from mechopt.solve.promised.policy import PromiseTable
from mechopt.solve.promised.simplex import Basis

Tolerance = Callable[[FloatArray, FloatArray], FloatArray]
"""Largest accepted gap of intervals of promises, given their left and right ends."""

MAX_ROUNDS, MAX_NODES = 60, 200_000
FIRST_SLOPES = 6
SAME_SLOPE = 1e-12
STRIDE = 6
"""Of the slopes that are solved from scratch."""
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
    """

    stage: PriceStage
    steepest: float
    sells: FloatArray
    gains: FloatArray


def period(environment: IndependentTypes, t: int, unit: float) -> Period:
    """Reduce a period to the values above cost that have probability; see `mechopt.solve.promised.optimum`."""
    values, law = environment.values[0][t], environment.probabilities[0][t] / environment.probabilities[0][t].sum()
    scale, margin = environment.present_value[t] / unit, values - environment.cost[t]
    priced = np.flatnonzero((margin > 0) & (law > 0))
    if not priced.size:
        nothing = np.zeros((1, len(values)))
        return Period(PriceStage(np.ones(1), np.zeros(1), np.zeros((1, 1))), 0.0, nothing, nothing)
    below = max(float(law[margin <= 0].sum()), 0.0)
    worthless = [0.0] if below > 0 else []
    y, f = np.append(worthless, margin[priced]), np.append([below] if below > 0 else [], law[priced])
    f = f / f.sum()
    surplus = np.maximum(y[:, None] - margin[priced], 0.0)
    welfare = np.cumsum((f * y)[::-1])[::-1][len(worthless) :]
    extra, given = welfare[:-1] - welfare[-1], f @ surplus[:, :-1]
    sells = np.arange(len(values)) >= priced[:, None]
    gains = scale * np.where(sells, values - values[priced][:, None], 0.0)
    stage = PriceStage(f, scale * welfare, scale * surplus)
    return Period(stage, float((extra / given).max(initial=0.0)), sells.astype(np.float64), gains)


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
    inside, basis = _begun(period, after, seeds)
    solved = len(seeds)
    for _ in range(MAX_ROUNDS):
        tick()
        gaps, chords, left, right = _joined(ends, inside).gaps()
        wide = np.flatnonzero(gaps > tolerance(left, right))
        if not wide.size:
            break
        near = np.clip(wide - 1, 0, len(inside.slopes) - 1)
        known = len(inside.slopes)
        inside, basis = _added(period, after, inside, basis, chords[wide], near, MAX_PIVOTS)
        solved += len(wide)
        if len(inside.slopes) == known or known > MAX_NODES:
            break
    return _finished(_joined(ends, inside)), solved


def _begun(period: Period, after: Solved, seeds: FloatArray) -> tuple[Nodes, Basis]:
    """Solve a few of the seeds from scratch, then the others from a neighbour's basis where that takes few pivots."""
    if promise_kernels.compiled():
        return _at_slopes(period, after, seeds, None)
    inside, basis = _at_slopes(period, after, seeds[::STRIDE], None)
    others = np.flatnonzero(np.arange(len(seeds)) % STRIDE)
    if not others.size:
        return inside, basis
    near = np.minimum((others + STRIDE // 2) // STRIDE, len(inside.slopes) - 1)
    return _added(period, after, inside, basis, seeds[others], near, FEW_PIVOTS)


def _added(
    period: Period, after: Solved, inside: Nodes, basis: Basis, slopes: FloatArray, near: IntArray, pivots: int
) -> tuple[Nodes, Basis]:
    """All nodes after some more slopes, which start from nodes near them."""
    fresh, independent_basis = _at_slopes(period, after, slopes, basis.take(near), pivots)
    inside, order = _merged(inside, fresh)
    return inside, basis.joined(independent_basis).take(order)


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


def _at_slopes(
    period: Period, after: Solved, slopes: FloatArray, start: Basis | None, pivots: int = MAX_PIVOTS
) -> tuple[Nodes, Basis]:
    """Nodes at some slopes: the lower side from the optimiser's points, the upper side from its multipliers.

    Slopes that take more pivots are left out, unless there is nothing else to start from.
    """
    found = best_responses(period.stage, after.lower, slopes, start, pivots)
    w, heights = attained(period.stage, after.lower, found.lowest, found.lottery)
    known = after.nodes
    conjugates = np.interp(found.multipliers, known.slopes[::-1], known.conjugate[::-1])
    bound = certified(period.stage, conjugates, slopes, found.multipliers)
    nodes = Nodes(slopes, w, heights, bound, found.lowest, found.lottery)
    if start is None or found.settled.all():
        return nodes, found.basis
    chosen = np.flatnonzero(found.settled)
    return _picked(nodes, chosen), found.basis.take(chosen)


def _picked(nodes: Nodes, chosen: IntArray) -> Nodes:
    return Nodes(*(array[chosen] for array in nodes.arrays()))


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
