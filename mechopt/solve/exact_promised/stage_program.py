"""One slope of one period solved in fractions, where floats cannot tell which basis is optimal.

The next table is cut to a window of points around a guess of each class's promise; the program over lotteries of prices
and of points is solved by exact pivots, and windows move until the multipliers are slopes of the whole table.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from math import lcm

import numpy as np

from mechopt.core.errors import MechoptError
from mechopt.core.numbers import object_array
from mechopt.solve.exact.independent import ExactProgram, whole
from mechopt.solve.exact.simplex import optimise
from mechopt.solve.exact_promised.points import ExactTable
from mechopt.solve.exact_promised.stage import ZERO, ExactStage

REACH, MOVES = 3, 30
"""Points of a window to either side of a promise, and how often windows are moved."""


def exact_response(
    stage: ExactStage, after: ExactTable, slope: Fraction, guess: Sequence[Fraction]
) -> tuple[list[Fraction], Fraction, dict[int, Fraction]] | None:
    """Optimal multipliers of the classes, lowest promise and lottery; None where windows do not settle.

    Parameters
    ----------
    stage : ExactStage
    after : ExactTable
        Of the next period.
    slope : Fraction
        Positive.
    guess : sequence of Fraction
        A promise by class.
    """
    for _ in range(MOVES):
        windows = [_window(after, v) for v in guess]
        try:
            multipliers, lowest, lottery = _solved(stage, after, slope, windows)
        except MechoptError:
            return None
        promises = stage.promises(lowest, lottery)
        kinks = [after.kink(v) for v in promises]
        pairs = zip(multipliers, kinks, strict=True)
        if all(flat <= number and (steep is None or number <= steep) for number, (steep, flat) in pairs):
            return multipliers, lowest, lottery
        if promises == list(guess):
            return None
        guess = promises
    return None


def _window(after: ExactTable, promise: Fraction) -> range:
    place = bisect_right(after.promises, promise) - 1
    return range(max(place - REACH, 0), min(place + REACH + 2, len(after.points)))


def _solved(
    stage: ExactStage, after: ExactTable, slope: Fraction, windows: Sequence[range]
) -> tuple[list[Fraction], Fraction, dict[int, Fraction]]:
    """Columns: prices, the lowest promise, by class the points of its window and what is left above the last one.

    Rows: prices sum to 1; by class its points sum to 1; by class its promise is that of its points, or above the last.
    """
    classes, prices = range(len(stage.chance)), range(len(stage.welfare))
    firsts = [len(prices) + 1]
    for window in windows:
        firsts.append(firsts[-1] + len(window) + 1)
    cost = [ZERO] * firsts[-1]
    rows: list[dict[int, Fraction]] = [{j: Fraction(1) for j in prices}]
    mean = sum(stage.chance, ZERO)
    cost[len(prices)] = -slope * mean
    for j in prices:
        given = sum((f * row[j] for f, row in zip(stage.chance, stage.surplus, strict=True)), ZERO)
        cost[j] = stage.welfare[j] - slope * given
    sums, promises = list[dict[int, Fraction]](), list[dict[int, Fraction]]()
    for k in classes:
        places = {firsts[k] + number: point for number, point in enumerate(windows[k])}
        sums.append(dict.fromkeys(places, Fraction(1)))
        promise = {j: stage.surplus[k][j] for j in prices if stage.surplus[k][j]} | {len(prices): Fraction(1)}
        for column, point in places.items():
            cost[column] = stage.chance[k] * after.points[point].height
            if after.promises[point]:
                promise[column] = -after.promises[point]
        if windows[k].stop == len(after.points):
            promise[firsts[k + 1] - 1] = Fraction(-1)
        promises.append(promise)
    values, dual = _optimum(cost, [*rows, *sums, *promises], [1] * (1 + len(classes)) + [0] * len(classes))
    lottery = {j: values[j] for j in prices if values[j]}
    multipliers = [-dual[1 + len(classes) + k] / stage.chance[k] for k in classes]
    return multipliers, values[len(prices)], lottery


def _optimum(
    cost: Sequence[Fraction], rows: Sequence[dict[int, Fraction]], sides: Sequence[int]
) -> tuple[list[Fraction], list[Fraction]]:
    """Columns and multipliers of: maximise the cost over rows that equal their sides, columns at least 0."""
    start, index, value, factor = [0], list[int](), list[int](), list[int]()
    for row in rows:
        factor.append(lcm(*(number.denominator for number in row.values())))
        index += row
        value += [int(number * factor[-1]) for number in row.values()]
        start.append(len(index))
    denominator = lcm(*(number.denominator for number in cost))
    both = np.array(sides, dtype=np.float64)
    program = ExactProgram(
        np.array(start),
        np.array(index),
        whole(object_array(value)),
        whole(object_array(factor)),
        both,
        both,
        np.zeros(len(cost)),
        np.full(len(cost), np.inf),
        whole(object_array([int(number * denominator) for number in cost])),
        denominator,
        ZERO,
    )
    found = optimise(program, np.zeros(len(cost), np.int8), np.ones(len(rows), np.int8))
    values = [Fraction(int(number), found.primal.denominator) for number in found.primal.numerators]
    scale = found.dual.denominator * denominator
    dual = [Fraction(int(y) * f, scale) for y, f in zip(found.dual.numerators, factor, strict=True)]
    return values, dual
