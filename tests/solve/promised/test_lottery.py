"""One period of the promised-utility dynamic program: the optimiser, compiled or not, and what needs none."""

import itertools
from importlib.util import find_spec

import numba
import numpy as np
import pytest

from mechopt.solve.promised import kernels as promise_kernels
from mechopt.solve.promised import simplex as stage_simplex
from mechopt.solve.promised.concave import Concave, hull
from mechopt.solve.promised.lottery import (
    PriceStage,
    attained,
    best_responses,
    certified,
    first_basis,
    read,
    stage_rates,
)


@pytest.fixture(params=["numpy", "numba"])
def kernel(request, monkeypatch):
    """Both ways to pivot."""
    monkeypatch.setattr("mechopt.solve.promised.kernels.compiled", lambda: request.param == "numba")
    return request.param


STAGE = PriceStage(
    np.array([0.2, 0.5, 0.3]), np.array([2.5, 2.3, 1.2]), np.array([[0.0, 0, 0], [1, 0, 0], [3, 2, 0]])
)  # values 1, 2, 4: E theta = 0.2 + 1 + 1.2, sold to the upper two 2.2, to the highest 1.2
AFTER = Concave(np.array([0.0, 1.0, 2.5]), np.array([0.0, 1.5, 2.0]), np.array([1.5, 1 / 3, 0.0]))


@pytest.mark.parametrize("slope", [0.2, 1 / 3, 0.9, 1.6, 4.0])
def test_best_response_beats_a_grid(slope, kernel):
    """The optimiser is no worse than any point of a fine grid, and its multipliers prove it."""
    found = best_responses(STAGE, AFTER, np.array([slope]))
    w, height = attained(STAGE, AFTER, found.lowest, found.lottery)
    net = float(height[0] - slope * w[0])
    grid = np.linspace(0, 1, 21)
    lotteries = np.array([(a, b, 1 - a - b) for a, b in itertools.product(grid, grid) if a + b <= 1 + 1e-12])
    for lowest in np.linspace(0, 3, 31):
        w, height = attained(STAGE, AFTER, np.full(len(lotteries), lowest), lotteries)
        assert (height - slope * w).max() <= net + 1e-12
    points = np.linspace(0, 4, 4001)
    conjugates = np.array([[(AFTER(points) - m * points).max() for m in found.multipliers[0]]])
    assert certified(STAGE, conjugates, np.array([slope]), found.multipliers)[0] == pytest.approx(net, abs=1e-12)


@pytest.mark.parametrize("pivots", [0, 1, 2])
def test_an_optimiser_that_stops_early_still_bounds(pivots, kernel):
    slopes = np.linspace(0.05, 4.0, 80)
    found = best_responses(STAGE, AFTER, slopes, pivots=pivots)
    assert not found.settled.all()
    assert (found.lowest >= 0).all()
    assert (found.lottery >= 0).all()
    np.testing.assert_allclose(found.lottery.sum(axis=1), 1)
    assert (found.multipliers >= 0).all()
    assert (found.multipliers @ STAGE.probabilities <= slopes * (1 + 1e-15)).all()
    points = np.linspace(0, 4, 4001)
    conjugates = (AFTER(points) - found.multipliers[..., None] * points).max(axis=-1)
    best = best_responses(STAGE, AFTER, slopes)
    w, height = attained(STAGE, AFTER, best.lowest, best.lottery)
    assert best.settled.all()
    assert (certified(STAGE, conjugates, slopes, found.multipliers) >= height - slopes * w - 1e-12).all()
    early_w, early_height = attained(STAGE, AFTER, found.lowest, found.lottery)
    assert (early_height - slopes * early_w <= height - slopes * w + 1e-12).all()


