"""Separable files by period and public state: what they mean, the way back, and every fault at its key."""

import numpy as np
import pytest

import mechopt as mo
from mechopt.core.errors import InputError
from mechopt.families import SeparableStates

FILE = """kind = "separable"
horizon = 2
actions = ["none", "serve"]
cost = [[0, 1], [0, "1/2"]]

[[states]]
name = "demand"
values = ["low", "high"]
initial = [1, 0]
kernel = [["1/2", "1/2"], [0, 1]]

[[agents]]
form = "additive"
initial.values = [0, 1]
initial.probabilities = ["1/2", "1/2"]
signals = ["cold", "hot"]
signal_initial = ["1/2", "1/2"]
rate_by_state = [[0, 1], [0, 2]]
[[agents.periods]]
base = [[0, 0], [0, 1]]
signal_kernel = [["3/4", "1/4"], ["1/4", "3/4"]]
[[agents.periods]]
base_by_state = [[[0, 0], ["-1/2", 2]], [[0, 0], [1, 3]]]
"""


def test_what_a_file_means():
    env = mo.loads(FILE)
    assert isinstance(env, SeparableStates)
    assert [[cell.base[0][1].tolist() for cell in row] for row in env.cells] == [[[0, 1]] * 2, [[-0.5, 2], [1, 3]]]
    assert [[cell.rate[0].tolist() for cell in row] for row in env.cells] == [[[0, 1], [0, 2]]] * 2
    assert [[cell.cost.tolist() for cell in row] for row in env.cells] == [[[0, 1]] * 2, [[0, 0.5]] * 2]
    again = mo.loads(env.to_toml())
    assert again.fingerprint == env.fingerprint
    assert mo.virtual_pivot(again).bound == mo.virtual_pivot(env).bound


def test_the_first_best_in_a_loop():
    """Served is worth k + signal's base - 1 at first (demand is low), then what state and signal say."""
    total = 0.0
    kernel = [[0.75, 0.25], [0.25, 0.75]]
    for k in (0, 1):
        for z in (0, 1):
            now = max(0, k + [0, 1][z] - 1)
            later = 0.0
            for to in (0, 1):
                low, high = k + [-0.5, 2][to] - 0.5, 2 * k + [1, 3][to] - 0.5
                later += kernel[z][to] * (max(0, low) + max(0, high)) / 2
            total += (now + later) / 4
    assert mo.loads(FILE).first_best == pytest.approx(total)


@pytest.mark.parametrize(
    ("old", "new", "where", "what"),
    [
        ('cost = [[0, 1], [0, "1/2"]]', "cost = [[0, 1]]", "cost", "has 1 entries for 2 periods"),
        ('cost = [[0, 1], [0, "1/2"]]', "cost = [[0, 1], [0]]", "cost[1]", "has 1 entries for 2 actions"),
        ('cost = [[0, 1], [0, "1/2"]]', "cost_by_state = [[0, 1]]", "cost_by_state", "has 1 entries for 2 states"),
        ("cost = [[0, 1]", "cost_by_state = [[0, 1], [0, 2]]\ncost = [[0, 1]", "cost_by_state", "stands beside cost"),
        ("rate_by_state = [[0, 1], [0, 2]]", "rate_by_state = [[0, 1]]", "agents[0].rate_by_state", "for 2 states"),
        ("[0, 2]]\n", '[0, "x"]]\n', "agents[0].rate_by_state[1][1]", "'x'"),
        ("[0, 2]]\n", "[0, 2]]\nrate = [0, 1]\n", "agents[0].rate_by_state", "stands beside rate"),
        ("base = [[0, 0], [0, 1]]", "base = [[0, 0], [0]]", "agents[0].periods[0].base[1]", "has 1 entries for 2"),
        ("[1, 3]]]", "[1]]]", "agents[0].periods[1].base_by_state[1][1]", "has 1 entries for 2 signals"),
        ('["1/4", "3/4"]]', '["1/4", "1/4"]]', "agents[0].periods[0].signal_kernel[1]", "sums to"),
        ('signal_kernel = [["3/4", "1/4"], ["1/4", "3/4"]]\n', "", "agents[0].signal_kernel", "is missing"),
        ("horizon = 2", "horizon = 3", "agents[0].periods", "has 2 tables for 3 allocation periods"),
        ("horizon = 2", 'horizon = "infinite"\ndiscount = 0.9', "horizon", "is infinite"),
        ("rate_by_state = ", "base = [[0, 0], [0, 1]]\nrate_by_state = ", "agents[0].periods[0].base", "all periods"),
        ('kernel = [["1/2", "1/2"], [0, 1]]', 'kernel = [["1/2", "1/4"], [0, 1]]', "states[0].kernel[0]", "sums"),
        ("base_by_state = ", "bass_by_state = ", "agents[0].periods[1].bass_by_state", "base_by_state"),
    ],
)
def test_faults_at_their_keys(old, new, where, what):
    text = FILE.replace(old, new, 1)
    assert text != FILE
    with pytest.raises(InputError) as caught:
        mo.loads(text)
    assert f"{where}:" in str(caught.value) or f"{where} " in str(caught.value), str(caught.value)
    assert what in str(caught.value), str(caught.value)


def test_by_state_without_states():
    text = FILE[: FILE.index("[[states]]")] + FILE[FILE.index("[[agents]]") :]
    with pytest.raises(InputError, match=r"agents\[0\].rate_by_state: is by public state"):
        mo.loads(text)


def test_a_round_trip_of_costs_by_period_and_state():
    text = FILE.replace('cost = [[0, 1], [0, "1/2"]]', "cost_by_state = [[[0, 1], [0, 2]], [[0, 3], [0, 4]]]")
    env = mo.loads(text)
    assert [[float(cell.cost[1]) for cell in row] for row in env.cells] == [[1, 2], [3, 4]]
    assert mo.loads(env.to_toml()).fingerprint == env.fingerprint
    assert np.isfinite(mo.optimum(env).value)


def test_formulas_where_all_agents_and_periods_have_the_parameter():
    """The number served for is binomial: a polynomial of degree 4 in p."""
    agent = """[[agents]]
initial.values = [1]
initial.probabilities = [1]
signals = ["low", "high"]
signal_initial = ["1 - p", "p"]
base = [[0, 0], [0, 1]]
"""
    text = 'kind = "separable"\nhorizon = 1\nactions = ["none", "serve"]\ncost = [[0, 2]]\n' + 4 * agent
    text += '[parameters]\np = ["0", "1"]\n'
    found = mo.formula(text, objective="welfare")
    for p in (0, 0.25, 0.5, 0.75):
        chances = [p**k * (1 - p) ** (4 - k) * (1, 4, 6, 4, 1)[k] for k in range(5)]
        expected = sum(max(0, k - 2) * chance for k, chance in enumerate(chances))
        assert float(found.value(p)) == pytest.approx(expected)
