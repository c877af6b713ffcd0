"""Distributions between bounds on every probability."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from mechopt.core.errors import InputError
from mechopt.core.numbers import Array, FloatArray, IntArray, to_exact
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.kernels.lines import Lines, as_fractions, by_period, like_kernels, unsorted

SUM = 1e-12
"""How far bounds of probabilities may miss 1: rounding."""


@dataclass(frozen=True, eq=False)
class KernelBox:
    """Distributions between entrywise bounds.

    Parameters
    ----------
    lower, upper : array ``(action, *signals, *next signals)``, or one a period
        With or without the action's axis.

    Examples
    --------
    `around` takes a number, for all entries:

    >>> from mechopt import modelfile
    >>> box = KernelBox.around(modelfile.load("liu-2025/winner-pay"), "1/20")
    >>> float(box.upper[0].max()) <= 1 and float(box.lower[0].min()) >= 0
    True
    """

    lower: tuple[Array, ...]
    upper: tuple[Array, ...]
    by_order = exact = True

    def __init__(self, lower: Any, upper: Any) -> None:
        for name, given in (("lower", lower), ("upper", upper)):
            object.__setattr__(self, name, tuple(map(as_fractions, by_period(given))))

    @classmethod
    def around(cls, environment: InterdependentTypes, size: Any) -> KernelBox:
        """Every entry of the environment's kernel up or down by at most `size`, and between 0 and 1."""
        size = to_exact(size)
        if size < 0:
            raise InputError(f"size: is {float(size):g}; it must be at least 0")
        exact = environment.exact
        kernels = [as_fractions(array) for array in (environment.kernel if exact is None else exact.kernel)]
        none: Array = np.array(Fraction(0), dtype=object)
        lower = [np.maximum(array - size, none) for array in kernels]
        return cls(lower, [np.minimum(array + size, none + 1) for array in kernels])

    def require(self, environment: InterdependentTypes) -> None:
        """Refuse bounds that do not fit an environment, or leave no distribution.

        Raises
        ------
        InputError
        """
        lower, upper = (like_kernels(environment, table, name) for table, name in self._named())
        for t, (low, high) in enumerate(zip(lower, upper, strict=True)):
            profiles = prod(environment.shape[t])
            low, high = (np.asarray(part.reshape(len(part), profiles, -1)) for part in (low, high))
            wrong = (low < 0).any(axis=-1) | (low > high).any(axis=-1)
            wrong |= (low.sum(axis=-1) > 1 + SUM) | (high.sum(axis=-1) < 1 - SUM)
            for action, profile in np.argwhere(wrong)[:1]:
                signals = np.unravel_index(int(profile), environment.shape[t])
                raise InputError(
                    f"lower, upper: no distribution lies between them in period {t}, action {int(action)}, signals "
                    f"{[int(k) for k in signals]}; bounds are at least 0, in order, and sum to at most and at least 1"
                )
            own = environment.kernel[t].reshape(len(low), profiles, -1)
            if (own < low.astype(np.float64) - SUM).any() or (own > high.astype(np.float64) + SUM).any():
                raise InputError(f"lower, upper: the environment's own kernel of period {t} is not between them")

    def controlled(self, environment: InterdependentTypes, t: int) -> bool:
        """Whether the sets of a period differ by action."""
        tables = [like_kernels(environment, part, name)[t] for part, name in self._named()]
        return environment.controlled(t) or any(bool((table != table[:1]).any()) for table in tables)

    def _named(self) -> list[tuple[tuple[Array, ...], str]]:
        return [(self.lower, "lower"), (self.upper, "upper")]

    def _lines(self, lines: Lines, tables: tuple[Array, ...], name: str) -> Array:
        return lines.of(like_kernels(lines.environment, tables, name)[lines.period])

    def worst(self, lines: Lines, worth: FloatArray) -> IntArray:
        """As of `KernelBall`."""
        return np.asarray(np.argsort(worth, axis=1, kind="stable"), dtype=np.int64)

    def points(self, lines: Lines, names: IntArray) -> FloatArray:
        """The distributions by their names."""
        low, high = (self._lines(lines, table, name).astype(np.float64) for table, name in self._named())
        low, room = (np.take_along_axis(part, names, axis=1) for part in (low, high - low))
        before = np.cumsum(room, axis=1) - room
        return unsorted(low + np.clip(1 - low.sum(axis=1, keepdims=True) - before, 0, room), names)

    def exact_points(self, lines: Lines, names: IntArray) -> Array:
        """The same as fractions."""
        low, high = (self._lines(lines, table, name) for table, name in self._named())
        found = low.copy()
        for row, most, order in zip(found, high, names.tolist(), strict=True):
            left = 1 - sum(row, Fraction(0))
            for n in order:
                added = min(left, most[n] - row[n])
                row[n] += added
                left -= added
        return np.asarray(found)

    def __str__(self) -> str:
        return "bounds on every entry"
