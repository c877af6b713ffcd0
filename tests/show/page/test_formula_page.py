"""The page of a formula: its script, run by node, gives the exact value and mechanism at every point."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest

import mechopt as mo
from mechopt.show.page.formula import formula_report
from mechopt.study.formula.rules import letter
from tests.parametric_models import CASES, battaglini, independent

TEMPLATES = Path(mo.__file__).parent / "show" / "page" / "templates"
HARNESS = """
const fs = require("fs");
const [page, script, ...points] = process.argv.slice(2);
const text = fs.readFileSync(page, "utf8");
const data = /<script type="application\\/json" id="formula-data">(.*?)<\\/script>/s.exec(text)[1];
const nodes = {};
const make = () => ({
  textContent: "", value: "", attributes: {}, children: [], listeners: {},
  setAttribute(k, v) { this.attributes[k] = v; }, removeAttribute(k) { delete this.attributes[k]; },
  addEventListener(k, f) { this.listeners[k] = f; },
  replaceChildren(...c) { this.children = c; }, append(...c) { this.children.push(...c); },
});
global.document = { getElementById: (id) => (nodes[id] ??= make()), createElement: make };
const node = (id) => document.getElementById(id);
node("formula-data").textContent = data;
node("formula-point").value = points[0];
eval(fs.readFileSync(script, "utf8"));
console.log(JSON.stringify(points.map((p) => {
  node("formula-point").value = p;
  node("formula-point").listeners.input();
  return {
    value: node("formula-value").textContent, invalid: node("formula-point").attributes["aria-invalid"] ?? null,
    slider: Number(node("formula-slider").value),
    rules: node("formula-rules").children.map((row) => row.children.map((cell) => cell.textContent)),
  };
})));
"""
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")


def shown(folder: Path, formula: mo.results.Formula, points: list[str]) -> list[dict]:
    """What the page shows at points."""
    (folder / "page.html").write_text(formula_report(formula), encoding="utf-8")
    (folder / "harness.js").write_text(HARNESS)
    command = ["node", folder / "harness.js", folder / "page.html", TEMPLATES / "formula.js", *points]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout)


@needs_node
@pytest.mark.parametrize(
    ("text", "ic", "ir"),
    [
        (independent(4), "dic", "epir"),
        (independent(3, interval='["1/3", "3/5"]'), "dic", "epir"),
        (battaglini(3), "bayesian", "epir"),
        (battaglini(3), "downward", "interim"),
        (CASES["interdependent-two"].text, "periodic-ex-post", "periodic"),
    ],
)
def test_the_page_is_exact_at_every_point(tmp_path: Path, text: str, ic: str, ir: str) -> None:
    formula, random = mo.formula(text, ic, ir, prove=False), Random(5)
    start, stop = formula.model.start, formula.model.stop
    points = [start + (stop - start) * Fraction(random.randrange(1, 10**6), 10**6) for _ in range(20)]
    points += [piece.stop.exact for piece in formula.pieces[:-1] if piece.stop.exact is not None]
    for point, page in zip(points, shown(tmp_path, formula, [str(p) for p in points]), strict=True):
        assert Fraction(page["value"].partition(" = ")[0]) == formula.value(point), point
        assert page["slider"] == pytest.approx(float((point - start) / (stop - start)) * 1000, abs=0.01)
        if point in formula.points:
            assert page["rules"] == []
            continue
        entries = [(state, entry) for state in formula.rules(point) for entry in state.entries]
        assert len(page["rules"]) == len(entries)
        for row, (state, entry) in zip(page["rules"], entries, strict=True):
            assert row[0] in ("", letter(state.number)) and row[2] == entry.reports
            assert [Fraction(part) for part in row[4].split(", ")] == [pays(point) for pays in entry.pays]


@needs_node
def test_points_that_are_not_in_the_interval_are_refused(tmp_path: Path) -> None:
    found = shown(tmp_path, mo.formula(independent(2), prove=False), ["1/2", "2", "x", "", "1/0", "0.30", "-1/3"])
    assert [page["invalid"] for page in found] == [None, "true", "true", "true", "true", None, "true"]
    assert [page["value"] for page in found[:2]] == ["9/4 = 2.25"] * 2 and found[5]["value"] == "2"


def test_a_page_says_what_was_found_and_nothing_runs_that_is_not_its_own() -> None:
    formula = mo.formula(independent(2))
    hostile = "</script><script>alert(1)</script>"
    page = formula_report(formula, hostile, "mechopt formula two.toml", hostile)
    assert "<script>alert" not in page and page.count("<script") == 2
    assert "(3 - sqrt(5))/2 = 0.3819660113" in page and "for 0 &lt; p &lt; 1" in page
    assert re.search(r"script-src 'sha256-[^']+'", page) and formula.model.fingerprint in page
    assert "http:" not in page.replace("http://www.w3.org", "")


def test_a_mechanism_with_too_many_rules_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mechopt.show.page.formula.MOST_RULES", 3)
    page = formula_report(mo.formula(independent(2), prove=False))
    assert "rules by state" not in page and 'type="range"' in page
