"""Model files of kind "separable": what they mean, and every fault at its key path."""

from fractions import Fraction

import pytest

from mechopt import modelfile
from mechopt.core.errors import InputError
from mechopt.environment.separable import SeparableTypes

GOOD = """
kind = "separable"
horizon = 3
discount = "9/10"
actions = ["none", "sell"]
cost = [0, 0.5]

[[agents]]
form = "multiplicative"
initial.values = [0.25, 0.5, 0.75, 1]
initial.probabilities = [0.25, 0.25, 0.25, 0.25]
level = [0.25, 0.5, 0.75, 2]
signals = ["cold", "hot"]
signal_initial = [0.5, 0.5]
signal_kernel = [[0.9, 0.1], [0.2, 0.8]]
base = [[0, 0], [0.5, 1]]

[[agents]]
name = "adder"
form = "additive"
initial.values = ["1/3"]
initial.probabilities = [1]
signal_initial = [1]
signal_kernel = [[[1]], [[1]]]
base = [[0], [-1]]
rate = [0, 2]
"""
GENERAL = """
kind = "separable"
horizon = 1
actions = ["none", "sell"]

[[agents]]
form = "general"
initial = { values = [0, 1], probabilities = [0.5, 0.5] }
signal_initial = [[0.75, 0.25], [0.25, 0.75]]
values = [[[0, 0], [0, 0]], [[1, 2], [3, 5]]]
"""


def file_faults(text):
    with pytest.raises(InputError) as error:
        modelfile.loads(text)
    return {fault.where: str(fault) for fault in error.value.faults}


def test_model_file_and_python_give_the_same_environment():
    env = SeparableTypes(
        initial_values=[["1/4", "1/2", "3/4", 1], ["1/3"]],
        initial_probabilities=[["1/4"] * 4, [1]],
        base=[[[0, 0], ["1/2", 1]], [[0], [-1]]],
        signal_initial=[["1/2", "1/2"], [1]],
        signal_kernel=[[["9/10", "1/10"], ["1/5", "4/5"]], [[1]]],
        form=["multiplicative", "additive"],
        level=[["1/4", "1/2", "3/4", 2], None],
        rate=[None, [0, 2]],
        signals=[["cold", "hot"], None],
        names=["0", "adder"],
        actions=["none", "sell"],
        cost=[0, "1/2"],
        horizon=3,
        discount="9/10",
    )
    assert modelfile.loads(GOOD) == env
    assert modelfile.loads(GOOD).exact.level[0][3] == Fraction(2)


def test_model_file_of_the_general_form():
    env = modelfile.loads(GENERAL)
    assert (env.form, env.separable, env.correlated) == (("general",), False, True)
    assert env.value_tables[0].tolist() == [[[0, 0], [0, 0]], [[1, 2], [3, 5]]]


FAULTS = {
    "law-sum": ("0.25, 0.25]\nlevel", "0.25, 0.2]\nlevel", "agents[0].initial.probabilities", "sums to 0.95, not 1"),
    "grid-falls": ("[0.25, 0.5, 0.75, 1]", "[0.25, 0.5, 0.5, 1]", "agents[0].initial.values[2]", "0.5 is not above"),
    "grid-nan": ("[0.25, 0.5, 0.75, 1]", "[nan, 0.5, 0.75, 1]", "agents[0].initial.values[0]", "nan is not a finite"),
    "initial-missing": (
        "initial.values = [0.25, 0.5, 0.75, 1]\n",
        "",
        "agents[0].initial.values",
        "is missing; add it",
    ),
    "level-length": ("[0.25, 0.5, 0.75, 2]", "[1]", "agents[0].level", "has 1 entries for 4 types"),
    "base-signals": ("[0.5, 1]]", "[0.5]]", "agents[0].base[1]", "has 1 entries for 2 signals"),
    "base-missing": ("base = [[0, 0], [0.5, 1]]\n", "", "agents[0].base", "is missing; give base[action][signal]"),
    "first-missing": ("signal_initial = [0.5, 0.5]\n", "", "agents[0].signal_initial", "is missing; add it"),
    "first-sum": ("signal_initial = [0.5, 0.5]", "signal_initial = [0.5, 0.4]", "agents[0].signal_initial", "sums to"),
    "kernel-sum": ("[0.2, 0.8]", "[0.2, 0.7]", "agents[0].signal_kernel[1]", "sums to 0.9, not 1"),
    "kernel-missing": ("signal_kernel = [[0.9, 0.1], [0.2, 0.8]]\n", "", "agents[0].signal_kernel", "is missing"),
    "rate-missing": ("rate = [0, 2]\n", "", "agents[1].rate", "is missing; give rate[action]"),
    "rate-text": ("rate = [0, 2]", 'rate = [0, "two"]', "agents[1].rate[1]", "'two' is not a number"),
    "rate-of-another-form": ('form = "additive"\n', "", "agents[1].rate", "is not part of the form"),
    "form": ('"additive"', '"additiv"', "agents[1].form", "did you mean 'additive'?"),
    "name": ('"adder"', "5", "agents[1].name", "5 is not a name"),
    "signals": ('["cold", "hot"]', '["cold", "cold"]', "agents[0].signals[1]", "repeats 'cold'"),
    "cost-length": ("[0, 0.5]", "[0]", "cost", "has 1 entries for 2 actions"),
    "discount": ('"9/10"', "2", "discount", "is 2; it must be above 0"),
    "infinite-discount-1": ('horizon = 3\ndiscount = "9/10"', 'horizon = "infinite"', "discount", "is 1 with an inf"),
    "horizon": ("horizon = 3", "horizon = 0", "horizon", "is 0; there must be at least one period"),
    "unknown-key": ("signal_kernel = [[0.9", "signal_kernels = [[0.9", "agents[0].signal_kernels", "did you mean"),
    "unknown-initial-key": (
        "initial.values = [0.25",
        "initial.value = [0.25",
        "agents[0].initial.value",
        "did you mean",
    ),
}


@pytest.mark.parametrize(("old", "new", "where", "words"), [pytest.param(*c, id=n) for n, c in FAULTS.items()])
def test_faults_of_a_file(old, new, where, words):
    assert old in GOOD
    found = file_faults(GOOD.replace(old, new, 1))
    assert where in found
    assert words in found[where]


def test_one_fault_of_a_file_is_told_once():
    assert set(file_faults(GOOD.replace("signal_initial = [0.5, 0.5]\n", ""))) == {"agents[0].signal_initial"}
    assert set(file_faults(GOOD.replace("[0.25, 0.5, 0.75, 2]", "[nan, 0.5, 0.75, 2]"))) == {"agents[0].level[0]"}


@pytest.mark.parametrize("agents", ["[]", "5", "[5]", '"two"', "[[]]", "[{}]", "[{initial = 5}]"])
def test_agents_that_are_no_tables(agents):
    found = file_faults(f'kind = "separable"\nhorizon = 2\nactions = ["a"]\nagents = {agents}\n')
    assert all(where.startswith("agents") for where in found)


def test_schema_names_the_kind():
    assert modelfile.schema()["discriminator"]["mapping"]["separable"].endswith("SeparableFile")
