"""The check of contingent transfers, against every strategy of a small environment and against what it must catch."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from mechopt.closedform.contingent.transfers import contingent_transfers
from mechopt.closedform.pivot.efficient_joint import efficient_joint
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.verification.contingent.check import check_contingent
from mechopt.verification.contingent.promises import promise_by_promise
from tests.interdependent_instances import random_environment


def payoff(found, i, start, strategy):
    """Expected payoff of agent i at true first signals, by a strategy (first report, then a report by all signals).

    Two periods; the check is ex post, so the second report may depend on everybody's signals.
    """
    env, (first, second) = found.environment, strategy
    others = tuple(k for j, k in enumerate(start) if j != i)
    reported = tuple(np.insert(others, i, first))
    action = found.policy[0][reported]
    total = env.values[i][0][(action, *start)]
    due = found.payments[0][i][(action, *others, *((first,) if found.method == "convex" else ()))]
    for then in np.ndindex(env.shape[1]):
        others_then = tuple(k for j, k in enumerate(then) if j != i)
        told = tuple(np.insert(others_then, i, second[then]))
        value = env.values[i][1][(found.policy[1][told], *then)] - found.last_payments[i][told] - due[others_then]
        total += env.discount * env.kernel[0][(action, *start, *then)] * value
    return total


def best_gain(found):
    """Largest gain of any strategy at any first signals, by enumeration."""
    env, largest = found.environment, 0.0
    for i in range(env.agents):
        later = list(np.ndindex(env.shape[1]))
        truth = {then: then[i] for then in later}
        for start in np.ndindex(env.shape[0]):
            honest = payoff(found, i, start, (start[i], truth))
            for first in range(env.shape[0][i]):
                for reports in product(range(env.shape[1][i]), repeat=len(later)):
                    lied = payoff(found, i, start, (first, dict(zip(later, reports, strict=True))))
                    largest = max(largest, lied - honest)
    return largest


def spoiled(found, size=0.5, seed=0):
    """The same transfers with noise."""
    rng = np.random.default_rng(seed)
    payments = tuple(tuple(array + rng.normal(0, size, array.shape) for array in row) for row in found.payments)
    return replace(found, payments=payments)


@pytest.mark.parametrize("method", ["convex", "spanning"])
def test_the_best_strategy_is_the_best_of_all(method):
    env = random_environment(4, sizes=(2, 2), actions=2, private_last=True)
    found = contingent_transfers(env, method)
    assert best_gain(found) <= 1e-12 * found.scale
    for seed in range(3):
        worse = spoiled(found, seed=seed)
        checked = check_contingent(worse)
        assert checked.strategy_gain == pytest.approx(best_gain(worse), abs=1e-10)
        assert checked.strategy_gain >= checked.gain - 1e-12
        assert not checked.holds


def test_wrong_payments_of_the_last_period_are_caught():
    env = random_environment(4, sizes=(3, 3), private_last=True)
    found = contingent_transfers(env, "spanning")
    last = list(found.last_payments)
    last[1] = last[1] + np.arange(3.0)  # by agent 1's own report
    checked = check_contingent(replace(found, last_payments=tuple(last)))
    assert (checked.holds, checked.counterexample.agent, checked.counterexample.period) == (False, 1, 1)


def test_the_counterexample_has_the_gain_that_it_names():
    env = random_environment(4, sizes=(2, 2), actions=2, private_last=True)
    found = spoiled(contingent_transfers(env, "spanning"))
    lie = check_contingent(found).counterexample
    assert lie.period == 0
    truth = {then: then[lie.agent] for then in np.ndindex(2, 2)}
    lied, honest = (payoff(found, lie.agent, lie.signals, (r, truth)) for r in (lie.report, lie.signals[lie.agent]))
    assert lied - honest == pytest.approx(lie.gain, abs=1e-12)
    assert f"she reports {lie.report} and gains" in str(lie)


def test_no_transfers_at_all_fail_for_ever():
    env = random_environment(0, sizes=(3, 3), horizon="infinite")
    found = contingent_transfers(env, "spanning")
    none = tuple(tuple(np.zeros_like(array) for array in row) for row in found.payments)
    checked = check_contingent(replace(found, payments=none))
    assert not checked.holds and checked.strategy_gain is None
    # one lie at the worst state, followed for three thousand periods of truth by iteration
    lie, policy = checked.counterexample, found.policy[0]
    own = np.take_along_axis(env.values[lie.agent][0], policy[np.newaxis], axis=0)[0]
    chain = np.array([env.kernel[0][(policy[s], *s)].ravel() for s in np.ndindex(3, 3)])
    value = np.zeros(9)
    for _ in range(3000):
        value = own.ravel() + env.discount * chain @ value
    told = list(lie.signals)
    told[lie.agent] = lie.report
    action = policy[tuple(told)]
    lied = env.values[lie.agent][0][(action, *lie.signals)]
    lied += env.discount * env.kernel[0][(action, *lie.signals)].ravel() @ value
    assert lied - value[np.ravel_multi_index(lie.signals, (3, 3))] == pytest.approx(lie.gain, abs=1e-10)


def test_one_promise_at_a_time_agrees_where_no_history_matters():
    env = random_environment(2, sizes=(2, 2), actions=2, horizon=3)
    found = spoiled(contingent_transfers(env, "convex", "constant"))
    alone = max(float(gains.gain.max()) for i in range(2) for gains in promise_by_promise(found, i).gains)
    assert alone == pytest.approx(check_contingent(found).gain, abs=1e-10)


def test_scaling_money_scales_gains():
    env = random_environment(5, sizes=(2, 2), horizon="infinite")
    found = spoiled(contingent_transfers(env, "spanning"))
    dear = replace(env, values=tuple(tuple(7 * values for values in row) for row in env.values))
    scaled = replace(found, environment=dear, payments=tuple(tuple(7 * a for a in row) for row in found.payments))
    assert check_contingent(scaled).gain == pytest.approx(7 * check_contingent(found).gain, rel=1e-9)


def test_the_efficient_policy_by_enumeration_of_all_policies():
    # two periods, 2 x 2 signals, 2 actions: the best of all 2^4 first policies, the last one being best at each profile
    env = random_environment(6, sizes=(2, 2), actions=2, cost=True)
    surplus = [values.sum(axis=0) - env.cost[:, None, None] for values in env.profile_values]
    end = surplus[1].max(axis=0)
    best = -np.inf
    for choice in product(range(2), repeat=4):
        policy = np.reshape(choice, (2, 2))
        total = sum(
            env.initial[s] * (surplus[0][(policy[s], *s)] + env.discount * (env.kernel[0][(policy[s], *s)] * end).sum())
            for s in np.ndindex(2, 2)
        )
        best = max(best, total)
    assert efficient_joint(env).expected_welfare == pytest.approx(best, abs=1e-14)


def test_the_stationary_policy_solves_the_bellman_equation():
    env = random_environment(6, sizes=(3, 2, 2), actions=4, horizon="infinite", discount=0.97, cost=True)
    best = efficient_joint(env)
    surplus = env.profile_values[0].sum(axis=0) - env.cost.reshape(-1, 1, 1, 1)
    future = np.einsum("axyzuvw,uvw->axyz", env.kernel[0], best.welfare[0])
    np.testing.assert_allclose((surplus + env.discount * future).max(axis=0), best.welfare[0], rtol=1e-13)
    np.testing.assert_array_equal((surplus + env.discount * future).argmax(axis=0), best.policy[0])


def test_ties_take_the_lowest_action_and_are_flagged():
    values = np.zeros((2, 3, 2, 2))
    values[0, 1:, 1, 1] = 1
    env = InterdependentTypes(values, None, np.full((2, 2), 0.25), horizon=1)
    best = efficient_joint(env)
    assert best.policy[0].tolist() == [[0, 0], [0, 1]]
    assert best.tied[0].all()
