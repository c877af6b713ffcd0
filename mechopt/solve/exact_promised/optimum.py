r"""The exact optimum of one buyer under DIC and EPIR without a program over histories, with its certificate.

The tables of `mechopt.solve.promised` carry the exact optimum's structure once they are fine enough where its policy
goes: which prices are drawn, which promises lie on corners. `visits` finds what is needed of them, from the root on;
`points` solves for the lower side in fractions from the last period on, `lines` for the upper side. Both are proofs,
whatever the floats were worth; where the two ends meet the optimum is exact, else they are a bracket in fractions.
Lines above all points tell where the tables have to be made finer. What is needed grows with the promises that the
optimum makes (some 1.5 to 2 times a period), not with histories.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from mechopt.core.errors import InputError
from mechopt.core.numbers import FloatArray
from mechopt.environment.independent import IndependentTypes
from mechopt.mechanism.notions import DIC, EPIR, Notion
from mechopt.proof.promised_certificate import Line, Point, PromisedCertificate
from mechopt.solve.exact_promised.lines import exact_lines
from mechopt.solve.exact_promised.points import ExactTable, exact_table, point_of, read_basis, start_table
from mechopt.solve.exact_promised.stage import ONE, ZERO, ExactStage, SingularError, exact_stage
from mechopt.solve.exact_promised.visits import Visit, remade, visited
from mechopt.solve.promise_recursion import Period, Solved
from mechopt.solve.promised import Bracketed, Progress, PromisedOptimum, Search, StoppedError
from mechopt.solve.solution import Status

TOLERANCE, AIM = 1e-6, 1e-12
"""Relative width of the bracket in floats that is needed, and the one that is aimed at."""
MAX_ROUNDS, MAX_EXACT_ROUNDS = 40, 2
"""Tables are made anew at most this often with slopes that they lack, in floats; and in fractions."""


def exact_promised(
    environment: IndependentTypes,
    ic: Sequence[Notion] = (DIC(),),
    ir: Sequence[Notion] = (EPIR(),),
    time_limit: float | None = None,
    progress: Progress | None = None,
    bracket: Bracketed | None = None,
) -> tuple[PromisedOptimum, PromisedCertificate | None]:
    """The optimum in floats and its certificate; None where a limit or an interrupt stops the proof.

    Parameters
    ----------
    environment : IndependentTypes
        With one buyer and exact numbers.
    ic, ir : sequences of Notion
        DIC and EPIR, or what bank payments make of them; for the certificate.
    time_limit, progress, bracket
        As for `mechopt.promised_optimum`.

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
        Of `mechopt.solve.promised.Search`.
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
    stages = [exact_stage(environment, t, exact.discount**t) for t in range(environment.periods)]
    best, extra = None, [np.zeros(0)] * len(stages)
    for _ in range(MAX_EXACT_ROUNDS):
        tables, visits = _complete(periods, tables, extra, tick)
        found, loose = _exact(stages, visits, tick)
        if best is None or found.upper - found.lower < best.upper - best.lower:
            best = found
        if found.lower == found.upper or not any(len(slopes) for slopes in loose):
            break
        extra = [np.union1d(*pair) for pair in zip(extra, loose, strict=True)]
        tables = remade(periods, tables, extra, tick)
    assert best is not None
    return best


def _complete(
    periods: Sequence[Period], tables: Sequence[Solved], extra: Sequence[FloatArray], tick: Callable[[], None]
) -> tuple[Sequence[Solved], list[Visit]]:
    """Tables that lack nothing of what they are needed for, as far as floats can tell, and what that is."""
    visits = visited(periods, tables, extra, tick)
    for _ in range(MAX_ROUNDS):
        missing = [visit.missing for visit in visits]
        if not any(len(slopes) for slopes in missing):
            break
        tables = remade(periods, tables, missing, tick)
        visits = visited(periods, tables, extra, tick)
    return tables, visits


def _exact(
    stages: Sequence[ExactStage], visits: Sequence[Visit], tick: Callable[[], None]
) -> tuple[ExactBracket, list[FloatArray]]:
    """Bounds, and by period the slopes at which they are not tight though what they rest on is."""
    tables = [start_table()]
    for stage, visit in zip(reversed(stages[1:]), reversed(visits[1:]), strict=True):
        tick()
        tables.append(exact_table(stage, tables[-1], visit.corners, visit.kinks, visit.ends))
    tables.reverse()
    tops = [ZERO]
    for stage in reversed(stages):
        tops.append(tops[-1] + stage.steepest)
    found = exact_lines(stages, tables, visits, tops[::-1], tick)
    root = _root(stages[0], tables[0], visits[0])
    points = ((root,), *(tuple(table.points) for table in tables[:-1]))
    lines = tuple(map(tuple, found.lines))
    bracket = ExactBracket(root.height - root.promise, lines[0][0].height, points, lines)
    if bracket.lower == bracket.upper:
        return bracket, []
    loose = _loose(tables[:-1], lines)
    return bracket, [np.array([*a, *b]) for a, b in zip(loose, found.strangers, strict=True)]


def _loose(tables: Sequence[ExactTable], lines: Sequence[Sequence[Line]]) -> list[list[float]]:
    """Slopes of lines above all points of their period whose lines of the next period touch points."""
    loose, touching = list[list[float]](), [True]
    for table, row in zip(reversed(tables), reversed(lines[1:]), strict=True):
        falling = [-slope for slope in table.slopes]
        corners = [table.points[bisect_left(falling, -line.slope)] for line in row]
        tight = [line.height <= p.height - line.slope * p.promise for line, p in zip(row, corners, strict=True)]
        sound = [all(touching[j] for j in line.after) for line in row]
        loose.append([float(line.slope) for line, a, b in zip(row, tight, sound, strict=True) if b and not a])
        touching = tight
    return [[], *reversed(loose)]


def _root(stage: ExactStage, after: ExactTable, visit: Visit) -> Point:
    """The point of the first period at which welfare less the promise is largest."""
    nothing = point_of(stage, after, ZERO, {len(stage.welfare) - 1: ONE})
    prices, fixed, promises, _ = read_basis(stage, after, visit.pairs, 0)
    try:
        lowest, shares = stage.vertex(prices, fixed, promises)
    except SingularError:
        return nothing
    lottery = {j: z for j, z in zip(prices, shares, strict=True) if z}
    if lowest < 0 or any(z < 0 for z in lottery.values()):
        return nothing
    return max(nothing, point_of(stage, after, lowest, lottery), key=lambda point: point.height - point.promise)
