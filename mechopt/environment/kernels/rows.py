"""Distributions that satisfy linear inequalities: a polytope by its facets."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from mechopt.core.errors import InputError, MechoptError
from mechopt.core.numbers import Array, FloatArray, IntArray, readonly
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.kernels.lines import Lines


@dataclass(frozen=True, eq=False)
class KernelRows:
    """Distributions that satisfy linear inequalities, ``matrix @ q <= limit``.

    Parameters
    ----------
    matrix : array ``(row, *next signals)``
    limit : array ``(row,)`` or ``(action, *signals, row)``
        With stationary or equal numbers of signals in all periods.
    """

    matrix: FloatArray
    limit: FloatArray
    by_order = exact = False

    def __init__(self, matrix: Any, limit: Any) -> None:
        rows = np.asarray(matrix, dtype=np.float64)
        object.__setattr__(self, "matrix", readonly(rows.reshape(len(rows), -1)))
        object.__setattr__(self, "limit", readonly(np.asarray(limit, dtype=np.float64)))

    def require(self, environment: InterdependentTypes) -> None:
        """Refuse rows that do not fit an environment, or that no distribution satisfies.

        Raises
        ------
        InputError
        """
        for t, kernel in enumerate(environment.kernel):
            profiles = prod(environment.shape[t])
            outcomes = kernel.reshape(len(kernel), profiles, -1).shape[-1]
            if self.matrix.shape[1] != outcomes or self.limit.shape[-1] != len(self.matrix):
                raise InputError(
                    f"matrix, limit: are {self.matrix.shape} and {self.limit.shape}; give a column for each of the "
                    f"{outcomes} next profiles of period {t} and a limit for each row"
                )
            action, profile = (axis.ravel() for axis in np.indices((len(kernel), profiles)))
            lines = Lines(environment, t, action, profile)
            over = lines.given @ self.matrix.T - self._limits(lines)
            if over.max() > 1e-9:
                a, s = int(action[over.max(axis=1).argmax()]), int(profile[over.max(axis=1).argmax()])
                raise InputError(
                    f"matrix, limit: the environment's own distribution of period {t}, action {a}, profile {s} misses "
                    f"one by {over.max():.3g}"
                )

    def controlled(self, environment: InterdependentTypes, t: int) -> bool:
        """Whether the sets of a period differ by action."""
        limits = self.limit if self.limit.ndim > 1 else self.limit[np.newaxis]
        return environment.controlled(t) or bool((limits != limits[:1]).any())

    def _limits(self, lines: Lines) -> FloatArray:
        if self.limit.ndim == 1:
            return np.broadcast_to(self.limit, (len(lines.action), len(self.limit)))
        return np.asarray(lines.of(self.limit))

    def worst(self, lines: Lines, worth: FloatArray) -> IntArray:
        """As of `KernelBall`; the names are the bits of the probabilities, as each is found by a linear program."""
        from scipy.optimize import linprog

        found = np.zeros_like(worth)
        for k, (limit, cost) in enumerate(zip(self._limits(lines), worth, strict=True)):
            ones = np.ones((1, len(cost)))
            best = linprog(cost, self.matrix, limit, ones, [1.0], bounds=(0, 1), method="highs")
            if best.x is None:
                raise MechoptError(f"matrix, limit: {best.message}")
            found[k] = np.maximum(best.x, 0) / np.maximum(best.x, 0).sum()
        return found.view(np.int64)

    def points(self, lines: Lines, names: IntArray) -> FloatArray:
        """The distributions by their names."""
        return np.ascontiguousarray(names).view(np.float64)

    def exact_points(self, lines: Lines, names: IntArray) -> Array:
        """Refused: the extreme points are those of a solver."""
        raise InputError("exact: give the polytope by its vertices, KernelHull, or by KernelBall or KernelBox")

    def __str__(self) -> str:
        return f"{len(self.matrix)} inequalities on every distribution"
