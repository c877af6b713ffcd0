"""Convex independence and spanning, against a linear program for the hull and ranks in fractions."""

from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import linprog

from mechopt import modelfile
from mechopt.closedform.contingent.conditions import hull
from mechopt.closedform.contingent.conditions.hull import hull_distances
from mechopt.closedform.contingent.conditions.spanning import convex_independence, matrices, spanning
from mechopt.environment.interdependent import InterdependentTypes
from tests.interdependent_instances import distribution, random_environment

STAY = np.array([[0.75, 0.25], [0.25, 0.75]])
WORTH = [[[0, 1], [1, 2]]]


def crossed(stay, horizon=2):
    """Each agent's next signal follows from the other's signal of today."""
    size = len(stay)
    kernel = np.einsum("xb,ya->xyab", stay, stay)
    return InterdependentTypes(
        np.zeros((2, 1, size, size)), kernel, np.full((size, size), 1 / size**2), horizon=horizon
    )


def exact_rank(matrix):
    rows, rank = [list(map(Fraction, row)) for row in matrix], 0
    for column in range(len(rows[0])):
        pivot = next((r for r in range(rank, len(rows)) if rows[r][column]), None)
        if pivot is None:
            continue
        rows[rank], rows[pivot] = rows[pivot], rows[rank]
        for r in range(len(rows)):
            if r != rank and rows[r][column]:
                factor = rows[r][column] / rows[rank][column]
                rows[r] = [x - factor * y for x, y in zip(rows[r], rows[rank], strict=True)]
        rank += 1
    return rank


def in_hull(matrix, k):
    """Whether some mixture of the other columns equals column k, by feasibility of a linear program."""
    others = np.delete(matrix, k, axis=1)
    if others.shape[1] == 0:
        return False
    equal = np.vstack([others, np.ones(others.shape[1])])
    return linprog(np.zeros(others.shape[1]), A_eq=equal, b_eq=np.append(matrix[:, k], 1.0)).status == 0


def test_matrices_are_marginals_of_the_joint_distribution_by_own_signal():
    env = random_environment(0, sizes=[(2, 3, 2), (3, 2, 2)], horizon=2)
    for i, (others, rows) in enumerate((((3, 2), 4), ((2, 2), 6), ((2, 3), 6))):
        assert matrices(env, 0, i).shape == (3, *others, rows, env.shape[0][i])
    column = env.kernel[0][2, 1, 0, 1].sum(axis=1).ravel()  # agent 1, action 2, others at (1, 1), own signal 0
    np.testing.assert_allclose(matrices(env, 0, 1)[2, 1, 1, :, 0], column, rtol=1e-15)


SIZES = {"two-agents": (2, 3), "more-signals-than-outcomes": (5, 2), "three-agents": (2, 2, 3), "single": (1, 3)}


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_hull_distances_agree_with_a_linear_program(sizes):
    for seed in range(4):
        env = random_environment(seed, sizes=sizes, actions=2)
        found = convex_independence(env)
        for i in range(env.agents):
            columns = matrices(env, 0, i).reshape(-1, *matrices(env, 0, i).shape[-2:])
            distance = found.distances[0][i].reshape(len(columns), -1)
            for b, matrix in enumerate(columns):
                for k in range(matrix.shape[1]):
                    assert in_hull(matrix, k) == (distance[b, k] <= 1e-9)
        assert found.holds == (found.distance > 1e-12)


def test_separating_vectors_separate_by_exactly_the_distance():
    env = random_environment(7, sizes=(4, 5), actions=3)
    found = convex_independence(env)
    for i in range(2):
        columns, z = matrices(env, 0, i), found.separating[0][i]
        apart = np.einsum("abkn,abnk->abk", z, columns)[..., np.newaxis] - np.einsum("abkn,abnl->abkl", z, columns)
        apart[..., np.arange(apart.shape[-1]), np.arange(apart.shape[-1])] = np.inf
        distance = found.distances[0][i]
        np.testing.assert_allclose(apart.min(axis=-1)[distance > 0], distance[distance > 0], rtol=1e-9)
        np.testing.assert_allclose(np.linalg.norm(z, axis=-1)[distance > 0], 1, rtol=1e-12)


def test_the_worst_place_is_the_one_of_smallest_distance():
    env = random_environment(3, sizes=(2, 2), actions=3)
    found = convex_independence(env)
    where = found.worst
    assert found.distances[where.period][where.agent][(where.action, *where.others, where.signal)] == found.distance
    assert found.distance == min(array.min() for row in found.distances for array in row)


@pytest.mark.parametrize("controlled", [True, False], ids=["by-action", "whatever-the-action"])
def test_ranks_agree_with_elimination_in_fractions(controlled):
    rng = np.random.default_rng(5)
    counts = rng.integers(0, 3, size=(*((2,) if controlled else ()), 3, 3, 3, 3)) + 0
    counts[..., 0, 0] += 1
    kernel = counts.astype(object) * Fraction(1)
    kernel = kernel / kernel.sum(axis=(-2, -1), keepdims=True)
    env = InterdependentTypes(np.zeros((2, 2, 3, 3)), kernel, np.full((3, 3), "1/9", dtype=object), horizon=2)
    found, ranks = spanning(env), []
    for i in range(2):
        exact = np.moveaxis(env.exact.kernel[0].sum(axis=3 + i), 1 + i, -1)
        ranks += [exact_rank(exact[a, s]) for a in range(2) for s in range(3)]
        assert found.ranks[0][i].ravel().tolist() == ranks[-6:]
    assert found.holds == (min(ranks) == 3)


