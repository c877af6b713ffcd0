r"""Interdependent values: persistent, correlated signals, and values that depend on everybody's signals.

Each period t = 0, 1, ... agent i privately sees a signal; with s the profile of signals an action a is worth
``values[i][t][a, s]`` to her and costs the seller ``cost[a]``, to whom it may be worth ``seller_values[t][a, s]``
besides; the next profile is n with probability ``kernel[t][a, s, n]``, a joint distribution: signals may be correlated,
across agents and over time. Everybody discounts period t by ``discount**t``. With an infinite horizon the
discount is below 1, and nothing depends on the period from the last one on that is given.

Source: Liu (2025), section 2; it counts periods from 1 and has no cost of the seller.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import prod
from typing import Any, ClassVar, NamedTuple

import numpy as np

from mechopt.core.numbers import Array, FloatArray, readonly, to_exact
from mechopt.environment.base import ActionsByPeriod, named_parts, one
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.reading import interdependent
from mechopt.environment.reading.interdependent import Joint
from mechopt.environment.reading.joint_array import fractions
from mechopt.environment.reading.nested import Vector, shared, unrounded
from mechopt.environment.reading.reader import Horizon
from mechopt.environment.reading.terms import Options


class ExactInterdependent(NamedTuple):
    """The exact numbers of an instance: object arrays of Fraction in the layout of its float arrays."""

    values: tuple[tuple[Array, ...], ...]
    kernel: tuple[Array, ...]
    initial: Array
    cost: Vector | tuple[Vector, ...]
    discount: Fraction
    seller_values: tuple[Array, ...] | None = None
    outside: Options | None = None
    discounts: Vector | None = None


@dataclass(frozen=True, eq=False, repr=False, init=False)
class InterdependentTypes(ActionsByPeriod):
    """At least two agents whose signals are correlated and matter to everybody, and an action a period.

    Parameters
    ----------
    values : nested sequences or array, ``values[i][action][s_1][s_2]...``, or by period ``values[i][t][action]...``
        What an action is worth to agent i at a profile of signals; may be negative.
    kernel : nested sequences or array, ``kernel[action][s_1][s_2]...[next_1][next_2]...``, or without the action
        Joint distribution of the next signals; where values are by period, a list of these over periods, to the signals
        of period t + 1 (an array of the layout above, or one without the action, is for every period). The last one may
        be left out and is ignored, as it leads beyond the horizon. A list over periods of length 1 is for every period.
        None where the horizon is 1.
    initial : nested sequences or array, ``initial[s_1][s_2]...``
        Joint distribution of the first signals.
    actions : sequence of str, or of sequences of str over periods, optional
        Their names; default: their numbers. Where there are not as many in every period, values are by period.
    types : nested sequences of str, ``types[i][signal]`` or ``types[i][t][signal]``, optional
        Names of the signals; default: their numbers. None for an agent without names.
    names : sequence of str, optional
        Of the agents; default: their numbers.
    cost : number, sequence over actions, or sequence over periods of either
        The seller's cost of an action, of any sign; default 0.
    horizon : int or "infinite"
        Number of periods. With an infinite one, what is given by period is for the first periods; the last of these is
        for ever, and its kernel leads to itself.
    discount : number
        In (0, 1], below 1 with an infinite horizon; default 1.
    seller_values : nested sequences or array, ``seller_values[action][s_1][s_2]...``, or by period ``[t][action]...``
        What an action is worth to the seller at a profile of signals, of any sign, besides payments and the cost.
    outside : sequence over agents, optional
        What an agent has who does not take part: a number or one by initial type, at contracting alone; or a list by
        period of either, present value as of the period. None for an agent who has nothing. See `ExAnteIR`, `Interim`.
    discounts : sequence over agents, optional
        Agents' own, where they differ from ``discount``, which is then the seller's; None where hers does not.
    exact : ExactInterdependent, optional
        The numbers that float arguments are the rounding of; ``dataclasses.replace`` passes it on.

    Attributes
    ----------
    values : tuple over agents of tuples over periods of read-only float arrays ``(action, *signals)``
        With an infinite horizon the last period is for ever. `profile_values` has those of all agents together.
    kernel : tuple over periods of read-only float arrays ``(action, *signals, *next signals)``
        Sums to 1 over the next signals. Of length T - 1; with an infinite horizon the last one leads to its own period
        again. The action's axis is a broadcast one (stride 0) where the distribution is given without the action.
    initial : read-only float array ``(*signals,)``
    types : tuple over agents of tuples over periods of tuples of str
    names : tuple of str
    actions : tuple of str, or where periods differ a tuple of such over periods
        See `action_names`, which is by period always.
    cost : read-only float array ``(action,)``, or where periods differ a tuple of such over periods
        See `costs`, which is by period always.
    horizon : int or "infinite"
    discount : float
    seller_values : tuple over periods of read-only float arrays ``(action, *signals)``, or None where they are all 0
    outside : ``outside[i][t]``: read-only float arrays ``(type,)``, or None where all are 0
    discounts : tuple of float, or None where all are `discount`
    exact : ExactInterdependent or None
        The same as fractions; None where float probabilities sum to 1 only within rounding.

    Raises
    ------
    InputError
        With every fault of the input; probabilities that do not sum to 1 are named by their profile.

    Examples
    --------
    Two agents who see the same coin through noise; the item goes to one of them, worth the sum of both signals.

    >>> initial = [["3/8", "1/8"], ["1/8", "3/8"]]
    >>> worth = [[0, 1], [1, 2]]
    >>> none = [[0, 0], [0, 0]]
    >>> env = InterdependentTypes([[worth, none], [none, worth]], [[initial, initial]] * 2, initial, horizon=2)
    >>> env
    InterdependentTypes(2 agents, 2 actions, 4 profiles, 2 periods)
    >>> env.values[0][1].shape, env.kernel[0].shape
    ((2, 2, 2), (2, 2, 2, 2, 2))
    """

    values: tuple[tuple[FloatArray, ...], ...]
    kernel: tuple[FloatArray, ...]
    initial: FloatArray
    actions: tuple[str, ...] | tuple[tuple[str, ...], ...]
    types: tuple[tuple[tuple[str, ...], ...], ...]
    names: tuple[str, ...]
    cost: FloatArray | tuple[FloatArray, ...]
    horizon: Horizon
    discount: float
    seller_values: tuple[FloatArray, ...] | None
    outside: tuple[tuple[FloatArray, ...], ...] | None
    discounts: tuple[float, ...] | None
    exact: ExactInterdependent | None

    kind = "interdependent"
    _reading: ClassVar[Any] = interdependent

    def __init__(
        self,
        values: Any,
        kernel: Any,
        initial: Any,
        actions: Any = None,
        types: Any = None,
        names: Any = None,
        cost: Any = 0,
        horizon: Any = "infinite",
        discount: Any = 1,
        seller_values: Any = None,
        outside: Any = None,
        discounts: Any = None,
        exact: ExactInterdependent | None = None,
    ) -> None:
        if exact is not None:
            values, kernel = unrounded(values, exact.values), unrounded(kernel, exact.kernel)
            initial, cost = unrounded(initial, exact.initial), unrounded(cost, exact.cost)
            discount = unrounded(discount, exact.discount)
            seller_values = unrounded(seller_values, exact.seller_values)
            outside, discounts = unrounded(outside, exact.outside), unrounded(discounts, exact.discounts)
        parts = {"values": values, "kernel": kernel, "initial": initial, "types": types, "names": names}
        parts |= {"actions": actions, "cost": cost, "horizon": horizon, "discount": discount}
        self._read(parts | {"seller_values": seller_values, "outside": outside, "discounts": discounts})

    @classmethod
    def from_markov(cls, environment: MarkovTypes) -> InterdependentTypes:
        """Build the joint form of private types whose chains are independent of each other.

        Independent chains never satisfy convex independence or spanning: what the others see next
        tells nothing of an agent's type. The dynamic pivot mechanism is for them.

        Parameters
        ----------
        environment : MarkovTypes
            With at least two agents.

        Raises
        ------
        InputError
            If there is one agent.
        """
        source = environment.exact or environment
        agents = environment.agents
        values: list[list[Array]] = [[] for _ in range(agents)]
        kernels = []
        for t, sizes in enumerate(environment.shape):
            for i in range(agents):
                table = np.array(source.values[i][t], dtype=object if environment.exact else np.float64)
                shape = (len(table), *(size if j == i else 1 for j, size in enumerate(sizes)))
                values[i].append(np.broadcast_to(table.reshape(shape), (len(table), *sizes)))
        for t in range(len(environment.kernel[0])):
            kernels.append(_product([np.array(source.kernel[i][t], dtype=values[0][0].dtype) for i in range(agents)]))
        initial = np.array(source.initial[0], dtype=values[0][0].dtype)
        for distribution in source.initial[1:]:
            initial = np.multiply.outer(initial, np.array(distribution, dtype=initial.dtype))
        given = (
            environment.actions,
            environment.types,
            environment.names,
            source.cost,
            environment.horizon,
            source.discount,
            summed_gains(environment),
            source.outside,
            source.discounts,
        )
        return cls(tuple(map(tuple, values)), tuple(kernels), initial, *given)

    def _fill(self, joint: Joint) -> None:
        stacked = shared(joint.values, _rounded)
        self._set(
            joint,
            _stacked=stacked,
            values=by_agent(stacked),
            kernel=shared(joint.kernel, _rounded),
            initial=_rounded(joint.initial),
            types=tuple(zip(*joint.types, strict=True)),
            names=joint.names,
            seller_values=None if joint.seller_values is None else shared(joint.seller_values, _rounded),
            exact=_exact(joint),
        )

    @property
    def profile_values(self) -> tuple[FloatArray, ...]:
        """``profile_values[t]``: values of all agents together, ``(agent, action, *signals)``; `values` are views."""
        stacked: tuple[FloatArray, ...] = self.__dict__["_stacked"]
        return stacked

    @cached_property
    def shape(self) -> tuple[tuple[int, ...], ...]:
        """``shape[t][i]``: number of signals of agent i in period t."""
        return tuple(array.shape[1:] for array in self.values[0])

    def controlled(self, t: int) -> bool:
        """Tell whether the distribution of the signals after period t depends on the action.

        Parameters
        ----------
        t : int
            Period, of those whose data are given.
        """
        kernel = self.kernel[t]
        return kernel.strides[0] != 0 and bool((kernel != kernel[:1]).any())

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the instance's numbers and names; equal instances have equal fingerprints."""
        known: dict[int, str] = {}
        exact = self.exact
        by_period = (
            shared(zip(*exact.values, strict=True), np.stack, lambda rows: tuple(map(id, rows))) if exact else ()
        )
        parts = [
            [_digest(array, exact and by_period[t], known) for t, array in enumerate(self.profile_values)],
            [_digest(array, exact and exact.kernel[t], known) for t, array in enumerate(self.kernel)],
        ]
        initial = _digest(self.initial, exact and exact.initial, known)
        scalars = exact and [_texts(exact.cost), str(exact.discount)]
        numbers = [*parts, initial, scalars or [[cost.tolist() for cost in self.costs], self.discount]]
        if self.seller_values is not None:
            gains = exact.seller_values if exact and exact.seller_values else (None,) * self.stages
            numbers.append([_digest(*pair, known) for pair in zip(self.seller_values, gains, strict=True)])
        numbers += named_parts(exact or self, ("outside", "discounts"))
        named = [self.actions, tuple(zip(*self.types, strict=True)), self.names, self.horizon]
        return hashlib.sha256(json.dumps([self.kind, numbers, named]).encode()).hexdigest()


