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
from tests.environment.markov_files import ACTIONS_BY_PERIOD, BY_PERIOD, GOOD, STAY, arguments


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
