r"""The exact optimum of one buyer under DIC and EPIR without a program over histories, with its certificate.

The tables of `mechopt.solve.promised.optimum` carry the exact optimum's structure once they are fine enough where its
policy goes: which prices are drawn, which promises lie on corners. `visits` finds what is needed of them, from the
root on; `points` solves for the lower side in fractions from the last period on, `lines` for the upper side. Both are
proofs, whatever the floats were worth; where the two ends meet the optimum is exact, else they are a bracket in
fractions. Lines above all points tell where the tables have to be made finer. What is needed grows with the promises
that the optimum makes (some 1.5 to 2 times a period), not with histories.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from mechopt.core.errors import InputError
from mechopt.environment.independent import IndependentTypes
from mechopt.mechanism.constraints import DIC, EPIR, Constraint
from mechopt.proof.promised.certificate import Line, Point, PromisedCertificate
from mechopt.solve.exact_promised.lines import Known, exact_lines
from mechopt.solve.exact_promised.points import Choice, ExactTable, exact_table, point_of, read_basis, start_table
from mechopt.solve.exact_promised.stage import ONE, ZERO, ExactStage, SingularError, exact_stage
from mechopt.solve.exact_promised.stage_program import exact_response
from mechopt.solve.exact_promised.visits import Visit, remade, visited
from mechopt.solve.promised.optimum import Bracketed, Progress, PromisedOptimum, Search, StoppedError
from mechopt.solve.promised.recursion import Period, Solved
from mechopt.solve.solution import Status

TOLERANCE, AIM = 1e-6, 1e-12
"""Relative width of the bracket in floats that is needed, and the one that is aimed at."""
MAX_ROUNDS, MAX_EXACT_ROUNDS = 40, 40
"""Tables are made anew at most this often with what they lack, in floats; and in fractions."""
MAX_ADDED = 500
"""Points that are added to a period at once."""


def exact_promised(
    environment: IndependentTypes,
    ic: Sequence[Constraint] = (DIC(),),
    ir: Sequence[Constraint] = (EPIR(),),
    time_limit: float | None = None,
    progress: Progress | None = None,
    bracket: Bracketed | None = None,
) -> tuple[PromisedOptimum, PromisedCertificate | None]:
    """The optimum in floats and its certificate; None where a limit or an interrupt stops the proof.

    Parameters
    ----------
    environment : IndependentTypes
        With one buyer and exact numbers.
    ic, ir : sequences of Constraint
        DIC and EPIR, or what bank payments make of them; for the certificate.
    time_limit, progress, bracket
        As for `mechopt.mechanisms.promised_optimum`.

    Raises
    ------
    InputError
        If there are no exact numbers.
    LimitError
        If the horizon is too long for an exact optimum.
    """
    search = Search(environment, EPIR(), time_limit, progress, bracket, keeps=True)
    best = search.run(TOLERANCE, AIM)
    if best.status is not Status.OPTIMAL:
        return best, None
    begun = time.perf_counter()
    try:
        found = exact_bracket(environment, search.periods, search.tables, search.tick)
    except StoppedError as stopped:
        return replace(best, status=stopped.status), None
    except KeyboardInterrupt:
        return replace(best, status=Status.INTERRUPTED), None
    proof = PromisedCertificate(
        environment.fingerprint, tuple(ic), tuple(ir), found.lower, found.upper, found.points, found.lines
    )
    return replace(best, seconds=best.seconds + time.perf_counter() - begun), proof


@dataclass(frozen=True, eq=False)
class ExactBracket:
    """Points, lines and what they prove, by period."""

    lower: Fraction
    upper: Fraction
    points: tuple[tuple[Point, ...], ...]
    lines: tuple[tuple[Line, ...], ...]


def exact_bracket(
    environment: IndependentTypes,
    periods: Sequence[Period],
    tables: Sequence[Solved],
    tick: Callable[[], None] = lambda: None,
) -> ExactBracket:
    """Bounds in fractions from the tables of a finished search.

    Parameters
    ----------
    environment : IndependentTypes
        With one buyer and exact numbers.
    periods, tables : by period
        Of `mechopt.solve.promised.optimum.Search`.
    tick : callable
        Called often; may raise to stop.

    Raises
    ------
    InputError
        If there are no exact numbers.
    """
    exact = environment.exact
    if exact is None:
        raise InputError('the float probabilities only sum to 1 within rounding; write fractions as "1/3"')
    stages = [exact_stage(environment, t, exact.discount**t) for t in range(environment.horizon)]
    tops = [ZERO]
    for stage in reversed(stages):
        tops.append(tops[-1] + stage.steepest)
    visits = _complete(periods, tables, tick)
    best, extra, rows = None, [list[Choice]() for _ in stages], list[ExactTable]()
    known, steepest = [Known() for _ in stages], tops[::-1]
    for _ in range(MAX_EXACT_ROUNDS):
        try:
            before, rows = rows, _tables(stages, visits, extra, rows, tick)
            for t, part in enumerate(known):
                if not (before and rows[t] is before[t]):
                    part.found.clear()
            lines = tuple(map(tuple, exact_lines(stages, rows, visits, steepest, known, tick)))
            root = _root(stages[0], rows[0], visits[0])
            points = ((root,), *(tuple(row.points) for row in rows[:-1]))
            found = ExactBracket(root.height - root.promise, lines[0][0].height, points, lines)
            if best is None or found.upper - found.lower < best.upper - best.lower:
                best = found
            if found.lower == found.upper:
                break
            doubts = sum(len(part.doubted) for part in known)
            lacking = _loose(stages, rows, lines, known)
        except (StoppedError, KeyboardInterrupt):
            if best is None:
                raise
            return best  # a bracket whose ends do not meet yet
        if not any(lacking) and sum(len(part.doubted) for part in known) == doubts:
            break
        extra = [[*old, *more] for old, more in zip(extra, lacking, strict=True)]
    assert best is not None
    return best


def _complete(periods: Sequence[Period], tables: Sequence[Solved], tick: Callable[[], None]) -> list[Visit]:
    """Tables with all that they need, as far as floats can tell."""
    visits = visited(periods, tables, tick)
    for _ in range(MAX_ROUNDS):
        missing = [visit.missing for visit in visits]
        if not any(len(slopes) for slopes in missing):
            break
        tables = remade(periods, tables, missing, tick)
        visits = visited(periods, tables, tick)
    return visits


def _tables(
    stages: Sequence[ExactStage],
    visits: Sequence[Visit],
    extra: Sequence[Sequence[Choice]],
    before: Sequence[ExactTable],
    tick: Callable[[], None],
) -> list[ExactTable]:
    """Exact points of the period after each; those of before where nothing is added to it nor to a later one."""
    tables = [before[-1] if before else start_table()]
    for t in range(len(stages) - 1, 0, -1):
        tick()
        visit = visits[t]
        if before and tables[-1] is before[t] and before[t - 1].extra == len(extra[t]):
            tables.append(before[t - 1])
        else:
            tables.append(exact_table(stages[t], tables[-1], visit.corners, visit.kinks, visit.ends, extra[t]))
    return tables[::-1]


def _loose(
    stages: Sequence[ExactStage],
    tables: Sequence[ExactTable],
    lines: Sequence[Sequence[Line]],
    known: Sequence[Known],
) -> list[list[Choice]]:
    """By period the choices that beat all points at the slopes of lines which are above all points.

    These slopes, and that of the first period, are doubted from now on.
    """
    lacking = [list[Choice]()]
    _doubt(known[0], ONE)
    for t in range(1, len(stages)):
        table, found, tried = tables[t - 1], list[Choice](), 0
        falling = [-slope for slope in table.slopes]
        for line in lines[t]:
            corner = table.points[bisect_left(falling, -line.slope)]
            height = corner.height - line.slope * corner.promise
            if line.height > height and tried < MAX_ADDED:
                tried += 1
                guess = stages[t].promises(corner.lowest, _lottery(stages[t], corner))
                response = exact_response(stages[t], tables[t], line.slope, guess)
                if response is None:
                    continue
                _doubt(known[t], line.slope)
                point = point_of(stages[t], tables[t], *response[1:])
                if point.height - line.slope * point.promise > height:
                    found.append(response[1:])
        lacking.append(found)
    return lacking


def _doubt(known: Known, slope: Fraction) -> None:
    """Look for other multipliers of a slope from now on."""
    if slope not in known.doubted:
        known.doubted.add(slope)
        known.found.pop(slope, None)


def _lottery(stage: ExactStage, point: Point) -> dict[int, Fraction]:
    """A point's lottery by number of the price."""
    return {stage.sellers.index(seller): z for seller, z in point.lottery}


def _root(stage: ExactStage, after: ExactTable, visit: Visit) -> Point:
    """The point of the first period at which welfare less the promise is largest."""
    choices = [(ZERO, {len(stage.welfare) - 1: ONE})]
    prices, fixed, promises, _ = read_basis(stage, after, visit.pairs, 0)
    try:
        lowest, shares = stage.vertex(prices, fixed, promises)
    except SingularError:
        lowest, shares = ZERO, []
    lottery = {j: z for j, z in zip(prices, shares, strict=False) if z}
    if shares and lowest >= 0 and all(z > 0 for z in lottery.values()):
        choices.append((lowest, lottery))
    response = exact_response(stage, after, ONE, stage.promises(*choices[-1]))
    if response is not None:
        choices.append(response[1:])
    points = [point_of(stage, after, *choice) for choice in choices]
    return max(points, key=lambda point: point.height - point.promise)
