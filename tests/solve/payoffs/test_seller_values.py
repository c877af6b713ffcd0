"""What sales and actions are worth to the seller: against raw programs of the definitions, verified and proved."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.environment.process import joint_process
from tests.papers.raw_program import raw_optimum
from tests.persistent_instances import battaglini, random_correlated, random_markov
from tests.solve.payments.raw_independent import raw_value
from tests.solve.payments.raw_persistent import raw_value as raw_persistent
from tests.solve.payments.test_independent import random_types
from tests.solve.payments.test_persistent import random_chain
from tests.strategy_rows import InformedMisreport, Strategies

ASKED = [("dic", "epir"), ("ppic", "per-period"), ("dic", "interim"), ("super-dic", "epir"), ("ppic+indu", "prefix")]


def with_gains(env, seed, zeros=False):
    """An environment with seller's payoffs of both signs, and costs of both."""
    rng = np.random.default_rng(seed)

    def drawn(array):
        return [[f"{n}/2" for n in row] for row in rng.integers(-6, 5, array.shape).reshape(array.shape[0], -1)]

    cost = [f"{c}/2" for c in rng.integers(-3, 3, len(np.ravel(env.cost)))]
    if env.kind == "independent":
        gains = [[[f"{n}/2" for n in rng.integers(-6, 5, part.size)] for part in row] for row in env.values]
        if env.agents > 1:
            gains[0] = None
    elif env.kind == "markov":
        gains = [[drawn(part) for part in row] for row in env.values]
    else:
        gains = [rng.integers(-6, 5, part.shape) / 2 for part in env.values[0]]
    return replace(env, cost=cost, seller_values=gains)


@pytest.mark.parametrize("seed", range(12))
def test_independent_types_against_the_raw_program(seed):
    env = with_gains(random_types(seed), seed)
    ic, ir = ASKED[seed % len(ASKED)]
    expected = raw_optimum(env, ic.split("+"), ir.split("+"))
    best = mo.optimum(env, ic, ir, exact=True)
    assert best.value == pytest.approx(expected, abs=1e-8)
    assert best.mechanism.revenue == pytest.approx(expected, abs=1e-8)
    assert mo.verify(best.mechanism).holds
    assert mo.formats.check_certificate(env, best.certificate) == best.exact
    simulated = best.mechanism.simulate(seed, 4000)
    assert abs(simulated.revenue - best.mechanism.revenue) <= 6 * simulated.revenue_error + 1e-9
    assert abs(simulated.welfare - best.mechanism.welfare) <= 6 * simulated.welfare_error + 1e-9
    assert best.value <= env.first_best + 1e-9
    for form in ("promise", "utility", "payment"):
        try:
            problem = mo.Problem(env, ic, ir, form=form)
        except mo.InputError:
            continue
        assert problem.solve().value == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("name", ["budget:1", "weak-budget-balance", "no-money", "ex-ante-budget-balance"])
