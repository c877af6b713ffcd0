"""The linear program of a plan: refuse what would not fit, compile, solve, read the mechanism back."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mechopt.core.errors import InputError, LimitError
from mechopt.core.numbers import RANGE_REFUSAL, RANGE_WARNING
from mechopt.lp.build import compile_program
from mechopt.lp.independent.plan import Plan
from mechopt.solve import highs
from mechopt.solve.duals import Duals
from mechopt.solve.limits import known_before, require_size
from mechopt.solve.result import Optimum
from mechopt.solve.solution import Bound, Status, raised

if TYPE_CHECKING:
    from mechopt.lp.build import AnyPlan

PATH_ROWS = 5_000
"""Rows from which interior point is the quicker one where participation is asked for on paths."""
MAX_BUYERS = 62
"""numpy arrays have at most 64 axes; those of buyer and history are two of them."""


@dataclass(frozen=True)
class Effort:
    """How a method is to work: with or without a proof, and within which limits.

    Attributes
    ----------
    exact : bool
        Prove the optimum in exact rationals as well.
    time_limit : float or None
        Seconds for the solver, the proof included.
    max_bytes : float or None
        Memory that a program may be predicted to need; None for 60% of what is available.
    progress : callable or None
        Called with iterations and seconds.
    bracket : callable or None
        Called with the lower and upper bound so far, and seconds.
    remedy : str
        What else would work, for a program that would not fit.
    gap : float
        Share of the optimum by which the bracket of a deterministic optimum may stay open.
    """

    exact: bool = False
    time_limit: float | None = None
    max_bytes: float | None = None
    progress: highs.Progress | None = None
    bracket: Callable[[float, float, float], None] | None = None
    remedy: str = ""
    gap: float = 0.0


def solve_plan(chosen: AnyPlan, algorithm: str, effort: Effort) -> Optimum:
    """Solve the program of a plan.

    Parameters
    ----------
    chosen : Plan or PersistentPlan
    algorithm : str
        ``"simplex"``, ``"ipx"``, or ``"auto"`` by the shape of the program.
    effort : Effort

    Raises
    ------
    LimitError
        If the program would be too large.
    """
    begun = time.perf_counter()
    algorithm = _by_shape(chosen) if algorithm == "auto" else algorithm
    lower, cap = trivial_bounds(chosen)
    require_memory(chosen, effort.max_bytes, algorithm, effort.remedy)
    with known_before(lower, cap):
        program, layout = compile_program(chosen)
    built = time.perf_counter()
    solution = highs.solve_program(program, algorithm, effort.time_limit, effort.progress, keep_basis=effort.exact)
    seconds = {"build": built - begun, "solve": time.perf_counter() - built}
    unit, failed = layout.unit, solution.status in (Status.INFEASIBLE, Status.UNBOUNDED)
    least = solution.bound.lower * unit if failed else max(solution.bound.lower * unit, lower)
    found = Optimum(
        solution.value * unit,
        Bound(least, min(solution.bound.upper * unit, cap), solution.bound.method),
        solution.status,
        None if failed else layout.mechanism(solution.primal),
        chosen.size,
        seconds,
        solution.algorithm,
        chosen.form,
        conflict=(*_lending(chosen, solution.status), *solution.conflict),
        ic=chosen.ic,
        ir=chosen.ir,
        objective=chosen.objective,
        subject_to=chosen.subject_to,
        duals=Duals(chosen, solution.primal, solution.dual) if solution.status is Status.OPTIMAL else None,
    )
    if not effort.exact:
        return found
    from mechopt.solve.exact.attach import proved

    left = None if effort.time_limit is None else effort.time_limit - (time.perf_counter() - built)
    return proved(found, layout, program, solution, left)


def _lending(chosen: AnyPlan, status: Status) -> tuple[str, ...]:
    """Who lends to whom without end, where discounts differ and there is no bound."""
    env = chosen.environment
    if status is not Status.UNBOUNDED or env.discounts is None:
        return ()
    lines = []
    for name, own in zip(env.names, env.discounts, strict=True):
        if own != env.discount:
            patient, way = ("more", "pays at first and is paid later")
            if own < env.discount:
                patient, way = ("less", "is paid at first and pays later")
            lines.append(
                f"agent {name} is {patient} patient than the seller ({own:g} against {env.discount:g}): she {way}, "
                "without end; constrain payments (no-subsidy) or ask for per-period participation"
            )
    return tuple(lines)


def _by_shape(chosen: AnyPlan) -> str:
    """The algorithm for a program, by what was measured (benchmarks/RESULTS-programs.md).

    Where several agents' types persist the primal simplex takes a half to a quarter of the dual one's time, which
    answers now and then that there is no bound. Participation on paths makes the dual simplex slow: with one agent, 10
    types and 4 periods 277 s, interior point 31 s.
    """
    if isinstance(chosen, Plan):
        return "auto"
    if chosen.paths and chosen.size.rows > PATH_ROWS:
        return "ipx"
    return "primal" if chosen.process.agents > 1 else "simplex"


def trivial_bounds(chosen: AnyPlan) -> tuple[float, float]:
    """Bounds without any program: what is free, and first best, where utilities are at least 0 and cost nothing."""
    weights = chosen.objective
    if not chosen.ir or chosen.environment.outside is not None or chosen.environment.discounts is not None:
        return -np.inf, np.inf
    least = -np.inf if chosen.subject_to or not _harmless(chosen) else 0.0
    if weights.utility > weights.revenue or weights.revenue + weights.welfare < 0:
        return least, np.inf
    return least, (weights.revenue + weights.welfare) * _first_best(chosen)


def _harmless(chosen: AnyPlan) -> bool:
    """Whether every period has an action that costs nobody anything, whatever the types, and may always be taken.

    A mechanism that takes it and asks for no money keeps all constraints on incentives and participation.
    """
    if isinstance(chosen, Plan):
        return True  # an item may be kept
    process, weights = chosen.process, chosen.objective
    signed = min(weights.revenue, weights.welfare, weights.utility) < 0  # then what is worth something may count less
    for t, values in enumerate(process.values):
        costs = process.net_costs(t)
        free = (values >= 0).all(axis=(0, 2)) & (costs <= 0).all(axis=1)
        if signed:
            free = (values == 0).all(axis=(0, 2)) & (costs == 0).all(axis=1)
        if process.forbidden is not None:
            free &= ~process.forbidden[t].any(axis=1)
        if not free.any():
            return False
    return True


def _first_best(chosen: AnyPlan) -> float:
    """First best, raised by what rounding may have taken from it."""
    if isinstance(chosen, Plan):
        env = chosen.environment
        sizes = [
            max(
                float(np.abs(values[t]).max() + np.abs(cost[t]).max() + abs(env.cost[t]))
                for values, cost in zip(env.values, env.net_cost, strict=True)
            )
            for t in range(env.horizon)
        ]
        terms = 2 * env.horizon + sum(max(row) for row in env.shape) * env.agents
        sizes = [size * most for size, most in zip(sizes, map(len, env.slots or ((1,),) * env.horizon), strict=True)]
        return raised(env.first_best, float(env.present_value @ np.array(sizes)), terms)
    process = chosen.process
    sizes = [
        float(np.abs(values).max(axis=(1, 2)).sum() + np.abs(costs).max() + np.abs(process.net_costs(t)).max())
        for t, (values, costs) in enumerate(zip(process.values, process.costs, strict=True))
    ]
    terms = 2 * process.horizon + sum(distribution.shape[-1] for distribution in process.kernel) + len(process.initial)
    return raised(process.first_best, float(process.present_value @ np.array(sizes)), terms)


def require_memory(chosen: AnyPlan, max_bytes: float | None = None, algorithm: str = "auto", remedy: str = "") -> None:
    """Refuse a program that would not fit, with figures, what to do and what is known of the optimum all the same.

    Raises
    ------
    LimitError
        If the prediction is above ``max_bytes`` (default 60% of the available memory).
    """
    lower, upper = trivial_bounds(chosen)
    if isinstance(chosen, Plan) and chosen.environment.agents > MAX_BUYERS:
        count = chosen.environment.agents
        message = f"{count} buyers: arrays over report profiles have at most {MAX_BUYERS} axes of buyers. Use fewer"
        raise LimitError(message, lower, upper)
    require_size(chosen.size, lower, upper, max_bytes, algorithm, remedy)


def fits(chosen: AnyPlan, max_bytes: float | None = None, algorithm: str = "auto") -> bool:
    """Whether the program is predicted to fit into memory."""
    try:
        require_memory(chosen, max_bytes, algorithm)
    except LimitError:
        return False
    return True


def check_range(chosen: AnyPlan, accepted: bool) -> None:
    """Warn of values or probabilities that differ by a factor above 1e6, refuse one above 1e9 unless asked.

    For independent types the factor is that of the largest value to the smallest step between values, for persistent
    ones that of the largest value to the smallest; or of 1 to the smallest probability, if that is more.

    Raises
    ------
    InputError
        If it is refused.
    """
    if accepted:
        return
    what, ratio = _range(chosen)
    if ratio > RANGE_REFUSAL:
        raise InputError(
            f"{what} differ by a factor of {ratio:.2g}, above {RANGE_REFUSAL:.0e}: they lie too far apart for "
            "floating point; merge types, or ask for it with accept_range=True (--accept-range)"
        )
    if ratio > RANGE_WARNING:
        warnings.warn(f"{what} differ by a factor of {ratio:.2g}; check the bracket", stacklevel=4)


def _range(chosen: AnyPlan) -> tuple[str, float]:
    """Meaning of the factor, in words, and the factor."""
    if isinstance(chosen, Plan):
        environment = chosen.environment
        steps = [np.diff(values) for row in environment.values for values in row]
        largest = max(float(values[-1]) for row in environment.values for values in row)
        smallest = min((float(step.min()) for step in steps if step.size), default=largest)
        rarest = min(
            float(distribution[distribution > 0].min()) for row in environment.probabilities for distribution in row
        )
        return "values or probabilities", max(largest / smallest if largest else 1.0, 1.0 / rarest)
    process = chosen.process
    sizes = np.abs(np.concatenate([part.ravel() for part in process.values]))
    chances = np.concatenate([process.initial, *(part.ravel() for part in process.kernel)])
    smallest = float(sizes[sizes > 0].min(initial=np.inf))
    return "values or joint probabilities", max(float(sizes.max()) / smallest, 1.0 / float(chances[chances > 0].min()))
