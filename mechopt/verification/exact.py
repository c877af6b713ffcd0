"""Common parts of checks in fractions: the exact numbers of environments and arrays, and the limit of their size.

A float is the dyadic number that it is. Where an environment keeps its exact rationals these are used, else its floats.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cache, cached_property
from itertools import product
from math import prod

import numpy as np

from mechopt.core.errors import LimitError
from mechopt.core.numbers import Array
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.markov import MarkovTypes

Profile = tuple[int, ...]
MAX_TERMS = 5 * 10**6
"""Largest number of products of fractions that one check may take: some minutes."""


def require_few(terms: int, about: str) -> None:
    """Refuse what would take too long.

    Raises
    ------
    LimitError
        With the numbers.
    """
    if terms > MAX_TERMS:
        raise LimitError(
            f"{about} in fractions takes {terms:,} products, above {MAX_TERMS:,}; check it in floats, or with fewer "
            "periods, types or agents"
        )


def fractions(array: Array) -> list[Fraction]:
    """Entries in C order."""
    return [Fraction(entry) for entry in array.ravel().tolist()]


def fixed_point(chances: list[list[Fraction]], flow: list[Fraction], discount: Fraction) -> list[Fraction]:
    """Solve V = r + d P V by elimination; with d < 1 no pivot is 0.

    Examples
    --------
    >>> fixed_point([[Fraction(1)]], [Fraction(3)], Fraction(1, 2))
    [Fraction(6, 1)]
    """
    size = len(flow)
    rows = [[*((n == m) - discount * p for n, p in enumerate(chances[m])), flow[m]] for m in range(size)]
    for at in range(size):
        pivot = rows[at][at]
        rows[at] = [entry / pivot for entry in rows[at]]
        for other in range(size):
            if other != at and (factor := rows[other][at]):
                rows[other] = [a - factor * b if b else a for a, b in zip(rows[other], rows[at], strict=True)]
    return [row[-1] for row in rows]


class ExactProcess:
    """Values and probabilities of persistent types by whole profile, in fractions.

    Parameters
    ----------
    environment : MarkovTypes or InterdependentTypes
    """

    def __init__(self, environment: MarkovTypes | InterdependentTypes) -> None:
        self.environment, self.shape, self.infinite = environment, environment.shape, environment.infinite
        exact = environment.exact
        self.discount = Fraction(environment.discount) if exact is None else exact.discount
        own = environment.discounts if exact is None else exact.discounts
        self.discounts = [Fraction(d) for d in own] if own else [self.discount] * environment.agents
        options = environment.outside if exact is None else exact.outside
        self.outside = options and [[[Fraction(o) for o in part] for part in row] for row in options]

    def numbers(self, t: int) -> list[Profile]:
        """Profiles of a period in C order."""
        return list(product(*map(range, self.shape[self.at(t)])))

    def at(self, t: int) -> int:
        """Place of a period in the environment's data."""
        return min(t, self.environment.stages - 1) if self.infinite else t

    def number(self, t: int, profile: Profile) -> int:
        """Place of a profile among those of its period."""
        return int(np.ravel_multi_index(profile, self.shape[self.at(t)]))

    @cached_property
    def initial(self) -> list[Fraction]:
        """Probability of each first profile."""
        env = self.environment
        given = env if env.exact is None else env.exact
        if isinstance(env, InterdependentTypes):
            return fractions(np.asarray(given.initial))
        return [
            prod((_plain(given.initial[i][k]) for i, k in enumerate(profile)), start=Fraction(1))
            for profile in self.numbers(0)
        ]

    @cache  # noqa: B019
    def worth(self, t: int, i: int, action: int) -> list[Fraction]:
        """Value of an action to an agent at each profile, money of the period."""
        env, t = self.environment, self.at(t)
        given = env if env.exact is None else env.exact
        if isinstance(env, InterdependentTypes):
            return fractions(np.asarray(given.values[i][t][action]))
        row = [_plain(value) for value in given.values[i][t][action]]
        return [row[profile[i]] for profile in self.numbers(t)]

    @cache  # noqa: B019
    def moves(self, t: int, action: int, start: int) -> list[Fraction]:
        """Probability of each profile of the period after t."""
        env, s = self.environment, self.at(t)
        given = env if env.exact is None else env.exact
        if isinstance(env, InterdependentTypes):
            table = np.asarray(given.kernel[s])
            return fractions(table.reshape(len(table), prod(self.shape[s]), -1)[action, start])
        types, kernel = self.numbers(t)[start], given.kernel
        rows = [[_plain(entry) for entry in kernel[i][s][action][k]] for i, k in enumerate(types)]
        return [prod(chances, start=Fraction(1)) for chances in product(*rows)]

    def likely(self, t: int, action: int, start: int) -> Iterator[tuple[int, Fraction]]:
        """Next profiles of positive probability, and these."""
        return ((m, chance) for m, chance in enumerate(self.moves(t, action, start)) if chance)


def _plain(number: object) -> Fraction:
    return number if isinstance(number, Fraction) else Fraction(float(number))  # type: ignore[arg-type]
