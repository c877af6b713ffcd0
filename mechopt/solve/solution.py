"""Answer of a solver, and our own judgement of it.

From its primal point and its row multipliers alone, with our own matrix, we recompute

- a lower bound: the objective at the point, less the multipliers' price of every violation;
- an upper bound by weak duality: for y of the right signs, max cost @ x <= sum over rows of y times the side
  that it presses on + sum over columns of the reduced cost times the bound that it presses on. Where a reduced cost has
  the wrong sign for a column without that bound, its size times the column's value in the solution (at least 1, unless
  the reduced cost is within its own rounding of 0) is added: exact for columns with bounds, else of first order.

Both ends are directed outward by a bound of the rounding of their own computation, with that of the program's
coefficients (`_roundings`). What the solver drops as small stays in our matrix, and is a violation. The status follows
from the width of the bracket relative to the value.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.core.errors import SolverError
from mechopt.core.numbers import BOUND_TOLERANCE, SOLVER_TOLERANCE, Array, FloatArray
from mechopt.lp.program import LinearProgram

if TYPE_CHECKING:
    from scipy.sparse import csr_array

EPSILON = float(np.finfo(np.float64).eps)
UNSEEN = 1e-10
"""Width, in the program's unit of money, that rounding alone may have where a bracket counts as closed."""
FACTORS = 64
"""Roundings in a coefficient, without those of its powers of the discount and its probabilities by period."""


class Status(StrEnum):
    """How an attempt to solve ended."""

    OPTIMAL = "optimal"
    TIME_LIMIT = "time limit"
    INTERRUPTED = "interrupted"
    INFEASIBLE = "infeasible"
    UNBOUNDED = "unbounded"
    INACCURATE = "inaccurate"
    UNPROVED = "unproved"

    @property
    def advice(self) -> str:
        """Advice on what to try."""
        return {
            Status.OPTIMAL: "",
            Status.TIME_LIMIT: "raise the time limit, or use fewer types or periods",
            Status.INTERRUPTED: "run it again without interrupting it",
            Status.INFEASIBLE: "no mechanism satisfies all of this: drop one of the rows that conflict",
            Status.UNBOUNDED: "add a participation constraint such as EPIR, or change the objective",
            Status.UNPROVED: "the bracket stands; try another form, fewer digits, or a file with multipliers",
            Status.INACCURATE: "try the other method (simplex or ipx), or bring the values closer together",
        }[self]


@dataclass(frozen=True)
class Bound:
    """``lower <= optimum <= upper``, and how that is known.

    Attributes
    ----------
    lower, upper : float
    method : str
    """

    lower: float
    upper: float
    method: str

    def __post_init__(self) -> None:
        if self.lower > self.upper:  # so that one of the two is false
            raise SolverError(f"lower end {self.lower!r} above upper end {self.upper!r}: a fault of ours; report it")

    @property
    def gap(self) -> float:
        """Width relative to the larger side, at least 1."""
        return (self.upper - self.lower) / max(1.0, abs(self.lower), abs(self.upper))

    def closed(self, unseen: float) -> bool:
        """Whether the width is small relative to the value, or not above a width that floats cannot see below."""
        width = self.upper - self.lower
        return width <= max(BOUND_TOLERANCE * max(abs(self.lower), abs(self.upper)), unseen) < np.inf


@dataclass(frozen=True, eq=False)
class Solution:
    """A solver's answer to one program, in the program's units.

    Attributes
    ----------
    status : Status
        Ours: "optimal" means that the recomputed bracket is closed.
    value : float
        Objective at ``primal``.
    bound : Bound
    primal : float array ``(columns,)``
    dual : float array ``(rows,)``
        Multipliers: change of the optimum by a change of the row's side.
    violation : float
        Largest violation of a row or bound at ``primal``.
    algorithm : str
        ``"simplex"`` or ``"ipx"``.
    iterations : int
    conflict : tuple of str
        Where there is no solution or no bound: the rows or columns responsible, in words.
    basis : pair of int arrays, or None
        Where the solver left each column and row: 0 at the lower bound, 1 basic, 2 at the upper bound, 3 free at zero.
    missed : float
        By how much the point misses a row by more than rounding, or a bound, at most.
    loose : float
        How much higher the upper bound is for reduced costs beyond rounding that no bound of a column takes up.
    """

    status: Status
    value: float
    bound: Bound
    primal: FloatArray
    dual: FloatArray
    violation: float
    algorithm: str
    iterations: int
    conflict: tuple[str, ...] = ()
    basis: tuple[Array, Array] | None = None
    missed: float = 0.0
    loose: float = 0.0


