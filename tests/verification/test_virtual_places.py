"""Infinite virtual pivots: every value of every contract and every gain, in floats against fractions."""

from functools import cache

import numpy as np
import pytest

import mechopt as mo
from mechopt.verification import virtual, virtual_exact
from mechopt.verification.rounding import Verdict
from mechopt.verification.virtual import CHECKED
from tests.verification.test_virtual import MODEL

HALF = ["1/2", "1/2"]
ADDITIVE = """
kind = "separable"
horizon = "infinite"
discount = "1/4"
actions = ["none", "1", "2", "both"]
cost = [0, "1/2", "3/4", 1]

[[agents]]
initial.values = [4, 5, 7]
initial.probabilities = ["1/2", "3/8", "1/8"]
signals = ["cold", "hot"]
signal_initial = ["3/4", "1/4"]
signal_kernel = [[["1/2", "1/2"], [0, 1]], [["3/4", "1/4"], ["2/5", "3/5"]], [[1, 0], ["1/8", "7/8"]], [HALF, HALF]]
base = [[0, 0], [1, 2], [0, 0], ["1/2", "7/4"]]

[[agents]]
form = "additive"
rate = [0, 0, 1, "1/2"]
initial.values = [3, 4]
initial.probabilities = ["2/3", "1/3"]
signals = ["low", "middle", "high"]
signal_initial = ["1/2", "1/4", "1/4"]
signal_kernel = [
    [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    [HALF0, HALF0, HALF0],
    [["1/4", "1/4", "1/2"], ["1/2", "1/4", "1/4"], [0, "1/2", "1/2"]],
    [HALF0, ["1/8", "1/8", "3/4"], [0, 0, 1]],
]
base = [[0, 0, 0], [0, 0, 0], [1, "3/2", 2], ["1/2", 1, 3]]
""".replace("HALF0", '["1/2", "1/4", "1/4"]').replace("HALF", '["1/2", "1/2"]')
THREE = """
kind = "separable"
horizon = "infinite"
discount = "1/4"
actions = ["none", "1", "2", "3"]
cost = [0, "1/2", "1/4", "1/3"]

[[agents]]
initial.values = [2, 3]
initial.probabilities = ["1/4", "3/4"]
signals = ["cold", "hot"]
signal_initial = ["1/3", "2/3"]
signal_kernel = [[HALF, HALF], [["3/4", "1/4"], ["1/8", "7/8"]], [HALF, [0, 1]], [HALF, HALF]]
base = [[0, 0], [1, 2], [0, "1/8"], [0, 0]]

[[agents]]
initial.values = [3]
initial.probabilities = [1]
signals = ["low", "middle", "high"]
signal_initial = ["1/2", "1/4", "1/4"]
signal_kernel = [
    [HALF0, HALF0, HALF0],
    [HALF0, HALF0, HALF0],
    [HALF0, [0, 1, 0], [0, "1/2", "1/2"]],
    [HALF0, HALF0, HALF0],
]
base = [[0, 0, 0], [0, 0, 0], ["1/2", 1, "3/2"], [0, 0, 0]]

[[agents]]
initial.values = [2, 4]
initial.probabilities = HALF
signals = ["dull", "bright"]
signal_initial = ["1/4", "3/4"]
signal_kernel = [[[1, 0], [0, 1]], [HALF, HALF], [[1, 0], [0, 1]], [["2/3", "1/3"], ["1/4", "3/4"]]]
base = [[0, 0], [0, 0], [0, 0], [1, "3/2"]]
""".replace("HALF0", '["1/2", "1/4", "1/4"]').replace("HALF", '["1/2", "1/2"]')
MODELS = {
    "some-signals-never": MODEL.replace('"9/10"', '"1/4"'),
    "all-signals": MODEL.replace('"9/10"', '"1/4"').replace("[[1, 0], [0, 1]]", '[["7/8", "1/8"], ["1/4", "3/4"]]'),
    "additive": ADDITIVE,
    "three-agents": THREE,
}


def in_floats():
    """Of two agents of whom no exact numbers are kept."""
    m, third = mo.loads(MODELS["all-signals"]), 1 / 3
    base, first, kernels = ([np.array(part) for part in row] for row in (m.base, m.signal_initial, m.signal_kernel))
    distributions, cost = [[0.7, 0.3], [third, 1 - third]], np.array([0, 0.1, third])
    return mo.SeparableTypes([[2.1, 3.3], [2.9, 4.7]], distributions, base, first, kernels, cost=cost, discount=0.3)