@pytest.mark.parametrize("seed", range(4))
def test_money_is_the_payments_and_the_cost_alone(seed, name):
    env = with_gains(random_types(seed), seed)
    expected = raw_value(env, ["dic"], ["interim"], [name])
    best = mo.optimum(env, "dic", "interim", subject_to=name)
    assert best.value == pytest.approx(expected, abs=1e-8)
    assert mo.verify(best.mechanism, exact=False).holds


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("steered", [False, True])
def test_persistent_types_against_all_strategies(seed, steered):
    env = with_gains(random_markov(seed, 1 + seed % 2, 2, 2, 2, sparse=seed % 3 == 0, controlled=steered), seed)
    best = mo.optimum(env, "bayesian", exact=True)
    assert best.value == pytest.approx(Strategies(env).optimum(), abs=1e-7)
    assert best.mechanism.revenue == pytest.approx(best.value, abs=1e-8)
    assert best.value <= env.first_best + 1e-8
    assert env.first_best == pytest.approx(joint_process(env).first_best, abs=1e-9)
    assert mo.verify(best.mechanism).holds
    assert mo.formats.check_certificate(env, best.certificate) == best.exact
    simulated = best.mechanism.simulate(seed, 4000) if not best.mechanism.limit else None
    if simulated is not None:
        assert abs(simulated.revenue - best.mechanism.revenue) <= 6 * simulated.revenue_error + 1e-9
        assert abs(simulated.welfare - best.mechanism.welfare) <= 6 * simulated.welfare_error + 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_correlated_types_against_one_misreport(seed):
    env = with_gains(random_correlated(seed), seed)
    best = mo.optimum(env, "periodic-ex-post", exact=True)
    assert best.value == pytest.approx(InformedMisreport(env).optimum(), abs=1e-7)
    assert best.mechanism.revenue == pytest.approx(best.value, abs=1e-8)
    assert mo.formats.check_certificate(env, best.certificate) == best.exact
    assert env.first_best == pytest.approx(joint_process(env).first_best, abs=1e-9)


@pytest.mark.parametrize("name", ["no-subsidy", "weak-budget-balance"])
@pytest.mark.parametrize("seed", range(2))
def test_persistent_types_with_constraints_on_payments(seed, name):
    env = with_gains(random_chain(seed, True), seed)
    expected = raw_persistent(env, "interim", [name], True)
    best = mo.optimum(env, "periodic-ex-post", "interim", subject_to=name)
    assert best.value == pytest.approx(expected, abs=1e-7)


def test_zero_changes_nothing():
    chain, coin = battaglini(2), mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 2)
    nothing = mo.MarkovTypes(
        chain.exact.values,
        chain.exact.kernel,
        chain.exact.initial,
        chain.actions,
        chain.types,
        horizon=2,
        seller_values=[[[0, 0], [0, 0]]],
    )
    assert nothing == chain
    assert nothing.fingerprint == chain.fingerprint
    assert nothing.seller_values is None
    assert mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 2, seller_values=[0, 0]) == coin
    assert mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 2, seller_values=[0, 1]) != coin


def test_what_depends_on_no_type_is_a_cost_of_the_other_sign():
    paid = mo.IndependentTypes.iid([1, 2, 3], ["1/3"] * 3, 2, agents=2, seller_values=["1/2"] * 3)
    cheap = mo.IndependentTypes.iid([1, 2, 3], ["1/3"] * 3, 2, agents=2, cost="-1/2")
    assert mo.formats.certify(paid).value == mo.formats.certify(cheap).value
    assert paid.first_best == pytest.approx(cheap.first_best, abs=1e-12)
    env = random_markov(3, 2, 2, 3, 2)
    gains = [[["1", "1"], ["-2", "-2"], ["1/2", "1/2"]], None]
    gains[0] = [row[: env.shape[0][0]] for row in gains[0]]
    folded = replace(env, cost=[float(c) - g for c, g in zip(env.cost, (1, -2, 0.5), strict=True)])
    known = mo.dynamic_pivot(folded)
    found = mo.dynamic_pivot(replace(env, seller_values=gains))
    for i in range(2):
        for one, other in zip(found.transfer[i], known.transfer[i], strict=True):
            np.testing.assert_allclose(one, other, atol=1e-12)
    assert found.revenue == pytest.approx(known.revenue, abs=1e-10)
    mechanism = found.to_mechanism()
    assert mechanism.revenue == pytest.approx(known.to_mechanism().revenue, abs=1e-10)
    assert mo.verify(mechanism).holds


