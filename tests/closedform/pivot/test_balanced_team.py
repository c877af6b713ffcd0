"""Balanced mechanisms against loops over the joint chain, against every strategy, and by hand."""

from dataclasses import replace
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from scipy.optimize import linprog

import mechopt as mo
from mechopt.mechanism.constraints import BayesianIC, Interim, PeriodicExPostIC, PeriodicIR
from tests.closedform.markov_instances import joint_kernel, profiles, random_environment

STAY = [["3/4", "1/4"], ["1/4", "3/4"]]
CASES = {
    "two-agents-infinite": ((2, 3), 2, "infinite", 0.8),
    "three-agents-infinite": ((2, 1, 3), 4, "infinite", 0.6),
    "two-agents-finite": ((3, 2), 3, 3, 1),
    "three-agents-finite": ((2, 3, 2), 2, 2, 0.9),
    "types-by-period": (((2, 3), (3, 1), (1, 2)), 3, 3, 0.7),
}


def trade(stay="3/4", discount="7/10", horizon="infinite", buyer=(1, 3), seller=(0, 2)):
    """A buyer's values and a seller's costs, half each, that stay with a probability."""
    move = str(1 - Fraction(stay))
    kernel = [[stay, move], [move, stay]]
    values = [[[0, 0], list(buyer)], [[0, 0], [-c for c in seller]]]
    return mo.MarkovTypes(values, [kernel] * 2, [["1/2", "1/2"]] * 2, horizon=horizon, discount=discount)


def test_trade_by_hand():
    # trade but for (1, 2). E W = (1/4)(1 + 3 + 1) / (1 - 7/10) = 25/6. With m = 7/10 (2*3/4 - 1) = 7/20 the seller's
    # part of X_buyer differs between reports 3 and 1 by -1 / (1 - m) = -20/13: gamma_buyer(low) = 10/13.
    team = mo.balanced_team(trade())
    assert team.welfare == pytest.approx(25 / 6)
    np.testing.assert_allclose(team.incentive_terms[0][0], [10 / 13, -10 / 13])
    np.testing.assert_allclose(team.incentive_terms[1][0], [5 / 13, -5 / 13])
    np.testing.assert_allclose(team.transfers[0][0] * 13, [[-5, -15], [15, 5]])
    least = [row[0].min() for row in team.interim_utilities]
    np.testing.assert_allclose(least, [4.679487, -2.820513], atol=1e-6)


@pytest.mark.parametrize(
    ("stay", "first", "every"), [("1/2", 1 / 6, 1 / 6), ("3/4", 2 / 7, 0.455273), ("9/10", 1 / 2, 0.732989)]
)
def test_discount_from_which_lump_sums_make_all_take_part(stay, first, every):
    for threshold, in_every_period in ((first, False), (every, True)):
        below, above = (mo.balanced_team(trade(stay, Fraction(threshold + gap))) for gap in (-1e-5, 1e-5))
        with pytest.raises(mo.InputError, match="participation: lacks"):
            below.with_lump_sums(in_every_period)
        assert mo.verify(above.with_lump_sums(in_every_period)).holds


def test_lump_sums_of_grids_without_persistence_start_at_discount_one_half():
    # four midpoints each: any grid has the threshold 1/2
    grid = [(2 * k + 1) / 8 for k in range(4)]
    values = [[[0] * 4, grid], [[0] * 4, [-x for x in grid]]]
    for discount, works in ((0.499, False), (0.501, True)):
        env = mo.MarkovTypes(values, [[[0.25] * 4] * 4] * 2, [[0.25] * 4] * 2, discount=discount)
        assert (mo.balanced_team(env).participation_surplus[0] >= 0) == works


def others_values(env, policy, i):
    """X_i by dense equations or backward induction, over lists of profiles."""
    n, infinite = env.agents, env.infinite
    value = None
    found = []
    for t in reversed(range(1 if infinite else env.horizon)):
        here = profiles(env, t)
        acts = [policy[t][p] for p in here]
        flow = np.array(
            [
                sum(env.values[j][t][a, p[j]] - env.costs[t][a] / n for j in range(n) if j != i)
                for p, a in zip(here, acts, strict=True)
            ]
        )
        if infinite or value is not None:
            rows = np.array([joint_kernel(env, t, a, range(n))[k] for k, a in enumerate(acts)])
            value = (
                np.linalg.solve(np.eye(len(flow)) - env.discount * rows, flow)
                if infinite
                else (flow + env.discount * rows @ value)
            )
        else:
            value = flow
        found.insert(0, dict(zip(here, value, strict=True)))
    return found


