"""The program of a parametric model: one sparsity pattern, and entries that are rational functions of the parameter.

The exact program is built at several values of the parameter and its entries are interpolated; two values more than
would do stand by to contradict. Rows are in money of the environment and not scaled: the powers of two by which the
float program is scaled jump with the values. What is found from it is proved by a checker with rows of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from math import lcm
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.core.errors import InputError, LimitError, MechoptError
from mechopt.core.functions import RationalFunction, interpolated
from mechopt.core.numbers import FloatArray, IntArray
from mechopt.environment.parametric import Environment, ParametricModel, points_inside
from mechopt.lp.build import compile_program, plan
from mechopt.lp.independent.compile import Layout
from mechopt.lp.independent.plan import Plan
from mechopt.lp.orbits import compile_orbits, orbit_size
from mechopt.lp.program import LinearProgram
from mechopt.mechanism.constraints import Asked
from mechopt.mechanism.objective import Objective
from mechopt.mechanism.payments import EpsilonIC, PaymentConstraint, on_money, payments_at
from mechopt.solve.exact.independent import ExactProgram, exact_program, whole
from mechopt.solve.exact.persistent import exact_persistent_program
from mechopt.solve.parametric.orbits import column_on_orbits, exact_orbits, has_orbits

if TYPE_CHECKING:
    from mechopt.lp.build import AnyLayout, AnyPlan

FIRST_POINTS, LAST_POINTS = 9, 300
MOST_ROWS = 5_000


@dataclass(frozen=True, eq=False)
class ParametricProgram:
    """Maximise cost x + offset over row_lower <= A x <= row_upper, lower <= x <= upper, A and cost functions.

    Attributes
    ----------
    plan : Plan, PersistentPlan or None
        At a point inside; None where it is not the program of one environment.
    template : LinearProgram
        The float program at a point, whose numbers `at` replaces.
    start, index : int arrays
        Row r has the columns ``index[start[r]:start[r+1]]``.
    value : int array
        Number of the function of each entry.
    row_lower, row_upper, lower, upper : float arrays
        Whole numbers or infinite.
    cost : int array ``(columns,)``
        Number of the function of each column.
    offset : RationalFunction
    functions : tuple of RationalFunction
        The distinct ones.
    subject_to : tuple of PaymentConstraint
        Their amounts may be functions.
    orbits : bool
        Whether it is the program of identical buyers on orbits of histories.
    """

    plan: AnyPlan | None
    template: LinearProgram
    start: IntArray
    index: IntArray
    value: IntArray
    row_lower: FloatArray
    row_upper: FloatArray
    lower: FloatArray
    upper: FloatArray
    cost: IntArray
    offset: RationalFunction
    functions: tuple[RationalFunction, ...]
    subject_to: tuple[PaymentConstraint, ...] = ()
    orbits: bool = False

    @property
    def form(self) -> str:
        """As files name it: that of the plan, or ``"orbits"``."""
        return "orbits" if self.orbits else self.require_plan.form

    @property
    def columns(self) -> int:
        """Number of columns."""
        return len(self.cost)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.row_lower)

    @property
    def require_plan(self) -> AnyPlan:
        """The plan, of a program of one environment."""
        assert self.plan is not None
        return self.plan

    def at(self, point: Fraction) -> LinearProgram:
        """The program in floats at a value of the parameter."""
        numbers = np.array([float(function(point)) for function in self.functions])
        return replace(
            self.template,
            start=self.start,
            index=self.index,
            value=numbers[self.value],
            cost=numbers[self.cost],
            offset=float(self.offset(point)),
        )

    def exactly_at(self, point: Fraction) -> ExactProgram:
        """The program in integers at a value of the parameter."""
        numbers = [function(point) for function in self.functions]
        entries = [numbers[k] for k in self.value]
        factor = [lcm(1, *(f.denominator for f in entries[a:b])) for a, b in pairwise(self.start)]
        rows = np.repeat(np.arange(self.rows), np.diff(self.start))
        cost = [numbers[k] for k in self.cost]
        denominator = lcm(1, *(number.denominator for number in cost))
        return ExactProgram(
            self.start,
            self.index,
            whole([int(f * factor[r]) for f, r in zip(entries, rows, strict=True)]),
            whole(factor),
            self.row_lower,
            self.row_upper,
            self.lower,
            self.upper,
            whole([int(number * denominator) for number in cost]),
            denominator,
            self.offset(point),
        )

    def layout(self, model: ParametricModel, point: Fraction) -> AnyLayout:
        """The way back from columns to a mechanism of the environment at a point."""
        return compile_program(_plan_at(model.at(point), self.require_plan, payments_at(self.subject_to, point)))[1]

    def spread(self, layout: AnyLayout, primal: Sequence[RationalFunction]) -> tuple[RationalFunction, ...]:
        """Numbers of the program's columns in those of `layout`, which are over all histories."""
        if not self.orbits:
            return tuple(primal)
        assert isinstance(layout, Layout)
        return tuple(primal[c] for c in column_on_orbits(layout, compile_orbits(layout.plan)[1]).tolist())


