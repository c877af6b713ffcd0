r"""Interdependent values: correlated signals that move together, and values that depend on everybody's signals.

Each period t = 0, 1, ... agent i privately sees a signal; with s the profile of signals an action a is worth
``values[t][i, a, s]`` to her and costs the seller ``cost[a]``; the next profile is n with probability
``kernel[t][a, s, n]``, a joint law: signals may be correlated, across agents and over time. Everybody discounts period
t by ``discount**t``. With an infinite horizon nothing depends on the period and the discount is below 1.

Source: Liu (2025), section 2; it counts periods from 1 and has no cost of the seller.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import prod
from typing import Any, NamedTuple

import numpy as np

from mechopt.core.errors import InputError
from mechopt.core.numbers import Array, FloatArray, readonly, to_exact
from mechopt.environment.markov import Horizon, MarkovTypes
from mechopt.environment.reading.interdependent import Given, Joint, from_arrays, read
from mechopt.environment.reading.joint_array import fractions
from mechopt.environment.reading.nested import Vector, floats, unrounded


class ExactInterdependent(NamedTuple):
    """The exact numbers of an instance: object arrays of Fraction in the layout of its float arrays."""

    values: tuple[Array, ...]
    kernel: tuple[Array, ...]
    initial: Array
    cost: Vector | tuple[Vector, ...]
    discount: Fraction


@dataclass(frozen=True, eq=False, repr=False, init=False)
class InterdependentTypes:
    """At least two agents whose signals are correlated and matter to everybody, and an action a period.

    Parameters
    ----------
    values : nested sequences or array, ``values[i][action][s_1][s_2]...``, or by period ``values[t][i][action]...``
        What an action is worth to agent i at a profile of signals; may be negative.
    kernel : nested sequences or array, ``kernel[action][s_1][s_2]...[next_1][next_2]...``, or without the action
        Joint law of the next signals; where values are by period, a list of these over periods, to the signals of
        period t + 1 (an array of the layout above, or a law without the action, is for every period). The last one may
        be left out and is ignored: it leads beyond the horizon. A list over periods of length 1 is for every period.
        None where the horizon is 1.
    initial : nested sequences or array, ``initial[s_1][s_2]...``
        Joint law of the first signals.
    actions : sequence of str, or of sequences of str over periods, optional
        Their names; default: their numbers. Where there are not as many in every period, values are by period.
    types : nested sequences of str, ``types[i][signal]`` or ``types[t][i][signal]``, optional
        Names of the signals; default: their numbers. None for an agent without names.
    names : sequence of str, optional
        Of the agents; default: their numbers.
    cost : number, sequence over actions, or sequence over periods of either
        The seller's cost of an action, at least 0; default 0.
    horizon : int or "infinite"
        Number of periods.
    discount : number
        In (0, 1], below 1 with an infinite horizon; default 1.
    exact : ExactInterdependent, optional
        The numbers that float arguments are the rounding of; ``dataclasses.replace`` passes it on.

    Attributes
    ----------
    values : tuple over periods of read-only float arrays ``(agent, action, *signals)``
        Of length 1 with an infinite horizon.
    kernel : tuple over periods of read-only float arrays ``(action, *signals, *next signals)``
        Sums to 1 over the next signals. Of length T - 1, or 1 with an infinite horizon. The action's axis is a
        broadcast one (stride 0) where the law is given without the action.
    initial : read-only float array ``(*signals,)``
    types : tuple over periods of tuples over agents of tuples of str
    names : tuple of str
    actions : tuple of str, or where periods differ a tuple of such over periods
        See `action_names`, which is by period always.
    cost : read-only float array ``(action,)``, or where periods differ a tuple of such over periods
        See `costs`, which is by period always.
    horizon : int or "infinite"
    discount : float
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
    >>> env.values[0].shape, env.kernel[0].shape
    ((2, 2, 2, 2), (2, 2, 2, 2, 2))
    """

    values: tuple[FloatArray, ...]
    kernel: tuple[FloatArray, ...]
    initial: FloatArray
    actions: tuple[str, ...] | tuple[tuple[str, ...], ...]
    types: tuple[tuple[tuple[str, ...], ...], ...]
    names: tuple[str, ...]
    cost: FloatArray | tuple[FloatArray, ...]
    horizon: Horizon
    discount: float
    exact: ExactInterdependent | None

    kind = "interdependent"

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
        exact: ExactInterdependent | None = None,
    ) -> None:
        if exact is not None:
            values, kernel = _unrounded(values, exact.values), _unrounded(kernel, exact.kernel)
            initial = _unrounded((initial,), (exact.initial,))[0]
            cost, discount = unrounded(cost, exact.cost), unrounded(discount, exact.discount)
        self._fill(from_arrays(values, kernel, initial, actions, types, names, cost, horizon, discount))

    @classmethod
    def from_given(cls, given: Given) -> InterdependentTypes:
        """Build from what a model file gives; see `interdependent_check.Given`."""
        environment = cls.__new__(cls)
        environment._fill(given)
        return environment

    @classmethod
    def from_markov(cls, environment: MarkovTypes) -> InterdependentTypes:
        """Build the joint form of private types that move independently of each other.

        Own chains that move independently never satisfy convex independence or spanning: what the others see next
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
        values, kernels, agents = [], [], environment.agents
        for t, sizes in enumerate(environment.shape):
            rows = []
            for i in range(agents):
                table = np.array(source.values[i][t], dtype=object if environment.exact else np.float64)
                shape = (len(table), *(size if j == i else 1 for j, size in enumerate(sizes)))
                rows.append(np.broadcast_to(table.reshape(shape), (len(table), *sizes)))
            values.append(np.stack(rows))
        for t in range(len(environment.kernel[0])):
            kernels.append(_product([np.array(source.kernel[i][t], dtype=values[0].dtype) for i in range(agents)]))
        initial = np.array(source.initial[0], dtype=values[0].dtype)
        for law in source.initial[1:]:
            initial = np.multiply.outer(initial, np.array(law, dtype=initial.dtype))
        types = tuple(tuple(environment.types[i][t] for i in range(agents)) for t in range(environment.stages))
        given = (environment.actions, types, environment.names, source.cost, environment.horizon, source.discount)
        return cls(tuple(values), tuple(kernels), initial, *given)

    def _fill(self, given: Given) -> None:
        joint, faults = read(given)
        if faults or joint is None:
            raise InputError(faults)
        known: dict[int, FloatArray] = {}
        set_field = object.__setattr__
        set_field(self, "values", tuple(_rounded(array, known) for array in joint.values))
        set_field(self, "kernel", tuple(_rounded(array, known) for array in joint.kernel))
        set_field(self, "initial", _rounded(joint.initial, known))
        set_field(self, "actions", joint.actions if len(joint.actions) > 1 else joint.actions[0])
        set_field(self, "types", joint.types)
        set_field(self, "names", joint.names)
        costs = tuple(map(floats, joint.cost))
        set_field(self, "cost", costs if len(costs) > 1 else costs[0])
        set_field(self, "horizon", joint.horizon)
        set_field(self, "discount", float(joint.discount))
        set_field(self, "exact", _exact(joint))

    @property
    def agents(self) -> int:
        """Number of agents N."""
        return len(self.names)

    @property
    def infinite(self) -> bool:
        """Whether the horizon is infinite."""
        return self.horizon == "infinite"

    @property
    def stages(self) -> int:
        """Number of periods whose data differ: the horizon, or 1 where it is infinite."""
        return len(self.values)

    @cached_property
    def shape(self) -> tuple[tuple[int, ...], ...]:
        """``shape[t][i]``: number of signals of agent i in period t."""
        return tuple(array.shape[2:] for array in self.values)

    @cached_property
    def costs(self) -> tuple[FloatArray, ...]:
        """``costs[t]``: the seller's cost by action in period t; of length 1 with an infinite horizon."""
        return self.cost if isinstance(self.cost, tuple) else (self.cost,) * self.stages

    @cached_property
    def action_counts(self) -> tuple[int, ...]:
        """Number of actions of each period; of length 1 with an infinite horizon."""
        return tuple(map(len, self.costs))

    def action_names(self, t: int) -> tuple[str, ...]:
        """Names of the actions of period t.

        Parameters
        ----------
        t : int
            From 0; with an infinite horizon all periods are alike.
        """
        by_period = isinstance(self.actions[0], tuple)
        names: Any = self.actions[0 if self.infinite else t] if by_period else self.actions
        return tuple(names)

    def controlled(self, t: int) -> bool:
        """Tell whether the law of the signals after period t depends on the action.

        Parameters
        ----------
        t : int
            Period; 0 with an infinite horizon.
        """
        kernel = self.kernel[t]
        return kernel.strides[0] != 0 and bool((kernel != kernel[:1]).any())

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the instance's numbers and names; equal instances have equal fingerprints."""
        known: dict[int, str] = {}
        exact = self.exact
        parts = [
            [_digest(array, exact and getattr(exact, part)[t], known) for t, array in enumerate(getattr(self, part))]
            for part in ("values", "kernel")
        ]
        initial = _digest(self.initial, exact and exact.initial, known)
        scalars = exact and [_texts(exact.cost), str(exact.discount)]
        numbers = [*parts, initial, scalars or [[cost.tolist() for cost in self.costs], self.discount]]
        named = [self.actions, self.types, self.names, self.horizon]
        return hashlib.sha256(json.dumps([self.kind, numbers, named]).encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return self.fingerprint == other.fingerprint if isinstance(other, InterdependentTypes) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __reduce__(self) -> tuple[Any, ...]:
        source = self.exact or self
        parts = (source.values, source.kernel, source.initial, self.actions, self.types, self.names)
        return type(self), (*parts, source.cost, self.horizon, source.discount)

    def __repr__(self) -> str:
        profiles = max(prod(stage) for stage in self.shape)
        periods = "infinite horizon" if self.infinite else f"{self.horizon} period{'s' * (self.stages > 1)}"
        few, most = min(self.action_counts), max(self.action_counts)
        actions = f"{most if few == most else f'{few} to {most}'} action{'s' * (most > 1)}"
        return (
            f"InterdependentTypes({self.agents} agents, {actions}, {profiles} profile{'s' * (profiles > 1)}, {periods})"
        )


def _product(kernels: list[Array]) -> Array:
    """Joint law ``(action, *types, *next types)`` of chains ``(action, type, next)`` that move independently."""
    joint, agents = kernels[0], len(kernels)
    for i, kernel in enumerate(kernels[1:], start=1):  # joint: action, i types, i next types
        left = joint.reshape(*joint.shape[: i + 1], 1, *joint.shape[i + 1 :], 1)
        joint = left * kernel.reshape(len(kernel), *(1,) * i, kernel.shape[1], *(1,) * i, kernel.shape[2])
    assert joint.ndim == 1 + 2 * agents
    return joint


def _unrounded(given: Any, exact: tuple[Array, ...]) -> Any:
    """Put exact arrays in place of those that are their rounding; equal ones stay shared."""
    if not isinstance(given, tuple) or len(given) != len(exact):
        return given
    known: dict[tuple[int, int], Any] = {}
    for array, own in zip(given, exact, strict=True):
        if (id(array), id(own)) not in known:
            same = isinstance(array, np.ndarray) and np.array_equal(array, own.astype(np.float64))
            known[id(array), id(own)] = own if same else array
    return tuple(known[id(array), id(own)] for array, own in zip(given, exact, strict=True))


def _rounded(array: Array, known: dict[int, FloatArray]) -> FloatArray:
    """Read-only floats; equal periods share one, and an action's axis of stride 0 keeps it."""
    if id(array) not in known:
        if array.strides[0] == 0:
            known[id(array)] = np.broadcast_to(readonly(array[0]), array.shape)
        else:
            known[id(array)] = readonly(array)
    return known[id(array)]


def _exact(joint: Joint) -> ExactInterdependent | None:
    """Fractions of all numbers, or None where some law does not sum to 1 exactly; the first such law ends the work."""
    agents, known = joint.initial.ndim, dict[int, Array]()
    cost = joint.cost if len(joint.cost) > 1 else joint.cost[0]
    for array, leading in ((joint.initial, 0), *((kernel, 1 + agents) for kernel in joint.kernel)):
        if id(array) not in known:
            own = _exact_laws(array, leading)
            if own is None:
                return None
            known[id(array)] = own
    for array in joint.values:
        if id(array) not in known:
            known[id(array)] = _frozen(array if array.dtype == object else fractions(array))
    values, kernel = (tuple(known[id(array)] for array in arrays) for arrays in (joint.values, joint.kernel))
    return ExactInterdependent(values, kernel, known[id(joint.initial)], cost, joint.discount)


def _exact_laws(array: Array, leading: int) -> Array | None:
    if leading and array.strides[0] == 0:
        one = _exact_laws(array[0], leading - 1)
        return one if one is None else np.broadcast_to(one, array.shape)
    laws = array.reshape(prod(array.shape[:leading]), -1)
    if array.dtype != object and sum(map(to_exact, laws[0].tolist())) != 1:
        return None
    exact = array if array.dtype == object else fractions(array)
    return _frozen(exact) if (exact.reshape(laws.shape).sum(axis=1) == 1).all() else None


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
