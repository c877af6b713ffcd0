"""Lemmas on finite types: each on random instances, by hand where it fails, and their proofs' steps by definition."""

from dataclasses import replace
from fractions import Fraction
from itertools import product
from math import exp, log, prod, sqrt

import numpy as np
import pytest

import mechopt as mo
from mechopt.results import QuasiNonClairvoyant
from mechopt.study.lemmas.trade_off import gap_bound, price_trade_off
from tests.papers.raw_scenarios import SHAPES, random_scenarios, reached

LOSES = mo.load("mirrokni-2020/constant-continuation-loses")
CLOSED = ("one period", "one or two", "fork and stop", "chain", "one, two or three")


def counts(slow, quick=4):
    """Instances: a few in the gate, a hundred slow."""
    return pytest.mark.parametrize("instances", [quick, pytest.param(slow, marks=pytest.mark.slow)])


def trees(instances, seed, shapes=tuple(SHAPES), agents=(1,), most=3):
    rng, made = np.random.default_rng(seed), 0
    while made < instances:
        n = agents[made % len(agents)]
        found = random_scenarios(rng, shapes[made % len(shapes)], n, most if n == 1 else 2)
        if reached(found) <= 400 and any(env.first_best > 0 for env in found.environments):
            made += 1
            yield found


def environments(instances, seed, agents=(1, 2), periods=3):
    for scenarios in trees(instances, seed, ("chain",) if periods == 3 else ("one or two",), agents):
        env = scenarios.environments[-1]
        yield env


@counts(100)
def test_constant_continuation_loses_nothing_with_two_periods(instances):
    for scenarios in trees(instances, 1, ("one period", "one or two", "fork and stop")):
        assert mo.lemmas.constant_continuation(scenarios).loss == pytest.approx(0, abs=1e-8)


@counts(100, 8)
def test_constant_increments_lose_nothing_in_any_scenario(instances):
    rng = np.random.default_rng(12)
    for k, scenarios in enumerate(trees(instances, 13, ("one or two", "fork", "fork and stop", "one period"))):
        changed = replace(scenarios, discount=("1", "9/10")[k % 2], cost=dict.fromkeys("abc", int(rng.integers(0, 3))))
        if any(env.first_best <= 0 for env in changed.environments):
            continue
        goal = ("ratio", "weighted", "regret")[k % 3]  # different mechanisms, not the best guarantee alone
        rule = mo.maximin(replace(changed, weights=[1 + s for s in range(len(changed))]), objective=goal).rule
        rule = mo.mechanisms.ScenariosMechanism(changed, rule.mechanisms)
        made = mo.lemmas.constant_increments(rule)
        report = mo.verify(made)
        assert report.holds, report
        assert mo.INDU() in made.claims
        for before, after in zip(rule.revenues, made.revenues, strict=True):
            assert after >= before - 1e-8
        for before, after in zip(rule.mechanisms, made.mechanisms, strict=True):
            assert np.array_equal(before.allocation[0], after.allocation[0])


def test_constant_increments_are_for_two_periods():
    with pytest.raises(mo.InputError, match="at most two periods"):
        mo.lemmas.constant_increments(mo.maximin(LOSES).rule)


def test_constant_continuation_is_not_implied():
    found = mo.lemmas.constant_continuation(LOSES, exact=True)
    assert found.deviation > 1e-3  # the best mechanism violates INDU, which C.1 says that none does
    assert found.exact_loss == Fraction(2218496934504614019536000, 2368399537192862759852387) - Fraction(
        2092937315824277779136000, 2242883299694803461227387
    )
    assert found.loss == pytest.approx(float(found.exact_loss), abs=1e-10)
    assert repr(found).startswith("ConstantContinuation(loss 0.00356133, proved")


@counts(100)
def test_symmetrisation_keeps_everything_under_indu(instances):
    for scenarios in trees(instances, 2):
        found = mo.lemmas.symmetrised(mo.maximin(scenarios, ic="dic+indu").rule)
        assert found.report.holds, found.report
        assert found.deviation < 1e-9
        for mechanism in found.rule.mechanisms:
            for t in range(1, mechanism.environment.horizon):
                alike = {}
                so_far = mechanism.realised[t].round(7).T
                for h, key in enumerate(map(tuple, so_far)):
                    future = mechanism.allocation[t][:, h], mechanism.payment[t][:, h]
                    first = alike.setdefault(key, future)
                    assert np.allclose(first[0], future[0], atol=1e-7)
                    assert np.allclose(first[1], future[1], atol=1e-7)


