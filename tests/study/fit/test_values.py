"""From values to types: cells, exact numbers, distances, intervals, the model file."""

import itertools
import pickle
from dataclasses import FrozenInstanceError
from fractions import Fraction
from functools import partial

import numpy as np
import pytest

import mechopt as mo
from mechopt.core.errors import InputError
from mechopt.modelfile import parse
from mechopt.study.fit.bootstrap import bootstrap
from mechopt.study.fit.model_text import number
from mechopt.study.fit.prices import fit_second_price
from mechopt.study.fit.read import bundled_data, read_csv
from mechopt.study.fit.types import CLUSTER_POINTS, cut_into_types, in_units
from mechopt.study.fit.values import fit_values

SIX = [3, 1, 2, 2, 5, 4]


def sale_prices():
    table = read_csv("ebay-mario-kart-2009", ["total_price", "shipping"])
    return np.round(table.numbers["total_price"] - table.numbers["shipping"], 9)


def test_six_values_by_hand():
    # a third of 6 values is reached at 2, two thirds at 3: the cells are {1, 2, 2}, {3}, {4, 5}, their lower medians
    # 2, 3, 4. Against the sample 1/6 moves from 1 to 2 and 1/6 from 5 to 4: the laws differ by 1/6, the area is 1/3.
    fit = fit_values(SIX, types=3)
    assert fit.environment == mo.IndependentTypes.iid([2, 3, 4], ["1/2", "1/6", "1/3"], horizon=1)
    assert fit.distance.kolmogorov == pytest.approx(1 / 6)
    assert fit.distance.wasserstein == pytest.approx(1 / 3)
    assert fit.distribution([0, 1, 2.5, 9]) == pytest.approx([0, 1 / 6, 1 / 2, 1])
    assert (fit.rows, fit.dropped) == (6, ())
    with pytest.raises(FrozenInstanceError):
        fit.rows = 5


def test_cells_are_those_of_the_bundled_model_made_by_other_code():
    fit = fit_values(sale_prices(), drop_above=100, periods=4)
    assert fit.environment == mo.load("ebay/mario-kart-quantiles")
    assert [str(entry) for entry in fit.dropped] == ["2 rows: value above 100 (positions 19, 64)"]


def test_outliers_are_named_and_kept():
    fit = fit_values(sale_prices())
    assert fit.rows == 143
    assert any("301 (position 19)" in note and "kept" in note for note in fit.notes)


def test_equal_values_share_a_cell_and_there_are_fewer_types():
    fit = fit_values([1, 1, 1, 1, 2], types=4)
    assert fit.environment.exact.probabilities[0][0] == (Fraction(4, 5), Fraction(1, 5))
    assert any("2 types instead of 4" in note for note in fit.notes)


def test_clusters_have_the_smallest_squared_error_of_all_cuts():
    rng = np.random.default_rng(4)
    values = np.round(rng.lognormal(size=11), 2)
    values[:3] = values[3]
    points, counts = np.unique(values, return_counts=True)
    types = cut_into_types(points, counts, 4, "clusters")
    ordered = np.sort(values)

    def error(parts):
        return sum(((part - part.mean()) ** 2).sum() for part in parts)

    cuts = itertools.combinations(range(1, ordered.size), 3)
    best = min(error(np.split(ordered, cut)) for cut in cuts)
    found = np.split(ordered, np.searchsorted(ordered, types.cuts[:-1], side="right"))
    assert error(found) == pytest.approx(best)
    assert [float(v) for v in types.values] == pytest.approx([part.mean() for part in found], rel=1e-5)
    assert types.probabilities == tuple(Fraction(part.size, 11) for part in found)


def test_clusters_of_a_distribution_with_fractional_masses():
    points, mass = np.array([1.0, 1.1, 5.0, 5.3, 9.0]), np.array([0.2, 0.3, 0.1, 0.15, 0.25])
    types = cut_into_types(points, mass, 3, "clusters")
    assert types.cuts.tolist() == [1.1, 5.3, 9.0]
    assert types.values == (Fraction("1.06"), Fraction("5.18"), Fraction(9))
    assert types.probabilities == (Fraction(1, 2), Fraction(1, 4), Fraction(1, 4))
    assert CLUSTER_POINTS > 1000


def test_millionths_sum_to_one_and_none_is_zero():
    shares = in_units([1e-9, 1 / 3, 2 / 3 - 1e-9])
    assert sum(shares) == 1
    assert shares[0] == Fraction(1, 10**6)


