"""Lines of the upper side in exact numbers: multipliers of the pairs' bases, from the first period on.

A line of slope lambda follows from lines of the next period whose slopes are any lambda_k with
``sum f_k lambda_k <= lambda``; a basis that is not dual feasible costs tightness alone. Heights come back from the
last period.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from mechopt.proof.promised_certificate import Line
from mechopt.solve.exact_promised.points import ExactTable, read_basis
from mechopt.solve.exact_promised.stage import ONE, ZERO, ExactStage, SingularError
from mechopt.solve.exact_promised.visits import NOTHING, STEEPEST, Visit


@dataclass(eq=False)
class _Period:
    """Slopes of lines, each with its number, the pair whose basis it takes, and the multipliers that it needs."""

    numbers: dict[Fraction, int]
    pairs: list[int]
    multipliers: list[list[Fraction]]


def exact_lines(
    stages: Sequence[ExactStage], tables: Sequence[ExactTable], visits: Sequence[Visit], tops: Sequence[Fraction]
) -> list[list[Line]]:
    """Lines of all periods, the first of them of slope 1.

    Parameters
    ----------
    stages, visits : by period
    tables : by period
        Exact points of the period after each.
    tops : by period and one after the last
        The slope at 0, above which nothing is promised.
    """
    forward = _Period({ONE: 0}, [0], [])
    periods = []
    for t, stage in enumerate(stages):
        later = _Period({}, [], [])
        for slope, pair in zip(list(forward.numbers), forward.pairs, strict=True):
            found = _multipliers(stage, tables[t], visits[t], slope, pair, tops[t : t + 2])
            forward.multipliers.append(found)
            children = visits[t].children[:, pair] if pair >= 0 else [NOTHING if pair == NOTHING else STEEPEST] * len(found)
            for number, child in zip(found, children, strict=True):
                if number not in later.numbers:
                    later.numbers[number] = len(later.numbers)
                    later.pairs.append(_kind(number, int(child), tops[t + 1]))
        periods.append(forward)
        forward = later
    return _heights(stages, periods, forward)


def _kind(slope: Fraction, child: int, top: Fraction) -> int:
    """Which pair a slope takes its basis from."""
    if slope <= 0:
        return NOTHING
    if slope >= top or child == NOTHING:
        return STEEPEST
    return child


def _multipliers(
    stage: ExactStage, after: ExactTable, visit: Visit, slope: Fraction, pair: int, tops: Sequence[Fraction]
) -> list[Fraction]:
    """Of all classes, at least 0, with mean at most the slope."""
    types = len(stage.chance)
    if pair == NOTHING:
        return [ZERO] * types
    if pair == STEEPEST:
        return [min(slope, tops[1])] * types
    prices, fixed, _, slopes = read_basis(stage, after, visit.pairs, pair)
    try:
        found = stage.multipliers(slope, prices, fixed, slopes)
    except SingularError:
        return [slope] * types
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
