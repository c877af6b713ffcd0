"""Constraints on payments from the command line and in files."""

from __future__ import annotations

import json
from typing import NamedTuple

import pytest

TRADE = "myerson-satterthwaite-1983/bilateral-trade"
MODEL = """
kind = "independent"
horizon = 1
{above}
[[buyers]]
values = [1, 4]
probabilities = ["1/2", "1/2"]
{below}
"""


class Run(NamedTuple):
    exit_code: int
    stdout: str
    stderr: str


@pytest.fixture
def run(mechopt):
    return lambda *arguments: Run(*mechopt(*map(str, arguments)))


def words(text):
    return " ".join(text.replace("│", " ").split())


def test_the_file_of_bilateral_trade_prints_the_second_best(run):
    found = run("solve", TRADE, "--check", "--exact")
    assert found.exit_code == 0, found.stderr
    assert "25/162 (proved)" in words(found.stdout)
    assert "payments ex-ante-budget-balance" in words(found.stdout)


@pytest.mark.parametrize(
    ("above", "below"),
    [
        ('subject_to = ["budget:2"]', ""),
        ('subject_to = "budget:2"', ""),
        ("", '[solve]\nsubject_to = ["budget:2"]'),
    ],
)
def test_keys_of_a_file_and_flags(run, tmp_path, above, below):
    path = tmp_path / "model.toml"
    path.write_text(MODEL.format(above=above, below=below))
    document = json.loads(run("solve", path, "--json").stdout)
    assert document["exact" if "exact" in document else "value"] == pytest.approx(4 / 3)
    assert document["constraints"]["subject_to"] == "budget:2"
    assert json.loads(run("solve", path, "--json", "--subject-to", "none").stdout)["value"] == pytest.approx(2)
    both = json.loads(run("solve", path, "--json", "--subject-to", "no-subsidy+budget:1").stdout)
    assert both["verified"]["no-subsidy"]["holds"]
    assert both["verified"]["budget:1"]["holds"]
    assert run("size", path, "--subject-to", "none").stdout != run("size", path).stdout
    compared, curve = (json.loads(run(command, path, "--json").stdout) for command in ("compare", "frontier"))
    assert compared["optimum"]["constraints"]["subject_to"] == curve["constraints"]["subject_to"] == "budget:2"
    assert compared["optimum"]["value"] == pytest.approx(4 / 3)
    assert max(point["revenue"] for point in curve["points"]) == pytest.approx(4 / 3)
    free = json.loads(run("compare", path, "--json", "--subject-to", "none").stdout)
    assert free["optimum"]["value"] == pytest.approx(2)
    kept = {
        row["name"]: row["constraints"]["budget:2"]["holds"] for row in compared["mechanisms"] if row["constraints"]
    }
    assert kept["clairvoyant-optimum"] and not kept["repeated-myerson"]
    assert "budget:2" in run("compare", path).stdout
    refused = run("frontier", path, "--subject-to", "deterministic")
    assert refused.exit_code == 2 and "subject_to: deterministic" in words(refused.stderr)


def test_frontier_of_what_misreports_may_gain(run, tmp_path):
    path = tmp_path / "model.toml"
    path.write_text(MODEL.format(above="", below=""))
    found = json.loads(run("frontier", path, "--between", "epsilon", "--points", "3", "--json").stdout)
    curve = [(row["epsilon"], row["value"]) for row in found["curve"]]
    assert curve[0][1] < found["value"] and curve == sorted(curve)
    assert found["epsilon"] - found["lower"] <= 1e-7 and curve[0][0] == 0
    half = (curve[0][1] + found["value"]) / 2
    less = json.loads(run("frontier", path, "--between", "epsilon", "--value", str(half), "--json").stdout)
    assert 0 < less["epsilon"] < found["epsilon"]
    solved = json.loads(run("solve", path, "--epsilon", f"{less['epsilon']:.9f}", "--json").stdout)
    assert solved["value"] == pytest.approx(half, abs=1e-6)
    assert solved["verified"]["dic"]["epsilon"] == pytest.approx(less["epsilon"], abs=1e-8)
    assert "smallest epsilon" in run("frontier", path, "--between", "epsilon").stdout
    for flags, what in (
        [("--value", "1"), "goes with --between epsilon"],
        [("--between", "epsilon", "--exact"), "leave out"],
    ):
        refused = run("frontier", path, *flags)
        assert refused.exit_code == 2 and what in words(refused.stderr)


