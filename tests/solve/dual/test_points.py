"""The hull of points and rays that guides the search, against a general solver."""

import numpy as np
import pytest
from scipy.optimize import linprog

from mechopt.solve.dual.points import Hull, Pool


@pytest.mark.parametrize("dimension", [0, 1, 2, 3, 4])
def test_values_are_those_of_a_linear_program_as_points_come_in(dimension):
    rng = np.random.default_rng(dimension)
    rays = np.concatenate([np.eye(dimension), -np.eye(dimension)])
    cost = np.full(2 * dimension, 3.0)
    pool = Pool(dimension)
    pool.add(np.zeros((1, dimension)), 1.0)
    hull = Hull(pool, rays, cost)
    for _ in range(12):
        points = rng.normal(size=(5, dimension))
        pool.add(points, (points**2).sum(axis=1) + rng.random(5) / 10)
        places = rng.normal(size=(4, dimension)) * rng.choice([0.3, 3.0])
        values, inside = hull.values(places)
        ones, zeros = np.ones((pool.count, 1)), np.zeros((len(rays), 1))
        matrix = np.block([[pool.points, ones], [rays, zeros]])
        for place, value, used in zip(places, values, inside, strict=True):
            found = linprog(np.append(pool.heights, cost), A_eq=matrix.T, b_eq=np.append(place, 1.0), method="highs")
            assert value == pytest.approx(found.fun, abs=1e-8)
            assert used.max() < pool.count


def test_points_that_are_there_already_are_known():
    pool = Pool(2, labels=1)
    pool.add(np.array([[1.0, 2.0]]), 3.0, np.array([[7]]))
    again = np.array([[1.0, 2.0], [1.0, 2.5]])
    assert pool.new(again, 3.0).tolist() == [False, True]
    assert pool.new(again, 2.0).tolist() == [True, True]
    assert pool.labels.tolist() == [[7]]
