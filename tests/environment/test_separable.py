"""Separable environments from Python: what they mean, what they unfold to, and every fault at its key path."""

import copy
import dataclasses
import pickle
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from mechopt.closedform.pivot.efficient import efficient
from mechopt.core.errors import InputError, LimitError
from mechopt.environment.separable import SeparableTypes

STAY = [["3/4", "1/4"], ["1/4", "3/4"]]
HALF = ["1/2", "1/2"]


def arguments(**changed):
    """Agent 0 multiplicative with 2 types and 2 signals, agent 1 additive with 3 and 1."""
    given = {
        "initial_values": [[1, 2], [0, "1/3", 1]],
        "initial_probabilities": [[0.5, 0.5], ["1/3", "1/3", "1/3"]],
        "base": [[[0, 0], [1, 3]], [[0], [-1]]],
        "signal_initial": [["1/4", "3/4"], [1]],
        "signal_kernel": [[STAY, [[1, 0], [0, 1]]], [[1]]],
        "form": ["multiplicative", "additive"],
        "rate": [None, [0, 2]],
        "cost": [0, 0.5],
        "horizon": 2,
        "discount": "9/10",
    }
    return given | changed


def general(**changed):
    given = {
        "initial_values": [[0, 1]],
        "initial_probabilities": [HALF],
        "signal_initial": [[["3/4", "1/4"], ["1/4", "3/4"]]],
        "form": "general",
        "general": [[[[0, 0], [0, 0]], [[1, 2], [3, 5]]]],
        "horizon": 1,
    }
    return SeparableTypes(**(given | changed))


def test_layout_and_values_of_each_form():
    env = SeparableTypes(**arguments())
    assert (env.agents, env.horizon, env.infinite, env.initial_shape, env.signal_shape) == (2, 2, False, (2, 3), (2, 1))
    assert (env.form, env.names, env.actions) == (("multiplicative", "additive"), ("0", "1"), ("0", "1"))
    # multiplicative: A B with A = s0; additive: A C + B = 2 s0 - 1 under action 1
    np.testing.assert_array_equal(env.value_tables[0], [[[0, 0], [0, 0]], [[1, 3], [2, 6]]])
    np.testing.assert_allclose(env.value_tables[1][1], [[-1], [-1 / 3], [1]], rtol=1e-15)
    assert env.exact_value_tables[1][1][1] == (Fraction(-1, 3),)
    assert env.rate[0] is None
    assert env.level[1].tolist() == [0, 1 / 3, 1]
    np.testing.assert_allclose(env.initial_distribution, np.full((2, 3), 1 / 6), rtol=1e-15)
    assert repr(env) == "SeparableTypes(2 agents, 2 actions, 6 initial profiles, 2 signal profiles, 2 periods)"


def test_flags_of_the_theorem():
    env = SeparableTypes(**arguments())
    assert (env.separable, env.correlated, env.controlled) == (True, False, True)
    still = SeparableTypes(**arguments(signal_kernel=[STAY, [[1]]]))
    assert not still.controlled
    assert (general().separable, general().correlated, general().controlled) == (False, True, False)
    same = general(signal_initial=[[HALF, HALF]])
    assert (same.separable, same.correlated, same.signal_initial[0].shape) == (False, False, (2,))


def test_when_exclusion_matters():
    def build(base, cost=0, agents=1, **changed):
        parts = [[[1, 2]] * agents, [HALF] * agents, base, [[1]] * agents]
        return SeparableTypes(*parts, **({"cost": cost, "horizon": 1} | changed)).exclusion_matters

    assert not build([[[0], [1]]])
    assert build([[[1], [1]]])  # nothing to do but serve her
    assert build([[[0], [1]]], cost=[1, 0])  # idling costs more
    assert not build([[[0], [1], [0]], [[0], [0], [1]]], agents=2)
    assert build([[[0], [1], [1]], [[0], [0], [1]]], agents=2)  # one action serves both
    assert build([[[1], [0]], [[0], [1]]], agents=2)  # somebody is always served
    moved = {"horizon": 2, "signal_initial": [HALF] * 2, "signal_kernel": [[STAY, [[1, 0], [0, 1]], STAY]] * 2}
    base = [[[0, 0], [1, 1], [0, 0]], [[0, 0], [0, 0], [1, 1]]]
    assert SeparableTypes([[1, 2]] * 2, [HALF] * 2, base, **moved).exclusion_matters


