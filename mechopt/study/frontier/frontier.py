r"""Revenue against welfare, or against the agents' utility: all optimal mechanisms between the two ends.

A mechanism is on the frontier if it maximises :math:`(1 - w) \cdot` revenue :math:`+ w \cdot` welfare for some weight w
in [0, 1]. Revenue and welfare are linear in the mechanism and the mechanisms that satisfy the constraints a polyhedron,
so the frontier is a concave polygon. Its corners are found one by one: of two neighbouring points, the program whose
weight makes them equally good either has a better solution, a point beyond their chord, or proves that nothing lies
beyond. When no chord is left, all breakpoints are known, and the ends are lexicographic: of all revenue-optimal
mechanisms the one of highest welfare, of all welfare-optimal ones that of highest revenue. (Where a limit stops the
search before, its ends are optimal, but perhaps not yet the best of these.)

Against the agents' utility the polygon is the same, since revenue + utility = welfare: a welfare weight w is a weight
w / (1 + w) on utility. It ends at weight 1/2; a heavier one has no optimum, as money can be handed out without bound.

Source: parametric objective, Gass and Saaty (1955); chords, Eisner and Severance (1976).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.core.atomic import write_atomically
from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import FloatArray, readonly
from mechopt.core.provided import provided
from mechopt.core.shown import Shown
from mechopt.mechanism.constraints import STANDARD, Asked, Constraint
from mechopt.mechanism.payments import Deterministic, PaymentConstraint, Payments, payment_constraints
from mechopt.study.frontier.exact import ExactFrontier, proved
from mechopt.study.frontier.search import SLACK, Progress, Search, corners, slope
from mechopt.study.workers.calls import Calls, calls
from mechopt.study.workers.pool import WorkersLost

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from mechopt.lp.build import AnyTypes

AGAINST = ("welfare", "utility")
UNPROVED = "interrupted during the proof"


@dataclass(frozen=True, eq=False)
class FrontierPoint:
    """A corner of the frontier.

    Attributes
    ----------
    revenue, welfare : float
        Expected present values, net of the seller's costs.
    utilities : tuple of float
        By agent.
    weights : pair of float
        For which weights, of welfare or of utility, it is optimal; both ends included.
    mechanism : Mechanism, or SequenceMechanism where types persist
        That attains it.
    """

    revenue: float
    welfare: float
    utilities: tuple[float, ...]
    weights: tuple[float, float]
    mechanism: Any

    @property
    def utility(self) -> float:
        """The agents' together."""
        return sum(self.utilities)


