"""Verdicts where misreports may gain something, agent by agent."""

from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.core.errors import InputError
from mechopt.environment.process import joint_process
from mechopt.histories.public import PublicTree
from mechopt.mechanism.payments import EpsilonIC
from mechopt.verification.allowance import split, within
from mechopt.verification.report import ConstraintCheck
from mechopt.verification.rounding import Status

SATISFIED, UNDECIDED, VIOLATED = Status.SATISFIED, Status.UNDECIDED, Status.VIOLATED


def verdict(status, gain, rounding=0.0, strategy=None, exact=None):
    return ConstraintCheck(status, gain, rounding, 0.0, None, strategy, exact)


def together(*found, allowed=(Fraction(1, 4), Fraction(1, 2), Fraction(1, 8))):
    asked = []

    def check(agents, limit):
        asked.append((agents, limit))
        return found[agents[0]]

    answer = within(allowed[: len(found)], 0.125, check)
    assert asked == [([i], 0.125 + float(allowed[i])) for i in range(len(found))]
    return answer


def test_what_is_asked_for():
    ic, ir, epsilon = mo.BayesianIC(), mo.Interim(), EpsilonIC("1/4")
    assert split([ic, ir], 2) == ([ic, ir], ())
    assert split(iter([ic, epsilon, ir]), 2) == ([ic, ir], (Fraction(1, 4),) * 2)
    for alone in ([epsilon], [epsilon, ir]):
        with pytest.raises(InputError, match="is not a constraint by itself"):
            split(alone, 2)


def test_without_an_allowance_all_agents_are_checked_at_once():
    asked = []
    assert within((), 0.5, lambda *given: asked.append(given) or "answer") == "answer"
    assert asked == [([], 0.5)]


def charged(form):
    """An item worth 1 or 2 is given for nothing to who says 1, and for 3 to who says 2; or written for histories."""
    env = mo.IndependentTypes([[[1, 2]]], [[["1/2", "1/2"]]])
    direct = mo.Mechanism(env, [np.ones((1, 1, 2))], [np.array([[[0.0, 3.0]]])])
    if form == "independent":
        return direct
    markov = mo.MarkovTypes([[[0, 0], [1, 2]]], [[["1/2", "1/2"]] * 2], [["1/2", "1/2"]], horizon=1)
    tree = PublicTree(joint_process(markov), "any")
    return mo.SequenceMechanism.of_policy(tree, [np.ones(2, int)], [np.array([[0.0, 3.0]])])


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("form", ["independent", "persistent"])
def test_an_allowance_is_for_misreports_alone(form, exact):
    """Type 2 gains 3 by the report 1, which is allowed, and has -1 by taking part, which is not."""
    ic = mo.DIC() if form == "independent" else mo.BayesianIC()
    for epsilon, status in ((4, "satisfied"), (2, "violated")):
        found = mo.verify(charged(form), [ic, mo.Interim(), EpsilonIC(epsilon)], exact=exact)
        strategic, loss = found[ic], found["interim"]
        assert (strategic.status, strategic.gain, strategic.allowance) == (status, 3, epsilon)
        assert (loss.status, loss.gain, loss.allowance) == ("violated", 1, None)


def test_the_worst_agent_counts():
    low, high = verdict(SATISFIED, 0.3, 0.25, 0.5, Fraction(1, 3)), verdict(SATISFIED, 0.4, 0.125, 0.2, Fraction(2, 5))
    fine = together(high, low)
    assert (fine.status, fine.gain, fine.rounding, fine.tolerance) == (SATISFIED, 0.4, 0.25, 0.125)
    assert (fine.strategy_gain, fine.exact, fine.allowance) == (0.5, Fraction(2, 5), 0.5)
    bad = together(low, verdict(VIOLATED, 0.2, 0.0, None, Fraction(1, 5)), high)
    assert (bad.status, bad.gain, bad.exact, bad.allowance) == (VIOLATED, 0.2, Fraction(1, 5), 0.5)
    assert together(verdict(UNDECIDED, 0.9), verdict(VIOLATED, 0.2)).status is VIOLATED
    open_ = together(verdict(SATISFIED, 0.9), verdict(UNDECIDED, 0.2))
    assert (open_.status, open_.gain, open_.allowance, open_.exact) == (UNDECIDED, 0.2, 0.5, None)
    two = together(verdict(VIOLATED, 0.6), verdict(VIOLATED, 0.7), verdict(VIOLATED, 0.65))
    assert (two.gain, two.allowance, two.strategy_gain) == (0.7, 0.5, None)
