r"""Persistent private types: each agent's type follows a Markov chain of its own, which the common action may steer.

Each period t = 0, 1, ... agent i has a type k; an action a is taken, worth ``values[i][t][a, k]`` to her and costing
the seller ``cost[a]``, to whom it may be worth ``seller_values[i][t][a, k]`` besides; her next type is l with
probability ``kernel[i][t][a, k, l]``, independently of the other agents given the action. Everybody discounts period t
by ``discount**t``. With an infinite horizon nothing depends on the period and the discount is below 1.

Source: Bergemann and Valimaki (2010), section 2; Kakade, Lobel and Nazerzadeh (2013). Both count periods as here.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np

from mechopt.core.errors import InputError
from mechopt.core.numbers import FloatArray
from mechopt.environment.base import ActionsByPeriod, named_parts, one
from mechopt.environment.reading import markov
from mechopt.environment.reading.nested import (
    Matrix,
    Vector,
    floats,
    kernel_array,
    plain,
    shared,
    unless_zero,
    unrounded,
)
from mechopt.environment.reading.reader import Horizon
from mechopt.environment.reading.terms import Options


class ExactMarkov(NamedTuple):
    """The exact numbers of an instance, in the layout of its arrays."""

    values: tuple[tuple[Matrix, ...], ...]
    kernel: tuple[tuple[tuple[Matrix, ...], ...], ...]
    initial: Matrix
    cost: Vector | tuple[Vector, ...]
    discount: Fraction
    seller_values: tuple[tuple[Matrix, ...], ...] | None = None
    outside: Options | None = None
    discounts: Vector | None = None


@dataclass(frozen=True, eq=False, repr=False, init=False)
class MarkovTypes(ActionsByPeriod):
    """Agents with persistent private types, and an action a period.

    Parameters
    ----------
    values : nested sequences, ``values[i][action][type]`` or ``values[i][t][action][type]``
        What an action is worth to agent i; may be negative.
    kernel : nested sequences, ``kernel[i][type][next]`` or ``kernel[i][action][type][next]``
        Distribution of agent i's next type, for every action or by action; where her values are by period, a list of
        these over periods, ``kernel[i][t]``, to the types of period t + 1. The last one may be left out and is
        ignored, as it leads beyond the horizon: its rows must be probabilities, of any number of types.
        A list over periods of length 1 is for every period.
    initial : nested sequences, ``initial[i][type]``
        Distribution of the first type.
    actions : sequence of str, or of sequences of str over periods, optional
        Their names; default: their numbers. Where there are not as many in every period, values are by period.
    types : nested sequences of str, ``types[i][type]`` or ``types[i][t][type]``, optional
        Names; default: their numbers. None for an agent without names.
    names : sequence of str, optional
        Of the agents; default: their numbers.
    cost : number, sequence over actions, or sequence over periods of either
        The seller's cost of an action, of any sign; default 0.
    horizon : int or "infinite"
        Number of periods.
    discount : number
        In (0, 1], below 1 with an infinite horizon; default 1.
    seller_values : nested sequences, ``seller_values[i][action][type]`` or by period ``[i][t][action][type]``, optional
        What an action is worth to the seller by agent i's type, of any sign, besides payments and the cost; those of
        several agents add up. None for an agent of whom this is 0.
    outside : sequence over agents, optional
        What an agent has who does not take part: a number or one by initial type, at contracting alone; or a list by
        period of either, present value as of the period. None for an agent who has nothing. See `ExAnteIR`, `Interim`.
    discounts : sequence over agents, optional
        Agents' own, where they differ from ``discount``, which is then the seller's; None where hers does not.
    exact : ExactMarkov, optional
        The numbers that float arguments are the rounding of; ``dataclasses.replace`` passes it on.

    Attributes
    ----------
    values : tuple over agents of tuples over periods of read-only float arrays ``(action, type)``
        Of length 1 over periods with an infinite horizon.
    kernel : tuple over agents of tuples over periods of read-only float arrays ``(action, type, next)``
        Rows sum to 1 over ``next``. Of length T - 1 over periods, or 1 with an infinite horizon.
    initial : tuple over agents of read-only float arrays ``(type,)``
    types : tuple over agents of tuples over periods of tuples of str
    names : tuple of str
    actions : tuple of str, or where periods differ a tuple of such over periods
        See `action_names`, which is by period always.
    cost : read-only float array ``(action,)``, or where periods differ a tuple of such over periods
        See `costs`, which is by period always.
    horizon : int or "infinite"
    discount : float
    seller_values : like values, or None where they are all 0
    outside : ``outside[i][t]``: read-only float arrays ``(type,)``, or None where all are 0
    discounts : tuple of float, or None where all are `discount`
    exact : ExactMarkov or None
        The same as fractions; None where float probabilities sum to 1 only within rounding.

    Raises
    ------
    InputError
        With every fault of the input.

    Examples
    --------
    >>> stay = [["3/4", "1/4"], ["1/4", "3/4"]]
    >>> env = MarkovTypes([[[0, 0], [1, 2]]], [stay], [["2/5", "3/5"]], actions=["keep", "sell"], horizon=3)
    >>> env
    MarkovTypes(1 agent, 2 actions, 2 types, 3 periods)
    >>> env.kernel[0][1][0]
    array([[0.75, 0.25],
           [0.25, 0.75]])
    """

    values: tuple[tuple[FloatArray, ...], ...]
    kernel: tuple[tuple[FloatArray, ...], ...]
    initial: tuple[FloatArray, ...]
    actions: tuple[str, ...] | tuple[tuple[str, ...], ...]
    types: tuple[tuple[tuple[str, ...], ...], ...]
    names: tuple[str, ...]
    cost: FloatArray | tuple[FloatArray, ...]
    horizon: Horizon
    discount: float
    seller_values: tuple[tuple[FloatArray, ...], ...] | None
    outside: tuple[tuple[FloatArray, ...], ...] | None
    discounts: tuple[float, ...] | None
    exact: ExactMarkov | None

    kind = "markov"
    _reading: ClassVar[Any] = markov

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
        exact: ExactMarkov | None = None,
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

    def _fill(self, chain: markov.Chain) -> None:
        agents = chain.agents
        gains = unless_zero([agent.seller_values for agent in agents])
        exact = ExactMarkov(
            tuple(agent.values for agent in agents),
            tuple(agent.kernel for agent in agents),
            tuple(agent.initial for agent in agents),
            one(chain.cost),
            chain.discount,
            gains,
            chain.outside,
            chain.discounts,
        )
        self._set(
            chain,
            values=tuple(shared(agent.values, floats) for agent in agents),
            kernel=tuple(shared(agent.kernel, kernel_array) for agent in agents),
            initial=tuple(floats(agent.initial) for agent in agents),
            types=tuple(agent.types for agent in agents),
            names=tuple(agent.name for agent in agents),
            seller_values=None if gains is None else tuple(shared(row, floats) for row in gains),
            exact=exact if _sums_to_one(chain) else None,
        )

    @cached_property
    def shape(self) -> tuple[tuple[int, ...], ...]:
        """``shape[t][i]``: number of types of agent i in period t."""
        return tuple(tuple(row[t].shape[1] for row in self.values) for t in range(self.stages))

    @cached_property
    def initial_distribution(self) -> FloatArray:
        """Probability of each first type profile; axes: type of agent 0, ..., type of agent n-1."""
        profiles: FloatArray = np.ones(())
        for row in self.initial:
            profiles = np.multiply.outer(profiles, row)
        return profiles

    def without(self, agent: int) -> MarkovTypes:
        """Build the environment of the other agents, with the same actions and costs.

        Parameters
        ----------
        agent : int
            Who is left out; there must be others.
        """
        if self.agents < 2 or agent not in range(self.agents):
            raise InputError(f"agent {agent!r} cannot be left out of {self.agents}; there must be others")
        source = self.exact or self
        parts = (source.values, source.kernel, source.initial, self.types, self.names, source.seller_values or ())
        kept = [tuple(part for i, part in enumerate(parts_) if i != agent) for parts_ in parts]
        values, kernel, initial, types, names, gains = kept
        options, discounts = (
            part and tuple(entry for i, entry in enumerate(part) if i != agent)
            for part in (source.outside, source.discounts)
        )
        rest = source.cost, self.horizon, source.discount, gains or None, options, discounts
        return MarkovTypes(values, kernel, initial, self.actions, types, names, *rest)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the instance's numbers and names; equal instances have equal fingerprints."""
        source = self.exact or self
        numbers = [plain(part) for part in (source.values, source.kernel, source.initial, source.cost, source.discount)]
        numbers += named_parts(source)
        named = [self.actions, self.types, self.names, self.horizon]
        return hashlib.sha256(json.dumps([self.kind, numbers, named]).encode()).hexdigest()


def _sums_to_one(chain: markov.Chain) -> bool:
    rows = [row for agent in chain.agents for kernel in agent.kernel for matrix in kernel for row in matrix]
    return all(sum(row) == 1 for row in {id(row): row for row in [*rows, *(a.initial for a in chain.agents)]}.values())
