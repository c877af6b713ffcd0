"""Exact systems modulo powers of a prime, against elimination in fractions."""

import random
import time
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from mechopt.core.numbers import object_array
from mechopt.solve.exact import lifting
from mechopt.solve.exact.lifting import PRIMES, ExactLimitError, Lifted, SingularError
from mechopt.solve.exact.rational import Factored, IntegerMatrix


def eliminated(matrix, right):
    """The solution by Gauss-Jordan in fractions, or None where the matrix is singular."""
    size = len(right)
    rows = [[Fraction(v) for v in row] + [Fraction(b)] for row, b in zip(matrix, right, strict=True)]
    for k in range(size):
        pivot = next((r for r in range(k, size) if rows[r][k]), None)
        if pivot is None:
            return None
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [v / rows[k][k] for v in rows[k]]
        for r in range(size):
            if r != k and rows[r][k]:
                rows[r] = [a - rows[r][k] * b for a, b in zip(rows[r], rows[k], strict=True)]
    return [row[-1] for row in rows]


def sparse(matrix):
    entries = [(r, c, v) for r, row in enumerate(matrix) for c, v in enumerate(row) if v]
    row, column, value = (list(part) for part in zip(*entries, strict=True)) if entries else ([], [], [])
    return IntegerMatrix.of_entries(
        np.array(row, np.int64), np.array(column, np.int64), object_array(value), (len(matrix), len(matrix))
    )


def random_system(seed):
    chance = random.Random(seed)
    size = chance.randint(1, 7)
    large = chance.choice([1, 20, 70, 400, 1200])

    def entry():
        return chance.choice([0, 0, 1, -1, chance.randint(-9, 9), chance.randint(-(2**large), 2**large)])

    return [[entry() for _ in range(size)] for _ in range(size)], [entry() for _ in range(size)]


@pytest.mark.parametrize("transposed", [False, True], ids=["plain", "transposed"])
@pytest.mark.parametrize("solver", ["lifted", "factored"])
def test_solutions_are_those_of_elimination(solver, transposed):
    regular = 0
    for seed in range(150):
        matrix, right = random_system(seed)
        held = sparse(matrix)
        read = [list(column) for column in zip(*matrix, strict=True)] if transposed else matrix
        expected = eliminated(read, right)
        try:
            made = Lifted(held.start, held.index, held.value) if solver == "lifted" else Factored(held)
            numerators, denominator = made.solve(object_array(right), transposed)
        except SingularError:
            assert expected is None, seed
            continue
        if expected is None:  # a singular system may have a solution, and then this is one
            assert solver == "factored"
            held = held.transposed if transposed else held
            assert held.times(numerators).tolist() == [denominator * b for b in right]
            continue
        assert [Fraction(int(n), denominator) for n in numerators] == expected, seed
        regular += 1
    assert regular > 60


def test_a_multiple_of_the_first_prime_is_no_obstacle():
    held = sparse([[PRIMES[0], 1], [2 * PRIMES[0], 3]])
    numerators, denominator = Lifted(held.start, held.index, held.value).solve(object_array([1, 0]))
    assert [Fraction(n, denominator) for n in numerators] == [Fraction(3, PRIMES[0]), Fraction(-2)]


def test_solutions_beyond_the_limit_are_refused_by_name(monkeypatch):
    monkeypatch.setattr("mechopt.solve.exact.lifting.MOST_BITS", 300)
    held = sparse([[3**400]])
    with pytest.raises(ExactLimitError, match="150 bits"):
        Lifted(held.start, held.index, held.value).solve(object_array([2]))


@pytest.mark.parametrize(("solver", "looks"), [("lifted", 1), ("lifted", 13), ("refined", 1), ("refined", 3)])
def test_the_deadline_is_looked_at_within_one_system(solver, looks, monkeypatch):
    """On a clock that jumps after so many looks; each of the systems has more places to look at."""
    size = 12
    rows = [[2 if i == j else -1 if abs(i - j) == 1 else 0 for j in range(size)] for i in range(size)]
    right = object_array([3**k for k in range(size)])
    made = sparse(rows)
    left = [looks]

    def passing():
        left[0] -= 1
        return time.time() + (0.0 if left[0] >= 0 else 1e6)

    def solved(deadline):
        lifted = solver == "lifted"
        held = Lifted(made.start, made.index, made.value, deadline) if lifted else Factored(made, deadline)
        return held.solve(right)

    solved(time.time() + 1e9)
    monkeypatch.setattr(lifting, "time", SimpleNamespace(monotonic=passing))
    with pytest.raises(TimeoutError):
        solved(time.time() + 3600.0)
