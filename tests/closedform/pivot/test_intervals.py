"""Payment intervals on grids of diverse types: inside the cell that the others' displacement makes, bounded by exit."""

from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.mechanisms import payment_intervals


def diverse(step, seed, discount=0.5):
    """Agent 0 wants a good once, at a value on a grid from 0 to 4, and is gone; agent 1 always."""
    rng = np.random.default_rng(seed)
    grid = np.arange(0, 4 + 1e-9, step)
    values = [np.zeros((3, len(grid) + 1)), np.zeros((3, 2))]
    values[0][1, 1:] = grid
    values[1][2] = rng.uniform(0.1, 3.9, 2)
    gone = np.zeros((len(grid) + 1,) * 2)
    gone[:, 0] = 1
    stay = rng.uniform(0.5, 0.9)
    kernel = [gone, [[stay, 1 - stay], [1 - stay, stay]]]
    first = [np.full(len(grid) + 1, 1 / (len(grid) + 1)), [0.5, 0.5]]
    return mo.MarkovTypes(values, kernel, first, discount=discount), grid


def in_the_cell(seed, step):
    env, grid = diverse(step, seed)
    found = payment_intervals(env, 0)
    paid = mo.dynamic_pivot(env).transfer[0]
    for other in range(2):
        displaced = env.values[1][0][2, other]  # all that she displaces, as only this period is affected
        served = found.policy[1:, other] == 1
        below, above = grid[~served].max(), grid[served].min()
        assert below <= displaced <= above
        assert found.lower[1:, other][served] == pytest.approx(below, abs=1e-7)
        assert found.upper[1:, other][served] == pytest.approx(above, abs=1e-7)
        assert found.lower[1:, other][~served] == pytest.approx(0, abs=1e-7)
        assert found.upper[1:, other][~served] == pytest.approx(0, abs=1e-7)
        assert paid[1:, other][served] == pytest.approx(displaced, abs=1e-9)


@pytest.mark.parametrize("step", [1, 0.5])
def test_intervals_are_cells_of_the_grid(step):
    for seed in range(4):
        in_the_cell(seed, step)


@pytest.mark.slow
def test_intervals_are_cells_of_the_grid_in_bulk():
    for seed in range(10, 62):
        for step in (1, 0.5):
            in_the_cell(seed, step)


def test_intervals_shrink_with_the_grid():
    widths = []
    for step in (1, 0.5, 0.25):
        found = payment_intervals(diverse(step, 0)[0], 0)
        widths.append(found.width[found.policy == 1].max())
    assert widths == pytest.approx([1, 0.5, 0.25], abs=1e-7)


def test_without_exit_bonds_make_all_of_them_unbounded():
    env, _ = diverse(1, 0)
    found = payment_intervals(env, 0, exit=False)
    assert (found.upper == np.inf).any()
    assert not found.exits.any()
    # types drawn afresh never exit for good: nothing is pinned down
    third = [["1/3"] * 3] * 3
    single = mo.MarkovTypes([[[0, 0, 0], [0, 1, 3]]], [third], [["1/3"] * 3], cost=[0, 2], discount=Fraction(1, 2))
    assert not payment_intervals(single, 0).exits.any()
    assert (payment_intervals(single, 0).width == np.inf).any()


def test_policies_that_nothing_implements_and_faults():
    env, _ = diverse(1, 0)
    policy = np.array(mo.efficient(env).policy)
    policy[1:, 0] = [1, 2, 2, 2, 2]  # the lowest type alone is served
    with pytest.raises(mo.InputError, match="no payments implement"):
        payment_intervals(env, 0, policy)
    with pytest.raises(mo.InputError, match="is not an action by type profile"):
        payment_intervals(env, 0, [0])
    with pytest.raises(mo.InputError, match="agent: is 2"):
        payment_intervals(env, 2)
