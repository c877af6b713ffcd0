r"""Buyers with independent types under DIC (Bayesian over the others) and EPIR, in price form.

Let :math:`\mu^i` be the price of a unit of expected utility promised to buyer i from the period on. The multipliers
:math:`d_k` of "type k+1 does not report k" and :math:`u_k` of "type k does not report k+1" are enough: adjacent
constraints both ways add up to all others. With probabilities f and steps :math:`D_k = \theta_{k+1} - \theta_k`

.. math::
    V_t(\mu) = \min_{d, u \ge 0} \sum_m q_m \Bigl[ \max\bigl(0, \max_i \phi^i_{m_i}\bigr)
               + V_{t+1}(g^1_{m_1}, \ldots, g^n_{m_n}) \Bigr], \quad
    g_k = \mu + \frac{d_k - u_k - d_{k-1} + u_{k-1}}{f_k} \ge 0, \quad
    \phi_k = \theta_k - c - \frac{D_k d_k - D_{k-1} u_{k-1}}{f_k},

with :math:`V_{T+1} = 0`; the optimum is :math:`V_1(1, \ldots, 1)`. Utilities are lifetime utilities, given at the end,
so that EPIR is that no promise is ever negative. With one period this is Myerson's auction.

Types of probability zero are left out here; `mechopt.solve.dual.mechanism` gives them an option of the others.
"""

from __future__ import annotations

from itertools import permutations, product
from math import factorial, prod

import numpy as np

from mechopt.core.errors import LimitError
from mechopt.core.numbers import FloatArray, IntArray
from mechopt.environment.independent import IndependentTypes
from mechopt.solve.dual.stage import Problem, Stage, Start, State
from mechopt.solve.dual.warm_program import SmallProgram

MOST_PROFILES = 512
"""Report profiles of a period, each a child."""
MOST_COPIES = 24
"""Exchanges of identical buyers that are used."""


def possible(environment: IndependentTypes) -> list[list[tuple[IntArray, FloatArray, FloatArray]]]:
    """Types of positive probability by period and buyer: which they are, their values and probabilities."""
    rows = []
    for t in range(environment.horizon):
        row = []
        for values, probabilities in zip(environment.values, environment.probabilities, strict=True):
            kept = np.flatnonzero(probabilities[t])
            row.append((kept, values[t][kept], probabilities[t][kept]))
        rows.append(row)
    return rows


def buyers_problem(environment: IndependentTypes) -> Problem:
    """The price form of an environment.

    Raises
    ------
    LimitError
        If a period has more than `MOST_PROFILES` profiles.
    """
    kept, weights = possible(environment), environment.present_value
    largest = max(prod(len(values) for _, values, _ in row) for row in kept)
    if largest > MOST_PROFILES:
        raise LimitError(
            f"{largest} profiles of reports in a period: dual dynamic programming takes at most {MOST_PROFILES}; use "
            "fewer buyers or types, or the linear program (method='simplex')",
            0.0,
            environment.first_best,
        )
    largest_value = max(float(w * values[-1]) for w, row in zip(weights, kept, strict=True) for _, values, _ in row)
    unit = largest_value or 1.0
    n = environment.agents
    cap, welfare, start = np.zeros(n), 0.0, (0.0, np.zeros(n), 0.0)
    states: list[tuple[State, ...]] = []
    for t in reversed(range(environment.horizon)):
        scale = float(weights[t]) / unit
        distributions = [distribution for _, _, distribution in kept[t]]
        values = [scale * v for _, v, _ in kept[t]]
        cost = scale * float(environment.cost[t])
        state, (welfare, cap, start) = _state(
            values, distributions, cost, t == environment.horizon - 1, welfare, cap, start
        )
        states.insert(0, (state,))
    shape = tuple(tuple(len(v) for _, v, _ in row) for row in kept)
    profiles = tuple(map(prod, shape))
    return Problem(
        states=tuple(states),
        price=np.ones(n),
        unit=unit,
        copies=_copies(environment),
        reports=profiles,
        children=(*profiles[:-1], 0),
        shape=shape,
        levelled=False,
    )


def _state(
    values: list[FloatArray],
    distributions: list[FloatArray],
    cost: float,
    last: bool,
    after: float,
    cap: FloatArray,
    start: tuple[float, FloatArray, float],
) -> tuple[State, tuple[float, FloatArray, tuple[float, FloatArray, float]]]:
    n = len(values)
    profiles = np.array(list(product(*(range(len(v)) for v in values))), dtype=np.int64)
    q = np.prod([distribution[profiles[:, i]] for i, distribution in enumerate(distributions)], axis=0)
    margin = np.stack([v[profiles[:, i]] - cost for i, v in enumerate(values)], axis=1)  # (m, n)
    stage = _stage(values, distributions, profiles, q, margin, last)
    served = float(q @ np.maximum(margin.max(axis=1), 0.0))
    rent = np.array([distribution @ (v - v[0]) for v, distribution in zip(values, distributions, strict=True)])
    top = profiles == np.array([len(v) - 1 for v in values])
    state = State(
        stage=stage,
        distribution=q,
        floor=np.zeros(n),
        rays=np.concatenate([np.eye(n), -np.eye(n)]),
        ray_cost=np.concatenate([np.zeros(n), cap + rent]),
        welfare=after + served,
        start=(
            _start(profiles, values, q, np.where(top, margin, -1.0), start[0], np.zeros(n)),
            _free(profiles, values, q, margin, start),
        ),
        reports=np.arange(len(q)),
        places=np.arange(len(stage.child)),
        promised=stage.slope.T,
    )
    free = state.start[1]
    return state, (after + served, cap + rent, (state.start[0].welfare, free.promise, free.welfare))


