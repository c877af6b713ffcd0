import os

import pytest
from hypothesis import HealthCheck, settings

from mechopt import cli

untimed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # no verdict depends on a busy machine
settings.register_profile("explore", untimed)
settings.register_profile("gate", untimed, derandomize=True)  # nor the gate's on luck
settings.load_profile("gate" if os.environ.get("CI") else "explore")


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the tests that are marked slow as well")
    parser.addoption("--fuzz", type=int, default=0, help="so many changed files of each kind, see tests/fuzz")
    parser.addoption("--fuzz-from", type=int, default=0, help="number of the first of them")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--slow"):
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="slow; run with --slow"))


@pytest.fixture
def mechopt(capsys, monkeypatch):
    """Run the command line in this process: exit status, standard output, standard error."""

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["mechopt", *map(str, arguments)])
        try:
            cli.main()
            status = 0
        except SystemExit as stopped:
            status = stopped.code or 0
        return status, *capsys.readouterr()

    return run
