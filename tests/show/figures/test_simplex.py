"""Columns in the triangle: at their places, with their distances, and arrows that point away from the others."""

import numpy as np
import pytest
from matplotlib.figure import Figure

import mechopt as mo
from mechopt.closedform.contingent.spanning import convex_independence
from mechopt.show.figures.simplex import CORNERS, column_simplex

MIDDLE = np.full(3, 1 / 3)


def pair(columns):
    """Agent 0's signal k makes agent 1's next signal follow column k; agent 1 has three signals."""
    count = len(columns)
    kernel = np.zeros((count, 3, count, 3))
    kernel[...] = np.asarray(columns)[:, None, None, :] / count
    worth = np.zeros((2, 1, count, 3))
    return mo.InterdependentTypes(worth, kernel, np.full((count, 3), 1 / (3 * count)), discount=0.5)


def marks(axes):
    """Marks in the triangle; those of the legend have no data."""
    return np.array([line.get_xydata()[0] for line in axes.lines if len(line.get_xdata()) == 1])


def numbers(axes):
    return sorted(text.get_text() for text in axes.texts if text.get_text()[:1].isdigit())


def test_corners_of_a_triangle_are_as_far_as_its_heights():
    # columns halfway from the middle to the corners: an equilateral triangle with sides sqrt(2)/2, heights sqrt(3/8)
    axes = Figure().subplots()
    columns = (np.eye(3) + MIDDLE) / 2
    assert column_simplex(convex_independence(pair(columns)), axes) is axes
    assert marks(axes) == pytest.approx(columns @ CORNERS)
    assert numbers(axes) == ["0.612"] * 3
    arrows = [text for text in axes.texts if text.arrow_patch is not None]
    for arrow, corner in zip(arrows, CORNERS, strict=True):
        away, out = np.subtract(arrow.xy, CORNERS.mean(axis=0)), corner - CORNERS.mean(axis=0)
        assert away @ out == pytest.approx(np.linalg.norm(away) * np.linalg.norm(out))  # towards its own corner


def test_every_arrow_is_within_the_picture():
    # annotations whose point lies outside the limits are not drawn; columns at the rim of the triangle come near
    axes = column_simplex(convex_independence(pair([[0.98, 0.01, 0.01], [0.01, 0.98, 0.01], [0.01, 0.01, 0.98]])))
    low, high = np.transpose([axes.get_xlim(), axes.get_ylim()])
    ends = np.array([text.xy for text in axes.texts])
    assert len(ends) == 9 and (ends > low).all() and (ends < high).all()


def test_the_way_to_the_hull_is_as_long_as_the_distance():
    columns = [[0.7, 0.2, 0.1], [0.2, 0.6, 0.2], [0.1, 0.1, 0.8], [0.3, 0.4, 0.3]]
    found = convex_independence(pair(columns))
    axes = column_simplex(found)
    ways = [line.get_xydata() for line in axes.lines if line.get_linestyle() == ":"]
    lengths = [np.sqrt(2) * np.linalg.norm(way[1] - way[0]) for way in ways]
    assert lengths == pytest.approx(found.distances[0][0][0, 0, :3].tolist())


def test_a_column_in_the_hull_is_crossed():
    axes = column_simplex(convex_independence(pair([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.45, 0.45, 0.1]])))
    crosses = [line.get_xydata()[0] for line in axes.lines if line.get_marker() == "x"]
    assert crosses == [pytest.approx([0.45, 0.45, 0.1] @ CORNERS)]
    assert numbers(axes)[0] == "0"


def test_signals_and_outcomes_are_named():
    env = mo.load("liu-2025/square-columns")
    axes = column_simplex(convex_independence(env))
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(env.types[0][0])
    outcomes = [text.get_text() for text in axes.texts if text.get_text().startswith("next: ")]
    assert outcomes == [f"next: {name}" for name in env.types[1][0]]


def test_a_single_signal_has_nothing_to_be_apart_from():
    axes = column_simplex(convex_independence(pair([[0.5, 0.25, 0.25]])))
    assert marks(axes) == pytest.approx(np.array([[0.5, 0.25, 0.25] @ CORNERS])) and not numbers(axes)


def test_another_number_of_outcomes_is_refused():
    with pytest.raises(mo.InputError, match=r"has 2 outcomes.*a triangle is for 3"):
        column_simplex(convex_independence(pair([MIDDLE] * 2)), agent=1)


def test_indices_that_do_not_exist_are_refused_together():
    with pytest.raises(mo.InputError) as caught:
        column_simplex(convex_independence(pair([MIDDLE] * 2)), action=1, others=(3,))
    assert "action: is 1; write 0 to 0" in str(caught.value) and "others: is (3,)" in str(caught.value)
    with pytest.raises(mo.InputError, match="period: is 1"):
        column_simplex(convex_independence(pair([MIDDLE] * 2)), period=1)
