"""The raw form in CVXPY: one vector per kind of variable, one sparse operator per kind of row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cvxpy as cp
import numpy as np
import scipy.sparse as sp

from benchmarks.peers.tree import report_tree

Compiled = tuple[cp.Problem, dict[str, Any], Any, list[Any]]


def build(values: Sequence[float], probabilities: Sequence[float], periods: int) -> Compiled:
    """State the problem and compile it to the matrices of HiGHS.

    Parameters
    ----------
    values, probabilities : sequence of length K
        Values and probabilities of the types.
    periods : int
        Number of periods.

    Returns
    -------
    tuple
        The problem and what ``Problem.get_problem_data`` returns for it.
    """
    tree = report_tree(values, probabilities, periods)
    x = cp.Variable(tree.n_reports, bounds=[0, 1])
    p = cp.Variable(tree.n_reports)
    u = cp.Variable(tree.n_histories)

    each_history = sp.eye_array(tree.n_histories, format="csr")
    pick = sp.eye_array(tree.n_types, format="csr")
    extra = sp.diags_array(tree.values[tree.true] - tree.values[tree.lie])
    loss = sp.kron(each_history, pick[tree.true] - pick[tree.lie], format="csr")
    gain = sp.kron(each_history, extra @ pick[tree.lie], format="csr")
    mean = sp.kron(each_history, tree.probabilities[None, :], format="csr")
    following = sp.eye_array(tree.n_reports, tree.n_histories, k=1, format="csr")
    starts = np.arange(0, tree.paths.size + 1, periods)
    path_sum = sp.csr_array((np.ones(tree.paths.size), tree.paths.ravel(), starts), (len(tree.paths), tree.n_reports))

    payoff = cp.multiply(np.tile(tree.values, tree.n_histories), x) - p
    total = payoff + following @ u
    rows = [u == mean @ total, loss @ total >= gain @ x, path_sum @ payoff >= 0]
    problem = cp.Problem(cp.Maximize(tree.reach @ p), rows)
    return problem, *problem.get_problem_data(cp.HIGHS)


def size(model: Compiled) -> tuple[int, int, int]:
    """Return the numbers of rows, columns and nonzeros."""
    matrix = model[1]["A"]
    return *matrix.shape, matrix.nnz


def solve(model: Compiled, algorithm: str) -> float:
    """Solve with HiGHS on one thread and return the optimal revenue.

    Parameters
    ----------
    model : tuple
        What `build` returned.
    algorithm : {"simplex", "ipx"}
        The value of the HiGHS option ``solver``.

    Returns
    -------
    float
        The optimal value.
    """
    problem, data, chain, inverse = model
    raw = chain.solve_via_data(problem, data, solver_opts={"solver": algorithm, "threads": 1})
    problem.unpack_results(raw, chain, inverse)
    return float(problem.value)
