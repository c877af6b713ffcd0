"""Optima of infinite horizons as a method: where it applies, and how it is solved."""

from __future__ import annotations

from dataclasses import replace

from mechopt.environment.families.forever import IndependentForever
from mechopt.environment.markov import MarkovTypes
from mechopt.lp.endless import EndlessPlan
from mechopt.mechanism.constraints import (
    DIC,
    PPIR,
    BayesianIC,
    Constraint,
    Interim,
    MyopicIC,
    PeriodicExPostIC,
    PeriodicIR,
)
from mechopt.mechanism.objective import Revenue
from mechopt.solve.infinite.fresh import by_blocks, in_advance
from mechopt.solve.infinite.myopic import by_myopic_states
from mechopt.solve.infinite.promises.search import Progress
from mechopt.solve.infinite.promises.searched import EX_POST, EX_POST_TOLERANCE, TOLERANCE, searched
from mechopt.solve.infinite.several import has_impossible, several, why_not_several
from mechopt.solve.program import Effort
from mechopt.solve.result import Optimum

APPLIES = (
    "is for an infinite horizon, revenue, Bayesian (or with one agent periodic ex post) IC, or DIC where types are "
    "independent across periods, and interim or periodic IR, EPIR, PFIR or PPIR; or myopic IC with PPIR"
)


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
    return why_not_several(plan.environment, ir)


def by_infinite(plan: EndlessPlan, effort: Effort) -> Optimum:
    """Bracket of the optimum, and an explicit mechanism that earns its lower end."""
    steps = iter(range(10**12))

    def told(lower: float, upper: float, seconds: float) -> None:
        if effort.progress is not None:
            effort.progress(next(steps), seconds)
        if effort.bracket is not None:
            effort.bracket(lower, upper, seconds)

    (ic,), (ir,) = plan.ic, plan.ir
    found = _solved(plan.environment, (ic, ir), effort, told)
    return replace(found, ic=plan.ic, ir=plan.ir, objective=plan.objective)


def _solved(
    environment: MarkovTypes | IndependentForever, claims: tuple[Constraint, Constraint], effort: Effort, told: Progress
) -> Optimum:
    ex_post = claims[1] in EX_POST
    if isinstance(environment, IndependentForever) and not ex_post:
        return in_advance(environment, claims)
    if environment.agents > 1 and claims[0] != MyopicIC():
        return several(environment, claims, effort, told)
    if isinstance(environment, IndependentForever) and (claims[1] != PPIR() or has_impossible(environment)):
        return by_blocks(environment, claims, effort)
    markov = environment.to_markov() if isinstance(environment, IndependentForever) else environment
    if claims[0] == MyopicIC():
        return by_myopic_states(markov, claims, effort)
    tolerance = EX_POST_TOLERANCE if ex_post else TOLERANCE
    return searched(markov, ex_post, tolerance, effort.time_limit, claims, told)[0]
