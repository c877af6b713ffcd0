"""Checks of constraints on payments: gains and places against loops, replays, fractions, and rounding."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

import mechopt as mo
from mechopt.verification.rounding import Status
from tests.persistent_instances import random_markov

NAMES = [
    "no-money",
    "no-subsidy",
    "payment-cap:1/2",
    "budget:1,2",
    "prefix-budget:1/2",
    "weak-budget-balance",
    "strong-budget-balance",
    "ex-ante-budget-balance",
]


def constraint(name):
    return mo.Problem(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 1, agents=2), subject_to=name).subject_to[0]


def direct(seed):
    rng = np.random.default_rng(seed)
    env = mo.IndependentTypes.iid([0, 1, 3], ["1/2", "1/4", "1/4"], horizon=2, agents=2, cost="1/2", discount="4/5")
    tree = mo.formats.HistoryTree(env)
    shares = [rng.dirichlet(np.ones(3), tree.children(t)) for t in range(2)]
    sold = [np.moveaxis(part, -1, 0)[:2] for part in shares]
    return mo.Mechanism(env, sold, [rng.normal(size=part.shape) for part in sold])


def sequence(seed):
    env = random_markov(seed, agents=2, periods=2, most=2, controlled=True, discount=0.9)
    best = mo.optimum(env).mechanism
    rng = np.random.default_rng(seed)
    paid = [rng.normal(size=part.shape) for part in best.payment]
    return replace(best, payment=tuple(paid))


def by_loops(name, mechanism):
    """Largest violation from the definitions, for independent types."""
    env, tree = mechanism.environment, mechanism.tree
    label, _, text = name.partition(":")
    amounts = [float(Fraction(a)) for a in text.split(",")] * 2 if text else [0, 0]
    worst, expected = 0.0, 0.0
    for t in range(env.horizon):
        for history in product(*(product(*map(range, row)) for row in tree.shape[: t + 1])):
            place = (tree.node(history[:t]), *history[t])
            weight = 0.8**t
            paid = [weight * mechanism.payment[t][(i, *place)] for i in range(2)]
            fee = weight * 0.5 * sum(mechanism.allocation[t][(i, *place)] for i in range(2))
            reach = np.prod([env.probabilities[i][s][m[i]] for s, m in enumerate(history) for i in range(2)])
            expected += reach * (fee - sum(paid))
            so_far = [
                sum(0.8**s * mechanism.payment[s][(i, tree.node(history[:s]), *history[s])] for s in range(t + 1))
                for i in range(2)
            ]
            full = label == "prefix-budget" or t == env.horizon - 1
            worst = max(
                worst,
                *{
                    "no-money": [abs(p) for p in paid],
                    "no-subsidy": [-p for p in paid],
                    "payment-cap": [p - weight * amounts[0] for p in paid],
                    "weak-budget-balance": [fee - sum(paid), 0],
                    "strong-budget-balance": [abs(fee - sum(paid)), 0],
                }.get(label, [p - a if full else 0 for p, a in zip(so_far, amounts, strict=False)]),
            )
    return max(expected, 0.0) if label == "ex-ante-budget-balance" else worst


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(3))
def test_gains_are_those_of_the_definitions(seed, name):
    mechanism = direct(seed)
    check = mo.verify(mechanism, constraint(name))[name]
    assert check.gain == pytest.approx(by_loops(name, mechanism), abs=1e-12)
    if check.counterexample is not None:
        assert check.counterexample.replay(mechanism) == pytest.approx(check.gain, abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("make", [direct, sequence])
@pytest.mark.parametrize("seed", range(3))
def test_fractions_agree_and_counterexamples_replay(seed, make, name):
    mechanism = make(seed)
    plain = mo.verify(mechanism, constraint(name))[name]
    exact = mo.verify(mechanism, constraint(name), exact=True)[name]
    assert plain.status is exact.status
    assert abs(plain.gain - float(exact.exact)) <= plain.rounding + 1e-15
    for check in (plain, exact):
        if check.status is Status.VIOLATED:
            assert check.counterexample.replay(mechanism) == pytest.approx(check.gain, abs=1e-12)
            assert set(check.counterexample.to_dict()) >= {"agent", "period", "history", "reports", "gain"}


def test_a_violation_says_where():
    mechanism = direct(0)
    paid = [np.zeros_like(part) for part in mechanism.payment]
    paid[1][1, 5, 2, 0] = -0.25
    report = mo.verify(replace(mechanism, payment=tuple(paid)), [mo.NoSubsidy(), mo.NoMoney(), mo.PaymentCap(0)])
    assert report.violated == ("no-subsidy", "no-money")
    assert str(report["no-subsidy"].counterexample) == (
        "agent 1, period 1, after history [[1, 2]] and reports [2, 0]: the agent is paid 0.2"
    )


def test_not_a_number_is_a_violation():
    mechanism = direct(0)
    huge = tuple(np.full_like(part, 1e308) for part in mechanism.payment)
    with np.errstate(over="ignore"):
        assert not mo.verify(replace(mechanism, payment=huge), mo.Budget(1)).holds


def test_amounts_are_one_or_one_an_agent():
    with pytest.raises(mo.InputError, match="has 3 amounts, but there are 2 agents"):
        mo.verify(direct(0), mo.Budget([1, 2, 3]))
    with pytest.raises(mo.InputError, match="has no amount"):
        mo.Budget([])
    with pytest.raises(mo.InputError, match="payment-cap"):
        mo.PaymentCap("much")
    with pytest.raises(mo.InputError, match="give it as ic="):
        mo.Problem(direct(0).environment, subject_to=mo.DIC())
    with pytest.raises(mo.InputError, match="give it as subject_to="):
        mo.Problem(direct(0).environment, ir="budget:3")


def test_saved_mechanisms_remember_them(tmp_path):
    env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2)
    best = mo.optimum(env, subject_to=[mo.NoSubsidy(), mo.Budget("3/2")])
    best.mechanism.save(tmp_path / "best.npz")
    again = mo.load_mechanism(tmp_path / "best.npz", env)
    assert again.claims == best.mechanism.claims
    assert mo.verify(again)["budget:3/2"].holds
