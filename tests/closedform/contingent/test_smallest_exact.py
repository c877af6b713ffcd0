"""Exact smallest transfers of the theorems: against a solver, against duality in plain loops, and in environments."""

from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import linprog

from mechopt import modelfile
from mechopt.closedform.contingent.program.smallest_exact import proves, smallest_exactly
from mechopt.closedform.contingent.transfers import contingent_transfers
from mechopt.verification.contingent.check import check_contingent


def drawn(rng, rows, count):
    """Rational distributions with zeros and ties, some copied, and targets."""
    columns = []
    for _ in range(count):
        weights = rng.integers(0, 4, size=rows)
        weights[rng.integers(rows)] += 1
        columns.append([Fraction(int(w), int(weights.sum())) for w in weights])
    if count > 1 and rng.random() < 0.3:
        columns[-1] = columns[0]
    return columns, [Fraction(int(n), 6) for n in rng.integers(-6, 7, size=count)]


def by_solver(columns, target, own):
    """Least largest entry in floats, None where the solver finds nothing."""
    distribution, wanted = np.array(columns, dtype=float), np.array(target, dtype=float)
    count, rows = distribution.shape
    equal = np.ones(count, bool) if own is None else np.arange(count) == own
    beside = np.hstack([distribution, np.zeros((count, 1))])
    band = np.vstack([np.hstack([sign * np.eye(rows), -np.ones((rows, 1))]) for sign in (1, -1)])
    found = linprog(
        [0] * rows + [1],
        A_ub=np.vstack([-beside[~equal], band]),
        b_ub=np.append(-wanted[~equal], np.zeros(2 * rows)),
        A_eq=beside[equal],
        b_eq=wanted[equal],
        bounds=[(None, None)] * rows + [(0, None)],
    )
    return found.fun if found.status == 0 else None


@pytest.mark.parametrize("seed", range(4))
def test_the_smallest_of_a_solver_proved_by_duality(seed):
    rng, none = np.random.default_rng(seed), 0
    for _ in range(40):
        count = int(rng.integers(1, 5))
        columns, target = drawn(rng, int(rng.integers(1, 5)), count)
        own = None if rng.random() < 0.4 else int(rng.integers(count))
        found, floats = smallest_exactly(columns, target, own), by_solver(columns, target, own)
        if found is None:
            none += 1
            assert floats is None
            continue
        assert float(found.size) == pytest.approx(floats, abs=1e-9)
        p, s, y = found
        assert max(map(abs, p)) == s == sum(a * b for a, b in zip(y, target, strict=True))
        assert sum(abs(sum(y[k] * columns[k][n] for k in range(count))) for n in range(len(p))) <= 1
        for k, column in enumerate(columns):
            over = sum(a * b for a, b in zip(p, column, strict=True)) - target[k]
            assert over == 0 if own in (None, k) else (over >= 0 and y[k] >= 0)
        assert proves(found, columns, target, own)
        assert not proves(found._replace(size=s + 1), columns, target, own)
        assert not proves(found._replace(transfer=[entry + Fraction(1, 10**9) for entry in p]), columns, target, own)
    assert none


def largest(found):
    return max(abs(p) for row in found.exact.payments for part in row for p in part.ravel())


MODELS = [("square-columns", "convex"), ("crossed-signals", "convex"), ("crossed-signals", "spanning")]


@pytest.mark.parametrize(("name", "method"), MODELS)
def test_smallest_transfers_of_a_theorem(name, method):
    env = modelfile.load(f"liu-2025/{name}")
    floats, found = (contingent_transfers(env, method, smallest=True, exact=exact) for exact in (False, True))
    closed = contingent_transfers(env, method, exact=True)
    assert found.max_abs == pytest.approx(floats.max_abs, rel=1e-9)
    assert largest(found) <= largest(closed)
    assert found.exact.values[0][0].tolist() == closed.exact.values[0][0].tolist()  # W, condition (i)
    assert found.theorem == closed.theorem and check_contingent(found).holds
    for t, row in enumerate(found.payments):
        for i, paid in enumerate(row):
            assert isinstance(found.exact.payments[t][i].ravel()[0], Fraction)
            np.testing.assert_array_equal(found.exact.payments[t][i].astype(float), paid)
            lead = env.agents + (method == "convex")  # action, others; and the report, where payments depend on it
            sizes = [
                np.abs(part.reshape(*part.shape[:lead], -1)).max(axis=-1) for part in (paid, floats.payments[t][i])
            ]
            np.testing.assert_allclose(*sizes, atol=1e-9)  # place by place
