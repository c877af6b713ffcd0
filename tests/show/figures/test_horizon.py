"""Brackets against the horizon: the bounds as they are, and how wide each bracket is."""

import numpy as np
import pytest
from matplotlib.figure import Figure

import mechopt as mo
from mechopt.show.figures.horizon import bracket_curve


def bound(lower, upper):
    return mo.results.Bound(lower, upper, "by hand")


def lines(axes):
    return {line.get_label(): line.get_xydata() for line in axes.lines}


def test_bounds_are_drawn_in_the_order_of_their_horizons():
    axes = Figure().subplots()
    assert bracket_curve([(3, bound(3, 4)), (1, bound(1, 1)), (2, bound(2, 2.000002))], axes) is axes
    assert lines(axes)["lower bound"].tolist() == [[1, 1], [2, 2], [3, 3]]
    assert lines(axes)["upper bound"].tolist() == [[1, 1], [2, 2.000002], [3, 4]]
    assert [text.get_text() for text in axes.texts] == ["closed", "1e-06", "25%"]


def test_bounds_per_period_are_divided_by_the_horizon():
    axes = bracket_curve([(2, bound(2, 3)), (4, bound(8, 10))], per_period=True)
    assert lines(axes)["upper bound"].tolist() == [[2, 1.5], [4, 2.5]]
    assert axes.get_ylabel() == "revenue / number of periods"


def test_far_horizons_are_on_a_logarithmic_axis():
    assert bracket_curve([(2, bound(1, 1)), (200, bound(1, 1))]).get_xscale() == "log"
    assert bracket_curve([(2, bound(1, 1)), (8, bound(1, 1))]).get_xscale() == "linear"


def test_of_many_brackets_the_widest_is_labelled():
    axes = bracket_curve([(t, bound(10, 10 + t / 100)) for t in range(1, 31)])
    assert [(text.get_text(), text.xy[0]) for text in axes.texts] == [("3%", 30)]


@pytest.mark.parametrize(
    "pairs",
    [[], [(1, bound(1, 1)), (1, bound(1, 2))], [(2, bound(0, np.inf))], [(0, bound(0, 1))]],
    ids=["none", "one horizon twice", "an infinite bound", "no period"],
)
def test_what_cannot_be_drawn_is_refused(pairs):
    with pytest.raises(mo.InputError, match="give at least one, each horizon"):
        bracket_curve(pairs)
