"""Mixtures of kernels: a polytope of distributions by its vertices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from mechopt.core.errors import InputError
from mechopt.core.numbers import Array, FloatArray, IntArray
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.kernels.lines import Lines, as_fractions, by_period, like_kernels


@dataclass(frozen=True, eq=False)
class KernelHull:
    """Mixtures of the environment's kernel and given ones, row by row.

    Parameters
    ----------
    kernels : sequence of kernels
        Each an array ``(action, *signals, *next signals)`` with or without the action's axis, or one a period.
    """

    kernels: tuple[tuple[Array, ...], ...]
    by_order, exact = False, True

    def __init__(self, kernels: Sequence[Any]) -> None:
        if not isinstance(kernels, (list, tuple)) or not kernels:
            raise InputError("kernels: give a list of at least one kernel")
        object.__setattr__(self, "kernels", tuple(tuple(map(as_fractions, by_period(kernel))) for kernel in kernels))

    def require(self, environment: InterdependentTypes) -> None:
        """Refuse kernels that do not fit an environment, or are not distributions.

        Raises
        ------
        InputError
        """
        for v, tables in enumerate(self.kernels):
            for t, table in enumerate(like_kernels(environment, tables, f"kernels[{v}]")):
                sums = table.reshape(len(table), prod(environment.shape[t]), -1).sum(axis=-1)
                if (table < 0).any() or (abs(sums - 1) > 1e-9).any():
                    raise InputError(
                        f"kernels[{v}]: a probability is negative or a distribution of period {t} does not sum to 1"
                    )

    def controlled(self, environment: InterdependentTypes, t: int) -> bool:
        """Whether the sets of a period differ by action."""
        every = [like_kernels(environment, tables, f"kernels[{v}]")[t] for v, tables in enumerate(self.kernels)]
        return environment.controlled(t) or any(bool((table != table[:1]).any()) for table in every)

    def _corners(self, lines: Lines) -> Array:
        """Axes: kernel, line, next profile."""
        env, t = lines.environment, lines.period
        own = as_fractions(lines.given) if env.exact is None else lines.exact
        every = [lines.of(like_kernels(env, tables, f"kernels[{v}]")[t]) for v, tables in enumerate(self.kernels)]
        return np.stack([own, *every])

    def worst(self, lines: Lines, worth: FloatArray) -> IntArray:
        """As of `KernelBall`."""
        means = np.einsum("vln,ln->vl", self._corners(lines).astype(np.float64), worth)
        return np.asarray(means.argmin(axis=0)[:, np.newaxis], dtype=np.int64)

    def points(self, lines: Lines, names: IntArray) -> FloatArray:
        """The distributions by their names."""
        return self.exact_points(lines, names).astype(np.float64)

    def exact_points(self, lines: Lines, names: IntArray) -> Array:
        """The same as fractions."""
        return np.asarray(self._corners(lines)[names[:, 0], np.arange(len(names))])

    def __str__(self) -> str:
        count = len(self.kernels)
        return f"mixtures with {count} further kernel{'s' * (count != 1)}"
