"""Reports as pages: whole, self-contained, escaped, and saying what the comparison or sweep says."""

from __future__ import annotations

import base64
import hashlib
import sys
from dataclasses import replace
from fractions import Fraction
from xml.etree import ElementTree

import pytest

import mechopt as mo
from mechopt.environment.families.learning import sponsored_search
from mechopt.environment.words import model_words
from mechopt.mechanism.constraints import ALL_CONSTRAINTS
from mechopt.show.counterexample import facts, sentence
from mechopt.show.page import page as report_page
from mechopt.show.page import pictures as report_pictures
from mechopt.show.page import sweep as report_sweep
from mechopt.show.page.page import file_text, require_report, write_report
from mechopt.show.page.report import compare_report
from mechopt.show.page.sweep import sweep_report
from mechopt.show.page.wording import MEANINGS
from mechopt.solve.exact.certify import certify
from mechopt.solve.solution import Bound, Status
from mechopt.study.compare.compare import compare
from mechopt.study.sweep.grid import Grid
from mechopt.study.sweep.sweep import sweep
from mechopt.study.sweep.table import Rows
from tests.interdependent_instances import random_environment
from tests.pages import Page
from tests.persistent_instances import one_item
from tests.study.compare.test_persistent import SEPARABLE
from tests.study.sweeps import MANY, write_study

HOSTILE = "<script>alert(1)</script>"


def two_values(periods=2, buyers=1):
    return mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=periods, agents=buyers)


KINDS = {
    "one-buyer": lambda: two_values(),
    "two-buyers": lambda: two_values(buyers=2),
    "markov": lambda: one_item(1),
    "markov-infinite": lambda: mo.families.scheduling([5, 3, 1], "1/2"),
    "separable": lambda: SEPARABLE,
    "separable-infinite": lambda: sponsored_search([[1, 2]] * 2, [["1/2", "1/2"]] * 2, [(1, 1)] * 2, 1, "1/2"),
    "interdependent": lambda: random_environment(1, sizes=(2, 2), actions=2, horizon=2),
}


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    comparison = compare(KINDS[request.param]())
    return comparison, compare_report(comparison, title="A title", command="mechopt compare x.toml")


def test_a_page_is_whole_and_fetches_nothing(kind):
    _, source = kind
    page = Page(source)
    ids = page.all("id")
    assert len(ids) == len(set(ids))
    assert page.fetched() == []
    assert page.handlers() == []
    places = [place[1:] for place in page.all("href")] + page.all("data-show") + page.all("aria-labelledby")
    assert set(places) <= set(ids)
    assert len(source.encode()) < 300_000


def test_only_the_script_of_the_page_may_run(kind):
    _, source = kind
    page = Page(source)
    assert len(page.scripts) == 1
    digest = base64.b64encode(hashlib.sha256(page.scripts[0].encode()).digest()).decode()
    policy = next(content for content in page.all("content") if "script-src" in content)
    assert f"script-src 'sha256-{digest}';" in policy
    assert "default-src 'none'" in policy


def test_every_mechanism_and_every_broken_constraint_is_there(kind):
    comparison, source = kind
    page = Page(source)
    heading, rows = page.tables["mechanisms"][1], page.tables["mechanisms"][2:]
    mechanisms = [entry for entry in comparison.entries if entry.computed != "bound"]
    bounds = [entry.name for entry in comparison.entries if entry.computed == "bound"]
    assert [row[0] for row in page.tables.get("bounds", [[]])[1:]] == bounds
    assert [row[0] for row in rows] == [entry.name for entry in mechanisms]
    for row, entry in zip(rows, mechanisms, strict=True):
        marks = dict(zip(heading, row, strict=True))
        for constraint in comparison.constraints:
            if entry.report is None or constraint not in entry.report:
                assert marks[constraint.name] == "not checked"
            elif entry.report[constraint].holds:
                assert marks[constraint.name] == "satisfied"
            else:
                assert marks[constraint.name] == f"{constraint.name} violated, show how"
                assert sentence(entry.report[constraint].counterexample, comparison.environment) in page.text
    broken = sum(not check.holds for entry in comparison.entries for check in (entry.report or {}).values())
    assert len(page.all("data-show")) == broken


