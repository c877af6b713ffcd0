"""The model of eBay sale prices follows from its data as its header says, and is worth what a second program says."""

import csv
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from mechopt.modelfile import read
from tests.papers.raw_program import raw_optimum

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "models" / "ebay" / "mario-kart-quantiles.toml"
CELLS = 6


def sale_prices():
    """Every sale price, exact to the cent, increasing."""
    with (ROOT / "data" / "ebay-mario-kart-2009.csv").open(encoding="utf-8", newline="") as file:
        return sorted(Fraction(row["total_price"]) - Fraction(row["shipping"]) for row in csv.DictReader(file))


def ranked(increasing, share):
    """The ceil(m share)-th smallest of m numbers."""
    return increasing[-(-len(increasing) * share.numerator // share.denominator) - 1]


def test_two_bundles_are_the_only_sales_above_100_dollars():
    prices = sale_prices()
    assert len(prices) == 143
    assert [price for price in prices if price > 75] == [Fraction("114.5"), 301]


def test_types_are_the_medians_and_shares_of_six_quantile_cells():
    prices = [price for price in sale_prices() if price <= 100]
    cuts = [Fraction(0), *(ranked(prices, Fraction(j, CELLS)) for j in range(1, CELLS + 1))]
    assert [float(cut) for cut in cuts[1:]] == [35.06, 39.51, 43.0, 46.03, 53.01, 75.0]
    cells = [[price for price in prices if low < price <= high] for low, high in pairwise(cuts)]
    env = read(MODEL).environment
    assert env.exact is not None
    for t in range(env.horizon):
        assert env.exact.values[0][t] == tuple(ranked(cell, Fraction(1, 2)) for cell in cells)
        assert env.exact.probabilities[0][t] == tuple(Fraction(len(cell), len(prices)) for cell in cells)


def test_header_gives_the_gain_over_the_best_price_of_each_period():
    env = read(MODEL).environment
    distribution = list(zip(env.exact.values[0][0], env.exact.probabilities[0][0], strict=True))
    assert max(price * sum(f for value, f in distribution if value >= price) for price, _ in distribution) == 32


def test_value_agrees_with_the_program_of_the_definitions():
    file = read(MODEL)
    raw = raw_optimum(file.environment, ["dic"], ["epir"])
    assert raw == pytest.approx(float(file.expected["value"]), rel=1e-11)
