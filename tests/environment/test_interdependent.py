"""Interdependent environments from Python and from model files: what they mean, and every fault at its key path."""

import copy
import dataclasses
import pickle
from fractions import Fraction
from itertools import chain, product

import numpy as np
import pytest

from mechopt import modelfile
from mechopt.core.errors import InputError
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.markov import MarkovTypes
from mechopt.modelfile.interdependent import InterdependentFile
from tests.interdependent_instances import random_environment

JOINT = [["1/3", "1/6"], ["1/6", "1/3"]]
WORTH = [[[0, 1], [1, 2]], [[0, 0], [0, 0]]]
GOOD = """
kind = "interdependent"
horizon = 2
discount = "9/10"
actions = ["sell", "keep"]
cost = [0, "1/3"]
initial = [["1/3", "1/6"], ["1/6", "1/3"]]
kernel = [[[["1/3", "1/6"], ["1/6", "1/3"]], [[0.3, 0.2], [0.2, 0.3]]], [[[1, 0], [0, 0]], [[0, 0], [0, 1]]]]

[[agents]]
name = "A"
types = ["low", "high"]
values = [[[0, 1], [1, 2]], [[0, 0], [0, 0]]]

[[agents]]
values = [[[0, 0], [0, 0]], [[0, 1], [1, 2]]]
"""
BY_PERIOD = """
kind = "interdependent"
horizon = 2
actions = [["look"], ["sell", "keep"]]
cost = [[0], [0, 1]]
initial = [[0.5, 0.5]]

[[agents]]
[[agents]]
values = [[[1], [2]], [[3], [4]]]

[[periods]]
values = [[[[1, 2]]], [[[3, 4]]]]
kernel = [[[[[0.5], [0.5]], [[0.25], [0.75]]]]]

[[periods]]
types = [["new", "old"], ["only"]]
values = [[[[1], [2]], [[3], [4]]], [[[5], [6]], [[7], [8]]]]
"""


def arguments(**changed):
    given = {
        "values": [WORTH, WORTH[::-1]],
        "kernel": [[JOINT, JOINT], [JOINT, JOINT]],
        "initial": JOINT,
        "horizon": 3,
    }
    return given | changed


def faults(**changed):
    with pytest.raises(InputError) as error:
        InterdependentTypes(**arguments(**changed))
    return {fault.where: str(fault) for fault in error.value.faults}


def file_faults(text):
    with pytest.raises(InputError) as error:
        modelfile.loads(text)
    return {fault.where: str(fault) for fault in error.value.faults}


def test_layout_of_a_finite_environment():
    env = InterdependentTypes(**arguments())
    assert (env.agents, env.stages, env.horizon, env.infinite) == (2, 3, 3, False)
    assert env.shape == ((2, 2),) * 3
    assert [[array.shape for array in row] for row in env.values] == [[(2, 2, 2)] * 3] * 2
    assert [array.shape for array in env.kernel] == [(2, 2, 2, 2, 2)] * 2
    assert env.values[0][0] is env.values[0][2]
    assert env.kernel[0].strides[0] == 0
    assert not env.controlled(0)
    assert env.exact.kernel[1][1, 0, 1, 0, 0] == Fraction(1, 3)
    assert (env.actions, env.names, env.types[1]) == (("0", "1"), ("0", "1"), (("0", "1"),) * 3)
    assert (env.action_counts, [cost.tolist() for cost in env.costs]) == ((2, 2, 2), [[0, 0]] * 3)
    assert repr(env) == "InterdependentTypes(2 agents, 2 actions, 4 profiles, 3 periods)"


def test_data_by_period_with_signals_of_unequal_sizes():
    env = random_environment(0, sizes=[(2, 3), (1, 2), (4, 2)], horizon=3)
    assert env.shape == ((2, 3), (1, 2), (4, 2))
    assert [array.shape for array in env.kernel] == [(3, 2, 3, 1, 2), (3, 1, 2, 4, 2)]
    assert env.controlled(0)


def test_a_single_agent_is_refused_with_a_reason():
    found = faults(values=[[[0, 1]]], kernel=[[0.5, 0.5], [0.5, 0.5]], initial=[0.5, 0.5])
    assert "values are interdependent among at least two" in found["initial"]


def test_arrays_are_read_only_and_environments_frozen():
    env = InterdependentTypes(**arguments())
    for array in (env.values[0][0], env.profile_values[0], env.kernel[0], env.initial, env.cost):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        env.discount = 0.5


