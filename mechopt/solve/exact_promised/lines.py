"""Lines of the upper side in exact numbers: multipliers of the pairs' bases, from the first period on.

A line of slope lambda follows from lines of the next period whose slopes are any lambda_k with
``sum f_k lambda_k <= lambda``; a basis that is not dual feasible costs tightness alone. Heights come back from the
last period.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from mechopt.core.numbers import FloatArray
from mechopt.proof.promised.certificate import Line
from mechopt.solve.exact_promised.points import ExactTable, read_basis
from mechopt.solve.exact_promised.stage import ONE, ZERO, ExactStage, SingularError
from mechopt.solve.exact_promised.stage_program import exact_response
from mechopt.solve.exact_promised.visits import Visit

NEAREST = 8
"""Pairs whose bases are tried for a slope."""
Multipliers = tuple[list[Fraction], Fraction]
"""Of all classes, and what the best price is worth at them."""


@dataclass(eq=False)
class Known:
    """What is known of a period's slopes while the points of the period after stay as they are.

    Attributes
    ----------
    found : dict
        Multipliers by slope.
    doubted : set of Fraction
        Slopes whose lines were above all points: a basis that is dual feasible there need not be optimal, so that they
        are found by exact pivots. Stays when points change.
    """

    found: dict[Fraction, Multipliers] = field(default_factory=dict)
    doubted: set[Fraction] = field(default_factory=set)


@dataclass(eq=False)
class _Period:
    """Slopes of lines with their numbers, and of each the multipliers and what the best price is worth at them."""

    numbers: dict[Fraction, int]
    multipliers: list[list[Fraction]]
    worth: list[Fraction]


def exact_lines(
    stages: Sequence[ExactStage],
    tables: Sequence[ExactTable],
    visits: Sequence[Visit],
    tops: Sequence[Fraction],
    known: Sequence[Known],
    tick: Callable[[], None],
) -> list[list[Line]]:
    """Lines of all periods, the first of them of slope 1.

    Parameters
    ----------
    stages, visits : by period
    tables : by period
        Exact points of the period after each.
    tops : by period and one after the last
        The slope at 0, above which nothing is promised.
    known : by period
        Added to.
    tick : callable
        Called before each period; may raise to stop.
    """
    forward = _Period({ONE: 0}, [], [])
    periods = list[_Period]()
    for t, stage in enumerate(stages):
        tick()
        later = _Period({}, [], [])
        rising = visits[t].slopes[::-1]
        for slope in forward.numbers:
            if slope not in known[t].found:
                sure = slope not in known[t].doubted
                known[t].found[slope] = _best(stage, tables[t], visits[t], rising, slope, tops[t : t + 2], sure)
            found, worth = known[t].found[slope]
            forward.multipliers.append(found)
            forward.worth.append(worth)
            for number in found:
                later.numbers.setdefault(number, len(later.numbers))
        periods.append(forward)
        forward = later
    return _heights(stages, periods, forward)


def _best(
    stage: ExactStage,
    after: ExactTable,
    visit: Visit,
    rising: FloatArray,
    slope: Fraction,
    tops: Sequence[Fraction],
    sure: bool,
) -> Multipliers:
    """Multipliers of all classes, at least 0 and with mean at most the slope, and what the best price is worth.

    They are those of the first of the nearest pairs whose basis is dual feasible at the slope (where that would not be
    sure: and primal feasible); where there is none, those of exact pivots; where these fail too, any that keep the
    inequalities.
    """
    if not 0 < slope < tops[0]:
        found = [min(slope, tops[1])] * len(stage.chance)
        return found, stage.tilted(slope, found)
    near, fallback = float(slope), [slope] * len(stage.chance)
    guess: list[Fraction] | None = None
    middle = int(np.searchsorted(rising, near))
    around = range(max(middle - NEAREST // 2, 0), min(middle + NEAREST // 2, len(rising)))
    for place in sorted(around, key=lambda i: abs(float(rising[i]) - near)):
        prices, fixed, corners, slopes = read_basis(stage, after, visit.pairs, len(rising) - 1 - place)
        try:
            found = stage.multipliers(slope, prices, fixed, slopes)
            if guess is None:
                lowest, lottery = stage.vertex(prices, fixed, corners)
                guess = stage.promises(max(lowest, ZERO), dict(zip(prices, lottery, strict=True)))
                fallback = found
        except SingularError:
            continue
        worth = stage.tilted(slope, found)
        kinks = zip((found[k] for k in fixed), map(after.kink, corners), strict=True)
        within = all(flat <= number and (steep is None or number <= steep) for number, (steep, flat) in kinks)
        within = within and worth == stage.tilted(slope, found, prices[:1])
        if within and (sure or _attained(stage, after, found, prices, stage.vertex(prices, fixed, corners))):
            return _cut(stage, slope, found, worth, tops[1])
    response = exact_response(stage, after, slope, [max(v, ZERO) for v in guess or [ZERO] * len(stage.chance)])
    if response is not None:
        return settled(stage, slope, response[0], tops[1])
    found = [min(max(number, ZERO), tops[1]) for number in fallback]
    mean = sum((f * m for f, m in zip(stage.chance, found, strict=True)), ZERO)
    found = found if mean <= slope else [number * slope / mean for number in found]
    return found, stage.tilted(slope, found)


def _attained(
    stage: ExactStage,
    after: ExactTable,
    found: Sequence[Fraction],
    prices: Sequence[int],
    vertex: tuple[Fraction, Sequence[Fraction]],
) -> bool:
    """Whether the vertex of a basis that is dual feasible is one, and lies where the multipliers are slopes."""
    lowest, shares = vertex
    if lowest < 0 or min(shares, default=ZERO) < 0:
        return False
    kinks = map(after.kink, stage.promises(lowest, dict(zip(prices, shares, strict=True))))
    pairs = zip(found, kinks, strict=True)
    return all(flat <= number and (steep is None or number <= steep) for number, (steep, flat) in pairs)


def settled(stage: ExactStage, slope: Fraction, found: list[Fraction], top: Fraction) -> Multipliers:
    """Multipliers with what the best price is worth at them."""
    return _cut(stage, slope, found, stage.tilted(slope, found), top)


def _cut(stage: ExactStage, slope: Fraction, found: list[Fraction], worth: Fraction, top: Fraction) -> Multipliers:
    """The same without what is above the steepest slope, from which on G* is the same."""
    if max(found) <= top:
        return found, worth
    found = [min(number, top) for number in found]
    return found, stage.tilted(slope, found)


def _heights(stages: Sequence[ExactStage], periods: Sequence[_Period], last: _Period) -> list[list[Line]]:
    heights, lines = [ZERO] * len(last.numbers), list[list[Line]]()
    after = last
    for stage, period in zip(reversed(stages), reversed(periods), strict=True):
        row = []
        for slope, found, worth in zip(period.numbers, period.multipliers, period.worth, strict=True):
            below = [after.numbers[number] for number in found]
            height = worth + sum((f * heights[number] for f, number in zip(stage.chance, below, strict=True)), ZERO)
            row.append(Line(slope, height, tuple(below[c] if c >= 0 else 0 for c in stage.classes)))
        lines.append(row)
        heights, after = [line.height for line in row], period
    return lines[::-1]
