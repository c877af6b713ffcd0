"""Efficient exit against plain recursion in fractions, and its three answers."""

from fractions import Fraction
from itertools import product
from math import prod

import numpy as np
import pytest

import mechopt as mo
from mechopt.core.errors import InputError, LimitError
from mechopt.mechanism.stationary import MarkovMechanism
from mechopt.verification.efficient_exit import efficient_exit
from mechopt.verification.rounding import Status

HALF = "1/2"


def finite(values, costs, kernel, horizon, discount=HALF):
    """Two agents of two types with a chain each, whatever the action."""
    chains = [[[row for row in chain] for _ in costs] for chain in kernel]
    return mo.MarkovTypes(values, chains, [[HALF, HALF]] * 2, cost=costs, horizon=horizon, discount=discount)


def raw_sets(env, policy, i, periods=400):
    """E_i by plain recursion over whole profiles in fractions; a long horizon where there is none."""
    exact, shape = env.exact, env.shape[0]
    profiles = list(product(*map(range, shape)))
    others = [j for j in range(env.agents) if j != i]

    def chance(types, action, after):
        if env.stages == 1:
            return Fraction(0)  # nothing comes after
        return prod(exact.kernel[j][0][action][types[j]][after[j]] for j in range(env.agents))

    def flow(types, action):
        return sum(exact.values[j][0][action][types[j]] for j in others) - exact.cost[action]

    horizon = env.stages if isinstance(env.horizon, int) else periods
    best = dict.fromkeys(profiles, Fraction(0))
    suits = []
    for _ in range(horizon):
        tables = {}
        for types in profiles:
            later = [sum(chance(types, a, n) * best[n] for n in profiles) for a in range(len(exact.cost))]
            tables[types] = [flow(types, a) + exact.discount * ahead for a, ahead in enumerate(later)]
        best = {types: max(row) for types, row in tables.items()}
        suits.append(tables)
    suits = suits[::-1]
    sets = [set() for _ in range(horizon)]
    for t in reversed(range(horizon)):
        for types in profiles:
            a = int(policy[t][types])
            inside = suits[t][types][a] == max(suits[t][types])
            goes = [n for n in profiles if chance(types, a, n)] if t + 1 < horizon else []
            if inside and all(n in sets[t + 1] for n in goes):
                sets[t].add(types)
    return sets


def random_env(rng, horizon):
    actions = int(rng.integers(2, 4))
    values = [[[int(v) for v in rng.integers(0, 3, 2)] for _ in range(actions)] for _ in range(2)]
    costs = [int(c) for c in rng.integers(0, 2, actions)]
    kernel = []
    for _ in range(2):
        rows = rng.integers(0, 3, (2, 2))
        rows[rows.sum(axis=1) == 0] = [1, 1]
        kernel.append([[Fraction(int(x), int(row.sum())) for x in row] for row in rows])
    return finite(values, costs, kernel, horizon)


@pytest.mark.parametrize("seed", range(40))
def test_sets_are_those_of_plain_recursion_where_ties_abound(seed):
    rng = np.random.default_rng(seed)
    env = random_env(rng, int(rng.integers(1, 4)))
    m = mo.dynamic_pivot(env).to_mechanism()
    try:
        found = efficient_exit(m, exact=True)
    except InputError:
        pytest.fail("the policy of the pivot mechanism is efficient in fractions too")
    for i in range(2):
        expected = raw_sets(env, m.policy, i)
        for t in range(env.stages):
            assert {tuple(map(int, k)) for k in np.argwhere(found.sets[i][t])} == expected[t]
    assert found.exact and found.holds
    assert efficient_exit(m).status is not Status.VIOLATED


@pytest.mark.parametrize("seed", range(30))
def test_a_fee_for_those_who_matter_no_more_is_found_in_fractions_and_never_satisfied_in_floats(seed):
    rng = np.random.default_rng(seed)
    env = random_env(rng, 2)
    m = mo.dynamic_pivot(env).to_mechanism()
    sets = efficient_exit(m, exact=True).sets
    for i, t in product(range(2), range(2)):
        for types in map(tuple, np.argwhere(sets[i][t])):
            transfer = [[part.copy() for part in row] for row in m.transfer]
            transfer[i][t][types] -= 1
            charged = MarkovMechanism(env, m.policy, transfer)
            exact, floats = efficient_exit(charged, exact=True), efficient_exit(charged)
            assert exact.status is Status.VIOLATED
            assert (exact.agent, exact.period, exact.payment) == (i, t, pytest.approx(-1))
            assert not floats.holds


