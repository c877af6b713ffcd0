r"""Who takes part in an efficient balanced mechanism: the collective pivot's condition, and the exact program.

With W the largest welfare, lump sums make every type of every agent take part at contracting in the balanced team
mechanism where the collective pivot mechanism runs no deficit,

.. math:: \sum_i \min_{\theta_i} \mathbb{E}_{-i} W(\theta_i, \cdot) \ge (n - 1) \, \mathbb{E} W,

and in every period where that holds at every public history. With a connected continuum of types it is necessary too.
With finitely many types it is not: payments are not unique. Necessary and sufficient is that the largest revenue of all
payments that make the efficient policy Bayesian incentive compatible and interim individually rational is at least 0; a
linear program over public histories,

.. math:: \max \sum_i \mathbb{E} \sum_t d^t q_{i,t} - \mathbb{E}\, \text{cost}, \quad D_{i,t}(h, k) \ge
    \mathbb{E}_{-i}[v_i(a^*, k) | h] - q_{i,t}(h, r) + d \, \mathbb{E} D_{i,t+1},

with equality where r = k is possible at h, and :math:`D_{i,0} \ge 0`: what it leaves is given back by
`mechopt.mechanisms.balance`. Payments enter as expectations q over the others' current reports, which is all that
incentives and participation see.

Source: Skrzypacz and Toikka (2015), section 3; Athey and Segal (2013), section 4.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from mechopt.closedform.pivot.balance.team import balanced_team
from mechopt.core.errors import LimitError
from mechopt.environment.markov import MarkovTypes
from mechopt.mechanism.balanced import BalancedMechanism

MAX_ENTRIES = 3 * 10**5
"""Largest number of nonzeros of the program."""
SLACK = 1e-9
Profile = tuple[int, ...]


class CollectivePivot(NamedTuple):
    r"""Surplus left for participation in an efficient mechanism that is balanced; expected present values.

    Attributes
    ----------
    at_first : float
        :math:`\sum_i \min E W - (n - 1) E W`.
    every_period : float
        The smallest over public histories that truth leads to, as of their period.
    program : float or None
        Largest revenue of any payments with the same policy under Bayesian IC and interim IR, at least ``at_first``;
        None with an infinite horizon.
    """

    at_first: float
    every_period: float
    program: float | None

    @property
    def lump_sums(self) -> bool:
        """Whether lump sums make everybody take part at contracting."""
        return self.at_first >= -SLACK

    @property
    def lump_sums_every_period(self) -> bool:
        """Whether they do so in every period."""
        return self.every_period >= -SLACK

    @property
    def possible(self) -> bool | None:
        """Whether any balanced payments make everybody take part at contracting; None where that is not known."""
        if self.program is not None:
            return self.program >= -SLACK
        return True if self.lump_sums else None


def collective_pivot(environment: MarkovTypes) -> CollectivePivot:
    """Compare the condition of the collective pivot mechanism with the exact program.

    Parameters
    ----------
    environment : MarkovTypes
        As for `balanced_team`.

    Returns
    -------
    CollectivePivot

    Raises
    ------
    LimitError
        If the program is too large.

    References
    ----------
    Skrzypacz and Toikka (2015), section 3.

    Examples
    --------
    One trade: a buyer worth 1 or 3, a seller with cost 0 or 2. The condition fails by 1/4, and yet it can be done:

    >>> values = [[[0, 0], [1, 3]], [[0, 0], [0, -2]]]
    >>> still = [["1/2", "1/2"]] * 2
    >>> env = MarkovTypes(values, [still, still], [["1/2", "1/2"]] * 2, horizon=1)
    >>> found = collective_pivot(env)
    >>> round(found.at_first, 9), round(found.program, 9), found.lump_sums, found.possible
    (-0.25, 0.25, False, True)
    """
    team = balanced_team(environment)
    surplus = team.participation_surplus
    every = min(float(part.min()) for part in surplus)
    program = None if environment.infinite else _program(team)
    return CollectivePivot(float(surplus[0]), every, program)


class _Slot(NamedTuple):
    """A public history: its number in its period, reports that may follow by agent, and its probability."""

    number: int
    chances: tuple[Any, ...]
    weight: float


def _slots(team: BalancedMechanism) -> list[list[_Slot]]:
    """Public histories by period, in the order in which `_children` numbers them."""
    env = team.environment
    periods = [[_Slot(0, env.initial, 1.0)]]
    for t in range(env.stages - 1):
        rows = list[_Slot]()
        for slot in periods[-1]:
            for profile in _profiles(slot):
                a = int(team.policy[t][profile])
                chances = tuple(env.kernel[j][t][a][k] for j, k in enumerate(profile))
                weight = slot.weight * float(np.prod([p[k] for p, k in zip(slot.chances, profile, strict=True)]))
                rows.append(_Slot(len(rows), chances, weight))
        periods.append(rows)
    return periods


def _require_few(team: BalancedMechanism) -> None:
    """Refuse a program that is too large, before any history is made."""
    env = team.environment
    count: dict[Profile, int] = dict.fromkeys(_profiles(_Slot(0, env.initial, 1.0)), 1)
    total = 0
    for t in range(env.stages):
        total += sum(count.values()) * max(env.shape[t])  # a row by history, report and true type of each agent
        if total > MAX_ENTRIES:
            raise LimitError(f"the program has more than {MAX_ENTRIES:,} entries; use fewer periods, agents or types")
        following: dict[Profile, int] = {}
        for profile, times in count.items() if t + 1 < env.stages else ():
            a = int(team.policy[t][profile])
            chances = tuple(env.kernel[j][t][a][k] for j, k in enumerate(profile))
            for after in _profiles(_Slot(0, chances, 1.0)):
                following[after] = following.get(after, 0) + times
        count = following


def _profiles(slot: _Slot) -> Iterator[Profile]:
    """Reports that may follow, the last agent's fastest."""
    return product(*(np.flatnonzero(chances > 0).tolist() for chances in slot.chances))


