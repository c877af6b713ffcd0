"""Constraints on payments against the same asked of cvxpy's variables, on the program without them."""

from __future__ import annotations

import numpy as np
import pytest

import mechopt as mo
from tests.persistent_instances import battaglini

cvxpy = pytest.importorskip("cvxpy")

COIN = mo.IndependentTypes.iid([1, 4], ["1/2", "1/2"], horizon=2, agents=2, cost="1/2")
CHAIN = battaglini(2)


def asked(name, model, env):
    fees = getattr(env, "cost", 0)
    for t, paid in enumerate(model.payment):
        if name == "no-subsidy":
            yield paid >= 0
        elif name == "no-money":
            yield paid == 0
        elif name == "payment-cap:1":
            yield paid <= 1
        elif name == "weak-budget-balance":
            sold = cvxpy.sum(model.allocation[t], axis=0)
            yield (
                cvxpy.sum(paid, axis=0) >= float(np.ravel(fees)[0]) * sold
                if env is COIN
                else cvxpy.sum(paid, axis=0) >= 0
            )


@pytest.mark.parametrize("name", ["no-subsidy", "no-money", "payment-cap:1", "weak-budget-balance"])
@pytest.mark.parametrize("env", [COIN, CHAIN], ids=["independent", "persistent"])
def test_the_same_of_cvxpy(env, name):
    free = mo.formats.to_cvxpy(mo.formats.plan(env, ir="interim", form="payment" if env is COIN else "auto"))
    found = mo.optimum(env, ir="interim", subject_to=name)
    assert free.solve(list(asked(name, free, env)), solver="HIGHS").revenue == pytest.approx(found.value, abs=1e-6)
    ours = mo.Problem(env, ir="interim", subject_to=name).to_cvxpy()
    assert ours.solve(solver="HIGHS").revenue == pytest.approx(found.value, abs=1e-6)
