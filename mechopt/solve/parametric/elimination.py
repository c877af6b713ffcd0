"""Sparse linear systems over the rational functions of one parameter, by elimination with integer polynomials.

Markowitz's choice of pivots; each row is divided by the gcd of its entries after every step, so that degrees and
numbers stay those of the minors that matter. The back substitution has reduced fractions.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from typing import Any

from mechopt.core.errors import MechoptError

Poly = Any
"""``flint.fmpz_poly``."""
Ratio = tuple[Poly, Poly]
"""Numerator and denominator in lowest terms."""
RIGHT = -1


class SingularSystemError(MechoptError):
    """The matrix is singular for every value of the parameter."""


def reduced(numerator: Poly, denominator: Poly) -> Ratio:
    """A quotient in lowest terms, the leading coefficient of the denominator positive."""
    if not numerator:
        return numerator, denominator.__class__([1])
    common = numerator.gcd(denominator)
    if common != 1:
        numerator, denominator = numerator // common, denominator // common
    if denominator[denominator.degree()] < 0:
        numerator, denominator = -numerator, -denominator
    return numerator, denominator


def plus(a: Ratio, b: Ratio) -> Ratio:
    """Sum of two quotients, in lowest terms up to a sign."""
    if a[1] == b[1]:
        return reduced(a[0] + b[0], a[1])
    common = a[1].gcd(b[1])
    left, right = a[1] // common, b[1] // common
    return reduced(a[0] * right + b[0] * left, left * b[1])


def solve(rows: Sequence[dict[int, Poly]], right: Sequence[Poly]) -> list[Ratio]:
    """Solve a square system.

    Parameters
    ----------
    rows : sequence of dict
        Column to polynomial, by row.
    right : sequence of polynomials

    Returns
    -------
    list of pairs
        By column.

    Raises
    ------
    SingularSystemError
        If there is no unique solution.
    """
    active = {r: dict(row) for r, row in enumerate(rows)}
    where: list[set[int]] = [set() for _ in rows]
    for r, row in active.items():
        for c in row:
            where[c].add(r)
        if right[r]:
            row[RIGHT] = right[r]
    waiting = [(_size(row), r) for r, row in active.items()]
    heapify(waiting)
    order = []
    while active:
        r, c = _pivot(active, where, waiting)
        row = active.pop(r)
        for other in row:
            if other != RIGHT:
                where[other].discard(r)
        pivot = row[c]
        for number in list(where[c]):
            _subtract(active[number], number, row, pivot, c, where)
            heappush(waiting, (_size(active[number]), number))
        where[c] = set()
        order.append((c, row))
    zero = (rows[0][next(iter(rows[0]))] * 0, None) if rows else None
    solution: list[Any] = [zero] * len(rows)
    for c, row in reversed(order):
        pivot, total = row[c], None
        for other, entry in row.items():
            if other in (c, RIGHT) or not solution[other][0]:
                continue
            term = reduced(-entry * solution[other][0], solution[other][1])
            total = term if total is None else plus(total, term)
        if RIGHT in row:
            one = pivot.__class__([1])
            total = (row[RIGHT], one) if total is None else plus(total, (row[RIGHT], one))
        solution[c] = (pivot * 0, pivot.__class__([1])) if total is None else reduced(total[0], total[1] * pivot)
    return solution


def _size(row: dict[int, Poly]) -> int:
    return len(row) - (RIGHT in row)


def _pivot(
    active: dict[int, dict[int, Poly]], where: list[set[int]], waiting: list[tuple[int, int]]
) -> tuple[int, int]:
    """A shortest row, and of its columns one that few other rows have, its entry of low degree."""
    while True:
        size, r = heappop(waiting)
        row = active.get(r)
        if row is not None and _size(row) == size:
            break
    if size == 0:
        raise SingularSystemError("the basis matrix is singular for every value of the parameter")
    return r, min((len(where[c]), entry.degree(), c) for c, entry in row.items() if c != RIGHT)[2]


def _subtract(
    row: dict[int, Poly], number: int, pivot_row: dict[int, Poly], pivot: Poly, column: int, where: list[set[int]]
) -> None:
    """Clear one entry of a row with the pivot's row, and divide the row by the gcd of what is left."""
    entry = row.pop(column)
    common = pivot.gcd(entry)
    times, factor = pivot // common, entry // common
    if times != 1:
        for c in row:
            row[c] *= times
    for c, value in pivot_row.items():
        if c == column:
            continue
        old = row.get(c)
        new = -factor * value if old is None else old - factor * value
        if new:
            row[c] = new
            if old is None and c != RIGHT:
                where[c].add(number)
        elif old is not None:
            del row[c]
            if c != RIGHT:
                where[c].discard(number)
    content = None
    for value in row.values():
        content = value if content is None else content.gcd(value)
        if content == 1:
            return
    if content is not None and content != -1:
        for c in row:
            row[c] //= content
