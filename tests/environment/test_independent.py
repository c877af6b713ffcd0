"""The constructor of `IndependentTypes`: what it keeps, what it refuses, and what it computes."""

import copy
import dataclasses
import pickle
from decimal import Decimal
from fractions import Fraction
from itertools import product
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mechopt as mo

HALF = ["1/2", "1/2"]
ONE = ([[[1, 2]]], [[HALF]])


def faults(*args, **options):
    with pytest.raises(mo.InputError) as error:
        mo.IndependentTypes(*args, **options)
    return {fault.where: str(fault) for fault in error.value.faults}


NOT_NUMBERS = [
    pytest.param(float("nan"), "not a finite number", id="nan"),
    pytest.param(float("inf"), "not a finite number", id="inf"),
    pytest.param(np.float64("-inf"), "not a finite number", id="numpy-inf"),
    pytest.param("nan", "not a finite number", id="nan-as-text"),
    pytest.param("1e400", "exponents go from -60 to 60", id="1e400"),
    pytest.param(10**400, "digits", id="hundreds-of-digits"),
    pytest.param(10**5000, "digits", id="thousands-of-digits"),
    pytest.param(1e300, "digits", id="beyond-the-range-as-float"),
    pytest.param("0." + "9" * 300, "more than 60 digits", id="hundreds-of-decimals"),
    pytest.param("1/0", "divides by zero", id="division-by-zero"),
    pytest.param("2+2", "'2+2' is not a number", id="formula"),
    pytest.param("__import__('os')", "\"__import__('os')\" is not a number", id="code"),
    pytest.param("", "'' is not a number", id="empty-text"),
    pytest.param(None, "None is not a number", id="none"),
    pytest.param(True, "True is not a number", id="truth-value"),
    pytest.param(2j, "2j is not a number", id="complex"),
    pytest.param([2], "[2] is not a number", id="one-list-too-deep"),
]


@pytest.mark.parametrize(("wrong", "what"), NOT_NUMBERS)
def test_what_is_no_number_is_refused_wherever_it_stands(wrong, what):
    found = faults([[[1, wrong]]], [[[wrong, 1]]], cost=[wrong], discount=wrong)
    assert set(found) == {"values[0][0][1]", "probabilities[0][0][0]", "cost[0]", "discount"}
    for text in found.values():
        assert what in text
        assert "write" in text


@pytest.mark.parametrize(
    ("values", "probabilities", "where", "what"),
    [
        pytest.param([1, 2], [1], "probabilities[0][0]", "has 1 entries for 2 values; give one a value", id="too-few"),
        pytest.param([1], HALF, "probabilities[0][0]", "has 2 entries for 1 values", id="too-many"),
        pytest.param([], [], "values[0][0]", "is empty; give at least one type", id="no-types"),
        pytest.param(7, [1], "values[0][0]", "7 is not a list of numbers; write a list", id="number-for-list"),
        pytest.param("12", HALF, "values[0][0]", "'12' is not a list of numbers; write a list", id="text-for-list"),
        pytest.param({1, 2}, HALF, "values[0][0]", "{1, 2} is not a list of numbers; write a list", id="set-for-list"),
        pytest.param([2, 2], HALF, "values[0][0][1]", "2 repeats 2 before it; list each value once", id="duplicate"),
        pytest.param([2, 1], HALF, "values[0][0][1]", "1 is below 2 before it; list each value once", id="decreasing"),
        pytest.param([-1, 1], HALF, "values[0][0][0]", "is -1; values must be at least 0", id="negative-value"),
        pytest.param(
            [1, 2], [0.5, 0.47], "probabilities[0][0]", "sums to 0.97, not 1; write exact fractions", id="sum-0.97"
        ),
        pytest.param([1, 2], ["1/3", "1/3"], "probabilities[0][0]", "sums to 2/3, not 1", id="sum-two-thirds"),
        pytest.param(
            [1, 2], [1.5, -0.5], "probabilities[0][0][1]", "is -0.5; probabilities must be at least 0", id="negative"
        ),
    ],
)
def test_a_faulty_distribution_is_named_once_with_its_mend(values, probabilities, where, what):
    found = faults([[values] * 3], [[probabilities] * 3])
    assert found == {where: found[where]}
    assert found[where].startswith(f"{where}: {what}")


