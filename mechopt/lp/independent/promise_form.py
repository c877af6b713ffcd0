"""The promise form, one buyer: the allocation is the slope of lifetime utility in the type.

DIC says D_k x_k <= S(h,k+1) - S(h,k) <= D_k x_{k+1} with D_k = v_{k+1} - v_k, so x_k lies between the slope of S below
type k and the slope above it (0 below the lowest type, 1 above the highest). The objective is linear in x, so x_k is at
the upper end where a sale to type k adds to it and at the lower end where it subtracts. What remains is S alone, with
slopes that are increasing and lie in [0, 1]: a third fewer rows and half the columns of the utility form.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from mechopt.core.numbers import FloatArray
from mechopt.lp.independent.columns import Columns
from mechopt.lp.independent.period import Stage
from mechopt.lp.program import RowFamily, Rows


def slopes(stage: Stage) -> FloatArray:
    """Matrix that takes S(h,.) over K types to the K-1 slopes between neighbours; shape ``(K-1, K)``."""
    steps = stage.steps[:, None]
    return (np.eye(len(stage.values))[1:] - np.eye(len(stage.values))[:-1]) / steps


def allocation_map(stage: Stage, adds: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Allocation as a linear function of S(h,.): ``x = matrix @ S + constant``.

    Parameters
    ----------
    stage : Stage
    adds : array ``(K,)``
        What a sale to each type adds to the objective.

    Returns
    -------
    matrix ``(K, K)``, constant ``(K,)``
    """
    between, nothing = slopes(stage), np.zeros((1, len(stage.values)))
    upper, lower = np.concatenate([between, nothing]), np.concatenate([nothing, between])
    sells = adds >= 0
    constant = np.zeros(len(stage.values))
    constant[-1] = float(sells[-1])
    return np.where(sells[:, None], upper, lower), constant


def _bend_rows(stage: Stage, columns: Columns) -> Rows:
    """Slope k+1 less slope k, >= 0 over (history, k)."""
    steps = stage.steps
    left, right = steps[:-1], steps[1:]
    after = stage.apart(columns.lifetime[stage.period + 1][0])[..., 0]
    index = np.stack([after[:, 2:], after[:, 1:-1], after[:, :-2]], axis=-1)
    coefficients = np.stack([1 / right, -1 / right - 1 / left, 1 / left], axis=-1)
    return Rows(index, coefficients, 0.0, np.inf)


def _end_rows(stage: Stage, position: int, upper: float, columns: Columns) -> Rows:
    """0 <= slope k <= upper over histories, for the step k = ``position``."""
    after = stage.apart(columns.lifetime[stage.period + 1][0])[..., 0]
    steps = np.stack([after[:, 1:], after[:, :-1]], axis=-1)[:, position]
    return Rows(steps, np.array([1.0, -1.0]) / stage.steps[position], 0.0, upper)


def slope_families(stage: Stage) -> list[RowFamily]:
    """Rows that keep the slopes in [0, 1] and increasing, in one period; none where there is one type."""
    count, histories = stage.types[0], (("history", stage.histories),)
    families = []
    if count > 1:
        first = partial(_end_rows, stage, 0, np.inf if count > 2 else 1.0)
        families.append(RowFamily("dic (lowest slope)", 0, stage.period, histories, 2, first))
    if count > 2:
        axes = (*histories, ("step", count - 2))
        families.append(RowFamily("dic (rising slope)", 0, stage.period, axes, 3, partial(_bend_rows, stage)))
        last = partial(_end_rows, stage, -1, 1.0)
        families.append(RowFamily("dic (highest slope)", 0, stage.period, histories, 2, last))
    return families
