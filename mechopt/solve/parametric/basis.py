"""One basis over the rational functions: its primal and dual, and where on the line both are feasible.

Only A[tight rows, basic columns] is solved with. An entry that vanishes identically never matters; one that vanishes at
the point, but not identically, makes the point special: the basis may be optimal there and nowhere beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from mechopt.core.numbers import Array
from mechopt.solve.exact.simplex import BASIC, FREE, LOWER, UPPER
from mechopt.solve.parametric.elimination import Poly, Ratio, plus, reduced, solve
from mechopt.solve.parametric.program import ParametricProgram, require_flint


class Rows:
    """The rows of a parametric program in integer polynomials, each times ``scale[r]``, which is positive inside."""

    def __init__(self, program: ParametricProgram, point: Fraction) -> None:
        self.program, poly = program, require_flint().fmpz_poly
        self.one, self.zero = poly([1]), poly([])
        numerators = [poly(list(function.numerator)) for function in program.functions]
        denominators = [poly(list(function.denominator)) for function in program.functions]
        self.cost: list[Ratio] = [(numerators[k], denominators[k]) for k in program.cost.tolist()]
        self.offset: Ratio = poly(list(program.offset.numerator)), poly(list(program.offset.denominator))
        self.rows: list[dict[int, Poly]] = []
        self.scale: list[Poly] = []
        for a, b in zip(program.start[:-1].tolist(), program.start[1:].tolist(), strict=True):
            numbers, columns = program.value[a:b].tolist(), program.index[a:b].tolist()
            scale = self.one
            for k in set(numbers):
                if denominators[k] != 1:
                    scale = scale * (denominators[k] // scale.gcd(denominators[k]))
            if sign_at(scale, point) < 0:
                scale = -scale
            entries = {c: numerators[k] * (scale // denominators[k]) for c, k in zip(columns, numbers, strict=True)}
            self.rows.append({c: entry for c, entry in entries.items() if entry})
            self.scale.append(scale)


def sign_at(polynomial: Poly, point: Fraction) -> int:
    """Sign of a polynomial at a rational."""
    n, d, total, scale = point.numerator, point.denominator, 0, 1
    for x in reversed(polynomial.coeffs()):
        total = total * n + int(x) * scale
        scale *= d
    return (total > 0) - (total < 0)


def _side(value: float) -> int | None:
    return int(value) if np.isfinite(value) else None


@dataclass(frozen=True, eq=False)
class ParametricBasis:
    """A basis, solved.

    Attributes
    ----------
    rows : Rows
    status : int array
        Of columns and, after them, of rows; see `exact_simplex`.
    """

    rows: Rows
    status: Array

    @cached_property
    def basic(self) -> list[int]:
        """Basic columns."""
        return np.flatnonzero(self.status[: self.rows.program.columns] == BASIC).tolist()

    @cached_property
    def tight(self) -> list[int]:
        """Rows that are not basic."""
        return np.flatnonzero(self.status[self.rows.program.columns :] != BASIC).tolist()

    @cached_property
    def _bounds(self) -> tuple[list[Any], list[Any]]:
        program = self.rows.program
        lower = [_side(v) for v in (*program.lower, *program.row_lower)]
        return lower, [_side(v) for v in (*program.upper, *program.row_upper)]

    def _rests_at(self, variable: int) -> int:
        """Where a variable outside the basis lies."""
        lower, upper = self._bounds
        chosen = {LOWER: lower, UPPER: upper}.get(int(self.status[variable]))
        return 0 if chosen is None else chosen[variable] or 0

    @cached_property
    def primal(self) -> list[Ratio]:
        """By column."""
        rows, columns = self.rows, self.rows.program.columns
        resting = {j: self._rests_at(j) for j in range(columns) if self.status[j] != BASIC}
        place = {c: k for k, c in enumerate(self.basic)}
        system, right = [], []
        for r in self.tight:
            side = rows.scale[r] * self._rests_at(columns + r)
            entries = {}
            for c, entry in rows.rows[r].items():
                if c in place:
                    entries[place[c]] = entry
                elif resting[c]:
                    side -= entry * resting[c]
            system.append(entries)
            right.append(side)
        solved = solve(system, right) if system else []
        constants: dict[int, Ratio] = {n: (self.rows.one * n, self.rows.one) for n in set(resting.values())}
        return [solved[place[j]] if j in place else constants[resting[j]] for j in range(columns)]

    @cached_property
    def dual(self) -> dict[int, Ratio]:
        """Multiplier of each tight row of the program (not scaled), where it is not zero."""
        rows = self.rows
        place = {r: k for k, r in enumerate(self.tight)}
        scales = {c: rows.cost[c][1] for c in self.basic}
        system: dict[int, dict[int, Poly]] = {c: {} for c in self.basic}
        for r in self.tight:
            for c, entry in rows.rows[r].items():
                if c in system:
                    system[c][place[r]] = entry * scales[c]
        solved = solve(list(system.values()), [rows.cost[c][0] for c in self.basic]) if system else []
        return {r: reduced(y[0] * rows.scale[r], y[1]) for r, y in zip(self.tight, solved, strict=True) if y[0]}

    @cached_property
    def value(self) -> Ratio:
        """The objective."""
        total = self.rows.offset
        for (n, d), (x, below) in zip(self.rows.cost, self.primal, strict=True):
            if n and x:
                total = plus(total, reduced(n * x, d * below))
        return total

    def conditions(self) -> Iterator[tuple[Ratio, int]]:
        """Conditions: an entry and the sign that it may not have the opposite of (0: it is zero)."""
        yield from self._primal_conditions()
        yield from self._dual_conditions()

    @cached_property
    def distinct_conditions(self) -> list[tuple[Ratio, int]]:
        """The conditions without repetitions."""
        found = {(tuple(n.coeffs()), tuple(d.coeffs()), sign): ((n, d), sign) for (n, d), sign in self.conditions()}
        return list(found.values())

    @cached_property
    def denominators(self) -> list[Poly]:
        """Where they vanish there are poles, of free columns and multipliers of equations too."""
        parts = [*self.primal, *self.dual.values(), *(ratio for ratio, _ in self.distinct_conditions)]
        return list({tuple(d.coeffs()): d for _, d in parts}.values())

    def _primal_conditions(self) -> Iterator[tuple[Ratio, int]]:
        rows, (lower, upper), columns = self.rows, self._bounds, self.rows.program.columns
        for j in self.basic:
            yield from _within(self.primal[j], lower[j], upper[j], rows.one)
        for r in np.flatnonzero(self.status[columns:] == BASIC).tolist():
            total: Ratio = rows.zero, rows.one
            for c, entry in rows.rows[r].items():
                x, below = self.primal[c]
                if x:
                    total = plus(total, (entry * x, below))
            yield from _within(total, lower[columns + r], upper[columns + r], rows.scale[r])

    def _dual_conditions(self) -> Iterator[tuple[Ratio, int]]:
        rows, (lower, upper), columns = self.rows, self._bounds, self.rows.program.columns
        status = self.status

        def wanted(variable: int) -> int | None:
            if lower[variable] is not None and lower[variable] == upper[variable]:
                return None
            return {LOWER: -1, UPPER: 1, FREE: 0}[int(status[variable])]

        pulled: dict[int, list[Ratio]] = {}
        for r, (y, below) in self.dual.items():
            sign = wanted(columns + r)
            if sign is not None:
                yield (y, below), sign
            for c, entry in rows.rows[r].items():
                if status[c] != BASIC:
                    pulled.setdefault(c, []).append((-entry * y, below * rows.scale[r]))
        for c in np.flatnonzero(status[:columns] != BASIC).tolist():
            sign = wanted(c)
            if sign is not None:
                yield _sum([rows.cost[c], *pulled.get(c, ())], rows.zero, rows.one), sign


def _sum(terms: Iterable[Ratio], zero: Poly, one: Poly) -> Ratio:
    total: Ratio = zero, one
    for n, d in terms:
        if n:
            total = plus(total, reduced(n, d))
    return total


def _within(value: Ratio, lower: int | None, upper: int | None, scale: Poly) -> Iterator[tuple[Ratio, int]]:
    """Lower <= value / scale <= upper, the scale being positive."""
    n, d = value
    if lower is not None:
        yield (reduced(n - scale * d * lower, d) if lower else (n, d)), 1
    if upper is not None:
        yield (reduced(n - scale * d * upper, d) if upper else (n, d)), -1
