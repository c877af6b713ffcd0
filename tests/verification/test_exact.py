"""Checks in floats against checks in fractions: the rounding bound bounds, and the answers never contradict."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.closedform.contingent.transfers import contingent_transfers
from mechopt.core.errors import LimitError
from mechopt.mechanism.constraints import INDEPENDENT_CONSTRAINTS, PERSISTENT_CONSTRAINTS
from mechopt.mechanism.stationary import MarkovMechanism
from mechopt.verification import exact
from mechopt.verification.contingent.check import check_contingent
from tests.closedform.contingent.test_stacked import late, steered, uncorrected
from tests.closedform.markov_instances import random_environment as markov_environment
from tests.verification import cases

HALF = ["1/2", "1/2"]
SCALES = (1.0, 1e11, 1e16)
RE_REPORTS = mo.PeriodicExPostIC(rereport=True)
LOCAL = (mo.PeriodicExPostIC(), mo.PPIR(), mo.Interim(), mo.PeriodicIR(), mo.PeriodicExPostIR())


def defined(mechanism):
    """Constraints that are defined for a mechanism."""
    if isinstance(mechanism, mo.Mechanism):
        return INDEPENDENT_CONSTRAINTS
    if isinstance(mechanism, mo.SequenceMechanism):
        return [n for n in PERSISTENT_CONSTRAINTS if n != RE_REPORTS or mechanism.tree.reports == "any"]
    return LOCAL


def agree(quick, slow):
    """Whether two checks of one constraint fit together."""
    assert slow.status in ("satisfied", "violated") and slow.rounding == 0
    assert quick.status in ("undecided", slow.status)
    gain, rounding = Fraction(quick.gain), Fraction(quick.rounding)
    assert slow.exact >= gain - rounding
    same = str(quick.counterexample).rpartition(" gains ")[0] == str(slow.counterexample).rpartition(" gains ")[0]
    if quick.status != "violated" or (same and quick.counterexample is not None):
        assert slow.exact <= gain + rounding
        return float(abs(slow.exact - gain)) / quick.rounding if quick.rounding else 0.0
    return 0.0


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("kind", [cases.direct, cases.sequence, cases.stationary])
def test_floats_and_fractions_agree(kind, scale):
    for seed in range(7):
        mechanism = kind(seed, scale)
        quick, slow = (mo.verify(mechanism, defined(mechanism), exact=way) for way in (False, True))
        for constraint in quick:
            assert agree(quick[constraint], slow[constraint]) <= 1


@pytest.mark.parametrize("scale", [0.0, 1e-3, 1.0, 1e11])
def test_contingent_transfers_agree(scale):
    for seed in range(6):
        transfers = cases.contingent(seed, scale)
        assert agree(check_contingent(transfers), check_contingent(transfers, exact=True)) <= 1


def test_stacked_transfers_agree():
    """Every history, history by history; without the correction; for ever, promise by promise; and with noise."""
    for_ever = contingent_transfers(mo.load("liu-2025/two-periods-stacked"), "stacked")
    noisy = tuple(
        tuple(part + 0.1 * np.cos(np.arange(part.size)).reshape(part.shape) for part in row)
        for row in for_ever.payments
    )
    corrected = [contingent_transfers(env, "stacked", "constant") for env in (late(), steered())]
    for transfers in (*corrected, uncorrected(steered()), for_ever, replace(for_ever, payments=noisy)):
        assert agree(check_contingent(transfers), check_contingent(transfers, exact=True)) <= 1


@pytest.mark.parametrize("scale", [0.0, 1e-3, 1.0, 1e11])
def test_bank_tables_agree(scale):
    for seed in range(4):
        table = cases.bank_table(seed, scale)
        quick, slow = mo.mechanisms.verify_bank_table(table), mo.mechanisms.verify_bank_table(table, exact=True)
        for name, status in quick.statuses.items():
            assert status in ("undecided", slow.statuses[name])
            assert slow.gains[name] >= quick.gains[name] - quick.roundings[name]
            if scale == 0:
                assert (status, slow.statuses[name]) == ("satisfied", "satisfied")


def test_the_bound_is_not_idle():
    """Payments of 1e16 that cancel but for rounding: the error is there, and within the bound."""
    found = []
    for seed in range(30):
        mechanism = cases.direct(seed)
        rng = np.random.default_rng(seed)
        lent = 1e16 * rng.random()
        if mechanism.environment.horizon < 2:
            continue
        d = mechanism.environment.discount
        payment = [p + lent * (t == 0) - lent / d * (t == 1) for t, p in enumerate(mechanism.payment)]
        mechanism = replace(mechanism, payment=tuple(payment))
        quick, slow = (mo.verify(mechanism, mo.Interim(), exact=way)[mo.Interim()] for way in (False, True))
        found.append(agree(quick, slow))
    assert 0 < max(found) <= 1


def test_too_much_for_fractions_is_refused_with_the_numbers(monkeypatch):
    monkeypatch.setattr(exact, "MAX_TERMS", 3)
    for mechanism in (cases.direct(0), cases.sequence(0), cases.stationary(0), cases.contingent(0)):
        with pytest.raises(LimitError, match=r"in fractions takes [\d,]+ products, above 3"):
            mo.verify(mechanism, exact=True)
    with pytest.raises(LimitError, match="in fractions"):
        mo.mechanisms.verify_bank_table(cases.bank_table(0), exact=True)


def test_exact_probabilities_of_the_environment_are_used():
    """A fair lottery over thirds: in floats the thirds do not add up, in fractions they do."""
    env = mo.IndependentTypes.iid([1, 2, 3], ["1/3", "1/3", "1/3"], horizon=1)
    sale = np.ones((1, 1, 3))
    check = mo.verify(mo.Mechanism(env, [sale], [2 * sale]), mo.ExpectedContinuationIR(), exact=True)
    assert check["expected-continuation"].exact == 0


@pytest.mark.parametrize(("horizon", "largest"), [(2, 6), (3, 7), ("infinite", 8)])
def test_the_tolerance_is_a_share_of_the_largest_present_value(horizon, largest):
    """An agent who loses up to 4 a period at discount 1/2, beside one who gains up to 1; payments do not matter."""
    values = [[[-4, 0], [-3, 2]], [[0, 1], [1, 0]]]
    env = mo.MarkovTypes(values, [[HALF] * 2] * 2, [HALF] * 2, horizon=horizon, discount="1/2")
    pivot = mo.dynamic_pivot(env).to_mechanism()
    for fee in (0.0, 1e9):
        rows = [[part + fee for part in row] for row in pivot.transfer]
        check = mo.verify(MarkovMechanism(env, pivot.policy, rows), mo.Interim())["interim"]
        assert check.tolerance == pytest.approx(1e-8 * largest, rel=1e-12)


@pytest.mark.parametrize("discount", [0.99, 0.9999, 0.999999])
def test_values_for_ever_of_the_patient_are_bounded_by_their_residual(discount):
    for seed in range(6):
        env = markov_environment((2, 3), 2, "infinite", discount, seed=seed)
        rng = np.random.default_rng(seed)
        policy = [rng.integers(2, size=(2, 3))]
        mechanism = MarkovMechanism(env, policy, [[rng.normal(size=(2, 3))] for _ in range(2)])
        quick, slow = (mo.verify(mechanism, LOCAL, exact=way) for way in (False, True))
        for constraint in quick:
            assert agree(quick[constraint], slow[constraint]) <= 1


@pytest.mark.parametrize("discount", [0.9999, 0.999999])
def test_transfers_to_the_patient_are_bounded_by_their_residual(discount):
    for seed in range(6):
        transfers = cases.contingent(2 * seed + 1, 1.0)
        patient = replace(transfers, environment=replace(transfers.environment, discount=discount))
        assert agree(check_contingent(patient), check_contingent(patient, exact=True)) <= 1