def _start(
    profiles: IntArray,
    values: list[FloatArray],
    q: FloatArray,
    margin: FloatArray,
    after: float,
    promise: FloatArray,
) -> Start:
    """Sell to the top types alone, at their value."""
    count, n = profiles.shape
    best = margin.argmax(axis=1)
    allocation = np.zeros((count, n))
    allocation[np.arange(count), best] = margin[np.arange(count), best] > 0
    welfare = after + float(q @ (allocation * margin).sum(axis=1))
    return Start(promise, welfare, allocation, np.zeros((count, n)), promise)


def _free(
    profiles: IntArray,
    values: list[FloatArray],
    q: FloatArray,
    margin: FloatArray,
    after: tuple[float, FloatArray, float],
) -> Start:
    """The second-price auction with the cost as reserve: winners pay the largest other value or the cost."""
    count, n = profiles.shape
    best = margin.argmax(axis=1)
    others = margin.copy()
    others[np.arange(count), best] = -np.inf
    second = np.maximum(others.max(axis=1, initial=-np.inf), 0.0)
    allocation, excess = np.zeros((count, n)), np.zeros((count, n))
    gain = margin[np.arange(count), best]
    allocation[np.arange(count), best] = gain > 0
    excess[np.arange(count), best] = np.maximum(gain - second, 0.0)
    welfare = float(q @ np.maximum(gain, 0.0))
    promise = after[1] + q @ excess
    return Start(promise, after[2] + welfare, allocation, excess, promise)


def _stage(
    values: list[FloatArray],
    distributions: list[FloatArray],
    profiles: IntArray,
    q: FloatArray,
    margin: FloatArray,
    last: bool,
) -> Stage:
    """Columns: d and u of each buyer, her prices g, the profiles' welfare, their values from the next period on."""
    n, count = len(values), len(profiles)
    sizes = [len(v) for v in values]
    downs = np.cumsum([0, *(2 * (k - 1) for k in sizes)])
    prices = downs[-1] + np.cumsum([0, *sizes])
    welfare = prices[-1]
    after = welfare + count
    columns = after + (0 if last else count)
    cost, lower = np.zeros(columns), np.zeros(columns)
    cost[welfare:after], lower[after:] = q, -np.inf
    cost[after:] = q[: columns - after]
    martingale = np.zeros((prices[-1] - prices[0], columns))
    virtual = []
    for i, (v, distribution, size) in enumerate(zip(values, distributions, sizes, strict=True)):
        steps, block = np.diff(v), np.zeros((size, columns))
        for k in range(size):
            row = martingale[prices[i] - prices[0] + k]
            row[prices[i] + k] = 1.0
            if k + 1 < size:
                row[downs[i] + k], row[downs[i] + size - 1 + k] = -1 / distribution[k], 1 / distribution[k]
                block[k, downs[i] + k] = steps[k] / distribution[k]
            if k:
                row[downs[i] + k - 1], row[downs[i] + size - 2 + k] = 1 / distribution[k], -1 / distribution[k]
                block[k, downs[i] + size - 2 + k] = -steps[k - 1] / distribution[k]
        virtual.append(block)
    taken = np.zeros((count, n, columns))
    for i in range(n):
        taken[:, i] = virtual[i][profiles[:, i]]
        taken[np.arange(count), i, welfare + np.arange(count)] = 1.0
    matrix = np.concatenate([martingale, taken.reshape(count * n, columns)])
    state_rows = len(martingale)
    ends = np.concatenate([np.zeros(state_rows), np.full(count * n, np.inf)])
    sides = np.concatenate([np.zeros(state_rows), margin.ravel()])
    slope = np.repeat(np.eye(n), sizes, axis=0)
    children = 0 if last else count
    return Stage(
        program=SmallProgram(cost, lower, matrix, sides, ends),
        state_rows=np.arange(state_rows, dtype=np.int32),
        base=np.zeros(state_rows),
        slope=slope,
        child=np.zeros(children, dtype=np.int64),
        value_columns=after + np.arange(children),
        price_columns=(prices[:-1] + profiles)[:children],
        weight=q[:children],
        allocation_rows=state_rows + np.arange(count * n).reshape(count, n),
        report=np.arange(children),
        excess_columns=prices[:-1] + profiles,
        excess_scale=np.stack([distribution[profiles[:, i]] for i, distribution in enumerate(distributions)], axis=1),
        column_report=np.zeros(0, dtype=np.int64),
    )


def _copies(environment: IndependentTypes) -> IntArray:
    """Permutations of identical buyers; as many as are allowed."""
    n = environment.agents
    kinds = [
        tuple((v.tobytes(), p.tobytes()) for v, p in zip(values, distributions, strict=True))
        for values, distributions in zip(environment.values, environment.probabilities, strict=True)
    ]
    groups = [[i for i in range(n) if kinds[i] == kind] for kind in dict.fromkeys(kinds)]
    if prod(factorial(len(group)) for group in groups) > MOST_COPIES:
        return np.arange(n)[None]
    copies = []
    for parts in product(*(permutations(group) for group in groups)):
        order = np.arange(n)
        for group, part in zip(groups, parts, strict=True):
            order[group] = part
        copies.append(order)
    return np.array(copies)
