"""The corners of a frontier by chords: a program for each weight at which two neighbours are equally good."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from mechopt.core.errors import NoOptimumError
from mechopt.core.numbers import BOUND_TOLERANCE
from mechopt.lp.build import plan
from mechopt.mechanism.constraints import Asked
from mechopt.mechanism.objective import Objective
from mechopt.mechanism.payments import Payments
from mechopt.solve.optimum import optimum
from mechopt.solve.solution import Status

if TYPE_CHECKING:
    from mechopt.lp.build import AnyTypes

SLACK = 10 * BOUND_TOLERANCE
"""Corners that stick out by less, relative to the largest number of the curve, are not told apart."""
EDGE = 1e-5
"""A weight this close to an end has the lexicographic one of its optima."""
Progress = Callable[[int, float], None]


@dataclass(frozen=True, eq=False)
class Found:
    """A solution: its welfare and revenue, the program's weight, and the bound on every mechanism at that weight."""

    welfare: float
    revenue: float
    weight: float
    bound: float
    mechanism: Any


class StoppedError(Exception):
    """A program between the ends was not solved; the message says why."""


class Search:
    """The programs solved so far; see the module's docstring."""

    def __init__(
        self,
        environment: AnyTypes,
        ic: Asked,
        ir: Asked,
        exact: bool,
        time_limit: float | None,
        progress: Progress | None,
        subject_to: Payments = (),
    ) -> None:
        self.environment, self.exact, self.time_limit, self.progress = environment, exact, time_limit, progress
        chosen = plan(environment, ic, ir, subject_to=subject_to)
        self.constraints, self.limits = (chosen.ic, chosen.ir), chosen.subject_to
        self.begun, self.solves, self.scale = time.perf_counter(), 0, 1.0

    def solve(self, weight: float) -> Found:
        """The best mechanism at a weight of welfare.

        Raises
        ------
        StoppedError
            If a program between the ends was not solved.
        """
        elapsed = time.perf_counter() - self.begun
        left = None if self.time_limit is None else max(0.0, self.time_limit - elapsed)
        inside = self.solves >= 2
        if inside and left == 0.0:
            raise StoppedError(Status.TIME_LIMIT)
        goal = Objective(revenue=1 - weight, welfare=weight)
        first = self.exact and not self.solves  # an environment without exact proofs is refused at once
        best = optimum(self.environment, *self.constraints, goal, exact=first, time_limit=left, subject_to=self.limits)
        if inside and best.status is not Status.OPTIMAL:
            raise StoppedError(best.status)
        mechanism = best.require_optimal().mechanism
        if mechanism is None:
            raise NoOptimumError("the optimum has no mechanism")
        self.solves += 1
        if self.progress is not None:
            self.progress(self.solves, time.perf_counter() - self.begun)
        return Found(mechanism.welfare, mechanism.revenue, weight, best.bound.upper, mechanism)

    def run(self, limit: int | None) -> tuple[list[Found], float, str]:
        """Solutions, the gap, and what stopped the search before all chords were closed, or nothing."""
        low, high = self.solve(0.0), self.solve(1.0)
        self.scale = max(1e-300, *(abs(number) for p in (low, high) for number in (p.welfare, p.revenue)))
        found, gap, stopped = [low, high], 0.0, ""
        if limit is not None:  # the ends are to be lexicographic before corners run out
            try:
                found[1:1] = [self.solve(EDGE), self.solve(1 - EDGE)]
            except StoppedError as error:
                return found, reach(low, high), str(error)
        chords = [(-reach(*pair), order, *pair) for order, pair in enumerate(pairwise(found))]
        heapq.heapify(chords)
        order = len(chords)
        while chords and -chords[0][0] > SLACK * self.scale:
            if limit is not None and len(corners(found, self.scale)) >= limit:
                stopped = "limit on points"
                break
            _, _, left, right = chords[0]
            weight = slope(left, right)
            try:
                middle = self.solve(weight)
            except StoppedError as error:
                stopped = str(error)
                break
            heapq.heappop(chords)
            if value(middle, weight) <= value(left, weight) + SLACK * self.scale:
                gap = max(gap, middle.bound - value(left, weight))
                continue
            found.append(middle)
            for pair in ((left, middle), (middle, right)):
                order += 1
                heapq.heappush(chords, (-reach(*pair), order, *pair))
        return found, max([gap, *(-chord[0] for chord in chords)]), stopped


def value(point: Found, weight: float) -> float:
    """The objective at a weight of welfare."""
    return (1 - weight) * point.revenue + weight * point.welfare


def slope(left: Found, right: Found) -> float:
    """The weight of welfare at which two neighbours are equally good."""
    lost, won = max(left.revenue - right.revenue, 0.0), max(right.welfare - left.welfare, 0.0)
    return lost / (lost + won) if lost + won > 0 else 1.0


def reach(left: Found, right: Found) -> float:
    """How far the frontier may lie beyond a chord: the best value is convex in the weight, so at most its secant."""
    weight, width = slope(left, right), right.weight - left.weight
    if not left.weight < weight < right.weight:
        return 0.0
    ends = value(left, left.weight), value(right, right.weight)
    secant = ((right.weight - weight) * ends[0] + (weight - left.weight) * ends[1]) / width
    return max(0.0, secant - value(left, weight))


def corners(found: list[Found], scale: float) -> list[Found]:
    """The solutions that no other one, nor a lottery over two others, matches in both."""
    slack = SLACK * scale
    most_revenue, most_welfare = max(p.revenue for p in found), max(p.welfare for p in found)
    first = max((p for p in found if p.revenue >= most_revenue - slack), key=lambda p: p.welfare)
    last = max((p for p in found if p.welfare >= most_welfare - slack), key=lambda p: p.revenue)
    if first.welfare >= last.welfare - slack:
        return [first]
    kept = [first]
    between = (p for p in found if first.welfare < p.welfare < last.welfare)
    for point in [*sorted(between, key=lambda p: p.welfare), last]:
        while len(kept) > 1 and not sticks_out(kept[-2], kept[-1], point, slack):
            kept.pop()
        kept.append(point)
    return kept


def sticks_out(left: Found, middle: Found, right: Found, slack: float) -> bool:
    """Whether a point lies beyond the chord of two others."""
    weight = slope(left, right)
    return value(middle, weight) > value(left, weight) + slack
