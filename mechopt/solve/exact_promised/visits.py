"""Entries of a period's table that the optimum needs: prices of promises, and corners, found in floats from the root.

A pair is a period and a slope. Its stage program has a basis, whose multipliers are the slopes of pairs one period
later, and whose vertex lies on corners of the next table, or between two of them. A corner's own vertex is that of a
slope in the middle of its kink. Everything starts from the slope 1 of the first period. Slopes at which the stage
program finds more than the table knows are missing from it; it is made anew with them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mechopt.core.errors import LimitError
from mechopt.core.numbers import FloatArray, IntArray
from mechopt.solve.promised.lottery import Responses, attained, best_responses
from mechopt.solve.promised.recursion import Period, Solved, flat, recursion
from mechopt.solve.promised.simplex import Basis

SAME_SLOPE = 1e-12
MAX_PAIRS = 1_500_000
"""Of all periods; fractions take some 0.2 milliseconds for each, and 2 kilobytes."""
MISSING = 1e-13
"""Relative height by which a stage program beats its table where a slope is missing."""


@dataclass(frozen=True, eq=False)
class Visit:
    """Entries needed of one period; n pairs and m corners.

    Attributes
    ----------
    slopes : array ``(n,)``
        Of the pairs, falling.
    pairs : Basis
    corners : int array ``(m,)``
        Numbers on the table's hull, rising, without the two ends.
    kinks : Basis
        Of the corners.
    ends : int
        Number of the last corner of the hull.
    missing : array
        Slopes that the table lacks.
    """

    slopes: FloatArray
    pairs: Basis
    corners: IntArray
    kinks: Basis
    ends: int
    missing: FloatArray


def visited(periods: Sequence[Period], tables: Sequence[Solved], tick: Callable[[], None]) -> list[Visit]:
    """Everything that the slope 1 of the first period leads to.

    Raises
    ------
    LimitError
        If that is too much.
    """
    visits, count = list[Visit](), 0
    slopes, corners = np.ones(1), np.zeros(0, np.int64)
    for t, (period, table) in enumerate(zip(periods, tables, strict=True)):
        tick()
        after = tables[t + 1] if t + 1 < len(tables) else flat(0.0)
        if t:
            top = table.nodes.slopes[0]
            slopes = _distinct(slopes[(slopes > SAME_SLOPE * top) & (slopes < top * (1 - SAME_SLOPE))], top)
        rises, ends = table.lower.slopes, len(table.lower.knots) - 1
        corners = corners[(corners > 0) & (corners < ends)] if t else corners
        middles = (rises[corners - 1] + rises[corners]) / 2
        pairs, kinks = _responses(period, after, slopes), _responses(period, after, middles)
        lacking = [_lacking(period, table, after, *part) for part in ((slopes, pairs), (middles, kinks))] if t else []
        missing = np.concatenate([*lacking, np.zeros(0)])
        count += len(slopes)
        if count > MAX_PAIRS:
            raise LimitError(
                f"the exact optimum would need more than {MAX_PAIRS:,} slopes of promises; use fewer periods, or the "
                "bracket without exact"
            )
        visits.append(Visit(slopes, pairs.basis, corners, kinks.basis, ends, missing))
        slopes = pairs.multipliers.ravel()
        corners = np.union1d(_corners(pairs.basis, period), _corners(kinks.basis, period))
    return visits


def remade(
    periods: Sequence[Period], tables: Sequence[Solved], extra: Sequence[FloatArray], tick: Callable[[], None]
) -> list[Solved]:
    """The same tables with some more slopes."""
    after, made = flat(0.0), list[Solved]()
    for t in range(len(tables) - 1, -1, -1):
        tick()
        seeds = np.ones(1)
        if t:
            seeds = np.unique(np.concatenate([tables[t].nodes.slopes[1:-1], extra[t]]))[::-1].copy()
        after, _ = recursion(periods[t], after, seeds, lambda left, _: np.full(left.shape, np.inf), tick)
        made.append(after)
    return made[::-1]


def _responses(period: Period, after: Solved, slopes: FloatArray) -> Responses:
    return best_responses(period.stage, after.lower, slopes, compiled=period.compiled)


def _lacking(period: Period, table: Solved, after: Solved, slopes: FloatArray, found: Responses) -> FloatArray:
    """Slopes at which a response is worth more than every corner of the table."""
    w, reached = attained(period.stage, after.lower, found.lowest, found.lottery)
    lower = table.lower
    place = np.searchsorted(-lower.slopes, -slopes, side="left")  # to the right of it the table is flatter
    known = lower.heights[place] - slopes * lower.knots[place]
    return slopes[reached - slopes * w > known + MISSING * float(lower.heights[-1])]


def _distinct(slopes: FloatArray, top: float) -> FloatArray:
    """Falling, without those that differ from another one by rounding."""
    falling = np.sort(slopes)[::-1]
    distinct: FloatArray = falling[-np.diff(falling, prepend=np.inf) > SAME_SLOPE * top]
    return distinct


def _corners(basis: Basis, period: Period) -> IntArray:
    """Corners of the next table on which the vertices of bases lie, or between which."""
    prices = len(period.stage.welfare)
    pieces = basis.piece[basis.basic >= prices]
    return np.unique(np.concatenate([pieces, pieces + 1, basis.at[basis.outside >= prices]]))
