"""One buyer in one period of a bank account mechanism, in floats or in fractions: the same lines for both.

Arrays of fractions have ``dtype=object``; numpy adds, multiplies and compares them as it does floats.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from mechopt.closedform.bank.stage import Stage
from mechopt.core.numbers import Array, FloatArray
from mechopt.environment.independent import IndependentTypes


class Numbers(NamedTuple):
    """Numbers of an environment, as floats or as arrays of fractions.

    Attributes
    ----------
    values : by agent and period, axis: own type
        Present values.
    probabilities : by agent and period, axis: own type
    """

    values: Sequence[Sequence[Array]]
    probabilities: Sequence[Sequence[Array]]


def in_floats(env: IndependentTypes) -> Numbers:
    """Numbers of an environment as floats."""
    values = [[env.present_value[t] * part for t, part in enumerate(row)] for row in env.values]
    return Numbers(values, env.probabilities)


def in_fractions(env: IndependentTypes) -> Numbers:
    """The exact rationals that the environment keeps, or its floats as the numbers that they are."""
    given: Any = env if env.exact is None else env.exact
    weights = [Fraction(given.discount) ** t for t in range(env.horizon)]
    values = [[as_fractions(part) * weights[t] for t, part in enumerate(row)] for row in given.values]
    return Numbers(values, [[as_fractions(part) for part in row] for row in given.probabilities])


def as_fractions(array: Any) -> Array:
    """The same array, of the numbers that its entries are."""
    given = np.asarray(array, dtype=object)
    found = np.empty(given.shape, dtype=object)
    for at, entry in np.ndenumerate(given):
        found[at] = Fraction(entry)
    return found


class BuyerPeriod(NamedTuple):
    """One buyer in one period at all balances.

    Attributes
    ----------
    numbers : Numbers
    stage : Stage
        In floats or in fractions as the numbers are.
    t, i : int
        Period and buyer.
    """

    numbers: Numbers
    stage: Stage
    t: int
    i: int

    @property
    def values(self) -> Array:
        """Present value of the item to her, ``(own types,)``."""
        return self.numbers.values[self.i][self.t]

    def interim(self, array: Array) -> Array:
        """Average over the others' current types: ``(S, *types)`` to ``(S, own types)``."""
        return averaged(array, [row[self.t] for row in self.numbers.probabilities], self.i)

    def expected(self, array: Array) -> Array:
        """Average over everybody's current types: ``(S, *types)`` to ``(S,)``."""
        average: Array = self.interim(array) @ self.numbers.probabilities[self.i][self.t]
        return average

    def utility(self, size: bool = False) -> Array:
        """Her utility by profile, ``(S, *types)``; or the same with every term in absolute value."""
        sold, paid = self.stage.allocation[self.i], self.stage.payment[self.i]
        values = self.values.reshape([-1 if axis == self.i else 1 for axis in range(sold.ndim - 1)])
        found: Array = abs(values) * abs(sold) + abs(paid) if size else values * sold - paid
        return found


def averaged(array: Array, probabilities: Sequence[Array], i: int) -> Array:
    """Average over the others' types: ``(S, *types)`` to ``(S, own types)``."""
    for j in reversed(range(len(probabilities))):
        if j != i:
            array = np.asarray(np.tensordot(array, probabilities[j], axes=(1 + j, 0)))
    return array


def interim(environment: IndependentTypes, array: FloatArray, i: int, t: int) -> FloatArray:
    """Average over the others' types of period t: ``(S, *types[t])`` to ``(S, own types)``."""
    found: FloatArray = averaged(array, [row[t] for row in environment.probabilities], i)
    return found


def expected(environment: IndependentTypes, array: FloatArray, i: int, t: int) -> FloatArray:
    """Average over everybody's types of period t: ``(S, *types[t])`` to ``(S,)``."""
    average: FloatArray = interim(environment, array, i, t) @ environment.probabilities[i][t]
    return average
