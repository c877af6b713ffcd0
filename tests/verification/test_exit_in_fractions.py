"""Efficient exit in fractions: the others' programs by loops, and where each action is optimal."""

from fractions import Fraction
from itertools import product
from math import prod

import numpy as np
import pytest

import mechopt as mo
from mechopt.verification import exact_exit as module
from tests.verification.test_exit_bounds import MEMBERS, random_environment, with_costs


def thirds(horizon):
    """Numbers that floats round; types and actions of their own in each period."""
    values = [
        [[["1/3", 0], ["2/3", "-1/7"]], [["1/9", "1/3", 1], [0, "5/3", "1/3"], ["1/3"] * 3]],
        [[["1/3", 0, 1], [1, "1/3", "2/7"]], [["1/3"], ["1/7"], ["2/7"]]],
    ]
    kernel = [
        [[[["1/3", "1/3", "1/3"], ["1/7", 0, "6/7"]], [["2/3", 0, "1/3"], [0, 1, 0]]]],
        [[[[1]] * 3] * 2],
    ]
    initial = [["1/3", "2/3"], ["1/3"] * 3]
    if horizon == "infinite":
        values = [row[0] for row in values]
        kernel = [
            [[["1/3", "2/3"], ["1/7", "6/7"]], [["2/3", "1/3"], [0, 1]]],
            [[["1/3"] * 3, [0, "1/3", "2/3"], [0, 0, 1]], [[1, 0, 0], ["1/2", "1/2", 0], ["1/7", "2/7", "4/7"]]],
        ]
        cost = ["1/3", "1/7"]
    else:
        cost = [["1/3", "1/7"], ["2/3", "1/5", "-1/3"]]
    return mo.MarkovTypes(values, kernel, initial, cost=cost, horizon=horizon, discount="2/3")


ENVIRONMENTS = {
    "thirds": lambda: thirds(2),
    "thirds-for-ever": lambda: thirds("infinite"),
    "floats": lambda: with_costs(random_environment(((2, 3), (3, 1), (1, 2)), 3, 3, 0.7, 0)),
    "floats-for-ever": lambda: with_costs(random_environment((2, 3), 3, "infinite", 0.75, 1)),
}


def numbers(env):
    """Discount, costs by period, values and kernels as fractions."""
    source = env.exact or env

    def parts(nested):
        if isinstance(nested, (Fraction, float, int)):
            return Fraction(nested)
        return [parts(one) for one in nested]

    cost = parts([costs.tolist() for costs in env.costs]) if env.exact is None else parts(env.exact.cost)
    if env.exact is not None and isinstance(cost[0], Fraction):
        cost = [cost]
    plain = env.exact is None
    values = parts([[t.tolist() for t in row] for row in env.values] if plain else source.values)
    kernel = parts([[t.tolist() for t in row] for row in env.kernel] if plain else source.kernel)
    return Fraction(source.discount), cost, values, kernel


def any_policy(env, t):
    return np.random.default_rng(t).integers(0, env.action_counts[t], env.shape[t])


def expected(env, members, t, p, a, later):
    d, cost, values, kernel = numbers(env)
    now = sum((values[i][t][a][k] for i, k in zip(members, p, strict=True)), -cost[t][a])
    if later is None:
        return now
    total = now
    for q, value in later.items():
        total += (
            d * prod((kernel[i][t][a][k][n] for i, k, n in zip(members, p, q, strict=True)), start=Fraction(1)) * value
        )
    return total


@pytest.mark.parametrize("members", MEMBERS, ids=str)
@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_each_action_is_worth_what_the_recursion_says(name, members):
    env = ENVIRONMENTS[name]()
    assert (env.exact is None) == name.startswith("floats")
    profiles = [list(product(*(range(env.shape[t][i]) for i in members))) for t in range(env.stages)]
    tables = module._program(env, members)
    assert len(tables) == env.stages
    for t, table in enumerate(tables):
        then = t if env.infinite else t + 1
        later = None
        if then < env.stages:
            later = {q: max(row) for q, row in zip(profiles[then], tables[then], strict=True)}
        for p, row in zip(profiles[t], table, strict=True):
            assert row == [expected(env, members, t, p, a, later) for a in range(env.action_counts[t])]
    policy = [any_policy(env, t) for t in range(env.stages)]
    for t, suits in enumerate(module.optimal_for(env, policy, members)):
        assert suits.shape == env.shape[t]
        for types in product(*map(range, env.shape[t])):
            row = tables[t][profiles[t].index(tuple(types[i] for i in members))]
            assert suits[types] == (row[policy[t][types]] == max(row))


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("floats", 2 * (3 * (6 * 3 + 3 * 2 + 2 * 6)) + 6),
        ("floats-for-ever", 2 * (3 * 6 * 6 + 6**3) + 6),
    ],
)
def test_how_many_products_it_takes(name, steps, monkeypatch):
    env, asked = ENVIRONMENTS[name](), []
    monkeypatch.setattr(module, "require_few", lambda terms, about: asked.append((terms, about)))
    module.optimal_for(env, [any_policy(env, t) for t in range(env.stages)], [0, 1])
    assert asked == [(steps, "efficient exit")]
