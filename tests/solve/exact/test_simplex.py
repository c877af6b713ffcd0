"""The exact twin of a program, bases that are not optimal, and exact linear systems."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mechopt as mo
from mechopt.solve import highs
from mechopt.solve.exact.certify import certify
from mechopt.solve.exact.independent import exact_program
from mechopt.solve.exact.rational import Factored, IntegerMatrix, SingularError
from mechopt.solve.exact.simplex import InfeasibleError, optimise
from tests.instances import environments, incentives, participations
from tests.proofs import FORMS, coin, generic


@settings(max_examples=60, deadline=None)
@given(environments(max_buyers=2, max_periods=2), incentives, participations, st.sampled_from(FORMS))
def test_exact_rows_round_to_the_rows_of_the_program(env, ic, ir, form):
    try:
        chosen = mo.formats.plan(env, ic, ir, mo.Revenue() + 0.3 * mo.Utility(), form=form)
    except mo.InputError:
        return
    program, _ = mo.formats.compile_program(chosen)
    exact = exact_program(chosen, program, chosen.unit)
    assert np.array_equal(exact.start, program.start)
    assert np.array_equal(exact.index, program.index)
    factor = np.repeat(exact.factor, np.diff(exact.start))
    rounded = [float(Fraction(int(v), int(f))) for v, f in zip(exact.value, factor, strict=True)]
    np.testing.assert_allclose(program.value, rounded, rtol=1e-14)
    cost = [float(Fraction(int(c), exact.denominator)) for c in exact.cost]
    np.testing.assert_allclose(program.cost, cost, rtol=1e-13, atol=1e-15)
    assert program.offset == pytest.approx(float(exact.offset), rel=1e-13)


def truth(env):
    chosen = mo.formats.plan(env)
    program, _ = mo.formats.compile_program(chosen)
    _, columns, rows = highs.basis(program)
    return program, exact_program(chosen, program), np.concatenate([columns, rows]).astype(int)


@pytest.mark.parametrize("env", [generic(3, 3), coin(5)], ids=["three-types", "two-types"])
def test_perturbed_bases_end_in_the_same_fraction(env):
    program, exact, basis = truth(env)
    columns = program.size[1]
    expected = certify(env).value
    generator, pivots = np.random.default_rng(1), []
    for swaps in range(1, 21):
        moved = basis.copy()
        leaving = generator.choice(np.flatnonzero(basis == 1), swaps, replace=False)
        entering = generator.choice(np.flatnonzero(basis != 1), swaps, replace=False)
        moved[entering], moved[leaving] = 1, generator.choice([0, 2], swaps)
        best = optimise(exact, moved[:columns], moved[columns:])
        assert best.value == expected
        pivots.append(best.pivots)
    assert 0 < max(pivots) < 60  # the slacks are about 100 pivots away


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9])
def test_truncated_solves_end_in_the_same_fraction(share):
    env = generic(3, 3)
    program, exact, _ = truth(env)
    counts = []
    for limit in (None, share):
        solver = mo.formats.to_highs(program, presolve=False)
        solver.setOptionValue("solver", "simplex")
        if limit is not None:
            solver.setOptionValue("simplex_iteration_limit", int(limit * counts[0]))
        solver.run()
        counts.append(solver.getInfo().simplex_iteration_count)
    basis = solver.getBasis()
    found = optimise(exact, np.array([int(s) for s in basis.col_status]), np.array([int(s) for s in basis.row_status]))
    assert found.value == certify(env).value


def test_from_no_basis_at_all():
    program, exact, _ = truth(coin(4))
    rows, columns, _ = program.size
    best = optimise(exact, np.zeros(columns, int), np.zeros(rows, int))
    assert best.value == Fraction(153, 32)
    assert best.pivots > 0


@pytest.mark.parametrize("start", ["slacks", "solver"])
def test_multipliers_prove_that_nothing_is_feasible(start):
    """One coin: x(low) = 1 demands S(high) - S(low) >= 1, but S(high) <= 0 <= S(low) is imposed."""
    program, exact, basis = truth(coin(1))
    rows, columns, _ = program.size
    words = [program.describe_column(c) for c in range(columns)]
    high = words.index("lifetime utility of buyer 0 after 2")
    low_sold = words.index("allocation of buyer 0 at the start, reports 1")
    upper, lower = exact.upper.copy(), exact.lower.copy()
    upper[high], lower[low_sold] = 0.0, 1.0
    basis = basis if start == "solver" else np.concatenate([np.zeros(columns, int), np.ones(rows, int)])
    with pytest.raises(InfeasibleError) as failure:
        optimise(replace(exact, upper=upper, lower=lower), basis[:columns], basis[columns:])
    u = [int(n) for n in failure.value.multipliers.numerators]
    largest, combination = 0, [0] * columns
    for r in range(rows):
        side = exact.row_upper[r] if u[r] > 0 else exact.row_lower[r]
        largest += u[r] * int(exact.factor[r]) * int(side) if u[r] else 0  # int() refuses an infinite side
        for entry in range(exact.start[r], exact.start[r + 1]):
            combination[exact.index[entry]] -= u[r] * int(exact.value[entry])
    for weight, below, above in zip(combination, lower, upper, strict=True):
        largest += weight * int(above if weight > 0 else below) if weight else 0
    assert largest < 0


# --- linear systems ---


def matrix(rows):
    entries = [(r, c, v) for r, row in enumerate(rows) for c, v in enumerate(row) if v]
    r, c, v = zip(*entries, strict=True)
    values = np.array(v, dtype=object)
    values = values.astype(np.int64) if max(abs(x) for x in v) < 2**62 else values
    return IntegerMatrix.of_entries(np.array(r), np.array(c), values, (len(rows), len(rows[0])))


SYSTEMS = {
    "identity": ([[1, 0], [0, 1]], [3, -4], [Fraction(3), Fraction(-4)]),
    "thirds": ([[3, 0], [1, 2]], [1, 0], [Fraction(1, 3), Fraction(-1, 6)]),
    # Cramer: the determinant is 10^4 (10^4 + 1) - (10^4 - 1)(10^4 + 2) = 2, those of the two columns 2 and -2
    "nearly-singular": (
        [[10**4, 10**4 - 1], [10**4 + 2, 10**4 + 1]],
        [1, 1],
        [Fraction(1), Fraction(-1)],
    ),
    "beyond-int64": ([[10**30, 1], [0, 7]], [10**30, 14], [1 - Fraction(2, 10**30), Fraction(2)]),
    "large-right-side": ([[2, 1], [1, 3]], [5 * 10**40, 0], [3 * Fraction(10**40), -Fraction(10**40)]),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_systems_are_solved_exactly(name):
    rows, right, expected = SYSTEMS[name]
    numerators, denominator = Factored(matrix(rows)).solve(np.array(right, dtype=object))
    assert [Fraction(n, denominator) for n in numerators] == expected
    turned = Factored(matrix([list(row) for row in zip(*rows, strict=True)]))
    numerators, denominator = turned.solve(np.array(right, dtype=object), transposed=True)
    assert [Fraction(n, denominator) for n in numerators] == expected


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(-50, 50), min_size=5, max_size=5), min_size=5, max_size=5))
def test_random_systems_are_solved_or_refused(rows):
    singular = round(np.linalg.det(np.array(rows, float))) == 0
    right = np.array([1, -2, 3, 0, 7], dtype=object)
    try:
        numerators, denominator = Factored(matrix(rows) if np.any(rows) else matrix([[1, 1], [1, 1]])).solve(right)
    except (SingularError, ValueError):
        assert singular
        return
    assert [sum(a * n for a, n in zip(row, numerators, strict=True)) for row in rows] == list(right * denominator)


def test_a_singular_matrix_is_refused():
    with pytest.raises(SingularError):
        Factored(matrix([[1, 1], [1, 1]])).solve(np.array([1, 2], dtype=object))
