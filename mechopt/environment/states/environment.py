r"""An environment with public states: part of every agent's type is what everybody sees.

A state s moves from period to period by ``kernel[a][s, s']`` given the action, independently of the private types;
agents and the mechanism see it before reports are made, and it may rule actions out. It is written as interdependent
signals: agent i's type is the pair (s, k) of the state and her private type k, the states of all agents agree, and only
k can be misreported. So a state is on every public history, takes part in what agents believe and is worth nothing by
itself: no incentive constraint, payment or utility is its own. A state with one value changes nothing.

An agent's type (s, k) is number s K + k of her types, K the number of her private ones. Of profiles whose states
differ, which never occur, the state of agent 0 says how they move.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import product
from math import prod
from typing import Any

import numpy as np

from mechopt.core.errors import Fault, InputError, LimitError
from mechopt.core.numbers import Array, IntArray, readonly
from mechopt.core.provided import provided
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.reading.interdependent import Joint
from mechopt.environment.separable import SeparableTypes
from mechopt.environment.states.parts import (
    Parts,
    exact_tables,
    parts_of,
    spread_gains,
    spread_initial,
    spread_kernel,
    spread_values,
)
from mechopt.environment.states.state import PublicState, action_faults

MAX_ENTRIES = 5 * 10**6
"""Largest number of exact entries of one joint kernel."""


@dataclass(frozen=True, eq=False, repr=False, init=False)
class PublicStates(InterdependentTypes):
    """An environment with a finite horizon whose agents, and mechanism, see public states.

    Parameters
    ----------
    environment : MarkovTypes, SeparableTypes or InterdependentTypes
        What there is without them; contracting, the first period of separable types, moves no state.
    states : PublicState or sequence of them
        They move independently of each other, given the action.
    values : sequence over agents, optional
        Values that depend on the states instead of the environment's: ``values[i][s][action][type]`` (interdependent:
        ``[action][s_1][s_2]...``), s over the states in C order; None for an agent whose values do not.

    Attributes
    ----------
    base : MarkovTypes or InterdependentTypes
    states : tuple of PublicState
    public : tuple over periods of tuples over agents of int arrays ``(types,)``
        The state in each type.
    forbidden : tuple over periods of bool arrays ``(action, state)``
        Which actions each state rules out.

    Raises
    ------
    InputError
        If the horizon is infinite, or the parts do not fit together.
    LimitError
        If there are too many profiles.
    """

    base: MarkovTypes | InterdependentTypes
    states: tuple[PublicState, ...]
    public: tuple[tuple[IntArray, ...], ...]
    forbidden: tuple[Array, ...]
    given: tuple[Any, ...]

    kind = "public-states"

    def __init__(
        self,
        environment: MarkovTypes | InterdependentTypes | SeparableTypes,
        states: PublicState | Sequence[PublicState],
        values: Any = None,
    ) -> None:
        listed = listed_states(states)
        faults = state_faults(environment, listed, values)
        if faults:
            raise InputError(faults)
        object.__setattr__(self, "given", (environment, listed, values))
        base = environment.to_markov() if isinstance(environment, SeparableTypes) else environment
        count = prod(len(state.values) for state in listed)
        parts = parts_of(base)
        if values is not None:
            parts = parts.with_values(exact_tables(base, values, count))
        self._join(base, parts, listed, isinstance(environment, SeparableTypes))

    def _join(
        self,
        base: MarkovTypes | InterdependentTypes,
        parts: Parts,
        listed: tuple[PublicState, ...],
        contracting: bool,
    ) -> None:
        """Fill in what all of it is together."""
        count = prod(len(state.values) for state in listed)
        _require_few(base, count)
        object.__setattr__(self, "base", base)
        object.__setattr__(self, "states", listed)
        object.__setattr__(self, "forbidden", tuple(map(readonly_flags, ruled_out(base, listed))))
        object.__setattr__(self, "public", _tags(base, count))
        self._fill(_joint(base, parts, listed, count, contracting))

    @property
    def first_best(self) -> float:
        """Expected surplus of the efficient rule, present value, of the actions that the states allow."""
        return float(provided(self, "first_best")(self))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the numbers and names, and of what the states rule out."""
        inner = super().fingerprint
        ruled = [part.tolist() for part in self.forbidden]
        seen = [[row.tolist() for row in period] for period in self.public]
        return hashlib.sha256(json.dumps([self.kind, inner, ruled, seen]).encode()).hexdigest()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.__dict__["given"]

    def __repr__(self) -> str:
        named = ", ".join(f"{state.name} ({len(state.values)} values)" for state in self.states)
        return f"PublicStates({self.base!r}, {named})"