def test_arrays_are_read_only_and_environments_frozen():
    env = SeparableTypes(**arguments())
    for array in (
        env.level[0],
        env.base[1],
        env.signal_kernel[0],
        env.signal_initial[1],
        env.cost,
        env.value_tables[0],
    ):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        env.discount = 0.5


@pytest.mark.parametrize(
    "env", [pytest.param(SeparableTypes(**arguments()), id="forms"), pytest.param(general(), id="general")]
)
def test_copies_and_replacements_keep_exact_numbers(env):
    for same in (copy.deepcopy(env), pickle.loads(pickle.dumps(env)), dataclasses.replace(env)):
        assert same == env
        assert same.exact == env.exact
        assert hash(same) == hash(env)
    longer = dataclasses.replace(env, horizon="infinite", discount="1/2", signal_kernel=env.signal_kernel)
    assert longer.infinite
    assert longer != env
    assert longer.exact.initial_probabilities == env.exact.initial_probabilities


def test_floats_that_sum_to_one_within_rounding_are_taken_without_exact_numbers():
    distribution = np.random.default_rng(0).dirichlet(np.ones(3), size=3)
    env = SeparableTypes(
        [[1, 2, 3]], [distribution[0]], [np.ones((2, 3))], [distribution[1]], [distribution], horizon=2
    )
    assert env.exact is None
    assert pickle.loads(pickle.dumps(env)) == env
    unfolded = env.to_markov(exclusion=False)
    np.testing.assert_array_equal(unfolded.kernel[0][0][0, 1], [0, 0, 0, *distribution[1], 0, 0, 0])


def test_unfolding_keeps_distributions_values_and_present_values():
    env = SeparableTypes(**arguments())
    unfolded = env.to_markov(exclusion=False)
    assert (unfolded.horizon, unfolded.discount, unfolded.action_counts) == (3, 0.9, (1, 2, 2))
    assert unfolded.shape == ((2, 3), (4, 3), (4, 3))
    assert unfolded.types[0][:2] == (("1", "2"), ("1:0", "1:1", "2:0", "2:1"))
    assert unfolded.exact.cost == ((0,), (0, Fraction(1, 2)), (0, Fraction(1, 2)))
    assert unfolded.values[0][0].tolist() == [[0, 0]]
    for t, i in product((1, 2), (0, 1)):
        np.testing.assert_array_equal(unfolded.values[i][t], env.value_tables[i].reshape(2, -1))
    # agent 0, type 2: signals 0 and 1 at 1/4 and 3/4, then the kernel of the action within her own block
    np.testing.assert_array_equal(unfolded.kernel[0][0][0, 1], [0, 0, 0.25, 0.75])
    np.testing.assert_array_equal(unfolded.kernel[0][1][0, 3], [0, 0, 0.25, 0.75])
    np.testing.assert_array_equal(unfolded.kernel[0][1][1, 3], [0, 0, 0, 1])


def test_unfolding_with_correlated_signals():
    unfolded = general().to_markov(exclusion=False)
    assert unfolded.kernel[0][0][0].tolist() == [[0.75, 0.25, 0, 0], [0, 0, 0.25, 0.75]]


def test_unfolding_with_exclusion():
    env = SeparableTypes(**arguments(names=["A", "B"]))
    unfolded = env.to_markov(exclusion=True)
    assert unfolded.action_names(0) == ("include nobody", "include A", "include B", "include A+B")
    assert unfolded.shape == ((2, 3), (5, 4), (5, 4))
    np.testing.assert_array_equal(unfolded.values[0][1][:, -1], [0, 0])
    # A is out in sets 0 and 2
    assert unfolded.kernel[0][0][:, 0, -1].tolist() == [1, 0, 1, 0]
    assert unfolded.kernel[0][1][:, -1, -1].tolist() == [1, 1]
    np.testing.assert_array_equal(unfolded.kernel[0][0][1, 1], [0, 0, 0.25, 0.75, 0])
    # B is worth -1, -1/3 or 1 to serve, so that welfare gains where she may be left out
    assert efficient(unfolded).expected_welfare > efficient(env.to_markov(exclusion=False)).expected_welfare + 0.01