def parametric_program(
    model: ParametricModel,
    ic: Asked,
    ir: Asked,
    objective: Objective,
    subject_to: tuple[PaymentConstraint, ...] = (),
) -> ParametricProgram:
    """Build the program of a parametric model.

    Parameters
    ----------
    model : ParametricModel
    ic, ir : Constraint, several or None
    objective : Objective
    subject_to : tuple of PaymentConstraint
        Their amounts may be functions of the parameter.

    Raises
    ------
    InputError
        If the constraints do not fit the model.
    LimitError
        If the program is too large.
    MechoptError
        If its entries are not rational functions on the whole interval.
    """
    if any(isinstance(limit, EpsilonIC) for limit in subject_to):
        raise InputError(
            "subject_to: epsilon: pieces are proved from programs in which truth is best exactly; leave it out, or "
            "solve at values of the parameter (mo.mechanisms.epsilon_for finds the smallest epsilon for a value)"
        )
    if len(on_money(subject_to)) < len(subject_to):
        raise InputError(
            "subject_to: deterministic optima are found by branch and bound, which no formula is: leave it out, or "
            "solve at values of the parameter"
        )
    middle = payments_at(subject_to, model.point)
    chosen = plan(model.middle, ic, ir, objective, subject_to=middle)
    form = chosen.form
    if form == "promise":  # its objective changes form where a sale ceases to be worth its cost
        form = "utility"
        chosen = plan(model.middle, ic, ir, objective, form, subject_to=middle)
    orbits = has_orbits(model, chosen)
    rows = orbit_size(chosen).rows if orbits and isinstance(chosen, Plan) else chosen.size.rows
    if rows > MOST_ROWS:
        raise LimitError(
            f"the program would have {rows:,} rows; formulas are for at most {MOST_ROWS:,}, since every "
            "piece is solved over the rational functions. Use fewer periods or types"
        )

    def exact_at(point: Fraction) -> tuple[LinearProgram, ExactProgram]:
        return _exact(_plan_at(model.at(point), chosen, payments_at(subject_to, point)), orbits)

    found = through_points(chosen, exact_at, model.start, model.stop)
    return replace(found, subject_to=subject_to, orbits=orbits)


def through_points(
    chosen: AnyPlan | None,
    build: Callable[[Fraction], tuple[LinearProgram, ExactProgram]],
    start: Fraction,
    stop: Fraction,
) -> ParametricProgram:
    """Interpolate a program from those at points inside an interval, as many as it takes.

    Parameters
    ----------
    chosen : Plan, PersistentPlan or None
    build : callable
        The float and the exact program at a point.
    start, stop : Fraction
        The points are between them.
    """
    count = FIRST_POINTS
    while count <= LAST_POINTS:
        points = points_inside(start, stop, count)
        found = _interpolated(chosen, [build(point) for point in points], points)
        if found is not None:
            return found
        count = 2 * count - 1
    raise MechoptError(
        "the entries of the program are not rational functions of the parameter on the whole interval; "
        "try a part of the interval"
    )


