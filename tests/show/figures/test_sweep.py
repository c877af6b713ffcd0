"""Pictures of sweeps: what is drawn is what the table says, and the worst case is marked."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

import mechopt as mo
from mechopt.show.figures import sweep as figures_sweep
from mechopt.show.figures.comparison import MARK
from mechopt.show.figures.sweep import sweep_heatmap, sweep_scatter
from mechopt.study.sweep.sweep import sweep
from tests.study.sweeps import write_study


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    text = 'model = "base.toml"\nmechanisms = ["repeated-myerson"]\n[grid]\nhorizon = [2, 1, 3]\ndiscount = [1, 0.5, 2]'
    return sweep(write_study(tmp_path_factory.mktemp("grid"), text))


def marked(axes):
    """Lines in the colour of the worst case."""
    return [line for line in axes.lines if to_hex(line.get_color()) == MARK]


def test_heat_map_has_a_cell_a_combination_and_frames_the_smallest(grid):
    axes = sweep_heatmap(grid, value="repeated-myerson.ratio")
    (mesh,) = axes.collections
    cells = np.ma.filled(mesh.get_array(), np.nan)
    frame = grid.to_frame()
    for (row, discount), (column, horizon) in ((r, c) for r in enumerate([0.5, 1, 2]) for c in enumerate([1, 2, 3])):
        (expected,) = frame[(frame["horizon"] == horizon) & (frame["discount"] == discount)]["repeated-myerson.ratio"]
        assert cells[row, column] == pytest.approx(expected, nan_ok=True)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2", "3"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0.5", "1", "2"]
    (frame_line,) = marked(axes)
    assert (min(frame_line.get_xdata()), min(frame_line.get_ydata())) == (2, 1)  # horizon 3, discount 1: 6/7
    assert sum(patch.get_hatch() is not None for patch in axes.patches) == 3  # a discount of 2 is not a model
    assert [text.get_text() for text in axes.texts].count("0.857") == 1


def test_heat_map_keeps_the_order_of_lists(tmp_path):
    text = 'model = "base.toml"\nrecord = ["value"]\n[grid]\nbuyers.0.values = [[1, 9], [1, 2]]\nhorizon = [1]'
    axes = sweep_heatmap(sweep(write_study(tmp_path, text)), y="buyers.0.values", x="horizon")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["[1, 9]", "[1, 2]"]


def test_heat_map_is_drawn_where_it_is_told(grid):
    axes = Figure().subplots()
    assert sweep_heatmap(grid, axes) is axes
    assert sweep_scatter(grid, axes) is axes


def test_scatter_has_a_dot_a_point_that_is_known_and_rings_the_smallest(grid):
    axes = sweep_scatter(grid, x="horizon", y="repeated-myerson.ratio", by="discount")
    *dots, ring = axes.collections
    assert sum(len(collection.get_offsets()) for collection in dots) == 6  # not where the discount is 2
    assert ring.get_offsets().tolist() == [[3.0, pytest.approx(6 / 7)]]
    assert to_hex(ring.get_edgecolors()[0]) == MARK
    assert axes.texts[0].get_text() == "smallest: 0.8571 (point 6)"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["discount 0.5", "discount 1"]


def test_groups_differ_in_marker_and_in_lightness(grid):
    axes = sweep_scatter(grid, x="horizon", by="discount")
    first, second, _ = axes.collections
    assert first.get_paths()[0].vertices.shape != second.get_paths()[0].vertices.shape
    lightness = [np.dot(dots.get_facecolors()[0, :3], [0.2126, 0.7152, 0.0722]) for dots in (first, second)]
    assert abs(lightness[0] - lightness[1]) > 0.3


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda grid: sweep_scatter(grid, y="vale"), "'vale' is not a column of the table; did you mean 'value'"),
        (lambda grid: sweep_heatmap(grid, value="ratio"), "'ratio' is not a column of the table"),
    ],
    ids=["scatter-column", "heat-map-column"],
)
def test_what_cannot_be_drawn_is_said(grid, draw, message):
    with pytest.raises(mo.InputError, match=message):
        draw(grid)


def test_more_groups_than_markers_are_refused(grid, monkeypatch):
    monkeypatch.setattr(figures_sweep, "MARKERS", ("o", "s"))
    with pytest.raises(mo.InputError, match="horizon has 3 values; colours and markers are for at most 2"):
        sweep_scatter(grid, by="horizon")


def test_heat_map_of_one_key_is_refused(tmp_path):
    one = sweep(write_study(tmp_path, 'model = "base.toml"\nrecord = ["value"]\n[grid]\nhorizon = [1]'))
    with pytest.raises(mo.InputError, match="needs two keys that vary, there are 1"):
        sweep_heatmap(one)


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_plot_is_saved_by_its_ending(grid, tmp_path, ending):
    path = tmp_path / f"sweep.{ending}"
    grid.save_plot(path)
    assert path.read_bytes()[:5] == {"png": b"\x89PNG\r", "svg": b"<?xml", "pdf": b"%PDF-"}[ending]
    with pytest.raises(mo.InputError, match=r"pictures end in \.png, \.svg or \.pdf"):
        grid.save_plot(tmp_path / "sweep.gif")


@pytest.fixture(scope="module")
def horizons(tmp_path_factory):
    text = (
        'model = "base.toml"\nmechanisms = ["repeated-myerson", "give-for-free"]\nrecord = ["value"]\n'
        "[grid]\nhorizon = [1, 2, 3]"
    )
    return sweep(write_study(tmp_path_factory.mktemp("horizons"), text))


def test_lines_are_the_optimum_and_each_mechanism_over_the_key(horizons):
    axes = horizons.plot(y="revenue")
    frame = horizons.to_frame().sort_values("horizon")
    drawn = {line.get_label(): line for line in axes.lines}
    columns = {
        "optimum": "value",
        "repeated-myerson": "repeated-myerson.revenue",
        "give-for-free": "give-for-free.revenue",
    }
    assert set(drawn) == set(columns)
    for name, column in columns.items():
        assert drawn[name].get_xdata().tolist() == [1, 2, 3]
        assert drawn[name].get_ydata().tolist() == pytest.approx(frame[column].tolist())
    assert all(float(tick).is_integer() for tick in axes.get_xticks())


def test_ratios_are_drawn_where_nothing_is_said(horizons):
    axes = horizons.plot()
    assert [line.get_label() for line in axes.lines] == ["repeated-myerson", "give-for-free"]
    with pytest.raises(mo.InputError, match="not a column"):
        horizons.plot(y="reveneu")


def test_pictures_that_are_compared_share_their_range(grid):
    one = sweep_scatter(grid, x="horizon", y="repeated-myerson.ratio", span=(0.2, 1.0))
    other = sweep_scatter(grid, x="horizon", y="value", span=(0.2, 1.0))
    assert one.get_ylim() == other.get_ylim() and one.get_ylim()[0] < 0.2 < 1.0 < one.get_ylim()[1]
    (mesh,) = sweep_heatmap(grid, value="repeated-myerson.ratio", span=(0.2, 1.0)).collections
    assert mesh.get_clim() == (0.2, 1.0)


def test_pictures_have_titles_and_whole_ticks(grid, horizons):
    assert sweep_scatter(grid, x="horizon", y="value").get_title(loc="left") == "value by horizon"
    axes = horizons.plot(y="ratio")
    assert axes.get_title(loc="left") == "Share of the optimum by horizon"
    assert all(float(tick).is_integer() for tick in axes.get_xticks())