def test_unfolding_without_choice_is_worth_the_sum_of_the_periods():
    # one action: welfare is the discounted sum of E[A] E[B_t], by hand: E[A] = 3/2, E[B] = 1/4 + 9/4 = 5/2 at t = 1,
    # and P(high) moves from 3/4 to 3/4 * 3/4 + 1/4 * 1/4 = 5/8, E[B] = 3/8 + 15/8 = 9/4 at t = 2
    env = SeparableTypes([[1, 2]], [HALF], [[[1, 3]]], [["1/4", "3/4"]], [STAY], horizon=2, discount="1/2")
    assert efficient(env.to_markov(exclusion=False)).expected_welfare == pytest.approx(
        1.5 * (2.5 / 2 + 2.25 / 4), rel=1e-14
    )


def test_what_does_not_unfold():
    with pytest.raises(InputError, match="horizon: is infinite"):
        SeparableTypes(**arguments(horizon="infinite")).to_markov(exclusion=False)
    many = SeparableTypes([[1]] * 11, [[1]] * 11, [[[1]]] * 11, [[1]] * 11, horizon=1)
    with pytest.raises(LimitError, match="at most 10 with exclusion"):
        many.to_markov(exclusion=True)


def faults(build):
    with pytest.raises(InputError) as error:
        build()
    return {fault.where: str(fault) for fault in error.value.faults}


FAULTS = {
    "grid-falls": ({"initial_values": [[2, 1], [0, 1, 2]]}, "initial_values[0][1]", "1 is not above 2 before it"),
    "grid-nan": ({"initial_values": [[np.nan, 1], [0, 1, 2]]}, "initial_values[0][0]", "nan is not a finite number"),
    "law-sum": ({"initial_probabilities": [[0.5, 0.4], [1, 0, 0]]}, "initial_probabilities[0]", "sums to 0.9, not 1"),
    "law-length": (
        {"initial_probabilities": [[1], [1, 0, 0]]},
        "initial_probabilities[0]",
        "has 1 entries for 2 types",
    ),
    "level-length": ({"level": [[1], None]}, "level[0]", "has 1 entries for 2 types"),
    "base-actions": ({"base": [[[0, 0]], [[0], [-1]]], "actions": ["a", "b"]}, "base[0]", "has 1 entries for 2 act"),
    "base-signals": ({"base": [[[0, 0], [1]], [[0], [-1]]]}, "base[0][1]", "has 1 entries for 2 signals"),
    "base-missing": ({"base": [None, [[0], [-1]]], "actions": ["a", "b"]}, "base[0]", "is missing; give base"),
    "base-text": ({"base": [[[0, 0], [1, "x"]], [[0], [-1]]]}, "base[0][1][1]", "'x' is not a number"),
    "rate-missing": ({"rate": None}, "rate[1]", "is missing; give rate[action]"),
    "rate-length": ({"rate": [None, [1]]}, "rate[1]", "has 1 entries for 2 actions"),
    "rate-of-another-form": ({"rate": [[0, 1], [0, 2]]}, "rate[0]", "is not part of the form; the multiplicative form"),
    "values-of-another-form": ({"general": [[[[1]]], None]}, "general[0]", "is not part of the form"),
    "form-unknown": ({"form": ["multiplicatif", "additive"]}, "form[0]", "did you mean 'multiplicative'?"),
    "form-of-all-unknown": ({"form": "sum"}, "form", "'sum' is not a form; known:"),
    "form-number": ({"form": [1, "additive"]}, "form[0]", "1 is not a form"),
    "form-count": ({"form": ["additive"]}, "form", "is not a list of 2 entries; give one an agent"),
    "first-sum": ({"signal_initial": [[0.5, 0.4], [1]]}, "signal_initial[0]", "sums to 0.9, not 1"),
    "first-by-type-count": ({"signal_initial": [[HALF], [1]]}, "signal_initial[0]", "has 1 entries for 2 types"),
    "first-by-type-sum": ({"signal_initial": [[HALF, [1, 1]], [1]]}, "signal_initial[0][1]", "sums to 2, not 1"),
    "first-ragged": ({"signal_initial": [[HALF, [1]], [1]]}, "signal_initial[0][1]", "has 1 entries for 2 signals"),
    "first-missing": ({"signal_initial": None}, "signal_initial", "None is not a list over agents"),
    "kernel-sum": ({"signal_kernel": [[[1, 0], [1, 1]], [[1]]]}, "signal_kernel[0][1]", "sums to 2, not 1"),
    "kernel-by-action-sum": (
        {"signal_kernel": [[STAY, [[1, 0], [0, 0.9]]], [[1]]]},
        "signal_kernel[0][1][1]",
        "sums to 0.9, not 1",
    ),
    "kernel-rows": ({"signal_kernel": [[[1, 0]], [[1]]]}, "signal_kernel[0]", "has 1 rows for 2 signals"),
    "kernel-columns": ({"signal_kernel": [[[1], [1]], [[1]]]}, "signal_kernel[0][0]", "has 1 entries for 2 signals"),
    "kernel-actions": ({"signal_kernel": [[STAY] * 3, [[1]]]}, "signal_kernel[0]", "has 3 kernels for 2 actions"),
    "kernel-missing": ({"signal_kernel": None}, "signal_kernel[0]", "is missing; give the distribution of"),
    "signals-repeated": ({"signals": [["a", "a"], None]}, "signals[0][1]", "repeats 'a'"),
    "signals-count": ({"signals": [["a"], None]}, "signal_initial[0]", "has 2 entries for 1 signals"),
    "names-repeated": ({"names": ["x", "x"]}, "agents", "have the name 'x' twice"),
    "cost-length": ({"cost": [0]}, "cost", "has 1 entries for 2 actions"),
    "cost-by-period": ({"cost": [[0, 1], [0, 1]]}, "cost", "is a list of lists"),
    "horizon-0": ({"horizon": 0}, "horizon", "is 0; there must be at least one period"),
    "horizon-text": ({"horizon": "endless"}, "horizon", "is 'endless'"),
    "infinite-discount-1": ({"horizon": "infinite", "discount": 1}, "discount", "is 1 with an infinite horizon"),
    "discount-nan": ({"discount": np.nan}, "discount", "nan is not a finite number"),
    "actions-repeated": ({"actions": ["a", "a"]}, "actions[1]", "repeats 'a'"),
    "nobody": ({"initial_values": []}, "initial_values", "[] is not a list over agents"),
    "number-for-agents": ({"initial_values": 5}, "initial_values", "5 is not a list over agents"),
    "too-few-agents": ({"base": [[[0, 0], [1, 3]]]}, "base", "is not a list of 2 entries"),
    "too-much": ({"horizon": 10_001}, "horizon", "is 10001; at most 10000 periods"),
}


