"""Criteria by which payments are chosen in turn, each a program over the optimal face of those before.

Most minimise an expected max(0, e) or abs(e), with e = p - side - P q of a payment p, a price P and a quantity q. Such
a program has a slack a payment; the face of its best points needs none: by complementary slackness each e is at least
0, at most 0, or 0 there. So programs do not grow from one criterion to the next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mechopt.core.numbers import FloatArray, IntArray, readonly
from mechopt.lp.program import LinearProgram
from mechopt.lp.substitution import Rows, extended
from mechopt.show.explain.programs.cells import Cells
from mechopt.show.explain.programs.optimal_face import Point, best_point, determined, optimal_face


@dataclass(frozen=True, eq=False)
class Face:
    """The points that are best so far, one of them, and whether all have the same payments.

    Attributes
    ----------
    program : LinearProgram
        Whose feasible points they are.
    x : float array ``(columns,)``
    settled : bool
        Whether it is known that no other payments are as good.
    """

    program: LinearProgram
    x: FloatArray
    settled: bool


@dataclass(frozen=True, eq=False)
class _Terms:
    """Slack of each e = sign p - side - P q, the last columns and rows of a program: s >= e, and s >= -e where both."""

    cells: IntArray
    side: FloatArray
    sign: float
    both: bool
    price: IntArray | None
    units: FloatArray | None

    @property
    def prices(self) -> int:
        """Number of prices."""
        return 0 if self.price is None else int(self.price.max(initial=-1)) + 1


def first_face(program: LinearProgram, point: Point, cells: Cells) -> Face:
    """All optimal points of the program of payments by cell."""
    return _face(optimal_face(program, point), point.x, cells)


def best_of(name: str, face: Face, cells: Cells) -> Face | None:
    """The points of a face that are best by a criterion; None where it has no bound (money can be lent freely).

    Parameters
    ----------
    name : str
        Of `CRITERIA`.
    face : Face
    cells : Cells
        The first columns.
    """
    if face.settled:
        return face
    program, terms = CRITERIA[name](face.program, cells)
    point = best_point(program)
    if point is None:
        return None
    locked = optimal_face(program, point)
    if terms is None:
        return _face(locked, point.x, cells)
    kept = len(face.program.cost) + terms.prices
    return _face(_without_slack(face.program, locked, terms, point), point.x[:kept], cells)


def _face(program: LinearProgram, x: FloatArray, cells: Cells) -> Face:
    return Face(program, x, bool(determined(program)[: cells.count].all()))


def _without_slack(before: LinearProgram, locked: LinearProgram, terms: _Terms, point: Point) -> LinearProgram:
    """The best points with bounds on payments, or rows on payments and prices, in place of slacks."""
    rows, k, kept = before.size[0], len(terms.cells), len(before.cost) + terms.prices
    above, below = point.rows[rows : rows + k], point.columns[kept:]
    if terms.both:
        above, below = above | point.columns[kept:], below | point.rows[rows + k :]
    low = np.where(above, terms.side, -np.inf)
    high = np.where(below, terms.side, np.inf)
    face = replace(
        before, lower=readonly(locked.lower[: len(before.cost)]), upper=readonly(locked.upper[: len(before.cost)])
    )
    face = replace(face, row_lower=readonly(locked.row_lower[:rows]), row_upper=readonly(locked.row_upper[:rows]))
    if terms.price is None:
        low, high = (low, high) if terms.sign > 0 else (-high, -low)
        lower, upper = face.lower.copy(), face.upper.copy()
        lower[terms.cells] = np.maximum(lower[terms.cells], low)
        upper[terms.cells] = np.minimum(upper[terms.cells], high)
        return replace(face, lower=readonly(lower), upper=readonly(np.maximum(lower, upper)))
    prices = locked.lower[kept - terms.prices : kept], locked.upper[kept - terms.prices : kept]
    return extended(face, prices, _priced(terms, len(before.cost)), low, high)


def _priced(terms: _Terms, old: int, factors: tuple[float, ...] = ()) -> Rows:
    """Rows ``sign p - P q`` over old columns and prices; for each factor, times it and with slacks added."""
    k = np.arange(len(terms.cells))
    ones = np.ones(len(k))
    blocks = []
    for factor in factors or (1.0,):
        entries = [(terms.cells, factor * terms.sign * ones)]
        if terms.price is not None and terms.units is not None:
            entries.append((old + terms.price, -factor * terms.units))
        if factors:
            entries.append((old + terms.prices + k, ones))
        blocks.append([np.stack(part, axis=1).ravel() for part in zip(*entries, strict=True)])
    column, value = (np.concatenate(part) for part in zip(*blocks, strict=True))
    return Rows(value, column, len(entries) * np.arange(len(k) * len(blocks) + 1))


def _minimised(program: LinearProgram, weight: FloatArray, terms: _Terms) -> tuple[LinearProgram, _Terms]:
    """Minimise the weighted sum of the slacks."""
    old, k = len(program.cost), len(terms.cells)
    matrix = _priced(terms, old, (-1.0, 1.0) if terms.both else (-1.0,))
    lower = np.concatenate([-terms.side, terms.side]) if terms.both else -terms.side
    columns = np.concatenate([np.full(terms.prices, -np.inf), np.zeros(k)]), np.full(terms.prices + k, np.inf)
    larger = extended(program, columns, matrix, lower, np.full(len(lower), np.inf))
    cost = np.zeros(old + terms.prices + k)
    cost[old + terms.prices :] = -weight
    return replace(larger, cost=readonly(cost), offset=0.0), terms


Criterion = Callable[[LinearProgram, Cells], tuple[LinearProgram, _Terms | None]]
"""From the program of a face to that of its best points, and the slacks that it has."""


def _likely(cells: Cells) -> IntArray:
    return np.flatnonzero(cells.weight > 0)


def _subsidies(program: LinearProgram, cells: Cells) -> tuple[LinearProgram, _Terms]:
    at = _likely(cells)
    return _minimised(program, cells.weight[at], _Terms(at, np.zeros(len(at)), -1.0, False, None, None))


def _losses(program: LinearProgram, cells: Cells) -> tuple[LinearProgram, _Terms]:
    at = _likely(cells)
    return _minimised(program, cells.weight[at], _Terms(at, cells.worth[at], 1.0, False, None, None))


def _one_price(program: LinearProgram, cells: Cells) -> tuple[LinearProgram, _Terms]:
    at = np.flatnonzero((cells.weight > 0) & (cells.period > 0))
    return _minimised(
        program, cells.weight[at], _Terms(at, np.zeros(len(at)), 1.0, True, cells.agent[at], cells.units[at])
    )


def _prices(program: LinearProgram, cells: Cells) -> tuple[LinearProgram, _Terms]:
    at = _likely(cells)
    price = cells.agent[at] * (int(cells.period.max()) + 1) + cells.period[at]
    return _minimised(program, cells.weight[at], _Terms(at, np.zeros(len(at)), 1.0, True, price, cells.units[at]))


def _late(program: LinearProgram, cells: Cells) -> tuple[LinearProgram, None]:
    cost = np.zeros(len(program.cost))
    cost[: cells.count] = -cells.weight * (int(cells.period.max()) + 1 - cells.period)
    return replace(program, cost=readonly(cost), offset=0.0), None


def _largest(program: LinearProgram, cells: Cells) -> tuple[LinearProgram, None]:
    old, k = len(program.cost), cells.count
    at, ones = np.arange(k), np.ones(2 * k)
    column = np.stack([np.concatenate([at, at]), np.full(2 * k, old)], axis=1)
    value = np.stack([np.concatenate([-ones[:k], ones[:k]]), ones], axis=1)
    matrix = Rows(value.ravel(), column.ravel(), 2 * np.arange(2 * k + 1))
    larger = extended(program, (np.zeros(1), np.full(1, np.inf)), matrix, np.zeros(2 * k), np.full(2 * k, np.inf))
    cost = np.zeros(old + 1)
    cost[old] = -1.0
    return replace(larger, cost=readonly(cost), offset=0.0), None


def _generic(program: LinearProgram, cells: Cells) -> tuple[LinearProgram, _Terms]:
    weight = 0.5 + np.random.default_rng(1).random(cells.count)
    return _minimised(program, weight, _Terms(np.arange(cells.count), np.zeros(cells.count), 1.0, True, None, None))


CRITERIA: dict[str, Criterion] = {
    "subsidies": _subsidies,
    "one price": _one_price,
    "losses": _losses,
    "late": _late,
    "prices": _prices,
    "largest": _largest,
    "generic": _generic,
}
