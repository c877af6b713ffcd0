"""What each command loads: modules, not seconds, which are in benchmarks/startup.py."""

import json
import subprocess
import sys
from importlib.util import find_spec

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
PROGRAMS = {"mechopt.lp", "mechopt.solve", "mechopt.verification", "mechopt.mechanism.direct", "rich.console", "psutil"}
OTHER_COMMANDS = {f"mechopt.cli.{name}" for name in ("certificates", "comparing", "formula", "sweep", "transfers")}
OTHER_KINDS = {f"mechopt.modelfile.{kind}" for kind in ("interdependent", "markov", "scenarios", "separable")}
PERSISTENT = {"mechopt.lp.persistent", "mechopt.lp.scenarios"}
CHECKERS = {f"mechopt.verification.{form}" for form in ("balanced", "persistent", "scenarios", "stationary")}
UNUSED = {
    "--version": {*SOLVERS, *STUDIES, *PROGRAMS, "numpy", "pydantic", "mechopt.modelfile"},
    "--help": {*SOLVERS, *STUDIES, *PROGRAMS - {"rich.console"}, "numpy", "pydantic", "mechopt.modelfile"},
    "schema": {*SOLVERS, *STUDIES, *PROGRAMS, *OTHER_COMMANDS, "mechopt.cli.solving"},
    "models": {*SOLVERS, *STUDIES, *PROGRAMS, *OTHER_COMMANDS, "mechopt.cli.solving"},
    "size tiny.toml": {
        *(*SOLVERS, *STUDIES, *OTHER_COMMANDS, *OTHER_KINDS, *PERSISTENT, "mechopt.cli.models", "mechopt.verification"),
        *("rich.console", "psutil", "mechopt.environment.process", "mechopt.solve.highs", "mechopt.modelfile.faults"),
    },
    "solve tiny.toml": {
        *("cvxpy", "scipy.optimize", "scipy.stats", "rich.console", "mechopt.cli.models", *OTHER_COMMANDS),
        *(*STUDIES - {"mechopt.closedform"}, *OTHER_KINDS, *PERSISTENT, *CHECKERS, "mechopt.solve.dual"),
    },
}
"""What may not be among the modules that a command loads."""


@pytest.mark.parametrize("arguments", UNUSED)
def test_a_command_loads_nothing_that_it_does_not_use(arguments, tmp_path):
    (tmp_path / "tiny.toml").write_text(TINY)
    command = [sys.executable, "-c", LOADED, *arguments.split()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=HANG_SECONDS)
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout)
    assert UNUSED[arguments] & set(loaded) == set()
    assert len(loaded) > 50


def test_what_commands_may_not_load_is_there():
    for name in set().union(*UNUSED.values()):
        assert name.partition(".")[0] != "mechopt" or find_spec(name), name


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
