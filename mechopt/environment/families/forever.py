"""Repeated sale for ever: types are independent across periods, with the same distributions in each.

`IndependentTypes` with an infinite horizon: each period t = 0, 1, ... the seller has one item, buyer i draws type k
with probability ``probabilities[i][k]`` and then values it at ``values[i][k]``; everybody discounts period t by
``discount**t``, with a discount below 1.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np

from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import FloatArray, readonly
from mechopt.environment.base import EnvironmentBase, counted
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.markov import MarkovTypes


class ExactForever(NamedTuple):
    """The exact numbers of an instance."""

    values: tuple[tuple[Fraction, ...], ...]
    probabilities: tuple[tuple[Fraction, ...], ...]
    cost: Fraction
    discount: Fraction


@dataclass(frozen=True, eq=False, repr=False, init=False)
class IndependentForever(EnvironmentBase):
    """Types independent across periods, one item a period, for ever.

    Parameters
    ----------
    values, probabilities : nested sequences, ``values[i][k]`` and ``probabilities[i][k]``
        As a period's of `IndependentTypes`.
    discount : number
        Above 0 and below 1.
    cost : number
        The seller's cost of a sale; default 0.

    Attributes
    ----------
    period : IndependentTypes
        One period.
    discount : float

    Raises
    ------
    InputError
        With every fault of the input.

    Examples
    --------
    >>> env = IndependentForever([[1, 2]], [["1/2", "1/2"]], "9/10")
    >>> env, env.first_periods(3).horizon
    (IndependentForever(1 buyer, 2 types, discount 0.9, first best 15), 3)
    """

    period: IndependentTypes
    discount: float

    kind = "independent for ever"
    infinite = True
    horizon: Literal["infinite"] = "infinite"

    def __init__(self, values: Sequence[Any], probabilities: Sequence[Any], discount: Any, cost: Any = 0) -> None:
        period = IndependentTypes([[v] for v in values], [[p] for p in probabilities], cost, discount)
        if period.discount >= 1:
            raise InputError([Fault("discount", f"is {discount}", "an infinite horizon needs one below 1")])
        object.__setattr__(self, "period", period)
        object.__setattr__(self, "discount", period.discount)

    @property
    def agents(self) -> int:
        """Number of buyers."""
        return self.period.agents

    @property
    def names(self) -> tuple[str, ...]:
        """Their numbers."""
        return self.period.names

    @property
    def types(self) -> tuple[tuple[tuple[str, ...], ...], ...]:
        """Names of the types; of length 1 over periods."""
        return self.period.types

    @property
    def shape(self) -> tuple[tuple[int, ...], ...]:
        """``shape[0][i]``: number of types of buyer i."""
        return self.period.shape

    @property
    def values(self) -> tuple[tuple[FloatArray, ...], ...]:
        """``values[i][0][k]``."""
        return self.period.values

    @property
    def probabilities(self) -> tuple[tuple[FloatArray, ...], ...]:
        """``probabilities[i][0][k]``."""
        return self.period.probabilities

    @property
    def initial(self) -> tuple[FloatArray, ...]:
        """``initial[i][k]``: probability of the first type."""
        return tuple(row[0] for row in self.period.probabilities)

    @cached_property
    def kernel(self) -> tuple[tuple[FloatArray, ...], ...]:
        """``kernel[i][0][k, l]``: probability of the next type, whatever the last one."""
        return tuple(
            (readonly(np.broadcast_to(distribution, (len(distribution), len(distribution)))),)
            for distribution in self.initial
        )

    @property
    def cost(self) -> FloatArray:
        """The seller's cost of a sale, of length 1."""
        return self.period.cost

    @property
    def present_value(self) -> FloatArray:
        """Of money of the first period; of length 1."""
        return self.period.present_value

    @property
    def first_best(self) -> float:
        """Expected surplus of the efficient rule, present value."""
        return self.period.first_best / (1 - self.discount)

    @property
    def seller_values(self) -> None:
        """None: nothing but payments and costs matters to the seller."""

    @property
    def slots(self) -> None:
        """None: one item a period."""

    @property
    def outside(self) -> None:
        """None: to stay away is worth 0."""

    @property
    def discounts(self) -> None:
        """None: all discount alike."""

    @cached_property
    def exact(self) -> ExactForever | None:
        """The exact numbers; None where float probabilities sum to 1 only within rounding."""
        given = self.period.exact
        if given is None:
            return None
        rows = tuple(row[0] for row in given.values), tuple(row[0] for row in given.probabilities)
        return ExactForever(*rows, given.cost[0], given.discount)

    def first_periods(self, horizon: int) -> IndependentTypes:
        """The environment that ends after so many periods.

        Parameters
        ----------
        horizon : int
        """
        source = self.period.exact or self.period
        values = [[row[0]] * horizon for row in source.values]
        probabilities = [[row[0]] * horizon for row in source.probabilities]
        return IndependentTypes(values, probabilities, source.cost[0], source.discount)

    def to_markov(self) -> MarkovTypes:
        """The same with kind ``markov``: action 0 keeps the item, action i + 1 sells it to buyer i."""
        source: Any = self.period.exact or self.period
        actions = range(self.agents + 1)
        values = [[[v if a == i + 1 else 0 for v in row[0]] for a in actions] for i, row in enumerate(source.values)]
        distributions = [list(row[0]) for row in source.probabilities]
        return MarkovTypes(
            values,
            [[distribution] * len(distribution) for distribution in distributions],
            distributions,
            actions=["keep", *(f"sell to {i}" if self.agents > 1 else "sell" for i in range(self.agents))],
            cost=[0, *[source.cost[0]] * self.agents],
            discount=source.discount,
        )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the instance's numbers; equal instances have equal fingerprints."""
        return hashlib.sha256(json.dumps([self.kind, self.period.fingerprint]).encode()).hexdigest()

    def __reduce__(self) -> tuple[Any, ...]:
        source = self.period.exact or self.period
        rows = [row[0] for row in source.values], [row[0] for row in source.probabilities]
        return type(self), (*rows, source.discount, source.cost[0])

    def __repr__(self) -> str:
        counts = sorted({k for sizes in self.shape for k in sizes})
        spread = counted(counts[0], "type") if len(counts) == 1 else f"types {counts[0]}-{counts[-1]}"
        parts = [counted(self.agents, "buyer"), spread, f"discount {self.discount:g}"]
        return f"IndependentForever({', '.join(parts)}, first best {self.first_best:.6g})"
