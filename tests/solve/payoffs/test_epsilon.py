"""Misreports that may gain something: against raw programs of the definitions, verified and proved."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

import mechopt as mo
from tests.papers.raw_program import raw_optimum
from tests.persistent_instances import random_correlated, random_markov
from tests.solve.myopic.test_myopic import Myopic
from tests.solve.payments.raw_independent import raw_value as raw_independent
from tests.solve.payments.raw_persistent import raw_value
from tests.solve.payments.test_independent import random_types
from tests.solve.payments.test_persistent import random_chain
from tests.strategy_rows import Strategies

INCENTIVES = [("dic", "periodic"), ("ppic", "per-period"), ("ppic+indu", "prefix"), ("ex-post", "epir")]
INCENTIVES += [
    ("super-dic", "epir"),
    ("dic+super-dic", "interim"),
    ("indu", "per-period-expected"),
    ("dic+ppic", "epir"),
]


def largest_gain(mechanism, ic):
    return max(check.gain for check in mo.verify(mechanism, ic).values())


@pytest.mark.parametrize("epsilon", ["1/10", "1"])
@pytest.mark.parametrize("seed", range(8))
def test_independent_types_against_the_raw_program(seed, epsilon):
    env, (ic, ir) = random_types(seed), INCENTIVES[seed]
    allowed = (Fraction(epsilon),) * env.agents
    expected = raw_optimum(env, ic.split("+"), ir.split("+"), allowed)
    best = mo.optimum(env, ic, ir, subject_to=f"epsilon:{epsilon}", exact=True)
    assert best.value == pytest.approx(expected, abs=1e-7)
    assert best.mechanism.revenue == pytest.approx(expected, abs=1e-7)
    assert largest_gain(best.mechanism, ic) <= float(Fraction(epsilon)) + 1e-7
    assert mo.verify(best.mechanism).holds
    assert {c.name for c in mo.verify(best.mechanism)} == {*ic.split("+"), *ir.split("+")}
    assert mo.verify(best.mechanism, exact=True).holds
    assert mo.formats.check_certificate(env, best.certificate) == best.exact
    problem = mo.Problem(env, ic, ir, f"epsilon:{epsilon}")
    assert problem.program()[0].size == (problem.size.rows, problem.size.columns, problem.size.nonzeros)
    assert problem.solve(exact=True, method="program").exact == best.exact


@pytest.mark.parametrize("ic", ["dic", "ppic+indu", "super-dic"])
def test_amounts_by_buyer(ic):
    env = random_types(6)
    for amounts in (("0", "1/2"), ("1/2", "0"), ("1/4", "3")):
        expected = raw_optimum(env, ic.split("+"), ["epir"], tuple(map(Fraction, amounts)))
        best = mo.optimum(env, ic, "epir", subject_to=mo.EpsilonIC(amounts), exact=True)
        assert best.value == pytest.approx(expected, abs=1e-7)
        assert mo.formats.check_certificate(env, best.certificate) == best.exact


@pytest.mark.parametrize("epsilon", ["1/10", "1"])
@pytest.mark.parametrize("steered", [False, True], ids=["free", "steered"])
@pytest.mark.parametrize("seed", range(4))
def test_persistent_types_against_the_raw_program(seed, steered, epsilon):
    env, ir = random_chain(seed, steered), ["interim", "periodic"][seed % 2]
    amounts = [float(Fraction(epsilon))] * env.agents
    expected = raw_value(env, ir, [], steered, epsilon=amounts)
    best = mo.optimum(env, "periodic-ex-post", ir, subject_to=f"epsilon:{epsilon}", exact=True)
    assert best.value == pytest.approx(expected, abs=1e-7)
    assert best.mechanism.revenue == pytest.approx(expected, abs=1e-7)
    assert largest_gain(best.mechanism, "periodic-ex-post") <= amounts[0] + 1e-7
    assert mo.formats.check_certificate(env, best.certificate) == best.exact
    problem = mo.Problem(env, "periodic-ex-post", ir, f"epsilon:{epsilon}")
    assert problem.program()[0].size == (problem.size.rows, problem.size.columns, problem.size.nonzeros)


class MyopicWithin(Myopic):
    """Misreports may gain some utility of the period."""

    def __init__(self, env, epsilon):
        super().__init__(env)
        self.epsilon = epsilon

    def outcomes(self, t, i, points, choose):
        utility, after = super().outcomes(t, i, points, choose)
        for chance, history, types, own in points:
            if (said := choose(history, own)) != own[-1]:
                for a in self.game.actions(t):
                    utility[self.column["weight", history, (*types[:i], said, *types[i + 1 :]), a]] -= (
                        chance * self.epsilon
                    )
        return utility, after


@pytest.mark.parametrize("seed", range(4))
def test_myopic_agents_against_the_raw_program(seed):
    env = random_correlated(seed) if seed == 3 else random_markov(seed, 1 + seed % 2, 2, 2, 2, controlled=seed > 1)
    expected = MyopicWithin(env, 0.25).optimum(ex_post=True)
    best = mo.optimum(env, "myopic", "per-period", subject_to="epsilon:1/4", exact=True)
    assert best.value == pytest.approx(expected, abs=1e-7)
    assert largest_gain(best.mechanism, "myopic") <= 0.25 + 1e-7
    assert mo.formats.check_certificate(env, best.certificate) == best.exact


@pytest.mark.parametrize(("ic", "ir"), [("adjacent", "interim"), ("downward", "interim"), ("bayesian", "interim")])
def test_one_period_needs_no_strategies(ic, ir):
    env = random_markov(1, 2, 1, 3, 2)
    values = [mo.optimum(env, ic, ir, subject_to=f"epsilon:{e}", exact=True) for e in ("0", "1/8", "1/2")]
    assert values[0].value == pytest.approx(mo.optimum(env, ic, ir).value, abs=1e-8)
    assert [v.value for v in values] == sorted(v.value for v in values)
    for best, allowed in zip(values, (0, 1 / 8, 1 / 2), strict=True):
        assert largest_gain(best.mechanism, ic) <= allowed + 1e-7
        assert mo.formats.check_certificate(env, best.certificate) == best.exact


class StrategiesWithin(Strategies):
    """Every strategy of every first type may gain something, given the type."""

    def __init__(self, env, sees, epsilon):
        super().__init__(env, sees)
        self.epsilon = epsilon

    def incentives(self, i, points):
        chance = sum(point[0] for point in points)
        allowed = np.zeros(len(self.column))  # the weights after any first reports sum to 1
        first = next(name for name in self.column if name[0] == "weight" and name[1] == ())
        for name, column in self.column.items():
            if name[:3] == first[:3]:
                allowed[column] = chance * self.epsilon
        return [row + allowed for row in super().incentives(i, points)]


@pytest.mark.parametrize("sees", ["all", "actions", "own"])
@pytest.mark.parametrize("seed", range(6))
def test_strategies_may_gain_against_all_strategies(seed, sees):
    if seed == 5:
        env = random_correlated(1)
    else:
        agents = 1 + seed % 2
        env = random_markov(seed, agents, 2, 2, 2, sparse=seed == 4, controlled=agents == 1 or seed == 3)
    ic = "bayesian" if sees == "all" else f"bayesian-{sees}"
    for epsilon in ("1/10", "1"):
        expected = StrategiesWithin(env, sees, float(Fraction(epsilon))).optimum()
        best = mo.optimum(env, ic, "interim", subject_to=f"epsilon:{epsilon}", exact=epsilon == "1/10")
        assert best.value == pytest.approx(expected, abs=1e-7)
        for exact in (False, True):
            report = mo.verify(best.mechanism, exact=exact)
            assert report.holds and {c.name for c in report} == {ic, "interim"}
            assert report[ic].allowance == float(Fraction(epsilon))
        if best.exact is not None:
            assert mo.formats.check_certificate(env, best.certificate) == best.exact
        problem = mo.Problem(env, ic, "interim", f"epsilon:{epsilon}")
        assert problem.program()[0].size == (problem.size.rows, problem.size.columns, problem.size.nonzeros)


@pytest.mark.parametrize("ir", ["periodic", "epir", "per-period", "ex-ante"])
def test_strategies_may_gain_beside_participation_of_truth(ir):
    for env in (random_chain(1, True), random_correlated(2)):
        plain = mo.optimum(env, "bayesian", ir).value
        values = [plain]
        for e in ("1/1000000", "1/4", "1"):
            best = mo.optimum(env, "bayesian", ir, subject_to=f"epsilon:{e}")
            assert mo.verify(best.mechanism).holds
            values.append(best.value)
        assert all(a <= b + 1e-9 for a, b in pairwise(values))
        assert values[1] == pytest.approx(plain, abs=1e-4)
        assert values[-1] <= mo.optimum(env, "none", ir).value + 1e-9


def test_strategies_of_one_agent_alone_may_gain():
    env = random_markov(1, 2, 2, 2, 2)
    both, one, none = (
        mo.optimum(env, "bayesian", "interim", subject_to=mo.EpsilonIC(e), exact=True) for e in ("1", ("1", "0"), "0")
    )
    assert none.value < one.value < both.value
    assert mo.verify(one.mechanism, exact=True).holds
    assert not mo.verify(one.mechanism, ["bayesian", mo.EpsilonIC((0, 1))]).holds
    assert mo.formats.check_certificate(env, one.certificate) == one.exact


def test_verify_says_what_the_gain_is_compared_with():
    env = mo.IndependentTypes([[[1, 2]]], [[["1/2", "1/2"]]])
    best = mo.optimum(env, "dic", "epir", subject_to="epsilon:1/4")
    assert str(mo.verify(best.mechanism)).startswith("Report(dic: satisfied, gain 0.25 <= epsilon 0.25")
    for asked, holds in [
        ("dic", False),
        ("dic+epsilon:1/5", False),
        ("dic+epsilon:1/4", True),
        ("dic+epsilon:1", True),
    ]:
        for exact in (False, True):
            assert mo.verify(best.mechanism, asked, exact=exact).holds is holds


@pytest.mark.parametrize("kind", ["independent", "chain", "correlated"])
def test_smallest_epsilon_for_a_value(kind):
    env = {"independent": random_types(3), "chain": random_chain(2, True), "correlated": random_correlated(4)}[kind]
    ic, ir = ("dic", "epir") if kind == "independent" else ("bayesian", "interim")
    least, most = mo.optimum(env, ic, ir).value, mo.optimum(env, "none", ir).value
    for wanted in (least, (least + most) / 2, None):
        found = mo.mechanisms.epsilon_for(env, wanted, ic, ir)
        goal = most if wanted is None else wanted
        assert found.mechanism.revenue == pytest.approx(goal, abs=1e-7 * max(1, goal))
        assert mo.verify(found.mechanism).holds
        assert found.epsilon - found.lower <= 1e-8 * max(1, goal)
        if found.lower > 1e-4:
            less = mo.optimum(env, ic, ir, subject_to=mo.EpsilonIC(found.lower - 1e-4))
            assert less.bound.upper < goal
    with pytest.raises(mo.InputError, match="not even with all types known"):
        mo.mechanisms.epsilon_for(env, most + 1, ic, ir)


def test_compare_keeps_epsilon_in_the_optimum_alone():
    env = random_chain(1, False)
    frame = mo.compare(env, subject_to="epsilon:1/4").to_frame()
    assert frame.loc["clairvoyant-optimum", "revenue"] == pytest.approx(
        mo.optimum(env, subject_to="epsilon:1/4").value, abs=1e-7
    )
    assert frame.loc["periodic-ex-post-optimum", "revenue"] == pytest.approx(
        mo.optimum(env, "periodic-ex-post").value, abs=1e-7
    )
    assert "relaxed-bound" not in frame.index and "efficient-welfare" in frame.index


def test_nothing_to_gain_changes_nothing():
    env = random_types(3)
    for ic, ir in INCENTIVES:
        assert mo.formats.certify(env, ic, ir, subject_to="epsilon:0").value == mo.formats.certify(env, ic, ir).value
    chain = random_chain(1, True)
    asked = "periodic-ex-post", "interim"
    assert mo.formats.certify(chain, *asked, subject_to="epsilon:0").value == mo.formats.certify(chain, *asked).value


def test_more_to_gain_is_worth_more():
    # One buyer of value 1 or 2, even odds: price 1 earns 1, price 2 too. With epsilon, both may be served, the low type
    # at 1 and the high one at 1 + epsilon, which a misreport saves.
    env = mo.IndependentTypes([[[1, 2]]], [[["1/2", "1/2"]]])
    for epsilon in (Fraction(0), Fraction(1, 10), Fraction(1, 2), Fraction(1), Fraction(2)):
        best = mo.formats.certify(env, "dic", "epir", subject_to=mo.EpsilonIC(epsilon))
        assert best.value == min(1 + epsilon / 2, Fraction(3, 2))
    values = [
        mo.optimum(random_chain(2, False), "periodic-ex-post", "periodic", subject_to=f"epsilon:{e}").value
        for e in ("0", "1/10", "1/2", "2")
    ]
    assert all(a <= b + 1e-9 for a, b in pairwise(values))


def test_shadow_price_of_what_misreports_may_gain():
    env = mo.IndependentTypes([[[1, 2]]], [[["1/2", "1/2"]]])
    prices = mo.optimum(env, "dic", "epir", subject_to="epsilon:1/4").duals.by_constraint()
    assert prices["dic", 0] == pytest.approx(0.5, abs=1e-8)


def test_with_constraints_on_payments_and_files():
    text = """
