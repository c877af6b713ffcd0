"""The dynamic pivot: the papers' numbers, its identities, and incentives by plain loops over one-shot deviations."""

import numpy as np
import pytest

from mechopt.closedform.pivot.dynamic_pivot import dynamic_pivot
from mechopt.closedform.pivot.gittins import gittins_indices
from mechopt.environment.families.learning import licensing
from mechopt.environment.families.tasks import many_tasks_against_one, scheduling
from mechopt.environment.markov import MarkovTypes
from tests.closedform.markov_instances import (
    CASES,
    dense_values,
    environments,
    expected_next,
    next_stage,
    profiles,
    random_environment,
    stage,
    stage_count,
)


def path(agents):
    """Type profiles in which the first tasks are done one after the other."""
    return [tuple(int(i < t) for i in range(agents)) for t in range(agents)]


@pytest.mark.parametrize(
    ("values", "discount", "prices"),
    [
        # p_i = (1-d) sum_{t >= i} d^(t-i) v_(t+1), v_(n+1) = 0: (3 + 1/2)/2, 1/2, 0
        pytest.param([5, 3, 1], "1/2", [7 / 4, 1 / 2, 0], id="five-three-one"),
        # 0.1 * (6 + 0.9 * 3) = 0.87, 0.1 * 3 = 0.30, 0
        pytest.param([10, 6, 3], "0.9", [0.87, 0.30, 0], id="ten-six-three"),
        pytest.param([2], "1/2", [0], id="alone"),
    ],
)
def test_scheduling_prices_at_service(values, discount, prices):
    pivot = dynamic_pivot(scheduling(values, discount))
    for i, waiting in enumerate(path(len(values))):
        assert pivot.policy[waiting] == i
        paid = [float(transfer[waiting]) for transfer in pivot.transfer]
        assert paid == pytest.approx([prices[i] if j == i else 0 for j in range(len(values))], abs=1e-12)


