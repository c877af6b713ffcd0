"""Bank accounts: conditions and their counterexamples, outcomes by three methods, files."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.closedform.bank.asymptotic import asymptotic
from mechopt.closedform.bank.non_clairvoyant import non_clairvoyant_balance, two_period
from mechopt.closedform.bank.reachable import merge
from tests.closedform.bank_instances import HALF

ONE = mo.IndependentTypes.iid([1, 2], HALF, horizon=3)
TWO = mo.IndependentTypes.iid([1, 3], ["1/4", "3/4"], horizon=2, agents=2)


def changed(bank, period, payment=0.0, deposit=0.0, **fields):
    """The mechanism with something added to one period's payment or deposit."""

    def stage(t, balance):
        made = bank.stage(t, balance)
        if t != period:
            return made
        added = {"payment": made.payment + payment, "deposit": made.deposit + deposit}
        return replace(made, **added)

    return replace(bank, stage=stage, **fields)


def test_a_payment_that_grows_with_the_report_breaks_ic_and_is_named():
    bank = changed(non_clairvoyant_balance(ONE), 1, payment=np.array([0.0, 0.9]))
    conditions = bank.conditions()
    found = conditions["IC"].counterexample
    assert not conditions.holds and conditions["BU"].counterexample.period == 1
    assert (found.condition, found.agent, found.period, found.true_type, found.report) == ("IC", 0, 1, 1, 0)
    assert found.replay(bank) == pytest.approx(found.gain, abs=1e-12)
    # type 2 paid at most 1/3 + 1/2 + 1/3 of r less than she would as type 1 nowhere: what she is charged more is 0.9
    assert found.gain == pytest.approx(0.9, abs=1e-12)
    assert "agent 0, period 1, balance " in str(conditions) and "type 1 reports 0 and gains 0.9" in str(conditions)


def test_a_payment_that_grows_with_the_balance_breaks_bi_and_is_named():
    kept = non_clairvoyant_balance(TWO)

    def stage(t, balance):
        made = kept.stage(t, balance)
        return replace(made, payment=made.payment + t * 0.5 * balance[:, :, None, None])

    bank = replace(kept, stage=stage)
    conditions = bank.conditions()
    found = conditions["BI"].counterexample
    assert conditions["IC"].holds and not conditions["BI"].holds
    # the only positive balance is 2/5 (3 - 1): half of it too much
    assert found.period == 1 and found.gain == pytest.approx(0.4, abs=1e-12)
    assert found.balance[found.agent] == 0 and found.other_balance[found.agent] == pytest.approx(0.8)
    assert found.replay(bank) == pytest.approx(found.gain, abs=1e-12)
    assert not mo.verify(bank.to_mechanism(), mo.INDU()).holds


def test_a_period_that_costs_more_than_it_gives_breaks_bi_and_is_named():
    bank = changed(non_clairvoyant_balance(ONE), 0, payment=2.0)
    found = bank.conditions()["BI"].counterexample
    assert found.other_balance is None and found.period == 0
    # the first period is worth 1/6 by Myerson's price 1 and 1/2 for free: 2/3 - 2
    assert found.gain == pytest.approx(2 - 2 / 3, abs=1e-12)
    assert found.replay(bank) == pytest.approx(found.gain, abs=1e-12)
    assert not mo.verify(bank.to_mechanism(), mo.PEIR()).holds


@pytest.mark.parametrize("deposit", [pytest.param(2.0, id="above"), pytest.param(-1.0, id="below")])
def test_a_deposit_out_of_bounds_breaks_bu_and_is_named(deposit):
    bank = changed(two_period(TWO), 0, deposit=deposit)
    check = bank.conditions()["BU"]
    found = check.counterexample
    assert not check.holds and (found.condition, found.period, len(found.types)) == ("BU", 0, 2)
    assert found.replay(bank) == pytest.approx(found.gain, abs=1e-12)
    # where she gets nothing the deposit is 0 and so is the utility
    assert found.gain == pytest.approx(abs(deposit), abs=1e-12)


