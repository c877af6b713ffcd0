"""Contingent transfers by `verify`: which constraints go over public histories, and bounds of what rounds for ever."""

from dataclasses import replace

import numpy as np
import pytest

import mechopt as mo
from mechopt.closedform.contingent.transfers import contingent_transfers
from mechopt.core.errors import InputError, LimitError
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.verification.contingent import exact, promises, together
from mechopt.verification.contingent.check import check_contingent
from mechopt.verification.contingent.promises import lasting, precision
from mechopt.verification.contingent.report import verify_contingent
from mechopt.verification.contingent.stage import Gains, OneMisreport, Sizes
from mechopt.verification.contingent.tolerance import tolerances
from mechopt.verification.rounding import UNIT, Precision
from tests.interdependent_instances import random_environment
from tests.verification.contingent.raw_gains import Raw
from tests.verification.contingent.test_check import spoiled
from tests.verification.contingent.test_every_place import given, late

AGAIN = mo.PeriodicExPostIC(rereport=True)


def test_what_is_asked_for():
    env = random_environment(4, sizes=(2, 2, 2), actions=2, private_last=True)
    found = spoiled(contingent_transfers(env, "spanning"))
    report = verify_contingent(found)
    assert list(report) == [mo.PeriodicExPostIC()]
    one = report[mo.PeriodicExPostIC()]
    assert one.exact is None and one.strategy_gain is not None
    lie = one.counterexample
    assert len(lie.others) == 2 and lie.replay(found) == one.gain
    direct = check_contingent(found).counterexample
    assert (*lie.others[: lie.agent], lie.true_type, *lie.others[lie.agent :]) == direct.signals
    assert verify_contingent(found, exact=True)[mo.PeriodicExPostIC()].exact is not None
    both = verify_contingent(found, [AGAIN, mo.PeriodicIR()])
    assert both[AGAIN].gain == one.gain and both[AGAIN].counterexample.constraint == AGAIN
    assert both[mo.PeriodicIR()].gain != one.gain


def test_what_goes_over_public_histories_is_refused_where_there_are_none():
    env = random_environment(4, sizes=(2, 2), actions=2, private_last=True)
    stacked = contingent_transfers(env, "stacked")
    for_ever = contingent_transfers(random_environment(4, sizes=(2, 2), actions=2, horizon="infinite"), "spanning")
    assert stacked.last_payments is not None and for_ever.method == "spanning"
    for found in (stacked, for_ever):
        assert verify_contingent(found, AGAIN)[AGAIN].holds
        with pytest.raises(InputError, match="constraint 'periodic' goes over public histories"):
            verify_contingent(found, mo.PeriodicIR())


def test_a_misreport_says_after_what():
    plain = OneMisreport(1, 2, (0, 1), 0, 0.25)
    assert str(plain) == "agent 1, period 2: at signals [0, 1] she reports 0 and gains 0.25"
    after = plain._replace(past=((0, 1), (1, 1)))
    assert "period 2 after reports [[0, 1], [1, 1]]: at signals" in str(after)


def test_two_histories_are_told_apart():
    m = given("reports", 2, 0, ((2, 1), (1, 2)))
    gains = Gains(1, 1, np.arange(8.0).reshape(2, 2, 2))
    assert gains.at(m.environment, 6) == OneMisreport(1, 1, (0, 1), 0, 6.0, ((1, 0),))
    assert Gains(1, 1, np.arange(4.0).reshape(1, 2, 2)).at(m.environment, 1) == OneMisreport(1, 1, (0, 0), 1, 1.0)


def test_tolerances_where_some_periods_come_before_what_is_for_ever():
    env = late(0, True)
    largest = [[np.abs(part).max() for part in row] for row in env.values]
    expected = [[a + b / 4 + c / 16 / 0.75, b / 4 + c / 16 / 0.75, c / 16 / 0.75] for a, b, c in largest]
    np.testing.assert_allclose(tolerances(env), 1e-8 * np.array(expected), rtol=1e-14)


def products(m, monkeypatch):
    """How many are said to be needed in fractions."""
    asked = []

    class Enough(Exception):
        pass

    def few(terms, about):
        asked.append((terms, about))
        raise Enough

    monkeypatch.setattr(exact, "require_few", few)
    with pytest.raises(Enough):
        exact.exact_places(m, tolerances(m.environment))
    assert asked[0][1] == "the check of contingent transfers"
    return asked[0][0]


