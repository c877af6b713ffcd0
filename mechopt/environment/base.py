"""Common parts of environments of all kinds, and of those with persistent types."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from math import prod
from typing import Any, ClassVar, Self

import numpy as np

from mechopt.core.errors import InputError
from mechopt.core.numbers import FloatArray, readonly
from mechopt.core.provided import provided
from mechopt.core.shown import Shown
from mechopt.environment.reading.nested import floats, plain
from mechopt.environment.reading.order import in_order
from mechopt.environment.reading.reader import Horizon


class EnvironmentBase(Shown, ABC):
    """An environment that is told apart from others by its fingerprint."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """SHA-256 of the instance's numbers and names; equal instances have equal fingerprints."""

    def __eq__(self, other: object) -> bool:
        return self.fingerprint == other.fingerprint if isinstance(other, type(self)) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def to_toml(self) -> str:
        """Write the environment as the text of a model file; ``mo.loads`` gives an equal one.

        Raises
        ------
        InputError
            If probabilities are floats that do not sum to 1 exactly, or a model file cannot hold so many agents.

        Examples
        --------
        >>> from mechopt import IndependentTypes
        >>> print(IndependentTypes.iid([1, 2], ["1/3", "2/3"], horizon=2).to_toml())
        kind = "independent"
        horizon = 2
        discount = 1
        cost = 0
        <BLANKLINE>
        [[buyers]]
        values = [1, 2]
        probabilities = ["1/3", "2/3"]
        <BLANKLINE>
        """
        text: str = provided(self, "to_toml")(self)
        return text


class PersistentBase(EnvironmentBase):
    """An environment whose types are persistent, and in which one action is taken each period."""

    horizon: Horizon
    discount: float
    outside: tuple[tuple[FloatArray, ...], ...] | None
    discounts: tuple[float, ...] | None
    seller_values: Any
    _reading: ClassVar[Any]
    """The module that reads this kind: `from_arrays` arranges arguments, `read` finds exact numbers and faults."""

    @property
    @abstractmethod
    def agents(self) -> int:
        """Number of agents n."""

    @property
    def infinite(self) -> bool:
        """Whether the horizon is infinite."""
        return self.horizon == "infinite"

    @cached_property
    def present_value(self) -> FloatArray:
        """``present_value[t] = discount**t``: of money of period t; of length 1 with an infinite horizon."""
        return readonly(self.discount ** np.arange(1 if isinstance(self.horizon, str) else self.horizon))

    @property
    def plain(self) -> bool:
        """Whether nothing is worth anything to the seller, nobody has anything outside, and all discount alike."""
        return self.seller_values is None and self.outside is None and self.discounts is None

    @cached_property
    def own_present_value(self) -> tuple[FloatArray, ...]:
        """``own_present_value[i][t]``: what money of period t is worth to agent i at first, by her own discount."""
        if self.discounts is None:
            return (self.present_value,) * self.agents
        return tuple(readonly(own ** np.arange(len(self.present_value))) for own in self.discounts)

    @cached_property
    def first_best(self) -> float:
        """Expected surplus of the efficient rule, present value: no mechanism has a higher welfare.

        By dynamic programming over type profiles.

        Raises
        ------
        LimitError
            If there are too many of them.
        """
        return float(provided(self, "first_best")(self))

    @classmethod
    def from_given(cls, given: Any) -> Self:
        """Build from what a model file gives; see `mechopt.environment.reading`."""
        found, faults = cls._reading.read(given)
        if faults or found is None:
            raise InputError(faults)
        environment = cls.__new__(cls)
        environment._fill(found)
        return environment

    def _read(self, parts: Mapping[str, Any]) -> None:
        """Fill in what the arguments of the constructor say."""
        reading = self._reading
        found, faults = reading.read(reading.from_arrays(**parts))
        if faults or found is None:
            raise InputError(
                in_order(parts, reading.LAYOUTS, lambda given: reading.read(reading.from_arrays(**given))[1])
            )
        self._fill(found)

    @abstractmethod
    def _fill(self, found: Any) -> None:
        """Set the fields from what was read."""

    def _set(self, found: Any, **fields: Any) -> None:
        """Set the fields, those that all kinds have out of what was read."""
        fields |= {"actions": one(found.actions), "cost": one(tuple(map(floats, found.cost)))}
        fields |= {"horizon": found.horizon, "discount": float(found.discount)}
        options, own = found.outside, found.discounts
        fields["outside"] = None if options is None else tuple(tuple(map(floats, row)) for row in options)
        fields["discounts"] = None if own is None else tuple(map(float, own))
        for name, value in fields.items():
            object.__setattr__(self, name, value)