def test_by_hand():
    # v = 1/2 or 1 evenly, accepting is worth 1 or -3 to the seller: the efficient rule serves the low type alone and
    # earns (1/2 + 1)/2 = 3/4; whoever serves the low type serves the high one, so that selling loses
    # (1/2 + (1 - 3)/2 < 0 at price 1/2): any incentive compatible mechanism earns 0.
    env = mo.MarkovTypes(
        [[[0, 0], ["1/2", 1]]], [[[1, 0], [0, 1]]], [["1/2", "1/2"]], horizon=1, seller_values=[[[0, 0], [1, -3]]]
    )
    assert env.first_best == pytest.approx(0.75)
    assert mo.formats.certify(env).value == 0
    assert mo.formats.certify(env, objective="welfare").value == 0
    with pytest.raises(mo.InputError, match="seller_values depend on the type of agent '0'"):
        mo.dynamic_pivot(env)


def test_a_regulator_weighs_consumers():
    # Baron-Myerson: cost 1 or 2 evenly, consumers value one unit at 4, which is the seller's payoff; the firm's "value"
    # of producing is -cost, she pays it. Producing at price 2 earns 4 - 2 = 2 from both; from the low cost alone
    # (4 - 1)/2 = 3/2.
    env = mo.IndependentTypes([[[0]]], [[["1"]]], seller_values=[[[4]]])
    assert mo.formats.certify(env).value == 4
    firm = mo.MarkovTypes([[[0, 0], [-2, -1]]], [[[1, 0], [0, 1]]], [["1/2", "1/2"]], horizon=1, cost=[0, -4])
    assert mo.formats.certify(firm).value == 2


@pytest.mark.parametrize("name", ["repeated_myerson", "repeated_second_price", "give_for_free", "asymptotic"])
def test_theorems_without_them_refuse_by_name(name):
    env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 2, seller_values=[0, 1])
    with pytest.raises(mo.InputError, match=f"{name}: seller_values"):
        getattr(mo, name, getattr(mo.mechanisms, name, None))(env)


def test_methods_without_them_are_not_taken():
    env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 3, agents=2, seller_values=[0, 1])
    one = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 3, seller_values=[0, 1])
    for environment, method in ((env, "orbits"), (one, "promised"), (env, "dual")):
        with pytest.raises(mo.InputError, match=r"(without|has no) seller_values"):
            mo.optimum(environment, method=method)


def test_infinite_horizons():
    stay = [["3/4", "1/4"], ["1/4", "3/4"]]
    env = mo.MarkovTypes(
        [[[0, 0], [1, 2]]], [stay], [["1/2", "1/2"]], discount="1/2", seller_values=[[[0, 0], [1, -3]]]
    )
    many = mo.MarkovTypes(
        [[[0, 0], [1, 2]]], [stay], [["1/2", "1/2"]], horizon=11, discount="1/2", seller_values=[[[0, 0], [1, -3]]]
    )
    best = mo.optimum(env)
    assert best.bound.lower - 1e-9 <= mo.optimum(many).value + 4 * 0.5**11 <= best.bound.upper + 4 * 0.5**10
    assert best.value == pytest.approx(1 / 3, abs=1e-7)
    with pytest.raises(mo.InputError, match="seller_values"):
        mo.infinite_optimum(env)


def test_negative_costs_by_every_method():
    env = mo.IndependentTypes.iid([0, 1, 3], ["1/4", "1/2", "1/4"], 3, cost=["-1", "1/2", "-1/3"], discount="4/5")
    pair = mo.IndependentTypes.iid([1, 3], ["1/2", "1/2"], 2, agents=2, cost=["-1", "1/2"])
    for environment, methods in ((env, ("program", "promised", "dual")), (pair, ("program", "orbits", "dual"))):
        exact = float(mo.formats.certify(environment).value)
        for method in methods:
            found = mo.optimum(environment, method=method)
            assert found.bound.lower - 1e-9 <= exact <= found.bound.upper + 1e-9
            assert found.value == pytest.approx(exact, rel=2e-4)
    assert (
        Fraction(mo.formats.check_certificate(env, mo.optimum(env, exact=True).certificate))
        == mo.formats.certify(env, form="utility").value
    )
