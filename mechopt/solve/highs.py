"""Programs solved by HiGHS, and its answers.

The code that runs is named, since a plain "ipm" means another one where an extra wheel is installed. What comes back is
judged by `solution.judged`; that there is no solution, or no bound, is believed where a ray says so in our own matrix.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mechopt.core.errors import InputError, SolverError
from mechopt.core.numbers import Array, FloatArray
from mechopt.lp.program import LinearProgram
from mechopt.solve import runtime
from mechopt.solve.highs_program import objective_scale, ours
from mechopt.solve.polish import Places, needs_refining, polished, refined
from mechopt.solve.solution import Bound, Solution, Status, contradicts, improves, judged, violations

ALGORITHMS = ("simplex", "ipx", "primal")
PRIMAL_SIMPLEX = 4
SOLVERS: dict[str, dict[str, Any]] = {
    "simplex": {"solver": "simplex"},
    "primal": {"solver": "simplex", "simplex_strategy": PRIMAL_SIMPLEX},
    "ipx": {"solver": "ipx", "ipm_iteration_limit": 500},  # beyond which it may not end: some 100 are many
}
"""HiGHS's options."""
IIS_SECONDS = 60.0

Progress = Callable[[int, float], None]
"""Called with the iterations so far and the seconds since the start."""


def choose_algorithm(program: LinearProgram) -> str:
    """Dual simplex or interior point with crossover, by the shape of the program.

    With three non-zeros a row the dual simplex wins at every width measured; interior point pays where rows are wide
    (expectations over many profiles of other buyers).
    """
    rows, _, nonzeros = program.size
    return "ipx" if rows > 20_000 and nonzeros > 30 * rows else "simplex"


def solve_program(
    program: LinearProgram,
    algorithm: str = "auto",
    time_limit: float | None = None,
    progress: Progress | None = None,
    keep_basis: bool = False,
) -> Solution:
    """Solve a program and judge the answer.

    Parameters
    ----------
    program : LinearProgram
    algorithm : str
        ``"simplex"`` (dual), ``"primal"`` (simplex), ``"ipx"`` (interior point with crossover) or ``"auto"``.
    time_limit : float, optional
        Seconds.
    progress : callable, optional
        Called now and then with iterations and seconds.
    keep_basis : bool
        Keep where the solver left each column and row, for an exact certificate.

    Returns
    -------
    Solution
        In every case: failure is in its ``status``, with what is known.

    Raises
    ------
    InputError
        If there is no such algorithm.
    SolverError
        If HiGHS reports an error at every attempt.
    """
    if not isinstance(program, LinearProgram):
        raise InputError(
            f"solve_program takes a LinearProgram and not {type(program).__name__}; write problem.solve(), or "
            "mo.formats.solve_program(mo.formats.compile_program(plan)[0])"
        )
    if algorithm not in ("auto", *ALGORITHMS):
        raise InputError(f"method {algorithm!r} is none of auto, {', '.join(ALGORITHMS)}")
    algorithm, begun = choose_algorithm(program) if algorithm == "auto" else algorithm, time.perf_counter()
    answer: Solution | None = None
    failure: SolverError | None = None
    for scale, presolve in _attempts(program, algorithm):
        left = None if time_limit is None else max(time_limit - (time.perf_counter() - begun), 0.0)
        if answer is not None and left == 0.0:
            break
        try:
            found = _attempt(program, algorithm, scale, presolve, left, progress, keep_basis)
        except SolverError as error:
            failure = error
            continue
        answer = found if answer is None or _says_more(found, answer) else answer
        if found.status in CLEAR:
            break
    if answer is None:
        raise failure or SolverError("HiGHS was not run")
    return answer


def _attempts(program: LinearProgram, algorithm: str) -> list[tuple[float, bool]]:
    """Scales of the objective, with presolve or not, in order; the primal simplex does best on costs as they are."""
    scaled = objective_scale(program.cost)
    first = [1.0, scaled] if algorithm == "primal" else [scaled, 1.0]
    return list(dict.fromkeys([*((scale, True) for scale in first), (1.0, False)]))


def _says_more(found: Solution, before: Solution) -> bool:
    """Whether an answer is clear, or the one before is an open bracket that it closes further or settles otherwise."""
    if found.status in CLEAR or before.status is not Status.INACCURATE:
        return found.status in CLEAR
    width, old = (answer.bound.upper - answer.bound.lower for answer in (found, before))
    return found.status is not Status.INACCURATE or width < old


CLEAR = (Status.OPTIMAL, Status.TIME_LIMIT, Status.INTERRUPTED)
"""Answers that are not asked for again: HiGHS may take a program with large and small costs for one without bound."""


NAMED = {
    "kOptimal": Status.OPTIMAL,
    "kModelEmpty": Status.OPTIMAL,
    "kTimeLimit": Status.TIME_LIMIT,
    "kInterrupt": Status.INTERRUPTED,
    "kInfeasible": Status.INFEASIBLE,
    "kUnbounded": Status.UNBOUNDED,
}
"""What HiGHS's statuses say; every other leaves an answer that we judge inaccurate unless our own bounds close."""


