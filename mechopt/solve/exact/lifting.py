"""Exact solutions of sparse integer systems modulo powers of a prime: slower than refinement in floats, but sure.

The matrix is factorised once modulo a prime, by sparse elimination with pivots of short rows and columns. Then digits
of the solution to the base of the prime come one by one (Dixon): x = x_0 + x_1 p + ..., the residual staying an integer
of bounded size. When enough digits are there, the fraction is read off them and checked in integers. No rounding is
involved, so that entries of very different sizes do no harm.
Source: Dixon (1982).
"""

from __future__ import annotations

import time
from math import isqrt
from typing import Any

import numpy as np

from mechopt.core.errors import MechoptError
from mechopt.core.numbers import Array, object_array

PRIMES = (2**61 - 1, 2**89 - 1, 2**107 - 1)
FIRST_DIGITS = 4
MOST_BITS = 2**17
"""Of a solution, where it is given up."""


class ExactLimitError(MechoptError):
    """Exact arithmetic met a limit: so many pivots, or so many digits."""


class SingularError(ExactLimitError):
    """A basis matrix is singular, or too near to it for floats."""


def require_time(deadline: float) -> None:
    """Stop where the time is up.

    Raises
    ------
    TimeoutError
        If ``deadline``, of ``time.monotonic()``, has passed.
    """
    if time.monotonic() > deadline:
        raise TimeoutError("the time for the exact optimum is up")