@pytest.mark.parametrize(
    ("values", "probabilities", "where", "what"),
    [
        pytest.param([[[1]], [[1], [2]]], [[[1]], [[1], [1]]], "values[1]", "has 2 periods, buyer 0 has 1", id="rows"),
        pytest.param([[[1]]], [[[1], [1]]], "probabilities[0]", "has 2 periods, values[0] has 1", id="periods"),
        pytest.param([[[1]]], [[[1]], [[1]]], "probabilities", "is for 2 buyers, values for 1", id="buyers"),
        pytest.param([[]], [[]], "horizon", "is 0; there must be at least one period", id="no-periods"),
        pytest.param([], [], "values", "is not a list over buyers of lists over periods", id="no-buyers"),
        pytest.param([1, 2], HALF, "values", "is not a list over buyers of lists over periods", id="flat"),
        pytest.param(None, [[[1]]], "values", "is not a list over buyers of lists over periods", id="none"),
        pytest.param(np.array(5), [[[1]]], "values", "is not a list over buyers", id="array-without-axes"),
    ],
)
def test_a_wrong_shape_names_the_axis(values, probabilities, where, what):
    assert what in faults(values, probabilities)[where]


@pytest.mark.parametrize(
    ("options", "where", "what"),
    [
        pytest.param({"cost": [0, 0]}, "cost", "has 2 entries for 1 periods; give one number", id="cost-too-long"),
        pytest.param({"cost": []}, "cost", "has 0 entries for 1 periods", id="cost-empty"),
        pytest.param({"discount": 0}, "discount", "is 0; it must be above 0 and at most 1", id="discount-0"),
        pytest.param({"discount": 1.5}, "discount", "is 1.5; it must be above 0 and at most 1", id="discount-1.5"),
        pytest.param({"discount": "-1/2"}, "discount", "it must be above 0", id="discount-negative"),
    ],
)
def test_cost_and_discount_out_of_range(options, where, what):
    assert what in faults(*ONE, **options)[where]


@pytest.mark.parametrize(
    ("options", "where"),
    [
        pytest.param({"horizon": 0}, "horizon", id="no-periods"),
        pytest.param({"horizon": -3}, "horizon", id="negative-periods"),
        pytest.param({"horizon": 10**9}, "horizon", id="a-billion-periods"),
        pytest.param({"horizon": 1.5}, "horizon", id="one-and-a-half-periods"),
        pytest.param({"horizon": "3"}, "horizon", id="periods-as-text"),
        pytest.param({"horizon": 1, "agents": 0}, "agents", id="no-buyers"),
        pytest.param({"horizon": 1, "agents": 1.5}, "agents", id="one-and-a-half-buyers"),
    ],
)
def test_iid_refuses_numbers_of_periods_and_buyers(options, where):
    with pytest.raises(mo.InputError) as error:
        mo.IndependentTypes.iid([1, 2], HALF, **options)
    assert [fault.where for fault in error.value.faults] == [where]
    assert f"is {options.get('agents', options['horizon'])!r}" in str(error.value)


def test_all_faults_come_at_once():
    found = faults(
        values=[[[2, 1], [1, 2]], [[1]]],
        probabilities=[[[0.5, 0.47], ["nan", 1]], [[1]]],
        cost="dear",
        discount=3,
    )
    expected = ["values[0][0][1]", "probabilities[0][0]", "probabilities[0][1][0]", "values[1]", "cost"]
    assert list(found) == [*expected, "discount"]


def test_a_wrong_buyer_brings_no_second_fault_about_the_cost():
    assert list(faults(None, None, cost=[1])) == ["values", "probabilities"]


def test_floats_stand_for_the_simplest_fraction():
    env = mo.IndependentTypes.iid([0.1, 2.5], [1 / 3, 2 / 3], horizon=2, cost=1 / 7, discount=0.9)
    assert env.exact.values[0][0] == (Fraction(1, 10), Fraction(5, 2))
    assert env.exact.probabilities[0][1] == (Fraction(1, 3), Fraction(2, 3))
    assert env.exact.cost == (Fraction(1, 7),) * 2
    assert env.exact.discount == Fraction(9, 10)


