"""Lines of kernels and of sets of kernels: which period, action and profile a distribution belongs to."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from mechopt.core.errors import InputError
from mechopt.core.numbers import Array, FloatArray, IntArray, to_exact
from mechopt.environment.interdependent import InterdependentTypes


class Lines:
    """Flat rows of a kernel and of a set: `period`, `action`, `profile` of each line."""

    def __init__(self, environment: InterdependentTypes, period: int, action: IntArray, profile: IntArray) -> None:
        self.environment, self.period, self.action, self.profile = environment, period, action, profile

    def of(self, table: Array) -> Array:
        """Lines of an array with the axes of a kernel."""
        flat = table.reshape(len(table), prod(self.environment.shape[self.period]), -1)
        return np.asarray(flat[self.action, self.profile])

    @property
    def given(self) -> FloatArray:
        """Lines of the environment's own kernel."""
        return self.of(self.environment.kernel[self.period])

    @property
    def exact(self) -> Array:
        """The same as fractions."""
        assert self.environment.exact is not None
        return self.of(self.environment.exact.kernel[self.period])


def unsorted(distribution: FloatArray, names: IntArray) -> FloatArray:
    """Undo a sorting of every line by ``take_along_axis``."""
    found = np.empty_like(distribution)
    np.put_along_axis(found, names, distribution, axis=1)
    return found


def by_period(given: Any) -> list[Any]:
    """Arrays over periods; a list of arrays is by period, nested lists and one array are for every period."""
    listed = isinstance(given, (list, tuple)) and (not given or isinstance(given[0], np.ndarray))
    return list(given) if listed else [given]


def as_fractions(given: Any) -> Array:
    """A table of numbers as fractions."""
    table = np.asarray(given, dtype=object)
    found = np.empty(table.shape, dtype=object)
    found.ravel()[...] = [to_exact(entry) for entry in table.ravel()]
    found.setflags(write=False)
    return found


def like_kernels(environment: InterdependentTypes, tables: tuple[Array, ...], name: str) -> list[Array]:
    """The tables by period, each in the shape of the environment's kernel."""
    periods = len(environment.kernel)
    every = tables * periods if len(tables) == 1 else tables
    if len(every) != periods:
        raise InputError(f"{name}: has {len(every)} periods, the kernel has {periods}; give one a period, or one")
    found = []
    for t, (table, kernel) in enumerate(zip(every, environment.kernel, strict=True)):
        if table.shape not in (kernel.shape, kernel.shape[1:]):
            raise InputError(
                f"{name}: is {table.shape} in period {t}; it must be like the kernel, {kernel.shape} or without the "
                "action"
            )
        found.append(np.broadcast_to(table, kernel.shape))
    return found