def by_agent(stacked: Sequence[Array]) -> tuple[tuple[Any, ...], ...]:
    """From arrays over periods with the agents' axis first to ``[i][t]``; equal periods share one."""
    return tuple(zip(*shared(stacked, tuple), strict=True))


def summed_gains(environment: MarkovTypes) -> tuple[Array, ...] | None:
    """The seller's gains by type profile, ``(action, *types)`` by period, from tables by agent; None without them.

    Parameters
    ----------
    environment : MarkovTypes
        Fractions come out where it has them.
    """
    tables = (environment.exact or environment).seller_values
    if tables is None:
        return None
    found = []
    for t, sizes in enumerate(environment.shape):
        total: Any = 0
        for i, row in enumerate(tables):
            own = np.array(row[t], dtype=object if environment.exact else np.float64)
            total = total + own.reshape(len(own), *(size if j == i else 1 for j, size in enumerate(sizes)))
        found.append(np.broadcast_to(total, (len(total), *sizes)))
    return tuple(found)


def _product(kernels: list[Array]) -> Array:
    """Joint distribution ``(action, *types, *next types)`` of chains ``(action, type, next)`` that are independent."""
    joint, agents = kernels[0], len(kernels)
    for i, kernel in enumerate(kernels[1:], start=1):  # joint: action, i types, i next types
        left = joint.reshape(*joint.shape[: i + 1], 1, *joint.shape[i + 1 :], 1)
        joint = left * kernel.reshape(len(kernel), *(1,) * i, kernel.shape[1], *(1,) * i, kernel.shape[2])
    assert joint.ndim == 1 + 2 * agents
    return joint