@pytest.mark.parametrize(
    ("above", "below", "where", "what"),
    [
        ('subject_to = ["budget"]', "", "subject_to", "write budget:3"),
        ('subject_to = ["budjet:2"]', "", "subject_to", "did you mean 'budget'"),
        ('subject_to = ["no-subsidy:2"]', "", "subject_to", "takes no amount"),
        ('subject_to = ["budget:x"]', "", "subject_to", "budget"),
        ('subject_to = ["budget:1,2"]', "", "budget:1,2", "2 amounts"),
        ('subject_to = ["epir"]', "", "subject_to", "not a constraint on payments"),
        ("subject_to = 3", "", "subject_to", ""),
        ('subject_to = "budget:2"', '[solve]\nsubject_to = "budget:2"', "solve.subject_to", "one of the two"),
    ],
)
def test_bad_keys_say_where_and_what(run, tmp_path, above, below, where, what):
    path = tmp_path / "model.toml"
    path.write_text(MODEL.format(above=above, below=below))
    found = run("solve", path)
    assert found.exit_code == 2
    assert where in words(found.stderr)
    assert what in words(found.stderr)


def test_verify_and_proofs(run, tmp_path):
    path, saved, proof = tmp_path / "model.toml", tmp_path / "best.npz", tmp_path / "proof.json"
    path.write_text(MODEL.format(above='subject_to = "budget:2"', below=""))
    assert run("solve", path, "--save", saved, "--proof", proof).exit_code == 0
    assert run("verify", path, saved).exit_code == 0
    violated = run("verify", path, saved, "--subject-to", "budget:1", "--exact")
    assert violated.exit_code == 1
    assert "payments of the agent are 1 above the budget" in words(violated.stdout)
    told = run("certificate", "check", path, proof)
    assert told.exit_code == 0
    assert "payments subject to budget:2, is 4/3" in words(told.stdout)
    assert run("certificate", "make", path, tmp_path / "free.json", "--subject-to", "none").exit_code == 0
    assert json.loads(run("certificate", "check", path, tmp_path / "free.json", "--json").stdout)["exact"] == "2"


def test_shadow_prices_are_written(run, tmp_path):
    path, prices = tmp_path / "model.toml", tmp_path / "prices.csv"
    path.write_text(MODEL.format(above='subject_to = "budget:2"', below=""))
    assert run("solve", path, "--duals", prices).exit_code == 0
    header, *rows = prices.read_text().splitlines()
    assert header == "constraint,agent,period,history,about,price"
    budget = next(row for row in rows if row.startswith("budget:2,0,0,[]"))
    assert float(budget.rsplit(",", 1)[1]) == pytest.approx(1 / 3)
    none = run("solve", path, "--duals", prices, "--subject-to", "none", "--method", "promised")
    assert none.exit_code == 0
    assert "has no shadow prices" in words(none.stderr)


def test_epsilon_is_an_option_of_solve_that_takes_the_place_of_the_files(run, tmp_path):
    path = tmp_path / "model.toml"
    path.write_text(MODEL.format(above='subject_to = "epsilon:5"', below=""))

    def value(*options):
        return json.loads(run("solve", path, "--json", *options).stdout)["value"]

    assert value("--epsilon", "1/10") == value("--subject-to", "epsilon:0.1") < value()
    assert value("--epsilon", "0") == value("--subject-to", "none")
    assert value("--subject-to", "budget:2", "--epsilon", "0") == value("--subject-to", "budget:2")
    for wrong, words_of_it in (("x", "'x' is not a number"), ("-1", "-1"), ("1,2", "2 amounts")):
        refused = run("solve", path, "--epsilon", wrong)
        assert refused.exit_code == 2
        assert words_of_it in words(refused.stderr)


def test_keys_in_the_wrong_place_and_amounts_for_others_name_the_file(run, tmp_path):
    path = tmp_path / "model.toml"
    path.write_text(MODEL.format(above='subject_to = "budget:2,3"', below=""))
    refused = run("solve", path)
    assert refused.exit_code == 2
    assert "model.toml: subject_to: budget:2,3: has 2 amounts" in words(refused.stderr)
    path.write_text(MODEL.format(above="", below='subject_to = "budget:2"'))
    refused = run("solve", path)
    assert refused.exit_code == 2
    assert "buyers[0].subject_to: belongs to the whole file, and stands below [[buyers]]; write it above" in words(
        refused.stderr
    )