def readonly_flags(flags: Array) -> Array:
    """Read-only booleans."""
    flags = np.array(flags, dtype=bool)
    flags.setflags(write=False)
    return flags


def state_faults(
    environment: Any, states: Sequence[PublicState], values: Any = None, at: str = "states"
) -> list[Fault]:
    """Faults of an environment and its states that do not fit together."""
    if not isinstance(environment, (MarkovTypes, InterdependentTypes, SeparableTypes)):
        return [Fault("environment", f"is {type(environment).__name__}", "public states are for persistent types")]
    if isinstance(environment, PublicStates):
        return [Fault("environment", "has public states", "give all of them at once")]
    if environment.horizon == "infinite":
        fix = "public states need a number of periods"
        if isinstance(environment, SeparableTypes):
            fix += "; for ever one buyer takes mo.families.state_as_signal"
        return [Fault("horizon", "is infinite", fix)]
    if not states:
        return [Fault(at, "is empty", "give at least one public state")]
    base = environment.to_markov(exclusion=False) if isinstance(environment, SeparableTypes) else environment
    actions = [tuple(base.action_names(t)) for t in range(base.stages)]
    faults = [f for j, state in enumerate(states) for f in action_faults(state, actions, f"{at}[{j}]")]
    if faults:
        return faults
    for t, flags in enumerate(ruled_out(base, states)):
        for s in np.flatnonzero(flags.all(axis=0)):
            what = f"leaves no action in period {t} at {state_names(states)[int(s)]}"
            faults.append(Fault(at, what, "leave one action allowed everywhere"))
    if values is not None and not faults:
        faults += _value_faults(base, values, prod(len(state.values) for state in states))
    return faults


def listed_states(states: PublicState | Sequence[PublicState]) -> tuple[PublicState, ...]:
    """One state, or several, as a tuple."""
    listed = (states,) if isinstance(states, PublicState) else states
    if not isinstance(listed, (tuple, list)) or not all(isinstance(state, PublicState) for state in listed):
        raise InputError(
            [Fault("states", "is not a list of PublicState", "give mo.families.PublicState(...), or several")]
        )
    return tuple(listed)


def state_names(states: Sequence[PublicState]) -> list[str]:
    """Names of the states together, in C order, such as ``"stock 2, demand high"``."""
    rows = product(*([f"{state.name} {value}" for value in state.values] for state in states))
    return [", ".join(row) for row in rows]


def _require_few(base: MarkovTypes | InterdependentTypes, count: int) -> None:
    for t in range(base.stages - 1):
        now, later = (prod(count * k for k in base.shape[s]) for s in (t, t + 1))
        if (entries := base.action_counts[t] * now * later) > MAX_ENTRIES:
            raise LimitError(
                f"the distribution of the next type profile has {entries:,} entries with public states, above "
                f"{MAX_ENTRIES:,}; use fewer states, types or agents"
            )


def _value_faults(base: MarkovTypes | InterdependentTypes, values: Any, count: int) -> list[Fault]:
    if len(values) != base.agents:
        return [Fault("values", f"has {len(values)} entries for {base.agents} agents", "give one an agent, or None")]
    faults = []
    for i, own in enumerate(values):
        if own is None:
            continue
        wanted = {(count, *np.shape(base.values[i][t])) for t in range(base.stages)}
        try:
            shape = np.array(own, dtype=object).shape
        except ValueError:
            shape = ()
        if len(wanted) > 1 or shape not in wanted:
            what = f"has shape {shape}, expected is {sorted(wanted)[0]}"
            faults.append(Fault(f"values[{i}]", what, "give [state][action][type], the same in every period"))
    return faults


