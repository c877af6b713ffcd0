"""That nothing is drawn: probabilities against loops from the definition, fractions, replays, and single draws."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.core.errors import LimitError
from mechopt.verification import exact as in_fractions
from mechopt.verification.payments.deterministic import check_draws, off_slots
from tests.reporting_strategies import random_mechanism
from tests.verification.test_agreement import SHAPES, direct
from tests.verification.test_every_place import EVERY
from tests.verification.test_limits import pivot

U = 2.0**-53
THIRDS = ["1/3"] * 3


def off_certainty(mechanism):
    """Largest distance of a probability from 0 and from the most that it can be, from the definition."""
    if isinstance(mechanism, mo.Mechanism):
        return max(min(x, 1 - x) for part in mechanism.allocation for x in part.ravel().tolist())
    worst, tree = 0.0, mechanism.tree
    for t in range(tree.horizon):
        for node, slot in enumerate(tree.slot[t].tolist()):
            most = 1.0
            if t:
                came, branch = divmod(slot, tree.branches[t - 1])
                before = mechanism.allocation[t - 1][came]
                most = before[branch] if tree.branches[t - 1] > 1 else before.sum()
            worst = max(worst, *(min(abs(x), abs(most - x)) for x in mechanism.allocation[t][node].tolist()))
    return worst


MECHANISMS = {name: (direct, name) for name in SHAPES}
MECHANISMS |= {name: (random_mechanism, family) for name, family in EVERY.items()}


@pytest.mark.parametrize("name", MECHANISMS)
def test_the_largest_draw_is_found_and_replayed(name):
    make, what = MECHANISMS[name]
    for seed in range(3):
        mechanism = make(what, seed)
        quick, slow = check_draws(mechanism), check_draws(mechanism, exact=True)
        assert quick.gain == pytest.approx(off_certainty(mechanism), abs=1e-15)
        assert quick.status == slow.status == "violated" and float(slow.exact) == pytest.approx(quick.gain, abs=1e-15)
        for check in (quick, slow):
            assert check.counterexample.replay(mechanism) == pytest.approx(check.gain, abs=1e-15)


def sold_to_the_first(shape):
    mechanism = direct(shape, 0)
    sold = [np.zeros_like(part) for part in mechanism.allocation]
    for part in sold:
        part[0] = 1
    return mo.Mechanism(mechanism.environment, sold, mechanism.payment)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_one_draw_is_found_wherever_it_is(shape, exact):
    certain = sold_to_the_first(shape)
    assert check_draws(certain, exact).holds and check_draws(certain, exact).gain == 0
    rng = np.random.default_rng(0)
    for t, part in enumerate(certain.allocation):
        for _ in range(5):
            place = tuple(int(rng.integers(k)) for k in part.shape)
            sold = [np.array(each) for each in certain.allocation]
            sold[t][:, *place[1:]] = 0.0
            sold[t][place] = 0.75
            drawn = mo.Mechanism(certain.environment, sold, certain.payment)
            check = check_draws(drawn, exact)
            found = check.counterexample
            assert (check.status, check.gain, found.agent, found.period) == ("violated", 0.25, place[0], t)
            assert (certain.tree.node(found.history), *found.reports) == place[1:]
            assert str(found).startswith(f"agent {place[0]}, period {t}, after") and found.replay(drawn) == 0.25
            assert found.to_dict()["agent"] == place[0]


@pytest.mark.parametrize("exact", [False, True])
def test_a_drawn_action_is_found_at_its_node(exact):
    """Actions of the first period are recorded; the rest of a node's weight, when it is halved, is another action's."""
    certain = pivot().to_sequence()
    assert check_draws(certain, exact).holds
    tree = certain.tree
    for node in (0, 7, tree.count[1] - 1):
        weight = certain.mass(1)[tree.slot[1][node]]
        last = np.array(certain.allocation[1])
        action = int(last[node].argmax()) if weight else 0
        other = (action + 1) % 3
        last[node, [action, other]] = weight * 0.75, weight * 0.25
        drawn = replace(certain, allocation=(certain.allocation[0], last))
        check = check_draws(drawn, exact)
        if not weight:
            assert check.holds and check.gain == 0
            continue
        found = check.counterexample
        slot = int(tree.slot[1][node])
        assert (check.gain, found.agent, found.period) == (0.25, -1, 1)
        assert found.action == (min(action, other) if exact else other)  # in floats the smaller one is more certain
        assert (found.history[0], found.actions[0]) == tree.history(1, slot)[0]
        assert np.ravel_multi_index(found.reports, (3, 2)) == tree.profile[1][node]
        assert str(found).startswith("period 1, after") and found.replay(drawn) == 0.25
        assert found.to_dict()["agent"] is None


def with_slots(sold, chances=THIRDS):
    """Three buyers of three types; slots worth 1 and a third, then two worth 1. What is sold depends on no report."""
    env = mo.IndependentTypes([[[1, 2, 3]] * 2] * 3, [[chances] * 2] * 3, slots=[[1, "1/3"], [1, 1]])
    tree = mo.formats.HistoryTree(env)
    allocation = [np.zeros((3, *tree.children(t))) for t in range(2)]
    for part, row in zip(allocation, sold, strict=True):
        part += np.reshape(row, (3, 1, 1, 1, 1))
    return mo.Mechanism(env, allocation, [np.zeros_like(part) for part in allocation])


SOLD = {  # by period and buyer; who is off, in which period, and by how much
    "each-her-own": ([[0, 1, 1 / 3], [1, 0, 1]], None),
    "half-a-slot": ([[0.5, 0, 0], [0, 0, 0]], (0, 0, 1 / 6)),
    "the-same-slot-twice": ([[1 / 3, 1 / 3, 0], [0, 0, 0]], (1, 0, 1 / 3)),
    "later": ([[1, 0, 0], [0.875, 0.75, 0]], (1, 1, 0.25)),
    "nobody-has-more-than-a-slot": ([[1 / 3, 0.25, 0], [0, 0, 0]], (1, 0, 0.25)),
}


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("name", SOLD)
def test_slots_are_given_whole_and_once(name, exact):
    sold, off = SOLD[name]
    mechanism = with_slots(sold)
    check = check_draws(mechanism, exact)
    if off is None:
        assert check.holds and check.gain < 1e-15
        return
    buyer, period, gain = off
    assert check.status == "violated" and check.gain == pytest.approx(gain, abs=1e-15)
    assert (check.counterexample.agent, check.counterexample.period) == (buyer, period)
    assert check.counterexample.replay(mechanism) == pytest.approx(gain, abs=1e-15)


def test_slots_of_an_exact_environment_are_exact():
    """A third is no float: in fractions what is sold is off by what the float is; where chances are floats all is."""
    sold = [[0, 1, 1 / 3], [0, 0, 0]]
    assert check_draws(with_slots(sold), exact=True).exact == abs(Fraction(1, 3) - Fraction(1 / 3))
    assert check_draws(with_slots(sold, np.random.default_rng(1).dirichlet(np.ones(3))), exact=True).exact == 0


def test_distances_from_slots():
    weights = np.array([1.0, 0.5, 0.5])
    assert off_slots(np.array([[0.5], [1.0], [0.5]]), weights).ravel().tolist() == [0, 0, 0]
    assert off_slots(np.array([[0.5], [0.75], [0.5]]), weights).ravel().tolist() == [0, 0.25, 0]
    two = np.array([[[0.25, 0.0]], [[1.0, 0.625]]])
    assert off_slots(two, np.array([1.0])).tolist() == [[[0.25, 0.0]], [[0.0, 0.375]]]


def test_rounding_is_of_four_roundings_and_effort_is_told(monkeypatch):
    """A quarter and its distance from 1 are rounded as 1 1/4 is: eight units of it, and what underflows."""
    mechanism = sold_to_the_first("one-buyer")
    sold = [np.array(part) for part in mechanism.allocation]
    sold[0][0, 0, 0] = 0.25
    drawn = mo.Mechanism(mechanism.environment, sold, mechanism.payment)
    assert check_draws(drawn).rounding == pytest.approx(8 * U * 1.25, rel=1e-12, abs=0)
    assert check_draws(drawn).tolerance == check_draws(drawn, exact=True).tolerance == 1e-8
    assert check_draws(drawn).exact is None
    entries = sum(part.size for part in sold)
    monkeypatch.setattr(in_fractions, "MAX_TERMS", entries - 1)
    with pytest.raises(LimitError, match=f"check of deterministic in fractions takes {entries} products"):
        check_draws(drawn, exact=True)


def test_words():
    """One agent, and three."""
    mechanism = sold_to_the_first("one-buyer")
    sold = [np.array(part) for part in mechanism.allocation]
    sold[1][0, 1, 2] = 0.25
    found = check_draws(mo.Mechanism(mechanism.environment, sold, mechanism.payment)).counterexample
    assert (
        str(found) == "agent 0, period 1, after history [1] and reports [2]: what is done is drawn, 0.25 off certainty"
    )
