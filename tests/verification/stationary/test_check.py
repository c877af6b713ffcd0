"""Current reports: what is asked elsewhere, limits in fractions, words."""

from dataclasses import replace

import numpy as np
import pytest

import mechopt as mo
from mechopt.core.errors import LimitError
from mechopt.mechanism.stationary import MarkovMechanism
from mechopt.verification import exact as limits
from mechopt.verification.stationary.check import verify_markov
from mechopt.verification.stationary.exact import exact_values
from mechopt.verification.stationary.replay import MarkovCounterexample

HALF = ["1/2", "1/2"]
IC, IR, PERIODIC = mo.PeriodicExPostIC(), mo.Interim(), mo.PeriodicIR()


def discount_for(report, horizon=2, paid=1.0):
    """Two types, fresh in each period, pay nothing by the report 0 and an amount by the report 1."""
    env = mo.MarkovTypes([[[0, 2]]], [[HALF, HALF]], [HALF], horizon=horizon, discount="1/2")
    listed = 1 if horizon == "infinite" else horizon
    amounts = [0.0, paid] if report == 0 else [paid, 0.0]
    return MarkovMechanism(env, [np.zeros(2, int)] * listed, [[np.array(amounts)] * listed])


def test_an_allowance_is_asked_over_histories():
    """The report 0 saves 1; beside an allowance even what is local is checked so."""
    m = discount_for(0)
    for epsilon, status in ((1.5, "satisfied"), (0.5, "violated")):
        found = verify_markov(m, [IC, mo.EpsilonIC(epsilon), IR])
        assert list(found) == [IC, IR] and (found[IC].status, found[IC].allowance) == (status, epsilon)
    with pytest.raises(mo.InputError, match="goes over all histories, and the horizon is infinite"):
        verify_markov(discount_for(0, "infinite"), [IC, mo.EpsilonIC(1)])


def test_options_outside_are_compared_with_over_histories():
    """Utilities of 0 and 2, less 1 / 2 in the second period on average: 3 outside are more than either."""
    m = discount_for(0)
    env = replace(m.environment, outside=[[[3, 3], [0, 0]]])
    changed = MarkovMechanism(env, m.policy, m.transfer)
    low, high = 0 + (0 + 1) / 2 / 2, 2 - 1 + (0 + 1) / 2 / 2
    assert mo.verify(m, IR).holds and low < high
    assert verify_markov(changed, IR)[IR].gain == pytest.approx(3 - low)


def test_values_in_fractions_are_predicted(monkeypatch):
    """The cube of two profiles for ever, and of two and two in two periods."""
    for horizon, terms in (("infinite", 2**3), (2, 4**3)):
        m = discount_for(0, horizon)
        monkeypatch.setattr(limits, "MAX_TERMS", terms)
        assert len(exact_values(m, 0)) == 2
        monkeypatch.setattr(limits, "MAX_TERMS", terms - 1)
        with pytest.raises(LimitError, match=f"a check in fractions takes {terms} products"):
            exact_values(m, 0)


@pytest.mark.parametrize("exact", [False, True])
def test_values_are_those_from_the_first_period_on(exact):
    """0 and 2 - 1, and the mean of these in the second period, 1/2, at 1/2; for ever twice that."""
    for horizon, later in ((2, 1 / 4), ("infinite", 1 / 2)):
        assert [float(v) for v in exact_values(discount_for(0, horizon), 0)] == [later, 1 + later]
    lent = discount_for(1, "infinite", 4.0)  # 0 - 4 and 2: -1 on average, for ever
    assert verify_markov(lent, [IR], exact)[IR].gain == pytest.approx(4 + 1)


@pytest.mark.parametrize(("amount", "gain"), [(4e307, 4e307 * (1 - 2.0**-1)), (5e307, np.inf)])
def test_sums_of_all_periods_might_overflow(amount, gain):
    """Type 0 pays in the first of two listed periods and is paid in the second: twice that, for ever, is the most."""
    env = mo.MarkovTypes([[[0, 0]]], [[[0, 1], [0, 1]]], [HALF], horizon="infinite", discount="1/2")
    paid = [np.array([amount, 0.0]), np.array([0.0, -amount / 2])]
    found = verify_markov(MarkovMechanism(env, [np.zeros(2, int)], [paid]), IR)[IR]
    assert (found.status, found.gain) == ("violated", gain)


def test_words():
    gain = MarkovCounterexample(IC, 0, 2, (), 1, 0, 0.5, (3, 4))
    assert str(gain) == (
        "agent 0, period 2, after any history: type 1 reports 0 while the others are [3, 4] and gains 0.5"
    )
    assert "before" not in gain.to_dict() and gain.to_dict()["others"] == [3, 4]
    loss = MarkovCounterexample(PERIODIC, 1, 2, (), 1, 1, 0.5, before=(0, 2))
    assert str(loss) == "agent 1, period 2, after types [0, 2]: the utility of type 1 is -0.5"
    assert loss.to_dict()["before"] == [0, 2]
    assert str(replace(loss, before=None)) == "agent 1, period 2, after any history: the utility of type 1 is -0.5"