def _plan_at(environment: Environment, like: AnyPlan, payments: tuple[PaymentConstraint, ...]) -> AnyPlan:
    return plan(environment, like.ic, like.ir, like.objective, like.form, subject_to=payments)


def _exact(chosen: AnyPlan, orbits: bool) -> tuple[LinearProgram, ExactProgram]:
    """The float and the exact program at one value of the parameter, rows unscaled."""
    if orbits and isinstance(chosen, Plan):
        return exact_orbits(chosen)
    program, _ = compile_program(chosen)
    if isinstance(chosen, Plan):
        return program, exact_program(chosen, program)
    return program, exact_persistent_program(chosen, program)


def _interpolated(
    chosen: AnyPlan | None, built: Sequence[tuple[LinearProgram, ExactProgram]], points: Sequence[Fraction]
) -> ParametricProgram | None:
    """One program from those at several points, or None where these are too few."""
    first = built[0][0]
    for program, _ in built[1:]:
        for side in ("row_lower", "row_upper", "lower", "upper"):
            if not np.array_equal(getattr(program, side), getattr(first, side)):
                raise MechoptError("the program changes its rows inside the interval; try a part of the interval")
    start, index, entries = _merged([exact for _, exact in built])
    costs = [[Fraction(int(c), exact.denominator) for c in exact.cost] for _, exact in built]
    cost = list(zip(*costs, strict=True))
    offset = interpolated(points, [exact.offset for _, exact in built])
    distinct = list(dict.fromkeys([*entries, *cost]))
    number = {values: k for k, values in enumerate(distinct)}
    functions = [interpolated(points, values) for values in distinct]
    kept = [function for function in functions if function is not None]
    if offset is None or len(kept) < len(functions):
        return None
    return ParametricProgram(
        chosen,
        first,
        start,
        index,
        np.array([number[values] for values in entries], np.int64),
        first.row_lower,
        first.row_upper,
        first.lower,
        first.upper,
        np.array([number[values] for values in cost], np.int64),
        offset,
        tuple(kept),
    )


def _merged(exacts: Sequence[ExactProgram]) -> tuple[IntArray, IntArray, list[tuple[Fraction, ...]]]:
    """The common pattern, and each entry's values at all points."""
    rows = [np.repeat(np.arange(len(e.start) - 1), np.diff(e.start)) for e in exacts]
    factors = [e.factor for e in exacts]
    first = exacts[0]
    alike = all(np.array_equal(e.start, first.start) and np.array_equal(e.index, first.index) for e in exacts[1:])
    if alike:
        columns = [
            [Fraction(int(v), int(factor[r])) for v, r in zip(e.value, row, strict=True)]
            for e, row, factor in zip(exacts, rows, factors, strict=True)
        ]
        return first.start, first.index, list(zip(*columns, strict=True))
    table: dict[tuple[int, int], list[Fraction]] = {}
    for k, (e, row, factor) in enumerate(zip(exacts, rows, factors, strict=True)):
        for r, c, v in zip(row.tolist(), e.index.tolist(), e.value.tolist(), strict=True):
            table.setdefault((r, c), [Fraction(0)] * len(exacts))[k] = Fraction(int(v), int(factor[r]))
    places = sorted(table)
    counts = np.bincount([r for r, _ in places], minlength=len(first.start) - 1)
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return start, np.array([c for _, c in places], np.int64), [tuple(table[place]) for place in places]


def require_flint() -> Any:
    """The module ``flint``.

    Raises
    ------
    InputError
        If it is not installed.
    """
    try:
        import flint
    except ImportError:
        raise InputError("formulas need python-flint: pip install 'mechopt[exact]'") from None
    return flint
