"""Comparisons, frontiers and studies under constraints on payments: against optima one by one."""

from __future__ import annotations

from itertools import pairwise

import pytest

import mechopt as mo
from mechopt.study.sweep.point import Recording, record_point
from tests.persistent_instances import battaglini, random_markov
from tests.solve.payments.test_independent import random_types


@pytest.mark.parametrize("env", [random_types(2), random_types(3), battaglini(3), random_markov(1, 2, 2, 2, 2)])
@pytest.mark.parametrize("limits", ["no-subsidy", "budget:2", "payment-cap:1"])
def test_frontiers_are_optima_at_each_weight(env, limits):
    try:
        curve = mo.frontier(env, subject_to=limits)
    except mo.errors.NoOptimumError:
        pytest.skip("nothing satisfies the constraints")
    assert [c.name for c in curve.subject_to] == [limits]
    ends = [0.0, *curve.weights.tolist(), 1.0]
    for point, (low, high) in zip(curve.points, pairwise(ends), strict=True):
        for weight in (low, (low + high) / 2, high):
            goal = mo.Objective(revenue=1 - weight, welfare=weight)
            best = mo.optimum(env, objective=goal, subject_to=limits)
            assert (1 - weight) * point.revenue + weight * point.welfare == pytest.approx(best.value, abs=1e-6)
        assert mo.verify(point.mechanism, limits).holds


@pytest.mark.parametrize("env", [random_types(2), random_types(3), battaglini(3)])
def test_comparisons_check_what_payments_keep(env):
    table, free = mo.compare(env, subject_to="budget:1"), mo.compare(env)
    assert table.optimum.value == pytest.approx(mo.optimum(env, subject_to="budget:1").value, abs=1e-9)
    assert free.optimum.value >= table.optimum.value - 1e-9
    assert "budget:1" in [constraint.name for constraint in table.constraints]
    checked = [row for row in table.entries if row.report is not None and "budget:1" in {c.name for c in row.report}]
    assert checked
    assert table["clairvoyant-optimum"].report["budget:1"].holds
    for row in checked:
        if row.report["budget:1"].holds and row.report["dic" if env.kind == "independent" else "bayesian"].holds:
            kept = row.report["epir" if env.kind == "independent" else "interim"].holds
            assert not kept or row.ratio <= 1 + 1e-9


def test_studies_solve_under_the_limits_of_the_model():
    model = """
kind = "independent"
horizon = 1
{limits}
buyers = [{{ values = [1, 4], probabilities = ["1/2", "1/2"] }}]
"""
    for limits, value in (("", 2.0), ('subject_to = "budget:2"', 4 / 3)):
        text = model.format(limits=limits)
        assert record_point(text, Recording(("value",)))["value"] == pytest.approx(value)
        row = record_point(text, Recording(("value",), ("repeated-myerson",)))
        assert row["value"] == pytest.approx(value)
        assert row["repeated-myerson.ratio"] == pytest.approx(2 / value)
