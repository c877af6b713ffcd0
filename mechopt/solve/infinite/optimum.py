r"""Agents whose types persist for ever: a bracket of the optimum to any width asked for.

The state is the distribution q of the types given the previous reports (and action), the promise a vector: what each
type of each agent is to get. With V_q(mu) the largest welfare less the price mu of all promises, in money of the
period, for one agent

.. math::
    V_q(\mu) = \min_{\lambda \ge 0} \sum_r q_r \max_a \Bigl[ v_a(r) - c_a
        - \sum_k \lambda_{kr} \frac{v_a(k) - v_a(r)}{q_r} + d V_{P_a(r,\cdot)}(g_{ra}) \Bigr],

with flows of multipliers and prices g of the next period as with a finite horizon (`mechopt.solve.dual.markov`), where
the discount stands before the next value. With several agents r is a profile, q_r its probability, and the multipliers
of an agent's own report stand at every profile that has it, over that report's probability. Nothing depends on the
period, so one pool of points for each q serves at every depth; see `mechopt.solve.infinite.promises.search` for how
both ends close, and `mechopt.solve.infinite.promises.programs` for the programs of a period. Rays from above: V(mu +
e_a - e_b) <= V(mu) + B(b, a), with B the largest difference of two types' utilities that incentives leave, a fixed
point.

**Truncation does not do.** With types independent across periods the optimum is at most that of the first T periods
plus first best from then on. With persistent types this is false: later incentives pay for the first ones. Types 1 and
2, even, that switch for sure: one period earns 1, two periods 3, above 1 + 3/2 (discount 1).

Source: Fernandes and Phelan (2000) for vector promises; Baucke, Downward and Zakeri (2017) for bounds from both sides.
"""

from __future__ import annotations

from mechopt.core.errors import Fault, InputError
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.require_kind import require_kind
from mechopt.mechanism.constraint_names import as_constraints
from mechopt.mechanism.constraints import BayesianIC, Constraint, Interim, PeriodicIR
from mechopt.solve.infinite.promises.searched import EX_POST, searched
from mechopt.solve.infinite.result import InfiniteOptimum
from mechopt.solve.infinite.several import small_chain


def infinite_optimum(
    environment: MarkovTypes,
    tolerance: float = 1e-7,
    time_limit: float | None = None,
    ir: Constraint | str = Interim(),
) -> InfiniteOptimum:
    """Bracket the largest revenue from agents for ever, under Bayesian IC.

    `mechopt.optimum` does the same at a fixed tolerance; with several agents programs of some periods stand by.

    Parameters
    ----------
    environment : MarkovTypes
        With an infinite horizon.
    tolerance : float
        Width of the bracket that is aimed at, a share of its upper end.
    time_limit : float, optional
        Seconds; it, or an interrupt (Ctrl-C), leaves the bracket so far.
    ir : Constraint or str
        Interim or periodic IR (one optimum), or EPIR, PFIR or PPIR (another).

    Returns
    -------
    InfiniteOptimum

    Raises
    ------
    InputError
        If the environment, the constraint or the tolerance is another.

    References
    ----------
    Battaglini (2005) for two types, in closed form.

    Examples
    --------
    Battaglini's buyer with values 1 and 2, 3/5 of them high, types that stay with probability 3/4, discount 1/2: the
    optimum is 38/15, and less if she may not lose on any path.

    >>> from mechopt.environment.markov import MarkovTypes
    >>> stay = [["3/4", "1/4"], ["1/4", "3/4"]]
    >>> env = MarkovTypes([[[0, 0], [1, 2]]], [stay], [["2/5", "3/5"]], discount="1/2")
    >>> best = infinite_optimum(env)
    >>> best.bound.lower <= 38 / 15 <= best.bound.upper, best.bound.upper - best.bound.lower < 1e-6
    (True, True)
    >>> round(infinite_optimum(env, 1e-5, ir="epir").value, 4)
    2.3441
    """
    require_kind(environment, "markov", "infinite_optimum")
    faults = list[Fault]()
    if environment.infinite and environment.agents > 1 and small_chain(environment) is None:
        what = "are too many, with their types and actions, for one pool of points for each of the last reports"
        faults.append(Fault("agents", what, "take mo.optimum, or fewer types"))
    if not environment.infinite:
        faults.append(Fault("horizon", f"is {environment.horizon}", 'it must be "infinite"; mo.optimum is for others'))
    if not tolerance > 0:
        faults.append(Fault("tolerance", f"is {tolerance}", "it must be positive"))
    asked = as_constraints(ir, "ir")
    known = (Interim(), PeriodicIR(), *EX_POST)
    if len(asked) != 1 or asked[0] not in known:
        faults.append(Fault("ir", f"is {'+'.join(c.name for c in asked)}", f"use {', '.join(c.name for c in known)}"))
    if faults:
        raise InputError(faults)
    claims = (BayesianIC(), asked[0])
    found, mechanism, search = searched(environment, asked[0] in EX_POST, tolerance, time_limit, claims)
    seconds = found.seconds["solve"]
    return InfiniteOptimum(found.bound, found.status, mechanism, search.visits, search.sweeps, seconds)
