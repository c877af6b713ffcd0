"""A program in other variables: ``x = matrix @ u + offset``, equal rows dropped; and the way back.

Ties between variables, columns that are fixed, and payments that depend on a state alone are all of this form.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mechopt.core.numbers import FloatArray, IntArray, readonly
from mechopt.lp.program import LinearProgram

if TYPE_CHECKING:
    from scipy.sparse import csr_array

NEGLIGIBLE = 1e-12
"""Share of a row's largest coefficient below which one is what is left of terms that cancel."""
SAME = 1e-9


@dataclass(frozen=True)
class Unnamed:
    """Rows or columns that stand for nothing of the model by themselves."""

    name: str
    kind: str = "auxiliary"
    first: int = 0
    shape: tuple[int, ...] = ()

    def describe(self, index: int, tree: Any) -> str:
        """Say which one."""
        return f"{self.name} {index}"


def tied(group: IntArray) -> csr_array:
    """Matrix that makes all columns of one group one variable.

    Parameters
    ----------
    group : int array ``(columns,)``
        Groups, numbered from 0.
    """
    from scipy.sparse import csr_array

    count = len(group)
    return csr_array((np.ones(count), (np.arange(count), group)), shape=(count, int(group.max(initial=-1)) + 1))


def substituted(program: LinearProgram, matrix: csr_array, offset: FloatArray) -> LinearProgram:
    """Write a program in u, where ``x = matrix @ u + offset``.

    Bounds of x become bounds of u where x is a multiple of one u, and rows elsewhere.

    Parameters
    ----------
    program : LinearProgram
    matrix : sparse array ``(columns, new columns)``
    offset : float array ``(columns,)``

    Examples
    --------
    >>> from mechopt.environment.independent import IndependentTypes
    >>> from mechopt.lp.build import compile_program, plan
    >>> program, _ = compile_program(plan(IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2)))
    >>> substituted(program, tied(np.arange(program.size[1])), np.zeros(program.size[1])).size == program.size
    True
    """
    from scipy.sparse import csr_array, vstack

    fixed = program.matrix @ offset
    body, lower, upper = csr_array(program.matrix @ matrix), program.row_lower - fixed, program.row_upper - fixed
    entries = np.diff(matrix.indptr)
    bounded = np.isfinite(program.lower) | np.isfinite(program.upper)
    several = np.flatnonzero(bounded & (entries != 1))
    body = vstack([body, matrix[several]], format="csr")
    lower = np.concatenate([lower, program.lower[several] - offset[several]])
    upper = np.concatenate([upper, program.upper[several] - offset[several]])
    body, lower, upper = _distinct(body, lower, upper)
    new_lower, new_upper = np.full(matrix.shape[1], -np.inf), np.full(matrix.shape[1], np.inf)
    single = np.flatnonzero(bounded & (entries == 1))
    column, factor = matrix.indices[matrix.indptr[single]], matrix.data[matrix.indptr[single]]
    ends = np.stack([program.lower[single] - offset[single], program.upper[single] - offset[single]]) / factor
    np.maximum.at(new_lower, column, ends.min(axis=0))
    np.minimum.at(new_upper, column, ends.max(axis=0))
    new_upper = np.maximum(new_lower, new_upper)
    return LinearProgram(
        readonly(matrix.T @ program.cost),
        program.offset + float(program.cost @ offset),
        readonly(new_lower),
        readonly(new_upper),
        readonly(body.indptr, np.int64),
        readonly(body.indices, np.int64),
        readonly(body.data),
        readonly(lower),
        readonly(upper),
        ((0, Unnamed("row")),),
        (Unnamed("column"),),
        None,
        program.periods,
    )


def _distinct(body: csr_array, lower: FloatArray, upper: FloatArray) -> tuple[csr_array, FloatArray, FloatArray]:
    """Rows divided by their largest coefficient, without those that say nothing or the same as another."""
    from scipy.sparse import csr_array

    row = np.repeat(np.arange(body.shape[0]), np.diff(body.indptr))
    size = np.zeros(body.shape[0])
    np.maximum.at(size, row, np.abs(body.data))
    scale = np.where(size > NEGLIGIBLE, size, 1.0)
    data = body.data / scale[row]
    left = np.abs(data) >= NEGLIGIBLE
    row, column, data = row[left], body.indices[left], data[left]
    lower, upper = lower / scale, upper / scale
    empty = np.bincount(row, minlength=len(lower)) == 0
    idle = (empty & (lower <= SAME) & (upper >= -SAME)) | (np.isinf(lower) & np.isinf(upper))
    generic = np.random.default_rng(0).random((body.shape[1], 2))
    sums = [np.bincount(row, data * part[column], minlength=len(lower)) for part in generic.T]
    keys = np.column_stack([*sums, lower, upper, empty])
    keys = np.where(np.isfinite(keys), np.round(keys / SAME), keys) + 0.0
    _, first = np.unique(keys.view(f"V{keys.itemsize * keys.shape[1]}").ravel(), return_index=True)
    kept = np.sort(first[~idle[first]])
    place = np.full(len(lower), -1)
    place[kept] = np.arange(len(kept))
    here = place[row] >= 0
    parts = data[here], (place[row[here]], column[here])
    return csr_array(parts, shape=(len(kept), body.shape[1])), lower[kept], upper[kept]


class Rows(NamedTuple):
    """Rows of a matrix, as a sparse array by rows has them."""

    data: FloatArray
    indices: IntArray
    indptr: IntArray


def extended(
    program: LinearProgram,
    columns: tuple[FloatArray, FloatArray],
    rows: Rows | csr_array,
    row_lower: FloatArray,
    row_upper: FloatArray,
) -> LinearProgram:
    """Add columns that cost nothing, and rows over old and new ones.

    Parameters
    ----------
    program : LinearProgram
    columns : pair of float arrays
        Lower and upper bounds of the new columns.
    rows : sparse array by rows, or `Rows`, ``(new rows, columns and new columns)``
    row_lower, row_upper : float arrays
    """
    return replace(
        program,
        cost=readonly(np.concatenate([program.cost, np.zeros(len(columns[0]))])),
        lower=readonly(np.concatenate([program.lower, columns[0]])),
        upper=readonly(np.concatenate([program.upper, columns[1]])),
        start=readonly(np.concatenate([program.start, program.start[-1] + rows.indptr[1:]]), np.int64),
        index=readonly(np.concatenate([program.index, rows.indices]), np.int64),
        value=readonly(np.concatenate([program.value, rows.data])),
        row_lower=readonly(np.concatenate([program.row_lower, row_lower])),
        row_upper=readonly(np.concatenate([program.row_upper, row_upper])),
    )