@pytest.mark.parametrize("container", [list, tuple, np.array], ids=["list", "tuple", "array"])
def test_dirichlet_probabilities_that_sum_to_1_within_rounding_are_accepted(container):
    drawn = np.random.default_rng(5).dirichlet(np.ones(7), size=40)
    accepted = [mo.IndependentTypes.iid(range(7), container(p.tolist()), horizon=1) for p in drawn]
    for p, env in zip(drawn, accepted, strict=True):
        np.testing.assert_array_equal(env.probabilities[0][0], p)
    assert any(env.exact is None for env in accepted)


def test_exact_numbers_must_sum_to_exactly_1():
    almost = "0.50000000000001"  # 1e-14 too much: rounding for floats, a fault for what was written exactly
    assert "not 1" in faults([[[1, 2]]], [[[almost, "1/2"]]])["probabilities[0][0]"]
    assert mo.IndependentTypes([[[1, 2]]], [[[float(almost), 0.5]]]).exact is None


def test_periods_of_an_array_stay_apart():
    values = np.array([[[1, 2], [3, 4], [5, 6], [7, 8]], [[2, 3], [4, 5], [6, 7], [8, 9]]])
    probabilities = np.array([[[0.5, 0.5], [0.25, 0.75], [0.125, 0.875], [1, 0]]] * 2)
    env = mo.IndependentTypes(values, probabilities)
    assert env == mo.IndependentTypes(values.tolist(), probabilities.tolist())
    np.testing.assert_array_equal(env.values, values)
    np.testing.assert_array_equal(env.probabilities, probabilities)


def test_arrays_are_read_only_copies():
    given_values = np.array([[[1.0, 2.0]]])
    env = mo.IndependentTypes(given_values, [[HALF]])
    given_values[...] = 9
    assert env.values[0][0].tolist() == [1, 2]
    for array in (env.values[0][0], env.probabilities[0][0], env.cost, env.present_value):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 5
    with pytest.raises(dataclasses.FrozenInstanceError):
        env.discount = 0.5


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))], ids=["copy", "pickle"])
def test_copies_are_equal_and_read_only(copied):
    env = mo.IndependentTypes.iid([1, 2], ["1/3", "2/3"], horizon=2, cost="1/7")
    again = copied(env)
    assert again == env
    assert again.exact == env.exact
    assert not any(array.flags.writeable for array in (again.values[0][0], again.probabilities[0][1], again.cost))


@pytest.mark.parametrize(
    ("value", "probability", "cost"),
    [
        pytest.param("1/3", "1/3", "1/7", id="simple-fractions"),
        pytest.param("1/1234567", "1234566/1234567", "5/1234567", id="denominators-above-a-million"),
        pytest.param("0.1234567890123456789", "0.1234567890123456789", 1, id="more-decimals-than-a-float-has"),
    ],
)
def test_replace_keeps_exactness(value, probability, cost):
    rest = 1 - Fraction(probability)
    env = mo.IndependentTypes.iid([value, 2], [probability, rest], horizon=2, cost=cost)
    assert dataclasses.replace(env) == env
    changed = dataclasses.replace(env, discount="9/10")
    assert changed.exact == env.exact._replace(discount=Fraction(9, 10))


def test_replace_checks_what_it_is_given():
    env = mo.IndependentTypes(*ONE)
    with pytest.raises(mo.InputError, match="discount: is 2"):
        dataclasses.replace(env, discount=2)
    with pytest.raises(mo.InputError, match="cost: has 2 entries for 1 periods"):
        dataclasses.replace(env, cost=[1, 2])