def _program(team: BalancedMechanism) -> float:
    """The largest revenue of payments that implement the efficient policy."""
    from scipy.optimize import linprog
    from scipy.sparse import coo_matrix

    _require_few(team)
    env, periods = team.environment, _slots(team)
    cost, total = 0.0, 0.0
    for t, slots in enumerate(periods):
        for slot in slots:
            for profile in _profiles(slot):
                chance = slot.weight * float(np.prod([p[k] for p, k in zip(slot.chances, profile, strict=True)]))
                cost += env.discount**t * chance * float(env.costs[t][int(team.policy[t][profile])])
    for i in range(env.agents):
        rows, entries, bounds, gain, equal, limit = _agent(team, i, periods)
        numbers, columns, coefficients = (np.array(part) for part in zip(*entries, strict=True))
        table: Any = coo_matrix((coefficients, (numbers, columns)), shape=(rows, len(bounds))).tocsr()
        side, fixed = np.array(limit), np.array(equal)
        found = linprog(-np.array(gain), table[~fixed], side[~fixed], table[fixed], side[fixed], bounds, method="highs")
        if found.status != 0:
            raise LimitError(f"the solver of the program says: {found.message}")
        total -= float(found.fun or 0.0)
    return total - cost


def _agent(team: BalancedMechanism, i: int, periods: list[list[_Slot]]) -> tuple[Any, ...]:
    """Agent i's part of the program, which no other agent's payments enter.

    Columns: q by period, history and report, then D by period, history and true type. Rows say
    ``E v - q + d E D' - D <= 0``, with equality for truth.
    """
    env, sizes = team.environment, [shape[i] for shape in team.environment.shape]
    starts, width = list[tuple[int, int]](), 0
    for t, slots in enumerate(periods):
        starts.append((width, width + len(slots) * sizes[t]))
        width += 2 * len(slots) * sizes[t]
    gain = [0.0] * width
    bounds: list[tuple[int | None, None]] = [(None, None)] * width
    for k in np.flatnonzero(env.initial[i] > 0).tolist():
        bounds[starts[0][1] + k] = (0, None)
    entries, equal, limit, row = list[tuple[int, int, float]](), list[bool](), list[float](), 0
    for t, slots in enumerate(periods):
        q, value = starts[t]
        child, last = 0, t + 1 == len(periods)
        for slot in slots:
            reports = np.flatnonzero(slot.chances[i] > 0).tolist()
            for r in reports:
                gain[q + slot.number * sizes[t] + r] = env.discount**t * slot.weight * float(slot.chances[i][r])
            outcomes = dict[int, list[tuple[float, int, int]]]()  # by report: chance, action, next history
            for profile in _profiles(slot):
                chance = float(np.prod([slot.chances[j][k] for j, k in enumerate(profile) if j != i]))
                outcomes.setdefault(profile[i], []).append((chance, int(team.policy[t][profile]), child))
                child += 1
            for k in range(sizes[t]):
                for r in reports:
                    worth = sum(p * float(env.values[i][t][a, k]) for p, a, _ in outcomes[r])
                    entries.append((row, q + slot.number * sizes[t] + r, -1.0))
                    entries.append((row, value + slot.number * sizes[t] + k, -1.0))
                    for p, a, after in () if last else outcomes[r]:
                        moves = env.kernel[i][t][a][k]
                        base = starts[t + 1][1] + after * sizes[t + 1]
                        entries += [
                            (row, base + m, env.discount * p * float(moves[m])) for m in np.flatnonzero(moves).tolist()
                        ]
                    equal.append(r == k)
                    limit.append(-worth)
                    row += 1
    return row, entries, bounds, gain, equal, limit
