import pytest


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the tests that are marked slow as well")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--slow"):
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="slow; run with --slow"))
