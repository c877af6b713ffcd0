"""The model of eBay values is what its header's command makes of the data, and is worth what a second program says."""

import shlex
from itertools import takewhile
from pathlib import Path

import pytest

from mechopt.modelfile import read
from tests.papers.raw_program import raw_optimum

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "models" / "ebay" / "mario-kart.toml"


def header_command():
    lines = takewhile(lambda line: not line.startswith("# Data:"), MODEL.read_text().splitlines())
    text = " ".join(line.removeprefix("#").strip() for line in lines)
    return shlex.split(text[text.index("mechopt fit") :])


def test_the_command_in_the_header_makes_the_model(mechopt, monkeypatch, tmp_path):
    program, *arguments = header_command()
    assert program == "mechopt"
    arguments[arguments.index("--save") + 1] = str(tmp_path / "again.toml")
    monkeypatch.chdir(ROOT)
    status, _, _ = mechopt(*arguments)
    assert status == 0
    again, kept = read(tmp_path / "again.toml"), read(MODEL)
    assert again.environment == kept.environment
    assert (again.title, again.source) == (kept.title, kept.source)


def test_the_header_names_what_was_dropped_and_the_licence():
    text = MODEL.read_text()
    assert "# dropped: 2 rows: total_price less shipping above 100 (lines 21, 66)" in text
    assert "CC BY-SA 3.0" in read(MODEL).source


@pytest.mark.slow
def test_value_agrees_with_the_program_of_the_definitions():
    file = read(MODEL)
    raw = raw_optimum(file.environment, ["dic"], ["epir"])
    assert raw == pytest.approx(float(file.expected["value"]), rel=1e-11)