def test_scheduling_five_three_one_seen_from_period_0():
    # M_i = d^(i-1) sum_{t >= i} d^(t-i) (v_t - v_(t+1)): 2 + 2/2 + 1/4, (2 + 1/2)/2, 1/4; the rest of 27/4 is revenue,
    # 7/4 + 1/4 + 0
    pivot = dynamic_pivot(scheduling([5, 3, 1], "1/2"))
    assert [float(m[0, 0, 0]) for m in pivot.marginal_contribution] == pytest.approx([13 / 4, 5 / 4, 1 / 4], abs=1e-12)
    assert pivot.welfare == pytest.approx(27 / 4, abs=1e-12)
    assert pivot.utilities == pytest.approx((13 / 4, 5 / 4, 1 / 4), abs=1e-12)
    assert pivot.revenue == pytest.approx(2, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_scheduling_prices_in_closed_form(seed):
    rng = np.random.default_rng(seed)
    values, discount = sorted(rng.integers(1, 1000, size=5), reverse=True), 0.7
    pivot = dynamic_pivot(scheduling([int(v) for v in values], discount))
    following = [*values[1:], 0]
    for i, waiting in enumerate(path(5)):
        price = (1 - discount) * sum(discount ** (t - i) * following[t] for t in range(i, 5))
        assert pivot.transfer[i][waiting] == pytest.approx(price, rel=1e-11)


def test_many_tasks_against_one():
    # M_0 = 5/(1 - 4/5) - 3 = 22, m_0 = 5 - (1 - 4/5) 3 = 4.4, p_0 = +(1 - 4/5) 3 = 0.6, for ever
    pivot = dynamic_pivot(many_tasks_against_one(5, 3, "4/5"))
    assert pivot.policy[0, 0] == 0
    assert pivot.transfer[0][0, 0] == pytest.approx(0.6, abs=1e-12)
    assert pivot.marginal_contribution[0][0, 0] == pytest.approx(22, abs=1e-12)
    assert pivot.flow[0][0, 0] == pytest.approx(4.4, abs=1e-12)
    assert pivot.transfer[1][0, 0] == pytest.approx(0, abs=1e-12)


def test_one_task_that_is_worth_more_goes_first():
    # 3 once, then 1 for ever; the loser's tasks are put off by a period: p_1 = 1/(1-d) - d/(1-d) = 1
    pivot = dynamic_pivot(many_tasks_against_one(1, 3, "4/5"))
    assert pivot.policy.tolist() == [[1, 0]]
    assert pivot.transfer[1][0, 0] == pytest.approx(1, abs=1e-12)


def test_the_winner_of_a_licence_pays_the_rival_s_posterior_mean():
    # W_(-i) is the rival alone for ever: her mean over 1-d, as means are a martingale; the price is (1-d) W_(-i)
    env = licensing([(1, 1), (2, 3)], 4, "9/10")
    pivot = dynamic_pivot(env)
    means = [table[0][i] for i, table in enumerate(env.values)]
    for th in profiles(env, 0):
        winner = pivot.policy[th]
        rival = 1 - winner
        assert pivot.transfer[winner][th] == pytest.approx(means[rival][th[rival]], abs=1e-11)
        assert pivot.transfer[rival][th] == pytest.approx(0, abs=1e-11)


def test_three_bidders_for_a_licence():
    # the winner pays (1-d) W_(-i), more than the best rival's mean: the others would learn as well
    env = licensing([(1, 1), (1, 1), (1, 2)], 3, "9/10")
    pivot = dynamic_pivot(env)
    without = pivot.efficient.welfare_without[0][0, 0]
    assert (pivot.policy[0, 0, 0], bool(pivot.tied[0, 0, 0])) == (0, True)
    assert pivot.transfer[0][0, 0, 0] == pytest.approx(0.1 * without, abs=1e-12)
    assert pivot.transfer[0][0, 0, 0] > 0.5 + 1e-3
    indices = [gittins_indices(env.kernel[i][0][i], env.values[i][0][i], 0.9) for i in range(3)]
    for th in profiles(env, 0):
        standing = [indices[i][k] for i, k in enumerate(th)]
        assert standing[pivot.policy[th]] == pytest.approx(max(standing), abs=1e-10)
        assert pivot.tied[th] == (sorted(standing)[-1] - sorted(standing)[-2] < 1e-10)


def test_static_second_price_auction():
    # one period, one item: the winner pays the loser's value, a lone bidder nothing
    values = [1, 2, 4]
    tables = [[[0, 0, 0], values, [0, 0, 0]], [[0, 0, 0], [0, 0, 0], values]]
    distribution = ["1/3", "1/3", "1/3"]
    pivot = dynamic_pivot(MarkovTypes(tables, [None, None], [distribution, distribution], horizon=1))
    for k in range(3):
        for j in range(3):
            winner = pivot.policy[0][k, j] - 1
            assert winner == (0 if k >= j else 1)
            paid = [float(transfer[0][k, j]) for transfer in pivot.transfer]
            assert paid == pytest.approx([values[j] if winner == 0 else 0, values[k] if winner == 1 else 0])


@environments
def test_identities(env):
    """(1), (10), (11), (12) and (13), each by loops over the dense joint chain."""
    pivot, everybody, d = dynamic_pivot(env), range(env.agents), env.discount
    welfare = dense_values(env, everybody)
    for i in everybody:
        others = [j for j in everybody if j != i]
        without = dense_values(env, others)
        for t in range(stage_count(env)):
            after = 0 if env.infinite else t + 1
            later = without[after] if after < len(without) else None
            contribution, policy = stage(env, pivot.marginal_contribution[i], t), stage(env, pivot.policy, t)
            next_contribution = next_stage(env, pivot.marginal_contribution[i], t)
            flow, transfer = stage(env, pivot.flow[i], t), stage(env, pivot.transfer[i], t)
            for th in profiles(env, t):
                a, rest = policy[th], tuple(th[j] for j in others)
                own = env.values[i][t][a, th[i]]

                def others_flow(b, t=t, others=others, rest=rest):
                    return sum(env.values[j][t][b, k] for j, k in zip(others, rest, strict=True)) - env.cost[b]

                def carried(b, t=t, others=others, rest=rest, later=later):
                    return d * expected_next(env, t, b, others, rest, later)

                best_without = max(range(len(env.actions)), key=lambda b: others_flow(b) + carried(b))
                by_10 = contribution[th] - d * expected_next(env, t, a, everybody, th, next_contribution)
                by_11 = own + others_flow(a) - others_flow(best_without) + carried(a) - carried(best_without)
                by_13 = without[t][rest] - others_flow(a) - carried(a)
                assert contribution[th] == pytest.approx(welfare[t][th] - without[t][rest], abs=1e-9)
                assert flow[th] == pytest.approx(by_10, abs=1e-9)
                assert flow[th] == pytest.approx(by_11, abs=1e-9)
                assert transfer[th] == pytest.approx(own - flow[th], abs=1e-12)
                assert transfer[th] == pytest.approx(by_13, abs=1e-9)
                assert transfer[th] >= -1e-9
    assert pivot.discrepancy < 1e-9


def largest_gain(env, pivot, transfers):
    """Largest gain from one misreport, and smallest utility at the truth, over histories, types and agents."""
    gain, lowest, everybody = -np.inf, np.inf, range(env.agents)
    for i in everybody:
        for t in range(stage_count(env)):
            policy, transfer = stage(env, pivot.policy, t), stage(env, transfers[i], t)
            contribution = stage(env, pivot.marginal_contribution[i], t)
            following = next_stage(env, pivot.marginal_contribution[i], t)
            for th in profiles(env, t):
                lowest = min(lowest, contribution[th])
                for report in range(env.shape[t][i]):
                    said = (*th[:i], report, *th[i + 1 :])
                    a = policy[said]
                    later = env.discount * expected_next(env, t, a, everybody, th, following)
                    utility = env.values[i][t][a, th[i]] - transfer[said] + later
                    gain = max(gain, utility - contribution[th])
    return gain, lowest


@environments
def test_periodic_ex_post_incentives(env):
    pivot = dynamic_pivot(env)
    gain, _ = largest_gain(env, pivot, pivot.transfer)
    assert gain < 1e-9
    assert gain > -1e-9  # the truth itself attains M_i


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
def test_periodic_participation_where_no_value_is_negative(case):
    env = random_environment(*case, positive=True)
    pivot = dynamic_pivot(env)
    gain, lowest = largest_gain(env, pivot, pivot.transfer)
    assert abs(gain) < 1e-9
    assert lowest > -1e-9


def test_participation_may_fail_where_a_value_is_negative():
    # action 0 is worth 2 to agent 0 and -1 to agent 1, action 1 nothing: it is taken, and M_1 = (2 - 1) - 2
    env = MarkovTypes([[[2], [0]], [[-1], [0]]], [None, None], [[1], [1]], horizon=1)
    assert dynamic_pivot(env).utilities == (1, -1)


def test_the_check_of_incentives_finds_wrong_transfers():
    env = random_environment((2, 3), 3, "infinite", 0.8)
    pivot = dynamic_pivot(env)
    assert largest_gain(env, pivot, [0.5 * transfer for transfer in pivot.transfer])[0] > 1e-3


@environments
def test_utilities_are_those_of_the_flows(env):
    """Discounted sum of flows along the chain of the policy, from the joint distribution of the first types."""
    pivot, everybody = dynamic_pivot(env), range(env.agents)
    periods = 2000 if env.infinite else env.horizon
    distribution = {th: np.prod([env.initial[i][k] for i, k in enumerate(th)]) for th in profiles(env, 0)}
    found, revenue = np.zeros(env.agents), 0.0
    for t in range(periods):
        s = 0 if env.infinite else t
        after, weight = {}, env.discount**t
        if weight < 1e-13:
            break
        for th, chance in distribution.items():
            a = stage(env, pivot.policy, s)[th]
            found += weight * chance * np.array([stage(env, flow, s)[th] for flow in pivot.flow])
            paid = sum(stage(env, transfer, s)[th] for transfer in pivot.transfer)
            revenue += weight * chance * (paid - env.cost[a])
            if env.infinite or t + 1 < periods:
                for to in profiles(env, 0 if env.infinite else t + 1):
                    move = np.prod([env.kernel[i][s][a, th[i], to[i]] for i in everybody])
                    after[to] = after.get(to, 0.0) + chance * move
        distribution = after
    assert pivot.utilities == pytest.approx(found, abs=1e-9)
    assert pivot.revenue == pytest.approx(revenue, abs=1e-9)
