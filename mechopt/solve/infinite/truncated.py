r"""Several agents whose types persist for ever: brackets from programs of T periods with tails that are valid.

Both ends are optima of a finite environment, in whose last period, T, an action stands for what follows for ever.

**From below**, "action a for ever": worth to type k what it is worth from now on at the smallest value of a as the fee
of every period, :math:`(I - d P_a)^{-1} (v_a - \min v_a)`; nobody reports again, so that incentives in the T periods
before are those of the whole mechanism. Under ex post participation only actions whose values do not depend on types
are taken, since utility in expectation is none on paths.

**From above**, one action for each profile b of types, worth the first best W(b) to the seller and -B_i(b_i, k) to
agent i of type k, where B is the bound of `difference_box` (in `mechopt.solve.infinite.promises.chain`) on how much
more b_i can get than k. Reports of types then leave utilities :math:`U_i(b_i) - U_i(k) \le B_i(b_i, k)` free, which
those of every mechanism for ever satisfy, and the action of another profile earns no more than W, since W is as steep
as B at most. So the program's optimum is no smaller. It holds for participation constraints that sums of later
utilities inherit.

The gap falls by d times the share of a type that is forgotten in a period, or under ex post participation by d alone.
It is what there is where the search (`mechopt.solve.infinite.promises.search`) is too large, and helps where that is
left open.
"""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import product
from math import ceil, log
from typing import Any

import numpy as np

from mechopt.core.numbers import FloatArray
from mechopt.environment.markov import MarkovTypes
from mechopt.lp.independent.plan import Size
from mechopt.lp.persistent.plan import PersistentPlan, persistent_plan
from mechopt.mechanism.constraints import Constraint, Interim, PeriodicIR
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.solve.infinite.promises.chain import difference_box, first_best_by_profile
from mechopt.solve.infinite.unfolded import Tail, unfolded
from mechopt.solve.predicted_seconds import program_seconds
from mechopt.solve.program import Effort, solve_plan
from mechopt.solve.result import Optimum
from mechopt.solve.solution import Bound, Status

PATIENCE = 5.0
"""Predicted seconds of each of the two programs."""
ENOUGH = 1e-8
"""Present value of what follows the last period, at which it is late enough."""
ROUNDING = 1e-10


def truncated(environment: MarkovTypes, claims: tuple[Constraint, Constraint], effort: Effort) -> Optimum:
    """Bracket of the optimum from finite programs with tails, and a mechanism that earns its lower end."""
    begun = time.perf_counter()
    limit = PATIENCE if effort.time_limit is None else effort.time_limit / 2
    longest, periods = max(1, ceil(log(ENOUGH) / log(environment.discount))), 1
    plans = _plans(environment, 1, claims)
    while periods < longest:
        longer = _plans(environment, periods + 1, claims)
        if max(program_seconds(chosen.size) for chosen in longer) > limit:
            break
        periods, plans = periods + 1, longer
    quiet = replace(effort, exact=False)
    below, above = (solve_plan(chosen, "auto", quiet) for chosen in plans)
    found, mechanism = below.mechanism, None
    lower = below.bound.lower
    done = below.status is Status.OPTIMAL  # what a limit leaves need not be incentive compatible
    if done and isinstance(found, SequenceMechanism) and not found.limit:
        mechanism = unfolded(environment, found, _tails(environment, claims), claims)
        lower = mechanism.revenue
    slack = ROUNDING * (environment.first_best + abs(above.bound.upper))
    upper = max(above.bound.upper + slack, lower)
    worst = next((s.status for s in (below, above) if s.status is not Status.OPTIMAL), Status.OPTIMAL)
    closed = upper - lower <= 1e-3 * abs(upper)
    status = worst if worst is not Status.OPTIMAL else Status.OPTIMAL if closed else Status.UNPROVED
    bound = Bound(lower - slack, upper, f"programs of {periods} periods with tails for ever")
    size = Size(0, 0, 0, 0 if mechanism is None else mechanism.states, 0)
    seconds = {"build": 0.0, "solve": time.perf_counter() - begun}
    left = () if status is Status.OPTIMAL else (f"programs of {periods} periods leave this bracket",)
    return Optimum(
        bound.lower if mechanism is None else lower,
        bound,
        status,
        mechanism,
        size,
        seconds,
        "infinite",
        "states",
        conflict=left,
    )