@pytest.mark.parametrize(("changed", "where", "words"), [pytest.param(*c, id=n) for n, c in FAULTS.items()])
def test_faults(changed, where, words):
    found = faults(lambda: SeparableTypes(**arguments(**changed)))
    assert where in found
    assert words in found[where]


GENERAL_FAULTS = {
    "values-missing": (
        {"general": None},
        "general[0]",
        "is missing; give what an action is worth, [action][initial][signal]",
    ),
    "values-types": ({"general": [[[[0, 0]], [[1, 2]]]]}, "general[0][0]", "has 1 entries for 2 types"),
    "values-signals": ({"general": [[[[0], [0]]]]}, "general[0][0][0]", "has 1 entries for 2 signals"),
    "level": ({"level": [[1, 2]]}, "level[0]", "is not part of the form; the general form takes general"),
}


@pytest.mark.parametrize(("changed", "where", "words"), [pytest.param(*c, id=n) for n, c in GENERAL_FAULTS.items()])
def test_faults_of_the_general_form(changed, where, words):
    found = faults(lambda: general(**changed))
    assert words in found[where]


def test_all_faults_at_once():
    found = faults(
        lambda: SeparableTypes(
            **arguments(
                level=[[1, "x"], None],
                signal_initial=[[0.5, 0.4], [1]],
                rate=[None, [0]],
                cost="dear",
                discount=2,
            )
        )
    )
    assert set(found) == {"level[0][1]", "signal_initial[0]", "rate[1]", "cost", "discount"}
