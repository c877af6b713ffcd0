"""Points of a convex function in growing arrays, and the smallest mixture of them at given places."""

from __future__ import annotations

import numpy as np

from mechopt.core.numbers import FloatArray, IntArray

BASES = 64
"""Of a hull, that are remembered."""
STEPS = 50
"""Exchanges of a point at most, for one value."""
FAR = 1e6
"""Cost of leaving the hull, in units of its welfare."""


class Pool:
    """Points with heights and integer labels; what is added stays."""

    def __init__(self, dimension: int, labels: int = 0) -> None:
        self.count = 0
        self._lifted, self._heights = np.ones((16, dimension + 1)), np.empty(16)
        self._labels = np.empty((16, labels), dtype=np.int64)

    @property
    def points(self) -> FloatArray:
        """Shape ``(count, d)``."""
        return self._lifted[: self.count, :-1]

    @property
    def lifted(self) -> FloatArray:
        """The points with a 1 behind each; shape ``(count, d + 1)``."""
        return self._lifted[: self.count]

    @property
    def heights(self) -> FloatArray:
        """Shape ``(count,)``."""
        return self._heights[: self.count]

    @property
    def labels(self) -> IntArray:
        """Shape ``(count, labels)``."""
        return self._labels[: self.count]

    def add(self, points: FloatArray, heights: FloatArray | float, labels: IntArray | tuple[int, ...] = ()) -> None:
        """Append points ``(n, d)``."""
        end = self.count + len(points)
        while end > len(self._heights):
            self._lifted, self._heights, self._labels = (
                np.concatenate([part, np.ones_like(part)]) for part in (self._lifted, self._heights, self._labels)
            )
        self._lifted[self.count : end, :-1] = points
        self._heights[self.count : end] = heights
        self._labels[self.count : end] = labels
        self.count = end  # last, so that an interrupt leaves whole points only

    def new(self, points: FloatArray, heights: FloatArray | float, tolerance: float = 1e-12) -> FloatArray:
        """Which of the points are not there already."""
        same = np.abs(self.points[None] - points[:, None]).max(axis=2, initial=0.0) <= tolerance
        same &= np.abs(self.heights - np.reshape(heights, (-1, 1))) <= tolerance
        fresh: FloatArray = ~same.any(axis=1)
        return fresh


class Hull:
    """Values of the lower convex hull of a pool's points and of rays: the primal simplex in d + 1 numbers.

    Every value is an upper bound, however soon it stops: a mixture of points whose mean is the place. Bases are kept
    and tried first at the next place. Used for guidance alone: no bound rests on it.
    """

    def __init__(self, pool: Pool, rays: FloatArray, ray_cost: FloatArray) -> None:
        self.pool, self.first = pool, len(rays)
        d = rays.shape[1]
        self._columns = np.concatenate([rays, np.zeros((len(rays), 1))], axis=1)
        self._costs = ray_cost
        self._inverse, self._cost = np.zeros((BASES, d + 1, d + 1)), np.full((BASES, d + 1), np.inf)
        self._basis, self._inside = np.zeros((BASES, d + 1, d + 1)), np.full((BASES, d + 1), -1)
        self._used, self._next = 0, 0

    def _update(self) -> None:
        """Take in what the pool has got since."""
        known = len(self._costs) - self.first
        if known < self.pool.count:
            self._columns = np.concatenate([self._columns, self.pool.lifted[known:]])
            self._costs = np.concatenate([self._costs, self.pool.heights[known:]])

    def values(self, places: FloatArray) -> tuple[FloatArray, IntArray]:
        """Upper bounds at ``places`` of shape ``(m, d)``, and which points give each; -1 for none, ``(m, d + 1)``."""
        self._update()
        lifted = np.append(places, np.ones((len(places), 1)), axis=1)
        basis, inverse, cost, inside, fallback = self._begin(lifted)
        share = (inverse @ lifted[:, :, None])[:, :, 0]
        size, moved = 1.0 + abs(float(self._costs[self.first])), np.zeros(len(places), dtype=np.bool_)
        at, every = np.arange(len(places)), np.arange(len(places))
        for _ in range(STEPS):
            duals = (cost[at, None] @ inverse[at])[:, 0]
            slack = self._costs - duals @ self._columns.T
            entering = slack.argmin(axis=1)
            grows = slack[every[: len(at)], entering] <= -1e-11 * size
            at, entering = at[grows], entering[grows]
            columns = self._columns[entering]
            moves = (inverse[at] @ columns[:, :, None])[:, :, 0]
            rising = moves > 1e-9
            ends = rising.any(axis=1)
            if not ends.any():
                break
            at, entering, columns, moves, rising = (part[ends] for part in (at, entering, columns, moves, rising))
            steps = np.where(rising, np.maximum(share[at], 0.0) / np.where(rising, moves, 1.0), np.inf)
            leaving, mine = steps.argmin(axis=1), every[: len(at)]
            row = inverse[at, leaving] / moves[mine, leaving, None]
            changed = inverse[at] - moves[:, :, None] * row[:, None]
            changed[mine, leaving] = row
            inverse[at] = changed
            basis[at, :, leaving], cost[at, leaving], inside[at, leaving] = columns, self._costs[entering], entering
            share[at], moved[at] = (changed @ lifted[at][:, :, None])[:, :, 0], True
        spoilt = moved & (
            (np.abs(basis @ inverse - np.eye(lifted.shape[1])).max(axis=(1, 2)) > 1e-9) | (share.min(axis=1) < -1e-8)
        )
        self._remember(basis, inverse, cost, inside, np.flatnonzero(moved & ~spoilt).tolist())
        found = np.where(spoilt, fallback, (np.maximum(share, 0.0) * cost).sum(axis=1))
        return found, np.where(spoilt[:, None], -1, np.maximum(inside - self.first, -1))

    def _begin(self, lifted: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, IntArray, FloatArray]:
        """For each place the best basis that is remembered, or the first point and the way out."""
        count, width = lifted.shape
        basis = np.zeros((count, width, width))
        basis[:, np.arange(width), np.arange(width)] = np.where(lifted < 0, -1.0, 1.0)
        inverse, far = basis.copy(), FAR * (1.0 + abs(float(self._costs[self.first])))
        cost, inside = np.full((count, width), far), np.full((count, width), -1)
        cost[:, -1], inside[:, -1] = self._costs[self.first], self.first
        fallback = np.full(count, far)
        if self._used:
            share = np.matmul(self._inverse[: self._used], lifted.T)  # (bases, d+1, m)
            fits = share.min(axis=1) >= -1e-9
            known = np.where(fits, (share * self._cost[: self._used, :, None]).sum(axis=1), np.inf)
            best = known.argmin(axis=0)
            least = known[best, np.arange(count)]
            old = np.isfinite(least)
            best = best[old]
            basis[old], inverse[old], cost[old] = self._basis[best], self._inverse[best], self._cost[best]
            inside[old], fallback[old] = self._inside[best], least[old]
        return basis, inverse, cost, inside, fallback

    def _remember(
        self, basis: FloatArray, inverse: FloatArray, cost: FloatArray, inside: IntArray, places: list[int]
    ) -> None:
        for m in places:
            at = self._next
            self._basis[at], self._inverse[at] = basis[m], inverse[m]
            self._cost[at], self._inside[at] = cost[m], inside[m]
            self._used, self._next = max(self._used, at + 1), (at + 1) % BASES
