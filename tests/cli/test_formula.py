"""`mechopt formula`, `--at` on commands that take a model, and formulas in `certificate check`."""

import json
import sys
from fractions import Fraction
from pathlib import Path

import pytest
import sympy

import mechopt as mo
from mechopt.cli import main
from mechopt.solve.parametric.walk import Walker
from tests.parametric_models import EQUAL_REVENUE, TWO_AGENTS, battaglini, independent

Run = tuple[int, str, str]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path):
    (tmp_path / "two.toml").write_text(independent(2))
    (tmp_path / "h.toml").write_text(independent(1, '[1, "h"]').replace("[parameters]", '[parameters]\nh = ["1", "9"]'))
    (tmp_path / "moving.toml").write_text(battaglini(2))
    (tmp_path / "agents.toml").write_text(TWO_AGENTS)
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> Run:
        monkeypatch.setattr(sys, "argv", ["mechopt", *words])
        capfd.readouterr()
        status = 0
        try:
            main()
        except SystemExit as stop:
            status = int(stop.code or 0)
        out, err = capfd.readouterr()
        return status, out, err

    return call


def test_json_has_the_promised_keys(run) -> None:
    status, out, _ = run("formula", "two.toml", "--json", "--ratio", "repeated-myerson")
    document = json.loads(out)
    assert status == 0 and document["proved"] is True and document["parameter"] == "p"
    assert document["interval"] == ["0", "1"] and document["uncovered"] == []
    first, second, *_ = document["pieces"]
    assert first["numerator"] == ["2"] and first["denominator"] == ["1"]
    assert first["to"]["polynomial"] == ["1", "-3", "1"] and first["to"]["value"] == pytest.approx(0.3819660113)
    assert first["from"] == {"value": 0.0, "polynomial": ["0", "1"], "root": 0, "exact": "0", "radical": "0"}
    assert second["numerator"] == ["1", "3", "-1"] and second["latex"] == "1 + 3 p - p^2"
    assert document["ratios"][0]["minimum"]["exact"] == "8/9"


def test_the_table_says_what_was_found(run) -> None:
    status, out, _ = run("formula", "two.toml", "--ratio", "repeated-myerson")
    assert status == 0
    for words in (
        "(3 - sqrt(5))/2 = 0.3819660113",
        "1 + 3 p - p^2",
        "rising",
        "convex",
        "nondecreasing",
        "yes, for 0 < p < 1",
        "at least 8/9 = 0.8888888889 of the optimum, at p = 1/2; optimal for",
    ):
        assert words in out


def test_latex_and_sympy_say_the_same_function(run) -> None:
    formula = mo.formula(independent(3), prove=False)
    piecewise = sympy.sympify(formula.sympy())
    (symbol,) = piecewise.free_symbols
    for k in range(1, 40):
        point = Fraction(k, 41)
        assert piecewise.subs(symbol, sympy.Rational(k, 41)) == formula.value(point)
    status, out, _ = run("formula", "two.toml", "--latex")
    assert status == 0 and out.count(r"\text{if }") == 4
    assert r"\frac{3 - \sqrt{5}}{2}" in out and r"\begin{cases}" in out


def test_a_formula_and_its_proof_make_a_round(run, tmp_path: Path) -> None:
    assert run("formula", "two.toml", "--proof", "two.json")[0] == 0
    status, out, _ = run("certificate", "check", "two.toml", "two.json")
    assert status == 0 and ": 4 pieces by 4 primal and dual pairs" in out and "1 + 3 p - p^2" in out
    status, out, _ = run("certificate", "check", "two.toml", "two.json", "--json")
    document = json.loads(out)
    assert (document["proved"], document["pieces"], document["bases"], document["uncovered"]) == (True, 4, 4, [])
    assert document["statement"] == "the optimum of revenue under dic and epir, for 0 < p < 1"
    (tmp_path / "two.json").write_text((tmp_path / "two.json").read_text().replace('"1"', '"2"', 1))
    status, _, err = run("certificate", "check", "two.toml", "two.json")
    assert status == 1 and "two.json" in err
    run("formula", "moving.toml", "--proof", "moving.json")
    status, _, err = run("certificate", "check", "two.toml", "moving.json")
    assert status != 0 and err


def test_a_proof_at_a_value_of_another_parameter(run) -> None:
    assert run("formula", "h.toml", "--at", "h=3", "--proof", "h.json")[0] == 0
    assert run("certificate", "check", "h.toml", "h.json", "--at", "h=3")[0] == 0
    status, _, err = run("certificate", "check", "h.toml", "h.json", "--at", "h=4")
    assert status == 1 and "made for another model" in err
    status, _, err = run("certificate", "check", "h.toml", "h.json")
    assert status == 2 and "give values to all but one" in err


def test_a_picture_is_written(run, tmp_path: Path) -> None:
    assert run("formula", "two.toml", "--plot", "two.svg")[0] == 0
    assert "<svg" in (tmp_path / "two.svg").read_text()
    status, _, err = run("formula", "two.toml", "--plot", "two.gif")
    assert status == 2 and "pictures end in" in err


def test_a_stopped_search_says_so(run) -> None:
    status, out, err = run("formula", "two.toml", "--most-pieces", "2")
    assert status == 3 and "not reached" in out and "stopped by --most-pieces" in err
    status, out, _ = run("formula", "two.toml", "--most-pieces", "2", "--json")
    assert status == 3 and json.loads(out)["uncovered"]