def test_compiled_pivots_are_those_in_lockstep():
    """From the same dictionaries, on a stage without ties, both end in the same ones, wherever they are stopped."""
    rng = np.random.default_rng(4)
    values, distribution = np.array([1.0, 1.7, 2.9, 5.3, 6.1]), rng.dirichlet(np.ones(5))
    stage = PriceStage(
        distribution, np.cumsum((distribution * values)[::-1])[::-1], np.maximum(values[:, None] - values, 0.0)
    )
    knots = np.append(0.0, np.cumsum(rng.random(200) / 20))
    rises = np.append(np.sort(rng.random(200) * 3)[::-1], 0.0)
    after = Concave(knots, np.append(0.0, np.cumsum(rises[:-1] * np.diff(knots))), rises)
    slopes = np.sort(rng.random(40) * 4 + 0.01)[::-1].copy()
    rates = stage_rates(stage, knots, rises)
    for pivots in (1, 2, 5, 400):
        lockstep, compiled = (first_basis(stage, after, len(slopes)) for _ in range(2))
        settled = stage_simplex.climb(rates, slopes, 1e-12 * slopes, lockstep, pivots)
        np.testing.assert_array_equal(settled, promise_kernels.climb(rates, slopes, 1e-12 * slopes, compiled, pivots))
        assert settled.all() == (pivots == 400)
        for mine, theirs in zip(lockstep.arrays(), compiled.arrays(), strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12)
    found = np.sort(compiled.basic, axis=0)
    chained = first_basis(stage, after, len(slopes))
    assert promise_kernels.climb(rates, slopes, 1e-12 * slopes, chained, 400, chained=True).all()
    for mine, theirs in zip(read(rates, slopes, lockstep), promise_kernels.read(rates, slopes, chained), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(np.sort(chained.basic, axis=0), found)


def test_the_compiler_needs_no_folder_that_can_be_written_to(monkeypatch):
    monkeypatch.setattr(numba.core.caching.CacheImpl, "_locator_classes", [])
    monkeypatch.setattr("mechopt.solve.promised.kernels.kernel", promise_kernels.kernel.__wrapped__)
    assert best_responses(STAGE, AFTER, np.array([2.0, 0.9])).settled.all()


def test_the_environment_turns_the_compiler_off(monkeypatch):
    for setting, expected in (("0", False), ("1", True)):
        monkeypatch.setenv("MECHOPT_NUMBA", setting)
        assert promise_kernels.wanted() is promise_kernels.compiled.__wrapped__() is expected


@pytest.mark.parametrize("finder", [lambda name: None, find_spec], ids=["not installed", "not for this numpy"])
def test_without_numba_there_is_numpy(finder, monkeypatch):
    def refuse(name):
        raise ImportError("Numba needs another NumPy")

    monkeypatch.setattr("mechopt.solve.promised.kernels.find_spec", finder)
    monkeypatch.setattr("mechopt.solve.promised.kernels.import_module", refuse)
    assert not promise_kernels.compiled.__wrapped__()


def test_any_multipliers_bound_and_any_point_is_attained():
    """The certificate needs no optimiser: random multipliers stay above random points."""
    rng = np.random.default_rng(3)
    lowest, lottery = rng.exponential(1, 300), rng.dirichlet(np.ones(3), 300)
    w, height = attained(STAGE, AFTER, lowest, lottery)
    points = np.linspace(0, 4, 4001)
    for _ in range(50):
        multipliers, slope = rng.exponential(0.7, 3), rng.exponential(1.0)
        multipliers *= min(1.0, slope / (STAGE.probabilities @ multipliers))
        conjugates = np.array([[(AFTER(points) - m * points).max() for m in multipliers]])
        bound = certified(STAGE, conjugates, np.array([slope]), multipliers[None])[0]
        assert (height <= bound + slope * w + 1e-12).all()


def test_hull_of_random_points_lies_above_them():
    rng = np.random.default_rng(5)
    w, heights = np.sort(np.append(0.0, rng.random(200))), rng.random(201)
    heights[[0, -1]] = 0.0, 2.0
    corners, function = hull(w, heights)
    assert (function(w) >= heights - 1e-12).all()
    assert (np.diff(function.slopes) < 0).all()
    np.testing.assert_array_equal(function(w[corners]), heights[corners])
