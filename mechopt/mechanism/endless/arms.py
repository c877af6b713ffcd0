r"""A mechanism on arms: who has the highest index is served and pays by the others' states; no joint chain anywhere.

Arm i is served a period in which it brings v_i(s) to its agent, and moves; all others stand still. Served is the arm
whose state has the highest index, of equal ones that of the lowest number; nobody where none is above 0 and idling is
possible. With step functions e_j(s, m), from 0 to 1 and ascending in money m, the served agent pays

.. math:: b_i + (1 - d) \Bigl[ \bar m - \int_{m_i}^{\bar m} \prod_{j \ne i} e_j(s_j, m) \, dm \Bigr]

for every :math:`\bar m` from which on all e are 1, and nobody else pays. The dynamic pivot is of this form: e_j is the
expected discount until the retirement value of arm j is at most m, b_i the cost, and the bracket :math:`W_{-i}`.

What truth is worth needs no joint chain, whatever indices and payments are: an arm j stops as soon as its index is
below that of another, so that where arm i is served at a level y of its own, every other arm is where it first comes
below y, independently of each other. With K_j the expected discounted distribution of that state,

.. math:: V_i(s) = \sum_y A_{i,y}(s_i) \prod_{j \ne i} K_j^y(s_j) \cdot 1 - N_{i,y}(s_i) \Bigl[ (b_i + (1 - d) \bar m)
    \prod_{j \ne i} K_j^y(s_j) \cdot 1 - (1 - d) \int_{m_i}^{\bar m} \prod_{j \ne i} K_j^y(s_j) \cdot e_j(m) \, dm
    \Bigr],

where A and N are the discounted values and services of arm i alone between the levels above y and y.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np

from mechopt.core.errors import Fault, InputError, LimitError
from mechopt.core.numbers import FloatArray, IntArray
from mechopt.environment.markov import MarkovTypes
from mechopt.mechanism.constraints import Constraint
from mechopt.mechanism.methods import MechanismMethods
from mechopt.mechanism.stationary import MarkovMechanism

MAX_PROFILES = 200_000
"""Largest number of joint states that `ArmsMechanism.to_mechanism` writes out."""


class Stops(NamedTuple):
    """One arm alone, served until it comes below each of its levels; of q levels the highest q count.

    Attributes
    ----------
    levels : float array, descending
        Distinct indices at which it may be served.
    reach : float array ``(q, S, S)``
        Expected discount at the first state below, by first state and that one.
    values, services : float arrays ``(q, S)``
        Discounted sums until then.
    residual : float
        Largest residual of these equations, in rows summed, of values in units of the largest one.
    """

    levels: FloatArray
    reach: FloatArray
    values: FloatArray
    services: FloatArray
    residual: float


def stops_of(kernel: FloatArray, values: FloatArray, index: FloatArray, discount: float, least: float) -> Stops:
    """Solve an arm alone for each of its levels above ``least``."""
    levels, size = np.unique(index[index > least])[::-1], len(values)
    reach = np.broadcast_to(np.eye(size), (len(levels) + 1, size, size)).copy()
    sums, worst = np.zeros((2, len(levels) + 1, size)), 0.0
    scale = max(float(np.abs(values).max()), 1e-300)
    for q, level in enumerate(levels, 1):
        on = index >= level
        inside = np.eye(int(on.sum())) - discount * kernel[np.ix_(on, on)]
        right = np.zeros((len(inside), size + 2))
        right[:, :size][:, ~on] = discount * kernel[np.ix_(on, ~on)]
        right[:, size], right[:, size + 1] = values[on], 1.0
        found = np.linalg.solve(inside, right)
        off = np.abs(inside @ found - right)
        worst = max(
            worst, float(off[:, :size].sum(axis=1).max()), float(off[:, size].max()) / scale, float(off[:, -1].max())
        )
        reach[q][on], sums[0, q, on], sums[1, q, on] = found[:, :size], found[:, size], found[:, size + 1]
    return Stops(levels, reach, sums[0], sums[1], worst)


@dataclass(frozen=True, eq=False, repr=False)
class ArmsMechanism(MechanismMethods):
    """Indices and payments of arms of which one is served a period.

    Attributes
    ----------
    environment : MarkovTypes
        Each action serves one agent or nobody; who is not served stands still; infinite horizon.
    serving : tuple of int
        Action that serves each agent.
    idling : int or None
        Action that serves nobody, at no cost.
    index : tuple over agents of float arrays ``(state,)``
    levels : tuple over agents of float arrays, ascending
        Where e_i jumps; money.
    waiting : tuple over agents of float arrays ``(state, level)``
        e_i from level l - 1 on (below all, for l = 0); ascending from 0 or more to 1.
    base : float array ``(agent,)``
        b, what the served pays besides.
    start : float array ``(agent,)``
        m_i, where her integral starts.
    floor : float
        Smallest m that counts for anybody.
    claims : tuple of Constraint
    source : str

    Raises
    ------
    InputError
        With every number that is not finite, table of the wrong shape, list of levels that does not ascend, and action
        that moves, or is worth something to, somebody whom it does not serve.
    """

    environment: MarkovTypes
    serving: tuple[int, ...]
    idling: int | None
    index: tuple[FloatArray, ...]
    levels: tuple[FloatArray, ...]
    waiting: tuple[FloatArray, ...]
    base: FloatArray
    start: FloatArray
    floor: float
    claims: tuple[Constraint, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        env, faults = self.environment, list[Fault]()
        agents, actions = env.agents, env.action_counts[0]
        if not env.infinite:
            faults.append(Fault("environment", f"has {env.horizon} periods", 'its horizon must be "infinite"'))
        for name in ("serving", "index", "levels", "waiting", "base", "start"):
            if (count := len(getattr(self, name))) != agents:
                faults.append(Fault(name, f"has {count} entries", f"give one for each of the {agents} agents"))
        taken = [*self.serving, *(() if self.idling is None else (self.idling,))]
        if sorted(set(taken)) != sorted(taken) or not all(0 <= a < actions for a in taken):
            faults.append(
                Fault("serving", f"and idling name actions {taken}", f"give different ones, 0 to {actions - 1}")
            )
        if faults:
            raise InputError(faults)
        faults += [fault for i in range(agents) for fault in self._faults_of(i)]
        if not np.isfinite(self.floor):
            faults.append(Fault("floor", f"is {self.floor}", "give a finite number"))
        if faults:
            raise InputError(faults)

    def _faults_of(self, i: int) -> list[Fault]:
        """What is wrong with one arm."""
        states, faults = self.environment.shape[0][i], list[Fault]()
        shapes = {"index": (states,), "levels": (len(self.levels[i]),), "waiting": (states, len(self.levels[i]) + 1)}
        for name in ("index", "levels", "waiting", "base", "start"):
            found, wanted = np.asarray(getattr(self, name)[i]), shapes.get(name, ())
            if found.shape != wanted:
                faults.append(Fault(f"{name}[{i}]", f"has shape {found.shape}", f"it must have {wanted}"))
            elif not np.isfinite(found).all():
                faults.append(Fault(f"{name}[{i}]", "has an entry that is not finite", "give finite numbers"))
        if not faults and (np.diff(self.levels[i]) <= 0).any():
            faults.append(Fault(f"levels[{i}]", "do not ascend", "list them from the lowest on, each once"))
        for a in (*self.serving[:i], *self.serving[i + 1 :], *(() if self.idling is None else (self.idling,))):
            kernel, values = self.environment.kernel[i][0][a], self.environment.values[i][0][a]
            if values.any() or not np.array_equal(kernel, np.eye(states)):
                what = f"moves agent {i}, or is worth something to her, without serving her"
                faults.append(Fault(f"actions[{a}]", what, "serve one, and let the others stand still"))
        return faults

    @property
    def agents(self) -> int:
        """Number of arms."""
        return len(self.serving)

    def kernel(self, i: int) -> FloatArray:
        """How arm i moves when served, ``(state, next)``."""
        table: FloatArray = self.environment.kernel[i][0][self.serving[i]]
        return table

    def value(self, i: int) -> FloatArray:
        """Value of being served to agent i, by state."""
        table: FloatArray = self.environment.values[i][0][self.serving[i]]
        return table

    def cost(self, i: int) -> float:
        """The seller's cost of serving agent i."""
        return float(self.environment.costs[0][self.serving[i]])

    @cached_property
    def stops(self) -> tuple[Stops, ...]:
        """Each arm alone."""
        least = 0.0 if self.idling is not None else -np.inf
        return tuple(
            stops_of(self.kernel(i), self.value(i), self.index[i], self.environment.discount, least)
            for i in range(self.agents)
        )

    @cached_property
    def grid(self) -> tuple[FloatArray, FloatArray]:
        """Left ends and lengths of the intervals of money on which all e are constant, up to the highest level."""
        points = np.concatenate([*self.levels, self.start])
        ends = np.unique(np.append(points[points > self.floor], [self.floor, max(points.max(), self.floor) + 1.0]))
        return ends[:-1], np.diff(ends)

    @cached_property
    def spread(self) -> tuple[FloatArray, ...]:
        """E on the grid: ``[i][state, interval]``."""
        left = self.grid[0]
        return tuple(
            table[:, np.searchsorted(levels, left, side="right")]
            for levels, table in zip(self.levels, self.waiting, strict=True)
        )

    def served(self, state: Sequence[int]) -> int | None:
        """Who is served in a joint state; None where nobody is.

        Parameters
        ----------
        state : sequence of int
            Of each arm.
        """
        indices = [float(self.index[i][s]) for i, s in enumerate(state)]
        best = int(np.argmax(indices))
        return best if self.idling is None or indices[best] > 0 else None

    def price(self, i: int, others: Sequence[int]) -> float:
        """Price of agent i in a period in which she is served.

        Parameters
        ----------
        i : int
        others : sequence of int
            States of all, in which hers does not count.
        """
        left, length = self.grid
        rows = [self.spread[j][s] for j, s in enumerate(others) if j != i]
        kept = length * (left >= self.start[i])
        top = float(left[-1] + length[-1])
        without = top - float(kept @ np.prod(rows, axis=0)) if rows else top - float(kept.sum())
        return float(self.base[i]) + (1 - self.environment.discount) * without

    def payment(self, state: Sequence[int]) -> FloatArray:
        """Payment of each agent in a joint state, money of the period.

        Parameters
        ----------
        state : sequence of int
        """
        paid, served = np.zeros(self.agents), self.served(state)
        if served is not None:
            paid[served] = self.price(served, state)
        return paid

    def before(self, i: int) -> list[IntArray]:
        """How many levels of each arm come before each level of arm i, ``[j][level of i]``."""
        found = []
        for j, stop in enumerate(self.stops):
            higher = stop.levels[None, :] > self.stops[i].levels[:, None]
            equal = (stop.levels[None, :] == self.stops[i].levels[:, None]) & (j < i)
            found.append((higher | equal).sum(axis=1))
        return found

    def truth(self, i: int, rows: Sequence[FloatArray]) -> FloatArray:
        """V_i by her own state, with the others where their rows say.

        Parameters
        ----------
        i : int
        rows : sequence over arms of float arrays ``(q, S)``
            `Stops.reach` at each arm's state, or its mean over several; that of i does not count.
        """
        stop, before = self.stops[i], self.before(i)
        left, length = self.grid
        done, waited = np.ones(len(stop.levels)), np.ones((len(stop.levels), len(left)))
        for j, row in enumerate(rows):
            if j != i:
                done = done * row.sum(axis=1)[before[j]]
                waited = waited * (row @ self.spread[j])[before[j]]
        kept = length * (left >= self.start[i])
        d = self.environment.discount
        charged = (self.base[i] + (1 - d) * (left[-1] + length[-1])) * done - (1 - d) * (waited @ kept)
        found: FloatArray = np.diff(stop.values, axis=0).T @ done - np.diff(stop.services, axis=0).T @ charged
        return found

    def rows(self, state: Sequence[int]) -> list[FloatArray]:
        """``reach`` of each arm at its state."""
        return [stop.reach[:, s] for stop, s in zip(self.stops, state, strict=True)]

    @cached_property
    def first_rows(self) -> list[FloatArray]:
        """``reach`` of each arm, expected over its first state."""
        pairs = zip(self.environment.initial, self.stops, strict=True)
        return [np.einsum("s,qsk->qk", chances, stop.reach) for chances, stop in pairs]

    @cached_property
    def utilities(self) -> tuple[float, ...]:
        """Expected present value of each agent's utility when all are truthful."""
        first = self.environment.initial
        return tuple(float(first[i] @ self.truth(i, self.first_rows)) for i in range(self.agents))

    @cached_property
    def welfare(self) -> float:
        """Expected present value of values net of costs."""
        total = 0.0
        for i, stop in enumerate(self.stops):
            before, done = self.before(i), np.ones(len(stop.levels))
            for j, row in enumerate(self.first_rows):
                if j != i:
                    done = done * row.sum(axis=1)[before[j]]
            net = np.diff(stop.values - self.cost(i) * stop.services, axis=0).T @ done
            total += float(self.environment.initial[i] @ net)
        return total

    @property
    def revenue(self) -> float:
        """Expected payments net of costs."""
        return self.welfare - sum(self.utilities)

    def to_mechanism(self) -> MarkovMechanism:
        """Write out actions and payments at every joint state.

        Raises
        ------
        LimitError
            If there are too many.
        """
        shape = self.environment.shape[0]
        if prod(shape) > MAX_PROFILES:
            raise LimitError(
                f"{prod(shape):,} joint states, above {MAX_PROFILES:,}; mo.verify, revenue and utilities need none"
            )
        policy, paid = np.empty(shape, dtype=np.int64), np.zeros((self.agents, *shape))
        for state in product(*map(range, shape)):
            served = self.served(state)
            if served is not None:
                paid[(served, *state)] = self.price(served, state)
            action = self.idling if served is None else self.serving[served]
            assert action is not None
            policy[state] = action
        return MarkovMechanism(self.environment, (policy,), tuple((part,) for part in paid), self.claims, self.source)

    def __repr__(self) -> str:
        return f"ArmsMechanism({self.agents} arms; revenue {self.revenue:.6g}, welfare {self.welfare:.6g})"
