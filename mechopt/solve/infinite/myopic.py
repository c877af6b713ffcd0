r"""Agents who do not look ahead, for ever: a bracket of the optimum under `MyopicIC` and `PPIR`, to any width.

Incentives and participation of a period bind that period alone, and the past matters through the last profile k' and,
where it moves types, the last action a' (`mechopt.solve.myopic.stages`). So V(k', a') is the fixed point of

.. math:: (T V)(k', a') = \max \mathbb{E}[p + r(a, k) - c(a) + d V(k, a)]

over static mechanisms, the types k distributed as after (k', a'): monotone, and a contraction by d. Policies are
improved (Howard 1960): the static mechanisms that reach T V make a stationary mechanism, whose worth W by state is
a linear system. The largest revenue V is at least W, and at most T W + d / (1 - d) max (T W - W) (MacQueen 1966), the
programs' bounds from above standing for T W.
"""

from __future__ import annotations

import time

import numpy as np

from mechopt.core.numbers import FloatArray
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.process import JointProcess, joint_process
from mechopt.lp.independent.plan import Size
from mechopt.mechanism.constraints import Constraint
from mechopt.mechanism.endless.states import StateMechanism
from mechopt.mechanism.objective import Revenue
from mechopt.solve.myopic.stages import StageTable, branches, distributions, solve_state
from mechopt.solve.program import Effort
from mechopt.solve.result import Optimum
from mechopt.solve.solution import Bound, Status

MOST_ROUNDS = 1000
TOLERANCE = 1e-8
"""Relative width of the bracket at which improvement stops."""
ROUNDING = 1e-10


def by_myopic_states(environment: MarkovTypes, claims: tuple[Constraint, ...], effort: Effort) -> Optimum:
    """Bracket of the optimum, and a stationary mechanism that earns its lower end.

    Parameters
    ----------
    environment : MarkovTypes
        With an infinite horizon.
    claims : tuple of Constraint
        `MyopicIC` and `PPIR`.
    effort : Effort
    """
    begun = time.perf_counter()
    deadline = None if effort.time_limit is None else begun + effort.time_limit
    process, d = joint_process(_two_periods(environment)), environment.discount
    distribution = np.concatenate(
        [distributions(process, 0), distributions(process, 1)]
    )  # the first state is that of the first period
    size = max(float(np.abs(part[0]).max()) for part in process.values)
    worth, high, status, conflict = np.zeros(len(distribution)), np.inf, Status.TIME_LIMIT, tuple[str, ...]()
    table = None
    for step in range(MOST_ROUNDS):
        made, conflict = _improved(process, distribution, d * worth, size or 1.0, deadline)
        if made is None:
            status = Status.INACCURATE if conflict else Status.TIME_LIMIT
            break
        valued = _worth(process, distribution, made, d)
        if table is not None:
            gap = max(float((made.upper - worth).max()), 0.0)
            high = min(high, float(made.upper[0]) + d / (1 - d) * gap)
        table, worth = made, valued
        if effort.progress is not None:
            effort.progress(step, time.perf_counter() - begun)
        if np.isfinite(high) and high - worth[0] <= TOLERANCE * max(abs(high), size):
            status = Status.OPTIMAL
            break
    mechanism = None if table is None else _mechanism(environment, process, distribution, table, claims)
    slack = ROUNDING * (size + abs(worth).max()) / (1 - d)
    lower = -np.inf if mechanism is None else mechanism.revenue - slack
    upper = max(high + slack, lower)
    return Optimum(
        lower if mechanism is None else mechanism.revenue,
        Bound(lower, upper, "policies improved, dual multipliers by state"),
        status,
        mechanism,
        Size(0, 0, 0, len(distribution), 0),
        {"build": 0.0, "solve": time.perf_counter() - begun},
        "infinite",
        "states",
        conflict=conflict,
    )


def _two_periods(environment: MarkovTypes) -> MarkovTypes:
    """The first two periods, whose distributions are those of all."""
    own = environment.seller_values
    return MarkovTypes(
        [[row[0]] * 2 for row in environment.values],
        [[row[0]] for row in environment.kernel],
        list(environment.initial),
        actions=[list(environment.action_names(0))] * 2,
        cost=[environment.costs[0].tolist()] * 2,
        horizon=2,
        discount=environment.discount,
        seller_values=None if own is None else [[row[0]] * 2 for row in own],
    )


def _improved(
    process: JointProcess, distribution: FloatArray, after: FloatArray, unit: float, deadline: float | None
) -> tuple[StageTable | None, tuple[str, ...]]:
    """Best static mechanism of every state, given what is worth what afterwards; None where it was not found."""
    profiles, actions, count = process.profiles[0], process.actions[0], branches(process, 0)
    table = StageTable(
        np.full((len(distribution), profiles, actions), 1 / actions),
        np.zeros((process.agents, len(distribution), profiles)),
        np.zeros(len(distribution)),
        np.zeros(len(distribution)),
    )
    gains = np.zeros((actions, profiles)) if process.gains is None else process.gains[0]
    later = np.broadcast_to(after[1:].reshape(count, profiles), (actions, profiles))
    for state in range(len(distribution)):
        if deadline is not None and time.perf_counter() > deadline:
            return None, ()
        status, conflict = solve_state(
            process, 0, state, distribution, gains, [later, later], Revenue(), 1.0, unit, table
        )
        if status is not Status.OPTIMAL:
            return None, conflict or (f"the program of a state is {status}",)
    return table, ()


def _worth(process: JointProcess, distribution: FloatArray, table: StageTable, d: float) -> FloatArray:
    """Revenue from each state on, of the stationary mechanism of a table."""
    done = distribution[:, :, None] * table.allocation  # (S, M, A)
    flow = np.einsum("sm,ism->s", distribution, table.payment)
    flow -= np.einsum("sma,am->s", done, np.broadcast_to(process.net_costs(0), done.shape[:0:-1]))
    moved = np.moveaxis(done, 2, 1) if branches(process, 0) > 1 else done.sum(axis=2)
    matrix = np.concatenate([np.zeros((len(distribution), 1)), moved.reshape(len(distribution), -1)], axis=1)
    found: FloatArray = np.linalg.solve(np.eye(len(distribution)) - d * matrix, flow)
    return found


def _mechanism(
    environment: MarkovTypes,
    process: JointProcess,
    distribution: FloatArray,
    table: StageTable,
    claims: tuple[Constraint, ...],
) -> StateMechanism:
    """The stationary mechanism; all actions that may be taken at a profile leave an agent the same."""
    from scipy.sparse import csr_array

    profiles, actions, count = process.profiles[0], process.actions[0], branches(process, 0)
    worth = np.moveaxis(process.values[0], 1, 2)[:, None]  # (n, 1, M, A)
    surplus = (worth * table.allocation).sum(axis=3) - table.payment
    own = [process.types(0)[i] for i in range(process.agents)]
    by_agent = [
        np.concatenate(
            [environment.initial[i][None], *(environment.kernel[i][0][branch][own[i]] for branch in range(count))]
        )
        for i in range(process.agents)
    ]
    _, profile, action = np.indices((len(distribution), profiles, actions)).reshape(3, -1)
    target = 1 + (action if count > 1 else 0) * profiles + profile
    after = csr_array((np.ones(len(target)), (np.arange(len(target)), target)), shape=(len(target), len(distribution)))
    source = "optimum for myopic agents, for ever"
    return StateMechanism(
        environment,
        tuple(by_agent),
        table.allocation,
        worth - surplus[:, :, :, None],
        after,
        claims=claims,
        source=source,
    )
