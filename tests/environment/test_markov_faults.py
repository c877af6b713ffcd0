"""Faults of Markov environments from Python and from files."""

import numpy as np
import pytest

from tests.environment.markov_files import BY_PERIOD, GOOD, STAY, faults, file_faults

PYTHON_FAULTS = {
    "kernel-sum": ({"kernel": [[[0.75, 0.22], [0, 1]], STAY]}, "kernel[0][0]", "sums to 0.97, not 1; write exact"),
    "kernel-by-action-sum": ({"kernel": [[STAY, [[1, 0], [1, 1]]], STAY]}, "kernel[0][1][1]", "sums to 2, not 1"),
    "kernel-rows": ({"kernel": [[[0.5, 0.5]], STAY]}, "kernel[0]", "has 1 rows for 2 types"),
    "kernel-columns": ({"kernel": [[[1], [1]], STAY]}, "kernel[0][0]", "has 1 entries for 2 types"),
    "kernel-actions": ({"kernel": [[STAY] * 3, STAY]}, "kernel[0]", "has 3 kernels for 2 actions"),
    "kernel-negative": ({"kernel": [[[1.5, -0.5], [0, 1]], STAY]}, "kernel[0][0][1]", "is -0.5; probabilities must"),
    "kernel-nan": ({"kernel": [[[np.nan, 1], [0, 1]], STAY]}, "kernel[0][0][0]", "nan is not a finite number"),
    "kernel-number": ({"kernel": [5, STAY]}, "kernel[0]", "5 is not a list"),
    "kernel-missing": ({"kernel": [STAY]}, "kernel[1]", "is missing"),
    "values-nan": ({"values": [[[0, 0], [np.nan, 2]]]}, "values[0][1][0]", "nan is not a finite number"),
    "values-actions": ({"actions": ["a", "b", "c"]}, "values[0]", "has 2 rows for 3 actions"),
    "values-ragged": ({"values": [[[0, 0], [1]]]}, "values[0][1]", "has 1 entries for 2 types"),
    "values-periods": ({"values": [[[[0, 0], [1, 2]]] * 2]}, "values[0]", "has 2 periods, the horizon is 3"),
    "initial-sum": ({"initial": [[0.5, 0.4]]}, "initial[0]", "sums to 0.9, not 1"),
    "initial-length": ({"initial": [[1]]}, "initial[0]", "has 1 entries for 2 types"),
    "cost-length": ({"cost": [0, 0, 1]}, "cost", "has 3 entries for 2 actions"),
    "horizon-0": ({"horizon": 0}, "horizon", "is 0; there must be at least one period"),
    "horizon-text": (
        {"horizon": "endless"},
        "horizon",
        "is 'endless'; write a whole number such as 3, or \"infinite\"",
    ),
    "infinite-discount-1": ({"horizon": "infinite"}, "discount", "is 1 with an infinite horizon; it must be below 1"),
    "discount-0": ({"discount": 0}, "discount", "is 0; it must be above 0"),
    "discount-nan": ({"discount": np.nan}, "discount", "nan is not a finite number"),
    "actions-repeated": ({"actions": ["a", "a"]}, "actions[1]", "repeats 'a'"),
    "type-names": ({"types": [["low"], None]}, "values[0][0]", "has 2 entries for 1 types"),
    "names-repeated": ({"names": ["x", "x"]}, "agents", "have the name 'x' twice"),
    "nobody": ({"values": [], "kernel": [], "initial": []}, "kernel", "[] is not a list over agents"),
    "number-for-values": ({"values": 5}, "values", "5 is not a list over agents"),
    "types-for-one": ({"types": [["low", "high"]]}, "types", "is not a list of 2 entries; give one an agent"),
    "text-for-names": ({"names": "both"}, "names", "'both' is not a list of 2 entries"),
    "lists-for-actions": ({"actions": [["a"], np.ones(2)]}, "actions[1]", "is not a text; put it in quotes"),
    "actions-periods": ({"actions": [["a", "b"]] * 2}, "actions", "has 2 periods, the horizon is 3"),
    "actions-by-period-repeated": ({"actions": [["a", "b"], ["a", "a"], ["a", "b"]]}, "actions[1][1]", "repeats 'a'"),
    "actions-by-period-counts": (
        {"actions": [["a", "b"], ["a"], ["a", "b"]]},
        "values[0]",
        "has 2 rows for 1 actions; give one an action",
    ),
    "cost-periods": ({"cost": [[0, 1]] * 2}, "cost", "has 2 periods, the horizon is 3"),
    "cost-by-period-length": ({"cost": [0, [1], 0]}, "cost[1]", "has 1 entries for 2 actions"),
    "actions-by-period-infinite": (
        {"actions": [["a", "b"], ["a", "c"]], "horizon": "infinite"},
        "actions",
        "has 2 periods, the horizon is infinite",
    ),
    "too-much": ({"values": [[[1]]] * 1000, "horizon": 10_000}, "", "1000 agents times 10000 periods"),
}


@pytest.mark.parametrize(("changed", "where", "words"), [pytest.param(*c, id=n) for n, c in PYTHON_FAULTS.items()])
def test_faults_from_python(changed, where, words):
    found = faults(**changed)
    assert where in found
    assert words in found[where]


