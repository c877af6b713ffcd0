"""Solved elsewhere, certified here: a solution file of another solver, judged by our own matrix.

`Problem.write` names columns ``c0``, ``c1``, ... and rows ``r0``, ``r1``, ...; what a solver writes of them is read:
HiGHS (``write_solution_to_file``, with multipliers), CPLEX (``.sol``, XML, with multipliers), Gurobi and SCIP
(``.sol``, one name and value a line, zeros may be missing, no multipliers). The point is measured against our rows, the
bracket is recomputed from our matrix and the multipliers, of either sign, and nothing that the file claims is taken on
trust.
"""

from __future__ import annotations

import re
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mechopt.core.errors import Fault, InputError, shortened
from mechopt.core.numbers import SOLVER_TOLERANCE, FloatArray
from mechopt.lp.program import LinearProgram
from mechopt.solve.duals import Duals
from mechopt.solve.program import trivial_bounds
from mechopt.solve.result import Optimum
from mechopt.solve.solution import Bound, Solution, Status, judged, violations

if TYPE_CHECKING:
    from mechopt.solve.problem import Problem

NAME = re.compile(r"([cr])(\d+)$")
XML_ITEM = re.compile(r"<(variable|constraint)\b([^>]*)>")
XML_PART = re.compile(r'(\w+)="([^"]*)"')
MAX_BYTES = 2**32
MISSED = 1e3 * SOLVER_TOLERANCE
"""Most that a row or bound may be missed by, in the program's units: what other solvers allow by default."""
NOT_REACHED = "it pays at histories that it never comes to, of which no deterministic mechanism can make use"
NO_MULTIPLIERS = "the file has no multipliers of rows: nothing but the first best bounds the optimum from above"


@dataclass(frozen=True)
class Given:
    """Contents of a solution file: values by column, and multipliers by row (None where it has none)."""

    columns: dict[int, float]
    rows: dict[int, float] | None


def read_solution(problem: Problem, path: str | Path) -> Optimum:
    """Read a solution of the exported program; see `Problem.read_solution`."""
    begun = time.perf_counter()
    given = parsed(path)
    program, layout = problem.program()
    rows, columns, _ = program.size
    primal = _filled(given.columns, columns, "c", path)
    dual = np.zeros(rows) if given.rows is None else _filled(given.rows, rows, "r", path) / layout.unit
    _require_point(program, primal, path)
    _require_whole(program, primal, path)
    solution = _best(program, primal, dual)
    unit, cap = layout.unit, trivial_bounds(problem.plan)[1]
    mechanism, conflict = layout.mechanism(solution.primal), () if given.rows is not None else (NO_MULTIPLIERS,)
    optimal = solution.status is Status.OPTIMAL
    if len(program.integer) and getattr(mechanism, "limit", False):
        optimal, conflict = False, (*conflict, NOT_REACHED)
    return Optimum(
        solution.value * unit,
        Bound(solution.bound.lower * unit, min(solution.bound.upper * unit, cap), solution.bound.method),
        Status.OPTIMAL if optimal else Status.UNPROVED,
        mechanism,
        problem.size,
        {"build": 0.0, "solve": time.perf_counter() - begun},
        "file",
        problem.plan.form,
        conflict=conflict,
        ic=problem.ic,
        ir=problem.ir,
        objective=problem.objective,
        subject_to=problem.subject_to,
        duals=Duals(problem.plan, solution.primal, solution.dual) if optimal and not len(program.integer) else None,
    )


def _require_point(program: LinearProgram, primal: FloatArray, path: str | Path) -> None:
    """Refuse a point that no tolerance of a solver explains, with the row or column that it misses most.

    Raises
    ------
    InputError
        If there is one.
    """
    rows, columns = violations(program, primal)
    row, column = int(rows.argmax()), int(columns.argmax())
    if max(rows[row], columns[column]) <= MISSED:
        return
    by_row = rows[row] >= columns[column]
    where = program.describe_row(row) if by_row else program.describe_column(column)
    what = f"its point misses {where} by {max(rows[row], columns[column]):.3g}"
    fix = "give the model, constraints and form that it was exported with, or solve it with a smaller tolerance"
    raise InputError([Fault(str(path), what, fix)])


