"""Standard output of every command as another program reads it: the one document that was asked for, nothing else.

Each command runs in a process of its own, with its two descriptors apart; all solve the smallest models.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import mechopt as mo
from tests.study.sweeps import write_study
from tests.waiting import HANG_SECONDS

TWO = """
kind = "independent"
horizon = 1
[[buyers]]
values = [1, 2]
probabilities = ["1/4", "3/4"]
[expected]
value = 1.5
"""
OPEN = TWO.replace('"1/4", "3/4"', '"1 - p", "p"').replace("[expected]\nvalue = 1.5", '[parameters]\np = ["0", "1"]')
GRID = 'model = "base.toml"\nrecord = ["value"]\n[grid]\nhorizon = [1, 2]'
SEARCH = 'seed = 1\n[family]\ntypes = 2\nbuyers = 1\nhorizon = 1\n[search]\nmechanism = "repeated-myerson"\nbudget = 3'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Models, data, a mechanism, a proof and studies."""
    place = tmp_path_factory.mktemp("stdout")
    (place / "two.toml").write_text(TWO)
    (place / "open.toml").write_text(OPEN)
    (place / "bids.csv").write_text("bid\n1\n2\n2\n3\n")
    mo.optimum(mo.load(place / "two.toml")).mechanism.save(place / "two.npz")
    mo.optimum(mo.load(place / "two.toml"), exact=True).certificate.save(place / "two.proof")
    write_study(place, GRID)
    (place / "search.toml").write_text(SEARCH)
    return place


def mechopt(folder, arguments):
    command = [sys.executable, "-m", "mechopt", *arguments.split()]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=HANG_SECONDS)
    assert done.returncode == 0, done.stderr
    return done


DOCUMENTS = {
    "solve two.toml": "value",
    "solve two.toml --method ipx --exact --check": "exact",
    "solve two.toml --method dual": "bound",
    "compare two.toml": "mechanisms",
    "maximin mirrokni-2020/maximin-equal-revenue-5": "ratio",
    "frontier two.toml": "points",
    "transfers liu-2025/crossed-signals": "spanning",
    "epsilon liu-2025/affine-grid": "epsilon",
    "winner-pay liu-2025/winner-pay": "gamma",
    "diagnose eso-szentes-2007/information": "regime",
    "fit bids.csv --value bid --resamples 5": "rows",
    "sweep study.toml --out swept": "rows",
    "search search.toml --out searched": "evaluations",
    "verify two.toml two.npz": "constraints",
    "show two.toml": "states",
    "size two.toml": "rows",
    "certificate check two.toml two.proof": "value",
    "formula open.toml --ratio repeated-myerson": "pieces",
    "formula open.toml --horizons 1,2": "formulas",
    "models": None,
    "schema": "$defs",
}


@pytest.mark.parametrize("arguments", DOCUMENTS)
def test_json_is_all_of_standard_output(folder, arguments):
    done = mechopt(folder, arguments if arguments == "schema" else f"{arguments} --json")
    document = json.loads(done.stdout)
    assert DOCUMENTS[arguments] is None or DOCUMENTS[arguments] in document
    assert "HiGHS" not in done.stderr


def test_every_command_with_json_is_among_them():
    from typer.main import get_command

    from mechopt.cli.app import application

    def named(command, path=()):
        for name, part in getattr(command, "commands", {}).items():
            yield from named(part, (*path, name))
        if any("--json" in option.opts for option in command.params):
            yield path

    tried = [arguments.split(" ") for arguments in DOCUMENTS]
    for name in named(get_command(application())):
        assert any(arguments[: len(name)] == list(name) for arguments in tried), name


def test_a_pipe_to_a_reader_of_json(folder):
    command = f"set -o pipefail; {sys.executable} -m mechopt solve two.toml --json | {sys.executable} -m json.tool"
    done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, timeout=HANG_SECONDS)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["value"] == pytest.approx(1.5)


def test_a_table_is_all_of_standard_output(folder):
    lines = mechopt(folder, "compare two.toml --table markdown").stdout.splitlines()
    assert all(line.startswith("|") and line.endswith("|") for line in lines), lines
    assert len({line.count("|") for line in lines}) == 1


def test_compare_into_a_file(folder):
    with open(folder / "compared.txt", "wb") as file:
        command = [sys.executable, "-m", "mechopt", "compare", "two.toml"]
        done = subprocess.run(command, cwd=folder, stdout=file, stderr=subprocess.PIPE, text=True, timeout=HANG_SECONDS)
    text = (folder / "compared.txt").read_text()
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("left out: two-period")
    assert "HiGHS" not in text and "left out" not in text
    assert "repeated-myerson" in text


def test_versions(folder):
    from importlib.metadata import version

    line = mechopt(folder, "--version").stdout
    assert line == f"mechopt {mo.__version__} (HiGHS {version('highspy')}, numpy {version('numpy')})\n"
    assert mo.__version__ == version("mechopt")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
def test_a_reader_who_leaves_gets_whole_files_all_the_same(folder):
    command = (
        f"{sys.executable} -m mechopt solve two.toml --proof left.json --save left.npz | true; echo ${{PIPESTATUS[0]}}"
    )
    done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, timeout=HANG_SECONDS)
    assert (done.stdout, done.stderr) == ("0\n", "")
    mechopt(folder, "certificate check two.toml left.json")
    mechopt(folder, "verify two.toml left.npz")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("where", [">/dev/full", ">&-"], ids=["full", "closed"])
def test_an_output_that_takes_nothing_gets_whole_files_all_the_same(folder, where):
    command = f"{sys.executable} -m mechopt solve two.toml --proof kept.json {where}"
    done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, timeout=HANG_SECONDS)
    full = "mechopt: cannot write (No space left on device)\n"
    assert (done.returncode, done.stderr) == ((1, full) if "full" in where else (0, ""))
    mechopt(folder, "certificate check two.toml kept.json")
