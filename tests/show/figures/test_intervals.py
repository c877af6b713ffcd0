"""Bars of payment intervals: their ends are those of the result."""

import pytest

import mechopt as mo
from mechopt.show.figures.intervals import shrinking_intervals


def environment(step):
    grid = [k * step for k in range(1, int(3 / step) + 1)]
    size = len(grid) + 1
    gone = [[1] + [0] * len(grid)] * size
    return mo.MarkovTypes(
        [[[0] * size, [0, *grid], [0] * size], [[0], [0], ["3/2"]]], [gone, [[1]]], [[1 / size] * size, [1]],
        discount="1/2",
    )  # fmt: skip


def test_bars_end_where_payments_do():
    steps = (1, 0.5)
    found = [mo.mechanisms.payment_intervals(environment(step), 0) for step in steps]
    axes = shrinking_intervals(steps, found, [(-1, 0)] * 2, price=1.5)
    bars = [segment[:, 1].tolist() for segment in axes.collections[0].get_segments()]
    assert bars == [pytest.approx([part.lower[-1, 0], part.upper[-1, 0]]) for part in found]
    assert bars[0] == pytest.approx([1, 2])
    assert axes.lines[0].get_ydata()[0] == 1.5
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "0.5"]
    assert shrinking_intervals(steps, found, [(-1, 0)] * 2, axes=axes) is axes


def test_unbounded_payments_are_counted():
    found = mo.mechanisms.payment_intervals(environment(1), 0, exit=False)
    axes = shrinking_intervals([1], [found], [(-1, 0)])
    assert axes.collections[0].get_label() == "payments; 1 without bounds"
    with pytest.raises(mo.InputError, match="give one of each a grid"):
        shrinking_intervals([1, 2], [found], [(-1, 0)])
