"""Distributions within a total size of given ones."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from mechopt.core.errors import InputError
from mechopt.core.numbers import Array, FloatArray, IntArray, to_exact
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.kernels.lines import Lines, unsorted


@dataclass(frozen=True)
class KernelBall:
    """Distributions within a total size of the given ones.

    Attributes
    ----------
    radius : Fraction
        Sum of the sizes of all differences, from 0 (the given kernel alone) to 2 (every kernel).
    """

    radius: Fraction
    by_order = True
    """Whether extreme points depend on the order of what outcomes are worth alone."""
    exact = True
    """Whether they are known as fractions."""

    def __init__(self, radius: Any) -> None:
        try:
            exact = to_exact(radius)
        except (TypeError, ValueError):
            exact = Fraction(-1)
        if isinstance(radius, bool) or not 0 <= exact <= 2:
            raise InputError(f"radius: is {radius!r}; write a number from 0 to 2")
        object.__setattr__(self, "radius", exact)

    def require(self, environment: InterdependentTypes) -> None:
        """Every environment has such a set."""

    def controlled(self, environment: InterdependentTypes, t: int) -> bool:
        """Whether the sets of a period differ by action."""
        return environment.controlled(t)

    def worst(self, lines: Lines, worth: FloatArray) -> IntArray:
        """Names of the extreme points that make the expectation of `worth` smallest; axes: line, whatever names it."""
        return np.asarray(np.argsort(worth, axis=1, kind="stable"), dtype=np.int64)

    def points(self, lines: Lines, names: IntArray) -> FloatArray:
        """The distributions by their names."""
        distribution = np.take_along_axis(lines.given, names, axis=1)
        moved = np.minimum(float(self.radius) / 2, 1 - distribution[:, :1])
        backwards = distribution[:, ::-1]
        before = np.cumsum(backwards, axis=1) - backwards
        distribution = distribution - np.clip(moved - before, 0, backwards)[:, ::-1] * (
            np.arange(distribution.shape[1]) > 0
        )
        distribution[:, :1] = 1 - distribution[:, 1:].sum(axis=1, keepdims=True)
        return unsorted(distribution, names)

    def exact_points(self, lines: Lines, names: IntArray) -> Array:
        """The same as fractions."""
        found = lines.exact.copy()
        for row, order in zip(found, names.tolist(), strict=True):
            left = min(self.radius / 2, 1 - row[order[0]])
            row[order[0]] += left
            for n in reversed(order[1:]):
                taken = min(left, row[n])
                row[n] -= taken
                left -= taken
        return np.asarray(found)

    def __str__(self) -> str:
        return f"radius {float(self.radius):g}"