def test_horizons_are_lined_up(run) -> None:
    status, out, _ = run("formula", "two.toml", "--horizons", "1..4")
    assert status == 0
    assert "value of piece 1 from below: v = T (from T = 1; agrees at T = 2, 3, 4; conjecture beyond)" in out
    assert "the same end at T = 1, 2, 3: 1/2" in out
    status, out, _ = run("formula", "two.toml", "--horizons", "1..3", "--json")
    document = json.loads(out)
    assert status == 0 and len(document["formulas"]["3"]["pieces"]) == 8 and document["conjectures"]
    status, _, err = run("formula", "two.toml", "--across", "h=2,3,4,5")
    assert status == 2 and "--across needs --horizons" in err
    status, out, _ = run("formula", "h.toml", "--parameter", "p", "--horizons", "1..3", "--across", "h=2,3,4,5")
    assert status == 0 and "v = h p T (from T = 1; agrees at T = 2, 3, h = 2, 3, 4, 5; conjecture beyond)" in out


@pytest.mark.parametrize(
    "words",
    [
        ("solve", "two.toml"),
        ("size", "two.toml"),
        ("compare", "two.toml"),
        ("frontier", "two.toml"),
        ("transfers", "agents.toml", "--report-only"),
        ("certificate", "make", "two.toml", "point.json"),
    ],
)
def test_commands_take_a_point(run, words: tuple[str, ...]) -> None:
    name = "c" if "agents.toml" in words else "p"
    status, out, err = run(*words, "--at", f"{name}=1/3")
    assert status == 0 and out, err
    status, _, err = run(*words)
    assert status == 2 and f"parameters.{name}: has no value; choose one: --at {name}=1/2" in err


def test_what_formula_refuses(run) -> None:
    status, _, err = run("formula", "mirrokni-2020/two-values-two-periods")
    assert status == 2 and "parameters: is missing" in err
    status, _, err = run("formula", "h.toml")
    assert status == 2 and "h, p are open; give values to all but one" in err
    status, _, err = run("formula", "two.toml", "--ratio", "pivot")
    assert status == 2 and "is not known as a function" in err


def test_ctrl_c_shows_what_there_is(run, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Walker._step

    def interrupted(self: Walker, deadline: float) -> None:
        if len(self.bases) == 2:
            raise KeyboardInterrupt
        step(self, deadline)

    monkeypatch.setattr(Walker, "_step", interrupted)
    status, out, err = run("formula", "two.toml")
    assert status == 3 and "not reached" in out and "stopped by Ctrl-C" in err


def test_scenarios_have_a_guarantee(run, tmp_path: Path) -> None:
    (tmp_path / "futures.toml").write_text(EQUAL_REVENUE)
    status, out, _ = run("formula", "futures.toml", "--proof", "futures.json", "--plot", "futures.svg")
    assert status == 0 and "(12 p^2 + 8 p - 2)/(8 p^2 + 13 p - 3)" in out
    assert "(208 + 12 sqrt(6))/265 = 0.8958259506 at p = (10 + 3 sqrt(6))/46 = 0.3771406354" in out
    status, out, _ = run("certificate", "check", "futures.toml", "futures.json")
    assert status == 0 and "the best guarantee" in out and ": 2 pieces by 3 primal and dual pairs" in out
    status, out, _ = run("formula", "futures.toml", "--json")
    document = json.loads(out)
    assert document["proved"] and len(document["pieces"]) == 2 and document["optima"][1]["scenario"] == "F1, F2"
    assert run("formula", "futures.toml", "--latex")[1].count("text{if }") == 2
    status, out, _ = run(
        "formula", "futures.toml", "--objective", "regret", "--ir", "per-period", "--proof", "regret.json"
    )
    assert status == 0 and "largest" in out and "dic and per-period" in out
    status, out, _ = run("certificate", "check", "futures.toml", "regret.json")
    assert status == 0 and "the least regret" in out and "under dic and per-period" in out
    status, _, err = run("formula", "futures.toml", "--ratio", "repeated-myerson")
    assert status == 2 and "which are of an optimum" in err
    status, _, err = run("formula", "futures.toml", "--most-pieces", "1")
    assert status == 3 and "intervals are left" in err


def test_a_page_is_written(run, tmp_path: Path) -> None:
    assert run("formula", "two.toml", "--report", "two.html")[0] == 0
    page = (tmp_path / "two.html").read_text()
    assert "mechopt formula two.toml --report two.html" in page and "values = [1, 2]" in page
    status, _, err = run("formula", "two.toml", "--report", "nowhere/two.html")
    assert status == 2 and "cannot write a page there" in err


def test_a_formula_cut_off_is_called_damaged_and_not_a_model_without_a_point(run, tmp_path: Path) -> None:
    assert run("formula", "two.toml", "--proof", "two.json", "--subject-to", "budget:1 + p")[0] == 0
    status, out, _ = run("certificate", "check", "two.toml", "two.json")
    assert status == 0 and "payments subject to budget:1 + p" in out
    (tmp_path / "cut.json").write_text((tmp_path / "two.json").read_text()[:300])
    status, _, err = run("certificate", "check", "two.toml", "cut.json")
    assert status == 1 and "not JSON" in err


def test_payments_stand_in_what_is_printed(run) -> None:
    status, out, _ = run("formula", "two.toml", "--subject-to", "no-subsidy+budget:1 + p", "--json")
    found = json.loads(out)
    assert status == 0 and found["constraints"]["subject_to"] == ["no-subsidy", "budget:1 + p"] and found["proved"]
    status, out, err = run("formula", "two.toml", "--subject-to", "budget:1", "--ratio", "repeated-myerson")
    assert status == 2 and "where payments are free" in err