title = "Two periods"
kind = "independent"
horizon = 2
subject_to = ["epsilon:1/10", "no-subsidy"]

[[buyers]]
periods = [{ values = [1, 2], probabilities = ["1/2", "1/2"] }, { values = [1, 3], probabilities = ["1/3", "2/3"] }]
"""
    file = mo.loads(text)
    limits = "epsilon:1/10+no-subsidy", "no-subsidy"
    found = [mo.formats.certify(file, subject_to=limit).value for limit in limits]
    assert float(found[1]) == pytest.approx(raw_independent(file, ["dic"], ["epir"], ["no-subsidy"]), abs=1e-7)
    assert found[0] > found[1]


def test_bad_input():
    env = random_types(1)
    chain = random_chain(0, False)
    for given, words in [("epsilon:-1", "a gain is below 0"), ("epsilon", "epsilon"), ("epsilon:x", "is not a number")]:
        with pytest.raises(mo.InputError, match=words):
            mo.optimum(env, "dic", "epir", subject_to=given)
    with pytest.raises(mo.InputError, match=r"epsilon with bayesian and periodic-ex-post: .* ask for one of them"):
        mo.optimum(chain, "bayesian+periodic-ex-post", "interim", subject_to="epsilon:1")
    with pytest.raises(mo.InputError, match="epsilon"):
        mo.optimum(env, "dic", "epir", subject_to=mo.EpsilonIC((1, 2, 3)))
    best = mo.optimum(env, "dic", "epir")
    with pytest.raises(mo.InputError, match="ask for incentive constraints beside it"):
        mo.verify(best.mechanism, mo.EpsilonIC(1))
    assert np.isfinite(best.value)


@pytest.mark.parametrize("kind", ["independent", "markov"])
def test_epsilon_without_incentive_constraints_is_refused(kind):
    env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=1)
    if kind == "markov":
        env = mo.MarkovTypes([[[0, 0], [1, 2]]], [[[["1/2", "1/2"]] * 2] * 2], [["1/2", "1/2"]], horizon=1)
    with pytest.raises(mo.InputError, match="epsilon: there is no incentive constraint for it to loosen"):
        mo.optimum(env, ic=None, ir="interim", subject_to="epsilon:1/4")
