"""Optima of infinite horizons as a method: where it applies, and how it is solved."""

from __future__ import annotations

import time
from dataclasses import replace

from mechopt.environment.families.forever import IndependentForever
from mechopt.environment.markov import MarkovTypes
from mechopt.lp.endless import EndlessPlan
from mechopt.lp.independent.plan import Size
from mechopt.mechanism.constraints import (
    DIC,
    EPIR,
    PFIR,
    PPIR,
    BayesianIC,
    Constraint,
    Interim,
    MyopicIC,
    PeriodicExPostIC,
    PeriodicIR,
)
from mechopt.mechanism.endless.states import StateMechanism
from mechopt.mechanism.objective import Revenue
from mechopt.solve.infinite.automaton import promise_table
from mechopt.solve.infinite.chain import chain_of
from mechopt.solve.infinite.fresh import by_blocks, in_advance
from mechopt.solve.infinite.myopic import by_myopic_states
from mechopt.solve.infinite.search import Progress, Search
from mechopt.solve.infinite.truncated import has_level_action, truncated
from mechopt.solve.program import Effort
from mechopt.solve.result import Optimum
from mechopt.solve.solution import Bound, Status

APPLIES = (
    "is for an infinite horizon, revenue, Bayesian (or with one agent periodic ex post) IC, or DIC where types are "
    "independent across periods, and interim or periodic IR, EPIR, PFIR or PPIR; or myopic IC with PPIR"
)
TOLERANCE, EX_POST_TOLERANCE = 1e-7, 1e-3
"""Width of the bracket that is aimed at, a share of its upper end: where participation is interim or periodic, and
where it is ex post.
"""
SLACK = 1e-9
"""Allowance for rounding and the programs' tolerance, over 1 - d: a share of the largest value of a period and of B."""
EX_POST = (EPIR(), PFIR(), PPIR())
"""These have one optimum: utility that is owed can be paid in any period, and none is taken back."""


def why_not_infinite(plan: EndlessPlan) -> str | None:
    """Why the method does not apply, in words that follow its name; None where it does."""
    if plan.objective != Revenue() or plan.subject_to or len(plan.ic) != 1 or len(plan.ir) != 1:
        return APPLIES
    (ic,), (ir,) = plan.ic, plan.ir
    if ic == MyopicIC() and ir != PPIR():
        return "is, for agents who do not look ahead, with per-period IR"
    if plan.environment.outside is not None or plan.environment.discounts is not None:
        return "is without outside options, and with one discount for all"
    fresh = isinstance(plan.environment, IndependentForever)
    if ic == MyopicIC():
        return None
    incentives: tuple[Constraint, ...] = (DIC(),) if fresh else (BayesianIC(), PeriodicExPostIC())
    if ic not in incentives or ir not in (Interim(), PeriodicIR(), *EX_POST):
        return APPLIES
    if isinstance(plan.environment, IndependentForever) or plan.environment.agents == 1:
        return None
    if ic != BayesianIC():
        return "is with several agents for Bayesian IC"
    if ir in EX_POST and not has_level_action(plan.environment):
        return "needs, with several agents and participation on paths, an action that is worth the same to all types"
    return None


def by_infinite(plan: EndlessPlan, effort: Effort) -> Optimum:
    """Bracket of the optimum, and an explicit mechanism that earns its lower end."""
    steps = iter(range(10**12))

    def told(lower: float, upper: float, seconds: float) -> None:
        if effort.progress is not None:
            effort.progress(next(steps), seconds)
        if effort.bracket is not None:
            effort.bracket(lower, upper, seconds)

    (ic,), (ir,) = plan.ic, plan.ir
    if ic == MyopicIC() and not isinstance(plan.environment, IndependentForever):
        found = by_myopic_states(plan.environment, (ic, ir), effort)
        return replace(found, ic=plan.ic, ir=plan.ir, objective=plan.objective)
    if isinstance(plan.environment, IndependentForever):
        if ir == PPIR() and plan.environment.agents == 1:
            chain, limit = plan.environment.to_markov(), effort.time_limit
            found = one_agent(chain, True, EX_POST_TOLERANCE, limit, (ic, ir), told)[0]
        elif ir in EX_POST:
            found = by_blocks(plan.environment, (ic, ir), effort)
        else:
            found = in_advance(plan.environment, (ic, ir))
        return replace(found, ic=plan.ic, ir=plan.ir, objective=plan.objective)
    if plan.environment.agents > 1:
        found = truncated(plan.environment, (ic, ir), effort)
        return replace(found, ic=plan.ic, ir=plan.ir, objective=plan.objective)
    tolerance = EX_POST_TOLERANCE if ir in EX_POST else TOLERANCE
    found = one_agent(plan.environment, ir in EX_POST, tolerance, effort.time_limit, (ic, ir), told)[0]
    return replace(found, ic=plan.ic, ir=plan.ir, objective=plan.objective)


def one_agent(
    environment: MarkovTypes,
    ex_post: bool,
    tolerance: float,
    time_limit: float | None = None,
    claims: tuple[Constraint, ...] = (),
    told: Progress | None = None,
) -> tuple[Optimum, StateMechanism, Search]:
    """Search promises of one agent; see `mechopt.solve.infinite.search`."""
    begun = time.perf_counter()
    search = Search(chain_of(environment), ex_post)
    status = search.run(tolerance, time_limit, told)
    unit, box = search.chain.unit, max(float(part.max(initial=0.0)) for part in search.chain.boxes)
    slack = SLACK * unit * (1 + box) / (1 - environment.discount)
    mechanism = promise_table(search, environment, claims, "optimum of revenue for ever, table of promises")
    value = mechanism.revenue
    lower, upper = value - slack, search.high * unit + slack
    if upper < lower:  # the two sides contradict each other by more than rounding
        status, lower, upper = Status.INACCURATE, upper, lower
    bound = Bound(lower, upper, "stationary dual dynamic program from both sides")
    seconds = {"build": 0.0, "solve": time.perf_counter() - begun}
    size = Size(0, 0, 0, mechanism.states, 0)
    return Optimum(value, bound, status, mechanism, size, seconds, "infinite", "states"), mechanism, search