def test_symmetrisation_of_several_buyers_may_lose_dic():
    """INDU is about expectations over the others' reports; a class of utilities so far may tell those reports apart.

    Nothing is sold. Buyer 0, of type L or H, is to get 1 later after (H, x) and (L, y), else 0: 1/2 whatever she says.
    Buyer 1, of type x or y, gets 3/2 now after x, 1 after (H, y) and 2 after (L, y): 3/2 whatever she says. Utility so
    far is one vector after (L, x) and (H, x), whose futures become 1/2: H then expects 1/4 and L 3/4.
    """
    tree = mo.load("mirrokni-2020/symmetrisation-fails")
    nothing, later = np.zeros((2, 1, 2, 2)), np.zeros((2, 4, 1, 1))
    now = np.zeros((2, 1, 2, 2))
    now[1, 0] = -np.array([[1.5, 2.0], [1.5, 1.0]])  # axes: L, H; x, y
    paid = np.zeros((2, 4, 1, 1))
    paid[0, :, 0, 0] = -np.array([0.0, 1.0, 1.0, 0.0])  # Lx, Ly, Hx, Hy
    rule = mo.mechanisms.ScenariosMechanism(
        tree,
        (
            mo.Mechanism(tree.environment(0), (nothing,), (now,)),
            mo.Mechanism(tree.environment(1), (nothing, later), (now, paid)),
        ),
        (mo.NonClairvoyant(), mo.DIC(), mo.INDU(), mo.EPIR()),
    )
    assert mo.verify(rule).holds
    found = mo.lemmas.symmetrised(rule)
    assert found.deviation == pytest.approx(0)
    assert found.report["epir"].holds
    assert found.report["dic"].gain == pytest.approx(1 / 2)


def test_symmetrisation_keeps_revenue_and_epir_of_any_rule():
    for scenarios in trees(6, 3, agents=(1, 2)):
        found = mo.lemmas.symmetrised(mo.maximin(scenarios).rule)
        assert found.deviation < 1e-9
        assert found.report["epir"].holds
        assert found.report["non-clairvoyant"].holds


@counts(100)
def test_one_bank_account_exists_under_indu(instances):
    for scenarios in trees(instances, 4, CLOSED):
        best = mo.maximin(scenarios, ic="dic+indu", ir="prefix")
        found = mo.lemmas.one_bank_account(best.rule)
        assert found.holds, found
        assert found.deviation < 1e-9
        report = mo.verify(found.rule, [mo.NonClairvoyant(), mo.DIC(), mo.PPIC(), mo.INDU(), mo.PFIR()])
        assert report.holds, report
        for names, period in found.nodes.items():
            assert len(names) == 1 or (period.balances >= -1e-9).all()
        assert found.by_scenario < 1e-8  # converting scenario by scenario gives the same one


@pytest.mark.slow
def test_converting_scenario_by_scenario_may_know_the_future():
    found = [mo.lemmas.one_bank_account(mo.maximin(scenarios).rule) for scenarios in trees(100, 4, CLOSED)]
    assert sum(not account.by_scenario < 1e-8 for account in found) > 3  # measured: 8
    assert sum(not account.holds for account in found) > 0  # measured: 1


def test_no_bank_account_without_indu():
    found = mo.lemmas.one_bank_account(mo.maximin(LOSES).rule)
    assert not found.holds
    assert found.gains["BI"] > 1e-3
    with pytest.raises(mo.InputError, match="the rule knows the future"):
        mo.lemmas.one_bank_account(
            mo.mechanisms.ScenariosMechanism.of_rule(
                LOSES, lambda env: mo.quasi_non_clairvoyant(mo.optimum(env).mechanism)
            )
        )


@counts(100)
def test_rationality_in_every_period_leaves_static_auctions(instances):
    for scenarios in trees(instances, 5, CLOSED, (1, 1, 2)):
        found = mo.lemmas.rational_every_period(scenarios)
        assert found.closed
        assert found.deviation == pytest.approx(0, abs=1e-8)


def test_where_a_prefix_is_missing_more_is_possible():
    coin = {"name": "a", "values": [1, 4], "probabilities": ["1/2", "1/2"]}
    tail = {"name": "b", "values": [2, 4, 8, 16], "probabilities": ["1/2", "1/4", "1/8", "1/8"]}
    found = mo.lemmas.rational_every_period(mo.Scenarios([coin, tail], [["a", "b"]]))
    assert not found.closed
    assert (found.best.value, found.static_guarantee) == pytest.approx((1, 4 / 4.5))


