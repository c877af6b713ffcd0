"""The best mechanism that draws nothing, as an `Optimum`.

First the program with lotteries is solved: nothing that draws nothing does better, and where its solution has no
lottery it is the answer, with the bracket of `mechopt.solve.solution`. Else HiGHS's branch and bound searches. Of what
it finds only the allocation is kept: with it fixed, the payments are solved for again, and that program's lower bound,
recomputed from our own matrix, is the lower end of the bracket. The upper end is the smaller one of the bound with
lotteries (ours) and of branch and bound's (the solver's word, raised by `MIP_TOLERANCE`): no exact proof comes of it.

Where actions move types, branch and bound may pay at histories of weight 0, as a limit of mechanisms that draw could
and no deterministic one can (`mechopt.solve.mip.pinned`). Where that is worth anything, it searches again with such
payments at most `LARGEST` times the largest value, which gives a mechanism; the upper end stays that of the first
search.

Source: Wolsey (1998), Integer Programming, chapter 7, of branch and bound; that lotteries can be worth something to a
seller is in Riley and Zeckhauser (1983) and Manelli and Vincent (2007).
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mechopt.lp.build import compile_program
from mechopt.lp.persistent.compile import PersistentLayout
from mechopt.lp.program import LinearProgram
from mechopt.solve import highs
from mechopt.solve.limits import known_before
from mechopt.solve.mip.pinned import constant, pinned, rounded
from mechopt.solve.mip.search import MIP_TOLERANCE, Search, search
from mechopt.solve.program import Effort, require_memory, trivial_bounds
from mechopt.solve.result import Optimum
from mechopt.solve.solution import Bound, Solution, Status

if TYPE_CHECKING:
    from mechopt.lp.build import AnyLayout, AnyPlan

LARGEST = 1e3
"""Most that is paid at a history of a weight above 0, in units of the largest value, in the second search."""
OURS, SOLVERS = "recomputed primal and dual, no lottery", "recomputed primal; branch and bound above"
NO_SOLUTION = "with lotteries there is a mechanism that satisfies all of this, without them there is none"
WEIGHT_ZERO = (
    "the upper end counts payments at histories that the mechanism never comes to, of which no deterministic mechanism "
    "can make use"
)


def deterministic_optimum(chosen: AnyPlan, effort: Effort, most_nodes: int | None = None) -> Optimum:
    """Bracket of the deterministic optimum, and a mechanism that earns its lower end.

    Parameters
    ----------
    chosen : Plan or PersistentPlan
        Subject to `Deterministic`.
    effort : Effort
    most_nodes : int, optional
        Of the search tree, after which it stops.

    Raises
    ------
    LimitError
        If the program would be too large.
    """
    begun = time.perf_counter()
    least, cap = trivial_bounds(chosen)
    require_memory(chosen, effort.max_bytes, "auto", effort.remedy)
    with known_before(least, cap):
        program, layout = compile_program(chosen)
    built = time.perf_counter()
    found = _Attempt(chosen, program, layout, effort, built, most_nodes).result()
    seconds = {"build": built - begun, "solve": time.perf_counter() - built}
    bound = replace(found.bound, upper=min(found.bound.upper, cap))
    return replace(found, bound=bound, seconds=seconds)


class _Attempt:
    """One program, and how long there is for it."""

    def __init__(
        self,
        chosen: AnyPlan,
        program: LinearProgram,
        layout: AnyLayout,
        effort: Effort,
        begun: float,
        most_nodes: int | None,
    ) -> None:
        self.chosen, self.program, self.layout, self.effort = chosen, program, layout, effort
        self.begun, self.most_nodes = begun, most_nodes

    def left(self) -> float | None:
        """Seconds that are left."""
        limit = self.effort.time_limit
        return None if limit is None else max(limit - (time.perf_counter() - self.begun), 0.0)

    def result(self) -> Optimum:
        """The answer, in money of the environment."""
        relaxed = highs.solve_program(self.program, "auto", self.left(), self.effort.progress)
        if relaxed.status is Status.INFEASIBLE:
            return self.optimum(relaxed.status, -np.inf, relaxed.bound, None, relaxed.conflict)
        if relaxed.status is Status.UNBOUNDED:
            return self.without_bound(relaxed)
        upper = relaxed.bound.upper
        if (best := self.paid(relaxed.primal)) is not None:
            bound = Bound(best.bound.lower, upper, OURS)
            if self.closed(bound) or relaxed.status in (Status.TIME_LIMIT, Status.INTERRUPTED):
                status = Status.OPTIMAL if self.closed(bound) else relaxed.status
                return self.optimum(status, best.value, bound, best)
        if relaxed.status in (Status.TIME_LIMIT, Status.INTERRUPTED):
            best = self.simplest()
            least = -np.inf if best is None else best.bound.lower
            return self.optimum(relaxed.status, least, Bound(least, upper, OURS), best)
        return self.searched(upper)

    def searched(self, upper: float) -> Optimum:
        """The answer by branch and bound, given the bound with lotteries."""
        found = self.search(self.program)
        if found.status is Status.INFEASIBLE and (best := self.simplest()) is not None:
            bound = Bound(best.bound.lower, upper, OURS)  # the solver is wrong
            return self.optimum(Status.INACCURATE, best.value, bound, best)
        if found.status is Status.INFEASIBLE:
            return self.optimum(found.status, -np.inf, Bound(-np.inf, -np.inf, "none"), None, (NO_SOLUTION,))
        upper = min(upper, found.upper)
        best = None if found.point is None else self.paid(found.point)
        best = self.simplest() if best is None else best
        bound = Bound(-np.inf if best is None else best.bound.lower, upper, SOLVERS)
        conflict: tuple[str, ...] = ()
        if found.status is Status.OPTIMAL and not self.closed(bound) and isinstance(self.layout, PersistentLayout):
            again = self.search(bounded_payments(self.program, self.layout))
            other = None if again.point is None else self.paid(again.point)
            if other is not None and (best is None or other.bound.lower > best.bound.lower):
                best, bound = other, replace(bound, lower=other.bound.lower)
            conflict = () if self.closed(bound) else (WEIGHT_ZERO,)
        status = found.status
        if self.closed(bound):
            status = Status.OPTIMAL
        elif status is Status.OPTIMAL:
            status = Status.UNPROVED
        return self.optimum(status, -np.inf if best is None else best.value, bound, best, conflict)

    def without_bound(self, relaxed: Solution) -> Optimum:
        """Whatever grows are payments: there is no bound without lotteries either, if there is any mechanism."""
        nothing = replace(self.program, cost=np.zeros_like(self.program.cost), offset=0.0)
        found = self.search(nothing)
        if found.status is Status.INFEASIBLE:
            return self.optimum(found.status, -np.inf, Bound(-np.inf, -np.inf, "none"), None, (NO_SOLUTION,))
        whole = None if found.point is None else rounded(self.program, found.point)
        if whole is None:
            return self.optimum(found.status, -np.inf, Bound(-np.inf, np.inf, "none"), None)
        fixed = highs.solve_program(pinned(self.program, self.layout, whole), "auto", self.left())
        if fixed.status is Status.UNBOUNDED:
            return self.optimum(fixed.status, np.inf, fixed.bound, None, fixed.conflict)
        best = fixed if fixed.bound.lower > -np.inf else None
        bound = Bound(fixed.bound.lower, np.inf, SOLVERS)
        return self.optimum(Status.UNPROVED, fixed.value, bound, best, (*relaxed.conflict, WEIGHT_ZERO))

    def search(self, program: LinearProgram) -> Search:
        """Branch and bound; what it reports in units is told in money."""
        effort, unit = self.effort, self.layout.unit
        told = effort.bracket
        bracket = None if told is None else lambda low, high, seconds: told(low * unit, high * unit, seconds)
        return search(program, effort.gap, self.left(), effort.progress, bracket, self.most_nodes)

    def paid(self, point: np.ndarray) -> Solution | None:
        """Best payments for the allocation of a point; None where it has lotteries, or no payments do."""
        return self.fixed(rounded(self.program, point))

    def simplest(self) -> Solution | None:
        """Best payments where nothing is sold, or the first action is always taken."""
        return self.fixed(constant(self.program, self.layout))

    def fixed(self, whole: np.ndarray | None) -> Solution | None:
        """Best payments for an allocation; None where there is no such, or no payments do."""
        if whole is None:
            return None
        best = highs.solve_program(pinned(self.program, self.layout, whole), "auto")
        kept = best.status in (Status.OPTIMAL, Status.INACCURATE) and best.bound.lower > -np.inf
        return best if kept else None

    def closed(self, bound: Bound) -> bool:
        """Whether the bracket is as narrow as was asked for, or as the solver's tolerance lets it be."""
        width = bound.upper - bound.lower
        return width <= max(self.effort.gap * abs(bound.upper), 2 * MIP_TOLERANCE * max(1.0, abs(bound.upper)))

    def optimum(
        self, status: Status, value: float, bound: Bound, best: Solution | None, conflict: tuple[str, ...] = ()
    ) -> Optimum:
        """An `Optimum` in money of the environment."""
        chosen, unit = self.chosen, self.layout.unit
        return Optimum(
            value * unit,
            Bound(bound.lower * unit, bound.upper * unit, bound.method),
            status,
            None if best is None else self.layout.mechanism(best.primal),
            chosen.size,
            {},
            "mip",
            chosen.form,
            conflict=conflict,
            ic=chosen.ic,
            ir=chosen.ir,
            objective=chosen.objective,
            subject_to=chosen.subject_to,
        )


def bounded_payments(program: LinearProgram, layout: PersistentLayout) -> LinearProgram:
    """The program with payments at most `LARGEST` times the realisation weight of their history."""
    columns = layout.columns
    for t, weights in enumerate(columns.allocation):
        for i, paid in enumerate(columns.payment[t]):
            for sign in (1.0, -1.0):
                index = np.concatenate([paid[:, None], weights], axis=1)
                row = np.append(sign, np.full(weights.shape[1], -LARGEST))
                name = f"largest payment of agent {i}"
                program = program.with_rows(name, index, row, -np.inf, 0.0)
    return program