def test_the_crossed_coins_by_hand():
    # columns (3/4, 1/4) and (1/4, 3/4): apart by sqrt(2)/2; symmetric, eigenvalues 1 and 1/2
    env = crossed(STAY)
    assert convex_independence(env).distance == pytest.approx(2**-0.5, rel=1e-14)
    found = spanning(env)
    assert found.smallest_singular_value == pytest.approx(0.5, rel=1e-14)
    assert found.pseudo_inverse_norm == pytest.approx(2, rel=1e-14)
    assert found.holds and not found.ill_conditioned


def test_square_columns_are_convexly_independent_but_do_not_span():
    # (1/3, 1/3, 1/3) + or - (1, -1, 0)/8, + or - (1, 1, -2)/8: the diagonals halve each other at right angles, so the
    # nearest point to each end lies on the other diagonal: distances sqrt(2)/8 = .1768 and sqrt(6)/8 = .3062
    env = modelfile.load("liu-2025/square-columns")
    found = convex_independence(env)
    expected = np.array([2**0.5, 2**0.5, 6**0.5, 6**0.5]) / 8
    np.testing.assert_allclose(found.distances[0][0][0, 0], expected, rtol=1e-13)
    assert found.holds
    assert not spanning(env).holds
    assert (spanning(env).rank, spanning(env).worst.agent) == (3, 0)
    assert "rank 3 for 4 own signals" in spanning(env).reason


def test_independent_chains_have_rank_one_and_are_told_so():
    env = modelfile.load("liu-2025/independent-chains")
    found = spanning(env)
    assert (found.rank, found.holds, found.pseudo_inverse_norm) == (1, False, np.inf)
    assert "signals move independently of each other" in repr(found)
    assert convex_independence(env).distance == 0


def test_a_single_signal_has_nothing_to_tell_apart():
    env = random_environment(0, sizes=(1, 2), actions=1)
    found = convex_independence(env)
    assert np.isinf(found.distances[0][0]).all()
    alone = random_environment(0, sizes=(1, 1), actions=2)
    assert convex_independence(alone).holds and convex_independence(alone).distance == np.inf
    assert spanning(alone).holds


def test_one_period_asks_nothing():
    env = InterdependentTypes([WORTH, WORTH], None, [["1/4", "1/4"]] * 2, horizon=1)
    assert convex_independence(env).holds and convex_independence(env).worst is None
    assert spanning(env).holds and spanning(env).pseudo_inverse_norm == 0


def test_an_ill_conditioned_kernel_is_reported_as_such():
    # exp(2 x th) is totally positive: full rank in exact arithmetic, but hardly in floats
    grid, outcomes = np.linspace(0, 1, 7), np.linspace(0, 1, 7)
    columns = np.exp(2 * np.multiply.outer(outcomes, grid))
    columns /= columns.sum(axis=0)
    found = spanning(crossed(columns.T))
    assert found.holds and found.ill_conditioned
    assert found.pseudo_inverse_norm > 1e8
    assert "ill-conditioned" in repr(found)


def test_later_periods_count():
    # period 0 tells everything, period 1 nothing
    same = np.full((2, 2, 2, 2), 0.25)
    env = InterdependentTypes(
        np.zeros((2, 3, 1, 2, 2)), [np.einsum("xb,ya->xyab", STAY, STAY), same], STAY / 2, horizon=3
    )
    assert (spanning(env).holds, spanning(env).worst.period) == (False, 1)
    assert convex_independence(env).worst.period == 1


def test_many_columns_together_equal_one_at_a_time():
    rng = np.random.default_rng(2)
    columns = distribution(rng, (12, 6), (7,)).swapaxes(1, 2)
    together = hull_distances(columns)
    for b in range(12):
        alone = hull_distances(columns[b : b + 1])
        np.testing.assert_allclose(together.distance[b], alone.distance[0], rtol=1e-12)
    # a bound from each side: the vector separates by the distance, and no mixture of the others can be nearer
    for _ in range(50):
        mixture = rng.dirichlet(np.ones(5))
        away = np.linalg.norm(columns[:, :, 0] - columns[:, :, 1:] @ mixture, axis=1)
        assert (away >= together.distance[:, 0] - 1e-14).all()


def test_generic_columns_need_no_loop(monkeypatch):
    def refused(*_):
        raise AssertionError("one column at a time")

    monkeypatch.setattr(hull, "_one", refused)
    columns = distribution(np.random.default_rng(3), (40, 8), (20,)).swapaxes(1, 2)
    inside = hull_distances(columns).distance
    assert (inside > 0).all()


def test_relabelling_agents_and_actions_changes_no_distance():
    env = random_environment(11, sizes=(3, 4), actions=2)
    swapped = InterdependentTypes(
        [[values[::-1].swapaxes(1, 2) for values in row] for row in env.values[::-1]],
        tuple(np.transpose(kernel[::-1], (0, 2, 1, 4, 3)) for kernel in env.kernel),
        env.initial.T,
        horizon=2,
    )
    first, second = convex_independence(env), convex_independence(swapped)
    for i in range(2):
        np.testing.assert_allclose(first.distances[0][i], second.distances[0][1 - i][::-1], rtol=1e-10, atol=1e-14)