def test_how_many_products_fractions_take(monkeypatch):
    """Histories, profiles, reports and the most next profiles; for ever, steps by promise and an elimination."""
    periods = 6 * 3 * 6, 6 * 3 * 6, 2 * 2 * 6
    assert products(given("plain"), monkeypatch) == 2 * sum(periods)
    assert products(given("later"), monkeypatch) == 2 * (periods[0] + 6 * periods[1] + 36 * periods[2])
    last = 4 * 2 * 4 + 3 * 3 * 4 + 4 * 2 * 4
    assert products(given("later", "late"), monkeypatch) == 2 * (9 * last + 4**3)
    assert products(given("own", "late"), monkeypatch) == 2 * (last + 4**3)
    apart = given("together", "late", controlled=False)
    assert products(apart, monkeypatch) == 2 * (4**4 * last + 4**3)


def test_signals_that_actions_move_in_one_period_alone():
    m = given("together", "late", controlled=False)
    kernels = list(m.environment.kernel)
    kernels[1] = given("together", "late").environment.kernel[1]
    parts = {"cost": m.environment.cost, "horizon": "infinite", "discount": 0.25}
    env = InterdependentTypes(m.environment.values, kernels, m.environment.initial, **parts)
    assert [env.controlled(t) for t in range(3)] == [False, True, False]
    with pytest.raises(LimitError, match="where actions move no signals"):
        exact.exact_places(replace(m, environment=env), tolerances(env))


@pytest.mark.parametrize("off", [0.0, 1e-3])
@pytest.mark.parametrize(("kind", "before"), [("later", promises._before_truth), ("together own", together.promised)])
def test_what_the_truth_is_worth_for_ever_is_bounded(kind, before, off, monkeypatch):
    m = given(kind, "late")
    d, share, solve = m.environment.discount, precision(m).share, np.linalg.solve
    wrong = off * np.array([1.0, -2.0, 0.0, 3.0])
    monkeypatch.setattr(promises.np.linalg, "solve", lambda *args: solve(*args) + wrong)
    for i in (0, 1):
        value, plain, sizes = lasting(m, i, before), Raw(m, i), Raw(m, i, sizes=True)
        profiles = plain.profiles(2)
        right = np.array([plain.truth(2, p) for p in profiles])
        np.testing.assert_allclose(value - wrong, right, rtol=1e-12)
        size = []
        for n, p in enumerate(profiles):
            row = [c for _, c in plain.after(2, p, p)]
            residual = abs(plain.before_truth(2, p, p) + d * np.dot(row, value) - value[n])
            size.append(residual / share + sizes.before_truth(2, p, p) + d * np.dot(row, abs(value)) + abs(value[n]))
        found = lasting(Sizes.of(m), i, before)
        assert found.shape == value.shape and (found == found[0]).all()
        assert found[0] == pytest.approx(2 * max(size) / (1 - d * (1 + 4 * UNIT)), rel=0.02 if off == 0 else 1e-6)
        assert (share * found >= np.abs(value - right)).all()


@pytest.mark.parametrize(("kind", "longest"), [("plain", 1), ("later", 2), ("together", 2)])
def test_how_much_a_gain_may_round(kind, longest):
    m = given(kind, 3)
    counts = [6, 6, 2]
    depth = sum((longest + 1) * (2 * count + 6 + 8) + longest**2 for count in counts)
    arrays = [part for row in m.payments for part in row] + [part for row in m.later for own in row for part in own]
    largest = max(np.abs(part).max() for part in [*arrays, *m.last_payments, *m.environment.profile_values])
    assert precision(m) == Precision.of(depth, float(largest))


@pytest.mark.parametrize("fee", [np.nan, np.inf, -np.inf])
def test_fees_that_are_no_numbers_are_refused(fee):
    """They are due whatever is reported: the truth was said to be an equilibrium."""
    found = contingent_transfers(random_environment(4, sizes=(2, 2), private_last=True), "any")
    assert verify_contingent(found).holds
    for fractions in (False, True):
        with pytest.raises(InputError, match="fees: have an entry that is not finite"):
            verify_contingent(replace(found, fees=(0.0, fee)), exact=fractions)