def test_instance_optimum_and_how_to_reproduce_are_there(kind):
    comparison, source = kind
    page = Page(source)
    assert comparison.environment.fingerprint in page.text
    assert "mechopt compare x.toml" in page.text
    assert mo.__version__ in page.text
    if comparison.optimum is None:
        assert "The optimum for ever was not found" in page.text
        assert "bracket" not in page.text
    else:
        assert f"{comparison.optimum.bound.upper:.12g} " in page.text.replace("\n", " ")
    assert [label for label in page.all("aria-label") if label.startswith("Bars: ")]


def test_numbers_of_two_values_over_two_periods():
    # The optimum is 9/4 (tests/papers); price 1 sells always: revenue 1 and welfare 3/2 a period, 2 of 9/4 is 8/9.
    rows = {row[0]: row for row in Page(compare_report(compare(two_values()))).tables["mechanisms"][1:]}
    assert rows["mechanism"][1:6] == ["revenue", "welfare", "share of optimum", "guaranteed", "share of static"]
    assert rows["repeated-myerson"][1:6] == ["2", "3", "0.8889", "–", "1.0000"]
    assert rows["two-period"][4] == "1/2"
    assert rows["clairvoyant-optimum"][1] == "2.25"


def test_the_proved_fraction_stands_where_it_was_asked_for():
    env = two_values(4)  # 153/32: Mirrokni et al. (2020), by the exact promised-utility recursion
    comparison = compare(env, ["clairvoyant-optimum"])
    assert "looks like 153/32 (a guess, not a proof)" in Page(compare_report(comparison)).text
    certificate = certify(env)
    assert certificate.value == Fraction(153, 32)
    assert "= 153/32, proved in exact rationals" in Page(compare_report(comparison, certificate=certificate)).text


def test_an_optimum_that_a_limit_stopped_is_no_optimum():
    comparison = compare(two_values(), ["clairvoyant-optimum"])
    stopped = replace(comparison.optimum, status=Status.TIME_LIMIT, bound=Bound(2.25, float("inf"), "a limit"))
    text = Page(compare_report(replace(comparison, optimum=stopped))).text
    assert "the best that was found (time limit)" in text
    assert "2.25 ≤ optimum ≤ ∞" in text


def test_a_model_too_large_for_its_optimum_says_so():
    comparison = replace(compare(two_values(), ["repeated-myerson"]), optimum=None)
    assert "The program of the optimum is too large here" in Page(compare_report(comparison)).text


def test_every_constraint_has_a_meaning():
    assert set(MEANINGS) == {constraint.name for constraint in ALL_CONSTRAINTS}


def test_a_counterexample_in_words():
    found = compare(two_values(2, 2), ["clairvoyant-optimum"])["clairvoyant-optimum"].report[mo.PPIR()].counterexample
    by_hand = replace(found, agent=1, period=1, history=((0, 1),), true_type=1, report=1, others=(0,), gain=0.25)
    assert facts(by_hand, model_words(two_values(2, 2))) == [
        ("who", "buyer 1"),
        ("when", "period 1"),
        ("reports of period 0", "1/2"),
        ("true type", "2"),
        ("others' types", "buyer 0: 1"),
        ("utility", "−0.25"),
    ]


def test_types_of_the_unfolded_environment_have_its_names():
    # Initial values 0.5 and 1, signals cold and hot: type 2 * k + z of a later period is "value k:signal z".
    found = compare(SEPARABLE, ["virtual-pivot"])["virtual-pivot"].report[mo.EPIR()].counterexample
    by_hand = replace(found, period=2, history=((0,), (3,)), true_type=2, report=2, actions=(1, 0), gain=1.0)
    assert facts(by_hand, model_words(SEPARABLE))[2:] == [
        ("reports of period 0", "0.5; then include 0"),
        ("reports of period 1", "1:hot; then none"),
        ("true type", "1:cold"),
        ("utility", "−1"),
    ]


