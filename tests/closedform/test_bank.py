"""Bank accounts: conditions and their counterexamples, outcomes by three methods, and conversions to and fro."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.closedform.asymptotic import asymptotic
from mechopt.closedform.balance import non_clairvoyant_balance, two_period
from mechopt.closedform.bank import BANK_ACCOUNT_NOTIONS
from mechopt.closedform.frontload import bank_account, quasi_non_clairvoyant
from mechopt.closedform.reachable import merge
from mechopt.closedform.repeated import repeated_second_price
from tests.closedform.bank_instances import BATCHES, HALF, SHAPES, environment, require_theorems

ONE = mo.IndependentTypes.iid([1, 2], HALF, periods=3)
TWO = mo.IndependentTypes.iid([1, 3], ["1/4", "3/4"], periods=2, buyers=2)


def changed(bank, period, payment=0.0, deposit=0.0, **fields):
    """The mechanism with something added to one period's payment or deposit."""

    def stage(t, balance):
        made = bank.stage(t, balance)
        if t != period:
            return made
        added = {"payment": made.payment + payment, "deposit": made.deposit + deposit}
        return replace(made, **added)

    return replace(bank, stage=stage, **fields)


# Conversion


@pytest.mark.parametrize("seeds", BATCHES)
@pytest.mark.parametrize("buyers", SHAPES)
def test_optima_become_bank_accounts_of_the_same_revenue_and_back(buyers, seeds):
    for seed in seeds:
        best = mo.optimum(environment(seed, buyers)).mechanism
        bank = bank_account(best)
        assert bank.claims == BANK_ACCOUNT_NOTIONS
        require_theorems(bank)
        scale = max(1.0, best.revenue)
        assert bank.revenue == pytest.approx(best.revenue, abs=1e-9 * scale)
        assert bank.utilities == pytest.approx(best.utilities, abs=1e-9 * scale)
        assert bank.to_mechanism().revenue == pytest.approx(best.revenue, abs=1e-9 * scale)


@pytest.mark.parametrize("seeds", BATCHES)
@pytest.mark.parametrize("buyers", SHAPES)
def test_conversion_of_what_is_not_optimal_keeps_utilities_and_loses_no_revenue(buyers, seeds):
    # the mean of an optimum and of the repeated second-price auction: DIC and EPIR hold, neither is the best possible
    for seed in seeds:
        env = environment(seed, buyers)
        parts = [mo.optimum(env).mechanism, repeated_second_price(env).to_mechanism()]
        allocation, payment = (
            tuple((a + b) / 2 for a, b in zip(*(getattr(part, name) for part in parts), strict=True))
            for name in ("allocation", "payment")
        )
        given = mo.Mechanism(env, allocation, payment)
        bank = bank_account(given)
        require_theorems(bank)
        scale = max(1.0, given.welfare)
        assert bank.utilities == pytest.approx(given.utilities, abs=1e-8 * scale)
        assert bank.revenue >= given.revenue - 1e-8 * scale
        assert bank.welfare >= given.welfare - 1e-8 * scale


def test_three_buyers_become_bank_accounts():
    for seed in range(15):
        best = mo.optimum(environment(seed, 3)).mechanism
        bank = bank_account(best)
        require_theorems(bank)
        assert bank.revenue == pytest.approx(best.revenue, abs=1e-8)


@pytest.mark.parametrize("buyers", SHAPES)
def test_histories_of_equal_utility_share_the_better_future(buyers):
    # Nothing is sold at first. After report 0 the second item (1 or 2 at 1/2) goes to half of the types at random for
    # free: utility 3/4, welfare 3/4. After report 1 it has price 3/4: utility 3/4, welfare 3/2. The second is copied.
    # A second buyer of one type is paid 1/4 in the end whatever happens.
    values = [[[1, 2], [1, 2]], [[1], [1]]][:buyers]
    env = mo.IndependentTypes(values, [[HALF, HALF], [[1], [1]]][:buyers])
    allocation = [np.zeros((buyers, 1, 2, 1)), np.zeros((buyers, 2, 2, 1))]
    payment = [np.zeros((buyers, 1, 2, 1)), np.full((buyers, 2, 2, 1), -0.25)]
    allocation[1][0], payment[1][0] = (
        np.array([[0.5, 0.5], [1, 1]])[..., None],
        np.array([[0, 0], [0.75, 0.75]])[..., None],
    )
    shapes = [(buyers, count, *[2, 1][:buyers]) for count in (1, 2)]
    reshaped = [[a.reshape(s) for a, s in zip(arrays, shapes, strict=True)] for arrays in (allocation, payment)]
    bank = bank_account(mo.Mechanism(env, *reshaped))
    assert bank.revenue == pytest.approx(0.75 - (0.25 if buyers == 2 else 0))
    assert bank.welfare == pytest.approx(1.5) and bank.utilities == pytest.approx([0.75, 0.25][:buyers])
    assert bank.outcome("balance distribution").states == 1
    require_theorems(bank)


