"""Balanced mechanisms for ever: when sweeps end, and what values that they leave may be off by."""

import numpy as np
import pytest

from mechopt.verification.balanced import check as module
from mechopt.verification.rounding import Precision
from tests.verification.balanced.test_balanced import Raw, mechanism, sizes

D = 0.25


def scripted(monkeypatch, name, values):
    """Sweeps that give these numbers at one place, 0 at others, one after another; which of them were asked for."""
    given = []

    def step(stage, outcomes):
        given.append(values[len(given)])
        found = np.zeros_like(exactly(stage, outcomes))
        found[0, 0] = given[-1]
        return found

    exactly = getattr(module, name)
    monkeypatch.setattr(module, name, step)
    return given


# residuals are 1, then as listed; ends within 1/16 of the largest value, or within 1/4 where they fall no more
ENDS = {
    "close": ([1.0, 16 / 15], 16 / 15),
    "close-and-no-smaller": ([0.0], 0.0),
    "stalled": ([1.0, 1.125, 1.25, 1.3125], 1.25),
    "just-stalled": ([3.0, 3.75, 5.0, 5.125], 5.0),
    "falls": ([1.0, 1.25, 1.375, 1.4375], 1.4375),
    "far": ([1.0, 3.0, 6.0, 6.5, 7.0], 7.0),
    "negative": ([-1.0, -1.125, -1.25, -1.3125], -1.25),
}


@pytest.mark.parametrize("name", ENDS)
def test_when_sweeps_end(name, monkeypatch):
    values, last = ENDS[name]
    monkeypatch.setattr(module, "CLOSE", 0.0625)
    monkeypatch.setattr(module, "STALLED", 0.25)
    m = mechanism("for-ever")
    agent = module._agent(m, 0)
    stage = agent.stages[-1]
    zeros = tuple(np.zeros_like(part) for part in m.interim_utilities[0])
    nothing = type("Nothing", (), {"interim_utilities": (zeros,), "periods": m.periods, "policy": m.policy})()
    nothing.stage, nothing.environment, nothing.transfers = m.stage, m.environment, m.transfers
    given = scripted(monkeypatch, "_truth", values)
    assert module._lasting(nothing, 0, stage)[0, 0] == given[-1] == last
    given = scripted(monkeypatch, "_reports", values)
    monkeypatch.setattr(module, "_allowed", lambda *of: np.zeros(1))
    started = agent._replace(values=tuple(np.zeros_like(part) for part in agent.values))
    found, _ = module._best_for_ever(m, 0, started)
    assert found[0, 0] == given[-1] == last


def test_sweeps_that_fall_no_more_end_at_a_ten_billionth(monkeypatch):
    """Residuals of 1, then twice 2^-20, and nothing: not yet the third time."""
    m = mechanism("for-ever")
    agent, little = module._agent(m, 0), 2.0**-20
    values = [1.0, 1.0 + little, 1.0 + 2 * little, 1.0 + 2 * little]
    started = agent._replace(values=tuple(np.zeros_like(part) for part in agent.values))
    given = scripted(monkeypatch, "_reports", values)
    monkeypatch.setattr(module, "_allowed", lambda *of: np.zeros(1))
    module._best_for_ever(m, 0, started)
    assert given == values


@pytest.mark.parametrize("i", [0, 1])
def test_what_one_sweep_leaves(i, monkeypatch):
    """The best strategy's value after a first sweep from values that are 1 too large."""
    m = mechanism("for-ever")
    agent, raw = module._agent(m, i), Raw(m, i)
    started = agent._replace(values=tuple(part + 1.0 for part in agent.values))
    monkeypatch.setattr(module, "CLOSE", 1e9)
    monkeypatch.setattr(module, "_share", lambda _: Precision(0.125, 0.25))
    found, off = module._best_for_ever(m, i, started)
    t = raw.last
    later = {(t, f, k): raw.truth[t, f, k] + 1.0 for f in raw.before[t] for k in raw.types[t]}
    swept = raw.step(t, later, True)
    assert found.ravel() == pytest.approx([swept[place] for place in later], abs=1e-12)
    residual = max(abs(swept[place] - later[place]) for place in later)
    assert residual > 0.1
    step = 0.125 * sizes(raw, t, raw.truth, 1.0) + 0.25
    assert off == pytest.approx((residual + step) / (1 - D * (1 + 2.0**-51)) + step, rel=1e-13, abs=0)


def test_what_values_of_the_truth_leave(monkeypatch):
    """They are off at one place alone."""
    m, exactly, wrong = mechanism("for-ever"), module._lasting, np.zeros((6, 2))
    wrong[4, 1] = 1.0
    monkeypatch.setattr(module, "_lasting", lambda *given: exactly(*given) + wrong)
    raw, agent = Raw(m, 0), module._agent(m, 0)
    t = raw.last
    places = [(t, f, k) for f in raw.before[t] for k in raw.types[t]]
    later = {place: raw.truth[place] + more for place, more in zip(places, wrong.ravel(), strict=True)}
    swept = raw.step(t, later, False)
    residual = max(abs(swept[place] - later[place]) for place in places)
    assert residual > 0.5
    assert agent.errors[-1] == pytest.approx(residual / (1 - D), rel=1e-9)


def test_bounds_of_strategies_for_ever():
    """Roundings alone: a step is a few hundred units."""
    m = mechanism("for-ever", 1000.0)
    share, least = module._share(m)
    for i in (0, 1):
        raw, agent = Raw(m, i), module._agent(m, i)
        t, largest = raw.last, max(abs(value) for (t, _, _), value in raw.truth.items() if t == 0)
        bounds = []
        for values in (raw.truth, raw.best):
            lasting = share * sizes(raw, t, values) + least
            off = lasting / (1 - D) + lasting
            if values is raw.best:  # the last listed period once more
                off = lasting + D * off
            for s in reversed(range(t)):
                off = share * sizes(raw, s, values) + least + D * off
            bounds.append(off)
        assert agent.errors[0] == pytest.approx(bounds[0], rel=0.02, abs=0)
        _, rounding = module._strategies(m, i, agent, 0)
        assert rounding == pytest.approx(sum(bounds) + share * largest, rel=0.02, abs=0)


def test_a_replay_goes_on_until_what_is_left_is_worth_nothing(monkeypatch):
    """At 1/4 a period is worth less than a billionth after fifteen."""
    m, asked, exactly = mechanism("for-ever"), [], module._swept
    monkeypatch.setattr(module, "_swept", lambda *given: asked.append(given[2]) or exactly(*given))
    module.BalancedCounterexample(module.PeriodicIR(), 0, m.periods - 1, (), 0, 0, 0.0, before=(0, 0)).replay(m)
    assert len(asked) == 2 * 15 and D**15 < module.REPLAYED < D**14
    assert set(asked) == {m.periods - 1}
