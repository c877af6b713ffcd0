"""``mechopt frontier`` as a user calls it."""

import json

import pytest
import typer
from typer.testing import CliRunner

import mechopt as mo
from mechopt.cli.frontier import frontier

TWO = """
title = "Two values"
kind = "independent"
horizon = 1
[[buyers]]
values = [1, 2]
probabilities = ["1/4", "3/4"]
"""


@pytest.fixture
def run(tmp_path):
    model = tmp_path / "two.toml"
    model.write_text(TWO)
    app = typer.Typer()
    app.command()(frontier)
    return lambda *arguments: CliRunner().invoke(app, [str(model), *map(str, arguments)])


def test_one_document_with_corners_weights_and_their_verification(run):
    result = run("--json", "--exact", "--between", "utility")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["between"] == "utility"
    assert document["complete"] is True
    assert [point["revenue"] for point in document["points"]] == pytest.approx([1.5, 1])
    assert [point["utility"] for point in document["points"]] == pytest.approx([0, 0.75])
    assert document["points"][1]["exact"] == {"revenue": "1", "welfare": "7/4"}
    assert document["exact"] == ["2/5"]
    assert document["weights"] == pytest.approx([0.4])
    assert document["constraints"] == {"ic": "dic", "ir": "epir"}
    for point in document["points"]:
        assert point["verified"]["dic"]["holds"]
        assert point["verified"]["epir"]["holds"]


def test_table_picture_and_csv(run, tmp_path):
    result = run("--plot", tmp_path / "curve.svg", "--csv", tmp_path / "curve.csv", "--ir", "interim")
    assert result.exit_code == 0
    assert "revenue against welfare: 2 corners, all there are" in result.stdout
    assert "0.666667 to 1" in result.stdout
    assert "every mechanism satisfies the constraints" in result.stdout
    assert (tmp_path / "curve.svg").read_text().startswith("<?xml")
    assert len((tmp_path / "curve.csv").read_text().splitlines()) == 3


def test_types_that_move(run, tmp_path):
    # one period: price 2 earns 2 * 3/5, price 1 earns 1; welfare 6/5 and 8/5
    (tmp_path / "two.toml").write_text(
        'kind = "markov"\nhorizon = 1\nactions = ["keep", "sell"]\n[[agents]]\ntypes = ["low", "high"]\n'
        "initial = [0.4, 0.6]\nvalues = [[0, 0], [1, 2]]\nkernel = [[0.75, 0.25], [0.25, 0.75]]\n"
    )
    document = json.loads(run("--json").stdout)
    assert [point["revenue"] for point in document["points"]] == pytest.approx([1.2, 1])
    assert [point["welfare"] for point in document["points"]] == pytest.approx([1.2, 1.6])
    assert document["constraints"] == {"ic": "bayesian", "ir": "interim"}
    assert all(point["verified"]["bayesian"]["holds"] for point in document["points"])


def test_a_picture_that_cannot_be_is_refused_before_anything_is_solved(run):
    result = run("--plot", "curve.gif")
    assert isinstance(result.exception, mo.InputError)
    assert result.exception.exit_status == 2
    assert "pictures end in .png" in str(result.exception)


def test_scenarios_are_sent_to_the_command_for_them(run, tmp_path):
    model = tmp_path / "two.toml"
    model.write_text(
        'kind = "scenarios"\n[[distributions]]\nname = "F"\nvalues = [1]\nprobabilities = [1]\n'
        '[[scenarios]]\nsequence = ["F"]\n'
    )
    result = run()
    assert isinstance(result.exception, mo.InputError)
    assert "mechopt maximin" in str(result.exception)


def test_a_model_without_a_title_has_no_empty_line_for_it(tmp_path):
    model = tmp_path / "untitled.toml"
    model.write_text(TWO.replace('title = "Two values"', ""))
    app = typer.Typer()
    app.command()(frontier)
    lines = CliRunner().invoke(app, [str(model)]).stdout.splitlines()
    assert lines[0].startswith("frontier ")
