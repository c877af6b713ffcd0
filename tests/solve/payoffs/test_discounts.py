"""Discounts that differ between agents and seller: against raw programs of the definitions, and who lends to whom."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import mechopt as mo
from mechopt.environment.process import joint_process
from tests.persistent_instances import battaglini, random_correlated, random_markov
from tests.solve.payments.raw_independent import raw_value
from tests.solve.payments.raw_persistent import raw_value as raw_persistent
from tests.solve.payments.test_independent import random_types
from tests.solve.payments.test_persistent import random_chain

Status = mo.results.Status
BOUNDING = ["no-subsidy", "payment-cap:1+no-subsidy", "budget:2+no-subsidy", "prefix-budget:1+no-subsidy", "no-money"]


def with_discounts(env, seed, patient=None):
    """Own discounts, above and below the seller's; None for the first of several agents in some draws."""
    rng = np.random.default_rng(seed)
    own = [f"{d}/10" for d in rng.integers(3, 10, env.agents)]
    if patient is not None:
        own = ["9/10" if patient else "1/2"] * env.agents
    if env.agents > 1 and seed % 2:
        own[0] = None
    return replace(env, discount="7/10", discounts=own)


@pytest.mark.parametrize("name", BOUNDING)
@pytest.mark.parametrize("seed", range(4))
def test_independent_types_against_the_raw_program(seed, name):
    env = with_discounts(random_types(seed), seed)
    ic, ir = [("dic", "epir"), ("ppic", "per-period"), ("dic", "interim"), ("super-dic", "periodic")][seed]
    expected = raw_value(env, [ic], [ir], name.split("+"))
    best = mo.optimum(env, ic, ir, subject_to=name, exact=True)
    assert best.value == pytest.approx(expected, abs=1e-7)
    assert best.mechanism.revenue == pytest.approx(expected, abs=1e-7)
    assert mo.verify(best.mechanism).holds, mo.verify(best.mechanism)
    assert mo.verify(best.mechanism, exact=True).holds
    assert mo.formats.check_certificate(env, best.certificate) == best.exact
    problem = mo.Problem(env, ic, ir, name)
    assert problem.program()[0].size == (problem.size.rows, problem.size.columns, problem.size.nonzeros)
    simulated = best.mechanism.simulate(seed, 4000)
    assert abs(simulated.revenue - best.mechanism.revenue) <= 6 * simulated.revenue_error + 1e-9
    assert abs(simulated.welfare - best.mechanism.welfare) <= 6 * simulated.welfare_error + 1e-9
    for a, b, error in zip(simulated.utilities, best.mechanism.utilities, simulated.utility_errors, strict=True):
        assert abs(a - b) <= 6 * error + 1e-9


@pytest.mark.parametrize("name", ["weak-budget-balance", "strong-budget-balance", "ex-ante-budget-balance"])
@pytest.mark.parametrize("objective", ["welfare", "revenue+1/2*utility"])
def test_balance_counts_the_sellers_money(name, objective):
    env = with_discounts(random_types(3), 2)
    best = mo.optimum(env, "dic", "per-period", objective, subject_to=[name, "payment-cap:3"], exact=True)
    assert mo.verify(best.mechanism).holds
    assert mo.formats.check_certificate(env, best.certificate) == best.exact
    goal, found = best.objective, best.mechanism
    worth = goal.revenue * found.revenue + goal.welfare * found.welfare + goal.utility * sum(found.utilities)
    assert worth == pytest.approx(best.value, abs=1e-7)


@pytest.mark.parametrize("name", ["no-subsidy", "payment-cap:1+no-subsidy", "weak-budget-balance+payment-cap:2"])
@pytest.mark.parametrize("steered", [False, True], ids=["free", "steered"])
@pytest.mark.parametrize("seed", range(3))
def test_persistent_types_against_the_raw_program(seed, steered, name):
    env = with_discounts(random_chain(seed, steered), seed)
    expected = raw_persistent(env, "interim", name.split("+"), steered)
    best = mo.optimum(env, "periodic-ex-post", "interim", subject_to=name, exact=True)
    if expected is None:
        assert best.status is Status.INFEASIBLE
        return
    assert best.value == pytest.approx(expected, abs=1e-7)
    assert best.mechanism.revenue == pytest.approx(best.value, abs=1e-7)
    assert mo.verify(best.mechanism).holds, mo.verify(best.mechanism)
    assert mo.verify(best.mechanism, exact=True).holds
    assert mo.formats.check_certificate(env, best.certificate) == best.exact