def test_types_of_probability_zero_count():
    env = mo.IndependentTypes.iid([1, 2, 9], ["1/2", "1/2", 0], horizon=2)
    bank = changed(non_clairvoyant_balance(env), 0, payment=np.array([0.0, 0.0, 20.0]))
    found = bank.conditions()["IC"].counterexample
    assert (found.period, found.true_type) == (0, 2)
    assert found.replay(bank) == pytest.approx(found.gain)


def test_balances_after_types_of_probability_zero_count():
    # only a type 9 at first makes a balance of 3; nobody draws it
    env = mo.IndependentTypes.iid([1, 2, 9], ["1/2", "1/2", 0], horizon=2)
    kept = non_clairvoyant_balance(env)

    def stage(t, balance):
        made = kept.stage(t, balance)
        return replace(made, payment=made.payment - np.where(balance > 2, 0.25, 0.0)[:, :, None])

    bank = replace(kept, stage=stage)
    found = bank.conditions()["BI"].counterexample
    assert (found.period, found.balance) == (1, (pytest.approx(3.0),)) and found.gain == pytest.approx(0.25)
    assert bank.outcome("balance distribution").states == 2
    assert bank.revenue == pytest.approx(kept.revenue, abs=1e-12)


@pytest.mark.parametrize(
    "bank",
    [
        pytest.param(non_clairvoyant_balance(ONE), id="balance-one-buyer"),
        pytest.param(non_clairvoyant_balance(TWO), id="balance-two-buyers"),
        pytest.param(two_period(TWO), id="two-period-two-buyers"),
        pytest.param(asymptotic(mo.IndependentTypes.iid([1, 5], HALF, 6, agents=2, cost=2)), id="asymptotic-with-cost"),
    ],
)
def test_simulation_is_within_four_standard_errors(bank):
    exact, found = bank.outcome(), bank.outcome("simulation", runs=4000, rng=20240229)
    assert exact.exact and exact.revenue_error is None
    assert not found.exact and (found.method, found.runs, found.seed) == ("simulation", 4000, 20240229)
    assert abs(found.revenue - exact.revenue) <= 4 * found.revenue_error + 1e-12
    assert abs(found.welfare - exact.welfare) <= 4 * found.welfare_error + 1e-12
    for i, error in enumerate(found.utility_errors):
        assert abs(found.utilities[i] - exact.utilities[i]) <= 4 * error
        assert error > 0


def test_a_seed_gives_the_same_runs_and_a_generator_is_used():
    bank = non_clairvoyant_balance(TWO)
    first, second = (bank.outcome("simulation", runs=50, rng=3) for _ in range(2))
    assert first == second
    other = bank.outcome("simulation", runs=50, rng=np.random.default_rng(3))
    assert other.seed is None and other.revenue == first.revenue


def test_methods_by_size():
    bank = non_clairvoyant_balance(mo.IndependentTypes.iid([1, 2, 5], ["1/2", "1/4", "1/4"], horizon=5))
    assert bank.outcome().method == "balance distribution"
    assert bank.outcome(max_states=3).method == "enumeration"
    assert bank.outcome(max_states=3).revenue == pytest.approx(bank.outcome().revenue, abs=1e-12)
    longer = non_clairvoyant_balance(mo.IndependentTypes.iid([1, 2, 5], ["1/2", "1/4", "1/4"], horizon=30))
    simulated = longer.outcome(max_states=3, runs=20)
    assert simulated.method == "simulation"
    with pytest.raises(mo.errors.LimitError, match="distinct balances before period"):
        longer.outcome("balance distribution", max_states=3)
    with pytest.raises(mo.errors.LimitError, match=r"about 10\^14.3 histories of 1 buyer"):
        longer.to_mechanism()


