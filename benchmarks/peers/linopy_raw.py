"""The raw form in linopy: arrays labelled (history, report), rows by its sparse ``@``."""

from __future__ import annotations

from collections.abc import Sequence

import linopy
import numpy as np
import pandas as pd
from linopy.solvers import Solver
from xarray import DataArray

from benchmarks.peers.tree import report_tree

linopy.options["semantics"] = "v1"  # needed by Model(sparse=True), linopy's fastest path


def build(values: Sequence[float], probabilities: Sequence[float], periods: int) -> Solver:
    """State the problem and hand it to HiGHS through linopy's direct interface.

    Parameters
    ----------
    values, probabilities : sequence of length K
        Values and probabilities of the types.
    periods : int
        Number of periods.

    Returns
    -------
    linopy.solvers.Solver
        linopy's handle of the model and of the HiGHS object that holds it.
    """
    tree = report_tree(values, probabilities, periods)
    shape = tree.n_histories, tree.n_types
    history, report, pair = (
        pd.RangeIndex(length, name=name)
        for length, name in ((shape[0], "history"), (shape[1], "report"), (len(tree.true), "pair"))
    )
    node = history.rename("node")
    model = linopy.Model(sparse=True)
    x = model.add_variables(0, 1, coords=[history, report], name="allocation")
    p = model.add_variables(coords=[history, report], name="payment")
    u = model.add_variables(coords=[node], name="utility").to_linexpr()

    pick = np.eye(tree.n_types)
    extra = tree.values[tree.true] - tree.values[tree.lie]
    loss = DataArray(pick[:, tree.true] - pick[:, tree.lie], coords=[report, pair])
    gain = DataArray(pick[:, tree.lie] * extra, coords=[report, pair])
    next_node = DataArray(np.arange(1, tree.n_reports + 1).reshape(shape), coords=[history, report])
    following = u.reindex(node=np.arange(tree.n_reports + 1)).fillna(0).isel(node=next_node).drop_vars("node")

    payoff = DataArray(tree.values, coords=[report]) * x - p
    total = payoff + following
    mean = total @ DataArray(tree.probabilities, coords=[report])
    step = {"history": tree.paths // tree.n_types, "report": tree.paths % tree.n_types}
    on_path = payoff.isel({dim: DataArray(index, dims=["path", "period"]) for dim, index in step.items()})
    model.add_constraints(u.rename(node="history") - mean == 0, name="promise")
    model.add_constraints(total @ loss - x @ gain >= 0, name="incentive")
    model.add_constraints(on_path.drop_vars(["history", "report"]).sum("period") >= 0, name="participation")
    model.add_objective((DataArray(tree.reach.reshape(shape), coords=[history, report]) * p).sum(), sense="max")
    return Solver.from_name("highs", model, io_api="direct", options={"output_flag": False, "threads": 1})


def size(model: Solver) -> tuple[int, int, int]:
    """Return the numbers of rows, columns and nonzeros."""
    highs = model.solver_model
    return highs.getNumRow(), highs.getNumCol(), highs.getNumNz()


def solve(model: Solver, algorithm: str) -> float:
    """Solve with HiGHS on one thread and return the optimal revenue.

    Parameters
    ----------
    model : linopy.solvers.Solver
        What `build` returned.
    algorithm : {"simplex", "ipx"}
        The value of the HiGHS option ``solver``.

    Returns
    -------
    float
        The optimal value.
    """
    model.solver_model.setOptionValue("solver", algorithm)
    model.solve(assign=True)
    return float(model.model.objective.value)