@counts(100)
def test_super_incentives_leave_static_auctions(instances):
    for env in environments(instances, 6):
        assert mo.lemmas.super_incentives(env).deviation == pytest.approx(0, abs=1e-7)


@counts(100)
def test_the_transform_of_b1_keeps_the_guarantee(instances):
    for scenarios in trees(instances, 7, agents=(1, 2)):
        best = mo.maximin(scenarios)
        quasi = tuple(map(mo.quasi_non_clairvoyant, best.mechanisms))
        rule = mo.mechanisms.ScenariosMechanism(scenarios, quasi, (QuasiNonClairvoyant(), mo.DIC(), mo.PPIR()))
        assert mo.verify(rule).holds
        assert rule.revenues == pytest.approx(best.revenues, abs=1e-9)


@counts(100, 6)
def test_charging_by_path(instances):
    for env in environments(instances, 8, (1, 1, 2), 3):
        found = mo.lemmas.charging(env)
        alone = env.agents == 1
        for name in found.slack if alone else ("charges", "sum"):
            assert found.slack[name] > -1e-7, (name, env.values, env.probabilities)
        assert sum(found.reach) == pytest.approx(1)
        paid, spent = found.covered["paid"], found.covered["spent"]
        assert paid[0] + spent[0] == pytest.approx(found.optimum, abs=1e-7)
        assert paid[1] <= paid[2] + 1e-7
        assert spent[1] <= spent[2] + 1e-7
        assert found.revenue >= found.optimum / (3 if alone else 5) - 1e-9
        assert found.to_frame().shape == (found.reach.size, 5)


def test_charging_by_hand():
    # One item a period, both free of doubt: 1 now, then 1 or 3. The optimum gives the first away or sells it at 1; the
    # second is sold at 3 with a balance of at most 1. Balances of the mechanism are a third of the first value.
    env = mo.IndependentTypes([[[1], [1, 3]]], [[[1], ["1/2", "1/2"]]])
    found = mo.lemmas.charging(env)
    assert found.optimum == pytest.approx(1 + 3 / 2 + 0)  # no uncertainty before: nothing dynamic to gain
    assert found.spends == pytest.approx([1 / 3, 1 / 3])  # min(1/3, E/3 = 2/3)
    assert min(found.slack.values()) >= -1e-9


def test_an_optimum_of_two_buyers_may_break_d1_on_a_path():
    env = mo.load("mirrokni-2020/charging-fails-by-path")
    # axes: buyer; history; report of buyer 0, of buyer 1. The item goes to buyer 1 where he has 2, else to buyer 0
    sold = np.array([[[[1.0, 0], [1, 0]]], [[[0, 1], [0, 1]]]])
    paid = np.array([[[[1.0, 0], [2, -1]]], [[[0, 2], [0, 2]]]])
    later = np.array([[[[0.0], [0]]] * 4, [[[1.0], [1]]] * 4])
    best = mo.Mechanism(env, (sold, later), (paid, 3 * later), (mo.DIC(), mo.EPIR()))
    assert mo.verify(best).holds
    assert best.revenue == pytest.approx(4.5)
    assert mo.optimum(env, exact=True).exact == Fraction(9, 2)
    found = mo.lemmas.charging(env, best)
    # her balance after (2, 2) is 1 and that of the balance mechanism 0: both bid 2
    assert found.slack["D.1"] == pytest.approx(-2 / 5)
    assert found.slack["sum"] >= -1e-9
    assert mo.lemmas.charging(env, mo.repeated_myerson(env).to_mechanism()).slack["D.1"] >= -1e-9


def test_charging_is_for_items_without_cost():
    with pytest.raises(mo.InputError, match="items without cost"):
        mo.lemmas.charging(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 2, cost=1))