def test_lattice_balances_merge_over_a_thousand_periods():
    # deposits of 1/3 and 2/3 and spends of up to 1/2: balances are multiples of 1/6
    bank = non_clairvoyant_balance(mo.IndependentTypes.iid([1, 2], HALF, horizon=1000))
    outcome = bank.outcome()
    assert outcome.method == "balance distribution" and outcome.states <= 6 * 334
    # from the second period on a balance of 1/3 earns what larger ones do, see test_balance
    assert outcome.revenue == pytest.approx(2 / 3 + 999 * 5 / 6, rel=1e-12)
    assert (bank.revenue, bank.welfare, bank.utilities) == (outcome.revenue, outcome.welfare, outcome.utilities)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param({"method": "guess"}, "choose one of 'auto', 'enumeration'", id="method"),
        pytest.param({"method": "simulation", "runs": 1}, "standard errors need at least 2", id="runs"),
    ],
)
def test_wrong_questions_are_answered_with_the_choices(arguments, words):
    with pytest.raises(mo.InputError, match=words):
        non_clairvoyant_balance(ONE).outcome(**arguments)


def test_merging_keeps_points_apart_that_differ_in_one_coordinate():
    points = np.array([[0.1 + 0.2, 0.3, 0.3, 1.0], [5.0, 5.0, 6.0, 5.0 + 1e-13]])
    representatives, index = merge(points, 1e-11)
    assert representatives.shape == (2, 3) and index[0] == index[1]
    np.testing.assert_allclose(representatives[:, index], points, atol=1e-11)


def test_merging_rounds_no_lattice_apart():
    # a walk on thirds and sevenths from either side: sums in different orders are one point each
    rng = np.random.default_rng(0)
    steps = rng.permuted(np.tile([[1 / 3, 2 / 7, 1 / 3, 2 / 7, 5 / 21]], (500, 1)), axis=1)
    assert merge(steps.cumsum(axis=1)[:, -1][None], 1e-11)[0].shape == (1, 1)


def test_saved_and_loaded(tmp_path):
    bank = non_clairvoyant_balance(TWO)
    bank.save(tmp_path / "bank.npz")
    loaded = mo.load_mechanism(tmp_path / "bank.npz", TWO)
    assert loaded.revenue == pytest.approx(bank.revenue, abs=1e-12) and loaded.claims == bank.claims
    assert loaded.source == "non-clairvoyant balance (Theorem 6.1)"


def test_money_too_small_to_divide_by_is_refused():
    env = mo.IndependentTypes.iid([3], [1], horizon=400, discount=Fraction(1, 10))
    bank = non_clairvoyant_balance(env)
    # one type: Myerson earns 3/3, the free third fills the balance, the last third earns 3/3; in period t > 0 Myerson
    # and the spend earn 10^-t each
    assert bank.outcome().revenue == pytest.approx(2 + 2 / 9, rel=1e-9)
    with pytest.raises(mo.InputError, match=r"discount 0.1 over 400 periods.* use fewer periods"):
        bank.to_mechanism()


def test_sums_so_large_that_floats_lose_a_gain_are_undecided():
    # the same misreport gains 0.9 in test_a_payment_that_grows_with_the_report, where nothing is lent
    bank = changed(non_clairvoyant_balance(ONE), 1, payment=np.array([0.0, 0.9]) - 1e17)
    check = bank.conditions()["IC"]
    assert (check.status, check.holds, check.gain) == ("undecided", False, 0.0)
    assert check.rounding > 0.9 and check.counterexample.period == 1
    assert "IC is undecided" in str(bank.conditions())


@pytest.mark.parametrize("wild", [np.nan, np.inf, -np.inf, 1.7e308])
@pytest.mark.parametrize("report", [0, 1])
def test_what_is_no_sum_that_can_be_computed_is_violated(wild, report):
    payment = np.zeros(2)
    payment[report] = wild
    conditions = changed(non_clairvoyant_balance(ONE), 2, payment=payment).conditions()
    assert not conditions.holds
    assert conditions["IC"].status in ("violated", "undecided")
    assert np.isfinite(wild) or conditions["IC"].status == "violated"
