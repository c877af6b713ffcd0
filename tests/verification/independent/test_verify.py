"""The verifier: violations are found, named and replayed; strategies beat one-shot misreports only where those gain."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mechopt as mo
from mechopt.mechanism.constraints import INDEPENDENT_CONSTRAINTS
from tests.instances import environments, incentives, participations

HALF = ["1/2", "1/2"]


def perturbed(mechanism, seed, size=0.5):
    rng = np.random.default_rng(seed)
    payment = [p + size * rng.integers(-1, 2, p.shape) for p in mechanism.payment]
    return mo.Mechanism(mechanism.environment, mechanism.allocation, payment)


@settings(max_examples=60, deadline=None)
@given(environments(max_buyers=3, max_types=3), incentives, st.integers(0, 2**32 - 1))
def test_counterexamples_replay_to_the_same_number(env, ic, seed):
    mechanism = perturbed(mo.optimum(env, ic).mechanism, seed)
    report = mo.verify(mechanism, INDEPENDENT_CONSTRAINTS)
    for constraint, check in report.items():
        assert check.holds == (check.counterexample is None)
        if check.counterexample:
            assert check.counterexample.constraint == constraint
            assert check.counterexample.replay(mechanism) == pytest.approx(check.gain, abs=1e-10)


@settings(max_examples=40, deadline=None)
@given(environments(), incentives, participations, st.integers(0, 2**32 - 1))
def test_implications_between_constraints_hold_for_the_verifier(env, ic, ir, seed):
    for mechanism in (mo.optimum(env, ic, ir).mechanism, perturbed(mo.optimum(env, ic, ir).mechanism, seed, 0.25)):
        kept = [
            constraint for constraint, check in mo.verify(mechanism, INDEPENDENT_CONSTRAINTS).items() if check.holds
        ]
        assert mo.formats.closure(kept) == frozenset(kept)


@settings(max_examples=40, deadline=None)
@given(environments(max_buyers=2), st.integers(0, 2**32 - 1))
def test_strategies_gain_nothing_where_one_shot_misreports_gain_nothing(env, seed):
    best = mo.optimum(env).mechanism
    assert mo.verify(best, mo.DIC())["dic"].strategy_gain <= 1e-8 * env.money_scale
    check = mo.verify(perturbed(best, seed), mo.DIC())["dic"]
    assert check.strategy_gain >= check.gain - 1e-9


@settings(max_examples=40, deadline=None)
@given(environments(max_buyers=1, max_periods=2), st.integers(0, 2**32 - 1))
def test_best_strategy_equals_enumeration(env, seed):
    """All reporting plans of one buyer over two periods, by brute force."""
    mechanism = perturbed(mo.optimum(env).mechanism, seed)
    weights, values, distribution = env.present_value, env.values[0], env.probabilities[0]

    def stage(t, history, true, report):
        place = (0, history, report)
        return weights[t] * (values[t][true] * mechanism.allocation[t][place] - mechanism.payment[t][place])

    def rest(history):
        if env.horizon == 1:
            return 0.0, 0.0
        types = range(env.shape[1][0])
        truth = sum(distribution[1][k] * stage(1, history, k, k) for k in types)
        return truth, sum(distribution[1][k] * max(stage(1, history, k, j) for j in types) for k in types)

    first = range(env.shape[0][0])
    gains = [stage(0, 0, k, j) + rest(j)[1] - stage(0, 0, k, k) - rest(k)[0] for k in first for j in first]
    if env.horizon == 2:
        last = range(env.shape[1][0])
        gains += [stage(1, h, k, j) - stage(1, h, k, k) for h in first for k in last for j in last]
    found = mo.verify(mechanism, mo.DIC())["dic"].strategy_gain
    assert found == pytest.approx(max(gains), abs=1e-10)


def test_one_nudged_payment_is_named():
    best = mo.optimum(mo.IndependentTypes.iid([1, 2], HALF, 3)).mechanism
    payment = [p.copy() for p in best.payment]
    payment[2][0, 3, 1] += 0.01  # after reports (1, 1), type 1 pays more
    report = mo.verify(mo.Mechanism(best.environment, best.allocation, payment), [mo.DIC(), mo.EPIR()])
    assert not report.holds
    broken = [check.counterexample for check in report.values() if not check.holds]
    assert broken
    for example in broken:
        assert example.agent == 0
        assert example.gain == pytest.approx(0.01, abs=1e-6)


def test_default_constraints_are_the_mechanism_s_own_or_all():
    env = mo.IndependentTypes.iid([1, 2], HALF, 2)
    best = mo.optimum(env, ic=mo.PPIC(), ir=mo.PFIR()).mechanism
    assert set(mo.verify(best)) == {mo.PPIC(), mo.PFIR()}
    anonymous = mo.Mechanism(env, best.allocation, best.payment)
    assert set(mo.verify(anonymous)) == set(INDEPENDENT_CONSTRAINTS)
    assert mo.verify(best)["ppic"].holds
    assert "ppic: satisfied" in repr(mo.verify(best))


def test_posted_price_by_hand():
    """Price 3/2 every period to types 1, 2: truthful types 1 never buy; IR and IC hold in every sense."""
    env = mo.IndependentTypes.iid([1, 2], HALF, 2)
    tree = mo.formats.HistoryTree(env)
    sale = [np.broadcast_to([0.0, 1.0], (1, *tree.children(t))) for t in range(2)]
    mechanism = mo.Mechanism(env, sale, [1.5 * s for s in sale])
    assert mo.verify(mechanism, INDEPENDENT_CONSTRAINTS).holds
    assert (mechanism.revenue, mechanism.welfare, mechanism.utilities) == (1.5, 2.0, (0.5,))


def test_two_buyers_bayesian_is_weaker_than_ex_post():
    """Buyer 0 gets the item, free, iff the reports are equal: 1/2 on average for either report, but not ex post."""
    env = mo.IndependentTypes.iid([1, 2], HALF, 1, agents=2)
    allocation = np.zeros((2, 1, 2, 2))
    payment = np.zeros((2, 1, 2, 2))
    allocation[0, 0, 0, 0] = allocation[0, 0, 1, 1] = 1.0
    mechanism = mo.Mechanism(env, [allocation], [payment])
    report = mo.verify(mechanism, [mo.DIC(), mo.ExPostIC()])
    assert report["dic"].holds
    assert not report["ex-post"].holds
    example = report["ex-post"].counterexample
    assert (example.agent, example.period, example.others) == (0, 0, (0,))
    assert (example.true_type, example.report, example.gain) == (1, 0, 2.0)


def test_mechanisms_are_checked_on_construction():
    env = mo.IndependentTypes.iid([1, 2], HALF, 1)
    good = np.zeros((1, 1, 2))
    with pytest.raises(mo.InputError, match=r"payment\[0\]: has shape \(2,\); it must be \(1, 1, 2\)"):
        mo.Mechanism(env, [good], [np.zeros(2)])
    with pytest.raises(mo.InputError, match="numbers that are not finite"):
        mo.Mechanism(env, [good], [good + np.nan])
    with pytest.raises(mo.InputError, match=r"allocation\[0\]: goes from 0 to 1.5"):
        mo.Mechanism(env, [good + np.array([0.0, 1.5])], [good])
    with pytest.raises(mo.InputError, match="has 2 periods, the environment 1"):
        mo.Mechanism(env, [good, good], [good, good])
    with pytest.raises(mo.InputError, match="runs is 1"):
        mo.Mechanism(env, [good], [good]).simulate(0, 1)