def test_infinite_horizon_takes_no_data_by_period():
    found = faults(values=[[[[0, 0], [1, 2]]] * 2], horizon="infinite", discount=0.9)
    assert "has 2 periods, the horizon is infinite" in found["values[0]"]


def test_all_faults_at_once_from_python():
    found = faults(
        values=[[[0, np.inf], [1, 2]], [[0, 0, 0], [3, 4]]],
        initial=[[0.5, 0.6], [1, 0, 0]],
        cost="dear",
        discount=2,
    )
    assert set(found) == {"values[0][0][1]", "values[1][1]", "initial[0]", "cost", "discount"}


FILE_FAULTS = {
    "kernel-sum": ("[[0.75, 0.25], [0.25", "[[0.75, 0.22], [0.25", "agents[0].kernel[0]", "sums to 0.97, not 1"),
    "kernel-by-action-sum": ("[0, 0.5, 0.5]", "[0, 0.5, 0.4]", "agents[1].kernel[2][1]", "sums to 0.9, not 1"),
    "kernel-columns": ("[[0.75, 0.25], [0.25", "[[1], [0.25", "agents[0].kernel[0]", "has 1 entries for 2 types"),
    "kernel-negative": ("[[0.75, 0.25]", "[[1.25, -0.25]", "agents[0].kernel[0][1]", "is -0.25"),
    "kernel-nan": ("[[0.75,", "[[nan,", "agents[0].kernel[0][0]", "nan is not a finite number"),
    "values-nan": ("[1, 2]", "[nan, 2]", "agents[0].values[1][0]", "nan is not a finite number"),
    "values-text": ("[1, 2]", '["a lot", 2]', "agents[0].values[1][0]", "'a lot' is not a number"),
    "values-actions": ("[[0, 0], [1, 2], [0, 0]]", "[[0, 0], [1, 2]]", "agents[0].values", "has 2 rows for 3 actions"),
    "initial-sum": ("[0.4, 0.6]", "[0.4, 0.5]", "agents[0].initial", "sums to 0.9, not 1"),
    "initial-missing": ("initial = [0.4, 0.6]\n", "", "agents[0].initial", "is missing; add it"),
    "discount-1": ('discount = "9/10"\n', "", "discount", "is 1 with an infinite horizon"),
    "discount-nan": ('"9/10"', "nan", "discount", "nan is not a finite number"),
    "horizon": ('"infinite"', '"endless"', "horizon", "is 'endless'"),
    "cost-length": ('[0, 0, "1/3"]', "[0, 0]", "cost", "has 2 entries for 3 actions"),
    "cost-text": ('[0, 0, "1/3"]', '[0, 0, "dear"]', "cost[2]", "dear"),
    "types": ('["low", "high"]', '["low", "low"]', "agents[0].types[1]", "repeats 'low'"),
    "types-number": ('["low", "high"]', "[1, 2]", "agents[0].types[0]", "1 is not a text"),
    "unknown-key": ("kernel = [[0.75", "kernels = [[0.75", "agents[0].kernels", "unknown key; did you mean 'kernel'?"),
    "agent-name": ('name = "A"', "name = 5", "agents[0].name", "5 is not a name"),
}


@pytest.mark.parametrize(("old", "new", "where", "words"), [pytest.param(*c, id=n) for n, c in FILE_FAULTS.items()])
def test_faults_of_a_file(old, new, where, words):
    assert old in GOOD
    found = file_faults(GOOD.replace(old, new, 1))
    assert where in found
    assert words in found[where]


def test_one_fault_of_a_file_is_told_once():
    assert set(file_faults(GOOD.replace("initial = [0.4, 0.6]\n", ""))) == {"agents[0].initial"}
    assert set(file_faults(GOOD.replace("[1, 2]", "[nan, 2]"))) == {"agents[0].values[1][0]"}


def test_missing_keys_hide_no_other_fault():
    text = GOOD.replace('horizon = "infinite"\n', "").replace('actions = ["none", "A", "B"]\n', "")
    assert set(file_faults(text.replace("[0.4, 0.6]", "[0.4, 0.5]"))) == {"horizon", "actions", "agents[0].initial"}


def test_faults_by_period():
    assert set(file_faults(BY_PERIOD.replace("[0, 3]]", "[0, 3, 4]]"))) == {"agents[0].periods[1].values[1]"}
    found = file_faults(BY_PERIOD.replace("horizon = 2", "horizon = 3"))
    assert "has 2 periods, the horizon is 3" in found["agents[0].periods"]
    assert "sums to 0.9" in file_faults(BY_PERIOD.replace("[[0.5, 0.5]]", "[[0.5, 0.4]]"))["agents[0].kernel[0]"]


@pytest.mark.parametrize("agents", ["[]", "5", "[5]", '"two"', "[[]]"])
def test_agents_that_are_no_tables(agents):
    found = file_faults(f'kind = "markov"\nhorizon = 2\nactions = ["a"]\nagents = {agents}\n')
    assert all(where.startswith("agents") for where in found)