@pytest.mark.parametrize("mu", [0.3, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("epsilon", [0.0, 0.4])
def test_the_sum_of_ratios_by_quadrature(mu, epsilon):
    z, top = exp(-(mu**2)), exp(mu**2)

    def tail(value):
        return (1 + z * mu * value) / (1 + mu * value)

    def integral(low):
        points = (np.exp(np.linspace(log(1 + mu * low), log(1 + mu * top), 200_001)) - 1) / mu
        heights = tail(points)
        return float((np.diff(points) * (heights[1:] + heights[:-1])).sum() / 2)

    alone, both = top * tail(top), epsilon + integral(0.0)
    assert alone == pytest.approx((1 + mu) / (mu + z))
    for price in (0.0, 0.1, 1.0, top / 2, top):
        wanted = price * tail(price) / alone + (epsilon + price * tail(price) + integral(price)) / both
        assert float(price_trade_off(mu, price, epsilon)) == pytest.approx(wanted, rel=1e-6)


def test_the_bound_of_theorem_5_1():
    for mu in (0.1, 0.5, 1, 2, 4, 8, 16, 25):
        bound = gap_bound(mu)
        grid = (np.exp(np.linspace(0, log(1 + mu * exp(mu**2)), 3000)) - 1) / mu
        assert bound.beta >= price_trade_off(mu, np.minimum(grid, exp(mu**2))).max() - 1e-9
        assert bound.bound == bound.beta / 2
        assert bound.printed_holds
        assert mo.reduced_gap(mu, 4000) <= bound.bound + 1e-3  # the grid makes it too high, by less
    beyond = [gap_bound(mu) for mu in (50, 1000, 1e4)]
    assert [mu * (found.beta - 1) for mu, found in zip((50, 1000, 1e4), beyond, strict=True)] == pytest.approx(
        [1, 1, 1], abs=0.03
    )
    with pytest.raises(mo.InputError, match="mu: is -1"):
        gap_bound(-1)
    with pytest.raises(mo.InputError, match="prices"):
        price_trade_off(1, [3.0])


@counts(100)
def test_the_loss_of_the_asymptotic_mechanism(instances):
    rng = np.random.default_rng(9)
    for k in range(instances):
        agents, types = 1 + k % 2, 2 + k % 2
        values = sorted(int(v) for v in rng.choice(np.arange(1, 9), types, replace=False))
        distribution = [Fraction(1, types)] * types
        env = mo.IndependentTypes.iid(values, distribution, int(rng.integers(3, 40)), agents)
        for threshold in ("sqrt(t) log t", "sqrt(t log t)"):
            found = mo.lemmas.asymptotic_loss(env, threshold)
            bank = mo.asymptotic(env, threshold)
            assert found.loss[-1] == pytest.approx(env.first_best - bank.revenue, abs=1e-8)
            assert (found.loss <= found.split_bound + 1e-9).all()
            assert (found.short <= found.azuma + 1e-12).all()
            assert (found.split_bound <= found.azuma_bound + 1e-9).all()
            if threshold == "sqrt(t) log t":
                assert (found.azuma_bound <= found.proof_bound + 1e-9).all()
                growth = [env.agents * found.constant * sqrt(t) * log(t) for t in range(2, env.horizon + 1)]
                assert (found.proof_bound[1:] <= np.array(growth) * (1 + 1e-12)).all()


def test_the_loss_by_hand():
    # One buyer of value 1 or 3: the fee is the mean, 2. g(1) = 0, nothing was given: period 1 is plain. Given 2 exceeds
    # 2 g(2) = 1.96, so period 2 is throttled: a balance of 1 does not cover 2, one of 3 does. Then g(3) = 1.9, and what
    # was given, 2, is below 3.8: plain again.
    env = mo.IndependentTypes.iid([1, 3], ["1/2", "1/2"], horizon=3)
    found = mo.lemmas.asymptotic_loss(env)
    assert found.plain.tolist() == [[True, False, True]]
    assert found.short.tolist() == [[0, 0.5, 0]]
    assert found.filling.tolist() == [2, 2, 4]
    assert found.throttled.tolist() == [0, 1, 1]
    assert found.azuma.tolist() == [[0, 1, 0]]
    assert list(found.to_frame().columns)[:3] == ["loss", "filling", "throttled"]
    histories = list(product([1, 3], repeat=3))
    paid = [sum(2 + 0 for t, h in enumerate(path[1:2]) if path[0] == 3) for path in histories]
    assert mo.asymptotic(env).revenue == pytest.approx(sum(paid) / prod([2, 2, 2]))
    with pytest.raises(mo.InputError, match="without cost and money without discount"):
        mo.lemmas.asymptotic_loss(mo.IndependentTypes.iid([1, 3], ["1/2", "1/2"], 3, discount="1/2"))
    with pytest.raises(mo.InputError, match="nothing has value"):
        mo.lemmas.asymptotic_loss(mo.IndependentTypes.iid([0], [1], 3))
    with pytest.raises(mo.InputError, match="epsilon"):
        mo.lemmas.asymptotic_constant(2, 1)