@dataclass(frozen=True, eq=False, repr=False)
class Frontier(Shown):
    """The frontier; see `frontier`.

    Attributes
    ----------
    environment : IndependentTypes, MarkovTypes, SeparableTypes or InterdependentTypes
    ic, ir : tuples of Constraint
    between : str
        ``"welfare"`` or ``"utility"``.
    points : tuple of FrontierPoint
        Corners, from the revenue-optimal end on: welfare rises, revenue falls.
    weights : float array
        Breakpoints, where one corner takes over from the one before; increasing, one less than points.
    stopped : str
        What ended the search before all corners were known: ``"limit on points"``, ``"time limit"``,
        ``"interrupted"``, ``"inaccurate"`` or ``"workers lost"``; empty where nothing did. ``"interrupted during the
        proof"`` where all are known, and the proof that was asked for was not finished.
    gap : float
        How much more of (1 - w) revenue + w welfare a mechanism may have than the curve, at worst; a bound that is
        recomputed from the programs' multipliers where the search is complete.
    solves : int
        Programs solved.
    seconds : float
    exact : ExactFrontier or None
        The same in proved rationals, where it was asked for.
    """

    environment: AnyTypes
    ic: tuple[Constraint, ...]
    ir: tuple[Constraint, ...]
    between: str
    points: tuple[FrontierPoint, ...]
    weights: FloatArray
    stopped: str
    gap: float
    solves: int
    seconds: float
    exact: ExactFrontier | None = None
    subject_to: tuple[PaymentConstraint, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether these are all corners."""
        return self.stopped in ("", UNPROVED)

    @cached_property
    def amounts(self) -> FloatArray:
        """Welfare, or the agents' utility, at each point."""
        return readonly([getattr(point, self.between) for point in self.points])

    @cached_property
    def revenues(self) -> FloatArray:
        """Revenue at each point."""
        return readonly([point.revenue for point in self.points])

    def revenue_at(self, amount: float) -> float:
        """Most revenue of a mechanism with at least this much welfare, or utility for the agents.

        Between two corners it is had by drawing one of their mechanisms at random before play.

        Raises
        ------
        InputError
            If no mechanism has as much without losing money for ever, that is beyond the last point.
        """
        last = float(self.amounts[-1])
        if amount > last + SLACK * max(1.0, abs(last)):
            raise InputError(f"{self.between} {amount:g}: the frontier ends at {last:.9g}")
        return float(np.interp(amount, self.amounts, self.revenues))

    def to_frame(self) -> pd.DataFrame:
        """One row a corner.

        Returns
        -------
        pandas.DataFrame
            Columns ``revenue``, ``welfare``, ``utility``, ``utility_0``, ... by agent, ``weight_from``, ``weight_to``;
            ``exact_revenue`` and ``exact_welfare`` as text where they were asked for.
        """
        import pandas as pd

        rows = []
        for k, point in enumerate(self.points):
            row: dict[str, Any] = {"revenue": point.revenue, "welfare": point.welfare, "utility": point.utility}
            row |= {f"utility_{i}": utility for i, utility in enumerate(point.utilities)}
            row |= {"weight_from": point.weights[0], "weight_to": point.weights[1]}
            if self.exact is not None:
                row |= {"exact_revenue": str(self.exact.revenues[k]), "exact_welfare": str(self.exact.welfares[k])}
            rows.append(row)
        return pd.DataFrame(rows).rename_axis("point")

    def to_csv(self, path: str | Path) -> None:
        """Write the frame as CSV, whole or not at all."""
        write_atomically(path, lambda file: self.to_frame().to_csv(file))

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw the curve; see `mechopt.show.figures.frontier.frontier_curve`."""
        drawn: Axes = provided(self, "plot")(self, axes)
        return drawn

    def save_plot(self, path: str | Path) -> None:
        """Write the plot as PNG, SVG or PDF, by the file's ending, whole or not at all.

        Raises
        ------
        InputError
            If the ending is another, or the file cannot be written.
        """
        provided(self, "save_plot")(self.plot, path)

    def __repr__(self) -> str:
        first, last = (f"({getattr(p, self.between):.6g}, {p.revenue:.6g})" for p in (self.points[0], self.points[-1]))
        count = f"{len(self.points)} point{'s' * (len(self.points) > 1)}"
        stopped = f", stopped by {self.stopped}" if self.stopped else ""
        return f"Frontier(revenue against {self.between}: {count}, {first} to {last}{stopped})"


def frontier(
    environment: AnyTypes,
    ic: Asked = STANDARD,
    ir: Asked = STANDARD,
    between: str = "welfare",
    points: int | None = None,
    exact: bool = False,
    time_limit: float | None = None,
    progress: Progress | None = None,
    subject_to: Payments = (),
    workers: int = 1,
    scheduler: str | None = None,
) -> Frontier:
    """Find the corners of revenue against welfare, or against the agents' utility.

    Parameters
    ----------
    environment : IndependentTypes, MarkovTypes, SeparableTypes or InterdependentTypes
        With a finite horizon.
    ic, ir : Constraint, several or None
        What mechanisms must keep; default DIC and EPIR, and where types persist Bayesian IC and interim IR.
    between : str
        ``"welfare"`` or ``"utility"``: what revenue is weighed against.
    points : int, optional
        Stop at this many corners, at least 2, the ones that matter most first; default all.
    exact : bool
        Prove the corners in exact rationals as well, if nothing stops the search; needs exact numbers, and about three
        more programs a corner.
    time_limit : float, optional
        Seconds in all.
    progress : callable, optional
        Called with programs solved and seconds.
    subject_to : PaymentConstraint, str or several
        What payments must keep as well; not `Deterministic`, for points between corners are had by drawing.
    workers : int
        Local processes; 1 computes in this one. The result is the same for every number.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers take the place of local processes.

    Returns
    -------
    Frontier

    Raises
    ------
    InputError
        If an argument does not fit, or the environment.
    NoOptimumError
        If an end of the frontier is infeasible or without bound.
    LimitError
        If an end would be too large a program, or takes longer than the limit.
    WorkersLost
        If workers are lost before both ends are known.

    Examples
    --------
    One buyer, values 1 and 2: price 2 earns 1 and sells half the time; price 1 as much, and sells always.

    >>> from mechopt import IndependentTypes
    >>> curve = frontier(IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=1))
    >>> curve
    Frontier(revenue against welfare: 1 point, (1.5, 1) to (1.5, 1))
    """
    if between not in AGAINST:
        raise InputError([Fault("between", f"is {between!r}", f"write one of {', '.join(AGAINST)}")])
    if points is not None and points < 2:
        raise InputError([Fault("points", f"is {points}", "it must be at least 2, the ends")])
    limits = payment_constraints(subject_to)
    if Deterministic() in limits:
        fix = "leave it out: points between corners are had by drawing one"
        raise InputError([Fault("subject_to", "deterministic: a frontier is of mechanisms that draw", fix)])
    with calls(workers, scheduler) as pool:
        search = Search(environment, ic, ir, exact, time_limit, progress, limits, pool)
        return _found(search, between, points, pool)


def _found(search: Search, between: str, points: int | None, pool: Calls) -> Frontier:
    """Search, and put together what was found."""
    asked = search.programs
    found, gap, stopped = search.run(points)
    kept = corners(found, search.scale)
    breaks = np.array([slope(p, q) for p, q in pairwise(kept)])
    shown = breaks / (1 + breaks) if between == "utility" else breaks
    ends = [0.0, *shown.tolist(), 0.5 if between == "utility" else 1.0]
    rows = [
        FrontierPoint(p.revenue, p.welfare, tuple(p.mechanism.utilities), span, p.mechanism)
        for p, span in zip(kept, pairwise(ends), strict=True)
    ]
    seconds = time.perf_counter() - search.begun
    result = Frontier(
        asked.environment,
        asked.ic,
        asked.ir,
        between,
        points=tuple(rows),
        weights=readonly(shown),
        stopped=stopped,
        gap=gap,
        solves=search.solves,
        seconds=seconds,
        subject_to=asked.limits,
    )
    if not asked.exact or stopped:
        return result
    try:
        ask = asked.environment, asked.ic, asked.ir, asked.limits
        return replace(result, exact=proved(ask, between, breaks, pool))
    except (KeyboardInterrupt, WorkersLost):
        return replace(result, stopped=UNPROVED)
