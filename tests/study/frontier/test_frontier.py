"""Revenue against welfare: corners by hand, ends, concavity, exactness against a grid of weights, and what stops it."""

import time
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings

import mechopt as mo
from mechopt.show.figures.frontier import frontier_curve
from mechopt.study.frontier.frontier import frontier
from tests.instances import environments

# With one period and one buyer every mechanism is a lottery over posted prices p, with revenue (p - c) P(v >= p) and
# welfare E[(v - c); v >= p]; the frontier is the upper hull of these points.
BY_HAND = [
    # price 2: 3/2, 3/2; price 1: 1, 7/4; w = (1/2) / (1/2 + 1/4)
    pytest.param([1, 2], ["1/4", "3/4"], 0, [("3/2", "3/2"), ("1", "7/4")], ["2/3"], id="one-price-or-the-other"),
    # both prices earn 1; price 1 sells always
    pytest.param([1, 2], ["1/2", "1/2"], 0, [("1", "3/2")], [], id="one-corner-is-best-of-both"),
    # price 4: 4/3, 4/3; price 2: 4/3, 2; price 1: 1, 7/3: of the two that earn most the one of more welfare
    pytest.param([1, 2, 4], ["1/3"] * 3, 0, [("4/3", "2"), ("1", "7/3")], ["1/2"], id="lexicographic-end"),
    # price 3: 6/5, 6/5; price 2: 1, 7/5, below the chord to price 1: 1, 19/10
    pytest.param([1, 2, 3], ["1/2", "1/10", "2/5"], 0, [("6/5", "6/5"), ("1", "19/10")], ["2/9"], id="price-in-shade"),
    # price 2: 3/4, 3/4; price 1: 1/2, 1
    pytest.param([1, 2], ["1/2", "1/2"], "1/2", [("3/4", "3/4"), ("1/2", "1")], ["1/2"], id="with-a-cost"),
]
ONE = mo.IndependentTypes.iid([1, 2], ["1/4", "3/4"], 1)
MANY = mo.IndependentTypes.iid([1, 2, 5], ["1/4", "1/2", "1/4"], 3)


def best(environment, weight, ic=mo.DIC(), ir=mo.EPIR()):  # noqa: B008 - frozen values
    return mo.optimum(environment, ic, ir, mo.Objective(revenue=1 - weight, welfare=weight)).value


def envelope(curve, weight):
    return max((1 - weight) * point.revenue + weight * point.welfare for point in curve.points)


@pytest.mark.parametrize(("values", "probabilities", "cost", "corners", "weights"), BY_HAND)
def test_one_buyer_once_is_the_hull_of_posted_prices(values, probabilities, cost, corners, weights):
    curve = frontier(mo.IndependentTypes([[values]], [[probabilities]], cost), exact=True)
    assert curve.exact.revenues == tuple(Fraction(revenue) for revenue, _ in corners)
    assert curve.exact.welfares == tuple(Fraction(welfare) for _, welfare in corners)
    assert curve.exact.weights == tuple(map(Fraction, weights))
    assert curve.revenues == pytest.approx([float(r) for r in curve.exact.revenues], abs=1e-9)
    assert curve.amounts == pytest.approx([float(w) for w in curve.exact.welfares], abs=1e-9)
    assert curve.weights == pytest.approx([float(w) for w in curve.exact.weights], abs=1e-9)
    assert curve.complete
    assert curve.gap <= 1e-8


def test_types_that_move_the_two_corners_of_battaglinis_buyer():
    # T = 3, P(2) = 0.6 at first, stay 3/4. Sold always: welfare 1.6 + 1.55 + 1.525 = 4.675, rent of type 2 at first is
    # 1 + 1/2 + 1/4 (how far its next types are ahead), 0.6 * 1.75 = 1.05. Virtual values after low reports alone are
    # 1 - 3/2 (2/3)^t: -1/2, 0, 1/3. So revenue is most without a sale to the first low type (0.4 less welfare, 0.6 less
    # rent), the tie at t = 1 is sold for welfare's sake, and (1 - w)(-1/2) + w = 0 at w = 1/3.
    stay = [["3/4", "1/4"], ["1/4", "3/4"]]
    env = mo.MarkovTypes([[[0, 0], [1, 2]]], [stay], [["2/5", "3/5"]], actions=["keep", "sell"], horizon=3)
    curve = frontier(env)
    assert (curve.ic, curve.ir) == ((mo.BayesianIC(),), (mo.Interim(),))
    assert curve.revenues == pytest.approx([153 / 40, 3.625])
    assert curve.amounts == pytest.approx([4.275, 4.675])
    assert curve.weights == pytest.approx([1 / 3])
    assert all(mo.verify(point.mechanism).holds for point in curve.points)


