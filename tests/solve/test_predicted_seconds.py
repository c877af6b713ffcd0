"""Predictions of cost against recorded runs: they rank the methods as the clock did."""

import sys

import pytest

import mechopt as mo
from mechopt.solve.predicted_seconds import program_seconds, promised_seconds

# Seconds on one core (AMD EPYC, November 2026): values 1, ..., K equally likely, one buyer, DIC and EPIR.
RECORDED_PROGRAMS = {(2, 12): 0.40, (2, 13): 0.89, (3, 6): 0.056, (3, 7): 0.23, (3, 9): 3.3, (5, 6): 2.4, (10, 4): 1.26}
RECORDED_TABLES = {
    True: {(2, 32): 0.13, (2, 128): 0.75, (3, 8): 0.029, (3, 32): 0.17, (3, 128): 1.06, (10, 8): 0.079, (40, 16): 2.4},
    False: {(2, 32): 0.55, (2, 128): 3.3, (3, 8): 0.12, (3, 32): 0.99, (3, 128): 4.6, (10, 8): 0.42, (40, 16): 12.2},
}


def uniform(types, periods):
    return mo.IndependentTypes.iid(range(1, types + 1), [f"1/{types}"] * types, periods)


@pytest.fixture(params=[True, False], ids=["compiled", "numpy"])
def compiled(request, monkeypatch):
    monkeypatch.setattr("mechopt.solve.promised.kernels.wanted", lambda: request.param)
    monkeypatch.setitem(sys.modules, "numba", object())
    return request.param


def test_programs_within_a_factor_of_three():
    for (types, periods), seconds in RECORDED_PROGRAMS.items():
        assert seconds / 3 < program_seconds(mo.formats.plan(uniform(types, periods)).size) < 3 * seconds, (
            types,
            periods,
        )


def test_promised_utility_within_a_factor_of_three(compiled):
    for (types, periods), seconds in RECORDED_TABLES[compiled].items():
        assert seconds / 3 < promised_seconds(uniform(types, periods)) < 3 * seconds, (types, periods)


def test_the_crossing_is_where_it_was_measured(compiled):
    """Three types: programs of up to 3 periods are quicker, from 9 on promises are, whatever the kernel."""
    for periods, quicker in ((3, True), (9, False), (40, False)):
        env = uniform(3, periods)
        assert (program_seconds(mo.formats.plan(env).size) < promised_seconds(env)) == quicker, periods


def test_more_work_takes_longer(compiled):
    base = promised_seconds(uniform(3, 20))
    assert promised_seconds(uniform(3, 40)) > base
    assert promised_seconds(uniform(6, 20)) > base
    assert promised_seconds(uniform(3, 20), tolerance=1e-8) > base
    assert program_seconds(mo.formats.plan(uniform(3, 10_000)).size) == float("inf")


def test_loading_the_compiler_counts(monkeypatch):
    monkeypatch.setattr("mechopt.solve.promised.kernels.wanted", lambda: True)
    monkeypatch.setitem(sys.modules, "numba", object())
    loaded = promised_seconds(uniform(3, 4))
    monkeypatch.delitem(sys.modules, "numba")
    assert promised_seconds(uniform(3, 4)) == pytest.approx(loaded + 0.5)
