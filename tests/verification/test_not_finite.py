"""Payments that are no numbers, or too large to add up, are violations in fractions as they are in floats."""

from dataclasses import replace

import numpy as np
import pytest

import mechopt as mo
from tests.verification import cases

STAY = [["3/4", "1/4"], ["1/4", "3/4"]]
HALF = ["1/2", "1/2"]


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("seed", [1, 2, 4])
def test_transfers_that_are_no_numbers(seed, wrong, exact):
    transfers = cases.contingent(seed)
    (first, *others), *rest = transfers.payments
    broken = first.copy()
    broken.flat[0] = wrong
    check = mo.verify(replace(transfers, payments=((broken, *others), *rest)), exact=exact)["periodic-ex-post"]
    assert check.status == "violated"
    assert not check.holds


@pytest.mark.parametrize("exact", [False, True])
def test_payments_for_ever_that_overflow(exact):
    env = mo.MarkovTypes([[[0, 0], [1, 3]]], [STAY], [HALF], horizon="infinite", discount="9/10")
    best = mo.optimum(env, mo.BayesianIC(), mo.Interim()).mechanism
    signs = np.random.default_rng(0).choice([-1.7e308, 1.7e308], size=best.payment.shape)
    assert {check.status for check in mo.verify(replace(best, payment=signs), exact=exact).values()} == {"violated"}


@pytest.mark.parametrize("exact", [False, True])
def test_values_of_nothing_for_ever_are_satisfied(exact):
    """The tolerance is 0, and so are the gains and what bounds their rounding."""
    env = mo.MarkovTypes([[[0, 0], [0, 0]]], [STAY], [HALF], horizon="infinite", discount="9/10")
    best = mo.optimum(env, mo.BayesianIC(), mo.Interim()).mechanism
    for check in mo.verify(best, exact=exact).values():
        assert check.status == "satisfied" and check.gain == check.rounding == check.tolerance == 0


@pytest.mark.parametrize("exact", [False, True])
def test_values_of_nothing_are_satisfied(exact):
    still = mo.IndependentTypes([[[0], [0]], [[0], [0]]], [[[1], [1]]] * 2)
    moving = mo.MarkovTypes([[[0, 0], [0, 0]]] * 2, [STAY] * 2, [HALF] * 2, horizon=2)
    for env, constraints in (
        (still, [mo.DIC(), mo.ExPostIC(), mo.SuperDIC(), mo.EPIR(), mo.PFIR(), mo.NoMoney(), mo.StrongBudgetBalance()]),
        (moving, [mo.BayesianIC(), mo.PeriodicExPostIC(), mo.EPIR(), mo.PeriodicIR(), mo.NoSubsidy(), mo.Budget(0)]),
    ):
        best = mo.optimum(env).mechanism
        for check in mo.verify(best, constraints, exact=exact).values():
            assert check.status == "satisfied" and check.tolerance == 0
    assert mo.verify(mo.dynamic_pivot(moving), exact=exact).holds
    assert mo.verify(mo.balanced_team(moving), exact=exact).holds
