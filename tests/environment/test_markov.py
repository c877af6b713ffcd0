"""Markov environments from Python and from model files: what they mean, and every fault at its key path."""

import copy
import dataclasses
import pickle
from fractions import Fraction

import numpy as np
import pytest

from mechopt import modelfile
from mechopt.closedform.pivot.efficient import efficient
from mechopt.core.errors import InputError
from mechopt.environment.families.learning import licensing
from mechopt.environment.families.tasks import many_tasks_against_one, scheduling
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.markov import MarkovTypes

STAY = [["3/4", "1/4"], ["1/4", "3/4"]]
GOOD = """
kind = "markov"
horizon = "infinite"
discount = "9/10"
actions = ["none", "A", "B"]
cost = [0, 0, "1/3"]

[[agents]]
name = "A"
types = ["low", "high"]
initial = [0.4, 0.6]
values = [[0, 0], [1, 2], [0, 0]]
kernel = [[0.75, 0.25], [0.25, 0.75]]

[[agents]]
initial = [0.1, 0.2, 0.7]
values = [[0, 0, 0], [0, 0, 0], [-1, 2, 3]]
kernel = [
  [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  [["1/3", "1/3", "1/3"], [0, 0.5, 0.5], [0, 0, 1]],
]
"""
BY_PERIOD = """
kind = "markov"
horizon = 2
actions = ["keep", "sell"]

[[agents]]
initial = [1]
kernel = [[0.5, 0.5]]

[[agents.periods]]
types = ["new"]
values = [[0], [1]]

[[agents.periods]]
types = ["bad", "good"]
values = [[0, 0], [0, 3]]
"""


ACTIONS_BY_PERIOD = """
kind = "markov"
horizon = 2
actions = [["contract"], ["keep", "sell"]]
cost = [0, [0, "1/3"]]

[[agents]]
initial = [0.5, 0.5]
kernel = [[0.5, 0.5], [0, 1]]

[[agents.periods]]
values = [[0, 0]]

[[agents.periods]]
values = [[0, 0], [1, 3]]
"""


def arguments(**changed):
    given = {
        "values": [[[0, 0], [1, 2]], [[0, 0, 0], [3, 4, 5]]],
        "kernel": [STAY, [[[1, 0, 0], [0, 1, 0], [0, 0, 1]]] * 2],
        "initial": [[0.5, 0.5], ["1/3", "1/3", "1/3"]],
        "horizon": 3,
    }
    return given | changed


def faults(**changed):
    with pytest.raises(InputError) as error:
        MarkovTypes(**arguments(**changed))
    return {fault.where: str(fault) for fault in error.value.faults}


def file_faults(text):
    with pytest.raises(InputError) as error:
        modelfile.loads(text)
    return {fault.where: str(fault) for fault in error.value.faults}


def test_layout_of_a_finite_environment():
    env = MarkovTypes(**arguments())
    assert (env.agents, env.stages, env.horizon, env.infinite) == (2, 3, 3, False)
    assert env.shape == ((2, 3),) * 3
    assert [len(row) for row in env.values] == [3, 3]
    assert [len(row) for row in env.kernel] == [2, 2]
    assert env.kernel[0][1].shape == (2, 2, 2)
    np.testing.assert_array_equal(env.kernel[0][0][0], env.kernel[0][0][1])
    np.testing.assert_array_equal(env.values[1][2], [[0, 0, 0], [3, 4, 5]])
    assert env.exact.initial[1] == (Fraction(1, 3),) * 3
    assert env.types[1][0] == ("0", "1", "2")
    assert (env.actions, env.names) == (("0", "1"), ("0", "1"))
    np.testing.assert_allclose(env.initial_distribution, np.full((2, 3), 1 / 6), rtol=1e-15)
    assert repr(env) == "MarkovTypes(2 agents, 2 actions, 6 profiles, 3 periods)"


def test_data_by_period():
    values = [[[[1, 2]], [[3]], [[4, 5, 6]]]]
    kernel = [[[[1], [1]], [[["1/2", "1/4", "1/4"]]]]]
    env = MarkovTypes(values, kernel, [[0.5, 0.5]], horizon=3)
    assert env.shape == ((2,), (1,), (3,))
    assert [array.shape for array in env.kernel[0]] == [(1, 2, 1), (1, 1, 3)]


