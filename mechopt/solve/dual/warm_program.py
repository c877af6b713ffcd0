"""Small linear programs that are solved again and again: one warm HiGHS each, to which rows and columns are added."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mechopt.core.numbers import Array, FloatArray

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
    """What the solver found: ``value``, ``columns``, multipliers of ``rows`` and ``reduced`` costs of columns."""

    value: float
    columns: FloatArray
    rows: FloatArray
    reduced: FloatArray


class WarmProgram:
    """A small program that keeps its basis from one solve to the next."""

    def __init__(self, program: SmallProgram) -> None:
        import highspy

        self._highs: Any = highspy.Highs()
        self._optimal = highspy.HighsModelStatus.kOptimal
        options = {
            "output_flag": False,
            "threads": 1,
            "random_seed": 0,
            "presolve": "off",
            "solver": "simplex",
            "simplex_scale_strategy": 0,
            "small_matrix_value": 1e-12,
            "primal_feasibility_tolerance": TOLERANCE,
            "dual_feasibility_tolerance": TOLERANCE,
        }
        for name, value in options.items():
            self._highs.setOptionValue(name, value)
        rows, columns = program.matrix.shape
        used = program.matrix != 0
        start = np.concatenate([[0], np.cumsum(used.sum(axis=1))]).astype(np.int32)
        self._highs.passModel(
            columns,
            rows,
            int(used.sum()),
            int(highspy.MatrixFormat.kRowwise),
            int(highspy.ObjSense.kMinimize),
            0.0,
            program.cost,
            program.lower,
            np.full(columns, np.inf),
            program.row_lower,
            program.row_upper,
            start,
            np.nonzero(used)[1].astype(np.int32),
            program.matrix[used],
            np.zeros(columns, dtype=np.int32),
        )
        self.columns, self.rows = columns, rows
        self._strategy = 1

    def set_rows(self, rows: Array, sides: FloatArray) -> None:
        """Both sides of some rows."""
        self._highs.changeRowsBounds(len(rows), rows, sides, sides)

    def add_row(self, index: Array, entries: FloatArray, lower: float) -> None:
        """One more row, ``entries @ x[index] >= lower``."""
        self._highs.addRow(lower, np.inf, len(index), index, entries)
        self.rows += 1

    def add_column(self, cost: float, index: Array, entries: FloatArray) -> None:
        """One more column, at least 0."""
        self._highs.addCol(cost, 0.0, np.inf, len(index), index, entries)
        self.columns += 1

    def solve(self, primal: bool = False) -> Answer | None:
        """Solve, with the primal simplex after new columns; None where the solver fails, also from scratch."""
        highs, strategy = self._highs, 4 if primal else 1
        if strategy != self._strategy:
            highs.setOptionValue("simplex_strategy", strategy)
            self._strategy = strategy
        highs.run()
        if highs.getModelStatus() != self._optimal:
            highs.clearSolver()
            highs.run()
            if highs.getModelStatus() != self._optimal:
                return None
        found = highs.getSolution()
        return Answer(
            highs.getObjectiveValue(),
            np.array(found.col_value),
            np.array(found.row_dual),
            np.array(found.col_dual),
        )