def raw_term(env, policy, i, t, last, report):
    """gamma_i by sums over all profiles that may follow the last one."""
    stage = 0 if env.infinite else t
    x = others_values(env, policy, i)[stage]
    s = 0 if env.infinite else t - 1
    distributions = env.initial if t == 0 else [env.kernel[j][s][policy[s][last], k] for j, k in enumerate(last)]
    given = centre = 0.0
    for p in profiles(env, stage):
        chance = np.prod(
            [distribution[k] for j, (distribution, k) in enumerate(zip(distributions, p, strict=True)) if j != i]
        )
        given += chance * x[p] if p[i] == report else 0
        centre += chance * distributions[i][p[i]] * x[p]
    return given - centre


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_terms_are_what_a_report_changes_for_the_others(case):
    env = random_environment(*case)
    team = mo.balanced_team(env)
    policy = team.policy
    for i, t in product(range(env.agents), range(team.periods)):
        lasts = profiles(env, 0 if env.infinite else t - 1) if t else [()]
        for last in lasts:
            row = team.incentive_terms[i][t][last]
            raw = [raw_term(env, policy, i, t, last, r) for r in range(len(row))]
            np.testing.assert_allclose(row, raw, atol=1e-11)
    assert team.budget < 1e-12
    assert team.welfare == pytest.approx(mo.efficient(env).expected_welfare)
    assert team.revenue == pytest.approx(0, abs=1e-11)


@pytest.mark.parametrize("seed", range(20))
def test_no_strategy_gains_and_periodic_ex_post_does_not_hold_in_general(seed):
    env = random_environment((2, 2) if seed % 2 else (2, 3), 2, 2, 0.9, seed=seed)
    team = mo.balanced_team(env)
    written = team.to_mechanism()
    report = mo.verify(written, [BayesianIC(), PeriodicExPostIC()])
    assert report["bayesian"].holds
    assert written.utilities == pytest.approx(team.utilities)
    local = mo.verify(team, [BayesianIC(), Interim(), PeriodicIR()])
    over_histories = mo.verify(written, [BayesianIC(), Interim(), PeriodicIR()])
    for name, check in over_histories.items():
        assert local[name].status == check.status
        assert local[name].gain == pytest.approx(check.gain, abs=1e-9)


def best_reply_gain(team, i):
    """Policy values of an agent who may report anything, by value iteration on (last reports, own true type)."""
    env, policy = team.environment, team.policy[0]
    shape, others = policy.shape, [j for j in range(env.agents) if j != i]
    pairs = list(product(profiles(env, 0), range(shape[i])))
    best, true = dict.fromkeys(pairs, 0.0), dict.fromkeys(pairs, 0.0)

    def worth(last, own, report, value):
        total = 0.0
        for rest in product(*(range(shape[j]) for j in others)):
            told = list(rest)
            told.insert(i, report)
            told = tuple(told)
            act = policy[last]
            chance = np.prod([env.kernel[j][0][act, last[j], told[j]] for j in others])
            now = env.values[i][0][policy[told], own] - team.transfers[i][1][(*last, *told)]
            later = sum(env.kernel[i][0][policy[told], own, k] * value[told, k] for k in range(shape[i]))
            total += chance * (now + env.discount * later)
        return total

    for _ in range(int(np.log(1e-11) / np.log(env.discount))):
        best, true = (
            {(f, k): max(worth(f, k, r, best) for r in range(shape[i])) for f, k in pairs},
            {(f, k): worth(f, k, k, true) for f, k in pairs},
        )
    return max(best[pair] - true[pair] for pair in pairs)


@pytest.mark.parametrize("seed", range(3))
def test_no_strategy_gains_for_ever(seed):
    env = random_environment((2, 2), 2, "infinite", 0.5, seed=seed)
    team = mo.balanced_team(env)
    assert max(best_reply_gain(team, i) for i in range(2)) < 1e-8
    assert mo.verify(team).holds


def test_a_wrong_payment_is_found_with_any_horizon():
    for horizon in (2, "infinite"):
        team = mo.balanced_team(trade(horizon=horizon))
        rows = [list(row) for row in team.incentive_terms]
        rows[0][1] = rows[0][1] + np.array([0.0, 2.0])
        wrong = replace(team, incentive_terms=tuple(tuple(row) for row in rows))
        check = mo.verify(wrong)["bayesian"]
        assert not check.holds
        assert check.strategy_gain == check.gain > 0.5
        assert check.counterexample.agent == 0
        assert check.counterexample.replay(wrong) == pytest.approx(check.gain, abs=1e-7)
        if horizon == 2:
            assert mo.verify(wrong.to_mechanism(), BayesianIC())["bayesian"].gain == pytest.approx(check.gain)