def test_equal_instances_written_differently_are_equal():
    written = [
        mo.IndependentTypes.iid([1, 2], [0.25, 0.75], horizon=2, cost="1/2"),
        mo.IndependentTypes.iid(["1", "4/2"], ["1/4", Decimal("0.75")], horizon=2, cost=[0.5, "2/4"], discount=1.0),
        mo.IndependentTypes(np.array([[[1, 2], [1, 2]]]), [[(Fraction(1, 4), "0.75")] * 2], cost=np.full(2, 0.5)),
        mo.loads(
            'kind = "independent"\nhorizon = 2\ncost = [0.5, "1/2"]\n'
            '[[buyers]]\nvalues = [1.0, "2"]\nprobabilities = ["25/100", 0.75]\n'
        ),
    ]
    assert len({env.fingerprint for env in written}) == 1
    assert len(set(written)) == 1
    assert all(env == written[0] for env in written)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(mo.IndependentTypes([[[1, 3]]], [[HALF]]), id="value"),
        pytest.param(mo.IndependentTypes([[[1, 2]]], [[["1/4", "3/4"]]]), id="probability"),
        pytest.param(mo.IndependentTypes(*ONE, cost=1), id="cost"),
        pytest.param(mo.IndependentTypes(*ONE, discount="1/2"), id="discount"),
        pytest.param(mo.IndependentTypes.iid([1, 2], HALF, horizon=2), id="one-period-more"),
        pytest.param(mo.IndependentTypes.iid([1, 2], HALF, horizon=1, agents=2), id="one-buyer-more"),
        pytest.param(mo.IndependentTypes([[[1, 2, 3]]], [[["1/2", "1/2", 0]]]), id="one-type-of-probability-zero-more"),
        pytest.param("an instance", id="something-else"),
    ],
)
def test_different_instances_are_not_equal(other):
    assert mo.IndependentTypes(*ONE) != other


@st.composite
def exact_instances(draw):
    """Values, probabilities (zeros among them), cost and discount as fractions; the last two by period."""
    buyers, periods = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    fractions = st.fractions(0, 4, max_denominator=6)
    values, probabilities = [], []
    for _ in range(buyers):
        row = [sorted(draw(st.sets(fractions, min_size=1, max_size=3))) for _ in range(periods)]
        weights = [draw(st.lists(st.integers(0, 4), min_size=len(v), max_size=len(v)).filter(any)) for v in row]
        values.append(row)
        probabilities.append([[Fraction(k, sum(w)) for k in w] for w in weights])
    cost = [draw(fractions) for _ in range(periods)]
    return values, probabilities, cost, draw(st.fractions("1/10", 1, max_denominator=10))


@given(exact_instances())
@settings(max_examples=60, deadline=None)
def test_first_best_is_the_expected_best_sale_over_profiles(instance):
    values, probabilities, cost, discount = instance
    env = mo.IndependentTypes(values, probabilities, cost, discount)
    expected = Fraction(0)
    for t, c in enumerate(cost):
        for profile in product(*(range(len(row[t])) for row in values)):
            distribution = prod(probabilities[i][t][k] for i, k in enumerate(profile))
            best = max(values[i][t][k] for i, k in enumerate(profile))
            expected += discount**t * distribution * max(best - c, 0)
    assert env.first_best == pytest.approx(float(expected), rel=1e-12, abs=1e-14)
    assert env.exact == (
        tuple(tuple(map(tuple, row)) for row in values),
        tuple(tuple(map(tuple, row)) for row in probabilities),
        tuple(cost),
        discount,
        *(None,) * 4,
    )


def test_first_best_by_hand():
    # Two buyers worth 1 or 2 evenly: the better one is worth 2 with probability 3/4. Less the cost 1/2: 3/2 - 1/4 = 5/4
    # in period 0; at cost 3/2 only the 2 is sold: 3/8, discounted by 1/2.
    env = mo.IndependentTypes.iid([1, 2], HALF, horizon=2, agents=2, cost=["1/2", "3/2"], discount="1/2")
    assert env.first_best == pytest.approx(5 / 4 + 3 / 16, abs=1e-14)


def test_smallest_instance():
    env = mo.IndependentTypes([[[3]]], [[[1]]])
    assert (env.agents, env.horizon, env.shape, env.first_best) == (1, 1, ((1,),), 3)
    assert repr(env) == "IndependentTypes(1 buyer, 1 period, 1 type, first best 3)"


def test_more_buyers_than_an_array_has_axes_are_refused():
    env = mo.IndependentTypes.iid([1], [1], horizon=1, agents=70)
    assert env.first_best == 1
    with pytest.raises(mo.errors.LimitError, match="70 buyers"):
        mo.optimum(env)
