"""Where an agent matters no more, in fractions: the program of the others by plain loops over type profiles.

With an infinite horizon the program is solved by policy iteration from the best actions of one period; each policy's
values solve linear equations, here by elimination. In fractions an improvement is one or is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from mechopt.core.numbers import IntArray
from mechopt.environment.markov import MarkovTypes
from mechopt.verification.exact import Profile, fixed_point, require_few

BoolArray = npt.NDArray[np.bool_]
Row = list[Fraction]


def optimal_for(env: MarkovTypes, policy: Sequence[IntArray], members: list[int]) -> list[BoolArray]:
    """Where the policy's action is optimal for the members, by stage; axes: types of all agents.

    Raises
    ------
    LimitError
        If there are too many profiles.
    """
    profiles = [prod(shape[i] for i in members) for shape in env.shape]
    terms = sum(a * n * m for a, n, m in zip(env.action_counts, profiles, [*profiles[1:], profiles[0]], strict=True))
    everybody = max(map(prod, env.shape))
    require_few(env.agents * (terms + (profiles[0] ** 3 if env.infinite else 0)) + everybody, "efficient exit")
    found = list[BoolArray]()
    for t, table in enumerate(_program(env, members)):
        suits = np.zeros(env.shape[t], dtype=np.bool_)
        places = {profile: at for at, profile in enumerate(_profiles(env, members, t))}
        for types in np.ndindex(suits.shape):
            row = table[places[tuple(types[i] for i in members)]]
            suits[types] = row[int(policy[t][types])] == max(row)
        found.append(suits)
    return found


def _profiles(env: MarkovTypes, members: list[int], t: int) -> list[Profile]:
    return list(product(*(range(env.shape[t][i]) for i in members)))


def _program(env: MarkovTypes, members: list[int]) -> list[list[Row]]:
    """Value of each action, then efficient, by stage and profile of the members."""
    if env.infinite:
        return [_stationary(env, members)]
    tables, best = list[list[Row]](), Row()
    for t in reversed(range(env.stages)):
        table = _flow(env, members, t)
        if tables:
            table = _ahead(env, members, t, table, best)
        best = [max(row) for row in table]
        tables.append(table)
    return tables[::-1]


def _stationary(env: MarkovTypes, members: list[int]) -> list[Row]:
    flow = _flow(env, members, 0)
    policy = [row.index(max(row)) for row in flow]
    while True:
        rows = [_moves(env, members, 0, policy[m], profile) for m, profile in enumerate(_profiles(env, members, 0))]
        value = fixed_point(rows, [row[a] for row, a in zip(flow, policy, strict=True)], _discount(env))
        table = _ahead(env, members, 0, flow, value)
        better = [a if row[a] == max(row) else row.index(max(row)) for row, a in zip(table, policy, strict=True)]
        if better == policy:
            return table
        policy = better


def _discount(env: MarkovTypes) -> Fraction:
    return Fraction(env.discount) if env.exact is None else env.exact.discount


def _flow(env: MarkovTypes, members: list[int], t: int) -> list[Row]:
    """Values less cost, by profile and action."""
    given: Any = env if env.exact is None else env.exact
    fees = given.cost[t] if isinstance(env.cost, tuple) else given.cost
    return [
        [
            sum((_plain(given.values[i][t][a][k]) for i, k in zip(members, types, strict=True)), -_plain(fees[a]))
            for a in range(env.action_counts[t])
        ]
        for types in _profiles(env, members, t)
    ]


def _ahead(env: MarkovTypes, members: list[int], t: int, flow: list[Row], after: Row) -> list[Row]:
    d, table = _discount(env), list[Row]()
    for types, row in zip(_profiles(env, members, t), flow, strict=True):
        later = (_moves(env, members, t, a, types) for a in range(len(row)))
        table.append([now + d * _mean(chances, after) for now, chances in zip(row, later, strict=True)])
    return table


def _mean(chances: Row, numbers: Row) -> Fraction:
    return sum((p * x for p, x in zip(chances, numbers, strict=True) if p), Fraction(0))


def _moves(env: MarkovTypes, members: list[int], t: int, action: int, types: Profile) -> Row:
    """Probability of each next profile of the members."""
    given = env if env.exact is None else env.exact
    rows = [[_plain(p) for p in given.kernel[i][t][action][k]] for i, k in zip(members, types, strict=True)]
    return [prod(chances, start=Fraction(1)) for chances in product(*rows)]


def _plain(number: object) -> Fraction:
    return number if isinstance(number, Fraction) else Fraction(float(number))  # type: ignore[arg-type]
