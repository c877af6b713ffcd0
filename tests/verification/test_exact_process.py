"""What checks in fractions share, by hand and by loops."""

from fractions import Fraction as F
from itertools import product

import numpy as np
import pytest

import mechopt as mo
from mechopt.core.errors import LimitError
from mechopt.verification import exact
from mechopt.verification.rounding import largest_value
from tests.closedform.markov_instances import random_environment

HALF = ["1/2", "1/2"]


def test_the_limit_itself_is_allowed():
    exact.require_few(exact.MAX_TERMS, "a check")
    with pytest.raises(LimitError, match=r"a check in fractions takes 5,000,001 products, above 5,000,000"):
        exact.require_few(exact.MAX_TERMS + 1, "a check")


def test_numbers_are_what_they_are():
    assert exact.fractions(np.array([[0.1, -2.0], [1e300, 3.0]])) == [F(0.1), F(-2), F(1e300), F(3)]
    assert exact.fractions(np.array([[1, 2**53 + 1]])) == [1, 2**53 + 1]
    thirds = np.array([[F(1, 3), 0.5], [2, F(-1, 7)]], dtype=object)
    found = exact.fractions(thirds)
    assert found == [F(1, 3), F(1, 2), F(2), F(-1, 7)] and all(type(entry) is F for entry in found)


@pytest.mark.parametrize("seed", range(4))
def test_fixed_points(seed):
    rng = np.random.default_rng(seed)
    chances = [[F(int(n), 12) for n in rng.multinomial(12, [0.5, 0.25, 0.25, 0])] for _ in range(4)]
    flow, d = [F(int(n), 7) for n in rng.integers(-9, 9, 4)], F(3, 4)
    value = exact.fixed_point(chances, flow, d)
    assert value == [
        now + d * sum(p * v for p, v in zip(row, value, strict=True)) for now, row in zip(flow, chances, strict=True)
    ]


def thirds(horizon, **options):
    """Two agents, types and chances that floats round."""
    values = [[["1/3", 0], ["2/3", "-1/7"]], [["1/9", "1/3", 1], [0, "5/3", "1/3"]]]
    kernel = [
        [[["1/3", "2/3"], ["1/7", "6/7"]], [["2/3", "1/3"], [0, 1]]],
        [[["1/3"] * 3, [0, "1/3", "2/3"], [0, 0, 1]], [[1, 0, 0], ["1/2", "1/2", 0], ["1/7", "2/7", "4/7"]]],
    ]
    initial = [["1/3", "2/3"], ["1/7", "2/7", "4/7"]]
    return mo.MarkovTypes(values, kernel, initial, horizon=horizon, discount="2/3", **options)


def in_floats(horizon):
    counts = (2, 3) if horizon == "infinite" else ((2, 3), (3, 1), (1, 2))
    return random_environment(counts, 2, horizon, 0.7, 3)


ENVIRONMENTS = {
    "thirds": lambda: thirds(3),
    "thirds-for-ever": lambda: thirds("infinite"),
    "floats": lambda: in_floats(3),
    "floats-for-ever": lambda: in_floats("infinite"),
}


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_values_and_chances_by_profile(name, together):
    env = ENVIRONMENTS[name]()
    given = env.exact or env
    assert (env.exact is None) == name.startswith("floats")
    process = exact.ExactProcess(mo.InterdependentTypes.from_markov(env) if together else env)
    tight = {"rel": 1e-12, "abs": 0} if together and env.exact is None else {"rel": 0, "abs": 0}

    def same(found, wanted):
        assert all(type(entry) is F for entry in found)
        assert [float(x) for x in found] == pytest.approx([float(x) for x in wanted], **tight)
        assert env.exact is None or found == wanted

    assert process.discount == F(given.discount)
    assert process.discounts == [F(given.discount)] * 2 and not process.outside
    periods = 6 if env.infinite else env.stages
    for t in range(periods):
        s = min(t, env.stages - 1)
        profiles = list(product(*map(range, env.shape[s])))
        assert process.numbers(t) == profiles
        assert [process.number(t, profile) for profile in profiles] == list(range(len(profiles)))
        for a in range(env.action_counts[s]):
            for i in range(env.agents):
                same(process.worth(t, i, a), [F(given.values[i][s][a][profile[i]]) for profile in profiles])
            if t + 1 < periods:
                following = list(product(*map(range, env.shape[min(t + 1, env.stages - 1)])))
                for m, profile in enumerate(profiles):
                    rows = [[F(p) for p in given.kernel[i][s][a][k]] for i, k in enumerate(profile)]
                    wanted = [rows[0][after[0]] * rows[1][after[1]] for after in following]
                    same(process.moves(t, a, m), wanted)
                    likely = list(process.likely(t, a, m))
                    assert likely == [(n, p) for n, p in enumerate(process.moves(t, a, m)) if p > 0]
    same(process.initial, [F(given.initial[0][k]) * F(given.initial[1][n]) for k, n in process.numbers(0)])


