"""Efficient exit in floats: values of the others' programs and the bounds of their rounding, by loops."""

from itertools import product

import numpy as np
import pytest

import mechopt as mo
from mechopt.verification import efficient_exit as module
from mechopt.verification.rounding import largest_value
from tests.closedform.markov_instances import random_environment

U, TINY = 2.0**-53, np.finfo(float).tiny
MEMBERS = ([0, 1], [0], [1], [])


def with_costs(env):
    costs = np.linspace(-0.75, 0.5, env.action_counts[0])
    rows = [costs[: env.action_counts[t]] * (1 + t) for t in range(env.stages)]
    return mo.MarkovTypes(
        env.values,
        env.kernel,
        env.initial,
        cost=rows[0] if env.infinite else rows,
        horizon=env.horizon,
        discount=env.discount,
    )


def loops(env, members, values=None):
    """Tables ``[t][a, types]`` and magnitudes; for ever of given values of the next period."""
    profiles = [list(product(*(range(env.shape[t][i]) for i in members))) for t in range(env.stages)]
    best, size, found = {}, {}, []
    for t in reversed(range(env.stages)):
        table, sizes = {}, {}
        for p, a in product(profiles[t], range(env.action_counts[t])):
            own = [env.values[i][t][a, k] for i, k in zip(members, p, strict=True)]
            now, large = sum(own) - env.costs[t][a], sum(map(abs, own)) + abs(env.costs[t][a])
            following = profiles[t + 1] if t + 1 < env.stages else (profiles[t] if values is not None else [])
            for q in following:
                moves = zip(members, p, q, strict=True)
                chance = env.discount * np.prod([env.kernel[i][t][a, k, n] for i, k, n in moves])
                now += chance * (best[q] if values is None else values[q])
                large += chance * (size[q] if values is None else abs(values[q]))
            table[(a, *p)], sizes[(a, *p)] = now, large
        best = {p: max(table[(a, *p)] for a in range(env.action_counts[t])) for p in profiles[t]}
        size = {p: max(sizes[(a, *p)] for a in range(env.action_counts[t])) for p in profiles[t]}
        found.insert(0, (table, size))
    return found


def depth_of(env, members):
    """Members and their values, four more, and an average over the most types of each of them."""
    return 2 * len(members) + 4 + sum(max(env.shape[t][i] for t in range(env.stages)) for i in members)


@pytest.mark.parametrize("members", MEMBERS, ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_several_periods(seed, members):
    env = with_costs(random_environment(((2, 3), (3, 1), (1, 2)), 3, 3, 0.7, seed))
    depth = depth_of(env, members) * 3
    programs = module._programs(env, members)
    for program, (table, size) in zip(programs, loops(env, members), strict=True):
        for place, value in table.items():
            assert program.table[place] == pytest.approx(value, abs=1e-14)
        for p, large in size.items():
            bound = 2 * (2 * depth * U * large + depth * TINY * (1 + largest_value(env)))
            assert program.rounding[p] == pytest.approx(bound, rel=1e-12, abs=0)


@pytest.mark.parametrize("members", MEMBERS[:3], ids=str)
def test_for_ever(members, monkeypatch):
    """The others' values are 2^-10 too large at one place, which the equation is missed by: the bound says so."""
    env = with_costs(random_environment((2, 3), 3, "infinite", 0.75, 1))
    found = []

    def off(*given):
        value = exactly(*given)
        value = np.array(value)
        value.ravel()[0] += 2.0**-10
        found.append(value)
        return value

    exactly = module.lasting
    monkeypatch.setattr(module, "lasting", off)
    (program,) = module._programs(env, members)
    value = found[-1]
    ((table, size),) = loops(env, members, value)
    for place, wanted in table.items():
        assert program.table[place] == pytest.approx(wanted, abs=1e-14)
    depth = depth_of(env, members)
    rounded = {p: 2 * depth * U * large + depth * TINY * (1 + largest_value(env)) for p, large in size.items()}
    best = {p: max(table[(a, *p)] for a in range(3)) for p in size}
    missed = max(abs(best[p] - value[p]) + rounded[p] for p in size)
    assert missed > 2.0**-12
    for p in size:
        bound = 2 * (rounded[p] + 0.75 * (1 + 2.0**-20) * missed / 0.25)
        assert program.rounding[p] == pytest.approx(bound, rel=1e-12, abs=0)


def test_the_best_policy_of_the_others_is_found():
    """By a dense program that tries all policies of one agent with three types."""
    env = with_costs(random_environment((3, 2), 3, "infinite", 0.9, 2))
    best = np.full(3, -np.inf)
    for policy in product(range(3), repeat=3):
        chain = np.array([env.kernel[0][0][a, k] for k, a in enumerate(policy)])
        flow = np.array([env.values[0][0][a, k] - env.costs[0][a] for k, a in enumerate(policy)])
        best = np.maximum(best, np.linalg.solve(np.eye(3) - 0.9 * chain, flow))
    (program,) = module._programs(env, [0])
    np.testing.assert_allclose(program.table.max(axis=0), best, atol=1e-12)


@pytest.mark.parametrize("more", [0.5, 1e-8])
def test_small_improvements_are_found_step_by_step(more):
    """Types 0, 1, 2: who stays has 1 for ever, who goes on loses a tenth of what type 2 has more, and gets there."""
    stay = np.array([1.0, 1.0, 1.0 + more])
    go = stay - 0.1 * more
    kernel = [np.eye(3), np.array([[0, 1, 0], [0, 0, 1], [0, 0, 1.0]])]
    env = mo.MarkovTypes(
        [np.array([stay, go])], [np.array(kernel)], [np.full(3, 1 / 3)], horizon="infinite", discount=0.75
    )
    (program,) = module._programs(env, [0])
    last = (1 + more) / 0.25
    middle = 1 - 0.1 * more + 0.75 * last
    first = 1 - 0.1 * more + 0.75 * middle
    best = [[1 + 0.75 * first, first], [1 + 0.75 * middle, middle], [last, last - 0.1 * more]]
    assert program.table.T.tolist() == [pytest.approx(row, rel=1e-14) for row in best]
    assert program.rounding.max() < 1e-11


@pytest.mark.parametrize("horizon", [2, "infinite"])
def test_nothing_is_rounded_where_nothing_is_worth_anything(horizon):
    """Of the two types of agent 0 the first stays as she is, and to her no action is worth anything."""
    kernel = [[["1", "0"], ["1/2", "1/2"]], [["1"]]]
    env = mo.MarkovTypes([[[0, 1], [0, 2]], [[1], [1]]], kernel, [["1/2", "1/2"], [1]], horizon=horizon, discount="1/2")
    for program in module._programs(env, [0]):
        assert program.table[:, 0].tolist() == [0, 0] and program.rounding[0] == 0
        assert program.rounding[1] > 0
