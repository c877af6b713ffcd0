"""Optima of identical buyers by the program on orbits of histories (`mechopt.lp.orbits`)."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from mechopt.core.errors import LimitError
from mechopt.core.numbers import Array
from mechopt.lp.independent.plan import Plan
from mechopt.lp.orbits import OrbitLayout, compile_orbits, orbit_size
from mechopt.lp.program import LinearProgram
from mechopt.proof.certificate import Certificate, SparseVector
from mechopt.solve import highs
from mechopt.solve.exact.lifting import ExactLimitError
from mechopt.solve.exact.orbits import exact_orbit_program
from mechopt.solve.exact.simplex import optimise
from mechopt.solve.limits import known_before, require_size
from mechopt.solve.orbits.mechanism import OrbitMechanism
from mechopt.solve.predicted_seconds import program_seconds
from mechopt.solve.program import Effort, trivial_bounds
from mechopt.solve.result import Optimum
from mechopt.solve.solution import Bound, Status

WORTH = 0.05
"""Predicted seconds of the program over all histories from which on orbits are taken."""
MAX_WRITTEN = 2_000_000
"""Largest number of entries that the mechanism is written out in at once."""


def better_on_orbits(plan: Plan, max_bytes: float | None = None) -> bool:
    """Whether the program over all histories takes long enough to be replaced by one on orbits, which fits."""
    if program_seconds(plan.size) <= WORTH:
        return False
    try:
        require_orbits(plan, max_bytes)
    except LimitError:
        return False
    return True


def require_orbits(plan: Plan, max_bytes: float | None = None) -> None:
    """Refuse a program on orbits that would not fit.

    Raises
    ------
    LimitError
        If the prediction is above ``max_bytes`` (default 60% of the available memory).
    """
    require_size(orbit_size(plan), *trivial_bounds(plan), max_bytes)


def orbit_optimum(plan: Plan, effort: Effort) -> Optimum:
    """The optimum of a plan for which `why_not_orbits` has no reason.

    Raises
    ------
    LimitError
        If the program would be too large.
    """
    begun = time.perf_counter()
    require_orbits(plan, effort.max_bytes)
    least, cap = trivial_bounds(plan)
    with known_before(least, cap):
        program, layout = compile_orbits(plan)
    built = time.perf_counter()
    solution = highs.solve_program(program, "auto", effort.time_limit, effort.progress, keep_basis=effort.exact)
    unit = plan.unit
    bound = Bound(solution.bound.lower * unit, min(solution.bound.upper * unit, cap), solution.bound.method)
    failed = solution.status in (Status.INFEASIBLE, Status.UNBOUNDED)
    found = Optimum(
        solution.value * unit,
        bound,
        solution.status,
        None,
        replace(orbit_size(plan), histories=plan.size.histories),
        {"build": built - begun, "solve": time.perf_counter() - built},
        solution.algorithm,
        "orbits",
        conflict=solution.conflict,
    )
    found = replace(found, ic=plan.ic, ir=plan.ir, objective=plan.objective)
    if failed:
        return found
    mechanism = orbit_mechanism(layout, solution.primal)
    few = plan.environment.agents * plan.size.histories <= MAX_WRITTEN
    found = replace(found, mechanism=mechanism.to_mechanism() if few else mechanism)
    if not effort.exact or solution.basis is None or solution.status is not Status.OPTIMAL:
        return found
    left = None if effort.time_limit is None else effort.time_limit - (time.perf_counter() - built)
    return _proved(found, layout, program, solution.basis, left)


def _proved(
    found: Optimum, layout: OrbitLayout, program: LinearProgram, basis: tuple[Array, Array], time_limit: float | None
) -> Optimum:
    """The same with its certificate; without one where a limit or an interrupt stops the proof."""
    begun, plan = time.perf_counter(), layout.plan
    deadline = float("inf") if time_limit is None else time.monotonic() + time_limit
    try:
        twin = exact_orbit_program(layout, program)
        best = optimise(twin, *basis, deadline)
    except TimeoutError:
        return replace(found, status=Status.TIME_LIMIT)
    except KeyboardInterrupt:
        return replace(found, status=Status.INTERRUPTED)
    except ExactLimitError as limit:
        return replace(found, status=Status.UNPROVED, conflict=(str(limit),))
    primal = SparseVector.of(best.primal.numerators, best.primal.denominator)
    multipliers = best.dual.numerators * twin.factor.astype(object)
    dual = SparseVector.of(multipliers, best.dual.denominator * twin.denominator)
    asked = plan.ic, plan.ir, plan.objective
    proof = Certificate(plan.environment.fingerprint, "optimal", "orbits", *asked, best.value, primal, dual)
    value = float(best.value)
    bound = Bound(value, value, "exact certificate")
    seconds = found.seconds | {"exact": time.perf_counter() - begun}
    return replace(found, value=value, bound=bound, seconds=seconds, exact=best.value, certificate=proof)


def orbit_mechanism(layout: OrbitLayout, x: np.ndarray[tuple[int], np.dtype[np.float64]]) -> OrbitMechanism:
    """The mechanism that a solution stands for."""
    plan = layout.plan
    lifetime, last = layout.lifetimes(x), plan.environment.horizon
    moves = plan.timing == "bank"
    realised = [u if t == last or (moves and t > 0) else np.zeros_like(u) for t, u in enumerate(lifetime)]
    words = f"optimum of {plan.objective}, on orbits of identical buyers"
    return OrbitMechanism(plan.environment, tuple(layout.allocations(x)), tuple(realised), (*plan.ic, *plan.ir), words)