def test_periods_of_their_own_before_one_that_is_for_ever():
    """An agent with 1, 2 and then 3 signals for ever, that move at random, beside one who has a single signal."""
    own = [[[[1]]], [[[1], [2]]], [[[1], [2], [3]]]]
    third = [[["1/3"]] * 3]
    kernel = [[[[[["1/2"]] * 2]]], [[third] * 2], [[third] * 3]]
    env = mo.InterdependentTypes([own, own], kernel, [[1]], horizon="infinite", discount="1/2")
    process = exact.ExactProcess(env)
    assert [process.at(t) for t in range(5)] == [0, 1, 2, 2, 2]
    assert [len(process.numbers(t)) for t in range(5)] == [1, 2, 3, 3, 3]
    assert [process.worth(t, 0, 0) for t in range(4)] == [[1], [1, 2], [1, 2, 3], [1, 2, 3]]
    assert [process.moves(t, 0, 0) for t in range(4)] == [[F(1, 2)] * 2] + [[F(1, 3)] * 3] * 3


def test_discounts_and_outside_options_of_their_own():
    outside = [[["1/3", "1/7"]] * 2, [["1/9", 0, 1]] * 2]
    for env in (thirds(2, discounts=["1/3", "2/3"], outside=outside), thirds(2)):
        process = exact.ExactProcess(env)
        own = env.exact.discounts
        assert process.discounts == (list(own) if own else [F(2, 3)] * 2)
        assert (not process.outside) == (not env.exact.outside)
        if process.outside:
            assert [list(row[0]) for row in process.outside] == [[F(1, 3), F(1, 7)], [F(1, 9), 0, 1]]


def largest(env):
    """Largest present value of an agent, in fractions: her largest values period by period, the last one for ever."""
    found = []
    for i, row in enumerate(env.values):
        own = F(env.discounts[i] if env.discounts else env.discount)
        best = [max(abs(F(x)) for x in part.ravel()) for part in row]
        if env.horizon == "infinite":
            best[-1] /= 1 - own
        found.append(sum(own**t * x for t, x in enumerate(best)))
    return max(found)


@pytest.mark.parametrize("seed", range(3))
def test_the_largest_present_value(seed):
    rng = np.random.default_rng(seed)
    for horizon in (1, 3, "infinite"):
        env = thirds(horizon)
        assert largest_value(env) == pytest.approx(float(largest(env)), rel=1e-12)
        assert largest_value(mo.InterdependentTypes.from_markov(env)) == largest_value(env)
        if horizon != "infinite":
            for discounts in (["1/3", "1/2"], ["1/2", "1/3"]):
                apart = thirds(horizon, discounts=discounts)
                assert largest_value(apart) == pytest.approx(float(largest(apart)), rel=1e-12)
    own = [[rng.normal(size=(1, n, 1)) for n in (1, 2, 3)] for _ in range(2)]
    kernel = [np.full((1, n, 1, m, 1), 1 / m) for n, m in ((1, 2), (2, 3), (3, 3))]
    env = mo.InterdependentTypes(own, kernel, [[1]], horizon="infinite", discount=0.75)
    assert largest_value(env) == pytest.approx(float(largest(env)), rel=1e-12)
    for horizon in (1, 4, 20):
        env = mo.IndependentTypes.iid([1, 5, 7], ["1/3"] * 3, horizon=horizon, discount="1/2")
        assert largest_value(env) == pytest.approx(7 * (2 - 0.5 ** (horizon - 1)), rel=1e-12)
