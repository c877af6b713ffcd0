"""The distribution of values from the distribution of sale prices."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import mechopt.study.fit.order as order
from mechopt.core.errors import LimitError
from mechopt.study.fit.order import Sales, grouped, order_distribution, reserve_points, value_distribution
from mechopt.study.fit.prices import fit_second_price

LAWS = {"uniform": stats.uniform(), "lognormal": stats.lognorm(s=0.7)}


def sales_of(price, bidders, reserve=-np.inf, weight=1.0):
    price = np.asarray(price, dtype=float)
    full = [np.broadcast_to(part, price.shape) for part in (bidders, reserve, weight)]
    return Sales(price, full[0].astype(np.int64), full[1].astype(float), full[2].astype(float))


def simulated(distribution, bidders, reserve, rng):
    """Auctions that end in a sale: price, bidders, start price; by the definition, not by the formula."""
    most = int(bidders.max())
    values = distribution.rvs((bidders.size, most), random_state=rng)
    values[np.arange(most) >= bidders[:, None]] = -np.inf
    highest = np.sort(values, axis=1)[:, ::-1]
    sold = highest[:, 0] > reserve
    return np.maximum(highest[:, 1], reserve)[sold], bidders[sold], reserve[sold]


@pytest.mark.parametrize("bidders", [2, 3, 6, 40])
def test_second_highest_is_up_to_v_where_at_most_one_draw_is_above(bidders):
    distribution = np.linspace(0, 1, 101)
    assert order_distribution(distribution, bidders) == pytest.approx(
        stats.binom.cdf(1, bidders, 1 - distribution), abs=1e-12
    )


def test_several_numbers_of_bidders_are_put_together():
    # half the auctions have 2, half 4 bidders; F(1) = 1/2 gives shares 3/4 and 5/16 of prices up to 1
    share = (0.75 + 5 / 16) / 2
    price, weight = np.array([1.0, 2.0, 1.0, 2.0]), np.array([0.75, 0.25, 5 / 16, 11 / 16]) * 100
    sales = sales_of(price, np.array([2, 2, 4, 4]), weight=weight)
    assert weight[[0, 2]].sum() / weight.sum() == pytest.approx(share)
    assert value_distribution(sales, np.array([0.5, 1.0, 2.0])) == pytest.approx([0, 0.5, 1], abs=1e-9)


@pytest.mark.parametrize("bidders", [2, 3, 5])
def test_exact_distributions_of_sales_with_start_prices_give_back_the_distribution_of_values(bidders):
    # values uniform on [0, 1]; start prices 0, 0.3 and 0.6 in equal numbers, the unsold ones not in the data:
    # P(price <= v and sale) = psi(v) - r**n for v >= r
    grid = np.linspace(0, 1, 41)[1:]
    price, reserve, weight = [], [], []
    for start in (0.0, 0.3, 0.6):
        points = grid[grid >= start - 1e-12]
        distribution = stats.binom.cdf(1, bidders, 1 - points) - start**bidders
        price.append(points)
        weight.append(np.diff(distribution, prepend=0.0))
        reserve.append(np.full(points.size, points[0] if start else 0.0))
    sales = sales_of(np.concatenate(price), bidders, np.concatenate(reserve), 1000 * np.concatenate(weight))
    assert value_distribution(sales, grid) == pytest.approx(grid, abs=1e-5)
    ignored = value_distribution(replace(sales, reserve=np.full(sales.price.size, -np.inf)), grid)
    assert np.abs(ignored - grid).max() > 0.05  # the correction matters


def test_simulated_sales_with_start_prices_and_bidders_that_differ():
    rng = np.random.default_rng(7)
    bidders, reserve = rng.integers(2, 6, size=40_000), rng.choice([0.1, 0.5, 0.8], size=40_000)
    sales = sales_of(*simulated(stats.uniform(), bidders, reserve, rng))
    points = np.linspace(0.15, 1, 18)
    distribution = value_distribution(sales, points)
    assert distribution == pytest.approx(points, abs=0.02)
    assert (np.diff(distribution) >= 0).all()


def test_below_the_lowest_start_price_only_the_share_is_estimated():
    rng = np.random.default_rng(3)
    price, bidders, reserve = simulated(stats.uniform(), np.full(20_000, 3), np.full(20_000, 0.4), rng)
    distribution = value_distribution(sales_of(price, bidders, reserve), np.array([0.2, 0.4, 0.7]))
    assert distribution == pytest.approx([0, 0.4, 0.7], abs=0.02)
    fit = fit_second_price(price, bidders=3, reserve=0.4, types=4, resamples=20)
    assert fit.values[0] == 0.4
    assert any("of the values up to the lowest price 0.4 only their share 0.4" in note for note in fit.notes)


def test_many_start_prices_are_interpolated(monkeypatch):
    rng = np.random.default_rng(11)
    sales = sales_of(*simulated(stats.uniform(), np.full(3000, 3), rng.random(3000), rng))
    points = np.linspace(0.3, 0.95, 14)
    exact = value_distribution(sales, points)
    monkeypatch.setattr(order, "MOST_RESERVES", 200)
    assert reserve_points(sales).size <= 200
    assert value_distribution(sales, points) == pytest.approx(exact, abs=3e-3)


def test_grouping_changes_nothing_at_the_points():
    rng = np.random.default_rng(5)
    start = rng.choice([0.0, 0.5], size=2000)
    sales = sales_of(*simulated(stats.uniform(), rng.integers(2, 4, size=2000), start, rng))
    points = np.array([0.3, 0.6, 0.8, float(sales.price.max())])
    groups = grouped(sales, points)
    assert groups.price.size < 30
    assert groups.weight.sum() == sales.price.size
    assert value_distribution(groups, points) == pytest.approx(value_distribution(sales, points), abs=1e-12)


def test_many_start_prices_are_rounded_down_for_the_bootstrap_alone():
    rng = np.random.default_rng(2)
    price, bidders, reserve = simulated(stats.uniform(), np.full(4000, 3), rng.random(4000), rng)
    groups = grouped(sales_of(price, bidders, reserve), np.array([0.5, price.max()]))
    assert np.unique(groups.reserve).size == order.GROUPED_RESERVES
    assert (groups.reserve <= groups.price).all()
    fit = fit_second_price(price, bidders=3, reserve=reserve, types=4, resamples=100)
    low, high = fit.interval.cumulative.T
    estimate = fit.distribution(fit.cuts)
    assert (low <= estimate).all() and (estimate <= high).all()
    assert ((high - low)[:-1] < 0.06).all()


def test_an_iteration_that_does_not_settle_is_no_result(monkeypatch):
    monkeypatch.setattr(order, "ITERATIONS", 1)
    with pytest.raises(LimitError, match="did not settle in 1 rounds"):
        value_distribution(sales_of([1, 2, 3], 2, [1, 0, 0]), np.array([1.0, 3.0]))


@pytest.mark.parametrize("shape", LAWS)
@pytest.mark.parametrize("bidders", [2, 3, 4, 5, 6])
def test_distribution_of_values_is_recovered_within_the_band_of_the_sample_size(shape, bidders):
    # Dvoretzky-Kiefer-Wolfowitz: the distribution of prices is missed by more than sqrt(log(2/0.001)/2N) with
    # probability 0.001
    distribution, count = LAWS[shape], 20_000
    rng = np.random.default_rng(bidders)
    price, _, _ = simulated(distribution, np.full(count, bidders), np.full(count, -np.inf), rng)
    fit = fit_second_price(price, bidders=bidders, types=5, resamples=20)
    at = np.linspace(*distribution.ppf([0.02, 0.98]), 200)
    missed = stats.binom.cdf(1, bidders, 1 - fit.distribution(at)) - stats.binom.cdf(1, bidders, distribution.sf(at))
    assert np.abs(missed).max() < np.sqrt(np.log(2 / 0.001) / (2 * count))
    assert np.median(np.abs(fit.distribution(at) - distribution.cdf(at))) < 0.02


@pytest.mark.parametrize("shape", LAWS)
def test_bootstrap_intervals_hold_about_as_often_as_they_say(shape):
    distribution, held = LAWS[shape], []
    for seed in range(12):
        for bidders in range(2, 7):
            rng = np.random.default_rng([seed, bidders])
            price, _, _ = simulated(distribution, np.full(400, bidders), np.full(400, -np.inf), rng)
            fit = fit_second_price(price, bidders=bidders, types=4, resamples=150)
            cuts = np.array([fit.points[fit.cumulative >= part - 1e-12][0] for part in (0.25, 0.5, 0.75)])
            low, high = fit.interval.cumulative[:3].T
            held += ((low <= distribution.cdf(cuts)) & (distribution.cdf(cuts) <= high)).tolist()
    assert len(held) == 180
    assert 0.88 <= np.mean(held) <= 0.99
