"""Conversions: any mechanism with DIC and EPIR into a bank account, and from there to per-period rationality."""

from dataclasses import replace

import numpy as np
import pytest

import mechopt as mo
from mechopt.closedform.bank.asymptotic import asymptotic
from mechopt.closedform.bank.conversions import bank_account, quasi_non_clairvoyant
from mechopt.closedform.bank.mechanism import BANK_ACCOUNT_CONSTRAINTS
from mechopt.closedform.bank.non_clairvoyant import non_clairvoyant_balance
from mechopt.closedform.static.repeated import repeated_second_price
from tests.closedform.bank_instances import BATCHES, HALF, SHAPES, environment, require_theorems

ONE = mo.IndependentTypes.iid([1, 2], HALF, horizon=3)


@pytest.mark.parametrize("seeds", BATCHES)
@pytest.mark.parametrize("buyers", SHAPES)
def test_optima_become_bank_accounts_of_the_same_revenue_and_back(buyers, seeds):
    for seed in seeds:
        best = mo.optimum(environment(seed, buyers)).mechanism
        bank = bank_account(best)
        assert bank.claims == BANK_ACCOUNT_CONSTRAINTS
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


@pytest.mark.parametrize("seeds", BATCHES)
@pytest.mark.parametrize("buyers", SHAPES)
def test_quasi_non_clairvoyant_is_per_period_rational_and_keeps_total_payments(buyers, seeds):
    for seed in seeds:
        env = environment(seed, buyers)
        best = mo.optimum(env).mechanism
        for given in (non_clairvoyant_balance(env), asymptotic(env), best, bank_account(best)):
            made = quasi_non_clairvoyant(given)
            assert {mo.DIC(), mo.PPIR(), mo.PFIR(), mo.PEIR()} <= set(made.claims)
            assert (mo.ExPostIC() in made.claims) == (mo.ExPostIC() in getattr(given, "claims", ()))
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
    return mo.IndependentTypes.iid(env.values[0][0], env.probabilities[0][0], horizon=periods)


def test_a_conversion_needs_few_balances():
    # 2 + 4 + ... + 512 histories of length 1 to 9; the optimum's utilities repeat
    best = mo.optimum(mo.IndependentTypes.iid([1, 2], HALF, horizon=9)).mechanism
    outcome = bank_account(best).outcome("balance distribution")
    assert outcome.states < 40
    assert outcome.revenue == pytest.approx(best.revenue, abs=1e-9)


def test_a_bank_account_is_its_own_conversion():
    bank = non_clairvoyant_balance(ONE)
    assert bank_account(bank) is bank


def test_what_breaks_a_condition_has_no_quasi_non_clairvoyant_version():
    kept = non_clairvoyant_balance(ONE)

    def stage(t, balance):
        made = kept.stage(t, balance)
        return replace(made, deposit=made.deposit + 5.0)

    with pytest.raises(mo.InputError, match=r"not a bank account mechanism: .* BU fails"):
        quasi_non_clairvoyant(replace(kept, stage=stage))