@pytest.mark.parametrize("seed", range(12))
def test_balance_keeps_incentives_and_first_utilities(seed):
    env = random_environment((2, 2), 2, 2, 0.9, seed=seed, costs=False, positive=True)
    best = mo.optimum(env).mechanism
    if best.limit:
        pytest.skip("a limit of mechanisms")
    found = mo.mechanisms.balance(best)
    assert mo.verify(found, [BayesianIC(), Interim()]).holds
    assert found.revenue == pytest.approx(0, abs=1e-9)
    paid = [found.payment[t].sum(axis=0) for t in range(2)]
    assert max(float(np.abs(part).max()) for part in paid) < 1e-9
    gained = np.array(found.utilities) - best.utilities
    np.testing.assert_allclose(gained, best.revenue / 2, atol=1e-8)
    assert found.welfare == pytest.approx(best.welfare)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_balance_of_current_reports_is_that_over_histories(case):
    env = random_environment(*case, costs=False, positive=True)
    pivot = mo.dynamic_pivot(env).to_mechanism()
    found = mo.mechanisms.balance(pivot)
    share = pivot.revenue / env.agents
    np.testing.assert_allclose(np.array(found.utilities) - pivot.utilities, share, atol=1e-9)
    assert found.budget < 1e-11
    assert mo.verify(found).holds
    if not env.infinite:
        written = mo.mechanisms.balance(pivot.to_sequence())
        assert written.utilities == pytest.approx(found.utilities)
        assert mo.verify(written, [BayesianIC()]).holds


def test_what_cannot_be_balanced():
    alone = mo.MarkovTypes([[[0], [1]]], [[[1]]], [[1]], horizon=1)
    with pytest.raises(mo.InputError, match="at least 2 to pay each other"):
        mo.balanced_team(alone)
    with pytest.raises(mo.InputError, match="at least 2 to pay each other"):
        mo.mechanisms.balance(mo.optimum(alone).mechanism)
    with pytest.raises(mo.InputError, match="revenue: is -"):
        mo.mechanisms.balance(mo.mechanisms.team(trade()))
    with pytest.raises(mo.InputError, match="horizon"):
        mo.balanced_team(trade()).to_mechanism()
    with pytest.raises(mo.InputError, match="periodic-ex-post"):
        mo.verify(mo.balanced_team(trade()), PeriodicExPostIC())


@pytest.mark.parametrize("seed", range(15))
def test_gains_of_wrong_payments_are_those_over_histories_where_types_cannot_follow_each_other(seed):
    rng = np.random.default_rng(seed)
    values = [rng.normal(size=(2, 3)) for _ in range(2)]
    kernel = [np.array([[[0.5, 0.5, 0], [0, 0.25, 0.75], [1, 0, 0]], np.eye(3)])[:, rng.permutation(3)] for _ in "ab"]
    env = mo.MarkovTypes(values, kernel, [[0.5, 0.5, 0], [0.25, 0.25, 0.5]], horizon=3, discount=0.9)
    team = mo.balanced_team(env)
    assert mo.verify(team).holds
    rows = [[part + rng.normal(scale=0.3, size=part.shape) for part in row] for row in team.incentive_terms]
    wrong = replace(team, incentive_terms=tuple(map(tuple, rows)))
    asked = [BayesianIC(), Interim(), PeriodicIR()]
    local, over_histories = mo.verify(wrong, asked), mo.verify(wrong.to_mechanism(), asked)
    for constraint in asked:
        assert local[constraint].gain == pytest.approx(over_histories[constraint].gain, abs=1e-9)
        if local[constraint].counterexample:
            again = local[constraint].counterexample.replay(wrong)
            assert again == pytest.approx(local[constraint].gain, abs=1e-9)


def three_by_three(periods, discount):
    """Buyer 1, 3 or 5, seller's cost 0, 2 or 4, uniform; types stay with probability 3/5, and else are any other."""
    move = [["3/5" if one == other else "1/5" for other in range(3)] for one in range(3)]
    tables = [[[0] * 3, [1, 3, 5]], [[0] * 3, [0, -2, -4]]]
    return mo.MarkovTypes(tables, [move] * 2, [["1/3"] * 3] * 2, horizon=periods, discount=discount)


@pytest.mark.parametrize(("periods", "discount", "left"), [(1, 1, -8 / 9), (2, "3/10", -0.7155555555)])
def test_what_the_collective_pivot_leaves(periods, discount, left):
    welfare = mo.efficient(three_by_three(periods, discount)).welfare[0]
    found = welfare.mean(axis=1).min() + welfare.mean(axis=0).min() - welfare.mean()
    assert found == pytest.approx(left, abs=1e-9)


