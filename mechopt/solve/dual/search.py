"""The search of dual dynamic programming: follow the child whose bracket is too wide, then fix the way back.

A visit of a price solves the period's program over the children's lower models. Each child's bracket at its price may
be at most its share of what the root's may be; the one that exceeds it most, weighted by its probability, is
visited next. On the way back each period's two programs are solved again and give a new point of either model. The
bracket of a period is at most the mean of its children's, so that errors average and do not add up. All of it is
deterministic, and the root's bracket is valid at any time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from mechopt.core.numbers import FloatArray, IntArray
from mechopt.solve.dual.models import Models
from mechopt.solve.dual.programs import LowerProgram, Step, UpperProgram
from mechopt.solve.dual.stage import Problem, Record
from mechopt.solve.runtime import apart
from mechopt.solve.solution import Status

Progress = Callable[[float, float, float], None]
"""Called with the bracket so far, lower and upper, in money of the environment, and the seconds since the start."""

FACTOR = 0.3
"""Aim of a visit, a share of the root's bracket."""
SHARE = 0.9
"""Of the aim, for the children."""
SHORT, COARSE = 1e-10, 0.02
"""By which rows and columns must be violated to enter a program: at least this, or this share of the aim, a period."""
FINEST = 1e-12
"""Bracket, a share of first best, that is as good as none."""
PATIENCE = 12
"""Visits without any progress, after which rounding is all that is left."""


class _Stop(NamedTuple):
    """A price on the way down, what was best there, and the child that comes next."""

    t: int
    j: int
    price: FloatArray
    step: Step | None
    child: int | None
    near: IntArray | None


class Search:
    """Models of all states, and the root's bracket in the problem's unit."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.models = [[Models(state, problem.copies) for state in row] for row in problem.states]
        self.lowers: dict[tuple[int, int], LowerProgram] = {}
        self.uppers: dict[tuple[int, int], UpperProgram] = {}
        self.records: list[Record] = []

    @property
    def lower(self) -> float:
        """Best lower bound so far."""
        return self.models[0][0].below(self.problem.price)

    @property
    def upper(self) -> float:
        """Best upper bound so far."""
        root = self.models[0][0].upper
        at = np.abs(root.points - self.problem.price).max(axis=1, initial=0.0) == 0.0
        return min(float(root.heights[at].min(initial=np.inf)), self.problem.welfare)

    def run(self, target: float, time_limit: float | None, progress: Progress | None) -> Status:
        """Visit the root until the bracket is at most ``target`` times the upper bound, or a limit stops it."""
        begun, unit = time.perf_counter(), self.problem.unit
        before, still = (np.inf, np.inf), 0
        try:
            while True:
                lower, upper = self.lower, self.upper
                now = time.perf_counter() - begun
                if progress is not None:
                    progress(lower * unit, upper * unit, now)
                if upper - lower <= max(target * abs(upper), FINEST * max(self.problem.welfare, 1.0)):
                    return Status.OPTIMAL
                if time_limit is not None and now > time_limit:
                    return Status.TIME_LIMIT
                still = still + 1 if (lower, upper) == before else 0
                if still > PATIENCE:
                    return Status.INACCURATE
                before = lower, upper
                aim, strictness = max(target * abs(upper), FACTOR * (upper - lower)), 0.5**still
                apart(partial(self._visit, aim, strictness))
        except KeyboardInterrupt:
            return Status.INTERRUPTED

    def _programs(self, t: int, j: int) -> tuple[LowerProgram, UpperProgram]:
        if (t, j) not in self.uppers:
            state = self.problem.states[t][j]
            children = [self.models[t + 1][child] for child in state.stage.child]
            self.lowers[t, j], self.uppers[t, j] = LowerProgram(state, children), UpperProgram(state, children)
        return self.lowers[t, j], self.uppers[t, j]

    def _visit(self, aim: float, strictness: float) -> None:
        """One way down from the root and back; ``strictness`` below 1 where the rule of tolerances found nothing."""
        t, j, price, periods = 0, 0, self.problem.price, len(self.problem.states)
        short = max(SHORT, COARSE * strictness * aim / periods)
        way: list[_Stop] = []
        child: int | None = 0
        while child is not None:
            step = self._programs(t, j)[0].solve(price, short)
            child, near = None, None
            if step is not None and len(step.prices):
                tolerance = SHARE * strictness * aim * (periods - t - 1) / periods
                child, near = self._worst(t, j, step, tolerance)
            way.append(_Stop(t, j, price, step, child, near))
            if step is not None and child is not None:
                t, j, price = t + 1, int(self.problem.states[t][j].stage.child[child]), step.prices[child]
        for stop in reversed(way):
            self._solve_again(stop, short)

    def _worst(self, t: int, j: int, step: Step, tolerance: float) -> tuple[int | None, IntArray]:
        """Child whose bracket is too wide by most, if any is, and the points that give each its upper bound."""
        stage, distribution = self.problem.states[t][j].stage, self.problem.states[t][j].distribution
        upper, near = np.empty(len(step.prices)), np.empty((len(step.prices), step.prices.shape[1] + 1), np.int64)
        for state in np.unique(stage.child):
            here = np.flatnonzero(stage.child == state)
            upper[here], near[here] = self.models[t + 1][state].hull.values(step.prices[here])
        excess = distribution[stage.report] * np.maximum(upper - step.values - tolerance, 0.0)
        worst = int(excess.argmax())
        return worst if excess[worst] > 0 else None, near

    def _solve_again(self, stop: _Stop, short: float) -> None:
        """Solve a period's two programs over the children as they are now; add what they give here and elsewhere."""
        t, j, price = stop.t, stop.j, stop.price
        models, siblings = self.models[t], self.problem.states[t][j].siblings
        lower, upper = self._programs(t, j)
        step = lower.solve(price, short, stop.step)
        if step is not None:
            label = len(self.records)
            record = lower.record(j, price, step)
            self.records.append(record)
            models[j].add_lower(record.promise, record.welfare, label)
            for other, welfare in lower.elsewhere(record, siblings):
                models[other].add_lower(record.promise, welfare, label)
        if stop.near is not None:
            upper.expect(stop.near)
        if stop.step is not None and stop.child is not None:
            upper.add([(stop.child, lower.children[stop.child].nearest(stop.step.prices[stop.child]))])
        found = upper.solve(price, short)
        if found is not None:
            models[j].add_upper(price, found.value)
            for other, distribution in siblings:
                models[other].add_upper(*upper.elsewhere(found, distribution))