def test_interval_of_a_share_is_that_of_the_binomial():
    # 1 of 4 rows in the first cell, 3 in the second, 10,000 times: the share has the standard error sqrt(3/16/40000)
    fit = bootstrap(np.array([1.0, 3.0]) * 10_000, lambda w: np.cumsum(w) / w.sum(), np.array([1.0, 5.0]), 0.9, 2000, 1)
    error = 1.645 * np.sqrt(3 / 16 / 40_000)
    assert fit.probabilities[0] == pytest.approx([0.25 - error, 0.25 + error], abs=3e-4)
    assert fit.mean == pytest.approx([4 - 4 * error, 4 + 4 * error], abs=1.5e-3)
    assert fit.cumulative[-1].tolist() == [1, 1]


def test_same_seed_same_intervals():
    prices = sale_prices()
    one, two, other = (fit_values(prices, seed=seed).interval.mean.tolist() for seed in (1, 1, 2))
    assert one == two != other


def test_refits_to_samples_drawn_anew():
    fit = fit_values(sale_prices(), types=4, drop_above=100)
    refits = fit.resampled(30, seed=5)
    assert refits == fit.resampled(30, seed=5)
    means = [env.first_best for env in refits]
    assert min(means) < fit.environment.first_best < max(means)
    # the standard error of a mean of 141 prices
    assert np.std(means) == pytest.approx(np.std(sale_prices()[sale_prices() < 100]) / np.sqrt(141), rel=0.5)
    with pytest.raises(InputError, match="count is 0"):
        fit.resampled(0)


@pytest.mark.parametrize(
    "fitted",
    [
        pytest.param(partial(fit_second_price, bidders=5), id="second-price"),
        pytest.param(fit_values, id="values", marks=pytest.mark.slow),
    ],
)
def test_two_processes_estimate_what_one_estimates(fitted):
    one, two = (fitted(sale_prices(), types=4, resamples=60, workers=count) for count in (1, 2))
    for name in ("probabilities", "cumulative", "mean"):
        assert np.array_equal(getattr(one.interval, name), getattr(two.interval, name))
    assert one.call == two.call
    assert one.resampled(30, seed=5, workers=2) == one.resampled(30, seed=5)


@pytest.mark.parametrize("bidders", [None, 5], ids=["values", "second-price"])
@pytest.mark.parametrize("method", ["quantiles", "clusters"])
def test_money_in_other_units_and_rows_that_come_twice(bidders, method):
    def fitted(prices):
        options = {"types": 5, "method": method, "resamples": 5}
        return fit_values(prices, **options) if bidders is None else fit_second_price(prices, bidders=5, **options)

    prices = sale_prices()
    one, cents, twice = fitted(prices), fitted(np.round(100 * prices)), fitted(np.repeat(prices, 2))
    assert cents.values == pytest.approx(100 * one.values, rel=2e-5)
    assert cents.probabilities == pytest.approx(one.probabilities, abs=1e-6)
    assert twice.environment == one.environment


def test_a_fit_goes_to_other_processes_and_cannot_be_written_to():
    fits = [fit_values(SIX, types=3), fit_second_price(SIX, bidders=2, types=3, resamples=5)]
    for fit in fits:
        again = pickle.loads(pickle.dumps(fit))
        assert again.environment == fit.environment
        assert again.resampled(2, seed=1) == fit.resampled(2, seed=1)
        for array in (fit.points, fit.cumulative, fit.cuts, fit.interval.probabilities):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 0


def test_model_file_holds_the_fit_and_says_how_it_was_made(tmp_path):
    fit = fit_second_price(
        bundled_data()["ebay-mario-kart-2009"],
        "total_price",
        bidders=5,
        less="shipping",
        drop_above=100,
        periods=4,
        cost="1/3",
        discount="9/10",
        buyers=2,
        resamples=20,
    )
    fit.save(tmp_path / "shop.toml")
    text = (tmp_path / "shop.toml").read_text()
    assert mo.load(tmp_path / "shop.toml") == fit.environment
    header = "\n".join(itertools.takewhile(lambda line: line.startswith("#"), text.splitlines())).replace("\n#    ", "")
    for part in ("bidders=5, less='shipping'", "2 rows: total_price less shipping above 100 (lines 21, 66)"):
        assert part in header
    assert fit.digest in header
    assert [path.name for path in tmp_path.iterdir()] == ["shop.toml"]


