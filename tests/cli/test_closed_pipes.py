"""Readers that leave: no traceback, the exit status of the command, and its files are written all the same."""

import os
import subprocess
import sys

import pytest

from tests.cli.test_stdout import GRID, SEARCH, TWO
from tests.study.sweeps import write_study
from tests.waiting import HANG_SECONDS

posix = pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
COMMANDS = {
    "compare two.toml": [],
    "frontier two.toml --csv points.csv": ["points.csv"],
    "sweep study.toml --out swept": ["swept/sweep.csv"],
    "search search.toml --out searched": ["searched/searches"],
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "two.toml").write_text(TWO)
    write_study(tmp_path, GRID)
    (tmp_path / "search.toml").write_text(SEARCH)
    return tmp_path


@posix
@pytest.mark.parametrize("json", [[], pytest.param(["--json"], marks=pytest.mark.slow)], ids=["words", "json"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_reader_that_has_left_before_the_first_line(folder, command, json):
    reader, writer = os.pipe()
    os.close(reader)
    parts = [sys.executable, "-m", "mechopt", *command.split(), *json]
    try:
        done = subprocess.run(parts, cwd=folder, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=HANG_SECONDS)
    finally:
        os.close(writer)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr and "Broken" not in done.stderr
    assert all((folder / name).exists() for name in COMMANDS[command])


@posix
@pytest.mark.parametrize("command", ["sweep study.toml --out swept", "search search.toml --out searched"])
def test_messages_that_nobody_reads(folder, command):
    reader, writer = os.pipe()
    os.close(reader)
    parts = [sys.executable, "-m", "mechopt", *command.split(), "--json"]
    try:
        done = subprocess.run(parts, cwd=folder, stdout=subprocess.PIPE, stderr=writer, text=True, timeout=HANG_SECONDS)
    finally:
        os.close(writer)
    assert done.returncode == 0
    assert done.stdout.startswith("{")


@posix
def test_the_first_line_of_a_list(folder):
    command = f"set -o pipefail; {sys.executable} -m mechopt models | head -1"
    done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, timeout=HANG_SECONDS)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1