def joint_states(states: Sequence[PublicState], actions: int, contracting: bool = False) -> tuple[Array, Array, Any]:
    """First distribution ``(S,)``, kernel ``(A, S, S')`` and seller's values ``(A, S)`` of the states together."""
    initial = np.array([Fraction(1)], dtype=object)
    kernel = np.full((actions, 1, 1), Fraction(1), dtype=object)
    gains: Any = None
    for state in states:
        size, before = len(state.values), len(initial)
        initial = np.multiply.outer(initial, np.array(state.initial, dtype=object)).ravel()
        own = np.array([[list(row) for row in matrix] for matrix in state.kernel], dtype=object)
        if contracting or (len(own) > 1 and len(own) != actions):  # nothing moves
            own = np.array([[[Fraction(int(k == j)) for j in range(size)] for k in range(size)]], dtype=object)
        own = np.broadcast_to(own, (actions, size, size))
        outer = kernel[:, :, None, :, None] * own[:, None, :, None, :]
        kernel = outer.reshape(actions, before * size, before * size)
        if gains is not None:
            gains = np.repeat(gains, size, axis=1)
        if state.seller_values is not None and len(state.seller_values) == actions and not contracting:
            worth = np.tile(np.array(state.seller_values, dtype=object), (1, before))
            gains = worth if gains is None else gains + worth
    return initial, kernel, gains


def ruled_out(base: MarkovTypes | InterdependentTypes, states: Sequence[PublicState]) -> list[Array]:
    """Which actions the states together rule out, ``(A_t, S)`` by period."""
    found = []
    for t in range(base.stages):
        names = list(base.action_names(t))
        total = np.zeros((len(names), 1), dtype=bool)
        for state in states:
            own = np.zeros((len(names), len(state.values)), dtype=bool)
            for value, ruled in state.forbidden:
                own[[names.index(name) for name in ruled if name in names], state.values.index(value)] = True
            total = (total[:, :, None] | own[:, None, :]).reshape(len(names), -1)
        found.append(total)
    return found


def _tags(base: MarkovTypes | InterdependentTypes, count: int) -> tuple[tuple[IntArray, ...], ...]:
    """The state in each type, by period and agent."""
    return tuple(tuple(readonly(np.arange(count).repeat(k), np.int64) for k in row) for row in base.shape)


def _joint(
    base: MarkovTypes | InterdependentTypes,
    parts: Parts,
    states: tuple[PublicState, ...],
    count: int,
    contracting: bool,
) -> Joint:
    """All of it as one joint process, in the layout of `InterdependentTypes`."""
    kind, n = parts.initial.dtype, base.agents
    values, kernels, all_gains, some = [], [], [], False
    for t in range(base.stages):
        actions = base.action_counts[t]
        first, moves, worth = joint_states(states, actions, contracting and t == 0)
        values.append(spread_values(parts, t, count, n))
        gains = spread_gains(parts, worth, t, count, base.shape[t], actions, kind)
        some |= gains is not None
        all_gains.append(
            gains if gains is not None else np.full((actions, *(count * k for k in base.shape[t])), 0, kind)
        )
        if t + 1 < base.stages:
            kernels.append(spread_kernel(parts, moves.astype(kind), t, count, base.shape[t], base.shape[t + 1]))
        if t == 0:
            initial = spread_initial(parts.initial, first.astype(kind), count, base.shape[0])
    named = state_names(states)
    types = [
        tuple(tuple(f"{k} ({s})" if s else k for s in named for k in base.types[i][t]) for i in range(n))
        for t in range(base.stages)
    ]
    every = [tuple(base.action_names(t)) for t in range(base.stages)]
    actions_by_period = every[:1] if all(row == every[0] for row in every) else every
    fees = [tuple(map(Fraction, parts.cost(t, 0))) for t in range(base.stages)]
    by_period = isinstance(base.cost, tuple) or any(row != fees[0] for row in fees)
    return Joint(
        tuple(values),
        tuple(kernels),
        initial,
        tuple(actions_by_period) if not by_period else tuple(every),
        tuple(types),
        base.names,
        tuple(fees if by_period else fees[:1]),
        base.stages,
        Fraction(parts.source.discount),
        tuple(all_gains) if some else None,
        None if base.outside is None else _options((base.exact or base).outside, count),
        None if base.discounts is None else tuple(map(Fraction, (base.exact or base).discounts or ())),
    )


def _options(given: Any, count: int) -> Any:
    """Outside options by type: the same in every state."""
    return tuple(tuple(tuple(map(Fraction, part)) * count for part in row) for row in given)
