r"""Agents' chains of types for ever, in units of the largest value: what the programs of one period are made of.

`Chain` has the distributions that types may have in a period (one for each previous profile of reports and kernel), a
bound on differences of each agent's utilities, first best, and mechanisms to begin with. Promises and their prices are
vectors over all agents' types, one agent after another.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

import numpy as np

from mechopt.core.numbers import FloatArray, IntArray
from mechopt.environment.markov import MarkovTypes
from mechopt.histories.chain import ahead, along
from mechopt.solve.coupling import coupled
from mechopt.solve.infinite.promises.starts import CLOSE, MAX_SWEEPS, Stage, Start, starts


@dataclass(frozen=True, eq=False)
class Chain:
    """Agents for ever.

    Attributes
    ----------
    discount, unit : float
        Money of the environment in the unit of the rest.
    values : tuple over agents of float arrays ``(actions, types)``
    net : float array ``(actions, profiles)``
        Values and what actions are worth to the seller, less costs.
    kernels : tuple over agents of float arrays ``(own kernels, types, next types)``
        Different ones.
    parts : int array ``(kernels, agents)``
        Which of them a kernel of all is made of.
    moves : int array ``(actions,)``
        Kernel of all that an action brings.
    distributions : tuple over states of tuples over agents of float arrays ``(types,)``
        Of the type; the last state is that of the first period.
    place : int array ``(kernels, profiles)``
        State of the next period after a kernel and reports.
    boxes : tuple over agents of float arrays ``(types, types)``
        ``[a, b]`` is at least what type a can get more than type b.
    best : float array ``(profiles,)``
        First best from a period on, from above.
    starts : tuple of Start
    """

    discount: float
    unit: float
    values: tuple[FloatArray, ...]
    net: FloatArray
    kernels: tuple[FloatArray, ...]
    parts: IntArray
    moves: IntArray
    distributions: tuple[tuple[FloatArray, ...], ...]
    place: IntArray
    boxes: tuple[FloatArray, ...]
    best: FloatArray
    starts: tuple[Start, ...]

    @property
    def root(self) -> int:
        """Number of the first period's state."""
        return len(self.distributions) - 1

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Number of types by agent."""
        return tuple(table.shape[1] for table in self.values)

    @cached_property
    def offset(self) -> IntArray:
        """Where each agent's types begin in a promise, ``(agents + 1,)``; the last entry is its width."""
        return np.cumsum([0, *self.shape])

    @cached_property
    def own(self) -> IntArray:
        """Types in a profile, the last agent's fastest, ``(agents, profiles)``."""
        return np.indices(self.shape).reshape(len(self.shape), -1)

    @cached_property
    def chances(self) -> FloatArray:
        """Probability of each profile by state, ``(states, profiles)``."""
        return np.array([reduce(np.multiply.outer, parts).ravel() for parts in self.distributions])

    @cached_property
    def all_but_last(self) -> IntArray:
        """Places of a promise without each agent's last type."""
        return np.setdiff1d(np.arange(self.offset[-1]), self.offset[1:] - 1)


def chain_of(environment: MarkovTypes) -> Chain:
    """Read a chain off an environment with an infinite horizon."""
    env, d, agents = environment, environment.discount, range(environment.agents)
    values, cost = [row[0] for row in env.values], env.costs[0]
    gains = [row[0] for row in env.seller_values] if env.seller_values else [np.zeros(v.shape) for v in values]
    largest = [float(np.abs(part).max(initial=0.0)) for part in (*values, cost, *gains)]
    unit = max(largest) or 1.0
    values, gains, cost = [v / unit for v in values], [g / unit for g in gains], cost / unit
    kernels, own_moves, rows, places = list[FloatArray](), list[IntArray](), list[FloatArray](), list[IntArray]()
    for row in env.kernel:
        different, moves = np.unique(row[0], axis=0, return_inverse=True)
        found, place = np.unique(different.reshape(-1, different.shape[2]), axis=0, return_inverse=True)
        kernels.append(different)
        own_moves.append(np.asarray(moves).ravel())
        rows.append(found)
        places.append(np.asarray(place).ravel().reshape(different.shape[:2]))
    parts, moves = np.unique(np.array(own_moves).T, axis=0, return_inverse=True)
    own = np.indices(env.shape[0]).reshape(len(agents), -1)
    after = np.array([[places[i][part[i], own[i]] for i in agents] for part in parts])  # kernel, agent, profile
    numbers, place = np.unique(after.transpose(0, 2, 1).reshape(-1, len(agents)), axis=0, return_inverse=True)
    states = [tuple(rows[i][number[i]] for i in agents) for number in numbers]
    stage = Stage(
        np.array([v[:, own[i]] for i, v in enumerate(values)]),
        np.array(sum(g[:, own[i]] for i, g in enumerate(gains))),
        cost,
        tuple(kernels[i][own_moves[i]] for i in agents),
        d,
    )
    return Chain(
        discount=d,
        unit=unit,
        values=tuple(values),
        net=stage.values.sum(axis=0) + stage.gains - cost[:, None],
        kernels=tuple(kernels),
        parts=parts,
        moves=np.asarray(moves).ravel(),
        distributions=(*states, tuple(env.initial)),
        place=np.asarray(place).reshape(len(parts), -1),
        boxes=tuple(difference_box(values[i], kernels[i], own_moves[i], d) for i in agents),
        best=first_best_by_profile(env).ravel() / unit,
        starts=starts(stage),
    )


def first_best_by_profile(environment: MarkovTypes) -> FloatArray:
    """Largest welfare from a profile of types on, from above by value iteration; an axis for each agent's types."""
    everybody, d = range(environment.agents), environment.discount
    net: Any = sum(along(environment, i, 0, everybody) for i in everybody)
    net = net - environment.costs[0].reshape(-1, *(1,) * environment.agents)
    for i, row in enumerate(environment.seller_values or ()):
        net = net + row[0].reshape(len(row[0]), *(row[0].shape[1] if j == i else 1 for j in everybody))
    net = np.broadcast_to(net, (len(net), *environment.shape[0]))
    value, change = np.full(environment.shape[0], net.max() / (1 - d)), 0.0
    for _ in range(MAX_SWEEPS):
        after = (net + d * ahead(environment, value, 0, everybody)).max(axis=0)
        change, value = float(np.abs(after - value).max()), after
        if change <= CLOSE * float(np.abs(after).max()):
            break
    return np.asarray(value + change * d / (1 - d))


def difference_box(values: FloatArray, kernels: FloatArray, moves: IntArray, d: float) -> FloatArray:
    """``[a, b]``: at least what type a can get more than type b, who does not report a; a fixed point.

    Parameters
    ----------
    values : float array ``(actions, types)``
    kernels : float array ``(kernels, types, next types)``
    moves : int array ``(actions,)``
    d : float
        Discount.
    """
    types = values.shape[1]
    box, direct = np.zeros((types, types)), values[:, :, None] - values[:, None, :]
    for _ in range(MAX_SWEEPS):
        ahead = np.array([[[coupled(k[x], k[y], box) for y in range(types)] for x in range(types)] for k in kernels])
        after = (direct + d * ahead[moves]).max(axis=0)
        np.fill_diagonal(after, 0.0)
        change, box = float(np.abs(after - box).max()), after
        if change <= 1e-12 * max(float(np.abs(box).max()), 1e-300):
            break
    widened: FloatArray = box + 2 * change * d / (1 - d) * (1 - np.eye(types))
    return widened
