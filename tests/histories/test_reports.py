"""Histories as numbers: mixed radix, the first period slowest and, within a period, buyer 0 slowest."""

from itertools import product
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mechopt as mo


@st.composite
def environments(draw):
    """One to three buyers, one to three periods, one to three types, all different in number and law."""
    buyers, periods = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    values, probabilities = [], []
    for _ in range(buyers):
        weights = [draw(st.lists(st.integers(1, 5), min_size=1, max_size=3)) for _ in range(periods)]
        values.append([list(range(len(w))) for w in weights])
        probabilities.append([[f"{k}/{sum(w)}" for k in w] for w in weights])
    return mo.IndependentTypes(values, probabilities)


UNEQUAL = mo.IndependentTypes(
    values=[[[1, 2], [1, 2, 3]], [[5], [5, 6]]],
    probabilities=[[["1/4", "3/4"], ["1/2", "1/3", "1/6"]], [[1], ["1/5", "4/5"]]],
)


@given(environments())
@settings(max_examples=40, deadline=None)
def test_histories_are_numbered_in_lexicographic_order(env):
    tree = mo.formats.HistoryTree(env)
    for t in range(env.horizon + 1):
        profiles = [list(product(*map(range, types))) for types in env.shape[:t]]
        listed = list(product(*profiles))
        assert tree.count[t] == len(listed)
        assert [tree.history(t, node) for node in range(tree.count[t])] == listed
        assert [tree.node(history) for history in listed] == list(range(tree.count[t]))


@given(environments())
@settings(max_examples=40, deadline=None)
def test_reach_is_the_product_of_the_probabilities_on_the_path(env):
    tree = mo.formats.HistoryTree(env)
    for t in range(env.horizon + 1):
        expected = [
            prod(env.probabilities[i][s][k] for s, reports in enumerate(history) for i, k in enumerate(reports))
            for history in (tree.history(t, node) for node in range(tree.count[t]))
        ]
        np.testing.assert_allclose(tree.reach[t], expected, rtol=1e-14)
        assert tree.reach[t].sum() == pytest.approx(1, abs=1e-14)


def test_counts_and_shapes_of_two_unequal_buyers():
    tree = mo.formats.HistoryTree(UNEQUAL)
    assert tree.shape == ((2, 1), (3, 2))
    assert tree.count == (1, 2, 12)  # 2 * 1 profiles, then 3 * 2 after each
    assert tree.children(0) == (1, 2, 1)
    assert tree.children(1) == (2, 3, 2)


def test_children_of_a_history_lie_next_to_each_other():
    tree = mo.formats.HistoryTree(UNEQUAL)
    numbers = np.arange(tree.count[2]).reshape(tree.children(1))
    for node, first, second in product(range(2), range(3), range(2)):
        assert tree.node((*tree.history(1, node), (first, second))) == numbers[node, first, second]


def test_reach_by_hand():
    # buyer 0: 1/4 or 3/4, then 1/2, 1/3, 1/6; buyer 1: one type, then 1/5 or 4/5
    tree = mo.formats.HistoryTree(UNEQUAL)
    np.testing.assert_allclose(tree.reach[1], [1 / 4, 3 / 4])
    np.testing.assert_allclose(tree.reach[2][:4], [1 / 40, 4 / 40, 1 / 60, 4 / 60])
    np.testing.assert_allclose(tree.reach[2][-1], 3 / 4 * 1 / 6 * 4 / 5)


def test_types_of_probability_zero_have_histories_of_reach_zero():
    tree = mo.formats.HistoryTree(mo.IndependentTypes.iid([1, 2, 3], [0, 1, 0], horizon=2))
    assert tree.count == (1, 3, 9)
    assert tree.reach[2].tolist() == [0, 0, 0, 0, 1, 0, 0, 0, 0]


def test_counts_are_exact_far_beyond_memory():
    tree = mo.formats.HistoryTree(mo.IndependentTypes.iid([1, 2, 3], ["1/3"] * 3, horizon=60))
    assert tree.count[60] == 3**60
    last = tuple((2,) for _ in range(60))
    assert tree.node(last) == 3**60 - 1
    assert tree.history(60, 3**60 - 1) == last


def test_the_empty_history_is_number_zero():
    tree = mo.formats.HistoryTree(UNEQUAL)
    assert tree.history(0, 0) == ()
    assert tree.node(()) == 0
    assert tree.reach[0].tolist() == [1]


def test_arrays_are_read_only():
    tree = mo.formats.HistoryTree(UNEQUAL)
    for array in (*tree.reach[1:], *tree.distribution):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


@pytest.mark.parametrize(
    ("t", "node"),
    [
        pytest.param(1, 2, id="beyond-the-last"),
        pytest.param(1, -1, id="negative-number"),
        pytest.param(3, 0, id="longer-than-the-horizon"),
        pytest.param(-1, 0, id="negative-length"),
    ],
)
def test_no_such_history(t, node):
    with pytest.raises(IndexError):
        mo.formats.HistoryTree(UNEQUAL).history(t, node)


@pytest.mark.parametrize(
    "history",
    [
        pytest.param(((2, 0),), id="report-beyond-the-types"),
        pytest.param(((-1, 0),), id="negative-report"),
        pytest.param(((0,),), id="too-few-reports"),
        pytest.param(((0, 0, 0),), id="too-many-reports"),
        pytest.param(((0, 0), (0, 0), (0, 0)), id="longer-than-the-horizon"),
    ],
)
def test_no_such_reports(history):
    with pytest.raises(ValueError):
        mo.formats.HistoryTree(UNEQUAL).node(history)