def test_copies_and_replacements_keep_exact_numbers():
    third = Fraction(1, 3) + Fraction(1, 10**30)  # no float of it reads back
    env = InterdependentTypes(**arguments(values=[WORTH, [[[third, 0], [0, 0]]] * 2], horizon="infinite", discount=0.9))
    for same in (copy.deepcopy(env), pickle.loads(pickle.dumps(env)), dataclasses.replace(env)):
        assert same == env
        assert hash(same) == hash(env)
        assert same.exact.values[1][0][0, 0, 0] == third
    patient = dataclasses.replace(env, discount="19/20")
    assert patient != env
    assert patient.exact.discount == Fraction(19, 20)
    assert dataclasses.replace(env, horizon=4).stages == 4
    rounded = InterdependentTypes(
        **arguments(values=[WORTH, [[["1/3", 0], [0, 0]]] * 2], horizon="infinite", discount=0.9)
    )
    np.testing.assert_array_equal(rounded.profile_values[0], env.profile_values[0])
    assert rounded != env


def test_arrays_of_floats_equal_the_fractions_that_they_stand_for():
    listed = InterdependentTypes(**arguments())
    arrays = {key: np.array(listed.initial) for key in ("initial",)}
    plain = InterdependentTypes(**arguments(values=np.array(listed.profile_values[0]), **arrays))
    assert plain == listed
    assert plain.exact.initial[0, 1] == Fraction(1, 6)


def test_floats_that_sum_to_one_within_rounding_are_taken_without_exact_numbers():
    env = random_environment(3)
    assert env.exact is None
    assert pickle.loads(pickle.dumps(env)) == env
    assert dataclasses.replace(env) == env


def test_private_types_that_move_alone_as_a_joint_chain():
    stay = [["3/4", "1/4"], ["1/4", "3/4"]]
    turn = [[[0, 1, 0], [0, 0, 1], [1, 0, 0]], [["1/3", "1/3", "1/3"]] * 3]
    markov = MarkovTypes(
        [[[0, 0], [1, 2]], [[0, 0, 0], [3, 4, 5]]], [stay, turn], [["2/5", "3/5"], [1, 0, 0]], cost=[0, 1], horizon=3
    )
    env = InterdependentTypes.from_markov(markov)
    for a, k, m, n, o in product(range(2), range(2), range(3), range(2), range(3)):
        distribution = markov.exact.kernel[0][0][a][k][n] * markov.exact.kernel[1][0][a][m][o]
        assert env.exact.kernel[0][a, k, m, n, o] == distribution
    np.testing.assert_array_equal(env.values[0][1][1], [[1, 1, 1], [2, 2, 2]])
    np.testing.assert_array_equal(env.values[1][1][1], [[3, 4, 5], [3, 4, 5]])
    np.testing.assert_allclose(env.initial, markov.initial_distribution, rtol=1e-15)
    assert env.costs[0].tolist() == [0, 1]


def test_actions_by_period_as_a_joint_chain():
    values = [[[[0, 0]], [[1, 2], [0, 0]]], [[[0, 0]], [[0, 0], [1, 2]]]]
    distribution = [[[0.5, 0.5], [0.5, 0.5]]]
    markov = MarkovTypes(
        values,
        [distribution, distribution],
        [[0.5, 0.5]] * 2,
        actions=[["look"], ["A", "B"]],
        cost=[[0], [0, "1/2"]],
        horizon=2,
    )
    env = InterdependentTypes.from_markov(markov)
    assert (env.action_counts, env.action_names(1)) == ((1, 2), ("A", "B"))
    assert [cost.tolist() for cost in env.costs] == [[0], [0, 0.5]]
    assert pickle.loads(pickle.dumps(env)) == dataclasses.replace(env) == env


def test_a_thousand_equal_periods_share_their_arrays():
    env = random_environment(0, sizes=(2, 2), horizon="infinite")
    long = dataclasses.replace(env, horizon=1000)
    assert (long.stages, len(long.kernel)) == (1000, 999)
    assert len({id(array) for array in (*chain(*long.values), *long.kernel)}) == 3


def test_model_file():
    env = modelfile.loads(GOOD)
    assert isinstance(env, InterdependentTypes)
    assert (env.horizon, env.actions, env.names) == (2, ("sell", "keep"), ("A", "1"))
    assert env.types == ((("low", "high"),) * 2, (("0", "1"),) * 2)
    assert env.exact.kernel[0][1, 0, 1, 0, 1] == Fraction(1, 5)
    assert env.exact.cost == (0, Fraction(1, 3))
    assert env.controlled(0) is False


def test_model_file_by_period():
    env = modelfile.loads(BY_PERIOD)
    assert env.shape == ((1, 2), (2, 1))
    assert env.action_counts == (1, 2)
    assert env.action_names(1) == ("sell", "keep")
    assert [row[1] for row in env.types] == [("new", "old"), ("only",)]
    assert env.kernel[0].shape == (1, 1, 2, 2, 1)
    assert env.values[1][1][1, 0, 0] == 7


