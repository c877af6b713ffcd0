"""What each command loads: modules, not seconds, which are in benchmarks/startup.py."""

import json
import subprocess
import sys

import pytest

from tests.waiting import HANG_SECONDS

TINY = """
kind = "independent"
horizon = 1
[[buyers]]
values = [1, 2]
probabilities = ["1/2", "1/2"]
"""
LOADED = """
import io, json, sys
from mechopt import cli
out, sys.stdout = sys.stdout, io.StringIO()
try:
    cli.main()
except SystemExit as stopped:
    assert not stopped.code, stopped.code
print(json.dumps(list(sys.modules)), file=out)
"""
SOLVERS = {"highspy", "cvxpy", "scipy"}
STUDIES = {"networkx", "pandas", "matplotlib", "joblib", "distributed", "numba", "mechopt.study", "mechopt.closedform"}
UNUSED = {
    "--version": {*SOLVERS, *STUDIES, "numpy", "pydantic", "mechopt.modelfile"},
    "--help": {*SOLVERS, *STUDIES, "numpy", "pydantic", "mechopt.modelfile"},
    "schema": {*SOLVERS, *STUDIES, "mechopt.lp", "mechopt.solve", "mechopt.verify"},
    "models": {*SOLVERS, *STUDIES, "mechopt.lp", "mechopt.solve", "mechopt.verify"},
    "size tiny.toml": {*SOLVERS, *STUDIES, "mechopt.verify"},
    "solve tiny.toml": {"cvxpy", "scipy.optimize", "scipy.stats", *STUDIES - {"mechopt.closedform"}},
}


@pytest.mark.parametrize("arguments", UNUSED)
def test_a_command_loads_nothing_that_it_does_not_use(arguments, tmp_path):
    (tmp_path / "tiny.toml").write_text(TINY)
    command = [sys.executable, "-c", LOADED, *arguments.split()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=HANG_SECONDS)
    assert done.returncode == 0, done.stderr
    assert not UNUSED[arguments] & set(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("shell", "words"),
    [
        ("bash", {"COMP_WORDS": "mechopt so", "COMP_CWORD": "1"}),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "mechopt so"}),
        ("fish", {"_TYPER_COMPLETE_ARGS": "mechopt so", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}),
    ],
)
def test_shells_complete_commands(shell, words):
    environment = {"_MECHOPT_COMPLETE": f"complete_{shell}", **words}
    command = [sys.executable, "-m", "mechopt"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=HANG_SECONDS)
    assert "solve" in done.stdout, done.stderr
    assert "compare" not in done.stdout
