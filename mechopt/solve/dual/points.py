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
        self._points, self._heights = np.empty((16, dimension)), np.empty(16)
        self._labels = np.empty((16, labels), dtype=np.int64)

    @property
    def points(self) -> FloatArray:
        """Shape ``(count, d)``."""
        return self._points[: self.count]

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
            self._points, self._heights, self._labels = (
                np.concatenate([part, np.empty_like(part)]) for part in (self._points, self._heights, self._labels)
            )
        self._points[self.count : end] = points
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
            points = self.pool.points[known:]
            self._columns = np.concatenate([self._columns, np.append(points, np.ones((len(points), 1)), axis=1)])
            self._costs = np.concatenate([self._costs, self.pool.heights[known:]])

    def values(self, places: FloatArray) -> tuple[FloatArray, IntArray]:
        """Upper bounds at ``places`` of shape ``(m, d)``, and which points give each; -1 for none, ``(m, d + 1)``."""
        self._update()
        count, d = places.shape
        lifted = np.ones((count, d + 1))
        lifted[:, :d] = places
        share = np.matmul(self._inverse[: self._used], lifted.T)  # (bases, d+1, m)
        fits = share.min(axis=1, initial=0.0) >= -1e-9
        known = np.where(fits, (share * self._cost[: self._used, :, None]).sum(axis=1), np.inf)
        found, inside = np.empty(count), np.empty((count, d + 1), dtype=np.int64)
        for m in range(count):
            found[m], inside[m] = self._one(lifted[m], known[:, m])
        return found, np.maximum(inside - self.first, -1)

    def _one(self, place: FloatArray, known: FloatArray) -> tuple[float, IntArray]:
        d, columns, costs = len(place) - 1, self._columns, self._costs
        size = 1.0 + abs(float(costs[self.first]))
        best = int(known.argmin()) if known.size else -1
        if best >= 0 and known[best] < np.inf:
            basis, inverse = self._basis[best].copy(), self._inverse[best].copy()
            cost, inside, fallback = self._cost[best].copy(), self._inside[best].copy(), float(known[best])
        else:
            basis = np.diag(np.append(np.where(place[:-1] < 0, -1.0, 1.0), 1.0))
            inverse, cost = basis.copy(), np.append(np.full(d, FAR * size), costs[self.first])
            inside, fallback = np.append(np.full(d, -1), self.first), FAR * size
        share, moved = inverse @ place, False
        for _ in range(STEPS):
            slack = costs - columns @ (cost @ inverse)
            entering = int(slack.argmin())
            if slack[entering] > -1e-11 * size:
                break
            column = columns[entering]
            moves = inverse @ column
            rising = moves > 1e-9
            if not rising.any():
                break
            steps = np.full(d + 1, np.inf)
            steps[rising] = np.maximum(share[rising], 0.0) / moves[rising]
            leaving = int(steps.argmin())
            row = inverse[leaving] / moves[leaving]
            inverse -= moves[:, None] * row
            inverse[leaving] = row
            basis[:, leaving], cost[leaving], inside[leaving] = column, costs[entering], entering
            share, moved = inverse @ place, True
        if moved:
            if np.abs(basis @ inverse - np.eye(d + 1)).max() > 1e-9 or share.min() < -1e-8:
                return fallback, np.full(d + 1, -1)  # rounding has spoilt it
            at = self._next
            self._basis[at], self._inverse[at], self._cost[at], self._inside[at] = basis, inverse, cost, inside
            self._used, self._next = max(self._used, at + 1), (at + 1) % BASES
        return float(np.maximum(share, 0.0) @ cost), inside
