import os

import pytest
from hypothesis import settings

from mechopt import cli

settings.register_profile("gate", derandomize=True)  # the gate's verdict must not depend on luck; other runs explore
if os.environ.get("CI"):
    settings.load_profile("gate")


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
