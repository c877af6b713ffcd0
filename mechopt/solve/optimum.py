"""The optimal mechanism of an environment under given constraints, in one call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mechopt.environment.process import PersistentEnvironment
from mechopt.mechanism.constraints import STANDARD, Asked
from mechopt.mechanism.objective import Objective, Revenue
from mechopt.mechanism.payments import Payments, without_draws
from mechopt.solve.highs import Progress
from mechopt.solve.methods import solve
from mechopt.solve.problem import Problem
from mechopt.solve.result import Optimum as Optimum

if TYPE_CHECKING:
    from mechopt.environment.families.forever import IndependentForever
    from mechopt.lp.build import AnyTypes


def optimum(
    environment: AnyTypes | IndependentForever,
    ic: Asked = STANDARD,
    ir: Asked = STANDARD,
    objective: Objective | str = Revenue(),
    method: str = "auto",
    exact: bool = False,
    time_limit: float | None = None,
    form: str = "auto",
    progress: Progress | None = None,
    max_bytes: float | None = None,
    accept_range: bool = False,
    bracket: Callable[[float, float, float], None] | None = None,
    subject_to: Payments = (),
    deterministic: bool = False,
    gap: float = 0.0,
) -> Optimum:
    """Find the mechanism that is best among all that satisfy the constraints: ``Problem(environment, ...).solve(...)``.

    Parameters
    ----------
    environment : IndependentTypes, MarkovTypes, SeparableTypes or InterdependentTypes
        With a finite horizon; `MarkovTypes` also with an infinite one, or `mechopt.families.IndependentForever`.
    ic, ir : Constraint, str, several or None
        Incentive and participation constraints, as values or by their names on the command line; default DIC and EPIR,
        and where types persist Bayesian IC and interim IR.
    objective : Objective or str
        Default revenue; any weighted sum, such as ``Revenue() + 0.5 * Welfare()`` or ``"revenue+0.5*welfare"``.
    method : str
        ``"promised"``, the promised-utility dynamic program for one buyer, revenue, DIC and EPIR or interim IR, whose
        work grows about linearly with the horizon; its bracket closes to 1e-12 over few periods and to 1e-6 over many,
        see `mechopt.solve.promised.optimum`; ``"closed-form"``, the same for interim IR, where it is Myerson's auction
        at first and the first best later; ``"orbits"``, the program of identical buyers on orbits of histories, see
        `mechopt.lp.orbits`; ``"program"``, the linear program over histories by the algorithm that its shape suggests;
        ``"simplex"`` or ``"ipx"`` (interior point with crossover), the same by that one; or ``"dual"``, dual dynamic
        programming for several buyers (DIC, EPIR) or one agent whose types persist, to a bracket of 1e-4, see
        `mechopt.solve.dual.optimum`; or ``"infinite"``, for horizons without end, see `mechopt.solve.infinite.method`.
        ``"auto"`` takes ``"promised"`` where it applies; ``"orbits"`` where they apply
        and the program over histories is not a matter of a moment; else the program, unless it would take more than a
        minute, or the time limit, or would not fit, and ``"dual"`` applies; see `mechopt.solve.methods`.
    exact : bool
        Prove the optimum in exact rationals as well; needs exact numbers. Of one buyer under DIC and EPIR this goes by
        promises, see `mechopt.solve.exact_promised`; where the two ends of that proof do not meet, ``exact`` is None
        and the certificate has the bracket in fractions.
    time_limit : float, optional
        Seconds for the solver, the exact proof included; they leave the bracket so far, as an interrupt (Ctrl-C) does.
    form : str
        Of the program, see `mechopt.lp.independent.plan`; ``"auto"`` takes the smallest.
    progress : callable, optional
        Called with iterations and seconds.
    max_bytes : float, optional
        Refuse programs predicted to need more memory; default 60% of what is available.
    accept_range : bool
        Solve, without a warning, even where values or probabilities differ by a factor above 1e9.
    bracket : callable, optional
        Called by the methods ``"promised"`` and ``"dual"`` with the lower and upper bound so far, and seconds.
    subject_to : PaymentConstraint, str, several or None
        Constraints on payments, such as ``mo.NoSubsidy()`` or ``"no-subsidy+budget:3"``; solved by the program.
    deterministic : bool
        Draw nothing: the best of the mechanisms without lotteries, by method ``"mip"``, see
        `mechopt.solve.mip.optimum`.
    gap : float
        Share of the optimum by which the bracket of a deterministic optimum may stay open.

    Returns
    -------
    Optimum

    Raises
    ------
    LimitError
        If the program would be too large.
    InputError
        If constraints, form or method do not fit, or values or probabilities lie too far apart.

    Examples
    --------
    >>> from mechopt import IndependentTypes
    >>> env = IndependentTypes.iid(values=[1, 2], probabilities=["1/2", "1/2"], horizon=3)
    >>> best = optimum(env)
    >>> best
    Optimum(value 3.5, bracket width ..., optimal by promised, tables form)
    >>> round(best.mechanism.revenue, 9)
    3.5
    >>> round(optimum(env, ic="dic", ir=["epir"], objective="revenue+0.5*welfare").value, 9)
    5.625
    """
    limits = without_draws(subject_to) if deterministic else subject_to
    problem = Problem(environment, ic, ir, limits, objective, form=form)
    return solve(problem, method, exact, deterministic, time_limit, progress, max_bytes, accept_range, bracket, gap)


def relaxed_optimum(
    environment: PersistentEnvironment,
    ir: Asked = STANDARD,
    objective: Objective | str = Revenue(),
    method: str = "auto",
    time_limit: float | None = None,
    progress: Progress | None = None,
    max_bytes: float | None = None,
    accept_range: bool = False,
) -> Optimum:
    """Find the optimum where the first types alone are private: no mechanism for the environment itself does better.

    Types of later periods are seen by the mechanism; of `SeparableTypes` the later signals are, and the initial signal
    stays private.

    Parameters
    ----------
    environment : MarkovTypes, SeparableTypes or InterdependentTypes
        With a finite horizon.
    ir, objective, method, time_limit, progress, max_bytes, accept_range
        As for `mechopt.optimum`; default interim rationality.

    Returns
    -------
    Optimum
        Its mechanism asks for first types and sees the rest: `mechopt.verify` finds deviations in later reports.

    References
    ----------
    Kakade, Lobel and Nazerzadeh (2013), section 3.

    Examples
    --------
    A buyer's value s0 + 3/2 or 10 s0, by a fair coin that she sees later; s0 uniform on five values. The relaxed
    optimum is 9/4, the optimum 2.1 (Kakade et al., section 6).

    >>> from mechopt import MarkovTypes, optimum
    >>> quarters = [0, "1/4", "1/2", "3/4", 1]
    >>> later = [v for s in (0, 0.25, 0.5, 0.75, 1) for v in (s + 1.5, 10 * s)]
    >>> split = [[0.5 if j // 2 == k else 0 for j in range(10)] for k in range(5)]
    >>> values = [[[[0] * 5], [[0] * 10, later]]]
    >>> env = MarkovTypes(values, [[split]], [["1/5"] * 5], actions=[["contract"], ["keep", "sell"]], horizon=2)
    >>> round(optimum(env).value, 9)
    2.1
    """
    problem = Problem(environment, None, ir, objective=objective, relaxed=True)
    return solve(problem, method, False, False, time_limit, progress, max_bytes, accept_range)
