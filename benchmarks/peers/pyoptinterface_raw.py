"""The raw form in PyOptInterface: index arrays by numpy, then one call a row.

The rows go through ``ScalarAffineFunction.from_numpy``, which took less time here than ``ExprBuilder``
or ``add_m_linear_constraints``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyoptinterface as poi
from numpy.typing import NDArray
from pyoptinterface import highs

from benchmarks.peers.tree import report_tree


def add_rows(model: highs.Model, coefficients: NDArray, columns: NDArray, sense: poi.ConstraintSense) -> None:
    """Add rows with zero right-hand sides.

    Parameters
    ----------
    model : pyoptinterface.highs.Model
        The model to add to.
    coefficients, columns : ndarray of shape (..., rows, terms)
        The terms of each row; `coefficients` is broadcast to the shape of `columns`.
    sense : pyoptinterface.ConstraintSense
        The sense of all rows.
    """
    terms = columns.shape[-1]
    coefficients = np.broadcast_to(coefficients, columns.shape).reshape(-1, terms)
    for row, variables in zip(coefficients, columns.reshape(-1, terms), strict=True):
        model.add_linear_constraint(poi.ScalarAffineFunction.from_numpy(row, variables), sense, 0.0)


def build(values: Sequence[float], probabilities: Sequence[float], periods: int) -> highs.Model:
    """State the problem, straight into HiGHS.

    Parameters
    ----------
    values, probabilities : sequence of length K
        Values and probabilities of the types.
    periods : int
        Number of periods.

    Returns
    -------
    pyoptinterface.highs.Model
        The model, whose HiGHS object holds the linear program.
    """
    tree = report_tree(values, probabilities, periods)
    model = highs.Model()
    model.set_model_attribute(poi.ModelAttribute.Silent, True)
    first = [
        model.add_m_variables(count, **bounds)[0].index
        for count, bounds in ((tree.n_reports, {"lb": 0.0, "ub": 1.0}), (tree.n_reports, {}), (tree.n_histories, {}))
    ]
    # Column numbers: x[r] and p[r] of report r, u[h] of history h, hence u[r + 1] is the utility after report r.
    x, p, u = (start + np.arange(tree.n_reports + 1, dtype=np.int32) for start in first)

    true_value, odds = tree.values[tree.true], tree.probabilities
    weight = np.concatenate([odds * tree.values, -odds, odds])
    report = np.arange(tree.n_reports).reshape(-1, tree.n_types)
    for early, h in ((True, np.arange(tree.n_early)), (False, np.arange(tree.n_early, tree.n_histories))):
        kinds = 3 if early else 2  # a row has terms in x and p, and in u before the last period
        true, lie, all_types = report[h][:, tree.true], report[h][:, tree.lie], report[h]
        incentive = np.stack([x[true], x[lie], p[true], p[lie], u[true + 1], u[lie + 1]][: 2 * kinds], axis=-1)
        signs = np.stack([true_value, -true_value, *np.outer([-1, 1, 1, -1], np.ones_like(true_value))], axis=-1)
        add_rows(model, signs[:, : 2 * kinds], incentive, poi.Geq)
        promise = np.hstack([*[x[all_types], p[all_types], u[all_types + 1]][:kinds], u[h][:, None]])
        add_rows(model, np.append(weight[: kinds * tree.n_types], -1.0), promise, poi.Eq)
    path_values = np.tile(tree.values, tree.n_histories)[tree.paths]
    on_path = np.hstack([path_values, -np.ones_like(path_values)])
    add_rows(model, on_path, np.hstack([x[tree.paths], p[tree.paths]]), poi.Geq)
    revenue = poi.ScalarAffineFunction(tree.reach.tolist(), p[:-1].tolist())
    model.set_objective(revenue, poi.ObjectiveSense.Maximize)
    return model


def size(model: highs.Model) -> tuple[int, int, None]:
    """Return the numbers of rows and columns (PyOptInterface does not tell the nonzeros)."""
    return model.getnumrow(), model.getnumcol(), None


def solve(model: highs.Model, algorithm: str) -> float:
    """Solve with HiGHS on one thread and return the optimal revenue.

    Parameters
    ----------
    model : pyoptinterface.highs.Model
        What `build` returned.
    algorithm : {"simplex", "ipx"}
        The value of the HiGHS option ``solver``.

    Returns
    -------
    float
        The optimal value.
    """
    model.set_raw_parameter("threads", 1)
    model.set_raw_parameter("solver", algorithm)
    model.optimize()
    status = model.get_model_attribute(poi.ModelAttribute.TerminationStatus)
    if status != poi.TerminationStatusCode.OPTIMAL:
        raise RuntimeError(f"HiGHS ended with {status}")
    return model.get_obj_value()
