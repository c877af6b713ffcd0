"""One run of HiGHS's branch and bound, silent, one thread, and what it says: a point, a bound, and how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mechopt.core.numbers import SOLVER_TOLERANCE, FloatArray
from mechopt.lp.program import LinearProgram
from mechopt.solve import runtime
from mechopt.solve.highs import NAMED, Progress
from mechopt.solve.highs_program import objective_scale, to_highs
from mechopt.solve.solution import Status

MIP_TOLERANCE = 1e-7
"""Share of its size, at least of one unit of money, by which the solver's bound is raised before it counts."""
REPORTED = 0.1
"""Seconds between two reports of progress."""

Bracket = Callable[[float, float, float], None]
"""Called with the lower and upper bound so far, and seconds."""


@dataclass(frozen=True, eq=False)
class Search:
    """Result of branch and bound for a program with whole numbers, in the program's units.

    Attributes
    ----------
    status : Status
        As the solver calls it.
    point : float array ``(columns,)`` or None
        The best point that it found; None where it found none.
    upper : float
        Its bound of all points, raised by `MIP_TOLERANCE`; infinity where it has none.
    nodes : int
        Of the tree that it searched.
    """

    status: Status
    point: FloatArray | None
    upper: float
    nodes: int


def search(
    program: LinearProgram,
    gap: float = 0.0,
    time_limit: float | None = None,
    progress: Progress | None = None,
    bracket: Bracket | None = None,
    most_nodes: int | None = None,
) -> Search:
    """Search for the best point whose ``program.integer`` columns are whole numbers.

    Parameters
    ----------
    program : LinearProgram
    gap : float
        Share of the value by which the bound may stay above it.
    time_limit : float, optional
        Seconds.
    progress : callable, optional
        Called now and then with the nodes searched so far and seconds.
    bracket : callable, optional
        Called now and then with the solver's lower and upper bound so far, and seconds.
    most_nodes : int, optional
        Stop after so many nodes of its tree.

    Raises
    ------
    SolverError
        If HiGHS reports an error.
    """
    scale = objective_scale(program.cost)
    highs = to_highs(program, scale)
    runtime.set_options(
        highs,
        {
            "threads": 1,
            "mip_rel_gap": gap,
            "mip_abs_gap": SOLVER_TOLERANCE * scale,
            "mip_feasibility_tolerance": SOLVER_TOLERANCE,
        },
    )
    if time_limit is not None:
        runtime.set_options(highs, {"time_limit": max(time_limit, 0.0)})
    if most_nodes is not None:
        runtime.set_options(highs, {"mip_max_nodes": most_nodes})
    if progress is not None or bracket is not None:
        _report(highs, scale, progress, bracket)
    runtime.run(highs)
    info, raw = highs.getInfo(), highs.getModelStatus().name
    status = NAMED.get(raw, Status.TIME_LIMIT if raw in ("kSolutionLimit", "kIterationLimit") else Status.INACCURATE)
    bound = float(info.mip_dual_bound) / scale
    upper = raised_bound(bound) if np.isfinite(bound) and abs(bound) < 1e100 else np.inf
    found = np.array(highs.getSolution().col_value, dtype=np.float64)
    feasible = info.primal_solution_status == 2 and found.size == program.size[1] and bool(np.isfinite(found).all())
    return Search(status, found if feasible else None, upper, int(info.mip_node_count))


def raised_bound(bound: float) -> float:
    """A bound of the solver's, raised by its tolerance."""
    return bound + MIP_TOLERANCE * max(1.0, abs(bound))


def _report(highs: object, scale: float, progress: Progress | None, bracket: Bracket | None) -> None:
    begun = last = time.perf_counter()

    def on_event(event: object) -> None:
        nonlocal last
        now = time.perf_counter()
        if now - last < REPORTED:
            return
        last, told = now, event.data_out  # type: ignore[attr-defined]
        if progress is not None:
            progress(int(told.mip_node_count), now - begun)
        if bracket is not None:
            bracket(float(told.mip_primal_bound) / scale, float(told.mip_dual_bound) / scale, now - begun)

    highs.cbMipInterrupt += on_event  # type: ignore[attr-defined]
