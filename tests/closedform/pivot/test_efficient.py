"""Efficient policies against value iteration on the dense joint chain, and against environments without an agent."""

import numpy as np
import pytest

from mechopt.closedform.pivot import efficient as module
from mechopt.closedform.pivot import relative_values
from mechopt.closedform.pivot.efficient import efficient
from mechopt.core.errors import LimitError
from mechopt.environment.families.tasks import many_tasks_against_one, scheduling
from mechopt.environment.markov import MarkovTypes
from tests.closedform.markov_instances import (
    dense_values,
    environments,
    expected_next,
    flow,
    next_stage,
    profiles,
    random_environment,
    stage,
    stage_count,
)

STAY = [["3/4", "1/4"], ["1/4", "3/4"]]


@environments
def test_welfare_is_that_of_the_joint_chain(env):
    best, everybody = efficient(env), range(env.agents)
    for t, wanted in enumerate(dense_values(env, everybody)):
        found = stage(env, best.welfare, t)
        assert max(abs(found[th] - w) for th, w in wanted.items()) < 1e-10
    first = dense_values(env, everybody)[0]
    mean = sum(w * np.prod([env.initial[i][k] for i, k in enumerate(th)]) for th, w in first.items())
    assert best.expected_welfare == pytest.approx(mean, abs=1e-10)


@environments
def test_welfare_without_an_agent_is_that_of_the_joint_chain_of_the_others(env):
    best = efficient(env)
    for i in range(env.agents):
        others = [j for j in range(env.agents) if j != i]
        for t, wanted in enumerate(dense_values(env, others)):
            found = stage(env, best.welfare_without[i], t)
            assert found.shape == tuple(env.shape[t][j] for j in others)
            assert max(abs(found[th] - w) for th, w in wanted.items()) < 1e-10


@environments
def test_policy_attains_the_welfare_and_is_the_lowest_best_action(env):
    best, everybody = efficient(env), range(env.agents)
    for t in range(stage_count(env)):
        welfare, policy = stage(env, best.welfare, t), stage(env, best.policy, t)
        following = next_stage(env, best.welfare, t)
        for th in profiles(env, t):
            worth = [
                flow(env, t, a, everybody, th) + env.discount * expected_next(env, t, a, everybody, th, following)
                for a in range(len(env.actions))
            ]
            assert policy[th] == int(np.argmax(worth))
            assert welfare[th] == pytest.approx(max(worth), abs=1e-10)
        assert not stage(env, best.tied, t).any()


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(((2, 3), 3, "infinite", 0.8), id="two-agents-infinite"),
        pytest.param(((2, 3, 2), 2, 3, 1), id="three-agents-finite"),
    ],
)
def test_without_an_agent_as_in_the_environment_of_the_others(case):
    env = random_environment(*case)
    for i in range(env.agents):
        alone = efficient(env.without(i))
        for t in range(stage_count(env)):
            found, wanted = stage(env, efficient(env).welfare_without[i], t), stage(env, alone.welfare, t)
            np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-11)


def test_one_agent_left_out_leaves_the_cheapest_action():
    # nobody values anything: the cheapest of the costs 2 and 1 is borne every period, -1 / (1 - 1/2) = -2
    env = MarkovTypes([[[0, 0], [1, 2]]], [STAY], [["1/2", "1/2"]], cost=[2, 1], discount="1/2")
    assert float(efficient(env).welfare_without[0]) == pytest.approx(-2, abs=1e-12)


def test_scheduling_serves_the_highest_value_that_waits():
    # 5 + 3/2 + 1/4 = 27/4; without the first 3 + 1/2, without the second 5 + 1/2, without the third 5 + 3/2
    best = efficient(scheduling([5, 3, 1], "1/2"))
    assert best.welfare[0, 0, 0] == pytest.approx(27 / 4, abs=1e-12)
    assert [float(w[0, 0]) for w in best.welfare_without] == pytest.approx([3.5, 5.5, 6.5], abs=1e-12)
    assert [int(best.policy[done]) for done in [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)]] == [0, 1, 2, 0]


def test_ties_go_to_the_lowest_action_and_are_flagged():
    # two equal tasks: whichever first; once both are done nothing matters
    best = efficient(scheduling([3, 3], "1/2"))
    np.testing.assert_array_equal(best.tied, [[True, False], [False, True]])
    np.testing.assert_array_equal(best.policy, [[0, 0], [1, 0]])
    assert best.welfare[0, 0] == pytest.approx(4.5, abs=1e-12)


