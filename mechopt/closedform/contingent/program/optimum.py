"""Solve a program of transfers: by HiGHS, then on the rows that bind exactly, so that rounding alone is left.

Among all solutions the one with the smallest largest payment; with another objective first, the smallest payments among
its optima. Where there is no solution, the multipliers of the program that relaxes every row alike prove it (Farkas).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mechopt.closedform.contingent.program.rows import Rows
from mechopt.core.errors import MechoptError
from mechopt.core.numbers import Array, FloatArray, IntArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

FEASIBLE = 1e-9
"""Violation of a row, relative to the money of the program, that is put down to the solver and repaired."""
BINDING = 1e-7
"""Slack of a row, on the same scale, up to which it is taken to bind."""
DENSE = 6_000_000
"""Entries up to which the binding rows are solved as a dense matrix."""
OPTIONS = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
SLACK = 1e-9
"""Share of the first objective's scale that is given up for the smallest payments."""


class Program(NamedTuple):
    """Rows over unknowns of any sign.

    Attributes
    ----------
    rows : Rows
        With floats.
    columns : int
        Number of unknowns.
    paid : int array
        Columns that are payments.
    scale : float
        Size of the money in it.
    """

    rows: Rows
    columns: int
    paid: IntArray
    scale: float

    @property
    def matrix(self) -> csr_array:
        """Coefficients."""
        from scipy.sparse import csr_array

        rows = self.rows
        shape = len(rows.side), self.columns
        return csr_array((rows.value.astype(np.float64), (rows.row, rows.column)), shape=shape)


class Infeasible(NamedTuple):
    """Multipliers by row that combine the rows to a contradiction, and how far from feasible the program is."""

    multipliers: FloatArray
    distance: float


class Goal(NamedTuple):
    """Something to maximise before payments are made small; `floor` caps what a minimum is worth (a deficit of 0)."""

    columns: IntArray
    values: FloatArray
    cap: float | None = None


def solve(program: Program, goal: Goal | None = None) -> FloatArray | Infeasible:
    """Solution with the smallest largest payment, among the best for the goal.

    Parameters
    ----------
    program : Program
    goal : Goal, optional

    Raises
    ------
    MechoptError
        If the solver fails, or the goal is unbounded.
    """
    from scipy.sparse import csr_array

    rest, matrix, side = None, program.matrix, program.rows.side.astype(np.float64) / program.scale
    if goal is not None:
        row = csr_array((goal.values, (np.zeros(len(goal.columns), int), goal.columns)), shape=(1, program.columns))
        level = _best(program, matrix, side, row, goal)
        if isinstance(level, Infeasible):
            return level
        rest = row, level - SLACK * max(1.0, abs(level))
    found = _smallest(program, matrix, side, rest)
    if isinstance(found, Infeasible):
        return found
    return repaired(program, matrix, found * program.scale)


def _best(program: Program, matrix: csr_array, side: FloatArray, row: csr_array, goal: Goal) -> float | Infeasible:
    from scipy.sparse import vstack

    equal = program.rows.equal
    above, limit = -matrix[~equal], -side[~equal]
    if goal.cap is not None:  # maximise the smaller of the goal and its cap
        above = _widened(vstack([above, -row]), [*[0.0] * above.shape[0], 1.0])
        limit = np.append(limit, 0.0)
        even, cost = _widened(matrix[equal], [0.0] * int(equal.sum())), np.append(np.zeros(program.columns), -1.0)
        bounds = [*[(None, None)] * program.columns, (None, goal.cap / program.scale)]
    else:
        even, cost, bounds = matrix[equal], -row.toarray()[0], [(None, None)] * program.columns
    found = _linprog(cost, above, limit, even, side[equal], bounds)
    if found.status == 3:
        raise MechoptError("objective: it is unbounded; add participation='ex-ante' or another, or cap=...")
    if found.x is None:
        return infeasible(program)
    return -float(found.fun)


def smallest_payments(program: Program) -> FloatArray | Infeasible:
    """Solution with the smallest largest payment as the solver gives it, in units of the scale."""
    return _smallest(program, program.matrix, program.rows.side.astype(np.float64) / program.scale, None)


