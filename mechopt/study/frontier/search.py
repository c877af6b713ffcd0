"""The corners of a frontier by chords: a program for each weight at which two neighbours are equally good.

With several workers the programs of the next chords are solved ahead; their answers are taken in the same order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from mechopt.core.errors import LimitError, NoOptimumError
from mechopt.core.numbers import BOUND_TOLERANCE
from mechopt.lp.build import plan
from mechopt.mechanism.constraints import Asked, Constraint
from mechopt.mechanism.objective import Objective
from mechopt.mechanism.payments import PaymentConstraint, Payments
from mechopt.solve.optimum import optimum
from mechopt.solve.solution import Status
from mechopt.study.workers.calls import Call, Calls
from mechopt.study.workers.pool import WorkersLost

if TYPE_CHECKING:
    from mechopt.lp.build import AnyTypes

SLACK = 10 * BOUND_TOLERANCE
"""Corners that stick out by less, relative to the largest number of the curve, are not told apart."""
EDGE = 1e-5
"""A weight this close to an end has the lexicographic one of its optima."""
WORKERS_LOST = "workers lost"
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


@dataclass(frozen=True)
class Programs:
    """The programs of a frontier, one a weight: what a worker is sent.

    Attributes
    ----------
    environment, ic, ir, limits
        As of `mechopt.optimum`.
    exact : bool
        Whether exact proofs will be wanted: an environment without them is refused at once.
    """

    environment: AnyTypes
    ic: tuple[Constraint, ...]
    ir: tuple[Constraint, ...]
    limits: tuple[PaymentConstraint, ...]
    exact: bool

    def __call__(self, weight: float, time_limit: float | None) -> Found | Status:
        """Solve one; between the ends, why it was not solved.

        Raises
        ------
        NoOptimumError, LimitError
            If an end was not solved.
        """
        goal = Objective(revenue=1 - weight, welfare=weight)
        first = self.exact and weight == 0.0
        asked = self.environment, self.ic, self.ir, goal
        try:
            best = optimum(*asked, exact=first, time_limit=time_limit, subject_to=self.limits)
        except LimitError as error:
            if isinstance(error.__cause__, KeyboardInterrupt):  # before the solver began
                raise error.__cause__ from None
            raise
        if 0.0 < weight < 1.0 and best.status is not Status.OPTIMAL:
            return best.status
        mechanism = best.require_optimal().mechanism
        if mechanism is None:
            raise NoOptimumError("the optimum has no mechanism")
        return Found(mechanism.welfare, mechanism.revenue, weight, best.bound.upper, mechanism)


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
        pool: Calls | None = None,
    ) -> None:
        chosen = plan(environment, ic, ir, subject_to=subject_to)
        self.programs = Programs(environment, chosen.ic, chosen.ir, chosen.subject_to, exact)
        self.time_limit, self.progress = time_limit, progress
        self.pool, self._under_way = Calls() if pool is None else pool, dict[float, Call[Found | Status]]()
        self.begun, self.solves, self.scale = time.perf_counter(), 0, 1.0
        self.known = Known((), (), 0.0, 0)

    @property
    def left(self) -> float | None:
        """Seconds that are left."""
        return None if self.time_limit is None else max(0.0, self.time_limit + self.begun - time.perf_counter())

    def foresee(self, weights: Iterable[float]) -> None:
        """Begin the programs of weights whose answers may be asked for next, if others can compute them."""
        if not self.pool.alone:
            for weight in weights:
                if weight not in self._under_way:
                    self._under_way[weight] = self.pool.start(self.programs, weight, self.left)

    def solve(self, weight: float) -> Found:
        """The best mechanism at a weight of welfare.

        Raises
        ------
        StoppedError
            If a program between the ends was not solved.
        """
        left, inside = self.left, 0.0 < weight < 1.0
        if inside and left == 0.0:
            raise StoppedError(Status.TIME_LIMIT)
        call = self._under_way.pop(weight, None) or self.pool.start(self.programs, weight, left)
        best = call.answer()
        if isinstance(best, Status):
            raise StoppedError(best)
        self.solves += 1
        if self.progress is not None:
            self.progress(self.solves, time.perf_counter() - self.begun)
        return best

    def run(self, limit: int | None) -> tuple[list[Found], float, str]:
        """Solutions, the gap, and what stopped the search before all chords were closed, or nothing."""
        self.foresee([0.0, 1.0, *([EDGE, 1 - EDGE] if limit is not None else [])])
        low, high = self.solve(0.0), self.solve(1.0)
        self.scale = max(1e-300, *(abs(number) for p in (low, high) for number in (p.welfare, p.revenue)))
        self.known = Known.of([low, high])
        try:
            stopped = self._refine(limit)
        except StoppedError as error:
            stopped = str(error)
        except KeyboardInterrupt:
            stopped = str(Status.INTERRUPTED)
        except WorkersLost:
            stopped = WORKERS_LOST
        return list(self.known.found), max([self.known.gap, *(-chord[0] for chord in self.known.chords)]), stopped

    def _refine(self, limit: int | None) -> str:
        """Close chord after chord. What is known is replaced as a whole: so it is right whenever this is interrupted.

        Returns
        -------
        str
            Why some are left.
        """
        if limit is not None:  # the ends are to be lexicographic before corners run out
            low, high = self.known.found
            self.known = Known.of([low, self.solve(EDGE), self.solve(1 - EDGE), high])
        while self.known.chords and -self.known.chords[0][0] > SLACK * self.scale:
            if limit is not None and len(corners(list(self.known.found), self.scale)) >= limit:
                return "limit on points"
            *_, left, right = self.known.chords[0]
            weight = slope(left, right)
            self.foresee(slope(*chord[2:]) for chord in self._next())
            middle = self.solve(weight)
            if value(middle, weight) <= value(left, weight) + SLACK * self.scale:
                self.known = self.known.closed(middle.bound - value(left, weight))
            else:
                self.known = self.known.split(middle)
        return ""

    def _next(self) -> list[Chord]:
        """As many open chords as can be computed at the same time, in the order in which their turn would come."""
        return [chord for chord in self.known.chords[: self.pool.width] if -chord[0] > SLACK * self.scale]


Chord = tuple[float, int, Found, Found]
"""How far the frontier may lie beyond it, negative; its number; its ends."""


@dataclass(frozen=True, eq=False)
class Known:
    """Points and gaps of a frontier so far.

    Attributes
    ----------
    found : tuple of Found
    chords : tuple of Chord
        Open ones, that with the most beyond it first.
    gap : float
        Beyond those that are closed.
    made : int
        Chords so far.
    """

    found: tuple[Found, ...]
    chords: tuple[Chord, ...]
    gap: float
    made: int

    @classmethod
    def of(cls, found: list[Found]) -> Known:
        """Neighbours, by weight."""
        chords = [(-reach(*pair), order, *pair) for order, pair in enumerate(pairwise(found))]
        return cls(tuple(found), tuple(sorted(chords, key=_turn)), 0.0, len(chords))

    def closed(self, beyond: float) -> Known:
        """With the first chord closed."""
        return Known(self.found, self.chords[1:], max(self.gap, beyond), self.made)

    def split(self, middle: Found) -> Known:
        """With a point beyond the first chord."""
        *_, left, right = self.chords[0]
        halves = [(-reach(*ends), self.made + k, *ends) for k, ends in enumerate([(left, middle), (middle, right)])]
        chords = sorted([*self.chords[1:], *halves], key=_turn)
        return Known((*self.found, middle), tuple(chords), self.gap, self.made + 2)


def _turn(chord: Chord) -> tuple[float, int]:
    return chord[:2]


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
