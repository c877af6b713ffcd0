"""Points of a convex function in growing arrays, and the smallest mixture of them at given places."""

from __future__ import annotations

import numpy as np

from mechopt.core.numbers import FloatArray, IntArray

BASES = 24
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
    and tried first at the next place.
    """

    def __init__(self, pool: Pool, rays: FloatArray, ray_cost: FloatArray) -> None:
        self.pool, self.rays, self.ray_cost = pool, rays, ray_cost
        d = rays.shape[1]
        self._inverse, self._cost = np.zeros((BASES, d + 1, d + 1)), np.full((BASES, d + 1), np.inf)
        self._inside = np.full((BASES, d + 1), -1)
        self._used, self._next = 0, 0

    def values(self, places: FloatArray) -> tuple[FloatArray, IntArray]:
        """Upper bounds at ``places`` of shape ``(m, d)``, and which points give each; -1 for none, ``(m, d + 1)``."""
        count, d = places.shape
        lifted = np.ones((count, d + 1))
        lifted[:, :d] = places
        share = np.matmul(self._inverse[: self._used], lifted.T)  # (bases, d+1, m)
        fits = share.min(axis=1, initial=0.0) >= -1e-9
        value = np.where(fits, (share * self._cost[: self._used, :, None]).sum(axis=1), np.inf)
        found, inside = np.empty(count), np.empty((count, d + 1), dtype=np.int64)
        for m in range(count):
            found[m], inside[m] = self._one(lifted[m], value[:, m])
        return found, inside

    def _one(self, place: FloatArray, known: FloatArray) -> tuple[float, IntArray]:
        d, points, heights = len(place) - 1, self.pool.points, self.pool.heights
        if known.size and known.min() < np.inf:
            best = int(known.argmin())
            inverse, cost, inside = self._inverse[best].copy(), self._cost[best].copy(), self._inside[best].copy()
        else:
            sign = np.append(np.where(place[:-1] < 0, -1.0, 1.0), 1.0)
            inverse = np.diag(sign)
            cost = np.append(np.full(d, FAR * (1.0 + abs(heights[0]))), heights[0])
            inside = np.append(np.full(d, -1), 0)
        share, moved = inverse @ place, False
        for _ in range(STEPS):
            price = cost @ inverse
            slack = heights - points @ price[:-1] - price[-1]
            entering, ray = int(slack.argmin()), -1
            gain = float(slack[entering])
            if len(self.rays):
                ray_slack = self.ray_cost - self.rays @ price[:-1]
                ray = int(ray_slack.argmin())
                if ray_slack[ray] < gain:
                    gain = float(ray_slack[ray])
                else:
                    ray = -1
            if gain > -1e-11 * (1.0 + abs(heights[0])):
                break
            column = inverse[:, :-1] @ (points[entering] if ray < 0 else self.rays[ray])
            if ray < 0:
                column += inverse[:, -1]
            steps = np.where(column > 1e-11, np.maximum(share, 0.0) / np.where(column > 1e-11, column, 1.0), np.inf)
            leaving = int(steps.argmin())
            if not steps[leaving] < np.inf:
                break
            row = inverse[leaving] / column[leaving]
            inverse -= np.outer(column, row)
            inverse[leaving] = row
            cost[leaving] = heights[entering] if ray < 0 else self.ray_cost[ray]
            inside[leaving] = entering if ray < 0 else -1
            share, moved = inverse @ place, True
        if moved:
            self._inverse[self._next], self._cost[self._next], self._inside[self._next] = inverse, cost, inside
            self._used, self._next = max(self._used, self._next + 1), (self._next + 1) % BASES
        return float(np.maximum(share, 0.0) @ cost), inside