def test_against_utility_the_corners_are_the_same_and_the_weights_those_of_utility():
    # utility 0 and 3/4 at revenue 3/2 and 1: (1 - w) / 2 = w 3/4 at w = 2/5
    curve = frontier(ONE, between="utility", exact=True)
    assert curve.amounts == pytest.approx([0, 3 / 4])
    assert curve.revenues == pytest.approx([3 / 2, 1])
    assert curve.exact.weights == (Fraction(2, 5),)
    assert [point.weights for point in curve.points] == [pytest.approx((0, 2 / 5)), pytest.approx((2 / 5, 1 / 2))]
    many = frontier(MANY, between="utility")
    for weight in (0.05, *many.weights, 0.27, 0.49):
        value = mo.optimum(MANY, objective=mo.Objective(revenue=1 - weight, utility=weight)).value
        curve_value = max((1 - weight) * point.revenue + weight * point.utility for point in many.points)
        assert curve_value == pytest.approx(value, abs=1e-8)


def test_beyond_weight_one_half_of_utility_there_is_no_optimum():
    with pytest.raises(mo.errors.NoOptimumError):
        mo.optimum(ONE, objective=mo.Objective(revenue=0.49, utility=0.51)).require_optimal()


@settings(max_examples=12, deadline=None)
@given(environments(max_buyers=2, max_periods=2, max_types=3))
def test_corners_are_all_optima_attained_by_mechanisms_that_keep_the_constraints(env):
    curve = frontier(env)
    scale = max(1.0, *np.abs(curve.revenues), *np.abs(curve.amounts))
    assert curve.complete
    assert curve.gap <= 1e-6 * scale
    for weight in np.linspace(0, 1, 13):
        assert envelope(curve, weight) == pytest.approx(best(env, weight), abs=1e-6 * scale)
    for point in curve.points:
        assert mo.verify(point.mechanism, [mo.DIC(), mo.EPIR()]).holds
        assert (point.mechanism.revenue, point.mechanism.welfare) == (point.revenue, point.welfare)
        assert point.revenue + point.utility == pytest.approx(point.welfare, abs=1e-9 * scale)
    assert curve.points[0].revenue == pytest.approx(mo.optimum(env).value, abs=1e-6 * scale)
    assert curve.points[-1].welfare == pytest.approx(env.first_best, abs=1e-6 * scale)
    assert (np.diff(curve.amounts) > 0).all()
    assert (np.diff(curve.revenues) < 0).all()
    assert (np.diff(np.diff(curve.revenues) / np.diff(curve.amounts)) < 1e-6).all()


def test_a_fine_grid_of_weights_finds_no_other_corner():
    curve = frontier(MANY)
    assert len(curve.points) > 5
    values = np.array([best(MANY, weight) for weight in np.linspace(0, 1, 101)])
    assert values == pytest.approx(np.array([envelope(curve, weight) for weight in np.linspace(0, 1, 101)]), abs=1e-8)
    for (low, high), point in zip(pairwise([0.0, *curve.weights, 1.0]), curve.points, strict=True):
        assert point.weights == pytest.approx((low, high))
        middle = (low + high) / 2  # and there each corner is the optimum by itself
        mechanism = mo.optimum(MANY, objective=mo.Objective(revenue=1 - middle, welfare=middle)).mechanism
        assert (mechanism.revenue, mechanism.welfare) == pytest.approx((point.revenue, point.welfare), abs=1e-7)


def test_exact_corners_are_those_of_the_floats_and_meet_at_the_exact_breakpoints():
    exact = (curve := frontier(MANY, exact=True)).exact
    assert curve.revenues == pytest.approx([float(r) for r in exact.revenues], abs=1e-9)
    assert curve.weights == pytest.approx([float(w) for w in exact.weights], abs=1e-9)
    assert exact.revenues[0] == mo.formats.certify(MANY).value
    assert exact.welfares[-1] == mo.formats.certify(MANY, objective=mo.Welfare()).value == Fraction(15, 2)  # 3 E v
    corners = list(zip(exact.revenues, exact.welfares, strict=True))
    for weight, ((r, w), (s, v)) in zip(exact.weights, pairwise(corners), strict=True):
        assert (1 - weight) * r + weight * w == (1 - weight) * s + weight * v


