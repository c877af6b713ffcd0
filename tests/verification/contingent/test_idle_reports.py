"""Noise on transfers that no report moves is no attack; the answer is that of loops over the definition."""

from dataclasses import replace
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

import mechopt as mo
from mechopt.closedform.contingent.transfers import contingent_transfers
from tests.verification.cases import contingent

SEED = 4
"""Agent 0's reports change no action here: the action is agent 1's signal."""


def noisy(agent, method):
    """Transfers of one agent with noise of five times the money."""
    found = contingent_transfers(contingent(SEED).environment, method, "constant")
    rng = np.random.default_rng(3)
    part = found.payments[0][agent]
    row = [part + 5 * rng.normal(size=part.shape) if i == agent else found.payments[0][i] for i in (0, 1)]
    return replace(found, payments=(tuple(row),))


def raw_gain(found, agent):
    """Largest gain of one false report in the first of two periods, then truth, in fractions."""
    env, (first, last) = found.environment, found.policy

    def payoff(true, report):
        told = tuple(report if i == agent else signal for i, signal in enumerate(true))
        action, other = int(first[told]), true[1 - agent]
        total = Fraction(float(env.values[agent][0][(action, *true)]))
        for then in product(*map(range, env.shape[1])):
            own = Fraction(float(env.values[agent][1][(int(last[then]), *then)]))
            own -= Fraction(float(found.last_payments[agent][then]))
            own -= Fraction(float(found.payments[0][agent][action, other, then[1 - agent]]))
            total += Fraction(env.discount) * Fraction(float(env.kernel[0][(action, *true, *then)])) * own
        return total

    return max(
        payoff(true, report) - payoff(true, true[agent])
        for true in product(*map(range, env.shape[0]))
        for report in range(env.shape[0][agent])
    )


@pytest.mark.parametrize("method", ["spanning", "stacked"])
def test_noise_that_no_report_moves_is_satisfied(method):
    found = noisy(0, method)
    assert (found.policy[0] == np.arange(2)).all()
    assert raw_gain(found, 0) == 0
    for exact in (False, True):
        report = mo.verify(found, exact=exact)
        assert report.holds
        assert report["periodic-ex-post"].gain == 0


@pytest.mark.parametrize("method", ["spanning", "stacked"])
def test_noise_that_reports_move_is_violated_by_what_loops_say(method):
    found = noisy(1, method)
    gain = float(raw_gain(found, 1))
    assert gain > 1
    for exact in (False, True):
        report = mo.verify(found, exact=exact)
        assert report.violated
        assert report["periodic-ex-post"].gain == pytest.approx(gain, rel=1e-12)
