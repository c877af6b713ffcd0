"""The optimum for agents who do not look ahead, as an `Optimum`, and where it applies."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from mechopt.lp.independent.plan import Size
from mechopt.lp.persistent.plan import PersistentPlan
from mechopt.mechanism.constraints import PPIR, MyopicIC, unimplied
from mechopt.solve.myopic.policy import MAX_WRITTEN, MyopicPolicy
from mechopt.solve.myopic.stages import solve_stages
from mechopt.solve.program import Effort
from mechopt.solve.result import Optimum
from mechopt.solve.solution import Bound, Status

if TYPE_CHECKING:
    from mechopt.lp.build import AnyPlan

APPLIES = (
    "is for agents who do not look ahead: myopic IC alone with per-period IR, without subject_to, outside options, "
    "discounts that differ or public states, and an objective that counts revenue at least as much as utility"
)
CLOSED = 1e-9
"""Relative width of the bracket that counts as closed."""


def why_not_myopic(chosen: AnyPlan) -> str | None:
    """Why a plan does not separate into periods; None where it does."""
    if not isinstance(chosen, PersistentPlan) or chosen.relaxed or chosen.subject_to:
        return APPLIES
    goal, env = chosen.objective, chosen.environment
    if env.outside is not None or env.discounts is not None or chosen.process.public is not None:
        return APPLIES
    if chosen.ic != (MyopicIC(),) or unimplied(chosen.ir) != [PPIR()]:
        return APPLIES
    return None if goal.revenue + goal.welfare > 0 and goal.revenue >= goal.utility else APPLIES


def by_stages(chosen: AnyPlan, effort: Effort) -> Optimum:
    """Bracket of the optimum, and an explicit mechanism that earns its lower end."""
    assert isinstance(chosen, PersistentPlan)
    begun = time.perf_counter()
    deadline = None if effort.time_limit is None else begun + effort.time_limit
    found = solve_stages(chosen.process, chosen.objective, float(chosen.unit), deadline)
    seconds = {"build": 0.0, "solve": time.perf_counter() - begun}
    histories = sum(chosen.tree.count)
    bound, status, mechanism = Bound(-np.inf, np.inf, "dual multipliers by state"), found.status, None
    if found.status is Status.OPTIMAL:
        lower, upper = float(found.tables[0].lower[0]), float(found.tables[0].upper[0])
        bound = Bound(lower, max(lower, upper), bound.method)
        closed = bound.upper - bound.lower <= CLOSED * max(abs(upper), float(chosen.unit))
        status = Status.OPTIMAL if closed else Status.INACCURATE
        policy = MyopicPolicy(chosen.process, found.tables, (*chosen.ic, *chosen.ir))
        mechanism = policy.to_mechanism() if histories <= MAX_WRITTEN else policy
    value = bound.lower if mechanism is not None else -np.inf
    return Optimum(
        value,
        bound,
        status,
        mechanism,
        Size(0, 0, 0, histories, 0),
        seconds,
        "myopic",
        "tables",
        conflict=found.conflict,
        ic=chosen.ic,
        ir=chosen.ir,
        objective=chosen.objective,
    )
