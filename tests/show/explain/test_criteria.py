"""Faces of criteria: every point of a face has the least amount, by plain sums over cells; determined columns."""

from dataclasses import replace

import numpy as np
import pytest

import mechopt as mo
from mechopt.lp.build import compile_program, plan
from mechopt.lp.program import LinearProgram
from mechopt.show.explain import payments
from mechopt.show.explain.programs import criteria
from mechopt.show.explain.programs.optimal_face import best_point, determined
from tests.persistent_instances import random_markov, three_types


def amount(name, p, cells):
    """What a criterion counts, at payments by cell; for prices, at the best of them, a payment over a quantity."""
    total = {"subsidies": 0.0, "losses": 0.0, "late": 0.0, "generic": 0.0}[name]
    weights = 0.5 + np.random.default_rng(1).random(cells.count)
    for c in range(cells.count):
        paid, w = p[c], cells.weight[c]
        if name == "subsidies":
            total += w * max(0.0, -paid)
        elif name == "losses":
            total += w * max(0.0, paid - cells.worth[c])
        elif name == "late":
            total += w * (max(cells.period) + 1 - cells.period[c]) * paid
        else:
            total += weights[c] * abs(paid)
    return total


def one_price(p, cells):
    """Least sum of w |p - P q| from period 1 on: for each agent the best P is one at which some term is 0."""
    total = 0.0
    for agent in set(cells.agent.tolist()):
        at = [c for c in range(cells.count) if cells.agent[c] == agent and cells.period[c] > 0 and cells.weight[c] > 0]
        tried = [p[c] / cells.units[c] for c in at if cells.units[c] > 1e-9] or [0.0]
        total += min(sum(cells.weight[c] * abs(p[c] - price * cells.units[c]) for c in at) for price in tried)
    return total


def faces(env, ic=None, ir=None):
    """The first face of an optimum's payments, and its cells."""
    best = mo.optimum(env, ic, ir) if ic else mo.optimum(env)
    caught = []

    def record(first, cells, play):
        caught.append((first, cells))
        return kept(first, cells, play)

    kept, payments._best_order = payments._best_order, record
    try:
        best.explain()
    finally:
        payments._best_order = kept
    return caught[-1]


CASES = {
    "two-values": lambda: faces(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=4)),
    "two-buyers": lambda: faces(mo.IndependentTypes.iid([1, 2], ["1/4", "3/4"], horizon=2, agents=2)),
    "local-constraints": lambda: faces(three_types(2)),
    "two-agents": lambda: faces(random_markov(4, 2, periods=2, actions=2)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("order", payments.ORDERS[:3], ids=" ".join)
def test_every_point_of_a_face_is_as_good_as_the_best(case, order):
    face, cells = CASES[case]()
    rng = np.random.default_rng(7)
    held = []
    for name in order:
        found = criteria.best_of(name, replace(face, settled=False), cells)
        if found is None:
            continue
        face = found
        held.append((name, count(name, face.x, cells)))
        for _ in range(4):
            cost = np.zeros(len(face.program.cost))
            cost[: cells.count] = rng.normal(size=cells.count)
            bounded = replace(
                face.program,
                cost=cost,
                offset=0.0,
                lower=np.maximum(face.program.lower, -1e3),
                upper=np.minimum(face.program.upper, 1e3),
            )
            other = best_point(bounded).x
            for earlier, least in held:
                assert count(earlier, other, cells) == pytest.approx(least, abs=1e-6)


def count(name, x, cells):
    return one_price(x, cells) if name == "one price" else amount(name, x, cells)


def equalities(rows, right, lower, upper):
    """A program with these equalities."""
    from scipy.sparse import csr_array

    matrix = csr_array(np.array(rows, dtype=float))
    start, index = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64)
    right = np.array(right, dtype=float)
    bounds = np.array(lower, dtype=float), np.array(upper, dtype=float)
    return LinearProgram(np.zeros(len(lower)), 0.0, *bounds, start, index, matrix.data, right, right, (), (), None)


def test_determined_columns_by_hand():
    """x0 = 1 is fixed, so x0 + x1 = 3 gives x1, x1 + x2 = 2 gives x2; x3 + x4 = 1 leaves both open."""
    program = equalities(
        [[1, 1, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 0, 1, 1]], [3, 2, 1], [1, 0, -5, 0, 0], [1, 5, 5, 9, 9]
    )
    assert determined(program).tolist() == [True, True, True, False, False]
    open_rows = replace(program, row_lower=program.row_lower - 1)
    assert determined(open_rows).tolist() == [True, False, False, False, False]


def test_columns_that_are_said_to_be_determined_are():
    """Least and largest value of each over a program's optimal face agree."""
    program, _ = compile_program(plan(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2)))
    face = replace(criteria.optimal_face(program, best_point(program)), offset=0.0)
    for column in np.flatnonzero(determined(face))[:12]:
        cost = np.zeros(program.size[1])
        cost[column] = 1.0
        ends = [best_point(replace(face, cost=sign * cost)).x[column] for sign in (1, -1)]
        assert ends[0] == pytest.approx(ends[1], abs=1e-9)


def test_columns_that_are_fixed_are_left_out_of_the_program_and_come_back():
    """The same optimum, point and pressed sides whether a column is fixed or held by a row."""
    program, _ = compile_program(plan(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2)))
    best = best_point(program)
    column = int(np.flatnonzero(best.x > 0.5)[0])
    at = program.lower.copy(), program.upper.copy()
    at[0][column] = at[1][column] = best.x[column]
    fixed = best_point(replace(program, lower=at[0], upper=at[1]))
    assert fixed.value == pytest.approx(best.value) and fixed.x[column] == best.x[column]
    assert len(fixed.columns) == program.size[1] and len(fixed.rows) == program.size[0]
    everything = replace(program, lower=best.x, upper=best.x)
    assert best_point(everything).value == pytest.approx(best.value)
    assert best_point(replace(everything, row_lower=program.row_lower + 5.0, row_upper=program.row_upper + 6.0)) is None