class Lifted:
    """A square integer matrix, factorised modulo a prime.

    Parameters
    ----------
    start, index, value : arrays
        Row r has the columns ``index[start[r]:start[r+1]]``.
    deadline : float
        Of ``time.monotonic()``, looked at before each pivot, and in `solve` before each digit and each fraction.

    Raises
    ------
    SingularError
        If the matrix is singular modulo all primes that are tried.
    TimeoutError
        If the deadline has passed.
    """

    def __init__(self, start: Array, index: Array, value: Array, deadline: float = float("inf")) -> None:
        self.deadline = deadline
        self.size = len(start) - 1
        self.rows = [
            {
                int(c): int(v)
                for c, v in zip(index[start[r] : start[r + 1]], value[start[r] : start[r + 1]], strict=True)
                if v
            }
            for r in range(self.size)
        ]
        self.columns: list[dict[int, int]] = [{} for _ in range(self.size)]
        for r, row in enumerate(self.rows):
            for c, v in row.items():
                self.columns[c][r] = v
        for prime in PRIMES:
            if self._factorise(prime):
                return
        raise SingularError("the basis matrix is singular")

    def _factorise(self, prime: int) -> bool:
        """Eliminate; False where the matrix is singular modulo the prime."""
        self.prime = prime
        left = [{c: v % prime for c, v in row.items() if v % prime} for row in self.rows]
        at: list[set[int]] = [set() for _ in range(self.size)]
        for r, row in enumerate(left):
            for c in row:
                at[c].add(r)
        by_length: list[set[int]] = []
        where = [0] * self.size

        def placed(r: int) -> None:
            length = len(left[r])
            while len(by_length) <= length:
                by_length.append(set())
            by_length[where[r]].discard(r)
            where[r] = length
            by_length[length].add(r)

        for r in range(self.size):
            placed(r)
        self.steps: list[tuple[int, int, int, list[tuple[int, int]], dict[int, int]]] = []
        for _ in range(self.size):
            require_time(self.deadline)
            length = next((k for k in range(1, len(by_length)) if by_length[k]), None)
            if length is None or by_length[0]:
                return False
            r = min(by_length[length])
            pivot_row = left[r]
            c = min(pivot_row, key=lambda column: (len(at[column]), column))
            inverse = pow(pivot_row[c], -1, prime)
            factors = []
            for other in sorted(at[c]):
                if other == r:
                    continue
                row = left[other]
                factor = row.pop(c) * inverse % prime
                factors.append((other, factor))
                for column, v in pivot_row.items():
                    if column == c:
                        continue
                    changed = (row.get(column, 0) - factor * v) % prime
                    if changed:
                        row[column] = changed
                        at[column].add(other)
                    elif column in row:
                        del row[column]
                        at[column].discard(other)
                placed(other)
            for column in pivot_row:
                at[column].discard(r)
            by_length[where[r]].discard(r)
            rest = {column: v for column, v in pivot_row.items() if column != c}
            self.steps.append((r, c, inverse, factors, rest))
        return True

    def _modular(self, right: list[int]) -> list[int]:
        """The solution of M x = right modulo the prime."""
        p, held, x = self.prime, list(right), [0] * self.size
        for r, _, _, factors, _ in self.steps:
            if held[r]:
                for other, factor in factors:
                    held[other] = (held[other] - factor * held[r]) % p
        for r, c, inverse, _, rest in reversed(self.steps):
            x[c] = (held[r] - sum(v * x[column] for column, v in rest.items())) * inverse % p
        return x

    def _modular_transposed(self, right: list[int]) -> list[int]:
        """The solution of M^T x = right modulo the prime."""
        p, held, x = self.prime, list(right), [0] * self.size
        for r, c, inverse, _, rest in self.steps:
            x[r] = held[c] * inverse % p
            if x[r]:
                for column, v in rest.items():
                    held[column] = (held[column] - v * x[r]) % p
        for r, _, _, factors, _ in reversed(self.steps):
            x[r] = (x[r] - sum(factor * x[other] for other, factor in factors)) % p
        return x

    def solve(self, right: Array, transposed: bool = False) -> tuple[Array, int]:
        """Numerators and the common denominator of the solution of M x = right, or of M^T x = right.

        Raises
        ------
        ExactLimitError
            If the solution has more than `MOST_BITS` bits.
        """
        if not np.any(right):
            return object_array([0] * self.size), 1
        matrix = self.columns if transposed else self.rows
        step = self._modular_transposed if transposed else self._modular
        p, residual = self.prime, [int(v) for v in right]
        x, power, digits, wanted = [0] * self.size, 1, 0, FIRST_DIGITS
        while power.bit_length() <= MOST_BITS:
            while digits < wanted:
                require_time(self.deadline)
                digit = step([v % p for v in residual])
                residual = [
                    (v - sum(entry * digit[c] for c, entry in row.items())) // p
                    for v, row in zip(residual, matrix, strict=True)
                ]
                x = [before + power * new for before, new in zip(x, digit, strict=True)]
                power *= p
                digits += 1
            found = _fractions(x, power, self.deadline)
            if found is not None:
                numerators, denominator = found
                if all(
                    sum(entry * numerators[c] for c, entry in row.items()) == int(v) * denominator
                    for row, v in zip(matrix, right, strict=True)
                ):
                    return object_array(numerators), denominator
            wanted = 2 * digits
        raise ExactLimitError(f"an exact solution with more than {MOST_BITS // 2:,} bits is not looked for")


def _fractions(x: list[int], modulus: int, deadline: float) -> tuple[list[int], int] | None:
    """Small numerators over one denominator with numerators = denominator * x modulo the modulus, or None."""
    limit = isqrt(modulus // 2)
    denominator, numerators = 1, list[int]()
    for entry in x:
        require_time(deadline)
        scaled: int = entry * denominator % modulus
        if min(scaled, modulus - scaled) > limit:
            further = _denominator(scaled, modulus, limit)
            if further is None or denominator * further > limit:
                return None
            denominator *= further
    for entry in x:
        scaled = entry * denominator % modulus
        numerators.append(scaled - modulus if scaled > modulus // 2 else scaled)
    return numerators, denominator


def _denominator(residue: int, modulus: int, limit: int) -> int | None:
    """Denominator of the fraction that a residue stands for (Wang's half of Euclid's algorithm)."""
    before: Any
    before, now = (modulus, 0), (residue, 1)
    while now[0] > limit:
        times = before[0] // now[0]
        before, now = now, (before[0] - times * now[0], before[1] - times * now[1])
    return abs(now[1]) if 0 < abs(now[1]) <= limit else None
