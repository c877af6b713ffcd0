"""Payments in fractions: the numbers are the environment's exact ones where it has them, and its floats where not."""

from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.environment.process import joint_process
from mechopt.histories.public import PublicTree
from mechopt.verification.payments.check import check_payments

THIRDS = ["1/3"] * 3
FLOATS = np.random.default_rng(1).dirichlet(np.ones(3))


@pytest.mark.parametrize("exactly", [True, False])
def test_types_independent_across_periods(exactly):
    """The item is sold in the second period alone, to the first of three types there, for 1/4; its cost is 1/3."""
    chances = THIRDS if exactly else FLOATS
    env = mo.IndependentTypes.iid([0, 1, 2], chances, 2, cost="1/3", discount="1/3")
    assert (env.exact is not None) == exactly
    sold = [np.zeros((1, 1, 3)), np.zeros((1, 3, 3))]
    sold[1][0, :, 0] = 1.0
    mechanism = mo.Mechanism(env, sold, [part / 4 for part in sold])
    third = Fraction(1, 3) if exactly else Fraction(1 / 3)
    likely = Fraction(1, 3) if exactly else Fraction(float(FLOATS[0]))
    short = third * (third - Fraction(1, 4))
    assert check_payments(mo.WeakBudgetBalance(), mechanism, True).exact == short
    everything = 1 if exactly else sum(map(Fraction, map(float, FLOATS)))
    assert check_payments(mo.ExAnteBudgetBalance(), mechanism, True).exact == short * likely * everything
    assert check_payments(mo.PaymentCap(0), mechanism, True).exact == third / 4


@pytest.mark.parametrize("by_period", [False, True])
@pytest.mark.parametrize("exactly", [True, False])
def test_persistent_types(exactly, by_period):
    """Action 1 is taken in the second period and costs 1/3, or 1/7 in another environment; nothing is paid."""
    chances = THIRDS if exactly else FLOATS
    costs = [[0, "1/3"], [0, "1/7"]] if by_period else [0, "1/3"]
    values = [[[[0, 0, 0], [1, 2, 3]]] * 2] if by_period else [[[0, 0, 0], [1, 2, 3]]]
    kernel = [[[chances] * 3]] if by_period else [[chances] * 3]
    env = mo.MarkovTypes(values, kernel, [chances], cost=costs, horizon=2, discount="1/2")
    assert (env.exact is not None) == exactly
    tree = PublicTree(joint_process(env), "any")
    plan = [np.full(count, t) for t, count in enumerate(tree.count)]
    mechanism = mo.SequenceMechanism.of_policy(tree, plan, [np.zeros((1, count)) for count in tree.count])
    cost = Fraction(1, 7 if by_period else 3)
    cost = cost if exactly else Fraction(float(cost))
    assert check_payments(mo.WeakBudgetBalance(), mechanism, True).exact == cost / 2


@pytest.mark.parametrize("exactly", [True, False])
def test_costs_of_a_single_period(exactly):
    """Action 1 costs 1/3, and nothing is paid: nowhere, so that expected payments are short of the same in period 0."""
    env = mo.MarkovTypes(
        [[[[0, 0, 0], [1, 2, 3]]]], [[]], [THIRDS if exactly else FLOATS], cost=[[0, "1/3"]], horizon=1, discount="1/2"
    )
    assert (env.exact is not None) == exactly
    tree = PublicTree(joint_process(env), "any")
    mechanism = mo.SequenceMechanism.of_policy(tree, [np.ones(3, int)], [np.zeros((1, 3))])
    third = Fraction(1, 3) if exactly else Fraction(1 / 3)
    assert check_payments(mo.WeakBudgetBalance(), mechanism, True).exact == third
    for in_fractions in (True, False):
        found = check_payments(mo.ExAnteBudgetBalance(), mechanism, in_fractions)
        assert found.gain == pytest.approx(1 / 3) and found.counterexample.period == 0


@pytest.mark.parametrize("exactly", [True, False])
def test_the_cost_of_the_only_action(exactly):
    """It is taken in both periods and costs 1/3, which nobody pays."""
    chances = THIRDS if exactly else FLOATS
    env = mo.MarkovTypes([[[1, 2, 3]]], [[chances] * 3], [chances], cost=["1/3"], horizon=2, discount="1/2")
    tree = PublicTree(joint_process(env), "any")
    plan, nothing = ([np.zeros((1, n) if paid else n, int) for n in tree.count] for paid in (False, True))
    mechanism = mo.SequenceMechanism.of_policy(tree, plan, nothing)
    third = Fraction(1, 3) if exactly else Fraction(1 / 3)
    assert check_payments(mo.WeakBudgetBalance(), mechanism, True).exact == third
    floats = check_payments(mo.WeakBudgetBalance(), mechanism)
    assert (floats.exact, floats.gain) == (None, pytest.approx(1 / 3))