@pytest.mark.parametrize(
    "title", ['a "quoted" one', "two\nlines", "\\", "\x7f\x00\x1b[31m", "ümläut ☃", "# no comment = 1"]
)
def test_hostile_texts_stay_texts(title):
    file = parse(fit_values(SIX, types=2).to_toml(title, command=f"{title}\nkind = 'scenarios'"), "text")
    assert file.environment == fit_values(SIX, types=2).environment
    assert file.title == "".join(c if c.isprintable() else "?" for c in title)


@pytest.mark.parametrize(
    ("value", "text"),
    [("1/3", '"1/3"'), ("-1/4", "-0.25"), ("7", "7"), ("0.000001", "0.000001"), ("12.50", "12.5"), ("1e-20", None)],
)
def test_numbers_are_written_exactly(value, text):
    assert number(Fraction(value)) == (text or f'"1/{10**20}"')


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"types": 0}, "types: is 0; write a whole number from 1 to 1000"),
        ({"types": 2.5}, "types: is 2.5"),
        ({"method": "kmeans"}, "method: is 'kmeans'; write quantiles or clusters"),
        ({"level": 95}, "level: is 95; write a number between 0 and 1"),
        ({"resamples": 0}, "resamples: is 0"),
        ({"seed": -1}, "seed: is -1"),
        ({"periods": 0}, "there must be at least one period"),
        ({"drop_above": 1}, "1 row to estimate from (5 rows: value above 1 (positions 0, 2, 3, 4, 5))"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(InputError) as caught:
        fit_values(SIX, **options)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, -2, 3], "value[1]: is -2, below 0"),
        ([1, float("nan"), 3], "value[1]: is nan"),
        ([1, float("inf")], "value[1]: is inf"),
        (["1", "=1+1"], "value: ['1', '=1+1'] is not a list of numbers"),
        ([[1, 2], [3, 4]], "value: has 2 axes"),
        ([7], "1 row to estimate from; a distribution takes at least 2"),
        ([], "0 rows to estimate from"),
    ],
    ids=["negative", "nan", "infinite", "text", "matrix", "one", "none"],
)
def test_values_that_are_no_sample(values, message):
    with pytest.raises(InputError) as caught:
        fit_values(values)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "bidders: is missing"),
        ({"bidders": 1}, "with one bidder the price is the start price, which tells nothing"),
        ({"bidders": 2.5}, "bidders: is 2.5"),
        ({"bidders": [2, 1, 3]}, "bidders[1]: is 1"),
        ({"bidders": [2, 2]}, "bidders: has 2 entries for 3 rows"),
        ({"bidders": "n"}, "bidders: is 'n'; only a file has columns"),
        ({"bidders": 3, "reserve": [1, 5, 1]}, "reserve[1]: is 5, the price 4"),
        ({"bidders": 3, "reserve": -1}, "reserve[0]: is -1, the price 3"),
        ({"bidders": 3, "less": "shipping"}, "less: is 'shipping'; only a file has columns"),
    ],
    ids=["unknown", "one", "fraction", "one-of-many", "too-few-entries", "column", "above-price", "negative", "less"],
)
def test_prices_that_do_not_identify_values(options, message):
    with pytest.raises(InputError) as caught:
        fit_second_price([3, 4, 5], **options)
    assert message in str(caught.value)
    if not options:
        assert "the same prices come from few bidders with high values and from many with low ones" in str(caught.value)


def test_rows_with_missing_entries_are_dropped_together():
    fit = fit_second_price([3, np.nan, 5, 6], bidders=[2, 2, 3, 3], drop_missing=True, types=2, resamples=20)
    assert [str(entry) for entry in fit.dropped] == ["1 row: an entry is missing (position 1)"]
    alone = fit_second_price([3, 5, 6], bidders=[2, 3, 3], types=2, resamples=20)
    assert fit.environment == alone.environment


SLOW = [pytest.param(kind, marks=pytest.mark.slow) for kind in ("clusters", "second-price", "bidders-differ")]


@pytest.mark.parametrize("kind", ["values", *SLOW])
def test_a_million_rows(kind):
    rng = np.random.default_rng(0)
    values = rng.lognormal(size=10**6)
    if kind in ("values", "clusters"):
        fit = fit_values(values, method="quantiles" if kind == "values" else kind)
    else:
        fit = fit_second_price(values, bidders=3 if kind == "second-price" else rng.integers(2, 5, size=10**6))
    assert fit.rows == 10**6
