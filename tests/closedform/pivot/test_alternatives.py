"""The dynamic pivot and the efficient mechanisms that Theorem 2 excludes: incentives, participation, efficient exit."""

import numpy as np
import pytest

from mechopt.closedform.pivot.alternatives import bond, team, team_upfront
from mechopt.closedform.pivot.dynamic_pivot import dynamic_pivot
from mechopt.closedform.pivot.efficient import efficient
from mechopt.closedform.pivot.outside_option import outside_options
from mechopt.core.errors import InputError
from mechopt.environment.families.learning import licensing
from mechopt.environment.families.tasks import scheduling
from mechopt.environment.markov import MarkovTypes
from mechopt.mechanism.constraints import Interim, PeriodicExPostIC, PeriodicExPostIR, PeriodicIR
from mechopt.mechanism.stationary import MarkovMechanism
from mechopt.verification.efficient_exit import efficient_exit
from mechopt.verification.verify import verify
from tests.closedform.markov_instances import CASES, environments, profiles, random_environment, stage, stage_count

CONSTRAINTS = [PeriodicExPostIC(), PeriodicExPostIC(rereport=True), PeriodicExPostIR(), PeriodicIR(), Interim()]
ALTERNATIVES = {"team": team, "team-upfront": team_upfront, "bond": bond}
POSITIVE = [
    pytest.param(random_environment(*case, costs=False, positive=True), id=name) for name, case in CASES.items()
]
SHARED = [env for env in POSITIVE if env.values[0].agents > 1]


@pytest.mark.parametrize("env", POSITIVE)
def test_dynamic_pivot_keeps_incentives_participation_and_exit(env):
    pivot = dynamic_pivot(env)
    mechanism = pivot.to_mechanism()
    report = verify(pivot, CONSTRAINTS)
    assert report.holds, report
    assert max(check.gain for check in report.values()) < 1e-9
    assert pivot.discrepancy < 1e-9
    for i in range(env.agents):
        for t in range(stage_count(env)):
            assert mechanism.continuation[i][t] == pytest.approx(
                stage(env, pivot.marginal_contribution[i], t), abs=1e-9
            )
            assert mechanism.transfer[i][t].min() >= -1e-9
    assert mechanism.revenue == pytest.approx(pivot.revenue, abs=1e-9)
    assert efficient_exit(mechanism).holds


@environments
def test_incentives_hold_with_costs_and_negative_values(env):
    report = verify(dynamic_pivot(env), [PeriodicExPostIC()])
    assert report.holds
    assert report[PeriodicExPostIC()].gain < 1e-9


@pytest.mark.parametrize("env", SHARED)
@pytest.mark.parametrize("name", ALTERNATIVES)
def test_alternatives_keep_incentives_and_participation(env, name):
    mechanism = ALTERNATIVES[name](env)
    report = verify(mechanism, CONSTRAINTS)
    assert report.holds, report
    best = efficient(env)
    for i in range(env.agents):
        # the team gives W to everybody, the two others M_i in period 0
        first = stage(env, best.welfare, 0)
        if name != "team":
            first = first - np.expand_dims(stage(env, best.welfare_without[i], 0), i)
        assert mechanism.continuation[i][0] == pytest.approx(first, abs=1e-9)
    assert mechanism.welfare == pytest.approx(best.expected_welfare, abs=1e-9)


SCHEDULES = {
    "scheduling": scheduling([5, 3, 1], "1/2"),
    "licensing": licensing([(1, 1), (2, 1)], 2, "9/10"),
    # agents 0 and 1 with a type that is worth nothing for ever, as Theorem 2 asks; random otherwise
}


def with_absorbing_types(horizon, seed=0):
    """Random values at least 0; the last type of each agent is worth nothing and stays."""
    rng = np.random.default_rng(seed)
    values, kernel, initial = [], [], []
    for count in (2, 3):
        table, distribution = rng.uniform(size=(3, count)), rng.dirichlet(np.ones(count), size=(3, count))
        table[:, -1], distribution[:, -1] = 0, np.eye(count)[-1]
        values.append(table), kernel.append(distribution), initial.append(rng.dirichlet(np.ones(count)))
    return MarkovTypes(values, kernel, initial, horizon=horizon, discount=0.8)


EXITS = {**SCHEDULES, "infinite": with_absorbing_types("infinite"), "finite": with_absorbing_types(3)}


@pytest.mark.parametrize("env", EXITS.values(), ids=EXITS.keys())
def test_exit_tells_the_dynamic_pivot_from_the_alternatives(env):
    pivot = dynamic_pivot(env).to_mechanism()
    assert efficient_exit(pivot).holds
    for name, build in ALTERNATIVES.items():
        found = efficient_exit(build(env))
        assert not found.holds, name
        assert str(found).startswith("efficient exit: fails, agent")
        paid = build(env).transfer[found.agent][found.period][found.types]
        assert found.payment == paid != 0
        assert found.sets[found.agent][0 if env.infinite else found.period][found.types]