def _plans(
    environment: MarkovTypes, periods: int, claims: tuple[Constraint, Constraint]
) -> tuple[PersistentPlan, PersistentPlan]:
    tails = _tails(environment, claims)
    values, gains, cost = list[FloatArray](), list[FloatArray](), [tail.cost for tail in tails]
    for i in range(environment.agents):
        values.append(np.array([tail.worth[i] for tail in tails]))
        gains.append(np.array([tail.gain[i] for tail in tails]))
    low = _ending(environment, periods, values, gains, np.array(cost))
    profiles, box = list(product(*map(range, environment.shape[0]))), _boxes(environment)
    values = [-np.array([box[i][profile[i]] for profile in profiles]) for i in range(environment.agents)]
    gains = [np.zeros(part.shape) for part in values]
    high = _ending(environment, periods, values, gains, -first_best_by_profile(environment).ravel())
    return persistent_plan(low, *claims), persistent_plan(high, *claims)


def _ending(
    environment: MarkovTypes, periods: int, values: list[FloatArray], gains: list[FloatArray], cost: FloatArray
) -> MarkovTypes:
    """The first periods, and one in which an action is worth what is given."""
    last = [f"for ever {x}" for x in range(len(cost))]
    own = environment.seller_values
    by_period: Any = [
        [*([own[i][0] if own else np.zeros(row[0].shape)] * periods), gains[i]]
        for i, row in enumerate(environment.values)
    ]
    some = own is not None or any(part.any() for part in gains)
    return MarkovTypes(
        [[*([row[0]] * periods), values[i]] for i, row in enumerate(environment.values)],
        [[row[0]] * periods for row in environment.kernel],
        list(environment.initial),
        actions=[*([list(environment.action_names(0))] * periods), last],
        cost=[*([environment.costs[0].tolist()] * periods), cost.tolist()],
        horizon=periods + 1,
        discount=environment.discount,
        seller_values=by_period if some else None,
    )


def _tails(environment: MarkovTypes, claims: tuple[Constraint, Constraint]) -> list[Tail]:
    """One action for ever, where participation allows it."""
    found, d, n = list[Tail](), environment.discount, environment.agents
    for a in range(environment.action_counts[0]):
        fee = np.array([environment.values[i][0][a].min() for i in range(n)])
        worth, gain = list[FloatArray](), list[FloatArray]()
        for i in range(n):
            system = np.eye(environment.shape[0][i]) - d * environment.kernel[i][0][a]
            worth.append(np.linalg.solve(system, environment.values[i][0][a] - fee[i]))
            own = environment.seller_values
            gain.append(np.linalg.solve(system, np.zeros(len(system)) if own is None else own[i][0][a]))
        found.append(Tail(a, fee, tuple(worth), tuple(gain), float((environment.costs[0][a] - fee.sum()) / (1 - d))))
    if claims[1] in (Interim(), PeriodicIR()):
        return found
    return [tail for tail in found if not any(worth.any() for worth in tail.worth)]


def has_level_action(environment: MarkovTypes) -> bool:
    """Whether some action is worth the same to all types of each agent, as to take none is."""
    values = [row[0] for row in environment.values]
    return any(all(bool((v[a] == v[a, 0]).all()) for v in values) for a in range(len(values[0])))


def _boxes(environment: MarkovTypes) -> list[FloatArray]:
    """Of each agent, see `difference_box`."""
    found = []
    for row, kernel in zip(environment.values, environment.kernel, strict=True):
        kernels, moves = np.unique(kernel[0], axis=0, return_inverse=True)
        found.append(difference_box(row[0], kernels, np.asarray(moves).ravel(), environment.discount))
    return found