def _rounded(array: Array) -> FloatArray:
    """Read-only floats; an action's axis of stride 0 keeps it."""
    return np.broadcast_to(readonly(array[0]), array.shape) if array.strides[0] == 0 else readonly(array)


def _exact(joint: Joint) -> ExactInterdependent | None:
    """Fractions of all numbers, or None where some distribution does not sum to 1 exactly."""
    initial = _exact_distributions(joint.initial, 0)
    if initial is None:
        return None
    leading = 1 + initial.ndim
    kernel = shared(joint.kernel, lambda array: _exact_distributions(array, leading))
    known = tuple(array for array in kernel if array is not None)
    if len(known) < len(kernel):
        return None
    values = shared(joint.values, _exact_numbers)
    gains = None if joint.seller_values is None else shared(joint.seller_values, _exact_numbers)
    return ExactInterdependent(
        by_agent(values), known, initial, one(joint.cost), joint.discount, gains, joint.outside, joint.discounts
    )


def _exact_numbers(array: Array) -> Array:
    return _frozen(array if array.dtype == object else fractions(array))


def _exact_distributions(array: Array, leading: int) -> Array | None:
    if leading and array.strides[0] == 0:
        one = _exact_distributions(array[0], leading - 1)
        return one if one is None else np.broadcast_to(one, array.shape)
    distributions = array.reshape(prod(array.shape[:leading]), -1)
    if array.dtype != object and sum(map(to_exact, distributions[0].tolist())) != 1:
        return None
    exact = array if array.dtype == object else fractions(array)
    return _frozen(exact) if (exact.reshape(distributions.shape).sum(axis=1) == 1).all() else None


def _frozen(array: Array) -> Array:
    return readonly(array, object)


def _digest(array: FloatArray, exact: Array | None, known: dict[int, str]) -> str:
    """Hash of the floats, and of the exact numbers that they only round; an array is read once."""
    if id(array) not in known:
        found = hashlib.sha256(repr(array.shape).encode())
        found.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
        if exact is not None:
            other = np.argwhere(fractions(array) != exact)
            found.update(json.dumps([[place.tolist(), str(exact[tuple(place)])] for place in other]).encode())
        known[id(array)] = found.hexdigest()
    return known[id(array)]


def _texts(exact: Any) -> Any:
    return [_texts(entry) for entry in exact] if isinstance(exact, tuple) else str(exact)