@pytest.mark.parametrize("name", ["budget:1+no-subsidy", "prefix-budget:1"])
@pytest.mark.parametrize("seed", range(2))
def test_budgets_are_summed_at_the_sellers_discount(seed, name):
    env = with_discounts(random_chain(seed, False), seed)
    asked = "periodic-ex-post", "periodic"
    expected = raw_persistent(env, asked[1], name.split("+"), False)
    best = mo.optimum(env, *asked, subject_to=name, exact=True)
    assert best.value == pytest.approx(expected, abs=1e-7)
    assert mo.verify(best.mechanism).holds
    assert mo.formats.check_certificate(env, best.certificate) == best.exact


# Agents who are more patient than the seller pay at first and are paid back later, at terms that suit both, without
# end, unless no period may leave them worse off so far; the less patient the other way round, unless they may leave.
PATIENT = {"interim": True, "epir": True, "periodic": True, "prefix": False, "per-period": False}
IMPATIENT = {"interim": True, "epir": True, "prefix": True, "periodic": False, "per-period": False}


@pytest.mark.parametrize("patient", [True, False], ids=["agent", "seller"])
@pytest.mark.parametrize("ir", PATIENT)
def test_one_side_lends_without_end_where_it_may(ir, patient):
    coin = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2)
    for env in (coin, battaglini(2)):
        given = with_discounts(env, 0, patient)
        endless = (PATIENT if patient else IMPATIENT)[ir]
        best = mo.optimum(given, ir=ir)
        assert best.status is (Status.UNBOUNDED if endless else Status.OPTIMAL), (env, ir, patient)
        if endless:
            who = "pays at first and is paid later" if patient else "is paid at first and pays later"
            assert who in best.conflict[0], best.conflict
        else:
            assert mo.verify(best.mechanism).holds
            assert best.value == pytest.approx(float(mo.formats.certify(given, ir=ir).value), abs=1e-8)


@pytest.mark.parametrize("seed", range(2))
def test_without_loans_the_optimum_is_that_of_all_strategies(seed):
    env = with_discounts(random_markov(seed, 1, 2, 2, 2, controlled=False), seed, patient=True)
    found = mo.optimum(env, "bayesian", "per-period", exact=True)
    assert mo.formats.check_certificate(env, found.certificate) == found.exact
    assert mo.verify(found.mechanism).holds
    joint = with_discounts(random_correlated(seed), seed, patient=True)
    found = mo.optimum(joint, "periodic-ex-post", "per-period", exact=True)
    assert mo.formats.check_certificate(joint, found.certificate) == found.exact
    assert joint.first_best == pytest.approx(joint_process(joint).first_best)


def test_a_common_discount_said_twice_changes_nothing():
    for env in (
        battaglini(2),
        mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 2, discount="9/10"),
        random_correlated(0),
    ):
        given = replace(env, discounts=[env.exact.discount] * env.agents)
        assert given == env
        assert given.discounts is None
    one = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=1)
    assert mo.formats.certify(replace(one, discounts=["1/2"])).value == mo.formats.certify(one).value


def test_by_hand():
    # Values 1 for sure in both periods, seller's discount 1/2, the agent's 1; no subsidy. A pound paid in period 0 is
    # worth 1 to both, in period 1 only 1/2 to the seller: all is paid at once, 2 = her whole surplus.
    env = mo.IndependentTypes([[[1], [1]]], [[["1"], ["1"]]], discount="1/2", discounts=[1])
    assert mo.formats.certify(env, subject_to="no-subsidy").value == 2
    # Discounts exchanged: what she pays in period 1 is worth 1 to the seller and costs her 1/2; her surplus 3/2 buys 3.
    late = mo.IndependentTypes([[[1], [1]]], [[["1"], ["1"]]], discount=1, discounts=["1/2"])
    assert mo.formats.certify(late, subject_to="no-subsidy").value == 3
    assert mo.formats.certify(late, ir="per-period").value == 2


def test_closed_forms_refuse_by_name():
    env = replace(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2), discounts=["1/2"])
    for build in (mo.repeated_myerson, mo.give_for_free, mo.non_clairvoyant_balance):
        with pytest.raises(mo.InputError, match="discounts: everybody discounts alike"):
            build(env)
    with pytest.raises(mo.InputError, match="discounts: everybody discounts alike"):
        mo.efficient(replace(battaglini(2), discounts=["1/2"]))