def violations(program: LinearProgram, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """How far ``x`` misses each row and each column bound; both at least 0."""
    activity = program.matrix @ x
    rows = np.maximum(np.maximum(program.row_lower - activity, activity - program.row_upper), 0.0)
    return rows, np.maximum(np.maximum(program.lower - x, x - program.upper), 0.0)


def lower_bound(program: LinearProgram, x: FloatArray, dual: FloatArray) -> float:
    """Objective at ``x`` less the price of its violations and of rounding; -inf where they are not small."""
    return _lower(program, x, dual)[0]


def _lower(program: LinearProgram, x: FloatArray, dual: FloatArray) -> tuple[float, float, float]:
    """The lower bound, how much of its price is for rounding, and by how much a row or bound is missed beyond it.

    A violation is priced by the row's multiplier. Multipliers of degenerate rows are only one choice among several, so
    two ways of putting a row right are priced as well: by one of its large columns alone, and by moving all utilities
    and payments by as much as the largest violation asks for, once a period. What a row is missed by beyond rounding
    is priced at the dearest of its columns besides: it may be all that a small coefficient asks for.
    """
    rows, columns = violations(program, x)
    if not max(rows.max(initial=0.0), columns.max(initial=0.0)) <= 1e3 * SOLVER_TOLERANCE:
        return -np.inf, 0.0, np.inf
    matrix, sizes = program.matrix, _sizes(program)
    with np.errstate(invalid="ignore", over="ignore"):
        reduced = np.abs(program.cost - dual @ matrix)
        price = np.abs(dual) + _repair_price(program, reduced)
        activity = matrix @ x
        slack = np.minimum(activity - program.row_lower, program.row_upper - activity)
        unsure = EPSILON * (_errors(program) @ np.abs(x) + np.diff(program.start) * (sizes @ np.abs(x)))
        missed = np.maximum(unsure - slack, 0.0)
        back = np.abs(program.cost) + np.abs(dual) @ sizes
        worth, shift = program.cost * x, _shift_price(program, dual)
        beyond = np.maximum(rows - unsure, 0.0)
        lost = _total(price, missed) + shift * max(_largest(program, missed), columns.max(initial=0.0))
        lost += _total(_dearest_price(program, back), beyond) + _total(back, columns)
        loose = max(beyond.max(initial=0.0), columns.max(initial=0.0))
        rounded = _roundings(program, 1) * (np.abs(worth).sum() + abs(program.offset) + lost)
        unseen = np.minimum(missed, unsure)
        found = float(worth.sum() + program.offset - lost - rounded)
        small = float(_total(price, unseen) + shift * _largest(program, unseen) + rounded)
    return (found, small, float(loose)) if np.isfinite(found) and np.isfinite(small) else (-np.inf, 0.0, np.inf)


def upper_bound(program: LinearProgram, dual: FloatArray, x: FloatArray) -> float:
    """Bound by weak duality, raised by the rounding of its computation; see the module's docstring.

    Parameters
    ----------
    program : LinearProgram
    dual : float array ``(rows,)``
    x : float array ``(columns,)``
        Sizes of the columns in a solution, used for columns without the bound that their reduced cost presses on.
    """
    return _upper(program, dual, x)[0]


def _upper(program: LinearProgram, dual: FloatArray, x: FloatArray) -> tuple[float, float, float]:
    """The upper bound, and by how much it is raised for rounding, and for reduced costs that no bound takes up."""
    with np.errstate(invalid="ignore", over="ignore"):
        y = np.where((dual > 0) & np.isinf(program.row_upper) | (dual < 0) & np.isinf(program.row_lower), 0.0, dual)
        rows = np.where(y > 0, y * program.row_upper, np.where(y < 0, y * program.row_lower, 0.0))
        reduced, unsure = reduced_costs(program, y)
        sure = np.abs(reduced) > unsure
        pressed = np.where(reduced > 0, program.upper, program.lower)
        least = np.where(sure, np.maximum(np.abs(x), 1.0) * _stretch(program), np.abs(x))
        size = np.where(np.isinf(pressed), np.sign(reduced) * least, pressed)
        columns = np.where(reduced != 0, reduced * size, 0.0)
        loose = float(columns[sure & np.isinf(pressed)].sum())
        either = np.maximum(_reach(program.lower, least), _reach(program.upper, least))
        lost = _total(unsure, np.where(sure, np.abs(size), either))
        lost += _roundings(program, 1) * (np.abs(rows).sum() + np.abs(columns).sum() + abs(program.offset) + lost)
        found = float(rows.sum() + columns.sum() + program.offset + lost)
    return (found, float(lost), loose) if np.isfinite(found) else (np.inf, 0.0, np.inf)


def reduced_costs(program: LinearProgram, dual: FloatArray) -> tuple[FloatArray, FloatArray]:
    """By column its cost less its rows at their multipliers, and a bound of the rounding of that."""
    terms = 1 + np.bincount(program.index, minlength=len(program.cost))
    size = np.abs(dual)
    unsure = EPSILON * (size @ _errors(program) + terms * (np.abs(program.cost) + size @ _sizes(program)))
    unsure += _roundings(program, 0) * np.abs(program.cost)
    return program.cost - dual @ program.matrix, unsure


def raised(value: float, scale: float, terms: int) -> float:
    """An upper bound of a sum that was computed as ``value`` from so many terms of a size up to ``scale`` in all."""
    return value + (FACTORS + terms) * EPSILON * scale


def _sizes(program: LinearProgram) -> csr_array:
    """The matrix in absolute values."""
    from scipy.sparse import csr_array

    return csr_array((np.abs(program.value), program.index, program.start), shape=program.size[:2])


def _errors(program: LinearProgram) -> csr_array:
    """Bounds of the errors of the matrix's entries, in units of the last digit: a 1 is rounded at most once."""
    from scipy.sparse import csr_array

    sizes = np.abs(program.value)
    errors = np.where(sizes == 1, 1.0, _roundings(program, 0) / EPSILON * sizes)
    return csr_array((errors, program.index, program.start), shape=program.size[:2])


def _roundings(program: LinearProgram, terms: Any) -> Any:
    """Relative error of a sum of so many products of the program's numbers, those of the numbers included.

    They are products of probabilities, powers of the discount and differences, each rounded: at most `FACTORS`
    roundings and two for each period.
    """
    return (FACTORS + 2 * program.periods + terms) * EPSILON


def _total(prices: FloatArray, amounts: FloatArray) -> float:
    """Sum of products in which nothing of an infinite price is nothing."""
    return float(np.where((amounts != 0) & (prices != 0), prices * amounts, 0.0).sum())


def _reach(side: FloatArray, otherwise: FloatArray) -> FloatArray:
    """Size of a bound, or of the column where there is none."""
    return np.asarray(np.where(np.isinf(side), otherwise, np.abs(side)))


def _repair_price(program: LinearProgram, reduced: FloatArray) -> FloatArray:
    """By row, what one unit costs by moving one of its columns, of the largest coefficients, at most."""
    start, size = program.start, np.abs(program.value)
    filled = np.flatnonzero(np.diff(start))
    price: FloatArray = np.zeros(len(start) - 1)
    if not len(filled):
        return price
    largest = np.zeros(len(start) - 1)
    largest[filled] = np.maximum.reduceat(size, start[filled])
    large = 2 * size >= np.repeat(largest, np.diff(start))
    price[filled] = np.maximum.reduceat(np.where(large, reduced[program.index] / size, 0.0), start[filled])
    return price


def _dearest_price(program: LinearProgram, back: FloatArray) -> FloatArray:
    """By row, what one unit costs by the dearest of its columns, small coefficients included.

    Parameters
    ----------
    program : LinearProgram
    back : float array ``(columns,)``
        What a unit of a column costs at most: its cost, and its rows at their multipliers.
    """
    filled = np.flatnonzero(np.diff(program.start))
    price: FloatArray = np.zeros(len(program.start) - 1)
    if len(filled):
        price[filled] = np.maximum.reduceat(back[program.index] / np.abs(program.value), program.start[filled])
    return price


def _stretch(program: LinearProgram) -> FloatArray:
    """By column without two bounds, how much larger than another one it may be, by the coefficients of its rows.

    Of a column with a small coefficient a lot makes up for a little of the others; and that takes a lot of those that
    stand beside it in other rows.
    """
    start, index, size = program.start, program.index, np.abs(program.value)
    widths = np.diff(start)
    filled = np.flatnonzero(widths)
    most = np.where(np.isfinite(program.lower) & np.isfinite(program.upper), 1.0, np.inf)
    stretch: FloatArray = np.ones(len(program.cost))
    for _ in range(2):
        if len(filled):
            largest = np.maximum.reduceat(size * stretch[index], start[filled])
            stretch = stretch.copy()
            np.maximum.at(stretch, index, np.repeat(largest, widths[filled]) / size)
            stretch = np.minimum(stretch, most)
    return stretch


def _shift_price(program: LinearProgram, dual: FloatArray) -> float:
    """Cost of one unit for which all columns without two bounds move, in every period."""
    moved = np.where(np.isfinite(program.lower) & np.isfinite(program.upper), 0.0, 1.0)
    return (1 + program.periods) * (
        abs(float(program.cost @ moved)) + float(np.abs(dual) @ np.abs(program.matrix @ moved))
    )


def _largest(program: LinearProgram, missed: FloatArray) -> float:
    """Largest violation of a row, relative to the size of its coefficients."""
    weight = _sizes(program) @ np.ones(len(program.cost))
    return float((2 * missed[weight > 0] / weight[weight > 0]).max(initial=0.0))


def judged(
    program: LinearProgram, x: FloatArray, dual: FloatArray, reported: Status, algorithm: str, iterations: int
) -> Solution:
    """Turn a primal point and multipliers into a `Solution` with our own bracket and status.

    The null mechanism (nothing sold, nothing paid; the zero vector) is feasible unless a user's own row forbids it, and
    gives a lower bound where the point is none.
    """
    (lower, below, missed), (upper, above, loose) = _lower(program, x, dual), _upper(program, dual, x)
    rows, columns = violations(program, x)
    worst = float(max(rows.max(initial=0.0), columns.max(initial=0.0)))
    null = np.zeros_like(x)
    nothing = lower_bound(program, null, np.zeros_like(dual))
    if reported is not Status.OPTIMAL:
        wrong = _unsupported(program, dual)
        upper = np.inf if wrong > 1e3 * SOLVER_TOLERANCE else upper
    if lower < nothing - below:
        x, worst, missed = null, 0.0, 0.0
    lower = max(lower, nothing)
    bound = Bound(lower, max(lower, upper), "recomputed primal and dual")
    status = reported
    if bound.closed(min(2 * (below + above), UNSEEN)):
        status = Status.OPTIMAL
    elif reported is Status.OPTIMAL:
        status = Status.INACCURATE
    value = float((program.cost * x).sum() + program.offset)
    return Solution(status, value, bound, x, dual, worst, algorithm, iterations, missed=missed, loose=loose)


def improves(program: LinearProgram, direction: FloatArray) -> bool:
    """Whether the objective grows along a direction by more than rounding, and no row or bound ends it.

    A solver may take one for a direction without bound that earns nothing but rounding.
    """
    step = direction / max(float(np.abs(direction).max(initial=0.0)), np.finfo(np.float64).tiny)
    gain, activity = float((program.cost * step).sum()), program.matrix @ step
    unsure = SOLVER_TOLERANCE * (_sizes(program) @ np.ones(len(step)))  # entries of the direction are known to 1e-9
    unsure = np.minimum(unsure, 1e-3 * abs(gain))
    kept = np.where(np.isfinite(program.row_lower), activity >= -unsure, True)
    kept &= np.where(np.isfinite(program.row_upper), activity <= unsure, True)
    within = np.where(np.isfinite(program.lower), step >= -SOLVER_TOLERANCE, True)
    within &= np.where(np.isfinite(program.upper), step <= SOLVER_TOLERANCE, True)
    earned = SOLVER_TOLERANCE * float((np.abs(program.cost) * np.abs(step)).sum())
    return bool(kept.all() and within.all() and gain > earned)


def contradicts(program: LinearProgram, ray: FloatArray) -> bool:
    """Whether rows at multipliers ask for less than nothing, by more than rounding: then no point keeps them all.

    Parameters
    ----------
    program : LinearProgram
        Without costs and offset, so that every point is worth 0.
    ray : float array ``(rows,)``
        Multipliers, of either sign.
    """
    size = float(np.abs(ray).max(initial=0.0))
    if not 0 < size < np.inf:
        return False
    none = np.zeros(len(program.cost))
    return any(upper_bound(program, sign * ray / size, none) < 0 for sign in (1.0, -1.0))


def _unsupported(program: LinearProgram, dual: FloatArray) -> float:
    """Largest wrong-signed multiplier or reduced cost that no bound supports, relative to the largest cost."""
    reduced = program.cost - dual @ program.matrix
    free = np.where(reduced > 0, np.isinf(program.upper), np.isinf(program.lower))
    wrong = np.where(dual > 0, np.isinf(program.row_upper), np.isinf(program.row_lower))
    worst = max(np.abs(reduced[free]).max(initial=0.0), np.abs(dual[wrong]).max(initial=0.0))
    return float(worst / max(np.abs(program.cost).max(initial=0.0), 1e-300))