def test_equal_vectors_of_utilities_make_a_class_not_equal_entries():
    # Two buyers, second item worth 1 to both. After report 0 of buyer 0 it is split, after report 1 buyer 1 has all of
    # it; buyer 0 is paid 1/2 for that, so that her utility is the same. Buyer 1's is not: two states, not one.
    env = mo.IndependentTypes([[[1, 2], [1]], [[1], [1]]], [[HALF, [1]], [[1], [1]]])
    split, whole = [0.5, 0.0], [0.5, 1.0]
    allocation = [np.zeros((2, 1, 2, 1)), np.stack([split, whole])[..., None, None]]
    payment = [np.zeros((2, 1, 2, 1)), np.array([[0.0, -0.5], [0.0, 0.0]])[..., None, None]]
    bank = bank_account(mo.Mechanism(env, allocation, payment))
    require_theorems(bank)
    assert bank.outcome("balance distribution").states == 2
    assert bank.utilities == pytest.approx((0.5, 0.75))


def test_a_mechanism_that_can_be_lied_to_is_refused_with_the_misreport():
    best = mo.optimum(ONE).mechanism
    payment = [best.payment[0] + np.array([[[0.0, 0.5]]]), *best.payment[1:]]
    broken = mo.Mechanism(ONE, best.allocation, payment)
    found = mo.verify(broken, mo.DIC())[mo.DIC()].counterexample
    words = f"breaks dic: agent 0, period 0, after history \\[\\]: type 1 reports 0 and gains {found.gain:.6g}"
    for convert in (bank_account, quasi_non_clairvoyant):
        with pytest.raises(mo.InputError, match=words):
            convert(broken)


@pytest.mark.parametrize("buyers", SHAPES)
def test_refusals_agree_with_the_verifier(buyers):
    refused = 0
    for seed in range(30):
        best = mo.optimum(environment(seed, buyers)).mechanism
        rng = np.random.default_rng(seed)
        payment = [p + 0.3 * rng.integers(-1, 2, p.shape) * (rng.random(p.shape) < 0.2) for p in best.payment]
        given = replace(best, payment=payment)
        if mo.verify(given, [mo.DIC(), mo.EPIR()]).holds:
            require_theorems(bank_account(given))
            continue
        refused += 1
        with pytest.raises(mo.InputError, match=r"the mechanism breaks (dic|epir): agent "):
            bank_account(given)
    assert refused > 5


def test_a_mechanism_that_costs_a_buyer_on_a_path_is_refused_with_the_path():
    best = mo.optimum(ONE).mechanism
    payment = [best.payment[0] + 0.25, *best.payment[1:]]
    lowest = min(float(best.realised[-1].min()), 0.0) - 0.25
    with pytest.raises(mo.InputError, match=rf"breaks epir: agent 0, on path \[.*\]: the utility is {lowest:g}"):
        bank_account(mo.Mechanism(ONE, best.allocation, payment))


def test_stages_of_a_conversion_are_for_its_own_balances():
    bank = bank_account(mo.optimum(ONE).mechanism)
    with pytest.raises(mo.InputError, match=r"balance \[0.123\] before period 1: this bank account never reaches it"):
        bank.stage(1, np.array([[0.123]]))


# Quasi-non-clairvoyant


@pytest.mark.parametrize("seeds", BATCHES)
@pytest.mark.parametrize("buyers", SHAPES)
def test_quasi_non_clairvoyant_is_per_period_rational_and_keeps_total_payments(buyers, seeds):
    for seed in seeds:
        env = environment(seed, buyers)
        best = mo.optimum(env).mechanism
        for given in (non_clairvoyant_balance(env), asymptotic(env), best, bank_account(best)):
            made = quasi_non_clairvoyant(given)
            assert {mo.DIC(), mo.PPIR(), mo.PFIR(), mo.PEIR()} <= set(made.notions)
            assert (mo.ExPostIC() in made.notions) == (mo.ExPostIC() in getattr(given, "claims", ()))
            report = mo.verify(made)
            assert report.holds, report
            before = given if isinstance(given, mo.Mechanism) else given.to_mechanism()
            for x, y in zip(made.allocation, before.allocation, strict=True):
                np.testing.assert_array_equal(x, y)
            # same allocation, so equal payments on every path are equal utilities on every path
            np.testing.assert_allclose(made.realised[-1], before.realised[-1], atol=1e-9 * env.money_scale)