def test_actions_and_costs_by_period():
    env = MarkovTypes(
        values=[[[[1, 2]], [[3, 4], [5, 6]], [[7, 8], [9, 10]]]],
        kernel=[[[STAY], [STAY, STAY]]],
        initial=[[0.5, 0.5]],
        actions=[["contract"], ["keep", "sell"], ["keep", "lend"]],
        cost=[0, [0, "1/3"], 2],
        horizon=3,
    )
    assert env.action_counts == (1, 2, 2)
    assert env.actions == (("contract",), ("keep", "sell"), ("keep", "lend")) == tuple(map(env.action_names, range(3)))
    assert env.exact.cost == ((0,), (0, Fraction(1, 3)), (2, 2))
    assert [env.cost_of(t).tolist() for t in range(3)] == [[0], [0, 1 / 3], [2, 2]]
    assert [array.shape for array in env.kernel[0]] == [(1, 2, 2), (2, 2, 2)]
    assert repr(env) == "MarkovTypes(1 agent, 1 to 2 actions, 2 types, 3 periods)"
    for same in (copy.deepcopy(env), pickle.loads(pickle.dumps(env)), dataclasses.replace(env)):
        assert same == env
        assert same.exact == env.exact
    # welfare by hand: the last period is worth the larger of 7, 9 (types 0) or 8, 10, less 2
    assert efficient(env).welfare[2].tolist() == [7, 8]


def test_actions_and_costs_that_are_the_same_in_all_periods_stay_as_they_were():
    plain = MarkovTypes(**arguments(actions=["a", "b"], cost=[0, 1]))
    spelt = MarkovTypes(**arguments(actions=[["a", "b"]] * 3, cost=[[0, 1]] * 3))
    assert spelt == plain
    assert spelt.actions == ("a", "b") == plain.action_names(2)
    assert plain.action_counts == (2, 2, 2)
    assert [cost.tolist() for cost in spelt.costs] == [[0, 1]] * 3
    endless = MarkovTypes(**arguments(actions=["a", "b"], cost=[0, 1], horizon="infinite", discount=0.5))
    assert (endless.action_counts, endless.action_names(7)) == ((2,), ("a", "b"))
    assert endless.cost_of(7).tolist() == [0, 1]


def test_numbers_stand_for_the_names_of_actions_by_period():
    env = MarkovTypes([[[[1]], [[2], [3]]]], [[[[1]], [[1]]]], [[1]], horizon=2)
    assert env.actions == (("0",), ("0", "1"))


def test_model_file_with_actions_by_period():
    env = modelfile.loads(ACTIONS_BY_PERIOD)
    assert env.action_counts == (1, 2)
    assert env.exact.cost == ((0,), (0, Fraction(1, 3)))
    # an agent whose type is 0 is worth 1 or, after a rise, 3 to sell to, at a cost of 1/3
    assert efficient(env).welfare[0].tolist() == pytest.approx([(2 / 3 + 8 / 3) / 2, 8 / 3])


def test_arrays_are_read_only_and_environments_frozen():
    env = MarkovTypes(**arguments())
    for array in (env.values[0][0], env.kernel[0][0], env.kernel[1][0], env.initial[0], env.cost):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        env.discount = 0.5


def test_copies_and_replacements_keep_exact_numbers():
    env = MarkovTypes(**arguments(horizon="infinite", discount="9/10"))
    for same in (copy.deepcopy(env), pickle.loads(pickle.dumps(env)), dataclasses.replace(env)):
        assert same == env
        assert same.exact == env.exact
    assert hash(dataclasses.replace(env)) == hash(env)
    patient = dataclasses.replace(env, discount="19/20")
    assert patient != env
    assert patient.exact.kernel == env.exact.kernel
    assert dataclasses.replace(env, horizon=4).stages == 4


def test_floats_that_sum_to_one_within_rounding_are_taken_without_exact_numbers():
    distribution = np.random.default_rng(0).dirichlet(np.ones(3), size=3)
    env = MarkovTypes([np.ones((1, 3))], [distribution], [distribution[0]], horizon=2)
    assert env.exact is None
    np.testing.assert_array_equal(env.kernel[0][0][0], distribution)
    assert pickle.loads(pickle.dumps(env)) == env


def test_leaving_an_agent_out():
    env = MarkovTypes(**arguments())
    alone = env.without(0)
    assert alone == MarkovTypes(
        **{key: given if key == "horizon" else given[1:] for key, given in arguments().items()}, names=["1"]
    )
    with pytest.raises(InputError, match="there must be others"):
        alone.without(0)


