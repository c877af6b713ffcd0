"""One simulation for all forms: what it averages, against sums by hand; what it cannot follow is said."""

from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.mechanism.simulation import MAX_FOLLOWED, played, simulate

HALF = ["1/2", "1/2"]


def price_one(discount, fee=(), horizon="infinite"):
    """Sell at price 1 for ever to a buyer who values the item at 0 or 2, the same type for ever; fees come first."""
    stay = [[1, 0], [0, 1]]
    env = mo.MarkovTypes([[[0, 0], [0, 2]]], [[stay] * 2], [HALF], cost=[0, "1/4"], discount=discount, horizon=horizon)
    price = np.array([0.0, 1.0])
    return mo.results.MarkovMechanism(env, [np.array([0, 1])], [[*(price + f for f in fee), price]])


@pytest.mark.parametrize("discount", ["1/100", "1/2", "99/100", "99999/100000"])
@pytest.mark.parametrize("fee", [(), (3.0,), (1.0, 2.0, 4.0)], ids=["none", "entry", "three"])
def test_runs_for_ever_are_worth_what_geometric_series_say(discount, fee):
    """Type 2 pays 1 and gains 1 in each period, so that every run is one of two numbers, whatever was cut off."""
    d = Fraction(discount)
    fees = float(sum(Fraction(f) * d**t for t, f in enumerate(fee)))
    runs = played(price_one(discount, fee), np.random.default_rng(1), 200)
    buys = runs.welfare > 0
    assert 60 < buys.sum() < 140
    for k, share in ((False, 0.0), (True, float(1 / (1 - d)))):
        assert runs.welfare[buys == k] == pytest.approx(share * 1.75, rel=1e-9)
        assert runs.utility[0][buys == k] == pytest.approx(share - fees, rel=1e-9, abs=1e-9)
        assert runs.revenue[buys == k] == pytest.approx(share * 0.75 + fees, rel=1e-9, abs=1e-9)


def test_types_that_change_are_drawn_by_the_kernel_of_the_action():
    """From type 2 the buyer falls to type 0 for good, each time with chance 1/2: on average worth 4/3 sales."""
    env = mo.MarkovTypes([[[0, 0], [0, 2]]], [[[[1, 0], ["1/2", "1/2"]]] * 2], [[0, 1]], discount="1/2")
    mechanism = mo.results.MarkovMechanism(env, [np.array([0, 1])], [[np.array([0.0, 1.0])]])
    found = mechanism.simulate(0, 20_000)
    # 1 + 1/4 + 1/16 + ... = 4/3 of each price
    assert mechanism.revenue == pytest.approx(4 / 3)
    assert abs(found.revenue - 4 / 3) < 5 * found.revenue_error < 0.05
    assert abs(found.utilities[0] - 4 / 3) < 5 * found.utility_errors[0]


def test_no_run_is_longer_than_what_is_followed():
    assert np.log(1e-6) / np.log(0.99999) > MAX_FOLLOWED


@pytest.mark.parametrize("runs", [1, 0, -3])
def test_one_run_has_no_standard_error(runs):
    with pytest.raises(mo.InputError, match=f"runs is {runs}; standard errors need at least 2"):
        price_one("1/2").simulate(0, runs)


def test_what_has_no_form_is_refused():
    with pytest.raises(mo.InputError, match="a dict is in no form that is simulated"):
        simulate({}, 0)


def test_a_seed_and_a_generator_of_it_draw_the_same():
    mechanism = mo.give_for_free(mo.IndependentTypes.iid([1, 2], HALF, horizon=3))
    assert mechanism.simulate(5, 100) == mechanism.simulate(np.random.default_rng(5), 100)
    assert mechanism.simulate(5, 100) != mechanism.simulate(6, 100)


def test_a_bank_account_too_long_for_histories_is_followed_by_its_balances():
    bank = mo.non_clairvoyant_balance(mo.IndependentTypes.iid([1, 2], HALF, horizon=60))
    found = bank.simulate(0, 2000)
    assert abs(found.revenue - bank.revenue) < 5 * found.revenue_error
    assert abs(found.welfare - bank.welfare) < 5 * found.welfare_error