def test_model_file_by_agent_and_period():
    by_agent = (
        BY_PERIOD[: BY_PERIOD.index("[[agents]]")]
        + """
[[agents]]
[[agents.periods]]
values = [[[1, 2]]]
[[agents.periods]]
types = ["new", "old"]
values = [[[1], [2]], [[3], [4]]]

[[agents]]
[[agents.periods]]
values = [[[3, 4]]]
[[agents.periods]]
types = ["only"]
values = [[[5], [6]], [[7], [8]]]

[[periods]]
kernel = [[[[[0.5], [0.5]], [[0.25], [0.75]]]]]
"""
    )
    assert modelfile.loads(by_agent) == modelfile.loads(BY_PERIOD)
    found = file_faults(by_agent.replace("[[[5], [6]], [[7], [8]]]", "[[[5], [6]], [[7]]]"))
    assert list(found) == ["agents[1].periods[1].values[1]"]
    found = file_faults(by_agent.replace('types = ["only"]\nvalues = [[[5], [6]], [[7], [8]]]', ""))
    assert list(found) == ["agents[1].values"]


SUMS = {
    "first-profile": ([[[[0.3, 0.2], [0.2, 0.2]], JOINT], [JOINT, JOINT]], "kernel[0][0]", "0.9", "signals '0', '0'"),
    "by-action": (
        [[[JOINT, JOINT], [JOINT, JOINT]], [[JOINT, JOINT], [[[0.3, 0.3], [0.2, 0.3]], JOINT]]],
        "kernel[1][1][0]",
        "1.1",
        "action '1', signals '1', '0'",
    ),
}


@pytest.mark.parametrize(("kernel", "where", "total", "profile"), SUMS.values(), ids=SUMS)
def test_joint_probabilities_that_do_not_sum_to_one_name_the_profile(kernel, where, total, profile):
    found = faults(kernel=kernel)
    assert list(found) == [where]
    assert f"sums to {total} over all next signals, not 1 ({profile})" in found[where]


BAD = {
    "negative": ({"initial": [["-1/6", "1/2"], ["1/3", "1/3"]]}, "initial[0][0]", "at least 0"),
    "initial-sum": ({"initial": [[0.5, 0.5], [0.5, 0]]}, "initial", "sums to 1.5, not 1"),
    "values-shape": ({"values": [WORTH, [[[0, 0, 0], [0, 0, 0]]] * 2]}, "values[1]", "is 2x2x3, needed is 2x2x2"),
    "ragged": ({"values": [WORTH, [[[0, 0], [0]], [[0, 0], [0, 0]]]]}, "values[1][0][1]", "has 1 entries"),
    "not-a-number": ({"values": [WORTH, [[["x", 0], [0, 0]]] * 2]}, "values[1][0][0][0]", "is not a number"),
    "nan-in-an-array": ({"values": np.full((2, 2, 2, 2), np.nan)}, "values[0][0][0][0]", "nan"),
    "kernel-shape": ({"kernel": [[JOINT, JOINT]]}, "kernel", "is 1x2x2x2, needed is 2x2x2x2"),
    "no-kernel": ({"kernel": None}, "kernel", "is missing"),
    "discount-zero": ({"discount": 0}, "discount", "above 0"),
    "patient-for-ever": ({"horizon": "infinite"}, "discount", "below 1"),
    "horizon": ({"horizon": 0}, "horizon", "at least one period"),
    "one-name": ({"names": ["a", "a"]}, "names[1]", "repeats"),
    "signal-names": ({"types": [["a", "b"], ["a"]]}, "types[1]", "1 names for 2 signals"),
}


@pytest.mark.parametrize(("changed", "where", "what"), BAD.values(), ids=BAD)
def test_bad_input_is_named_by_its_key_path(changed, where, what):
    assert what in faults(**changed)[where]


def test_every_fault_is_listed_at_once():
    found = faults(discount=2, initial=[[1, 1], [0, 0]], cost="dear")
    assert set(found) == {"discount", "initial", "cost"}


FILES = {
    "one-agent": (GOOD[: GOOD.rindex("[[agents]]")], "agents", "at least two"),
    "sum": (GOOD.replace("[[0.3, 0.2], [0.2, 0.3]]", "[[0.3, 0.2], [0.2, 0.2]]"), "kernel[0][1]", "sums to 0.9"),
    "values": (GOOD.replace("[[0, 0], [0, 0]]]\n\n", "[[0, 0], [0, 0, 1]]]\n\n"), "agents[0].values[1][1]", "has 3"),
    "unknown-key": (GOOD.replace("cost", "costs"), "costs", "did you mean 'cost'"),
    "no-initial": (GOOD.replace("initial =", "# initial ="), "initial", "is missing"),
    "no-names": (
        BY_PERIOD.replace('[["new", "old"], ["only"]]', "[]"),
        "periods[1].types[0]",
        "is not a list of names",
    ),
    "infinite-by-period": (
        BY_PERIOD.replace("horizon = 2", 'horizon = "infinite"\ndiscount = 0.5'),
        "periods[1].kernel",
        "is missing",
    ),
}


@pytest.mark.parametrize(("text", "where", "what"), FILES.values(), ids=FILES)
def test_faults_of_model_files(text, where, what):
    assert what in file_faults(text)[where]


def test_the_schema_asks_for_two_agents():
    assert InterdependentFile.model_json_schema()["properties"]["agents"]["minItems"] == 2
