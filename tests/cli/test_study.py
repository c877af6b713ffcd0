"""``mechopt compare`` and ``mechopt maximin`` as a user calls them."""

import json

import pytest
from typer.testing import CliRunner

from mechopt.cli.app import application

TWO = """
kind = "independent"
horizon = 2
[[buyers]]
values = [1, 2]
probabilities = ["1/2", "1/2"]
[expected]
optimum.value = "9/4"
mechanisms.1.name = "repeated-myerson"
mechanisms.1.ratio = "8/9"
"""


@pytest.fixture
def two(tmp_path):
    path = tmp_path / "two.toml"
    path.write_text(TWO)
    return str(path)


def test_compare_prints_one_document_with_the_keys_of_the_contract(mechopt, two):
    status, out, err = mechopt("compare", two, "--json", "--check")
    assert status == 0
    document = json.loads(out)
    assert document["optimum"]["value"] == pytest.approx(2.25)
    assert document["optimum"]["verified"]["dic"]["holds"]
    by_name = {entry["name"]: entry for entry in document["mechanisms"]}
    assert set(by_name) == {
        "clairvoyant-optimum",
        "repeated-myerson",
        "repeated-second-price",
        "give-for-free",
        "non-clairvoyant-balance",
        "two-period",
        "asymptotic",
        "bank-account",
        "quasi-non-clairvoyant",
        "clairvoyant-per-period",
    }
    for entry in by_name.values():
        assert {"name", "revenue", "welfare", "ratio", "constraints", "source"} <= set(entry)
        assert entry["constraints"]["dic"]["holds"] is True
        assert all(entry["constraints"][claim]["holds"] for claim in entry["claims"])
    assert by_name["two-period"]["guarantee"] == 0.5
    broken = by_name["clairvoyant-optimum"]["constraints"]["super-dic"]
    assert broken["counterexample"]["gain"] == pytest.approx(broken["gain"])
    assert "as expected: mechanisms.1.ratio: expected 8/9" in err


def test_compare_tables_and_picture(mechopt, two, tmp_path):
    status, out, _ = mechopt("compare", two)
    assert status == 0
    assert out.startswith("mechanism")
    assert "0.8889" in out
    for table, start in (("markdown", "| mechanism |"), ("latex", r"\begin{tabular}")):
        status, out, _ = mechopt("compare", two, "--table", table, "--mechanisms", "repeated-myerson")
        assert (status, out.startswith(start)) == (0, True)
    status, _, _ = mechopt("compare", two, "--plot", str(tmp_path / "ratios.png"))
    assert status == 0
    assert (tmp_path / "ratios.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--mechanisms", "bank-acount"], "did you mean 'bank-account'"),
        (["--table", "csv"], "none of text, markdown, latex"),
        (["--plot", "ratios.gif"], "pictures end in .png, .svg or .pdf"),
    ],
    ids=["unknown-mechanism", "unknown-table", "unknown-picture"],
)
def test_compare_refuses(mechopt, two, options, message):
    status, _, err = mechopt("compare", two, *options)
    assert status == 2
    assert message in err


def test_two_period_asked_for_three_periods_is_refused(mechopt, tmp_path):
    path = tmp_path / "three.toml"
    path.write_text(TWO.replace("horizon = 2", "horizon = 3"))
    status, _, err = mechopt("compare", str(path), "--mechanisms", "two-period")
    assert status == 2
    assert "the environment has 3" in err
    status, _, err = mechopt("compare", str(path))
    assert status == 0
    assert "left out: two-period" in err
    status, _, err = mechopt("compare", str(path), "--check")
    assert status == 1
    assert "NOT as expected: optimum.value: expected 9/4, found 3.5" in err


def test_maximin_document_and_check(mechopt):
    name = "mirrokni-2020/maximin-equal-revenue-5"
    status, out, err = mechopt("maximin", name, "--json", "--check")
    assert status == 0
    document = json.loads(out)
    assert document["ratio"] == pytest.approx(10 / 11)
    assert [entry["name"] for entry in document["scenarios"]] == ["F1", "F1, F2"]
    for entry in document["scenarios"]:
        assert entry["ratio"] == pytest.approx(entry["revenue"] / entry["optimum"])
        assert all(check["holds"] for check in entry["verified"].values())
    assert "as expected: ratio: expected 10/11" in err


def test_commands_refuse_the_other_kind_and_name_the_right_one(mechopt, two):
    status, _, err = mechopt("maximin", two)
    assert status == 2
    assert "kind" in err
    status, _, err = mechopt("compare", "mirrokni-2020/maximin-equal-revenue-5")
    assert status == 2
    assert "maximin" in err


def test_help_lists_every_command():
    result = CliRunner().invoke(application(), ["--help"])
    for command in ("solve", "compare", "maximin", "verify", "size", "models", "schema"):
        assert command in result.output
