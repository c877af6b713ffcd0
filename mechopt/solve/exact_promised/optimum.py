r"""The exact optimum of one buyer under DIC and EPIR without a program over histories, with its certificate.

The tables of `mechopt.solve.promised` carry the exact optimum's structure once they are fine enough where its policy
goes: which prices are drawn, which promises lie on corners. `visits` finds what is needed of them, from the root on;
`points` solves for the lower side in fractions from the last period on, `lines` for the upper side. Both are proofs,
whatever the floats were worth; where the two ends meet the optimum is exact, else they are a bracket in fractions.
What is needed grows with the promises that the optimum makes (some 1.5 to 2 times a period), not with histories.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from mechopt.core.errors import InputError
from mechopt.environment.independent import IndependentTypes
from mechopt.mechanism.notions import DIC, EPIR, Notion
from mechopt.proof.promised_certificate import Line, Point, PromisedCertificate
from mechopt.solve.exact_promised.lines import exact_lines
from mechopt.solve.exact_promised.points import ExactTable, exact_table, point_of, read_basis, start_table
from mechopt.solve.exact_promised.stage import ONE, ZERO, ExactStage, SingularError, exact_stage
from mechopt.solve.exact_promised.visits import Visit, remade, visited
from mechopt.solve.promise_recursion import Period, Solved

MAX_ROUNDS = 40
"""Tables are made anew at most this often with slopes that they lack."""


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
    """
    exact = environment.exact
    if exact is None:
        raise InputError('the float probabilities only sum to 1 within rounding; write fractions as "1/3"')
    tables, visits = list(tables), visited(periods, tables, tick)
    for _ in range(MAX_ROUNDS):
        missing = [visit.missing for visit in visits]
        if not any(len(slopes) for slopes in missing):
            break
        tables = remade(periods, tables, missing, tick)
        visits = visited(periods, tables, tick)
    stages = [exact_stage(environment, t, exact.discount**t) for t in range(environment.periods)]
    rows = [start_table()]
    for stage, visit in zip(reversed(stages[1:]), reversed(visits[1:]), strict=True):
        tick()
        rows.append(exact_table(stage, rows[-1], visit.corners, visit.kinks, visit.ends))
    rows.reverse()
    tops = [ZERO]
    for stage in reversed(stages):
        tops.append(tops[-1] + stage.steepest)
    lines = exact_lines(stages, rows, visits, tops[::-1])
    root = _root(stages[0], rows[0], visits[0])
    points = ((root,), *(tuple(row.points) for row in rows[:-1]))
    return ExactBracket(root.height - root.promise, lines[0][0].height, points, tuple(map(tuple, lines)))


def certificate(environment: IndependentTypes, found: ExactBracket, ic: Sequence[Notion], ir: Sequence[Notion]) -> PromisedCertificate:
    """What was found, as a certificate."""
    return PromisedCertificate(
        environment.fingerprint, tuple(ic), tuple(ir), found.lower, found.upper, found.points, found.lines
    )


def _root(stage: ExactStage, after: ExactTable, visit: Visit) -> Point:
    """The point of the first period at which welfare less the promise is largest."""
    best = [point_of(stage, after, ZERO, {len(stage.welfare) - 1: ONE})]
    prices, fixed, promises, _ = read_basis(stage, after, visit.pairs, 0)
    try:
        lowest, shares = stage.vertex(prices, fixed, promises)
    except SingularError:
        return best[0]
    lottery = {j: z for j, z in zip(prices, shares, strict=True) if z}
    if lowest >= 0 and all(z > 0 for z in lottery.values()):
        best.append(point_of(stage, after, lowest, lottery))
    return max(best, key=lambda point: point.height - point.promise)
