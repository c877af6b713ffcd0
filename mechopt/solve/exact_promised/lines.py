"""Lines of the upper side in exact numbers: multipliers of the pairs' bases, from the first period on.

A line of slope lambda follows from lines of the next period whose slopes are any lambda_k with
``sum f_k lambda_k <= lambda``; a basis that is not dual feasible costs tightness alone. Heights come back from the
last period.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from mechopt.core.numbers import FloatArray
from mechopt.proof.promised_certificate import Line
from mechopt.solve.exact_promised.points import ExactTable, read_basis
from mechopt.solve.exact_promised.stage import ONE, ZERO, ExactStage, SingularError
from mechopt.solve.exact_promised.visits import Visit


SAME_SLOPE = 1e-11
"""Relative distance of a slope from that of the pair whose basis it takes."""


@dataclass(eq=False)
class _Period:
    """Slopes of lines with their numbers, and the multipliers of each."""

    numbers: dict[Fraction, int]
    multipliers: list[list[Fraction]]


@dataclass(frozen=True, eq=False)
class ExactLines:
    """Lines by period, and the slopes of lines for which no pair was there."""

    lines: list[list[Line]]
    strangers: list[list[float]]


def exact_lines(
    stages: Sequence[ExactStage],
    tables: Sequence[ExactTable],
    visits: Sequence[Visit],
    tops: Sequence[Fraction],
    tick: Callable[[], None],
) -> ExactLines:
    """Lines of all periods, the first of them of slope 1.

    Parameters
    ----------
    stages, visits : by period
    tables : by period
        Exact points of the period after each.
    tops : by period and one after the last
        The slope at 0, above which nothing is promised.
    tick : callable
        Called before each period; may raise to stop.
    """
    forward = _Period({ONE: 0}, [])
    periods, strangers = list[_Period](), list[list[float]]()
    for t, stage in enumerate(stages):
        tick()
        later, unknown = _Period({}, []), list[float]()
        rising = visits[t].slopes[::-1]
        for slope in forward.numbers:
            pair = _pair(rising, slope, tops[t], unknown) if t else 0
            found = _multipliers(stage, tables[t], visits[t], slope, pair, tops[t : t + 2])
            forward.multipliers.append(found)
            for number in found:
                later.numbers.setdefault(number, len(later.numbers))
        periods.append(forward)
        strangers.append(unknown)
        forward = later
    return ExactLines(_heights(stages, periods, forward), strangers)


def _pair(rising: FloatArray, slope: Fraction, top: Fraction, unknown: list[float]) -> int | None:
    """The pair nearest to a slope; None at both ends."""
    if not 0 < slope < top:
        return None
    near, place = float(slope), int(np.searchsorted(rising, float(slope)))
    best = min((i for i in (place - 1, place) if 0 <= i < len(rising)), key=lambda i: abs(rising[i] - near), default=None)
    if best is None or abs(rising[best] - near) > SAME_SLOPE * float(top):
        unknown.append(near)
    return None if best is None else len(rising) - 1 - best


def _multipliers(
    stage: ExactStage, after: ExactTable, visit: Visit, slope: Fraction, pair: int | None, tops: Sequence[Fraction]
) -> list[Fraction]:
    """Of all classes, at least 0, with mean at most the slope."""
    if pair is None:
        return [min(slope, tops[1])] * len(stage.chance)
    prices, fixed, _, slopes = read_basis(stage, after, visit.pairs, pair)
    try:
        found = stage.multipliers(slope, prices, fixed, slopes)
    except SingularError:
        return [min(slope, tops[1])] * len(stage.chance)
    found = [min(max(number, ZERO), tops[1]) for number in found]
    mean = sum((f * m for f, m in zip(stage.chance, found, strict=True)), ZERO)
    return found if mean <= slope else [number * slope / mean for number in found]


def _heights(stages: Sequence[ExactStage], periods: Sequence[_Period], last: _Period) -> list[list[Line]]:
    heights, lines = [ZERO] * len(last.numbers), list[list[Line]]()
    after = last
    for stage, period in zip(reversed(stages), reversed(periods), strict=True):
        row = []
        for slope, found in zip(period.numbers, period.multipliers, strict=True):
            below = [after.numbers[number] for number in found]
            height = stage.tilted(slope, found)
            height += sum((f * heights[number] for f, number in zip(stage.chance, below, strict=True)), ZERO)
            row.append(Line(slope, height, tuple(below[c] if c >= 0 else 0 for c in stage.classes)))
        lines.append(row)
        heights, after = [line.height for line in row], period
    return lines[::-1]