def test_weaker_participation_moves_the_frontier_outwards():
    strict, weak = frontier(MANY), frontier(MANY, ir=mo.Interim())
    for welfare in np.linspace(strict.amounts[0], strict.amounts[-1], 9):
        assert weak.revenue_at(welfare) >= strict.revenue_at(welfare) - 1e-9
    # in expectation the later periods are sold to everybody and their surplus is charged at contracting, 2 x 5/2; the
    # first is sold at 1, 2 or 5: revenue 1, 3/2, 5/4 and welfare 5/2, 9/4, 5/4
    assert weak.revenues == pytest.approx([6.5, 6])
    assert weak.amounts == pytest.approx([7.25, 7.5])


def test_between_corners_revenue_is_that_of_a_lottery():
    curve = frontier(ONE)
    assert curve.revenue_at(13 / 8) == pytest.approx(5 / 4)  # halfway between (3/2, 3/2) and (7/4, 1)
    assert curve.revenue_at(0) == pytest.approx(3 / 2)
    with pytest.raises(mo.InputError, match=r"welfare 2: the frontier ends at 1\.75"):
        curve.revenue_at(2)


def test_a_limit_on_points_keeps_the_widest_and_says_how_far_off_it_may_be():
    whole, few = frontier(MANY), frontier(MANY, points=4)
    assert (few.stopped, few.complete, len(few.points)) == ("limit on points", False, 4)
    assert few.solves < whole.solves
    assert (few.points[0].welfare, few.points[-1].revenue) == pytest.approx((whole.amounts[0], whole.revenues[-1]))
    missed = max(best(MANY, w) - envelope(few, w) for w in np.linspace(0, 1, 51))
    assert 1e-4 < missed <= few.gap + 1e-9
    assert frontier(MANY, points=len(whole.points) + 5).complete


def test_a_time_limit_stops_with_what_is_known(monkeypatch):
    clock = iter(range(1000))
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(clock)))
    curve = frontier(MANY, time_limit=60)
    assert curve.stopped == "time limit"
    assert 2 <= curve.solves < 21
    assert curve.gap > 0


def test_progress_counts_the_programs():
    seen = []
    curve = frontier(ONE, progress=lambda solves, seconds: seen.append((solves, seconds >= 0)))
    assert seen == [(k + 1, True) for k in range(curve.solves)]


def test_without_participation_an_end_has_no_bound():
    with pytest.raises(mo.errors.NoOptimumError):
        frontier(ONE, ir=None)


def test_arguments_that_do_not_fit_are_refused():
    with pytest.raises(mo.InputError, match="between: is 'profit'; write one of welfare, utility"):
        frontier(ONE, between="profit")
    with pytest.raises(mo.InputError, match="points: is 1; it must be at least 2"):
        frontier(ONE, points=1)
    rounded = mo.IndependentTypes([[[1, 2]]], [[[0.123456789012345, 0.876543210987654]]])
    with pytest.raises(mo.InputError, match="exact=True"):
        frontier(rounded, exact=True)
    with pytest.raises(mo.InputError, match="epir: this is an ir constraint"):
        frontier(ONE, ic=mo.EPIR())


def test_table_csv_and_picture(tmp_path):
    curve = frontier(MANY, exact=True)
    frame = curve.to_frame()
    assert frame.columns.tolist() == [
        *("revenue", "welfare", "utility", "utility_0", "weight_from", "weight_to", "exact_revenue", "exact_welfare")
    ]
    assert frame["weight_from"].tolist()[1:] == frame["weight_to"].tolist()[:-1] == curve.weights.tolist()
    curve.to_csv(tmp_path / "curve.csv")
    assert (tmp_path / "curve.csv").read_text().startswith("point,revenue,welfare")
    curve.save_plot(tmp_path / "curve.svg")
    assert (tmp_path / "curve.svg").read_text().startswith("<?xml")
    with pytest.raises(mo.InputError, match=r"pictures end in \.png"):
        curve.save_plot(tmp_path / "curve.gif")


@pytest.mark.parametrize("between", [pytest.param("welfare", id="welfare"), pytest.param("utility", id="utility")])
def test_the_picture_shows_corners_ends_and_whether_it_is_complete(between):
    curve = frontier(MANY, between=between, points=4)
    axes = frontier_curve(curve)
    line = axes.get_lines()[0]
    assert line.get_xydata() == pytest.approx(np.column_stack([curve.amounts, curve.revenues]))
    assert line.get_linestyle() == "--"
    texts = [text.get_text() for text in axes.texts]
    assert any(text.startswith("most revenue") for text in texts)
    assert any("incomplete (limit on points)" in text for text in texts)
    assert sum(text.startswith("w = ") for text in texts) == 3
    assert axes.get_xlabel() == {"welfare": "welfare", "utility": "agents' utility"}[between]
    assert frontier_curve(frontier(ONE), axes) is axes
