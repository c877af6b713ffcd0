"""Constraints of one's own that leave no mechanism are named."""

import pytest

import mechopt as mo


def test_infeasible_constraints_of_ones_own_are_named():
    model = mo.Problem(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 2)).to_cvxpy()  # the optimum is 9/4
    revenue = sum(0.5 * model.payment[0][0]) + sum(0.25 * model.payment[1][0])
    harmless, capped = model.payment[0] <= 10, [paid <= 1 for paid in model.payment]  # so that revenue is at most 2
    demanded = revenue >= 2.2
    if not hasattr(demanded, "set_label"):
        pytest.skip("constraints have no labels in this version of cvxpy")
    demanded.set_label("revenue of at least 2.2")
    assert model.solve([harmless, demanded], solver="HIGHS").revenue == pytest.approx(2.25)
    with pytest.raises(mo.errors.NoOptimumError, match="in conflict: revenue of at least") as failure:
        model.solve([harmless, *capped, demanded], solver="HIGHS")
    assert str(failure.value).count("in conflict: ") == 3  # both caps
    with pytest.raises(mo.errors.NoOptimumError) as alone:
        model.solve([harmless, revenue >= 2.3], solver="HIGHS")
    assert str(alone.value).count("in conflict: ") == 1 and ">= 2.3" not in str(alone.value).splitlines()[0]