def _ran(info: Any, asked: str) -> str:
    """The algorithm that ran: HiGHS falls back on the simplex without a word."""
    return "simplex" if info.simplex_iteration_count > 0 and info.ipm_iteration_count <= 0 else asked


def _attempt(
    program: LinearProgram,
    algorithm: str,
    scale: float,
    presolve: bool,
    time_limit: float | None,
    progress: Progress | None,
    keep_basis: bool,
) -> Solution:
    """Solve once and judge the answer."""
    highs = ours(program, scale, presolve)
    runtime.set_options(highs, SOLVERS[algorithm])
    if time_limit is not None:
        runtime.set_options(highs, {"time_limit": max(time_limit, 0.0)})
    if progress is not None:
        _report_progress(highs, progress)
    runtime.run(highs)
    raw, info = highs.getModelStatus().name, highs.getInfo()
    if raw == "kIterationLimit" and algorithm == "ipx":
        left = None if time_limit is None else max(time_limit - highs.getRunTime(), 0.0)
        return _attempt(program, "simplex", scale, presolve, left, progress, keep_basis)
    algorithm = _ran(info, "simplex" if algorithm == "primal" else algorithm)
    iterations = int(info.simplex_iteration_count + info.ipm_iteration_count + info.crossover_iteration_count)
    status = NAMED.get(raw, Status.INACCURATE)
    if status is Status.INFEASIBLE and _refuted(program) is False:
        status = Status.UNBOUNDED  # older versions sometimes take the one for the other
    if raw == "kUnboundedOrInfeasible" or status is Status.UNBOUNDED:
        status, conflict = _unbounded_or_infeasible(program)
        return _failed(program, status, conflict, algorithm, iterations)
    if status is Status.INFEASIBLE:
        return _failed(program, *_infeasible(program), algorithm, iterations)
    point = highs.getSolution()
    rows, columns, _ = program.size
    primal = _finite(point.col_value, columns)
    answer = judged(program, primal, _finite(point.row_dual, rows) / scale, status, algorithm, iterations)
    found = highs.getBasis()
    if not found.valid or not (keep_basis or needs_refining(answer) or answer.status is Status.INACCURATE):
        return answer
    places = _places(found)
    if answer.status is Status.INACCURATE and (again := polished(program, places)) is not None:
        closer = judged(program, *again, status, algorithm, iterations)
        answer = closer if closer.status is Status.OPTIMAL else answer
    if status is Status.OPTIMAL:
        answer, places = refined(program, answer, places, partial(_again, time_limit=time_limit))
    return replace(answer, basis=places)


def _places(basis: Any) -> tuple[Array, Array]:
    """Where HiGHS leaves columns and rows; see `Solution`."""
    columns, rows = (np.array([int(s) for s in part], np.int8) for part in (basis.col_status, basis.row_status))
    return columns, rows


def _again(program: LinearProgram, places: Places, time_limit: float | None) -> Any:
    """Point, multipliers and basis of a program that is solved from a basis, or None where that fails."""
    scale = objective_scale(program.cost)
    highs, basis = ours(program, scale), runtime.basis_of(places)
    runtime.set_options(highs, {} if time_limit is None else {"time_limit": max(time_limit, 0.0)})
    try:
        runtime.require(highs.setBasis(basis), "takes no such basis")
        runtime.run(highs)
    except SolverError:  # the answer stands, with its wider bracket
        return None
    if NAMED.get(highs.getModelStatus().name) is not Status.OPTIMAL:
        return None
    point, (rows, columns, _) = highs.getSolution(), program.size
    return _finite(point.col_value, columns), _finite(point.row_dual, rows) / scale, _places(highs.getBasis())


def _nothing_is_feasible(program: LinearProgram) -> bool:
    """Whether the null mechanism, the zero vector, keeps every row and bound: only a user's own rows can forbid it."""
    rows, columns = violations(program, np.zeros(len(program.cost)))
    return not rows.any() and not columns.any()


def _refuted(program: LinearProgram) -> bool | None:
    """Whether a ray of the solver shows in our matrix that no point keeps every row; None where nothing shows it."""
    if _nothing_is_feasible(program):
        return False
    blank = replace(program, cost=np.zeros(len(program.cost)), offset=0.0)
    highs = ours(blank, presolve=False)
    runtime.set_options(highs, SOLVERS["simplex"])
    runtime.run(highs)
    if NAMED.get(highs.getModelStatus().name) is Status.OPTIMAL:
        return False
    _, has_ray, ray = runtime.apart(highs.getDualRay)
    return True if has_ray and contradicts(blank, np.array(ray, dtype=np.float64)) else None


def _infeasible(program: LinearProgram) -> tuple[Status, tuple[str, ...]]:
    """That there is no solution, with the rows in conflict, where a ray shows it; else that the solver is not sure."""
    return (Status.INFEASIBLE, _conflict(program)) if _refuted(program) else (Status.INACCURATE, ())


