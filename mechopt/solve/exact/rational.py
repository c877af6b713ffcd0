"""Exact solutions of sparse linear systems with integer coefficients.

One floating-point LU factorisation; then residual refinement in integers: M X + r = 2^B f holds exactly at every step,
with X integer and B growing by some 40 bits a step, until every X / 2^B is within reach of a fraction with one common
denominator. M num = den f is then checked in integers: that check is the proof, whatever the floats did. Where the
matrix is too ill conditioned for floats, the same system is solved modulo powers of a prime (`lifting`).
Source: Wan (2006); Gleixner, Steffy and Wolter (2016).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import frexp, gcd
from typing import Any

import numpy as np

from mechopt.core.numbers import Array, FloatArray, IntArray, object_array
from mechopt.solve.exact.lifting import Lifted, require_time
from mechopt.solve.exact.lifting import SingularError as SingularError

STEP_BITS = 40
FIRST_BITS, LAST_BITS = 96, 2**15
PRIME = 2**61 - 1


@dataclass(frozen=True, eq=False)
class IntegerMatrix:
    """A sparse matrix of integers by rows, int64 or Python integers.

    Attributes
    ----------
    start, index, value : arrays
        Row r has the columns ``index[start[r]:start[r+1]]``.
    columns : int
    """

    start: IntArray
    index: IntArray
    value: Array
    columns: int

    @classmethod
    def of_entries(cls, rows: IntArray, columns: IntArray, value: Array, shape: tuple[int, int]) -> IntegerMatrix:
        """From entries in any order."""
        order = np.argsort(rows, kind="stable")
        start = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=shape[0]))]).astype(np.int64)
        return cls(start, columns[order], value[order], shape[1])

    @property
    def rows(self) -> IntArray:
        """Row of each entry."""
        return np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))

    @cached_property
    def transposed(self) -> IntegerMatrix:
        """The matrix by columns."""
        return self.of_entries(self.index, self.rows, self.value, (self.columns, len(self.start) - 1))

    def part(self, rows: IntArray, columns: IntArray) -> IntegerMatrix:
        """The submatrix of some rows and columns, in the order given."""
        row_at, column_at = np.full(len(self.start) - 1, -1), np.full(self.columns, -1)
        row_at[rows], column_at[columns] = np.arange(len(rows)), np.arange(len(columns))
        r, c = row_at[self.rows], column_at[self.index]
        kept = (r >= 0) & (c >= 0)
        return self.of_entries(r[kept], c[kept], self.value[kept], (len(rows), len(columns)))

    def times(self, x: Array) -> Array:
        """Product with integers, in Python integers."""
        return self._summed(self.value.astype(object) * x.astype(object)[self.index])

    def wrapped(self, x: IntArray) -> IntArray:
        """Product in int64, right modulo 2^64."""
        with np.errstate(over="ignore"):
            return self._summed(self.value * x[self.index])

    def _summed(self, products: Array) -> Array:
        result: Array = np.zeros(len(self.start) - 1, dtype=products.dtype)
        filled = np.flatnonzero(np.diff(self.start))
        if len(filled):
            result[filled] = np.add.reduceat(products, self.start[filled])
        return result


def independent(matrix: IntegerMatrix, deadline: float = float("inf")) -> tuple[IntArray, IntArray]:
    """Rows and columns of a largest regular part of a square matrix.

    Found by elimination modulo a prime, shortest rows first: what is regular modulo a prime is regular.
    """
    taken: dict[int, dict[int, int]] = {}  # pivot column -> row with 1 there
    rows = []
    for row in np.argsort(np.diff(matrix.start), kind="stable").tolist():
        require_time(deadline)
        chosen = slice(matrix.start[row], matrix.start[row + 1])
        left = {int(c): int(v) % PRIME for c, v in zip(matrix.index[chosen], matrix.value[chosen], strict=True)}
        left = {c: v for c, v in left.items() if v}
        while met := left.keys() & taken.keys():
            for column in met:
                times = left.get(column, 0)
                for c, v in taken[column].items() if times else ():
                    left[c] = (left.get(c, 0) - times * v) % PRIME
            left = {c: v for c, v in left.items() if v}
        if left:
            pivot = min(left)
            inverse = pow(left[pivot], -1, PRIME)
            taken[pivot] = {c: v * inverse % PRIME for c, v in left.items()}
            rows.append(row)
    return np.array(sorted(rows), np.int64), np.array(sorted(taken), np.int64)


class Factored:
    """A square integer matrix with its LU factors, for systems with it and with its transpose.

    Parameters
    ----------
    matrix : IntegerMatrix
    deadline : float
        Of ``time.monotonic()``, looked at in every loop; one factorisation in floats is not interrupted.

    Raises
    ------
    SingularError
        If the matrix is singular.
    TimeoutError
        If the deadline has passed.
    """

    def __init__(self, matrix: IntegerMatrix, deadline: float = float("inf")) -> None:
        require_time(deadline)
        self.matrix, self.deadline = matrix, deadline
        self.scales: tuple[FloatArray, FloatArray] = np.ones(matrix.columns), np.ones(matrix.columns)
        self.lifted: Lifted | None = None
        try:
            self._factorise()
        except SingularError:
            self._surely()

    def _surely(self) -> Lifted:
        """The factors modulo a prime, made when they are first needed."""
        if self.lifted is None:
            self.lifted = Lifted(self.matrix.start, self.matrix.index, self.matrix.value, self.deadline)
        return self.lifted

    def _factorise(self) -> None:
        """LU factors of the scaled matrix; the scales are powers of two, of rows and of columns."""
        from scipy.sparse import csc_array
        from scipy.sparse.linalg import splu

        matrix, size = self.matrix, self.matrix.columns
        if size == 0:
            return
        if not np.all(np.diff(matrix.start)) or not np.all(np.diff(matrix.transposed.start)):
            raise SingularError("a row or column of the basis matrix is empty")
        try:
            entries = matrix.value.astype(np.float64)
        except OverflowError:
            raise SingularError("entries of the basis matrix are beyond floats") from None
        by_row = np.exp2(-np.frexp(np.maximum.reduceat(np.abs(entries), matrix.start[:-1]))[1])
        entries = entries * by_row[matrix.rows]
        by_column = np.zeros(size)
        np.maximum.at(by_column, matrix.index, np.abs(entries))
        by_column = np.exp2(-np.frexp(by_column)[1])
        self.scales = by_row, by_column
        try:
            self.lu: Any = splu(csc_array((entries * by_column[matrix.index], (matrix.rows, matrix.index))))
        except RuntimeError as error:
            raise SingularError(f"basis matrix: {error}") from None

    def solve(self, right: Array, transposed: bool = False) -> tuple[Array, int]:
        """Numerators and the common denominator of the solution of M x = right, or of M^T x = right.

        Raises
        ------
        ExactLimitError
            If the solution is longer than `lifting.MOST_BITS`.
        """
        if not np.any(right):
            return np.zeros(len(right), dtype=object), 1
        try:
            if self.lifted is None:
                return self._refined(right, transposed)
        except SingularError:
            pass
        return self._surely().solve(right, transposed)

    def _refined(self, right: Array, transposed: bool) -> tuple[Array, int]:
        """The same by refinement of floats."""
        matrix = self.matrix.transposed if transposed else self.matrix
        scale, unscale = self.scales[::-1] if transposed else self.scales
        system = _System(matrix, scale, lambda r: self.lu.solve(r, "T" if transposed else "N") * unscale)
        refined = _Refined(np.zeros(len(right), dtype=object), right.astype(object), 0)
        bits = FIRST_BITS
        while bits <= LAST_BITS:
            while refined.bits < bits and np.any(refined.residual):
                require_time(self.deadline)
                refined = _refine(system, refined)
            if not np.any(refined.residual):  # M x = 2^bits right: there is nothing to guess
                common = gcd(1 << refined.bits, *(int(number) for number in refined.x))
                return refined.x // common, (1 << refined.bits) // common
            found = _reconstruct(refined.x, refined.bits, self.deadline)
            if found is not None:
                numerators, denominator = found
                if np.array_equal(matrix.times(numerators), right.astype(object) * denominator):
                    return numerators, denominator
            bits *= 2
        raise SingularError("refinement did not reach an exact solution")


@dataclass(frozen=True, eq=False)
class _System:
    """A matrix, the scale of its rows, and the approximate solution for a scaled right-hand side."""

    matrix: IntegerMatrix
    scale: FloatArray
    approximate: Callable[[FloatArray], FloatArray]

    @cached_property
    def width(self) -> float:
        """Largest sum of sizes in a scaled row: rounding the solution leaves at most half of it."""
        sizes = np.abs(self.matrix.value.astype(np.float64)) * self.scale[self.matrix.rows]
        return float(np.add.reduceat(sizes, self.matrix.start[:-1]).max())


@dataclass(frozen=True, eq=False)
class _Refined:
    """M x + residual = 2^bits right, all in integers."""

    x: Array
    residual: Array
    bits: int


def _refine(system: _System, at: _Refined) -> _Refined:
    """One step: solve for the residual in floats, round to some 40 bits, and take the rest exactly."""
    matrix = system.matrix
    floats, exponent = _as_floats(at.residual)
    scaled = floats * system.scale
    further = frexp(float(np.abs(scaled).max()))[1]
    step = system.approximate(np.ldexp(scaled, -further))
    largest = float(np.abs(step).max())
    if not np.isfinite(largest) or largest == 0:
        raise SingularError("the basis matrix is singular within rounding")
    bits = STEP_BITS + frexp(system.width)[1]
    gain = bits - frexp(largest)[1]
    rounded = np.rint(np.ldexp(step, gain))
    rounded = rounded.astype(np.int64) if bits < 63 else object_array([int(v) for v in rounded.tolist()])
    shift = gain - exponent - further  # M (rounded 2^-shift) is about the residual
    if shift < 0:
        rounded = rounded.astype(object) << -shift
        shift = 0
    residual = _wrapped_residual(matrix, at.residual, rounded, shift, floats, exponent)
    if residual is None:
        residual = (at.residual.astype(object) << shift) - matrix.times(rounded)
    left, more = _as_floats(residual)
    now, before = np.log2(np.abs(left * system.scale).max() or 1.0) + more, exponent + further + shift
    if np.any(residual) and now > max(np.log2(system.width) + 1 if shift else -np.inf, before - 4):
        raise SingularError("refinement does not converge: the basis matrix is nearly singular")
    return _Refined((at.x << shift) + rounded, residual, at.bits + shift)


def _as_floats(integers: Array) -> tuple[FloatArray, int]:
    """Floats of size up to 1 and the power of two that they are to be multiplied by."""
    exponent = max(abs(int(integers.max())), abs(int(integers.min()))).bit_length()
    if exponent > 1000:  # beyond what floats hold
        return (integers >> (exponent - 100)).astype(np.float64) * 2.0**-100, exponent
    return np.ldexp(integers.astype(np.float64), -exponent), exponent


def _wrapped_residual(
    matrix: IntegerMatrix, residual: Array, rounded: Array, shift: int, floats: FloatArray, exponent: int
) -> Array | None:
    """The new residual in int64, where it is small enough: arithmetic modulo 2^64 is then right."""
    if object in (matrix.value.dtype, rounded.dtype) or exponent > 62 or shift > 62 or exponent + shift > 100:
        return None
    product = np.add.reduceat(matrix.value.astype(np.float64) * rounded[matrix.index], matrix.start[:-1])
    if np.abs(np.ldexp(floats, exponent + shift) - product).max() > 2.0**60 or np.abs(product).max() > 2.0**100:
        return None
    with np.errstate(over="ignore"):
        return (residual.astype(np.int64) << shift) - matrix.wrapped(rounded)


def _reconstruct(x: Array, bits: int, deadline: float) -> tuple[Array, int] | None:
    """Fractions with one denominator near x / 2^bits, or None where none is small enough to be believed."""
    denominator, tolerance, half = 1, 1 << (bits // 2), 1 << max(bits - 1, 0)
    if bits == 0:
        return x, 1
    numerators = np.zeros(len(x), dtype=object)
    waiting = np.arange(len(x))
    while len(waiting):
        require_time(deadline)
        scaled = x[waiting] * denominator
        nearest = (scaled + half) >> bits
        numerators[waiting] = nearest
        off = np.abs(scaled - (nearest << bits)) > tolerance
        waiting = waiting[off]
        if not len(waiting):
            break
        further = _small_denominator(int(scaled[off][0]), bits)
        if further is None or further == 1 or denominator * further >= tolerance:
            return None
        denominator *= further
    # numerators found early had a smaller denominator: bring all to the last
    numerators = (x * denominator + half) >> bits
    if np.any(np.abs(x * denominator - (numerators << bits)) > tolerance):
        return None
    return numerators, denominator


def _small_denominator(numerator: int, bits: int) -> int | None:
    """Denominator of the first convergent of numerator / 2^bits that is within 2^(-bits/2)."""
    p, q = numerator, 1 << bits
    before, now = 1, 0  # denominators of the convergents
    top_before, top = 0, 1
    limit = 1 << (bits // 2)
    while q:
        whole_part, rest = divmod(p, q)
        top_before, top = top, whole_part * top + top_before
        before, now = now, whole_part * now + before
        if now >= limit:
            return None
        if abs(numerator * now - (top << bits)) <= limit:
            return now
        p, q = q, rest
    return None