def test_only_the_last_period_knows_that_it_is_the_last():
    longer, shorter = (quasi_non_clairvoyant(non_clairvoyant_balance(replace_periods(ONE, n))) for n in (3, 2))
    np.testing.assert_allclose(longer.payment[0], shorter.payment[0])
    assert np.abs(longer.payment[1] - shorter.payment[1]).max() > 0.1
    np.testing.assert_allclose(longer.allocation[1], shorter.allocation[1])


def replace_periods(env, periods):
    return mo.IndependentTypes.iid(env.values[0][0], env.probabilities[0][0], periods=periods)


def test_what_breaks_a_condition_has_no_quasi_non_clairvoyant_version():
    broken = changed(non_clairvoyant_balance(ONE), 0, deposit=5.0)
    with pytest.raises(mo.InputError, match=r"no bank account mechanism: .* BU fails"):
        quasi_non_clairvoyant(broken)


# Conditions


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
    env = mo.IndependentTypes.iid([1, 2, 9], ["1/2", "1/2", 0], periods=2)
    bank = changed(non_clairvoyant_balance(env), 0, payment=np.array([0.0, 0.0, 20.0]))
    found = bank.conditions()["IC"].counterexample
    assert (found.period, found.true_type) == (0, 2)
    assert found.replay(bank) == pytest.approx(found.gain)


def test_balances_after_types_of_probability_zero_count():
    # only a type 9 at first makes a balance of 3; nobody draws it
    env = mo.IndependentTypes.iid([1, 2, 9], ["1/2", "1/2", 0], periods=2)
    kept = non_clairvoyant_balance(env)

    def stage(t, balance):
        made = kept.stage(t, balance)
        return replace(made, payment=made.payment - np.where(balance > 2, 0.25, 0.0)[:, :, None])

    bank = replace(kept, stage=stage)
    found = bank.conditions()["BI"].counterexample
    assert (found.period, found.balance) == (1, (pytest.approx(3.0),)) and found.gain == pytest.approx(0.25)
    assert bank.outcome("balance distribution").states == 2
    assert bank.revenue == pytest.approx(kept.revenue, abs=1e-12)


# Outcome


@pytest.mark.parametrize(
    "bank",
    [
        pytest.param(non_clairvoyant_balance(ONE), id="balance-one-buyer"),
        pytest.param(non_clairvoyant_balance(TWO), id="balance-two-buyers"),
        pytest.param(two_period(TWO), id="two-period-two-buyers"),
        pytest.param(asymptotic(mo.IndependentTypes.iid([1, 5], HALF, 6, buyers=2, cost=2)), id="asymptotic-with-cost"),
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
    bank = non_clairvoyant_balance(mo.IndependentTypes.iid([1, 2, 5], ["1/2", "1/4", "1/4"], periods=5))
    assert bank.outcome().method == "balance distribution"
    assert bank.outcome(max_states=3).method == "enumeration"
    assert bank.outcome(max_states=3).revenue == pytest.approx(bank.outcome().revenue, abs=1e-12)
    longer = non_clairvoyant_balance(mo.IndependentTypes.iid([1, 2, 5], ["1/2", "1/4", "1/4"], periods=30))
    simulated = longer.outcome(max_states=3, runs=20)
    assert simulated.method == "simulation"
    with pytest.raises(mo.LimitError, match="distinct balances before period"):
        longer.outcome("balance distribution", max_states=3)
    with pytest.raises(mo.LimitError, match=r"about 10\^14.3 histories of 1 buyer"):
        longer.to_mechanism()


def test_lattice_balances_merge_over_a_thousand_periods():
    # deposits of 1/3 and 2/3 and spends of up to 1/2: balances are multiples of 1/6
    bank = non_clairvoyant_balance(mo.IndependentTypes.iid([1, 2], HALF, periods=1000))
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


# Files and discounts


def test_saved_and_loaded(tmp_path):
    bank = non_clairvoyant_balance(TWO)
    bank.save(tmp_path / "bank.npz")
    loaded = mo.load_mechanism(tmp_path / "bank.npz", TWO)
    assert loaded.revenue == pytest.approx(bank.revenue, abs=1e-12) and loaded.notions == bank.claims
    assert loaded.source == "non-clairvoyant balance (Theorem 6.1)"


def test_money_too_small_to_divide_by_is_refused():
    env = mo.IndependentTypes.iid([3], [1], periods=400, discount=Fraction(1, 10))
    bank = non_clairvoyant_balance(env)
    # one type: Myerson earns 3/3, the free third fills the balance, the last third earns 3/3; in period t > 0 Myerson
    # and the spend earn 10^-t each
    assert bank.outcome().revenue == pytest.approx(2 + 2 / 9, rel=1e-9)
    with pytest.raises(mo.InputError, match=r"discount 0.1 over 400 periods.* use fewer periods"):
        bank.to_mechanism()