def _finite(values: Any, size: int) -> FloatArray:
    """A solver's vector, or zeros where it has none or one that is not finite."""
    array = np.array(values, dtype=np.float64)
    return array if array.size == size and np.isfinite(array).all() else np.zeros(size)


def _failed(
    program: LinearProgram, status: Status, conflict: tuple[str, ...], algorithm: str, iterations: int
) -> Solution:
    rows, columns, _ = program.size
    ends = (-np.inf, -np.inf) if status is Status.INFEASIBLE else (-np.inf, np.inf)
    bound = Bound(*ends, "none")
    zeros = np.zeros(columns), np.zeros(rows)
    if status is Status.INACCURATE and _nothing_is_feasible(program):  # and is worth something
        return judged(program, *zeros, status, algorithm, iterations)
    return Solution(status, ends[1], bound, *zeros, np.inf, algorithm, iterations, conflict)


def _report_progress(highs: Any, progress: Progress) -> None:
    """Pass the solver's counters on; the solver calls back at every iteration, we at most ten times a second."""
    begun = last = time.perf_counter()

    def on_event(event: Any) -> None:
        nonlocal last
        now = time.perf_counter()
        if now - last > 0.1:
            last = now
            counts = event.data_out.simplex_iteration_count, event.data_out.ipm_iteration_count
            progress(int(max(counts)), now - begun)

    highs.cbSimplexInterrupt += on_event
    highs.cbIpmInterrupt += on_event


def _unbounded_or_infeasible(program: LinearProgram) -> tuple[Status, tuple[str, ...]]:
    """Solve once more without presolve, which may leave it open which of the two it is; name what grows."""
    highs = ours(program, objective_scale(program.cost), presolve=False)
    runtime.set_options(highs, SOLVERS["primal"])
    runtime.run(highs)
    status = NAMED.get(highs.getModelStatus().name)
    if status is Status.INFEASIBLE and not _nothing_is_feasible(program):
        return _infeasible(program)
    if status not in (Status.UNBOUNDED, Status.INFEASIBLE):
        return Status.INACCURATE, ()
    _, has_ray, ray = runtime.apart(highs.getPrimalRay)
    if not has_ray:
        return Status.UNBOUNDED, ()
    direction = np.array(ray)
    if not improves(program, direction):
        return Status.INACCURATE, ()
    steps = np.argsort(-np.abs(direction), kind="stable")[: np.count_nonzero(direction)][:5]
    words = (
        f"{program.describe_column(int(c))} is unbounded {'above' if direction[c] > 0 else 'below'}" for c in steps
    )
    return Status.UNBOUNDED, tuple(words)


def _conflict(program: LinearProgram) -> tuple[str, ...]:
    """Rows and bounds of an irreducible infeasible set, in words."""
    highs = ours(program)
    strategy = 6  # from the rays of the LP, then reduced; the default finds none here
    runtime.set_options(highs, {"iis_strategy": strategy, "time_limit": IIS_SECONDS})
    answer, iis = runtime.apart(highs.getIis)
    if answer.name == "kError":
        return ("the solver could not name the rows that conflict",)
    rows = [f"{program.describe_row(int(row))}" for row in iis.row_index_]
    bounded = [int(c) for c in iis.col_index_ if np.isfinite([program.lower[int(c)], program.upper[int(c)]]).any()]
    return (*rows, *(_bounds_in_words(program, c) for c in bounded))


def _bounds_in_words(program: LinearProgram, column: int) -> str:
    lower, upper = program.lower[column], program.upper[column]
    above = f"{lower:g} <= " if np.isfinite(lower) else ""
    return f"{above}{program.describe_column(column)}{f' <= {upper:g}' if np.isfinite(upper) else ''}"


def basis(program: LinearProgram) -> tuple[Status, Array, Array]:
    """Solve a program for its basis: where the solver leaves each column and row.

    Returns
    -------
    status : Status
        Optimal where there is a basis, unbounded, or inaccurate.
    columns, rows : int arrays
        0 at the lower bound, 1 basic, 2 at the upper bound, 3 free at zero; empty where there is no basis.

    Raises
    ------
    KeyboardInterrupt
        If it is interrupted while the solver runs.
    """
    solution = solve_program(program, keep_basis=True)
    if solution.status is Status.INTERRUPTED:
        raise KeyboardInterrupt
    if solution.basis is not None:
        return Status.OPTIMAL, *solution.basis
    status = Status.UNBOUNDED if solution.status is Status.UNBOUNDED else Status.INACCURATE
    return status, np.zeros(0, np.int8), np.zeros(0, np.int8)


def basis_without_solution(program: LinearProgram) -> tuple[Array, Array]:
    """Where the solver leaves columns and rows as it gives up looking for a feasible point; empty where nowhere."""
    highs = ours(replace(program, cost=np.zeros(len(program.cost))), presolve=False)
    runtime.set_options(highs, SOLVERS["simplex"])
    runtime.run(highs)
    found = highs.getBasis()
    return _places(found) if found.valid else (np.zeros(0, np.int8), np.zeros(0, np.int8))