@pytest.mark.parametrize("seed", range(20))
def test_an_infinite_horizon_in_fractions(seed):
    rng = np.random.default_rng(seed)
    values = [[[int(v) for v in rng.integers(0, 3, 2)] for _ in range(2)] for _ in range(2)]
    kernel = [
        [[[Fraction(1, 2), Fraction(1, 2)], [0, 1]][:: int(rng.choice([-1, 1]))] for _ in range(2)] for _ in range(2)
    ]
    kernel = [[rows if rows[1] == [0, 1] else [[1, 0], [Fraction(1, 2), Fraction(1, 2)]] for rows in k] for k in kernel]
    env = mo.MarkovTypes(values, kernel, [[HALF, HALF]] * 2, horizon="infinite", discount=HALF)
    m = mo.dynamic_pivot(env).to_mechanism()
    found, floats = efficient_exit(m, exact=True), efficient_exit(m)
    assert found.holds and floats.status is not Status.VIOLATED
    for i in range(2):
        assert not (found.sets[i][0] & ~floats.sets[i][0]).any()
        suits = raw_optimal(env, m.policy[0], i)
        inside = suits
        while True:
            kept = {k for k in inside if set(successors(env, m.policy[0], k)) <= inside}
            if kept == inside:
                break
            inside = kept
        assert {tuple(map(int, k)) for k in np.argwhere(found.sets[i][0])} == inside


def successors(env, policy, types):
    a = int(policy[types])
    rows = [env.exact.kernel[j][0][a][types[j]] for j in range(env.agents)]
    return [n for n in product(*map(range, env.shape[0])) if prod(row[k] for row, k in zip(rows, n, strict=True))]


def raw_optimal(env, policy, i):
    """Profiles whose action is optimal for the other agent, by all her stationary policies, each solved by hand."""
    (j,) = [k for k in range(2) if k != i]
    exact, best = env.exact, None
    for plan in product(range(len(exact.cost)), repeat=2):
        rows = [exact.kernel[j][0][a][k] for k, a in enumerate(plan)]
        now = [exact.values[j][0][a][k] - exact.cost[a] for k, a in enumerate(plan)]
        d = exact.discount
        # (1 - d p00) v0 - d p01 v1 = now0, and so on: Cramer
        a, b, c, e = 1 - d * rows[0][0], -d * rows[0][1], -d * rows[1][0], 1 - d * rows[1][1]
        det = a * e - b * c
        v = [(now[0] * e - b * now[1]) / det, (a * now[1] - c * now[0]) / det]
        best = v if best is None else [max(x, y) for x, y in zip(best, v, strict=True)]
    found = set()
    for types in product(*map(range, env.shape[0])):
        k = types[j]
        worth = [
            exact.values[j][0][a][k]
            - exact.cost[a]
            + exact.discount * sum(p * v for p, v in zip(exact.kernel[j][0][a][k], best, strict=True))
            for a in range(len(exact.cost))
        ]
        if worth[int(policy[types])] == max(worth):
            found.add(types)
    return found


def tied():
    """One period: two actions are worth the same to agent 1, by numbers that are not those of floats."""
    values = [[[0, 0], [1, 2]], [["3/10", "3/10"], ["3/10", "3/10"]]]
    return mo.MarkovTypes(values, [np.full((2, 2, 2), 0.5)] * 2, [[HALF, HALF]] * 2, cost=["1/10", "1/10"], horizon=1)


def test_what_floats_cannot_tell_is_undecided_and_decided_in_fractions():
    env = tied()
    m = MarkovMechanism(env, [np.ones((2, 2), dtype=int)], [[np.ones((2, 2))], [np.zeros((2, 2))]])
    found = efficient_exit(m)
    assert found.status is Status.UNDECIDED and not found.holds and not found.exact
    assert str(found) == (
        "efficient exit: undecided, agent 0 may not matter any more at types [0, 0] and pays 1 in period 0; "
        "ask for exact=True"
    )
    assert efficient_exit(m, exact=True).status is Status.VIOLATED
    assert str(efficient_exit(m, exact=True)).startswith(
        "efficient exit: fails, agent 0 matters no more at types [0, 0]"
    )


def test_too_many_profiles_for_fractions_are_refused():
    rng = np.random.default_rng(0)
    kernel = [np.full((1, 40, 40), 1 / 40)] * 2
    env = mo.MarkovTypes([rng.random((1, 40))] * 2, kernel, [np.full(40, 1 / 40)] * 2, horizon="infinite", discount=0.5)
    m = MarkovMechanism(env, [np.zeros((40, 40), dtype=int)], [[np.zeros((40, 40))]] * 2)
    with pytest.raises(LimitError, match="efficient exit in fractions takes"):
        efficient_exit(m, exact=True)
    assert efficient_exit(m).holds
