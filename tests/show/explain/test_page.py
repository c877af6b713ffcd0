"""The page: what a parser reads in it, that nothing of a model is markup or script, and how a browser shows it."""

import json
from fractions import Fraction
from html import unescape

import pytest

import mechopt as mo
from mechopt.show.explain.picture import flows
from tests.browser import WITHOUT, accessibility_faults, browser, chromium, visit
from tests.pages import Page

EVIL = '</script><script>alert("x")</script>'


def subscription(name="mid", action="sell"):
    stay = [["7/10", "1/5", "1/10"], ["3/20", "7/10", "3/20"], ["1/10", "1/5", "7/10"]]
    return mo.MarkovTypes(
        [[[0, 0, 0], [1, 2, 4]]],
        [stay],
        [["1/3"] * 3],
        types=[["low", name, "high"]],
        actions=["keep", action],
        horizon=4,
    )


@pytest.fixture(scope="module")
def found():
    return mo.optimum(subscription()).explain()


def data_of(page):
    (script,) = (s for s in Page(page).scripts if s.lstrip().startswith("{"))
    return json.loads(script)


def test_the_table_of_the_page_is_that_of_the_explanation(found):
    rows = Page(found.to_html()).tables["states"]
    rules = [row for row in rows[1:] if len(row) == 4]
    assert [tuple(row[:3]) for row in rules] == [
        (rule.reports, rule.then, rule.pays) for state in found.states for rule in state.rules
    ]


def test_following_the_data_of_the_page_is_following_the_mechanism(found):
    """Revenue by summing over all paths of the page's own data, which uses nothing of the mechanism's arrays."""
    data = data_of(found.to_html())

    def revenue(t, mode, past, chance):
        total = 0.0
        for profile, rule in data["rules"][mode].items():
            k = int(profile)
            here = chance * (data["initial"][k] if t == 0 else data["kernel"][t - 1][0][past][k])
            total += here * data["present"][0][t] * rule["payments"][0]
            if t + 1 < data["horizon"] and here > 0:
                ((_, after, _),) = rule["next"]
                total += revenue(t + 1, after, k, here)
        return total

    assert revenue(0, 0, 0, 1.0) == pytest.approx(found.value, abs=1e-9)


def test_flows_of_the_picture_are_probabilities(found):
    by_period = {}
    for (t, _, _), chance in flows(found).items():
        by_period[t] = by_period.get(t, 0.0) + chance
    assert by_period == pytest.approx({0: 1.0, 1: 1.0, 2: 1.0})
    axes = found.plot()
    assert axes.get_title(loc="left") == found.summary


def test_names_of_a_model_are_text(tmp_path):
    found = mo.optimum(subscription(EVIL, "<b>sell</b>")).explain()
    page = found.to_html(title=EVIL)
    parsed = Page(page)
    assert len(parsed.scripts) == 2 and "<b>sell</b>" in parsed.text
    assert not any(tag == "b" for tag, _ in parsed.elements)
    table = found._repr_html_()
    assert EVIL not in table and EVIL in unescape(table)


def test_a_page_asks_for_nothing_outside(found):
    parsed = Page(found.to_html())
    for tag, attributes in parsed.elements:
        for key in ("src", "href"):
            assert attributes.get(key, "#").startswith(("#", "data:")), (tag, attributes)


@pytest.mark.skipif(chromium() is None, reason=WITHOUT)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 375])
def test_in_a_browser(found, tmp_path, scheme, width):
    from axe_playwright_python.sync_playwright import Axe

    path = tmp_path / "page.html"
    found.to_html(path, "A subscription")
    with browser() as started, visit(started, path, scheme, width) as seen:
        page = seen.page
        assert seen.complaints == [] and seen.requests == [path.as_uri()]
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        first = page.locator("#told").inner_text()
        page.locator("#p0r0 + label").click()
        assert page.locator("#told").inner_text() != first
        page.keyboard.press("ArrowRight")
        assert page.locator("#p0r1").is_checked()
        page.locator("#tree summary").first.click()
        page.locator("#tree details details").first.wait_for()
        report = Axe().run(page)
        assert report.response["violations"] == [], [
            (v["id"], v["nodes"][0]["html"]) for v in report.response["violations"]
        ]
        page.screenshot(path=str(tmp_path / "page.png"), full_page=True)


@pytest.mark.skipif(chromium() is None, reason=WITHOUT)
@pytest.mark.parametrize("width", [1200, 375])
def test_every_agent_is_drawn_and_the_likeliest_path_is_open(tmp_path, width):
    env = mo.IndependentTypes([[[1, 2]] * 2, [[1, 3]] * 2], [[["3/4", "1/4"]] * 2, [["1/4", "3/4"]] * 2])
    found, path = mo.optimum(env).explain(), tmp_path / "page.html"
    found.to_html(path, "Two buyers")
    with browser() as started, visit(started, path, "light", width) as seen:
        page = seen.page
        told = [picture.get_attribute("aria-label") for picture in page.locator("#chart svg").all()]
        assert [label.split(" as bars")[0] for label in told] == ["Payments of buyer 0", "Payments of buyer 1"]
        checked = [
            box.evaluate("box => box.nextSibling.textContent") for box in page.locator("#picker input:checked").all()
        ]
        assert checked == ["1/3", "1/3"]
        utilities = page.locator("#ledger tbody tr").last.locator("td").last.inner_text().split(" / ")
        ends = [picture.locator("circle").last.get_attribute("cy") for picture in page.locator("#chart svg").all()]
        low, high = sorted(zip(map(float, utilities), map(float, ends), strict=True))
        assert low[0] == high[0] or low[1] > high[1]  # both on one scale, the higher one above
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert seen.complaints == [] and accessibility_faults(page) == []


@pytest.mark.skipif(chromium() is None, reason=WITHOUT)
@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 375)])
def test_the_slider_of_a_parameter_is_exact_in_a_browser(tmp_path, scheme, width):
    """One sale to types 1 and 2 at odds p: revenue is max(1, 2 p), by hand."""
    text = (
        'kind = "independent"\nhorizon = 1\n[[buyers]]\nvalues = [1, 2]\nprobabilities = ["1 - p", "p"]\n'
        '[parameters]\np = ["0", "1"]\n'
    )
    formula = mo.formula(text)
    found = mo.optimum(mo.IndependentTypes.iid([1, 2], ["2/3", "1/3"], horizon=1)).explain()
    path = tmp_path / "page.html"
    found.to_html(path, "A sale", formula, Fraction(1, 3))
    with browser() as started, visit(started, path, scheme, width) as seen:
        page = seen.page
        assert page.locator("#formula-value").inner_text() == "1"
        page.locator("#formula-point").fill("7/11")
        assert page.locator("#formula-value").inner_text().startswith("14/11 = 1.2727")
        page.locator("#formula-slider").focus()
        page.keyboard.press("End")
        assert page.locator("#formula-value").inner_text() == "2"
        page.locator("#p0r0 + label").click()  # the path picker is still there
        assert seen.complaints == [] and seen.requests == [path.as_uri()]
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert accessibility_faults(page) == []
