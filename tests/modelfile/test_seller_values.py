"""Model files with what sales and actions are worth to the seller: read, written back, and refused with a place."""

from __future__ import annotations

import numpy as np
import pytest

import mechopt as mo

INDEPENDENT = """
kind = "independent"
horizon = 2
cost = [-1, "1/2"]
[[buyers]]
values = [1, 2]
probabilities = ["1/2", "1/2"]
seller_values = [-3, "1/3"]
count = 2
[[buyers]]
[[buyers.periods]]
values = [1, 2, 4]
probabilities = ["1/2", "1/4", "1/4"]
seller_values = [0, 1, 0]
[[buyers.periods]]
values = [3]
probabilities = [1]
"""
MARKOV = """
kind = "markov"
horizon = 2
actions = ["none", "accept"]
seller_values = [[0, 0], [1, "-3/2"]]
[[agents]]
types = ["safe", "risky"]
initial = ["1/2", "1/2"]
values = [[0, 0], ["1/2", 1]]
kernel = [[1, 0], [0, 1]]
"""
TWO = """
kind = "markov"
horizon = 2
actions = ["none", "accept"]
[[agents]]
initial = ["1/2", "1/2"]
values = [[0, 0], ["1/2", 1]]
kernel = [[1, 0], [0, 1]]
[[agents]]
initial = [1]
[[agents.periods]]
values = [[0], [1]]
kernel = [[1]]
seller_values = [[0], [2]]
[[agents.periods]]
values = [[0], [1]]
"""
SEPARABLE = """
kind = "separable"
horizon = 2
discount = "9/10"
actions = ["none", "sell"]
[[agents]]
initial.values = [1, 2]
initial.probabilities = ["1/2", "1/2"]
signals = ["cold", "hot"]
signal_initial = ["1/2", "1/2"]
signal_kernel = [[1, 0], [0, 1]]
base = [[0, 0], ["1/2", 1]]
seller_values = [[[0, 0], [0, 0]], [[-1, 0], [1, "1/2"]]]
"""
JOINT = """
kind = "interdependent"
horizon = 2
actions = ["1", "2"]
initial = [["3/8", "1/8"], ["1/8", "3/8"]]
kernel = [[[["1/4", "1/4"], ["1/4", "1/4"]], [["1/4", "1/4"], ["1/4", "1/4"]]],
          [[["1/4", "1/4"], ["1/4", "1/4"]], [["1/4", "1/4"], ["1/4", "1/4"]]]]
seller_values = [[[0, 1], [2, 3]], [[0, 0], [0, "-1/3"]]]
[[agents]]
values = [[[0, 1], [1, 2]], [[0, 0], [0, 0]]]
[[agents]]
values = [[[0, 0], [0, 0]], [[0, 1], [1, 2]]]
"""
FILES = {"independent": INDEPENDENT, "markov": MARKOV, "two": TWO, "separable": SEPARABLE, "joint": JOINT}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_files_come_back(text):
    env = mo.loads(text)
    assert env.seller_values is not None
    again = mo.loads(env.to_toml())
    assert again == env
    assert again.exact == env.exact if env.kind != "interdependent" else again.fingerprint == env.fingerprint
    bare = "\n".join(line for line in text.splitlines() if not line.startswith("seller_values"))
    assert mo.loads(bare) != env
    assert mo.loads(bare).seller_values is None


def test_what_a_file_says():
    env = mo.loads(INDEPENDENT)
    assert [[part.tolist() for part in row] for row in env.seller_values] == [
        *[[[-3, 1 / 3]] * 2] * 2,
        [[0, 1, 0], [0]],
    ]
    assert env.cost.tolist() == [-1, 0.5]
    np.testing.assert_array_equal(mo.loads(MARKOV).seller_values[0][1], [[0, 0], [1, -1.5]])
    two = mo.loads(TWO)
    assert not two.seller_values[0][0].any()
    assert [part.tolist() for part in two.seller_values[1]] == [[[0], [2]], [[0], [0]]]
    unfolded = mo.loads(SEPARABLE).to_markov()
    assert [part.tolist() for part in unfolded.seller_values[0]] == [[[0, 0]], *[[[0] * 4, [-1, 0, 1, 0.5]]] * 2]
    assert mo.loads(JOINT).seller_values[1][1].tolist() == [[0, 0], [0, -1 / 3]]


@pytest.mark.parametrize(
    ("text", "old", "new", "where", "what"),
    [
        (INDEPENDENT, '[-3, "1/3"]', "[-3]", "buyers[0].seller_values", "has 1 entries for 2 types"),
        (INDEPENDENT, '[-3, "1/3"]', '[-3, "x"]', "buyers[0].seller_values[1]", "'x'"),
        (INDEPENDENT, "[0, 1, 0]", "[0, 1]", "buyers[1].periods[0].seller_values", "has 2 entries for 3 types"),
        (INDEPENDENT, "seller_values = [0", "seller_value = [0", "buyers[1].periods[0].seller_value", "unknown key"),
        (MARKOV, '[1, "-3/2"]', "[1]", "seller_values[1]", "has 1 entries for 2 types"),
        (MARKOV, '[[0, 0], [1, "-3/2"]]', "[[0, 0]]", "seller_values", "has 1 rows for 2 actions"),
        (MARKOV, '"-3/2"', '"nan"', "seller_values[1][1]", "nan"),
        (TWO, "[[0], [2]]", "[[0, 1], [2, 3]]", "agents[1].periods[0].seller_values[0]", "has 2 entries for 1 types"),
        (TWO, "[[agents]]", "seller_values = [[0]]\n[[agents]]", "seller_values", "there are 2 agents"),
        (SEPARABLE, '[1, "1/2"]]]', "[1]]]", "agents[0].seller_values[1][1]", "has 1 entries for 2 signals"),
        (JOINT, '[0, "-1/3"]', "[0]", "seller_values[1][1]", "has 1 entries"),
        (JOINT, '[[0, 0], [0, "-1/3"]]]', "[[0, 0], [0, 0]], [[0, 0], [0, 0]]]", "seller_values", "is 3x2x2"),
    ],
)
def test_faults(text, old, new, where, what):
    with pytest.raises(mo.InputError) as error:
        mo.loads(text.replace(old, new, 1))
    fault = next(fault for fault in error.value.faults if fault.where == where)
    assert what in fault.what
    assert fault.fix or "write" in fault.what


@pytest.mark.parametrize("given", [[[[1]]], [[[1, 2]], None, None], 5, "text"])
def test_faults_from_python(given):
    with pytest.raises(mo.InputError, match="seller_values"):
        mo.IndependentTypes([[[1, 2], [1, 2, 3]]], [[["1/2", "1/2"], ["1/3"] * 3]], seller_values=given)
    with pytest.raises(mo.InputError, match="seller_values"):
        mo.MarkovTypes([[[0, 0], [1, 2]]], [[[1, 0], [0, 1]]], [["1/2", "1/2"]], horizon=2, seller_values=given)


def test_solve_compare_and_explain_take_them(mechopt, tmp_path):
    for name, text in FILES.items():
        path = tmp_path / f"{name}.toml"
        path.write_text(text)
        for arguments in (("solve", path, "--exact"), ("compare", path), ("show", path)):
            status, _, err = mechopt(*arguments)
            assert status == 0, (name, arguments, err)
