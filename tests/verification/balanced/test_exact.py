"""Balanced mechanisms for ever with rounding bounded in fractions: gains by loops, and bounds that hold."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.core.errors import LimitError
from mechopt.verification import exact as common
from mechopt.verification.balanced import check as module
from mechopt.verification.balanced import exact as module_in_fractions
from mechopt.verification.balanced.exact import InFractions
from mechopt.verification.rounding import Status
from tests.verification.balanced.test_balanced import IC, INTERIM, PERIODIC, Raw, mechanism, moves_that_end

ASKED = [IC, INTERIM, PERIODIC]
NAMES = ["for-ever", "for-ever-after-two-periods"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_gains_are_those_of_loops(name, scale):
    m = mechanism(name, scale)
    found = mo.verify(m, ASKED, exact=True)
    for constraint in ASKED:
        gains = [max(g.values(), default=-np.inf) for g in (Raw(m, i).gains(constraint) for i in (0, 1))]
        check = found[constraint]
        assert check.gain == pytest.approx(max(0.0, *gains), rel=1e-9, abs=1e-12)
        assert check.rounding <= 1e-12 * max(1.0, scale)
        assert check.status == (Status.VIOLATED if max(gains) > check.tolerance else Status.SATISFIED)


def test_honest_mechanisms_are_satisfied_and_bounds_are_narrower():
    team = mo.balanced_team(moves_that_end("infinite"))
    exact, floats = mo.verify(team, IC, exact=True), mo.verify(team, IC)
    assert exact.holds and floats.holds
    assert 0 < exact[IC].rounding < floats[IC].rounding


@pytest.mark.parametrize("i", [0, 1])
def test_bounds_hold_whatever_floats_were_found(i, monkeypatch):
    """Floats that are off by 1 are corrected; without corrections the bounds cover what values are off by."""
    m = mechanism("for-ever-after-two-periods")
    agent = module._agent(m, i)
    best, _ = module._best_for_ever(m, i, agent)
    near = InFractions(m, i, agent.values[-1], best)
    assert far_off(near, InFractions(m, i, agent.values[-1] + 1.0, best - 2.0)) < 1e-20
    monkeypatch.setattr(module_in_fractions, "ROUNDS", 0)
    for shift in (1.0, -0.25):
        far = InFractions(m, i, agent.values[-1] + shift, best + 2 * shift)
        assert far_off(near, far) > 1e-3
        for one, other, error in ((near.truth, far.truth, far.truth_error), (near.best, far.best, far.best_error)):
            for t, values in enumerate(one):
                off = max(abs(a - b) for f in values for a, b in zip(values[f], other[t][f], strict=True))
                assert off <= error[t] <= 5 * off + Fraction(1, 10**6)
        (gain, rounding), (other, wrong) = near.strategies(), far.strategies()
        known = np.isfinite(gain)
        assert (known == np.isfinite(other)).all()
        assert (np.abs(gain[known] - other[known]) <= rounding + wrong).all()
        for t in range(m.periods):
            (lost, off), (more, also) = near.losses(t), far.losses(t)
            assert (np.abs(lost - more) <= off + also).all()


def far_off(one, other):
    pairs = zip(one.truth + one.best, other.truth + other.best, strict=True)
    return float(max(abs(a - b) for v, w in pairs for f in v for a, b in zip(v[f], w[f], strict=True)))


def test_lending_that_floats_cannot_decide_is_decided():
    """A lump sum of 1e12 for ever, paid for at first: floats lose what is left."""
    team = mo.balanced_team(moves_that_end("infinite"))
    lent = replace(team, lump_sums=tuple((row[0], row[1] + 1e12 * (-1) ** i) for i, row in enumerate(team.lump_sums)))
    floats, exact = mo.verify(lent, IC), mo.verify(lent, IC, exact=True)
    assert floats[IC].status == Status.UNDECIDED
    assert exact[IC].status in (Status.SATISFIED, Status.VIOLATED)  # payments are the floats that they are
    assert exact[IC].rounding < 1e-15 * max(1.0, exact[IC].gain)


@pytest.mark.parametrize(
    ("name", "products"), [("for-ever", (1 + 6 * 2) * 6), ("for-ever-after-two-periods", (1 + 6 * 3) * 6)]
)
@pytest.mark.parametrize(("i", "own"), [(0, 2), (1, 3)])
def test_too_many_products_are_counted_and_refused_before_any(name, products, i, own, monkeypatch):
    """The first profile and six more a period, six reports of all, pairs of own types."""
    m, count = mechanism(name), products * own * own
    values = np.zeros((6, own))
    monkeypatch.setattr(common, "MAX_TERMS", count)
    InFractions(m, i, values, values)
    monkeypatch.setattr(common, "MAX_TERMS", count - 1)
    with pytest.raises(
        LimitError, match=f"the check of a balanced mechanism with 6 profiles in fractions takes {count:,}"
    ):
        InFractions(m, i, values, values)


def test_one_value_that_is_off_is_what_counts(monkeypatch):
    """Without corrections: the residual is the largest of all places, and errors shrink by d a period."""
    monkeypatch.setattr(module_in_fractions, "ROUNDS", 0)
    m = mechanism("for-ever-after-two-periods")
    agent = module._agent(m, 1)
    best, _ = module._best_for_ever(m, 1, agent)
    truth = agent.values[-1].copy()
    truth[4, 2] += 1.0
    found = InFractions(m, 1, truth, best + 2.0)
    d = Fraction(1, 4)
    assert float(found.truth_error[-1] * (1 - d)) == pytest.approx(1.0, abs=0.26)  # itself, less what comes back to it
    assert float(found.best_error[-1] * (1 - d)) == pytest.approx(2 * 0.75)
    for errors in (found.truth_error, found.best_error):
        assert errors == [errors[-1] * d * d, errors[-1] * d, errors[-1]]
    gain, rounding = found.strategies()
    known = np.isfinite(gain)
    assert gain.shape == (1, 3, 3) and (gain[~known] == -np.inf).all() and not known.all()
    written = 2.0**-52 * np.abs(gain[known]).max()
    exactly = float(found.truth_error[0] + found.best_error[0])
    assert rounding == np.nextafter(exactly + written, np.inf)
    lost, off = found.losses(2)
    assert off == np.nextafter(float(found.truth_error[2]) + 2.0**-52 * np.abs(lost).max(), np.inf)


def test_corrections_end_when_nothing_is_left_and_bounds_are_from_above():
    one, nothing = np.array([3.0, -np.inf]), np.array([0.0, -np.inf])
    rounded = module_in_fractions._rounded
    assert rounded(Fraction(0), nothing) == 0
    assert rounded(Fraction(1, 2), nothing) == np.nextafter(0.5, np.inf)
    assert rounded(Fraction(0), one) == np.nextafter(3 * 2.0**-52, np.inf)