def test_model_file():
    env = modelfile.loads(GOOD)
    assert isinstance(env, MarkovTypes)
    assert (env.infinite, env.actions, env.names) == (True, ("none", "A", "B"), ("A", "1"))
    assert env.exact.discount == Fraction(9, 10)
    assert env.exact.cost == (0, 0, Fraction(1, 3))
    assert env.exact.kernel[1][0][2][0] == (Fraction(1, 3),) * 3
    assert env.exact.kernel[0][0][0] == env.exact.kernel[0][0][2]
    assert env.types[0] == (("low", "high"),)
    assert env.exact.values[1][0][2] == (-1, 2, 3)


def test_model_file_by_period():
    env = modelfile.loads(BY_PERIOD)
    assert env.shape == ((1,), (2,))
    assert env.types[0] == (("new",), ("bad", "good"))
    assert env.exact.kernel[0] == ((((Fraction(1, 2), Fraction(1, 2)),),) * 2,)
    assert env.values[0][1].tolist() == [[0, 0], [0, 3]]


def test_model_file_and_python_give_the_same_environment():
    env = MarkovTypes(
        values=[[[0, 0], [1, 2], [0, 0]]],
        kernel=[STAY],
        initial=[["2/5", "3/5"]],
        actions=["none", "A", "B"],
        types=[["low", "high"]],
        names=["A"],
        cost=[0, 0, "1/3"],
        discount="9/10",
    )
    assert modelfile.loads(GOOD.split("\n[[agents]]\ninitial = [0.1")[0]) == env


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


def test_a_command_for_another_kind_says_what_to_try():
    with pytest.raises(InputError, match="is 'markov', needed is 'independent'; try"):
        modelfile.parse(GOOD, "good.toml").of_kind(IndependentTypes)


def test_schema_names_the_kind():
    assert modelfile.schema()["discriminator"]["mapping"]["markov"].endswith("MarkovFile")


@pytest.mark.parametrize(
    ("build", "where", "words"),
    [
        pytest.param(lambda: scheduling([1, -1], "1/2"), "values[1]", "is -1; a task must be", id="negative-task"),
        pytest.param(lambda: scheduling([], "1/2"), "values", "is empty", id="no-tasks"),
        pytest.param(lambda: scheduling([1] * 25, "1/2"), "values", "are 25 tasks; at most 24", id="too-many-tasks"),
        pytest.param(
            lambda: scheduling([1, 2], 1), "discount", "is 1; it must be above 0 and below 1", id="discount-1"
        ),
        pytest.param(lambda: scheduling(5, "1/2"), "values", "5 is not a list", id="number-for-list"),
        pytest.param(lambda: many_tasks_against_one(-1, 2, 0.5), "many", "is -1; a task must be", id="negative-many"),
        pytest.param(lambda: many_tasks_against_one(1, "x", 0.5), "one", "'x' is not a number", id="text-for-one"),
        pytest.param(lambda: licensing([(1, 0)], 2, 0.5), "priors[0][1]", "is 0; it must be above 0", id="prior-0"),
        pytest.param(lambda: licensing([(1, 1, 1)], 2, 0.5), "priors[0]", "has 3 entries; give two", id="prior-triple"),
        pytest.param(lambda: licensing([(1, 1)], -1, 0.5), "observations", "is -1; write a whole number", id="pulls-1"),
        pytest.param(lambda: licensing([(1, 1)], 21, 0.5), "observations", "is 21; write a whole", id="many-pulls"),
    ],
)
def test_faults_of_families(build, where, words):
    with pytest.raises(InputError) as error:
        build()
    found = {fault.where: str(fault) for fault in error.value.faults}
    assert words in found[where]


def test_large_arrays_of_few_numbers_are_read_like_lists():
    size = 40
    kernel = np.array([np.eye(size), np.full((size, size), 1 / size)])
    values = np.array([np.zeros(size), np.arange(size) / 10])
    first = [1] + [0] * (size - 1)
    one = MarkovTypes([values], [kernel], [first], discount="1/2")
    other = MarkovTypes([values.tolist()], [kernel.tolist()], [first], discount="1/2")
    assert one.exact.kernel[0][0] == other.exact.kernel[0][0]
    assert one.fingerprint == other.fingerprint
    wrong = kernel.copy()
    wrong[1, 3, 4] = np.nan
    with pytest.raises(InputError, match=r"kernel\[0\]\[1\]\[3\]\[4\]: nan is not a finite number"):
        MarkovTypes([values], [wrong], [first], discount="1/2")