class ActionsByPeriod(PersistentBase):
    """The same, where actions and their costs may differ by period."""

    values: tuple[tuple[FloatArray, ...], ...]
    kernel: tuple[Any, ...]
    initial: Any
    actions: tuple[str, ...] | tuple[tuple[str, ...], ...]
    types: tuple[tuple[tuple[str, ...], ...], ...]
    names: tuple[str, ...]
    cost: FloatArray | tuple[FloatArray, ...]
    seller_values: Any
    outside: tuple[tuple[FloatArray, ...], ...] | None
    discounts: tuple[float, ...] | None
    exact: Any

    @property
    def agents(self) -> int:
        """Number of agents n."""
        return len(self.values)

    @property
    def stages(self) -> int:
        """Number of periods whose data are given: the horizon; where it is infinite, the last one is for ever."""
        return len(self.values[0])

    def at(self, t: int) -> int:
        """Place of a period in arrays over periods: with an infinite horizon the last one is for ever.

        Parameters
        ----------
        t : int
            Period, from 0.
        """
        return min(t, self.stages - 1) if self.infinite else t

    def following(self, t: int) -> int:
        """Place of the period after t in arrays over periods.

        Parameters
        ----------
        t : int
            Period, from 0.
        """
        return self.at(t + 1)

    @property
    @abstractmethod
    def shape(self) -> tuple[tuple[int, ...], ...]:
        """``shape[t][i]``: number of types of agent i in period t."""

    @cached_property
    def costs(self) -> tuple[FloatArray, ...]:
        """``costs[t]``: the seller's cost by action in period t; of length 1 with an infinite horizon."""
        return self.cost if isinstance(self.cost, tuple) else (self.cost,) * self.stages

    @cached_property
    def action_counts(self) -> tuple[int, ...]:
        """Number of actions of each period; of length 1 with an infinite horizon."""
        return tuple(map(len, self.costs))

    def cost_of(self, t: int) -> FloatArray:
        """The seller's cost by action in period t, read-only.

        Parameters
        ----------
        t : int
            From 0; with an infinite horizon the last one whose data differ is for ever.
        """
        return self.costs[self.at(t)]

    def action_names(self, t: int) -> tuple[str, ...]:
        """Names of the actions of period t.

        Parameters
        ----------
        t : int
            From 0; with an infinite horizon the last one whose data differ is for ever.
        """
        by_period = isinstance(self.actions[0], tuple)
        names: Any = self.actions[self.at(t)] if by_period else self.actions
        return tuple(names)

    def __reduce__(self) -> tuple[Any, ...]:
        source = self.exact or self
        parts = (source.values, source.kernel, source.initial, self.actions, self.types, self.names)
        return type(self), (
            *parts,
            source.cost,
            self.horizon,
            source.discount,
            *(source.seller_values, source.outside, source.discounts),
        )

    def __repr__(self) -> str:
        profiles = max(prod(stage) for stage in self.shape)
        few, most = min(self.action_counts), max(self.action_counts)
        parts = [
            counted(self.agents, "agent"),
            f"{'' if few == most else f'{few} to '}{counted(most, 'action')}",
            counted(profiles, "type" if self.agents == 1 else "profile"),
            periods(self.horizon),
        ]
        return f"{type(self).__name__}({', '.join(parts)})"


TERMS = ("seller_values", "outside", "discounts")
"""Parts of an environment that are None where they are as in the papers."""


def named_parts(source: Any, names: Sequence[str] = TERMS) -> list[Any]:
    """Those parts that are not None, by name, as what JSON can write."""
    found = {name: plain(getattr(source, name)) for name in names if getattr(source, name) is not None}
    return [found] if found else []


def one(by_period: tuple[Any, ...]) -> Any:
    """The only entry, or all of them."""
    return by_period if len(by_period) > 1 else by_period[0]


def counted(number: int, word: str) -> str:
    """Write a number with its noun.

    Examples
    --------
    >>> counted(1, "agent"), counted(2, "agent")
    ('1 agent', '2 agents')
    """
    return f"{number} {word}{'s' * (number > 1)}"


def periods(horizon: Horizon) -> str:
    """Write a horizon."""
    return "infinite horizon" if isinstance(horizon, str) else counted(horizon, "period")
