"""Gittins indices: known values, the definition by enumeration, calibration against a constant project."""

from functools import cache
from itertools import product

import numpy as np
import pytest

from mechopt.closedform.pivot import gittins as index
from mechopt.closedform.pivot.efficient import efficient
from mechopt.closedform.pivot.gittins import gittins_indices
from mechopt.core.errors import InputError, LimitError
from mechopt.environment.markov import MarkovTypes


@cache
def beta_bernoulli(last):
    """Kernel and rewards of a Beta(1,1) arm, frozen after a number of pulls; state 0 is the prior."""
    states = [(s, pulls - s) for pulls in range(last + 1) for s in range(pulls + 1)]
    place = {state: k for k, state in enumerate(states)}
    mean = np.array([(s + 1) / (s + f + 2) for s, f in states])
    kernel = np.zeros((len(states), len(states)))
    for (s, f), k in place.items():
        if s + f == last:
            kernel[k, k] = 1
        else:
            kernel[k, place[s + 1, f]], kernel[k, place[s, f + 1]] = mean[k], 1 - mean[k]
    return kernel, mean, place


def random_project(states, seed):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(states, 0.5), size=states), rng.normal(size=states)


def by_enumeration(kernel, rewards, discount):
    """Largest ratio over all continuation sets that hold the state."""
    states, best = len(rewards), np.full(len(rewards), -np.inf)
    for inside in product([0, 1], repeat=states):
        go = np.diag(np.array(inside, dtype=float))
        worth = np.linalg.solve(np.eye(states) - discount * kernel @ go, np.stack([rewards, np.ones(states)], axis=1))
        best = np.maximum(best, worth[:, 0] / worth[:, 1])
    return best


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("discount", [0.3, 0.9, 0.999])
def test_indices_are_the_best_ratio_over_stopping_rules(seed, discount):
    # stationary rules suffice: the first step is taken, after it one goes on exactly inside a set
    kernel, rewards = random_project(7, seed)
    np.testing.assert_allclose(
        gittins_indices(kernel, rewards, discount), by_enumeration(kernel, rewards, discount), rtol=0, atol=1e-10
    )


def test_uniform_prior_of_a_bernoulli_arm():
    # Gittins' table: 0.7029 at Beta(1, 1), discount 0.9; freezing after 60 pulls moves it by less than 0.9^60
    kernel, mean, place = beta_bernoulli(60)
    assert len(mean) == 1891
    indices = gittins_indices(kernel, mean, 0.9)
    assert indices[0] == pytest.approx(0.7029, abs=5e-5)
    assert indices[place[1, 0]] == pytest.approx(0.8001, abs=1e-4)  # Beta(2, 1) in the same table
    assert (indices >= mean - 1e-12).all()


def test_blocks_change_nothing(monkeypatch):
    kernel, rewards = random_project(50, 0)
    wanted = gittins_indices(kernel, rewards, 0.95)
    for size in (1, 7, 50, 1000):
        monkeypatch.setattr(index, "BLOCK", size)
        np.testing.assert_allclose(gittins_indices(kernel, rewards, 0.95), wanted, rtol=0, atol=1e-12)


def test_rewards_that_stay_are_their_own_index():
    np.testing.assert_allclose(gittins_indices(np.eye(4), [3, -1, 3, 0], 0.5), [3, -1, 3, 0], rtol=1e-15)


def test_rewards_that_fall_are_their_own_index():
    kernel = [[0, 1, 0], [0, 0, 1], [0, 0, 1]]
    np.testing.assert_allclose(gittins_indices(kernel, [3, 2, 1], 0.5), [3, 2, 1], rtol=1e-15)


@pytest.mark.parametrize("seed", range(3))
def test_highest_index_is_welfare_optimal(seed):
    """Two projects as agents: the joint programme works on one of highest index, at every pair of states."""
    parts, discount = [random_project(4, 10 * seed + k) for k in (1, 2)], 0.85
    first, second = (gittins_indices(kernel, rewards, discount) for kernel, rewards in parts)
    rest = np.zeros(4)
    env = MarkovTypes(
        values=[[parts[0][1], rest], [rest, parts[1][1]]],
        kernel=[[parts[0][0], np.eye(4)], [np.eye(4), parts[1][0]]],
        initial=[np.full(4, 0.25)] * 2,
        discount=discount,
    )
    np.testing.assert_array_equal(efficient(env).policy, (second[np.newaxis] > first[:, np.newaxis]).astype(int))


GOOD = ([[0.5, 0.5], [0.5, 0.5]], [1, 2], 0.9)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(([[0.5, 0.4], [0.5, 0.5]], *GOOD[1:]), "kernel[0]: sums to 0.9, not 1", id="sum-0.9"),
        pytest.param(([[1.5, -0.5], [0.5, 0.5]], *GOOD[1:]), "kernel[0]: has the probability -0.5", id="negative"),
        pytest.param(([[np.nan, 1], [0.5, 0.5]], *GOOD[1:]), "kernel[0][0]: is not a finite number", id="nan"),
        pytest.param(([[0.5, 0.5]], *GOOD[1:]), "kernel: has shape (1, 2) for 2 rewards", id="not-square"),
        pytest.param(([[0.5, 0.5], [1]], *GOOD[1:]), "kernel: is not made of numbers in a regular shape", id="ragged"),
        pytest.param(([0.5, 0.5], *GOOD[1:]), "kernel: has 1 axes, not 2", id="one-axis"),
        pytest.param((GOOD[0], [1, np.inf], 0.9), "rewards[1]: is not a finite number", id="infinite-reward"),
        pytest.param((np.zeros((0, 0)), [], 0.9), "rewards: are empty", id="no-states"),
        pytest.param((*GOOD[:2], 1), "discount: is 1; it must be above 0 and below 1", id="discount-1"),
        pytest.param((*GOOD[:2], "much"), "discount: is not made of numbers", id="discount-text"),
    ],
)
def test_faults(arguments, words):
    with pytest.raises(InputError) as error:
        gittins_indices(*arguments)
    assert words in str(error.value)


def test_all_faults_at_once():
    with pytest.raises(InputError) as error:
        gittins_indices([[0.5, 0.4], [0.5, 0.6]], [1, np.nan], 2)
    assert [fault.where for fault in error.value.faults] == ["rewards[1]", "discount", "kernel[0]", "kernel[1]"]


def test_too_many_states(monkeypatch):
    monkeypatch.setattr(index, "MAX_STATES", 1)
    with pytest.raises(LimitError, match="2 states are more than 1"):
        gittins_indices(*GOOD)


def test_arguments_are_left_alone():
    kernel, rewards = random_project(5, 0)
    kept = kernel.copy(), rewards.copy()
    indices = gittins_indices(kernel, rewards, 0.9)
    np.testing.assert_array_equal(kernel, kept[0])
    np.testing.assert_array_equal(rewards, kept[1])
    assert not indices.flags.writeable