@pytest.mark.parametrize("env", EXITS.values(), ids=EXITS.keys())
def test_exit_sets_by_loops(env):
    """The largest closed set by dropping one profile at a time, with the others' program from `efficient`."""
    best, sets = efficient(env), efficient_exit(dynamic_pivot(env).to_mechanism()).sets
    horizon = stage_count(env)
    for i in range(env.agents):
        others = [j for j in range(env.agents) if j != i]
        inside = [{th for th in profiles(env, t)} for t in range(horizon)]

        def following(t, th, action):
            distributions = [env.kernel[j][t][action, k] for j, k in enumerate(th)]
            moved = profiles(env, 0 if env.infinite else t + 1)
            return [
                (to, np.prod([distribution[k] for distribution, k in zip(distributions, to, strict=True)]))
                for to in moved
            ]

        def suits(t, th, i=i, others=others, following=following):
            action, rest = stage(env, best.policy, t)[th], tuple(k for j, k in enumerate(th) if j != i)
            got = sum(env.values[j][t][action, th[j]] for j in others) - env.costs[t][action]
            if env.infinite or t + 1 < horizon:
                later = stage(env, best.welfare_without[i], t + 1)
                got += env.discount * sum(
                    chance * later[tuple(k for j, k in enumerate(to) if j != i)]
                    for to, chance in following(t, th, action)
                )
            return got >= stage(env, best.welfare_without[i], t)[rest] - 1e-9

        for t in range(horizon):
            inside[t] = {th for th in inside[t] if suits(t, th)}
        changed = True
        while changed:
            changed = False
            for t in range(horizon if env.infinite else horizon - 1):
                after = inside[0 if env.infinite else t + 1]
                for th in sorted(inside[t]):
                    action = stage(env, best.policy, t)[th]
                    if any(chance > 0 and to not in after for to, chance in following(t, th, action)):
                        inside[t].discard(th)
                        changed = True
        for t in range(horizon):
            assert {th for th in profiles(env, t) if sets[i][t][th]} == inside[t]


def test_scheduling_exit_by_hand():
    """Tasks 5, 3, 1. Who is done is out; the last one who waits keeps the others from nothing.

    Agent 2 delays nobody while others wait before her, and nobody waits after her: she never matters.
    """
    sets = efficient_exit(dynamic_pivot(scheduling([5, 3, 1], "1/2")).to_mechanism()).sets
    done = 1
    for th in profiles(scheduling([5, 3, 1], "1/2"), 0):
        alone = [all(k == done for k in th[i + 1 :]) for i in range(3)]
        assert [bool(part[0][th]) for part in sets] == [th[i] == done or alone[i] for i in range(3)]


@pytest.mark.parametrize("amount", [2, -2], ids=["bond", "loan"])
def test_a_loan_is_walked_away_from(amount):
    """After a loan of 2 at discount 1/2 agents owe 4 in period 1, when agent 0's task is done: present value -2."""
    mechanism = bond(scheduling([5, 3, 1], "1/2"), amount)
    report = verify(mechanism, CONSTRAINTS)
    assert report[PeriodicExPostIC()].holds and report[Interim()].holds
    assert report[PeriodicExPostIR()].holds == report[PeriodicIR()].holds == (amount > 0)
    if amount < 0:
        assert report[PeriodicExPostIR()].counterexample.period == 1
        assert report[PeriodicExPostIR()].gain == pytest.approx(2)


def test_bond_that_cannot_be_returned():
    env = random_environment((2, 2), 2, 1, 1)
    with pytest.raises(InputError, match="at least 2 periods"):
        bond(env)
    with pytest.raises(InputError, match="amount"):
        bond(scheduling([5, 3], "1/2"), "much")


def test_exit_is_for_efficient_policies():
    env = scheduling([5, 3], "1/2")
    lazy = MarkovMechanism(env, [np.ones((2, 2), dtype=int)], [[np.zeros((2, 2))]] * 2)
    with pytest.raises(InputError, match="not efficient"):
        efficient_exit(lazy)


@pytest.mark.parametrize("env", POSITIVE)
def test_outside_options_lie_between_nothing_and_the_marginal_contribution(env):
    pivot = dynamic_pivot(env)
    for option, contribution in zip(outside_options(env), pivot.marginal_contribution, strict=True):
        for t in range(stage_count(env)):
            assert stage(env, option, t).min() >= 0
            assert (stage(env, contribution, t) - stage(env, option, t)).min() >= -1e-9


@environments
def test_outside_option_is_what_a_mechanism_without_transfers_gives(env):
    """Run the others' efficient policy on everybody: a mechanism of current reports that charges nothing."""
    everybody = range(env.agents)
    for i in everybody:
        others = [j for j in everybody if j != i]
        policies = without_policy(env, others)
        wide = [np.broadcast_to(np.expand_dims(p, i), shape) for p, shape in zip(policies, env.shape, strict=True)]
        free = MarkovMechanism(env, wide, [[np.zeros(shape) for shape in env.shape]] * env.agents)
        for t in range(stage_count(env)):
            assert free.continuation[i][t] == pytest.approx(stage(env, outside_options(env)[i], t), abs=1e-9)


def without_policy(env, others):
    """Efficient policy of the others, by the environment without her, or the cheapest action where she is alone."""
    if not others:
        return [np.array(int(costs.argmin())) for costs in env.costs]
    best = efficient(env.without(next(i for i in range(env.agents) if i not in others)))
    return [stage(env, best.policy, t) for t in range(stage_count(env))]
