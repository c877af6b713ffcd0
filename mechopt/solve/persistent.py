"""The optimal mechanism where types move: plan, check the size, compile, solve, read back."""

from __future__ import annotations

import time
import warnings

import numpy as np

from mechopt.core.errors import InputError
from mechopt.core.numbers import RANGE_REFUSAL, RANGE_WARNING
from mechopt.environment.process import JointProcess, PersistentEnvironment
from mechopt.lp.persistent.compile import compile_moving
from mechopt.lp.persistent.plan import MovingPlan, moving_plan
from mechopt.mechanism.constraints import STANDARD, Asked
from mechopt.mechanism.objective import Objective, Revenue
from mechopt.solve import highs
from mechopt.solve.exact.attach import proved
from mechopt.solve.limits import known_before, require_size
from mechopt.solve.result import Optimum
from mechopt.solve.solution import Bound, Status, raised

METHODS = ("auto", "simplex", "ipx")


def moving_optimum(
    chosen: MovingPlan,
    method: str = "auto",
    exact: bool = False,
    time_limit: float | None = None,
    progress: highs.Progress | None = None,
    max_bytes: float | None = None,
    accept_range: bool = False,
) -> Optimum:
    """Solve the program of a plan where types move; see `mechopt.optimum`.

    Parameters
    ----------
    chosen : MovingPlan
    method, exact, time_limit, progress, max_bytes, accept_range
        As for `mechopt.optimum`.
    """
    begun = time.perf_counter()
    if method not in METHODS:
        known = ", ".join(map(repr, (*METHODS, "dual")))
        raise InputError(f"method {method!r} is not for types that move; write one of {known}")
    if exact and chosen.environment.exact is None:
        raise InputError('exact=True: the float probabilities only sum to 1 within rounding; write fractions as "1/3"')
    check_range(chosen.process, accept_range)
    cap = welfare_cap(chosen)
    require_size(chosen.size, 0.0 if chosen.ir else -np.inf, cap, max_bytes, method)
    with known_before(0.0 if chosen.ir else -np.inf, cap):
        program, layout = compile_moving(chosen)
    built = time.perf_counter()
    solution = highs.solve_program(program, method, time_limit, progress, keep_basis=exact)
    unit, failed = layout.unit, solution.status in (Status.INFEASIBLE, Status.UNBOUNDED)
    lower = solution.bound.lower * unit
    bound = Bound(lower, max(lower, min(solution.bound.upper * unit, cap)), solution.bound.method)
    seconds = {"build": built - begun, "solve": time.perf_counter() - built}
    mechanism = None if failed else layout.mechanism(solution.primal)
    found = Optimum(
        solution.value * unit,
        bound,
        solution.status,
        mechanism,
        chosen.size,
        seconds,
        solution.algorithm,
        chosen.form,
        conflict=solution.conflict,
        ic=chosen.ic,
        ir=chosen.ir,
        objective=chosen.objective,
    )
    left = None if time_limit is None else time_limit - (time.perf_counter() - built)
    return proved(found, layout, program, solution, left) if exact else found


def relaxed_optimum(
    environment: PersistentEnvironment,
    ir: Asked = STANDARD,
    objective: Objective = Revenue(),  # noqa: B008
    method: str = "auto",
    time_limit: float | None = None,
    progress: highs.Progress | None = None,
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
    Kakade, Lobel and Nazerzadeh (2013), section 4.

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
    chosen = moving_plan(environment, None, ir, objective, relaxed=True)
    return moving_optimum(chosen, method, False, time_limit, progress, max_bytes, accept_range)


def welfare_cap(chosen: MovingPlan) -> float:
    """Upper bound without any program: first best, where utilities are at least 0 and cost the objective nothing."""
    weights = chosen.objective
    if not chosen.ir or weights.utility > weights.revenue or weights.revenue + weights.welfare < 0:
        return float("inf")
    process = chosen.process
    sizes = [
        float(np.abs(values).max(axis=(1, 2)).sum() + np.abs(costs).max())
        for values, costs in zip(process.values, process.costs, strict=True)
    ]
    terms = 2 * process.horizon + sum(law.shape[-1] for law in process.kernel) + len(process.initial)
    welfare = raised(process.first_best, float(process.present_value @ np.array(sizes)), terms)
    return (weights.revenue + weights.welfare) * welfare


def check_range(process: JointProcess, accepted: bool) -> None:
    """Warn of values or probabilities that differ by a factor above 1e6, refuse one above 1e9 unless asked.

    Raises
    ------
    InputError
        If it is refused.
    """
    values = np.abs(np.concatenate([part.ravel() for part in process.values]))
    chances = np.concatenate([process.initial, *(part.ravel() for part in process.kernel)])
    smallest = float(values[values > 0].min(initial=np.inf))
    ratio = max(float(values.max()) / smallest, 1.0 / float(chances[chances > 0].min()))
    if ratio > RANGE_REFUSAL and not accepted:
        raise InputError(
            f"values or joint probabilities differ by a factor of {ratio:.2g}, above {RANGE_REFUSAL:.0e}: they lie too "
            "far apart for floating point; merge types, or ask for it with accept_range=True (--accept-range)"
        )
    if ratio > RANGE_WARNING and not accepted:
        warnings.warn(f"values or joint probabilities differ by a factor of {ratio:.2g}", stacklevel=4)
