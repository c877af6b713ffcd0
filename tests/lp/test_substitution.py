"""Programs in other variables against the same program written in full for scipy."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.sparse import csr_array

import mechopt as mo
from mechopt.lp.build import compile_program, plan
from mechopt.lp.substitution import extended, substituted, tied
from mechopt.show.explain.programs.optimal_face import best_point, optimal_face
from tests.persistent_instances import random_markov, three_types


def by_scipy(program, matrix, offset):
    body = program.matrix.toarray()
    upper, lower = np.isfinite(program.row_upper), np.isfinite(program.row_lower)
    rows = np.concatenate([body[upper], -body[lower]])
    sides = np.concatenate([program.row_upper[upper], -program.row_lower[lower]])
    one = np.eye(len(offset))
    at_most, at_least = np.isfinite(program.upper), np.isfinite(program.lower)
    rows = np.concatenate([rows, one[at_most], -one[at_least]])
    sides = np.concatenate([sides, program.upper[at_most], -program.lower[at_least]])
    answer = linprog(-(program.cost @ matrix), rows @ matrix, sides - rows @ offset, bounds=(None, None))
    assert answer.status == 0
    return program.offset + program.cost @ offset - answer.fun


@pytest.mark.parametrize("seed", range(12))
def test_tied_columns_have_the_value_of_the_whole_program(seed):
    """Every group of columns at random; equal rows are dropped and no other."""
    rng = np.random.default_rng(seed)
    env = random_markov(seed, agents=1, periods=2) if seed else three_types(2)
    program, layout = compile_program(plan(env))
    group = np.arange(program.size[1])
    for block in layout.columns.allocation:
        group[block] = block.ravel()[rng.integers(0, 2, block.shape)] if seed > 6 else block[:1]
    group = np.unique(group, return_inverse=True)[1]
    matrix, offset = tied(group), np.zeros(program.size[1])
    small = substituted(program, matrix, offset)
    try:
        expected = by_scipy(program, matrix.toarray(), offset)
    except AssertionError:
        assert best_point(small) is None
        return
    assert best_point(small).value == pytest.approx(expected, abs=1e-9)
    assert small.size[0] <= program.size[0]


def test_fixed_columns_and_sums_keep_their_bounds():
    env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2)
    program, layout = compile_program(plan(env, form="utility"))
    size = program.size[1]
    matrix = np.eye(size)
    first = layout.columns.allocation[0].ravel()
    matrix[first[0]] = 0  # fixed at 1/2
    matrix[first[1], first[0]] = 0.25  # a sum of two
    offset = np.zeros(size)
    offset[first[0]] = 0.5
    small = substituted(program, csr_array(matrix), offset)
    assert best_point(small).value == pytest.approx(by_scipy(program, matrix, offset), abs=1e-9)


def test_the_optimal_face_holds_the_optimum_and_nothing_else():
    """Maximise x + y on x + y <= 1 within [0, 1]^2, then y: (0, 1); then -y on the first face: (1, 0)."""
    env = mo.IndependentTypes.iid([1], [1], horizon=1)
    program, _ = compile_program(plan(env))
    blank = replace(
        program,
        cost=np.ones(2),
        offset=0.0,
        lower=np.zeros(2),
        upper=np.ones(2),
        start=np.zeros(1, np.int64),
        index=np.zeros(0, np.int64),
        value=np.zeros(0),
        row_lower=np.zeros(0),
        row_upper=np.zeros(0),
    )
    none = np.zeros(0)
    square = extended(blank, (none, none), csr_array(np.ones((1, 2))), np.array([-np.inf]), np.ones(1))
    face = optimal_face(square, best_point(square))
    up = best_point(replace(face, cost=np.array([0.0, 1.0])))
    down = best_point(replace(face, cost=np.array([0.0, -1.0])))
    assert up.x.tolist() == pytest.approx([0, 1]) and down.x.tolist() == pytest.approx([1, 0])
    assert best_point(replace(face, cost=np.ones(2))).value == pytest.approx(1)
