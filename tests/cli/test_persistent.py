"""Commands on models whose types persist: solve, size, verify, compare, certificate make; bad input names its key."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

import mechopt as mo
from mechopt.cli.app import application

BATTAGLINI = "battaglini-2005/two-types"
CORRELATED = """
kind = "interdependent"
horizon = 2
actions = ["keep", "first", "second"]
initial = [["3/8", "1/8"], ["1/8", "3/8"]]
kernel = [[[["3/8", "1/8"], ["1/8", "3/8"]], [["1/8", "3/8"], ["3/8", "1/8"]]],
          [[["1/4", "1/4"], ["1/4", "1/4"]], [["1/2", 0], [0, "1/2"]]]]
[[agents]]
values = [[[0, 0], [0, 0]], [[1, 2], [2, 3]], [[0, 0], [0, 0]]]
[[agents]]
values = [[[0, 0], [0, 0]], [[0, 0], [0, 0]], [[1, 2], [2, 3]]]
[solve]
ic = "periodic-ex-post"
ir = "periodic-ex-post-ir"
"""


def invoke(*arguments):
    return CliRunner().invoke(application(), [str(argument) for argument in arguments])


def document(*arguments):
    result = invoke(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_solve_prints_its_contract():
    found = document("solve", BATTAGLINI)
    assert found["value"] == pytest.approx(153 / 40)
    assert found["constraints"] == {"ic": "bayesian", "ir": "interim"}
    assert found["verified"]["bayesian"]["holds"]
    assert found["verified"]["interim"]["holds"]
    assert set(found["size"]) == {"rows", "columns", "nonzeros"}
    assert found["welfare"] == pytest.approx(sum(found["utilities"]) + found["revenue"])


def test_exact_values_of_persistent_types():
    assert document("solve", BATTAGLINI, "--exact")["exact"] == "153/40"


def test_size_is_that_of_the_solve():
    sizes, found = document("size", BATTAGLINI), document("solve", BATTAGLINI)
    assert {key: sizes[key] for key in found["size"]} == found["size"]
    assert sizes["histories"] == 2 + 4 + 8


@pytest.mark.parametrize("ic", ["bayesian", "bayesian-own", "periodic-ex-post", "adjacent", "none"])
@pytest.mark.parametrize("ir", ["interim", "epir", "periodic-ex-post-ir"])
def test_constraints_have_names(ic, ir):
    found = document("solve", BATTAGLINI, "--ic", ic, "--ir", ir)
    assert found["constraints"] == {"ic": ic, "ir": ir}


def test_a_saved_mechanism_is_verified_from_its_file(tmp_path):
    file = tmp_path / "optimal.npz"
    assert invoke("solve", BATTAGLINI, "--save", file).exit_code == 0
    assert document("verify", BATTAGLINI, file)["constraints"]["bayesian"]["holds"]
    broken = invoke("verify", BATTAGLINI, file, "--ir", "epir", "--json")
    assert broken.exit_code == 1
    example = json.loads(broken.stdout)["constraints"]["epir"]["counterexample"]
    assert example["gain"] > 0.1
    assert {"agent", "period", "history", "true_type", "report", "gain"} <= set(example)


def test_a_mechanism_belongs_to_its_model(tmp_path):
    file = tmp_path / "optimal.npz"
    assert invoke("solve", BATTAGLINI, "--save", file).exit_code == 0
    other = invoke("verify", "battaglini-2005/local-constraints-are-not-enough", file)
    assert isinstance(other.exception, mo.InputError)
    assert "made for another environment" in str(other.exception)


def test_compare_on_an_infinite_horizon():
    found = document("compare", "bergemann-valimaki-2010/scheduling", "--check")
    names = [row["name"] for row in found["mechanisms"]]
    assert names == [
        "dynamic-pivot",
        "team",
        "team-upfront",
        "bond",
        "balanced-team",
        "efficient-welfare",
        "clairvoyant-optimum",
    ]
    assert found["optimum"]["value"] == pytest.approx(6.75)
    assert found["mechanisms"][0]["constraints"]["periodic-ex-post"]["holds"]


def test_correlated_signals_from_a_file(tmp_path):
    path = tmp_path / "correlated.toml"
    path.write_text(CORRELATED)
    found = document("solve", path)
    assert found["constraints"] == {"ic": "periodic-ex-post", "ir": "periodic-ex-post-ir"}
    assert found["verified"]["periodic-ex-post"]["holds"]
    bayesian = document("solve", path, "--ic", "bayesian", "--ir", "interim")
    assert bayesian["value"] >= found["value"] - 1e-8
    rows = {row["name"]: row for row in document("compare", path)["mechanisms"]}
    assert rows["efficient-welfare"]["revenue"] >= bayesian["value"] - 1e-8


@pytest.mark.parametrize("name", [name for name in mo.formats.bundled() if not name.startswith("mirrokni")])
def test_bundled_models_are_read(name):
    assert mo.load(name).fingerprint


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["solve", "liu-2025/independent-chains"], "give a number of periods", id="infinite-program"),
        pytest.param(["solve", BATTAGLINI, "--ic", "dic"], "not defined for persistent types", id="fresh-constraint"),
        pytest.param(["solve", BATTAGLINI, "--method", "promised"], "not for persistent types", id="method"),
        pytest.param(["solve", BATTAGLINI, "--form", "promise"], "there is one", id="form"),
        pytest.param(["maximin", BATTAGLINI], "needed is 'scenarios'", id="maximin"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, words):
    result = invoke(*arguments)
    assert isinstance(result.exception, mo.InputError)
    assert words in str(result.exception)


def test_a_kernel_that_does_not_sum_to_1_is_named(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text(CORRELATED.replace('["1/8", "3/8"]], [["1/8", "3/8"]', '["1/8", "1/8"]], [["1/8", "3/8"]', 1))
    result = invoke("solve", path)
    assert isinstance(result.exception, mo.InputError)
    assert "kernel" in str(result.exception)


def test_a_diagnosis_says_when_local_constraints_were_not_enough():
    # The first-order optimum is 4; a strategy then gains 1.1 (counted for the first type that has it, by the verifier).
    result = invoke("solve", "battaglini-2005/local-constraints-are-not-enough", "--ic", "adjacent")
    assert result.exit_code == 0
    assert "adjacent misreports gain nothing, but a strategy gains 1.1" in result.stdout
    full = invoke("solve", "battaglini-2005/local-constraints-are-not-enough")
    assert "diagnosis" not in full.stdout
