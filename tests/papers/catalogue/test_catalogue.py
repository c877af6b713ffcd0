"""Every case of the catalogue: our value, exact, is the one derived again, the file's, and the page's."""

import re
from fractions import Fraction
from math import comb
from pathlib import Path

import pytest

import mechopt as mo
from mechopt.cli.options import problem_of
from mechopt.modelfile import read
from tests.papers.catalogue.derivations import (
    GOODS,
    TRAVEL,
    VALUES,
    beta_index,
    citizens,
    goods,
    posted,
    prices_for_two_goods,
    second_best,
    traders,
)
from tests.papers.catalogue.more_derivations import MORE_VALUES

ALL = VALUES | MORE_VALUES
FOLDER = Path(mo.__file__).parents[1] / "docs" / "catalogue"
PAGES = {page.stem: page.read_text(encoding="utf-8") for page in FOLDER.glob("*.md")}


@pytest.mark.parametrize("name", ALL)
def test_the_optimum_is_what_the_literature_says(name):
    file = read(name)
    problem, derived = problem_of(file, None, None), ALL[name]()
    whole = name.endswith("/deterministic")  # by branch and bound, without an exact proof
    best = problem.solve(exact=not whole)
    assert best.value == pytest.approx(float(derived), rel=1e-9)
    assert float(Fraction(file.expected["value"])) == pytest.approx(best.value, rel=1e-9)
    if not whole:
        assert best.exact == derived or isinstance(derived, float)
        assert Fraction(file.expected["value"]) == best.exact


@pytest.mark.parametrize("name", ALL)
def test_a_page_names_the_model_and_its_value(name):
    value = Fraction(read(name).expected["value"])
    pages = [text for stem, text in PAGES.items() if stem != "index" and f'mo.load("{name}")' in text]
    assert len(pages) == 1
    assert repr(value) in pages[0]
    assert re.search(rf"\| .*\b{value}\b", PAGES["index"])


def test_the_index_lists_every_page_once():
    listed = re.findall(r"\]\(([\w-]+)\.md\)", PAGES["index"])
    assert sorted(listed) == sorted(PAGES.keys() - {"index"})


def test_prices_earn_less_than_lotteries_in_one_of_three():
    best = {name: prices_for_two_goods(*goods(name)) for name in GOODS}
    assert best["hart-reny-2015/lotteries"] == Fraction(10, 3)
    assert {best[name] == Fraction(read(name).expected["value"]) for name in best if "nisan" in name} == {True}


def test_the_static_contract_is_optimal_in_one_and_not_in_the_other_two():
    assert posted([1, 2, 4], [Fraction(1, 2), Fraction(1, 4), Fraction(1, 4)]) == 1
    assert posted(TRAVEL, [Fraction(1, 6)] * 6, 1) == Fraction(5, 12)


def test_grids_of_bilateral_trade_come_down_to_the_second_best():
    grids = [[Fraction(2 * k + 1, 2 * n) for k in range(n)] for n in (6, 10, 16, 60)]
    values = [float(second_best(traders(g, g, [Fraction(1, len(g))] * len(g)))) for g in grids]
    assert values[:3] == pytest.approx([0.1543, 0.1512, 0.1481], abs=5e-5)
    assert sorted(values, reverse=True) == values
    assert 9 / 64 < values[3] < 9 / 64 + 0.003


def test_shares_of_the_public_good_fall_with_the_number_of_citizens():
    first = [sum(p * max(gain, 0) for p, gain, _ in citizens(n)) for n in (2, 4, 6)]
    assert first == [Fraction(7, 16), Fraction(23, 32), Fraction(123, 128)]
    shares = [float(second_best(citizens(n)) / best) for n, best in zip((2, 4, 6), first, strict=True)]
    assert shares == pytest.approx([0.952, 0.870, 0.813], abs=5e-4)


def test_quotas_without_money_earn_what_the_page_says():
    """A quota lets the agent have the good in n of T periods: she takes it when it is worth 3, else at the end."""

    def quota(periods, units):
        chances = [comb(periods, k) * 0.5**periods for k in range(periods + 1)]
        return sum(c * (3 * min(k, units) + max(units - k, 0) - 2.2 * units) for k, c in enumerate(chances))

    best = [max(quota(periods, units) for units in range(periods + 1)) for periods in (2, 3, 4)]
    assert best == pytest.approx([0.30, 0.55, 0.85])


def test_first_best_without_single_crossing():
    assert mo.load("dasgupta-maskin-2000/crossed").first_best == pytest.approx(23 / 3)


def test_gittins_indices_by_calibration():
    found = [beta_index(*arm, 0.9) for arm in ((1, 1), (2, 1), (1, 2))]
    assert found == pytest.approx([0.7029, 0.8001, 0.5001], abs=5e-5)
    assert all(f"{value:.4f}" in PAGES["gittins-1979"] for value in found)
