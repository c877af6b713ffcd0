r"""Types that are independent across periods, for ever: optima from finite horizons, with tails that are valid.

- Interim and periodic participation: Myerson's auction in the first period, the efficient one from then on, whose
  expected utilities are charged a period in advance. V = Myerson_0 + d E[max welfare] / (1 - d).
- EPIR, PFIR, PPIR: any block of T periods may begin again, since types say nothing of later ones:
  V >= V_T / (1 - d^T); and what follows T periods is worth first best at most, its expected utility paid as a lump
  sum: V <= V_T + d^T E[max welfare] / (1 - d). The second is false where types persist, see
  `mechopt.solve.infinite.optimum`. For several buyers the search is tried first, `mechopt.solve.infinite.several`.
"""

from __future__ import annotations

import time
from dataclasses import replace
from math import ceil, log, prod

import numpy as np

from mechopt.core.numbers import FloatArray
from mechopt.environment.families.forever import IndependentForever
from mechopt.lp.independent.plan import Size
from mechopt.mechanism.constraints import DIC, EPIR, PFIR, Constraint, Interim
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.endless.states import StateMechanism
from mechopt.solve.infinite.restart import restarted_policy, restarted_tree
from mechopt.solve.predicted_seconds import program_seconds
from mechopt.solve.program import Effort, solve_plan
from mechopt.solve.promised.optimum import promised_optimum
from mechopt.solve.result import Optimum
from mechopt.solve.solution import Bound, Status

ENOUGH = 5e-7
"""Present value of the periods after a block of one buyer."""
AIM = 1e-7
"""Relative width of the bracket of that block."""
PATIENCE = 5.0
"""Predicted seconds of the program of several buyers' block."""
ROUNDING = 1e-12
SOURCE = "optimum of revenue for ever"


def by_blocks(environment: IndependentForever, claims: tuple[Constraint, ...], effort: Effort) -> Optimum:
    """One buyer's block by promises, several buyers' by the program over histories, begun again for ever."""
    begun, d = time.perf_counter(), environment.discount
    if environment.agents == 1 and claims[1] in (EPIR(), PFIR()):
        horizon = max(1, ceil(log(ENOUGH) / log(d)))
        limits = effort.time_limit, effort.progress, None
        best = promised_optimum(environment.first_periods(horizon), EPIR(), AIM, *limits, AIM)
        status, bound = best.status, best.bound
        source = f"{SOURCE}: {horizon} periods, begun again"
        mechanism: StateMechanism | None = restarted_policy(environment, best.mechanism, claims, source)
    else:
        horizon, found = _block(environment, claims, effort)
        status, bound, mechanism = found.status, found.bound, None
        if status is Status.OPTIMAL and isinstance(found.mechanism, Mechanism):  # else it need not satisfy constraints
            source = f"{SOURCE}: {horizon} periods, begun again"
            mechanism = restarted_tree(environment, found.mechanism, claims, source)
    lower = max(bound.lower, 0.0) / (1 - d**horizon) if mechanism is None else mechanism.revenue
    upper = bound.upper + d**horizon * environment.first_best
    slack = ROUNDING * (environment.first_best + abs(upper))
    final = Bound(lower - slack, max(upper + slack, lower), "blocks of periods, begun again or followed by first best")
    seconds = {"build": 0.0, "solve": time.perf_counter() - begun}
    size = Size(0, 0, 0, 0 if mechanism is None else mechanism.states, 0)
    status = _status(status, final)
    left = (f"blocks of {horizon} periods leave this bracket",) if status is Status.UNPROVED else ()
    return Optimum(lower, final, status, mechanism, size, seconds, "infinite", "states", conflict=left)


def _status(block: Status, bound: Bound) -> Status:
    """Optimal where the bracket is narrow; what is left open by the length of the block is not proved."""
    if block is not Status.OPTIMAL:
        return block
    return Status.OPTIMAL if bound.upper - bound.lower <= 1e-3 * abs(bound.upper) else Status.UNPROVED


def _block(environment: IndependentForever, claims: tuple[Constraint, ...], effort: Effort) -> tuple[int, Optimum]:
    """The longest block whose program is quickly solved."""
    from mechopt.lp.build import plan

    limit = PATIENCE if effort.time_limit is None else effort.time_limit
    wanted, horizon = max(1, ceil(log(ENOUGH) / log(environment.discount))), 1
    chosen = plan(environment.first_periods(1), claims[0], claims[1])
    while horizon < wanted:
        longer = plan(environment.first_periods(horizon + 1), claims[0], claims[1])
        if program_seconds(longer.size) > limit:
            break
        horizon, chosen = horizon + 1, longer
    return horizon, solve_plan(chosen, "auto", replace(effort, exact=False))


def in_advance(environment: IndependentForever, claims: tuple[Constraint, ...]) -> Optimum:
    """Myerson's auction, then the efficient one for ever, whose utilities are paid for a period in advance."""
    from scipy.sparse import csr_array

    from mechopt.lp.build import plan

    begun, d, n = time.perf_counter(), environment.discount, environment.agents
    first = solve_plan(plan(environment.first_periods(1), DIC(), Interim()), "auto", Effort())
    assert isinstance(first.mechanism, Mechanism)
    once = restarted_tree(environment, first.mechanism, claims, "")
    chosen, fee = _efficient(environment)
    profiles, actions = once.allocation.shape[1:]
    worth, distribution = once.worth, once.beliefs[0]
    value = np.take_along_axis(worth, chosen[None, :, None], axis=2)[:, :, 0]
    expected = (value - fee) @ distribution
    allocation = np.concatenate([once.allocation, np.eye(actions)[chosen][None]])
    later = np.broadcast_to((fee + d * expected[:, None])[:, None, :, None], (n, 1, profiles, actions))
    payment = np.concatenate([once.payment + d * expected[:, None, None, None], later], axis=1)
    rows = np.arange(2 * profiles * actions)
    after = csr_array((np.ones(len(rows)), (rows, np.ones(len(rows), dtype=np.int64))), shape=(len(rows), 2))
    distributions = tuple(np.broadcast_to(row, (2, len(row))) for row in environment.initial)
    mechanism = StateMechanism(
        once.environment,
        distributions,
        allocation,
        payment,
        after,
        None,
        claims,
        f"{SOURCE}: Myerson first, then efficient",
    )
    tail = d * environment.first_best
    slack = ROUNDING * environment.first_best
    lower, upper = mechanism.revenue, first.bound.upper + tail
    bound = Bound(lower - slack, max(upper, lower) + slack, "Myerson's auction and all later welfare")
    seconds = {"build": 0.0, "solve": time.perf_counter() - begun}
    return Optimum(lower, bound, first.status, mechanism, Size(0, 0, 0, 2, 0), seconds, "infinite", "states")


def _efficient(environment: IndependentForever) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.int64]], FloatArray]:
    """Action and fees ``(n, profiles)`` of the pivot auction with the cost as reserve price."""
    n, cost, shape = environment.agents, float(environment.cost[0]), environment.shape[0]
    grid = np.indices(shape).reshape(n, prod(shape))
    offers = np.array([environment.values[i][0][grid[i]] for i in range(n)])
    best = offers.argmax(axis=0)
    sold = offers.max(axis=0) > cost
    fee = np.zeros(offers.shape)
    for i in range(n):
        others = np.delete(offers, i, axis=0).max(axis=0, initial=cost)
        fee[i] = np.where(sold & (best == i), np.maximum(others, cost), 0.0)
    return np.where(sold, best + 1, 0), fee
