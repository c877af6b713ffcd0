"""Exact solutions of sparse linear systems with integer coefficients.

One floating-point LU factorisation; then residual refinement in integers: M X + r = 2^B f holds exactly at every step,
with X integer and B growing by about 40 bits a step, until every X / 2^B is within reach of a fraction with one common
denominator. M num = den f is then checked in integers: that check is the proof, whatever the floats did.
Source: Wan (2006); Gleixner, Steffy and Wolter (2016).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import frexp
from typing import Any

import numpy as np

from mechopt.core.errors import MechoptError
from mechopt.core.numbers import Array, FloatArray, IntArray

STEP_BITS = 40
FIRST_BITS, LAST_BITS = 96, 2**15


class SingularError(MechoptError):
    """A basis matrix is singular, or too near to it for floats."""


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


class Factored:
    """A square integer matrix with its LU factors, for systems with it and with its transpose.

    Parameters
    ----------
    matrix : IntegerMatrix

    Raises
    ------
    SingularError
        If the factorisation finds no pivot.
    """

    def __init__(self, matrix: IntegerMatrix) -> None:
        from scipy.sparse import csc_array
        from scipy.sparse.linalg import splu

        self.matrix, size = matrix, matrix.columns
        self.scale: FloatArray = np.ones(size)
        if size == 0:
            return
        if not np.all(np.diff(matrix.start)):
            raise SingularError("a row of the basis matrix is empty")
        sizes = np.maximum.reduceat(np.abs(matrix.value), matrix.start[:-1])
        self.scale = np.array([2.0 ** -frexp(float(s))[1] for s in sizes.tolist()])
        floats = matrix.value.astype(np.float64) * self.scale[matrix.rows]
        try:
            self.lu: Any = splu(csc_array((floats, (matrix.rows, matrix.index)), shape=(size, size)))
        except RuntimeError as error:
            raise SingularError(f"basis matrix: {error}") from None

    def solve(self, right: Array, transposed: bool = False) -> tuple[Array, int]:
        """Numerators and the common denominator of the solution of M x = right, or of M^T x = right.

        Raises
        ------
        SingularError
            If refinement does not converge.
        """
        matrix = self.matrix.transposed if transposed else self.matrix
        if not np.any(right):
            return np.zeros(len(right), dtype=object), 1

        def approximate(r: FloatArray) -> FloatArray:
            found = self.lu.solve(r, "T") * self.scale if transposed else self.lu.solve(r * self.scale)
            if not np.isfinite(found).all():
                raise SingularError("the basis matrix is singular within rounding")
            return np.asarray(found)

        widest = 2 * float(np.max(np.add.reduceat(np.abs(matrix.value.astype(np.float64)), matrix.start[:-1])))
        refined = _Refined(np.zeros(len(right), dtype=object), right.astype(object), 0)
        bits = FIRST_BITS
        while bits <= LAST_BITS:
            while refined.bits < bits and np.any(refined.residual):
                refined = _refine(matrix, refined, approximate, widest)
            found = _reconstruct(refined.x, refined.bits)
            if found is not None:
                numerators, denominator = found
                if np.array_equal(matrix.times(numerators), right.astype(object) * denominator):
                    return numerators, denominator
            if not np.any(refined.residual):
                break
            bits *= 2
        raise SingularError("refinement did not reach an exact solution")


@dataclass(frozen=True, eq=False)
class _Refined:
    """M x + residual = 2^bits right, all in integers."""

    x: Array
    residual: Array
    bits: int


def _refine(matrix: IntegerMatrix, at: _Refined, approximate: Any, widest: float) -> _Refined:
    """One step: solve for the residual in floats, round to about 40 bits, and take the rest exactly."""
    largest = max(abs(int(n)) for n in (at.residual.max(), at.residual.min()))
    exponent = largest.bit_length()
    if exponent > 60:  # scaled in integers, as floats of this size could overflow
        scaled = (at.residual >> (exponent - 60)).astype(np.float64) * 2.0**-60
    else:
        scaled = at.residual.astype(np.float64) * 2.0**-exponent
    step = approximate(scaled)
    gain = STEP_BITS - frexp(float(np.abs(step).max()))[1]
    rounded = np.rint(step * 2.0**gain).astype(np.int64)
    shift = gain - exponent  # M (rounded 2^-shift) is about the residual
    if shift < 0:
        rounded_x = rounded.astype(object) << -shift
        return _advanced(at, at.x + rounded_x, at.residual - matrix.times(rounded_x), 0)
    small = at.residual.dtype != object and matrix.value.dtype != object and exponent + shift < 100 and widest < 2**40
    if small and shift < 63:
        with np.errstate(over="ignore"):
            left = (at.residual << shift) - matrix.wrapped(rounded)
        predicted = scaled * 2.0 ** (exponent + shift) - _float_product(matrix, rounded)
        if np.abs(predicted).max() < 2.0**60:
            return _advanced(at, (at.x << shift) + rounded, left, shift)
    residual = (at.residual.astype(object) << shift) - matrix.times(rounded)
    return _advanced(at, (at.x << shift) + rounded, residual, shift)


def _float_product(matrix: IntegerMatrix, x: IntArray) -> FloatArray:
    """Product in floats, to see whether int64 can hold a residual."""
    return np.add.reduceat(matrix.value.astype(np.float64) * x[matrix.index], matrix.start[:-1])


def _advanced(before: _Refined, x: Array, residual: Array, shift: int) -> _Refined:
    largest, earlier = (max(abs(int(r.max())), abs(int(r.min()))) for r in (residual, before.residual))
    if shift == 0 and largest >= earlier:
        raise SingularError("refinement does not converge: the basis matrix is nearly singular")
    if largest < 2**62:
        residual = residual.astype(np.int64)
    if largest.bit_length() > earlier.bit_length() + max(shift - 4, 0) and shift > 0:
        raise SingularError("refinement does not converge: the basis matrix is nearly singular")
    return _Refined(x, residual, before.bits + shift)


def _reconstruct(x: Array, bits: int) -> tuple[Array, int] | None:
    """Fractions with one denominator near x / 2^bits, or None where none is small enough to be believed."""
    denominator, tolerance, half = 1, 1 << (bits // 2), 1 << max(bits - 1, 0)
    if bits == 0:
        return x, 1
    numerators = np.zeros(len(x), dtype=object)
    waiting = np.arange(len(x))
    while len(waiting):
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
