"""The two certified models of a price function: from below by mechanisms, from above by mixtures of prices.

The lower model is the largest of ``welfare - price @ promise`` over the points found, the upper one the hull of values
at prices. See `mechopt.solve.dual.programs` for how a period's program makes new points of them.
"""

from __future__ import annotations

import numpy as np

from mechopt.core.numbers import FloatArray, IntArray
from mechopt.solve.dual.points import Hull, Pool
from mechopt.solve.dual.stage import State


class Models:
    """Points found of one state from below and above."""

    def __init__(self, state: State, copies: IntArray) -> None:
        self.state, self.copies = state, copies
        d = len(state.floor)
        self.lower, self.upper = Pool(d, 2), Pool(d)
        self.hull = Hull(self.upper, state.rays, state.ray_cost)
        for number, start in enumerate(state.start):
            self.lower.add(start.promise[None], start.welfare, (-1 - number, 0))
        self.upper.add(np.zeros((1, d)), state.welfare)

    def below(self, price: FloatArray) -> float:
        """Lower bound at a price."""
        return float((self.lower.heights - self.lower.points @ price).max())

    def nearest(self, price: FloatArray) -> int:
        """Point of the upper model that is nearest to a price."""
        return int(np.abs(self.upper.points - price).sum(axis=1).argmin())

    def add_lower(self, promise: FloatArray, welfare: float, label: int) -> None:
        """Add a mechanism's point and its copies for buyers in other roles."""
        points, turns = self._distinct(promise)
        labels = np.stack([np.full(len(points), label), turns], axis=1)
        keep = self.lower.new(points, welfare)
        self.lower.add(points[keep], welfare, labels[keep])

    def add_upper(self, price: FloatArray, value: float) -> None:
        """Add a bound at a price and its copies."""
        points, _ = self._distinct(price)
        self.upper.add(points[self.upper.new(points, value)], value)

    def _distinct(self, point: FloatArray) -> tuple[FloatArray, IntArray]:
        """Different copies of a point, and which they are."""
        if len(self.copies) == 1:
            return point[None], np.zeros(1, np.int64)
        points = point[self.copies]
        same = np.abs(points[:, None] - points[None]).max(axis=2) <= 1e-12
        first = np.flatnonzero(same.argmax(axis=1) == np.arange(len(points)))
        return points[first], first
