"""Reports in a real browser: sorting, counterexamples, themes, the keyboard, axe's rules of accessibility."""

from __future__ import annotations

import pytest

import mechopt as mo
from mechopt.show.page.page import write_report
from mechopt.show.page.report import compare_report
from mechopt.show.page.sweep import sweep_report
from mechopt.study.compare.compare import compare
from mechopt.study.sweep.sweep import sweep
from tests.browser import WITHOUT, accessibility_faults, browser, chromium, visit

pytestmark = pytest.mark.skipif(chromium() is None, reason=WITHOUT)


@pytest.fixture(scope="module")
def chrome():
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Files by name."""
    folder = tmp_path_factory.mktemp("pages")
    comparison = compare(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2))
    hostile = "<script>alert(1)</script>"
    write_report(
        compare_report(comparison, hostile, "mechopt compare x.toml", model=hostile), folder / "comparison.html"
    )
    write_report(sweep_report(sweep("horizons")), folder / "sweep.html")
    return {path.stem: path for path in folder.iterdir()}


@pytest.fixture
def opened(chrome, pages):
    """A comparison that is open; afterwards it must have said nothing on the console and fetched nothing."""
    with visit(chrome, pages["comparison"]) as found:
        yield found.page
        assert found.complaints == []
        assert found.requests == [pages["comparison"].as_uri()]


def names(page):
    return page.locator("#mechanisms tbody th").all_inner_texts()


def column(page, k):
    return page.locator(f"#mechanisms tbody td:nth-child({k})").all_inner_texts()


def heading(page, label):
    return page.locator("#mechanisms thead th", has_text=label)


def test_a_click_sorts_and_a_second_one_turns_it_round(opened):
    before = names(opened)
    heading(opened, "revenue").get_by_role("button").click()
    assert heading(opened, "revenue").get_attribute("aria-sort") == "descending"
    revenues = [float(text) for text in column(opened, 2)]
    assert revenues == sorted(revenues, reverse=True)
    assert opened.get_by_role("status").inner_text() == "sorted by revenue, falling"
    heading(opened, "revenue").get_by_role("button").click()
    assert heading(opened, "revenue").get_attribute("aria-sort") == "ascending"
    assert [float(text) for text in column(opened, 2)] == sorted(revenues)
    assert sorted(names(opened)) == sorted(before)


def test_the_keyboard_sorts(opened):
    button = heading(opened, "mechanism").get_by_role("button")
    button.focus()
    opened.keyboard.press("Enter")
    assert names(opened) == sorted(names(opened))
    opened.keyboard.press("Space")
    assert names(opened) == sorted(names(opened), reverse=True)
    opened.keyboard.press("Tab")
    opened.keyboard.press("Enter")
    assert heading(opened, "mechanism").get_attribute("aria-sort") is None
    assert heading(opened, "revenue").get_attribute("aria-sort") == "descending"


def test_what_is_unknown_comes_last_both_ways(opened):
    button = heading(opened, "guaranteed").get_by_role("button")
    # of the two-period mechanism and what is made of it, of the balance, and what is proved here of the asymptotic one
    largest_first = ["1/2", "1/2", "1/3", "here 0.0000"]
    for expected in (largest_first, largest_first[::-1]):
        button.click()
        guarantees = column(opened, 5)
        assert guarantees[:4] == expected
        assert set(guarantees[4:]) == {"–"}


def test_a_constraint_sorts_too(opened):
    heading(opened, "super-dic").get_by_role("button").click()
    marks = opened.locator("#mechanisms tbody td:nth-child(11)")
    kept = ["✓" in text for text in marks.all_inner_texts()]
    assert kept == sorted(kept, reverse=True)
    assert len(set(kept)) == 2


def test_a_click_shows_the_counterexample(opened):
    opened.get_by_role("row", name="clairvoyant-optimum").get_by_role("button", name="super-dic").click()
    dialog = opened.get_by_role("dialog")
    assert dialog.get_by_role("heading").inner_text() == "clairvoyant-optimum: super-dic violated"
    assert "gain" in dialog.inner_text()
    assert "buyer 0" in dialog.inner_text()
    assert accessibility_faults(opened) == []
    dialog.get_by_role("button", name="Close").click()
    dialog.wait_for(state="hidden")


def test_the_keyboard_shows_the_counterexample_and_comes_back(opened):
    button = opened.locator("button.broken").first
    button.focus()
    opened.keyboard.press("Enter")
    opened.get_by_role("dialog").wait_for(state="visible")
    opened.keyboard.press("Escape")
    opened.locator("dialog").wait_for(state="hidden")
    opened.wait_for_function("button => button === document.activeElement", arg=button.element_handle())


def test_a_link_opens_the_details_it_leads_to(opened):
    opened.get_by_role("link", name="two-period").click()
    opened.locator("details[open]", has_text="two-period").first.wait_for()


def test_the_button_turns_light_to_dark(opened):
    paper = "getComputedStyle(document.body).backgroundColor"
    assert opened.evaluate(paper) == "rgb(255, 255, 255)"
    opened.get_by_role("button", name="Dark").click()
    assert opened.evaluate(paper) == "rgb(20, 23, 28)"
    bar = "getComputedStyle(document.querySelector('figure path[style*=\"--bar\"]')).fill"
    assert opened.evaluate(bar) == "rgb(143, 165, 230)"
    opened.get_by_role("button", name="Light").click()
    assert opened.evaluate(paper) == "rgb(255, 255, 255)"


@pytest.mark.parametrize(
    ("name", "scheme", "width"),
    [("comparison", "light", 1200), ("comparison", "dark", 400), ("sweep", "light", 400), ("sweep", "dark", 1200)],
)
def test_accessibility(chrome, pages, name, scheme, width):
    with visit(chrome, pages[name], scheme, width) as found:
        found.page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
        assert accessibility_faults(found.page) == []
        assert found.page.evaluate("document.documentElement.scrollWidth") == width
        assert found.complaints == []
        assert found.requests == [pages[name].as_uri()]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 375)])
def test_the_optimum_by_states_is_seen_and_reached_by_its_link(chrome, pages, scheme, width):
    with visit(chrome, pages["comparison"], scheme, width) as found:
        page = found.page
        page.get_by_role("link", name="Optimum by states").click()
        rules = page.locator("#states tbody tr:not(.state)")
        rules.first.wait_for(state="visible")
        assert rules.count() > 1
        assert page.evaluate("document.documentElement.scrollWidth") == width
        badge = page.locator("#states .badge").first
        assert badge.evaluate("b => getComputedStyle(b).color") == "rgb(255, 255, 255)"
        wide = page.locator("#mechanisms-section .scroll").first
        scrolls = wide.evaluate("part => part.scrollWidth > part.clientWidth")
        assert scrolls == (width == 375)
        assert "gradient" in wide.evaluate("part => getComputedStyle(part).backgroundImage")


def test_axe_would_find_a_fault(chrome, tmp_path):
    faulty = tmp_path / "faulty.html"
    faulty.write_text("<!DOCTYPE html><html><title>No language</title><main><h1>No language</h1></main></html>")
    with visit(chrome, faulty) as found:
        assert [fault.partition(":")[0] for fault in accessibility_faults(found.page)] == ["html-has-lang"]


def test_paper_is_white_and_shows_everything(chrome, pages):
    with visit(chrome, pages["comparison"], "dark") as found:
        found.page.emulate_media(media="print", color_scheme="dark")
        assert found.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert not found.page.locator("#theme").is_visible()
        found.page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert found.page.locator("details:not([open])").count() == 0