@pytest.fixture(scope="module")
def hostile():
    """Names that would be tags, attributes, formulas, control characters."""
    environment = mo.MarkovTypes(
        [[[0, 0], [1, 2]]] * 2,
        [[["3/4", "1/4"], ["1/4", "3/4"]]] * 2,
        [["2/5", "3/5"]] * 2,
        actions=["</dd><b>", "\"' onclick='alert(1)"],
        types=[["<img src=x onerror=alert(1)>", "</td></table>"]] * 2,
        names=[f"</script>{HOSTILE}", "$\\frac{$"],
        horizon=2,
    )
    best = mo.optimum(environment).mechanism
    return compare(environment, {HOSTILE: best, "$\\frac{$ \x01\x1b": best, '"><svg onload=alert(1)>': best})


def test_hostile_text_is_text(hostile):
    source = compare_report(hostile, HOSTILE, f"x {HOSTILE}", "</title>" + HOSTILE, "</pre>" + HOSTILE + "{{ 7 * 7 }}")
    page = Page(source)
    assert HOSTILE not in source
    assert len(page.scripts) == 1
    assert "alert" not in page.scripts[0]
    assert page.handlers() == []
    assert page.fetched() == []
    assert not {"b", "img"} & {tag for tag, _ in page.elements}
    assert [row[0] for row in page.tables["mechanisms"][2:]] == [
        HOSTILE,
        "$\\frac{$ ??",
        '"><svg onload=alert(1)>',
    ]
    assert page.text.count(HOSTILE) >= 6  # tab, heading, agent, table, details, command, source, file
    assert "{{ 7 * 7 }}" in page.text
    assert "<img src=x onerror=alert(1)>" in page.text


def test_figures_take_the_colours_of_the_page_and_say_what_they_show():
    source = compare_report(compare(two_values()))
    pieces = [piece.partition("</svg>")[0] for piece in source.split("<svg ")[1:]]
    assert len(pieces) == 2
    for piece in pieces:
        root = ElementTree.fromstring(f"<svg {piece}</svg>")
        assert root.get("role") == "img"
        assert root.get("aria-label")
        assert "currentColor" in piece
        assert "var(--bar)" in piece
        assert "#010203" not in piece
        assert "<style" not in piece
    assert "repeated-myerson 0.8889" in pieces[0]


def test_a_page_is_the_same_each_time():
    comparison = compare(two_values())
    assert compare_report(comparison) == compare_report(comparison)


def test_without_matplotlib_figures_are_left_out(monkeypatch):
    monkeypatch.setattr(report_pictures, "find_spec", lambda name: None)
    page = Page(compare_report(compare(two_values())))
    assert "figure" not in {tag for tag, _ in page.elements}
    assert "#figures" not in page.all("href")


def test_without_jinja2_it_says_what_to_install(monkeypatch):
    report_page._environment.cache_clear()
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(mo.InputError, match="pip install"):
        compare(two_values(), ["repeated-myerson"]).to_html()


