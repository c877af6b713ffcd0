"""Checks in floats, checks in fractions and replays from the definition find the same largest violation, at one place.

Random mechanisms violate nearly everything, so that each number is a maximum over all histories, types and misreports.
"""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.mechanism.constraints import INDEPENDENT_CONSTRAINTS
from mechopt.verification.contingent.check import check_contingent
from mechopt.verification.contingent.tolerance import tolerances
from mechopt.verification.independent import response
from tests.reporting_strategies import random_mechanism
from tests.verification import cases
from tests.verification.test_exact import defined

SHAPES = {  # types by period and buyer, and the buyers whose types may have probability 0
    "three-buyers": [[2, 3, 1], [1, 2, 2]],
    "two-buyers": [[3, 2], [2, 3]],
    "one-buyer": [[2], [3], [2]],
    "one-period": [[2, 3, 2]],
    "two-buyers-one-type": [[1, 3], [3, 1]],
}


def direct(shape, seed):
    """Any mechanism of this shape: types of probability zero, a discount, payments of the size of values."""
    rng = np.random.default_rng(seed)
    counts = [[row[i] for row in SHAPES[shape]] for i in range(len(SHAPES[shape][0]))]
    values = [[sorted(Fraction(int(v), 7) for v in rng.choice(30, k, replace=False)) for k in row] for row in counts]
    chances = [[cases.weights(rng, k) for k in row] for row in counts]
    env = mo.IndependentTypes(values, chances, discount="9/10")
    tree = mo.formats.HistoryTree(env)
    sold = [rng.random((env.agents, *tree.children(t))) for t in range(env.horizon)]
    paid = [rng.normal(1.0, size=part.shape) for part in sold]
    return mo.Mechanism(env, [part / np.maximum(part.sum(axis=0), 1) for part in sold], paid)


def words(check):
    """Where, without the number."""
    return str(check.counterexample).rpartition(f" {'gains' if ' gains ' in str(check.counterexample) else 'is'} ")[0]


def assert_agree(mechanism):
    asked = defined(mechanism)
    quick, slow = (mo.verify(mechanism, asked, exact=way) for way in (False, True))
    assert list(quick) == list(slow) == list(asked)
    violated = 0
    for constraint in asked:
        here, there = quick[constraint], slow[constraint]
        assert here.status == there.status != "undecided", constraint
        assert there.gain == float(there.exact) and there.rounding == 0
        assert abs(Fraction(here.gain) - there.exact) <= Fraction(here.rounding)
        assert here.rounding <= 1e-10
        if here.status == "violated":
            assert words(here) == words(there) != ""
            assert here.counterexample.replay(mechanism) == pytest.approx(here.gain, abs=1e-11)
            assert there.counterexample.replay(mechanism) == pytest.approx(there.gain, abs=1e-11)
            violated += 1
        else:
            assert here.counterexample is None and there.counterexample is None
    return violated


@pytest.mark.parametrize("shape", SHAPES)
def test_types_independent_across_periods(shape):
    for seed in range(3):
        assert assert_agree(direct(shape, seed)) >= len(INDEPENDENT_CONSTRAINTS) - 1  # one period leaves no future


@pytest.mark.parametrize("seed", range(7))
def test_persistent_types(seed):
    assert_agree(cases.sequence(seed))


def absorbing(seed):
    """One agent, three periods: type 1 never comes first and type 2 never goes; type 0 goes to 1 alone."""
    rng = np.random.default_rng(seed)
    kernel = [[0, 1, 0], [0.5, 0.5, 0], [0, 0, 1]]
    return mo.MarkovTypes(rng.normal(size=(1, 2, 3)), [kernel], [[0.75, 0, 0.25]], horizon=3, discount=0.9)


@pytest.mark.parametrize("record", ["relevant", "all"])
@pytest.mark.parametrize("reports", ["consistent", "any"])
@pytest.mark.parametrize("seed", range(3))
def test_types_that_never_come(seed, reports, record):
    assert_agree(random_mechanism((absorbing, reports, record), seed))


@pytest.mark.parametrize("seed", range(7))
def test_current_reports(seed):
    assert_agree(cases.stationary(seed))


@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_contingent_transfers(scale):
    violated = 0
    for seed in range(8):
        transfers = cases.contingent(seed, scale)
        here, there = check_contingent(transfers), check_contingent(transfers, exact=True)
        known = set(tolerances(transfers.environment).ravel().tolist())
        assert here.status == there.status != "undecided"
        assert abs(Fraction(here.gain) - there.exact) <= Fraction(here.rounding) <= Fraction(1, 10**9)
        assert there.gain == float(there.exact) and {here.tolerance, there.tolerance} <= known
        assert here.status == "satisfied" or here.tolerance == there.tolerance  # gains of rounding have no worst place
        if here.status == "violated":
            assert here.counterexample._replace(gain=there.gain) == there.counterexample
            assert here.counterexample.gain == here.gain
            violated += 1
        else:
            assert here.counterexample is None and there.counterexample is None
    assert violated == (6 if scale else 0)  # in two of them noise falls on what no report changes


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_bank_tables(seed, scale):
    table = cases.bank_table(seed, scale)
    here, there = mo.mechanisms.verify_bank_table(table), mo.mechanisms.verify_bank_table(table, exact=True)
    assert set(here.statuses.values()) == set(there.statuses.values()) == {"violated" if scale else "satisfied"}
    for name, gain in here.gains.items():
        assert abs(gain - there.gains[name]) <= here.roundings[name] + 1e-15 <= 1e-12
        assert there.roundings[name] == 0
    assert [replace(c, gain=there.gains[c.condition]) for c in here.counterexamples] == list(there.counterexamples)
    assert len(here.counterexamples) == (3 if scale else 0)


def test_histories_in_slices_are_all_histories(monkeypatch):
    """Long arrays are cut by histories; a violation in a later slice is found, and named by its own history."""
    mechanism = direct("two-buyers", 0)
    whole = mo.verify(mechanism, INDEPENDENT_CONSTRAINTS)
    assert any(check.counterexample and check.counterexample.history not in ((), None) for check in whole.values())
    monkeypatch.setattr(response, "PART_ENTRIES", 1)
    cut = mo.verify(mechanism, INDEPENDENT_CONSTRAINTS)
    assert {c: (check.gain, str(check.counterexample), check.strategy_gain) for c, check in cut.items()} == {
        c: (check.gain, str(check.counterexample), check.strategy_gain) for c, check in whole.items()
    }


def test_strategies_gain_at_least_what_one_misreport_does():
    """The largest over buyers, and only where strategies are asked about."""
    for shape in SHAPES:
        report = mo.verify(direct(shape, 1), INDEPENDENT_CONSTRAINTS)
        assert report[mo.DIC()].strategy_gain >= report[mo.DIC()].gain - 1e-12
        assert all(check.strategy_gain is None for c, check in report.items() if c != mo.DIC())