def test_a_tie_up_to_rounding_goes_to_the_lowest_action():
    # 0.1 + 0.2 is 0.3 in exact numbers, and more in floats
    env = MarkovTypes([[["0.3"], ["0.1"]], [[0], ["0.2"]]], [None, None], [[1], [1]], horizon=1)
    best = efficient(env)
    assert (int(best.policy[0][0, 0]), bool(best.tied[0][0, 0])) == (0, True)


@pytest.mark.parametrize("discount", [0.5, 0.99])
def test_policies_are_evaluated_without_the_krylov_method_as_well(discount, monkeypatch):
    env = random_environment((2, 3), 3, "infinite", discount)
    wanted = efficient(env).welfare
    monkeypatch.setattr(relative_values, "gmres", lambda operator, residual, **_: (np.zeros_like(residual), 1))
    np.testing.assert_allclose(efficient(env).welfare, wanted, rtol=1e-11)


def test_ties_are_found_at_a_discount_close_to_one():
    best = efficient(scheduling([3, 3], "0.9999"))
    np.testing.assert_array_equal(best.tied, [[True, False], [False, True]])


def test_ties_with_a_finite_horizon():
    env = MarkovTypes([[[1, 2], [1, 3]]], [STAY], [["1/2", "1/2"]], horizon=2)
    best = efficient(env)
    for tied, policy in zip(best.tied, best.policy, strict=True):
        assert tied.tolist() == [True, False]
        assert policy.tolist() == [0, 1]
    assert best.welfare[1].tolist() == [1, 3]
    assert best.welfare[0].tolist() == [2.5, 5.5]  # 1 + 3/4 + 3/4, 3 + 1/4 + 9/4


def test_a_chain_that_hardly_moves_at_a_discount_close_to_one():
    # types 0 and 1 move with probability e, for every action: serve 0 or serve 1, worth the type. So W solves a
    # dense system of 4 equations: a flow of 1 wherever somebody has type 1.
    e, d = 1e-4, 0.9999
    move = np.array([[1 - e, e], [e, 1 - e]])
    env = MarkovTypes(
        [[[0, 1], [0, 0]], [[0, 0], [0, 1]]], [move, move], [[0.5, 0.5], [0.5, 0.5]], horizon="infinite", discount=d
    )
    dense = np.linalg.solve(np.eye(4) - d * np.kron(move, move), [0, 1, 1, 1]).reshape(2, 2)
    np.testing.assert_allclose(efficient(env).welfare, dense, rtol=1e-11)


def test_money_and_order_of_agents():
    env = random_environment((2, 3), 3, "infinite", 0.8, costs=False)
    best = efficient(env)
    scaled = MarkovTypes(
        [1000 * row[0] for row in env.values], [row[0] for row in env.kernel], env.initial, discount=0.8
    )
    turned = MarkovTypes(
        [row[0] for row in env.values[::-1]], [row[0] for row in env.kernel[::-1]], env.initial[::-1], discount=0.8
    )
    np.testing.assert_allclose(efficient(scaled).welfare, 1000 * best.welfare, rtol=1e-11)
    np.testing.assert_array_equal(efficient(scaled).policy, best.policy)
    np.testing.assert_allclose(efficient(turned).welfare, best.welfare.T, rtol=1e-11)
    np.testing.assert_array_equal(efficient(turned).policy, best.policy.T)


def test_long_finite_horizon_approaches_the_infinite_one():
    env = random_environment((2, 3), 3, "infinite", 0.7)
    finite = random_environment((2, 3), 3, 100, 0.7)
    np.testing.assert_allclose(efficient(finite).welfare[0], efficient(env).welfare, rtol=1e-12)


def test_large_joint_chains_are_never_made_dense():
    # 8,000 profiles: a dense joint kernel would have 64 million entries an action
    env = random_environment((20, 20, 20), 2, "infinite", 0.9)
    best = efficient(env)
    table = module.flows(env, range(3)) + env.discount * module.carried(env, range(3), best.welfare)
    assert np.abs(table.max(axis=0) - best.welfare).max() < 1e-11


def test_results_cannot_be_written_to():
    best = efficient(many_tasks_against_one(5, 3, "4/5"))
    for array in (best.welfare, best.policy, best.tied, *best.welfare_without):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_too_many_profiles(monkeypatch):
    monkeypatch.setattr(module, "MAX_ENTRIES", 15)
    with pytest.raises(LimitError, match="2 actions times 8 type profiles are above 15"):
        efficient(random_environment((2, 2, 2), 2, 2, 1))
