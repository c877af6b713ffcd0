"""Conditions of bank accounts in fractions, against plain loops over balances and profiles."""

from fractions import Fraction
from itertools import product
from math import prod

import numpy as np
import pytest

import mechopt as mo
from mechopt.closedform.bank.non_clairvoyant import non_clairvoyant_balance
from mechopt.closedform.bank.reachable import reachable
from mechopt.core.rounding import Status
from tests.closedform.bank.test_mechanism import ONE, changed
from tests.closedform.bank_instances import environment


def test_fractions_decide_what_floats_lose():
    # payments are the floats 1e17 below 0 and that plus 0.9, which is the same float: nothing is gained by a report
    bank = changed(non_clairvoyant_balance(ONE), 1, payment=np.array([0.0, 0.9]) - 1e17)
    found = bank.conditions(exact=True)
    assert found["IC"].status == "satisfied" and found["IC"].rounding == 0
    # one unit in the last place of 1e17 is 16, which is gained
    check = changed(non_clairvoyant_balance(ONE), 1, payment=np.array([0.0, 16.0]) - 1e17).conditions(exact=True)["IC"]
    assert (check.status, check.counterexample.period) == ("violated", 1)
    assert check.gain == check.counterexample.gain > 14


@pytest.mark.parametrize("wild", [np.nan, np.inf, -np.inf])
def test_what_is_not_a_number_is_violated_in_fractions_too(wild):
    conditions = changed(non_clairvoyant_balance(ONE), 2, payment=np.array([0.0, wild])).conditions(exact=True)
    assert conditions["IC"].status == "violated"


@pytest.mark.parametrize("buyers", [1, 2, 3])
@pytest.mark.parametrize("seed", range(12))
def test_gains_in_fractions_are_those_of_plain_loops(buyers, seed):
    env = environment(seed, buyers)
    rng = np.random.default_rng(seed)
    shift = rng.integers(-2, 3, size=env.shape[-1])
    bank = changed(non_clairvoyant_balance(env), env.horizon - 1, payment=shift)
    gains = dict.fromkeys(("IC", "BI", "BU"), Fraction(0))
    for t, stage, _ in reachable(bank, False):
        for i in range(buyers):
            for name, gain in raw_gains(env, stage, t, i):
                gains[name] = max(gains[name], gain)
    found, floats = bank.conditions(exact=True), bank.conditions()
    for name, gain in gains.items():
        assert found[name].gain == pytest.approx(float(gain), rel=1e-15, abs=0)
        assert floats[name].gain == pytest.approx(float(gain), rel=1e-9, abs=1e-9)
        assert found[name].status is not Status.UNDECIDED
        assert floats[name].status in (found[name].status, Status.UNDECIDED)


def raw_gains(env, stage, t, i):
    """Every gain of one buyer in one period, by the definitions."""
    exact, others = env.exact, [j for j in range(env.agents) if j != i]
    value = [exact.discount**t * v for v in exact.values[i][t]]
    profiles = list(product(*(range(len(exact.values[j][t])) for j in range(env.agents))))
    states = range(stage.balance.shape[1])

    def at(part, s, types):
        return Fraction(float(np.broadcast_to(part[i], (len(states), *env.shape[t]))[(s, *types)]))

    def chance(types, without):
        return prod((exact.probabilities[j][t][types[j]] for j in others + [i] * (not without)), start=Fraction(1))

    def mean(s, true, told):
        mine = [types for types in profiles if types[i] == told]
        return sum(
            chance(types, True) * (value[true] * at(stage.allocation, s, types) - at(stage.payment, s, types))
            for types in mine
        )

    expected = [sum(exact.probabilities[i][t][k] * mean(s, k, k) for k in range(len(value))) for s in states]
    for s in states:
        for k, r in product(range(len(value)), repeat=2):
            yield "IC", mean(s, k, r) - mean(s, k, k)
        yield "BI", max(expected[s] - min(expected), -expected[s])
        for types in profiles:
            balance, spend = (Fraction(float(part[i, s])) for part in (stage.balance, stage.spend))
            after = balance - spend + at(stage.deposit, s, types)
            utility = value[types[i]] * at(stage.allocation, s, types) - at(stage.payment, s, types)
            yield "BU", max(-after, after - utility - balance)


def test_too_many_balances_for_fractions_are_refused():
    env = mo.IndependentTypes.iid([1, 2, 4], ["1/4", "1/4", "1/2"], horizon=400)
    bank = non_clairvoyant_balance(env)
    assert bank.conditions().holds
    with pytest.raises(mo.errors.LimitError, match=r"the conditions in fractions take about .* above 5,000,000"):
        bank.conditions(exact=True)
