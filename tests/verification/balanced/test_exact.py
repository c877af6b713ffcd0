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


def test_too_many_products_are_refused_before_any(monkeypatch):
    monkeypatch.setattr(common, "MAX_TERMS", 100)
    with pytest.raises(LimitError, match="the check of a balanced mechanism with 6 profiles in fractions takes"):
        mo.verify(mechanism("for-ever"), IC, exact=True)