def _smallest(
    program: Program, matrix: csr_array, side: FloatArray, rest: tuple[csr_array, float] | None
) -> FloatArray | Infeasible:
    from scipy.sparse import csr_array, vstack

    equal, paid = program.rows.equal, program.paid
    pick = csr_array((np.ones(len(paid)), (np.arange(len(paid)), paid)), shape=(len(paid), program.columns))
    above, limit = [_widened(-matrix[~equal], [0.0] * int((~equal).sum()))], [-side[~equal]]
    above += [_widened(sign * pick, [-1.0] * len(paid)) for sign in (1.0, -1.0)]
    limit += [np.zeros(2 * len(paid))]
    if rest is not None:
        above, limit = [*above, _widened(-rest[0], [0.0])], [*limit, np.array([-rest[1]])]
    even = _widened(matrix[equal], [0.0] * int(equal.sum()))
    cost, bounds = np.append(np.zeros(program.columns), 1.0), [*[(None, None)] * program.columns, (0, None)]
    found = _linprog(cost, vstack(above, format="csr"), np.concatenate(limit), even, side[equal], bounds)
    if found.x is not None:
        return np.asarray(found.x[:-1], dtype=np.float64)
    if found.status != 2:
        raise MechoptError(f"no transfers were found ({found.message}); try method='convex' or 'spanning'")
    return infeasible(program)


def infeasible(program: Program) -> Infeasible:
    """Multipliers of a program without solution: those of the least amount by which all rows have to be relaxed."""
    from scipy.sparse import vstack

    matrix, side, equal = program.matrix, program.rows.side.astype(np.float64) / program.scale, program.rows.equal
    every = _widened(-matrix, [-1.0] * len(side))
    back = _widened(matrix[equal], [-1.0] * int(equal.sum()))
    cost, bounds = np.append(np.zeros(program.columns), 1.0), [*[(None, None)] * program.columns, (0, None)]
    found = _linprog(cost, vstack([every, back], format="csr"), np.append(-side, side[equal]), None, None, bounds)
    if found.x is None:
        raise MechoptError(f"neither transfers nor a proof that there are none were found ({found.message})")
    prices = -np.asarray(found.ineqlin.marginals, dtype=np.float64)
    multipliers = prices[: len(side)].copy()
    multipliers[equal] -= prices[len(side) :]
    return Infeasible(multipliers, float(found.fun))


def repaired(program: Program, matrix: csr_array, found: FloatArray) -> FloatArray:
    """Move a solution by as little as possible to where the rows that bind hold exactly.

    Raises
    ------
    MechoptError
        If rows are still violated.
    """
    side, equal, scale = program.rows.side.astype(np.float64), program.rows.equal, program.scale
    for _ in range(3):
        slack = matrix @ found - side
        binding = np.flatnonzero(equal | (slack <= BINDING * scale))
        if not len(binding):
            break
        short = np.where(equal[binding], -slack[binding], np.maximum(-slack[binding], 0.0))
        short = np.where(~equal[binding] & (slack[binding] > 0), -slack[binding], short)
        if not short.any():
            break
        active: Any = matrix[binding]
        if len(binding) * program.columns <= DENSE:
            step = np.linalg.lstsq(active.toarray(), short, rcond=1e-13)[0]
        else:
            from scipy.sparse.linalg import lsmr

            step = lsmr(active, short, atol=1e-15, btol=1e-15, maxiter=4 * len(binding))[0]
        moved = found + step
        if _violation(matrix @ moved - side, equal) >= _violation(slack, equal):
            break
        found = moved
    violation = _violation(matrix @ found - side, equal)
    if violation > FEASIBLE * max(scale, float(np.abs(found).max(initial=0.0))):
        raise MechoptError(
            f"the transfers that were found violate a row by {violation:.3g}: the program is ill-conditioned; try "
            "exact=True, or another method"
        )
    return found


def _violation(slack: FloatArray, equal: Array) -> float:
    return float(np.maximum(-slack, np.where(equal, slack, -np.inf)).max(initial=0.0))


def _widened(matrix: Any, column: list[float]) -> csr_array:
    """Rows with one more column."""
    from scipy.sparse import csr_array, hstack

    wide: csr_array = hstack([matrix, csr_array(np.array(column).reshape(-1, 1))], format="csr")
    return wide


def _linprog(cost: Any, above: Any, limit: Any, even: Any, side: Any, bounds: Any) -> Any:
    """HiGHS; empty blocks of rows are left out."""
    from scipy.optimize import linprog

    has_above, has_even = above is not None and above.shape[0] > 0, even is not None and even.shape[0] > 0
    solver: Any = linprog  # takes sparse matrices, its annotation does not
    return solver(
        cost,
        above if has_above else None,
        limit if has_above else None,
        even if has_even else None,
        side if has_even else None,
        bounds=bounds,
        method="highs",
        options=OPTIONS,
    )