PIVOTS = {name: mo.virtual_pivot(mo.loads(text), ironed=True) for name, text in MODELS.items()}
PIVOTS["floats"] = mo.virtual_pivot(in_floats(), ironed=True)


assert PIVOTS["floats"].environment.exact is None


@cache
def in_fractions(name):
    return virtual_exact._Exact(PIVOTS[name])


@pytest.mark.parametrize("name", PIVOTS)
def test_every_contract(name):
    m, exact = PIVOTS[name], in_fractions(name)
    for place in np.ndindex(m.environment.initial_shape):
        for i in range(m.environment.agents):
            found, expected = virtual._contract(m, place, i, True), exact.contracts.get((i, place))
            assert (found is None) == (expected is None)
            if found is None:
                continue

            def same(array, values):
                np.testing.assert_allclose(np.ravel(array), [float(v) for v in values], rtol=1e-12, atol=1e-12)

            same(found.truth, expected.truth)
            assert set(np.flatnonzero(found.reached.ravel()).tolist()) == expected.reached
            same(np.sort(found.expected), sorted(expected.expected))
            for k in range(m.environment.initial_shape[i]):
                same(found.best[k], expected.best[k])
                same(found.direct[k], expected.direct[k])
                same(found.plain[k], expected.plain[k])
                same(found.blind[k] @ m.environment.signal_initial[i], [expected.blind[k]])
            assert 0 < found.error < 1e-9


@pytest.mark.parametrize("constraint", CHECKED, ids=[constraint.name for constraint in CHECKED])
@pytest.mark.parametrize("name", PIVOTS)
def test_every_gain(name, constraint, monkeypatch):
    added = []

    class Recorded(Verdict):
        def add(self, gain, rounding):
            added.append((float(gain[0]), float(rounding[0])))
            super().add(gain, rounding)

    monkeypatch.setattr(virtual, "Verdict", Recorded)
    m = PIVOTS[name]
    found = mo.verify(m, constraint)[constraint]
    ends = list(in_fractions(name).gains(constraint))
    assert sorted(gain for gain, _ in added) == pytest.approx(
        sorted(float(low + high) / 2 for low, high, _ in ends), abs=1e-12
    )
    halves = sorted(float(high - low) / 2 for low, high, _ in ends)
    assert sorted(error for _, error in added) == pytest.approx(halves, abs=1e-9)
    assert all(error > 0 for gain, error in added if gain)
    lie = found.counterexample
    if lie is not None:
        at = {place: (low, high) for low, high, place in ends}
        low, high = at[lie.agent, lie.period, lie.true_type, lie.report, lie.others]
        assert float(low + high) / 2 == pytest.approx(lie.gain, abs=1e-12)
        # nothing is worse, by what is certain
        assert (
            float(low) == pytest.approx(max(float(low) for low, _, _ in ends), abs=1e-12)
            or found.status.value != "violated"
        )


def test_what_is_asked_for_and_how_large_a_gain_counts():
    m = PIVOTS["additive"]
    report = mo.verify(m)
    assert list(report) == list(CHECKED) and all(check.exact is None for check in report.values())
    # at most 7 * 2 to the first agent, at a discount of 1/4; levels of the second add to what she is worth
    largest = max(float(np.abs(table).max()) for table in m.environment.value_tables)
    assert largest == 7 * 2
    exact = mo.verify(m, exact=True)
    for found in (report, exact):
        assert {check.tolerance for check in found.values()} == {1e-8 * largest / 0.75}
    for constraint, check in exact.items():
        found = report[constraint]
        assert check.status is found.status and check.gain == pytest.approx(found.gain, abs=1e-12)
        assert (check.counterexample is None) == (found.counterexample is None)
        if check.counterexample is not None:
            assert str(check.counterexample) == str(found.counterexample)


def test_words():
    bayesian, interim = mo.BayesianIC(), mo.Interim()
    lie = virtual.VirtualCounterexample(bayesian, 1, 0, (), 0, 2, 0.5, (1,))
    assert str(lie) == "agent 1, at contracting: type 0 reports 2 while the others are [1], 0.5"
    loss = virtual.VirtualCounterexample(interim, 1, 1, (), 0, 0, 0.5)
    assert str(loss) == "agent 1, after contracting: the utility of type 0 is -0.5"
