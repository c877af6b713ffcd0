r"""Weighted welfare where everybody sees a public state: dynamic programs over the state and agents' signals.

With weighted values w_j, cost c, public state s that moves by Q and signals z_j that move by g_j::

    W_t(s, z) = max_a  sum_{j in S} w_{j,t}(a, z_j, s) - c_t(a, s)
                        + d sum_{s'} Q(s' | s, a) E[W_{t+1}(s', z') | a, z, s]

Of actions that are equally good the first is taken, as everywhere. The next state and the next signals are drawn
independently of each other given the action, the state and the signals.

Source: Kakade, Lobel and Nazerzadeh (2013), (17) to (20), with public signals as in their section 2.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mechopt.core.numbers import FloatArray, IntArray

TIE = 1e-11
Tables = Sequence[Sequence[FloatArray]]
"""``[t][s]``: array ``(action, own type)``."""
Kernels = Sequence[Sequence[FloatArray]]
"""``[t][s]``: array ``(action, own type, next type)``; none of the last period is used."""


@dataclass(frozen=True)
class Setting:
    """Setting of a program, besides weighted values.

    Attributes
    ----------
    moves : array ``(action, state, next)``
    costs : sequence over t of arrays ``(state, action)``
    forbidden : bool array ``(action, state)``
    kernels : sequence over agents of ``[t][s]`` arrays ``(action, type, next)``
    discount : float
    """

    moves: FloatArray
    costs: Sequence[FloatArray]
    forbidden: Any
    kernels: Sequence[Kernels]
    discount: float

    @property
    def periods(self) -> int:
        """Number of allocation periods."""
        return len(self.costs)

    def ahead(self, following: FloatArray, members: Sequence[int], t: int) -> FloatArray:
        """Expectation of a function ``(state', *types')`` of the next period; ``(state, action, *types)``."""
        rows = []
        for s in range(self.moves.shape[1]):
            moved: FloatArray = np.broadcast_to(following, (len(self.moves), *following.shape))
            for place, j in enumerate(members):
                last = np.moveaxis(moved, place + 2, -1)
                last = np.einsum("ap...l,akl->ap...k", last, self.kernels[j][t][s])
                moved = np.moveaxis(last, -1, place + 2)
            rows.append(np.einsum("ap,ap...->a...", self.moves[:, s], moved))
        return np.stack(rows)


@dataclass(frozen=True)
class Program:
    """Weighted values of some agents, and what is best.

    Attributes
    ----------
    setting : Setting
    members : tuple of int
    tables : dict from member to weighted values ``[t][s]``
    """

    setting: Setting
    members: tuple[int, ...]
    tables: dict[int, Tables]

    def flow(self, t: int, members: Sequence[int]) -> FloatArray:
        """Sum of members' weighted values less the cost, ``(state, action, *types)``."""
        rows = []
        for s, cost in enumerate(self.setting.costs[t]):
            total = -cost.reshape(-1, *(1,) * len(members))
            for place, j in enumerate(members):
                total = total + spread(self.tables[j][t][s], place, len(members))
            rows.append(total)
        return np.stack(rows)

    def solve(self, members: Sequence[int]) -> tuple[list[FloatArray], list[IntArray]]:
        """W by period, ``(state, *types)``, and the action."""
        welfare, policy = list[FloatArray](), list[IntArray]()
        for t in reversed(range(self.setting.periods)):
            total = self.flow(t, members)
            size = np.abs(total).max(initial=0.0)
            if welfare:
                ahead = self.setting.discount * self.setting.ahead(welfare[-1], members, t)
                size = max(size, float(np.abs(ahead).max(initial=0.0)))
                total = total + ahead
            ruled = self.setting.forbidden.T.reshape(*self.setting.forbidden.T.shape, *(1,) * len(members))
            total = np.where(ruled, -np.inf, total)
            best = total.max(axis=1)
            policy.append((total >= np.expand_dims(best - TIE * size, 1)).argmax(axis=1))
            welfare.append(best)
        return welfare[::-1], policy[::-1]

    @cached_property
    def best(self) -> tuple[list[FloatArray], list[IntArray]]:
        """W and the policy of all members."""
        return self.solve(self.members)

    @cached_property
    def without(self) -> dict[int, list[FloatArray]]:
        """W_{-i} of each member, ``(state, *types of the others)``."""
        return {i: self.solve([j for j in self.members if j != i])[0] for i in self.members}

    def at_policy(self, t: int, tables: Sequence[FloatArray], i: int | None = None) -> FloatArray:
        """Entries at the policy's actions from tables over states, ``(action, type of i)`` or ``(action,)``."""
        count = len(self.members)
        rows = []
        for s, table in enumerate(tables):
            wide = table.reshape(-1, *(1,) * count) if i is None else spread(table, self.members.index(i), count)
            policy = self.best[1][t][s]
            rows.append(np.take_along_axis(np.broadcast_to(wide, (len(table), *policy.shape)), policy[None], 0)[0])
        return np.stack(rows)

    def total(self, rewards: Sequence[FloatArray]) -> FloatArray:
        """Expected present value of rewards ``(state, *types)`` by period under the policy, as of the first one."""
        value: FloatArray = rewards[-1]
        for t in reversed(range(self.setting.periods - 1)):
            ahead = self.setting.ahead(value, self.members, t)
            policy = np.expand_dims(self.best[1][t], 1)
            value = rewards[t] + self.setting.discount * np.take_along_axis(ahead, policy, axis=1)[:, 0]
        return value

    def payment(self, i: int, t: int, alpha: float, beta: Sequence[FloatArray]) -> FloatArray:
        """p_i by (22), money of the period, ``(state, *types)``; beta by state, ``(action,)``."""
        others = [j for j in self.members if j != i]
        price = np.expand_dims(self.without[i][t], 1) - self.flow(t, others)
        price = price - np.stack(list(beta)).reshape(len(beta), -1, *(1,) * len(others))
        if t + 1 < self.setting.periods:
            price = price - self.setting.discount * self.setting.ahead(self.without[i][t + 1], others, t)
        policy = np.expand_dims(self.best[1][t], 1)
        wide = np.expand_dims(price, 2 + self.members.index(i))
        wide = np.broadcast_to(wide, (*wide.shape[:2], *policy.shape[2:]))
        found: FloatArray = np.take_along_axis(wide, policy, axis=1)[:, 0] / alpha
        return found


def spread(table: FloatArray, place: int, count: int) -> FloatArray:
    """View of an array ``(action, type)`` with the type on one of several axes."""
    return table.reshape(len(table), *(table.shape[1] if k == place else 1 for k in range(count)))