def _require_whole(program: LinearProgram, primal: FloatArray, path: str | Path) -> None:
    """Refuse a point with lotteries where nothing may be drawn.

    Raises
    ------
    InputError
        With the column that is furthest from a whole number.
    """
    drawn = primal[program.integer]
    off = np.abs(drawn - np.round(drawn))
    if off.max(initial=0.0) <= MISSED:
        return
    worst = int(program.integer[int(off.argmax())])
    what = f"draws: {program.describe_column(worst)} is {primal[worst]:.6g}"
    fix = "solve the exported program with its whole numbers, or ask for it without deterministic"
    raise InputError([Fault(str(path), what, fix)])


def _best(program: LinearProgram, primal: FloatArray, dual: FloatArray) -> Solution:
    """The point with multipliers of the sign that bounds the optimum better: solvers differ in it."""
    both = [judged(program, primal, sign * dual, Status.INACCURATE, "file", 0) for sign in (1.0, -1.0)]
    return min(both, key=lambda solution: solution.bound.upper)


def _filled(given: dict[int, float], size: int, letter: str, path: str | Path) -> FloatArray:
    """A vector with 0 for what is not named."""
    beyond = [number for number in given if number >= size]
    if beyond:
        kind = "columns" if letter == "c" else "rows"
        what = f"names {letter}{beyond[0]}, this program has {size} {kind}"
        raise InputError([Fault(str(path), what, "give the model, constraints and form that it was exported with")])
    vector = np.zeros(size)
    for number, value in given.items():
        vector[number] = value
    return vector


def parsed(path: str | Path) -> Given:
    """Read a file in any of the formats.

    Raises
    ------
    InputError
        If it cannot be read, or names nothing that `Problem.write` named.
    """
    try:
        status = Path(path).stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
            raise InputError(f"{path}: is not a regular file of at most {MAX_BYTES:,} bytes")
        text = Path(path).read_text(errors="replace")
    except OSError as error:
        raise InputError(f"{path}: cannot read ({error.strerror or error})") from None
    found = _xml(text) if "<variable" in text else _lines(text, path)
    if not found.columns:
        fix = (
            "give the whole .sol file of the program that mechopt solve --export wrote, which names columns c0, c1, ..."
        )
        fix += " (written by HiGHS in style raw, by CPLEX as XML)"
        raise InputError([Fault(str(path), "has no column of this library", fix)])
    for letter, part in (("c", found.columns), ("r", found.rows or {})):
        wild = [number for number, value in part.items() if not np.isfinite(value)]
        if wild:
            raise InputError([Fault(str(path), f"{letter}{wild[0]} is not finite", "solve it again")])
    return found


def _xml(text: str) -> Given:
    columns, rows, priced = dict[int, float](), dict[int, float](), False
    for kind, inside in XML_ITEM.findall(text):
        parts = dict(XML_PART.findall(inside))
        name = NAME.match(parts.get("name", ""))
        key = "value" if kind == "variable" else "dual"
        if name is None or key not in parts:
            continue
        priced |= kind == "constraint"
        (columns if kind == "variable" else rows)[int(name[2])] = _number(parts[key], parts["name"])
    return Given(columns, rows if priced else None)


def _lines(text: str, path: str | Path) -> Given:
    """A name and a value a line; HiGHS has sections for values and multipliers of columns and rows."""
    columns, rows, dual, priced = dict[int, float](), dict[int, float](), False, False
    for line in text.splitlines():
        words = line.split()
        if line.startswith("#") or len(words) < 2:
            dual = "dual" in line.lower() if "solution values" in line.lower() else dual
            if line.lower().startswith("# basis"):
                break
            continue
        name = NAME.match(words[0])
        if name is None:
            continue
        number, value = int(name[2]), _number(words[1], words[0])
        if name[1] == "c" and not dual:
            if number in columns:
                raise InputError([Fault(str(path), f"{words[0]} stands twice", "give the file as the solver wrote it")])
            columns[number] = value
        elif name[1] == "r" and dual:
            rows[number], priced = value, True
    return Given(columns, rows if priced else None)


def _number(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError([Fault(name, f"{shortened(text)!r} is not a number", "solve it again")]) from None
