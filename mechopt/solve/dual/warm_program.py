"""Small linear programs that are solved again and again: one warm HiGHS each, to which rows and columns are added."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mechopt.core.numbers import Array, FloatArray
from mechopt.solve import runtime

TOLERANCE = 1e-10
"""Primal and dual feasibility, in units of the largest value of a period."""


@dataclass(frozen=True, eq=False)
class SmallProgram:
    """``min cost @ x`` over ``x >= lower`` and ``row_lower <= matrix @ x <= row_upper``.

    Attributes
    ----------
    cost, lower : float arrays ``(columns,)``
    matrix : float array ``(rows, columns)``
    row_lower, row_upper : float arrays ``(rows,)``
    """

    cost: FloatArray
    lower: FloatArray
    matrix: FloatArray
    row_lower: FloatArray
    row_upper: FloatArray


class Answer(NamedTuple):
    """Answer of the solver: ``value``, ``columns``, multipliers of ``rows`` and ``reduced`` costs of columns."""

    value: float
    columns: FloatArray
    rows: FloatArray
    reduced: FloatArray


class WarmProgram:
    """A small program that keeps its basis from one solve to the next."""

    def __init__(self, program: SmallProgram) -> None:
        self._highs = runtime.new_highs(
            {
                "threads": 1,
                "random_seed": 0,
                "presolve": "off",
                "solver": "simplex",
                "simplex_scale_strategy": 0,
                "small_matrix_value": 1e-12,
                "primal_feasibility_tolerance": TOLERANCE,
                "dual_feasibility_tolerance": TOLERANCE,
            }
        )
        rows, columns = program.matrix.shape
        used = program.matrix != 0
        start = np.concatenate([[0], np.cumsum(used.sum(axis=1))])
        runtime.load(
            self._highs,
            False,
            0.0,
            program.cost,
            (program.lower, np.full(columns, np.inf)),
            (program.row_lower, program.row_upper),
            (start, np.nonzero(used)[1], program.matrix[used]),
        )
        self.columns, self.rows = columns, rows
        self._strategy = 1

    def set_rows(self, rows: Array, sides: FloatArray) -> None:
        """Both sides of some rows."""
        self._highs.changeRowsBounds(len(rows), rows, sides, sides)

    def set_columns(self, columns: Array, cost: FloatArray, lower: FloatArray, upper: FloatArray) -> None:
        """Cost and bounds of some columns."""
        index = columns.astype(np.int32)
        self._highs.changeColsCost(len(index), index, cost)
        self._highs.changeColsBounds(len(index), index, lower, upper)

    def add_rows(self, index: Array, entries: FloatArray, lower: FloatArray) -> None:
        """More rows, ``entries[r] @ x[index[r]] >= lower[r]``; index and entries have shape ``(n, k)``."""
        count, size = index.shape
        above, start = np.full(count, np.inf), np.arange(0, count * size, size, dtype=np.int32)
        self._highs.addRows(count, lower, above, count * size, start, index.ravel(), entries.ravel())
        self.rows += count

    def add_columns(self, cost: FloatArray, index: Array, entries: FloatArray) -> None:
        """More columns, at least 0; index and entries have shape ``(n, k)``."""
        count, size = index.shape
        low, above = np.zeros(count), np.full(count, np.inf)
        start = np.arange(0, count * size, size, dtype=np.int32)
        self._highs.addCols(count, cost, low, above, count * size, start, index.ravel(), entries.ravel())
        self.columns += count

    def add_column(self, cost: float, index: Array, entries: FloatArray) -> None:
        """One more column, at least 0."""
        self._highs.addCol(cost, 0.0, np.inf, len(index), index, entries)
        self.columns += 1

    def solve(self, primal: bool = False) -> Answer | None:
        """Solve, with the primal simplex after new columns; None where the solver fails, also from scratch.

        Raises
        ------
        SolverError
            If HiGHS reports an error, also from scratch.
        """
        strategy = 4 if primal else 1
        if strategy != self._strategy:
            runtime.set_options(self._highs, {"simplex_strategy": strategy})
            self._strategy = strategy
        answer = runtime.apart(self._run)
        runtime.require(answer, "failed on a small program")
        if self._highs.getModelStatus().name != "kOptimal":
            return None
        found = self._highs.getSolution()
        return Answer(
            self._highs.getObjectiveValue(),
            np.array(found.col_value),
            np.array(found.row_dual),
            np.array(found.col_dual),
        )

    def _run(self) -> Any:
        """Solve, and again from scratch where that does not end at an optimum; HiGHS's last answer."""
        answer = self._highs.run()
        if self._highs.getModelStatus().name != "kOptimal":
            self._highs.clearSolver()
            answer = self._highs.run()
        return answer