@pytest.mark.parametrize(("ir", "balanced"), [("interim", 2.955555556), ("periodic", 2.926984127)])
def test_balance_is_free_at_first_and_costs_where_all_take_part_in_every_period(ir, balanced):
    env = three_by_three(2, "9/10")
    plain = mo.optimum(env, mo.BayesianIC(), ir, objective=mo.Welfare())
    exactly = mo.optimum(env, mo.BayesianIC(), ir, objective=mo.Welfare(), subject_to=mo.StrongBudgetBalance())
    assert plain.value == pytest.approx(2.955555556, abs=1e-7)
    assert exactly.value == pytest.approx(balanced, abs=1e-7)


def most_money(env):
    """Largest expected payments under the efficient rule, Bayesian IC and interim IR: a program over all reports.

    One misreport at every history and type, with the truth after it; types move with positive probability everywhere.
    """
    policy, shape = mo.efficient(env).policy, env.shape[0]
    everybody = list(product(*(range(k) for k in shape)))
    nodes = [(t, path) for t in range(env.horizon) for path in product(everybody, repeat=t + 1)]
    column = {(i, node): c for c, (i, node) in enumerate(product(range(env.agents), nodes))}

    def chances(i, t, last, own):
        """Profiles of period t after the profile ``last`` and the chance of the others' types; her own is fixed."""
        for profile in everybody:
            if profile[i] != own:
                continue
            chance = 1.0
            for j in range(env.agents):
                if j != i:
                    following = env.initial[j] if last is None else env.kernel[j][t - 1][policy[t - 1][last], last[j]]
                    chance *= following[profile[j]]
            yield profile, chance

    def utility(i, path, true, told):
        """Value, and row of payments, from a history on for her who is ``true``, says ``told``, and then the truth."""
        t, constant, row = len(path), 0.0, np.zeros(len(column))
        for profile, chance in chances(i, t, path[-1] if path else None, told):
            action, here = policy[t][profile], (*path, profile)
            constant += chance * env.discount**t * env.values[i][t][action, true]
            row[column[i, (t, here)]] -= chance * env.discount**t
            if t + 1 < env.horizon:
                for k in range(shape[i]):
                    weight = chance * env.kernel[i][t][action, true, k]
                    more, part = utility(i, here, k, k)
                    constant, row = constant + weight * more, row + weight * part
        return constant, row

    rows, sides, goal = [], [], np.zeros(len(column))
    for i, t in product(range(env.agents), range(env.horizon)):
        for path in product(everybody, repeat=t):
            for true in range(shape[i]):
                value, honest = utility(i, path, true, true)
                if t == 0:
                    rows.append(-honest)
                    sides.append(value)
                    goal += env.initial[i][true] * honest
                for told in set(range(shape[i])) - {true}:
                    other, row = utility(i, path, true, told)
                    rows.append(row - honest)
                    sides.append(value - other)
    found = linprog(goal, np.array(rows), np.array(sides), bounds=(None, None), method="highs")
    return -found.fun


@pytest.mark.parametrize(
    ("horizon", "discount", "types", "collective", "program"),
    [
        (1, "1/2", ((1, 3), (0, 2)), Fraction(-1, 4), Fraction(1, 4)),
        (1, "1/2", ((1, 3, 5), (0, 2, 4)), Fraction(-8, 9), Fraction(-2, 9)),
        (2, "3/10", ((1, 3, 5), (0, 2, 4)), -0.715556, 0.031111),
    ],
    ids=["two-by-two", "three-by-three", "three-by-three-twice"],
)
def test_what_the_collective_condition_misses(horizon, discount, types, collective, program):
    # the program may have money to share where the pivot's collective condition, sufficient alone, fails
    buyer, seller = types
    count, stay = len(buyer), Fraction(3, 5) if len(buyer) == 3 else Fraction(3, 4)
    kernel = [[stay if k == m else (1 - stay) / (count - 1) for m in range(count)] for k in range(count)]
    values = [[[0] * count, list(buyer)], [[0] * count, [-c for c in seller]]]
    even = [[Fraction(1, count)] * count] * 2
    env = mo.MarkovTypes(values, [kernel] * 2, even, horizon=horizon, discount=discount)
    assert mo.balanced_team(env).participation_surplus[0] == pytest.approx(float(collective), abs=1e-6)
    assert most_money(env) == pytest.approx(float(program), abs=1e-6)
