"""Model files with outside options and discounts of the agents: read, written back, and refused with a place."""

from __future__ import annotations

from dataclasses import replace

import pytest

import mechopt as mo

INDEPENDENT = """
kind = "independent"
horizon = 2
discount = "9/10"
seller_discount = "1/2"
[[buyers]]
values = [1, 2]
probabilities = ["1/2", "1/2"]
outside = [0, "1/2"]
count = 2
[[buyers]]
discount = "3/4"
outside = [["-1/3", 1, 0], 2]
[[buyers.periods]]
values = [1, 2, 4]
probabilities = ["1/2", "1/4", "1/4"]
[[buyers.periods]]
values = [3]
probabilities = [1]
"""
MARKOV = """
kind = "markov"
horizon = 2
actions = ["none", "sell"]
[[agents]]
name = "A"
types = ["low", "high"]
initial = ["1/2", "1/2"]
values = [[0, 0], ["1/2", 1]]
kernel = [[1, 0], [0, 1]]
outside = [["1/3", 0], "1/4"]
discount = "1/2"
[[agents]]
name = "B"
types = ["low", "high"]
initial = ["1/2", "1/2"]
values = [[0, 0], ["1/2", 1]]
kernel = [[1, 0], [0, 1]]
"""
SEPARABLE = """
kind = "separable"
horizon = 2
actions = ["none", "sell"]
[[agents]]
initial.values = [1, 2]
initial.probabilities = ["1/2", "1/2"]
signals = ["cold", "hot"]
signal_initial = ["1/2", "1/2"]
signal_kernel = [[1, 0], [0, 1]]
base = [[0, 0], ["1/2", 1]]
outside = ["1/5", 1]
discount = "4/5"
"""
JOINT = """
kind = "interdependent"
horizon = 1
actions = ["1", "2"]
initial = [["3/8", "1/8"], ["1/8", "3/8"]]
[[agents]]
values = [[[0, 1], [1, 2]], [[0, 0], [0, 0]]]
outside = "1/2"
[[agents]]
values = [[[0, 0], [0, 0]], [[0, 1], [1, 2]]]
outside = [[0, 1]]
"""
FILES = {"independent": INDEPENDENT, "markov": MARKOV, "separable": SEPARABLE, "joint": JOINT}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_files_come_back(text):
    env = mo.loads(text)
    assert env.outside is not None
    again = mo.loads(env.to_toml())
    assert again == env
    assert again.fingerprint == env.fingerprint
    for key in ("outside", "discount"):
        bare = "\n".join(line for line in text.splitlines() if not line.startswith(key))
        assert mo.loads(bare) != env or key not in text


@pytest.mark.parametrize("options", [[[1, 1], [2, 2]], [[0, 0], [1, 1]], [[1, 1], [0, 2]]])
def test_one_number_a_period_is_not_taken_for_one_a_type(options):
    stay = [["3/4", "1/4"], ["1/4", "3/4"]]
    persistent = mo.MarkovTypes([[[0, 0], [1, 2]]], [stay], [["1/2", "1/2"]], horizon=2, outside=[options])
    fresh = mo.IndependentTypes.iid(values=[1, 2], probabilities=["1/2", "1/2"], horizon=2)
    for env in (persistent, replace(fresh, outside=[options])):
        again = mo.loads(env.to_toml())
        assert [part.tolist() for part in again.outside[0]] == options
        assert again == env


def test_what_a_file_says():
    env = mo.loads(INDEPENDENT)
    assert (env.discount, env.discounts) == (0.5, (0.9, 0.9, 0.75))
    assert [[part.tolist() for part in row] for row in env.outside] == [
        *[[[0, 0.5], [0, 0]]] * 2,
        [[-1 / 3, 1, 0], [2]],
    ]
    chain = mo.loads(MARKOV)
    assert (chain.discount, chain.discounts) == (1, (0.5, 1))
    assert [part.tolist() for part in chain.outside[0]] == [[1 / 3, 0], [0.25, 0.25]]
    assert not any(part.any() for part in chain.outside[1])
    assert [part.tolist() for part in mo.loads(SEPARABLE).to_markov().outside[0]] == [[0.2, 1], [0] * 4, [0] * 4]
    assert [part.tolist() for part in mo.loads(JOINT).outside[0]] == [[0.5, 0.5]]


@pytest.mark.parametrize(
    ("text", "old", "new", "where", "what"),
    [
        (INDEPENDENT, '[0, "1/2"]', "[0]", "buyers[0].outside", "has 1 entries for 2 types"),
        (INDEPENDENT, '[0, "1/2"]', '"x"', "buyers[0].outside", "'x'"),
        (
            INDEPENDENT,
            '[["-1/3", 1, 0], 2]',
            '[["-1/3", 1, 0]]',
            "buyers[1].outside",
            "has 1 periods, the horizon is 2",
        ),
        (INDEPENDENT, 'discount = "3/4"', 'discount = "5/4"', "buyers[1].discount", "is 1.25"),
        (INDEPENDENT, 'seller_discount = "1/2"', "seller_discount = 0", "seller_discount", "is 0"),
        (INDEPENDENT, "seller_discount", "sellers_discount", "sellers_discount", "unknown key"),
        (MARKOV, '[["1/3", 0], "1/4"]', '[["1/3", 0, 1], "1/4"]', "agents[0].outside[0]", "has 3 entries for 2 types"),
        (MARKOV, 'discount = "1/2"', "discount = -1", "agents[0].discount", "is -1"),
        (MARKOV, "horizon = 2", 'horizon = "infinite"\ndiscount = "1/2"', "agents[0].outside", "finite horizon"),
        (SEPARABLE, '["1/5", 1]', '["1/5"]', "agents[0].outside", "has 1 entries for 2 types"),
        (JOINT, "[[0, 1]]", "[[0, 1], 0]", "agents[1].outside", "has 2 periods, the horizon is 1"),
        (JOINT, "[[0, 1]]", '[[0, "nan"]]', "agents[1].outside[0][1]", "nan"),
    ],
)
def test_faults(text, old, new, where, what):
    with pytest.raises(mo.InputError) as error:
        mo.loads(text.replace(old, new, 1))
    fault = next(fault for fault in error.value.faults if fault.where == where)
    assert what in fault.what
    assert fault.fix or "write" in fault.what


def test_solve_and_compare_take_them(mechopt, tmp_path):
    for name, text in FILES.items():
        path = tmp_path / f"{name}.toml"
        path.write_text(text)
        for flags in (("--ir", "interim", "--subject-to", "no-subsidy+payment-cap:3"), ("--ir", "ex-ante")):
            status, _, err = mechopt("solve", path, "--exact", *flags)
            endless, beyond = "unbounded:" in err, name == "joint" and "infeasible:" in err
            assert status == 0 or endless or beyond, (name, flags, err)
        status, _, err = mechopt("compare", path, "--ir", "interim")
        assert status == 0 or "unbounded" in err, (name, err)


def test_who_is_left_out_has_her_option():
    two = SEPARABLE + SEPARABLE.split("horizon = 2")[1].split('["none", "sell"]')[1]
    env = mo.loads(two)
    assert env.exclusion_matters
    with pytest.raises(mo.InputError, match="outside"):
        env.to_markov()
    assert env.to_markov(exclusion=False).outside is not None
