"""The picture of a fit shows the distribution, the types and the intervals."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from mechopt.show.figures.fit import fitted_distribution
from mechopt.study.fit.panel import fit_panel
from mechopt.study.fit.values import fit_values

VALUES = [3, 1, 2, 2, 5, 4]


def test_steps_and_bars_are_those_of_the_fit():
    axes = Figure().subplots()
    fit = fit_values(VALUES, types=3)
    assert fitted_distribution(fit, axes) is axes
    distribution, types = axes.lines
    assert distribution.get_ydata()[1:-1].tolist() == pytest.approx([1 / 6, 1 / 2, 2 / 3, 5 / 6, 1])
    assert types.get_xdata()[1:-1].tolist() == [2, 3, 4]
    assert types.get_ydata()[1:-1].tolist() == pytest.approx([1 / 2, 2 / 3, 1])
    (bars,) = axes.collections
    drawn = [path.vertices for path in bars.get_paths()]
    assert [bar[0, 0] for bar in drawn] == [2, 3]
    assert np.array([bar[:, 1] for bar in drawn]) == pytest.approx(fit.interval.cumulative[:-1])
    assert [text.get_text() for text in axes.get_legend().get_texts()][1:] == ["3 types", "95% interval"]


def test_a_panel_shows_all_its_values_without_intervals():
    fit = fit_panel(VALUES, bidder=["a", "a", "a", "b", "b", "b"], period=[0, 1, 2] * 2, types=3)
    axes = fit.plot()
    assert axes.lines[1].get_ydata()[1:-1].tolist() == pytest.approx([1 / 2, 2 / 3, 1])
    assert not axes.collections
