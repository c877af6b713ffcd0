"""Densities on a grid: the mass that a grid misses, and that what comes out is an environment."""

import numpy as np
import pytest

import mechopt as mo
from mechopt.closedform.pivot.efficient_joint import efficient_joint
from mechopt.environment.families.signal_grid import signal_grid
from mechopt.environment.interdependent import InterdependentTypes


def affine(action, x, y):
    """Affine in every next signal: midpoints integrate it exactly."""
    return 1 + (1 - action) * (x[0] + x[1] - 1) * (y[0] + y[1] - 1)


@pytest.mark.parametrize("points", [pytest.param(k, id=f"{k}-points") for k in (2, 5, 10)])
def test_midpoints_miss_a_parabola_by_a_quarter_of_the_squared_step(points):
    # int 3 y^2 = 1; sum over k of 3 ((k + 1/2) / K)^2 / K = 1 - 1/(4 K^2)
    grid = signal_grid(lambda a, x, y: 3 * y[1] ** 2, points, max_defect=1)
    assert grid.mass_defect == pytest.approx(np.full((1, points, points), -1 / (4 * points**2)))
    assert grid.max_defect == pytest.approx(1 / (4 * points**2))
    assert grid.kernel.sum(axis=(3, 4)) == pytest.approx(np.ones((1, points, points)))


def test_explicit_points_have_cells_up_to_halfway():
    grid = signal_grid(affine, [0, 0.5, 1], max_defect=1)
    assert grid.cells[0].tolist() == [0.25, 0.5, 0.25]
    # at x = (1, 1): f = y_0 + y_1, trapezoidal weights: exact as well
    assert grid.max_defect == pytest.approx(0, abs=1e-12)
    weights = np.outer([1, 2, 1], [1, 2, 1]) / 16
    assert grid.kernel[0, 2, 2] == pytest.approx(weights * np.add.outer([0, 0.5, 1], [0, 0.5, 1]))
    assert grid.initial == pytest.approx(weights)


def test_a_grid_that_misses_too_much_is_refused_with_the_place():
    with pytest.raises(mo.InputError, match=r"density\(0\): has a mass of 0.9375 on the grid.*use more points"):
        signal_grid(lambda a, x, y: 3 * y[1] ** 2, 2)
    with pytest.raises(mo.InputError, match=r"initial: has a mass of 2 on the grid"):
        signal_grid(affine, 3, initial=lambda x: 2)


def test_the_defect_tells_rows_apart():
    # the mass is x_0 + 1/2 whatever the grid: no density unless x_0 = 1/2
    grid = signal_grid(lambda a, x, y: x[0] + 0.5, [0.25, 0.5, 0.75], max_defect="1/4")
    assert grid.mass_defect[0] == pytest.approx(np.array([[-0.25] * 3, [0] * 3, [0.25] * 3]))


def test_agents_may_have_unequal_grids_and_the_distribution_may_depend_on_the_action():
    grid = signal_grid(affine, [4, 3], actions=2)
    assert grid.kernel.shape == (2, 4, 3, 4, 3)
    assert grid.kernel[1] == pytest.approx(np.full((4, 3, 4, 3), 1 / 12))
    assert grid.points[1] == pytest.approx([1 / 6, 1 / 2, 5 / 6])
    # E[y_0 | x] = 1/2 + (x_0 + x_1 - 1) var, var = (1 - 1/K^2) / 12 of K midpoints
    distribution, x = grid.kernel[0].sum(axis=3), np.add.outer(grid.points[0], grid.points[1])
    assert distribution @ grid.points[0] == pytest.approx(1 / 2 + (x - 1) * (1 - 1 / 16) / 12)


def test_the_environment_takes_values_on_the_grid():
    grid = signal_grid(affine, 3, actions=2)
    env = grid.environment(lambda a, x: [a * x[0], a * (x[0] + x[1]) / 2 - 0.6 * a], discount="9/10")
    assert isinstance(env, InterdependentTypes)
    assert env.types[1][0] == ("0.166667", "0.5", "0.833333")
    assert env.values[0][0][1, 2, 0] == pytest.approx(5 / 6)
    assert env.values[1][0][1, 2, 0] == pytest.approx(0.5 - 0.6)
    best = efficient_joint(env)
    # welfare of action 1 is 3/2 x_0 + x_1/2 - 0.6; the action stops correlation alone, worth nothing at (1/2, 1/2)
    assert best.policy[0][2, 2] == 1
    assert best.policy[0][0, 0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"points": 0}, "points: is 0", id="no-points"),
        pytest.param({"points": [0.5, 0.25]}, "points: .* does not increase", id="points-fall"),
        pytest.param({"points": [0, 2.5]}, r"points: goes from 0 to 2.5; points lie in \[0, 1\]", id="points-outside"),
        pytest.param({"points": [[0.5]]}, "points: has 1 entries for 2 agents", id="points-of-one"),
        pytest.param({"agents": 1}, "agents: is 1; write a whole number, at least 2", id="one-agent"),
        pytest.param({"actions": 0}, "actions: is 0", id="no-action"),
        pytest.param({"density": lambda a, x, y: x[0] - 0.5}, r"is -0.3.* at grid point \(0, 0", id="negative"),
        pytest.param({"density": lambda a, x, y: np.ones(7)}, r"shape \(7,\); it must broadcast", id="density-shape"),
        pytest.param({"density": lambda a, x, y: "much"}, "gives no numbers", id="density-no-number"),
        pytest.param({"initial": lambda x: np.nan}, "initial: is nan", id="initial-nan"),
    ],
)
def test_bad_input_is_refused_with_its_place(arguments, message):
    with pytest.raises(mo.InputError, match=message):
        signal_grid(**({"density": affine, "points": 3} | arguments))


def test_a_kernel_too_large_is_refused_before_it_is_built():
    with pytest.raises(mo.errors.LimitError, match="use fewer points"):
        signal_grid(affine, 100, agents=3)
