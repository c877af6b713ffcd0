"""The numbers of an environment as plain arrays, floats or fractions, with one layout for both."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from mechopt.core.numbers import Array, IntArray
from mechopt.environment.interdependent import InterdependentTypes


@dataclass(frozen=True)
class Numbers:
    """Values, transition probabilities and costs; profiles are flat, in C order.

    Attributes
    ----------
    values : tuple over periods of arrays ``(agent, action, profile)``
    kernel : tuple over periods of arrays ``(action, profile, next profile)``
    initial : array ``(profile,)``
    costs : tuple over periods of arrays ``(action,)``
    discount : float or Fraction
    shape : tuple over periods of tuples of int
        Numbers of signals by agent.
    infinite : bool
    """

    values: tuple[Array, ...]
    kernel: tuple[Array, ...]
    initial: Array
    costs: tuple[Array, ...]
    discount: Any
    shape: tuple[tuple[int, ...], ...]
    infinite: bool

    @property
    def exact(self) -> bool:
        """Whether the numbers are fractions."""
        return isinstance(self.discount, Fraction)

    @property
    def dtype(self) -> type:
        """Type of the arrays' entries."""
        return object if self.exact else np.float64

    @property
    def agents(self) -> int:
        """Number of agents."""
        return len(self.shape[0])

    @property
    def stages(self) -> int:
        """Number of periods whose data differ."""
        return len(self.values)

    def following(self, t: int) -> int:
        """Period after t in the arrays; the last one is for ever with an infinite horizon."""
        return min(t + 1, self.stages - 1) if self.infinite else t + 1

    def surplus(self, t: int) -> Array:
        """Sum of values less the cost; axes: action, profile."""
        total: Array = self.values[t].sum(axis=0) - self.costs[t][:, np.newaxis]
        return total

    def zeros(self, *shape: int) -> Array:
        """Array of zeros of the right type."""
        return np.full(shape, Fraction(0), dtype=object) if self.exact else np.zeros(shape)


def float_numbers(environment: InterdependentTypes) -> Numbers:
    """Numbers of an environment as floats."""
    return _of(environment, environment.profile_values, environment.kernel, environment.initial, environment.costs)


def exact_numbers(environment: InterdependentTypes) -> Numbers:
    """Numbers of an environment as fractions: its exact ones, or where it has none what its floats are in binary."""
    exact = environment.exact
    if exact is None:
        values, kernel = (tuple(map(_binary, arrays)) for arrays in (environment.profile_values, environment.kernel))
        initial, costs = _binary(environment.initial), tuple(map(_binary, environment.costs))
        return _of(environment, values, kernel, initial, costs, Fraction(environment.discount))
    by_period: Any = exact.cost if isinstance(environment.cost, tuple) else (exact.cost,) * environment.stages
    costs = tuple(np.array([Fraction(entry) for entry in cost], dtype=object) for cost in by_period)
    stacked = tuple(np.stack(stage) for stage in zip(*exact.values, strict=True))
    return _of(environment, stacked, exact.kernel, exact.initial, costs, exact.discount)


def others_of(shape: tuple[int, ...], agent: int) -> IntArray:
    """Flat profile of the others at each flat profile."""
    signals = np.indices(shape).reshape(len(shape), -1)
    sizes = [size for j, size in enumerate(shape) if j != agent]
    found: IntArray = np.ravel_multi_index([signals[j] for j in range(len(shape)) if j != agent], sizes)
    return found


def own_of(shape: tuple[int, ...], agent: int) -> IntArray:
    """Own signal at each flat profile."""
    return np.asarray(np.indices(shape)[agent].ravel(), dtype=np.int64)


def with_own(shape: tuple[int, ...], agent: int) -> IntArray:
    """Flat profile with another own signal; axes: profile, own signal instead."""
    step = prod(shape[agent + 1 :])
    here, own = np.arange(prod(shape)), own_of(shape, agent)
    return np.asarray(here[:, np.newaxis] + step * (np.arange(shape[agent]) - own[:, np.newaxis]), dtype=np.int64)


def marginal(distribution: Array, shape: tuple[int, ...], agent: int) -> Array:
    """Distribution of the others' profile from that of the profile, its last axis."""
    lead = distribution.shape[:-1]
    return np.asarray(distribution.reshape(*lead, *shape).sum(axis=len(lead) + agent).reshape(*lead, -1))


def _of(env: InterdependentTypes, values: Any, kernel: Any, initial: Any, costs: Any, discount: Any = None) -> Numbers:
    sizes = [prod(shape) for shape in env.shape]
    after = [*sizes[1:], sizes[-1]] if env.infinite else sizes[1:]
    return Numbers(
        tuple(array.reshape(*array.shape[:2], sizes[t]) for t, array in enumerate(values)),
        tuple(array.reshape(len(array), sizes[t], after[t]) for t, array in enumerate(kernel)),
        initial.reshape(-1),
        tuple(np.asarray(cost) for cost in costs),
        env.discount if discount is None else discount,
        env.shape,
        env.infinite,
    )


def _binary(array: Array) -> Array:
    found = np.empty(array.shape, dtype=object)
    found.ravel()[...] = [Fraction(float(entry)) for entry in array.ravel()]
    return found