def test_to_html_writes_the_page(tmp_path):
    table = compare(two_values(), ["repeated-myerson"])
    page = table.to_html(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text("utf-8") == page
    with pytest.raises(mo.InputError, match="cannot write"):
        write_report(page, tmp_path / "absent" / "report.html")


def test_a_place_that_cannot_be_written_to_is_refused_beforehand(tmp_path):
    require_report(tmp_path / "report.html")
    for place in (tmp_path, tmp_path / "absent" / "report.html"):
        with pytest.raises(mo.InputError, match="cannot write a page there"):
            require_report(place)


def test_the_text_of_files(tmp_path):
    (tmp_path / "a.toml").write_text("kind = 1")
    assert file_text(str(tmp_path / "a.toml"), {}) == "kind = 1"
    assert file_text("named", {"named": tmp_path / "a.toml"}) == "kind = 1"
    assert file_text("absent", {}) == ""
    assert file_text(str(tmp_path), {}) == ""


GRID = f"""
title = "{HOSTILE}"
model = "base.toml"
mechanisms = ["repeated-myerson", "two-period"]
[grid]
horizon = [1, 2]
discount = [1, 2]
"""


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    return sweep(write_study(tmp_path_factory.mktemp("study"), GRID))


def test_a_sweep_as_a_page(swept):
    source = sweep_report(swept, command="mechopt sweep study.toml", study="[grid]")
    page = Page(source)
    assert HOSTILE not in source
    assert HOSTILE in page.text
    assert page.fetched() == []
    assert len(page.all("id")) == len(set(page.all("id")))
    assert set(place[1:] for place in page.all("href")) <= set(page.all("id"))
    # Discount 2 is not a discount; with 1 the shares of price 1 are 1/1 and 2/(9/4).
    rows = {row[0]: row for row in page.tables["points"]}
    assert rows["point"][1:6] == ["horizon", "discount", "status", "value", "welfare"]
    assert rows["0"][1:5] == ["1", "1", "done", "1"]
    assert rows["1"][3].startswith("invalid: ")
    assert rows["2"][-2:] == ["0.8889", rows["2"][-1]]
    shares = {row[0]: row[1:] for row in page.tables["shares"]}
    assert shares["repeated-myerson"] == ["2", "0.8889", "0.9444", "0.9444", "1.0000", "2"]
    assert shares["two-period"][0] == "1"
    assert "seed 0" in page.text
    assert [label for label in page.all("aria-label") if label.startswith("Heat map of the share of the optimum")]
    worst = swept.worst("repeated-myerson")[0]
    assert mo.loads(worst.text).fingerprint in page.text


def test_a_grid_of_one_number_is_drawn_as_lines(tmp_path):
    text = 'model = "base.toml"\nmechanisms = ["repeated-myerson"]\n[grid]\nhorizon = [1, 2, 3]'
    page = Page(sweep_report(sweep(write_study(tmp_path, text))))
    labels = [label for label in page.all("aria-label") if label.startswith("Lines: ")]
    assert [label.partition(" by ")[0] for label in labels] == [
        "Lines: share of the optimum",
        "Lines: revenue of the optimum and of each mechanism",
    ]


def test_a_long_sweep_shows_what_failed_and_the_smallest_shares(swept):
    rows = Rows()
    for k in range(299):
        ratios = {"repeated-myerson.ratio": k / 300, "two-period.ratio": 1.0}
        rows.add(k, swept.points[2].varied, swept.rows[2] | ratios)
    rows.add(299, swept.points[2].varied, {"status": "failed", "reason": "no optimum"})
    study = replace(swept.study, grid=Grid({"horizon": {"from": 1, "to": 300}}, []))
    many = replace(swept, study=study, rows=rows.finished(), count=300)
    page = Page(sweep_report(many))
    assert [int(row[0]) for row in page.tables["points"][1:]] == [*range(report_sweep.MOST_POINTS - 1), 299]
    assert page.tables["points"][-1][3] == "failed: no optimum"
    assert "100 points are left out here" in page.text


def test_a_sweep_that_was_stopped_at_once(swept):
    page = Page(sweep_report(replace(swept, rows=Rows().finished(), interrupted=True)))
    assert "Stopped before the end" in page.text
    assert "0 of 4 points" in page.text


def test_random_instances_are_drawn_against_the_optimum(tmp_path):
    page = Page(sweep_report(sweep(write_study(tmp_path, MANY.format(count=6)))))
    assert "seed 7" in page.text
    (label,) = [label for label in page.all("aria-label") if label.startswith("Dots: ")]
    assert label.startswith("Dots: share of the optimum, non-clairvoyant-balance by value: smallest ")


def test_the_optimum_stands_there_by_states():
    comparison = compare(two_values(3, 1), ["repeated-myerson"])
    page, found = Page(compare_report(comparison)), comparison.optimum.explain()
    rules = [tuple(row[:3]) for row in page.tables["states"][1:] if len(row) == 4]
    assert rules == [(rule.reports, rule.then, rule.pays) for state in found.states for rule in state.rules]
    assert [row[0] for row in page.tables["memory-shares"][1:]] == [share.memory for share in found.shares]
    assert "states" not in Page(compare_report(replace(comparison, optimum=None))).tables


def test_what_a_theorem_proves_here_stands_beside_the_revenue():
    comparison = compare(two_values(periods=40), ["asymptotic", "repeated-myerson"])
    page = Page(compare_report(comparison))
    rows = {row[0]: row for row in page.tables["mechanisms"][1:]}
    place = rows["mechanism"].index("guaranteed")
    row = comparison["asymptotic"]
    assert rows["asymptotic"][place] == f"here {max(0, row.proved_revenue) / comparison.optimum.value:.4f}"
    assert rows["repeated-myerson"][place] == "–" and row.proved_revenue <= row.revenue
    assert "proved to earn here at least" in page.text
