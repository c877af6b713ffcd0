r"""The optimum under `MyopicIC` and `PPIR` by dynamic programming over the last reported profile and action.

Incentives and participation of a period bind that period's allocation and payments alone, and what came before matters
through the distribution of the present types, that is through the last profile k' and, where it moved types, the last
action a'. So with w the objective's weight of revenue and welfare together, r the seller's payoff and d the discount::

    V_t(k', a') = max over static mechanisms, the types k distributed as after (k', a'), of
                  E[ objective of the period + w (r(a, k) - c(a)) + d V_{t+1}(k, a) ],

a program for each state and period: linear in the number of periods. Each is solved with the upper ends that are known
of what follows, so that its bound from above is one of V; the same mechanism is then evaluated with the lower ends.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from mechopt.core.numbers import FloatArray, IntArray
from mechopt.environment.process import JointProcess
from mechopt.histories.public import PublicTree
from mechopt.lp.persistent.compile import compile_persistent
from mechopt.lp.persistent.plan import PersistentPlan
from mechopt.mechanism.constraints import PPIR, MyopicIC
from mechopt.mechanism.objective import Objective
from mechopt.solve import highs
from mechopt.solve.solution import Status


@dataclass(frozen=True, eq=False)
class StageTable:
    """Actions and payments of one period by state and reported profile.

    Attributes
    ----------
    allocation : float array ``(S, M, A)``
        Probability of each action; states are numbered by last action that moved types, then by last profile.
    payment : float array ``(n, S, M)``
        Expected over the mechanism's draw, money of the period.
    lower, upper : float arrays ``(S,)``
        Ends of the bracket of V, money of the period; 0 at states that are never reached.
    """

    allocation: FloatArray
    payment: FloatArray
    lower: FloatArray
    upper: FloatArray


@dataclass(frozen=True, eq=False)
class Solved:
    """Tables by period, and how the search ended."""

    tables: tuple[StageTable, ...]
    status: Status
    conflict: tuple[str, ...] = ()


def branches(process: JointProcess, t: int) -> int:
    """Number of actions of period t that the distribution of the next types depends on, 1 where on none."""
    return process.actions[t] if process.controlled[t] else 1


def distributions(process: JointProcess, t: int) -> FloatArray:
    """Distribution of the profile of period t by state, ``(S, M)``."""
    if t == 0:
        return process.initial[None]
    kernel = process.kernel[t - 1][: branches(process, t - 1)]
    return kernel.reshape(-1, kernel.shape[2])


def reached(process: JointProcess) -> list[IntArray]:
    """States of each period that have positive probability under some actions."""
    found, alive = [np.zeros(1, dtype=np.int64)], process.initial > 0
    for t in range(1, process.horizon):
        states = np.tile(alive, branches(process, t - 1))
        found.append(np.flatnonzero(states))
        alive = np.asarray((distributions(process, t)[states] > 0).any(axis=0))
    return found


def solve_stages(process: JointProcess, objective: Objective, unit: float, deadline: float | None) -> Solved:
    """Solve the program of every state, from the last period to the first.

    Parameters
    ----------
    process : JointProcess
    objective : Objective
        With a positive weight of revenue and welfare together, and no smaller one of revenue than of utility.
    unit : float
        Money of the programs is measured in this power of two.
    deadline : float or None
        Of `time.perf_counter`; later the search ends with what is known of no period.
    """
    weight = objective.revenue + objective.welfare
    tables: list[StageTable] = []
    for t, states in reversed(list(enumerate(reached(process)))):
        profiles, actions = process.profiles[t], process.actions[t]
        distribution, gains = (
            distributions(process, t),
            np.zeros((actions, profiles)) if process.gains is None else process.gains[t],
        )
        later = [np.zeros((actions, profiles))] * 2
        if tables:
            step = process.present_value[t + 1] / process.present_value[t]
            shape = branches(process, t), profiles
            ends = (step * tables[0].lower.reshape(shape), step * tables[0].upper.reshape(shape))
            later = [np.broadcast_to(end, (actions, profiles)) for end in ends]
        table = StageTable(
            np.full((len(distribution), profiles, actions), 1 / actions),
            np.zeros((process.agents, len(distribution), profiles)),
            np.zeros(len(distribution)),
            np.zeros(len(distribution)),
        )
        for state in states:
            if deadline is not None and time.perf_counter() > deadline:
                return Solved((), Status.TIME_LIMIT)
            status, conflict = solve_state(
                process, t, int(state), distribution, gains, later, objective, weight, unit, table
            )
            if status is not Status.OPTIMAL:
                return Solved((), status, conflict)
        tables.insert(0, table)
    return Solved(tuple(tables), Status.OPTIMAL)


def solve_state(
    process: JointProcess,
    t: int,
    state: int,
    distribution: FloatArray,
    gains: FloatArray,
    later: list[FloatArray],
    objective: Objective,
    weight: float,
    unit: float,
    table: StageTable,
) -> tuple[Status, tuple[str, ...]]:
    """Fill in one state of a table."""
    lower, upper = later
    stage = replace(
        process,
        shape=process.shape[t : t + 1],
        values=process.values[t : t + 1],
        kernel=(),
        initial=distribution[state],
        costs=process.costs[t : t + 1],
        present_value=np.ones(1),
        gains=(gains + upper / weight,),
    )
    tree = PublicTree(stage)
    plan = PersistentPlan(tree, (MyopicIC(),), (PPIR(),), objective, False, None, unit)
    program, layout = compile_persistent(plan)
    solution = highs.solve_program(program, "simplex")
    if solution.status is not Status.OPTIMAL:
        return solution.status, solution.conflict
    made, profile = layout.mechanism(solution.primal), tree.profile[0]
    table.allocation[state, profile] = made.allocation[0]
    table.payment[:, state, profile] = made.payment[0][:, :, 0]
    table.upper[state] = solution.bound.upper * layout.unit
    slack = (made.allocation[0] * (upper - lower).T[profile]).sum(axis=1) @ distribution[state][profile]
    table.lower[state] = solution.bound.lower * layout.unit - max(float(slack), 0.0)
    return Status.OPTIMAL, ()
