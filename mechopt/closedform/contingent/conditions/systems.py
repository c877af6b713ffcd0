r"""The transfers of one matrix: what meets a target in expectation under the truth, and no less under a misreport.

M has the distributions m_k of the others' next signals by own signal k as columns, c_k is what the transfer is to be
worth. All matrices of an agent and a period are solved together; leading axes are (action, others' profile).

Lemma A.3 (convex independence), one transfer p_r a report r, with p_r.m_r = c_r and p_r.m_k >= c_k: with dist_r and z_r
the distance and the separating vector of column r::

    lam_r = max(0, max_k (c_k - c_r) / (z_r.(m_r - m_k))),   p_r = c_r 1 + lam_r ((m_r.z_r) 1 - z_r)

As z_r.(m_r - m_k) >= dist_r and |(m_r.z_r) 1 - z_r| <= 2, |p| <= (1 + 4/dist) max |c|: bound (iii). Alternatively the
p_r of smallest largest entry, by one linear program a report; its value is unique, p_r need not be.

Lemma A.4 (spanning), one transfer for all reports with M'p = c: the shortest, p = (M')^+ c. The slides print M^+ c,
whose dimensions fit square matrices only and which is wrong even then; they also let p be non-negative, but it takes
any sign.

Source: Liu (2025), Lemmas A.3 and A.4.
"""

from __future__ import annotations

import numpy as np

from mechopt.core.numbers import Array, FloatArray

BINDING = 1e-7
"""Slack of a row, relative to the targets, up to which it is taken to bind: the solver's tolerance."""


def separated(columns: FloatArray, separating: FloatArray, target: FloatArray) -> FloatArray:
    """Transfers of Lemma A.3 in closed form.

    Parameters
    ----------
    columns : array ``(..., row, own signal)``
    separating : array ``(..., own signal, row)``
        Unit vectors of `hull_distances`; 0 where a column is not separated, for which the transfer is constant. Whether
        they separate is for the caller to check: a transfer that misses its targets says so.
    target : array ``(..., own signal)``

    Returns
    -------
    array ``(..., report, row)``

    Examples
    --------
    >>> columns = np.array([[0.75, 0.25], [0.25, 0.75]])
    >>> z = np.array([[1.0, -1.0], [-1.0, 1.0]]) / 2**0.5
    >>> p = separated(columns, z, np.array([0.0, 1.0]))
    >>> (p @ columns).round(12)
    array([[0., 1.],
           [1., 1.]])
    """
    reach = separating @ columns  # report, own signal
    truth = np.diagonal(reach, axis1=-2, axis2=-1)[..., np.newaxis]
    apart, wanted = truth - reach, target[..., np.newaxis, :] - target[..., :, np.newaxis]
    apart = np.broadcast_to(apart, wanted.shape)
    slope = np.divide(wanted, apart, where=apart > 0, out=np.zeros_like(wanted))
    steepest = np.maximum(slope.max(axis=-1, keepdims=True), 0)
    found: FloatArray = target[..., np.newaxis] + steepest * (truth - separating)
    return found


Factors = tuple[FloatArray, FloatArray, FloatArray]
"""Thin singular value decomposition of the columns."""


def least_norm(
    columns: FloatArray, target: FloatArray, factors: Factors | None = None, zero: FloatArray | None = None
) -> FloatArray:
    """Transfers of Lemma A.4: the shortest solution, refined once; the least squares one where there is none.

    Parameters
    ----------
    columns : array ``(..., row, own signal)``
    target : array ``(..., own signal)``
    factors : tuple of arrays, optional
        The decomposition, where it is known.
    zero : array ``(..., 1)``, optional
        Singular values that count as 0; default: numpy's.

    Returns
    -------
    array ``(..., row)``

    Examples
    --------
    >>> least_norm(np.array([[0.75, 0.25], [0.25, 0.75]]), np.array([0.0, 1.0])).round(12)
    array([-0.5,  1.5])
    """
    left, sizes, right = factors or np.linalg.svd(columns, full_matrices=False)
    slack = sizes[..., :1] * max(columns.shape[-2:]) * np.finfo(float).eps if zero is None else zero
    inverse = np.divide(1.0, sizes, where=sizes > slack, out=np.zeros_like(sizes))[..., np.newaxis]
    wanted, rows = target[..., np.newaxis], columns.swapaxes(-2, -1)
    found: FloatArray = left @ (inverse * (right @ wanted))
    found = found + left @ (inverse * (right @ (wanted - rows @ found)))
    return found[..., 0]


def smallest_by_report(columns: FloatArray, target: FloatArray, report: int) -> FloatArray | None:
    """Transfer of Lemma A.3 with the smallest largest entry, for one matrix and report; axes: row.

    Parameters
    ----------
    columns : array ``(row, own signal)``
    target : array ``(own signal,)``
    report : int

    Returns
    -------
    float array, or None where no transfer meets these targets
    """
    other = np.arange(len(target)) != report
    above = np.hstack([-columns.T[other], np.zeros((int(other.sum()), 1))])
    return _least_largest(above, -target[other], columns[:, [report]].T, target[[report]])


def smallest_for_all(columns: FloatArray, target: FloatArray) -> FloatArray | None:
    """Transfer of Lemma A.4 with the smallest largest entry, for one matrix; axes: row.

    Parameters
    ----------
    columns : array ``(row, own signal)``
    target : array ``(own signal,)``

    Returns
    -------
    float array, or None where no transfer meets these targets
    """
    return _least_largest(np.zeros((0, len(columns) + 1)), np.zeros(0), columns.T, target)


def _least_largest(above: Array, limit: Array, equal: Array, value: Array) -> FloatArray | None:
    """Minimise s with -s <= p <= s, above.(p, s) <= limit and equal.p = value; None where there is none.

    The solver is right to its tolerance; the rows that bind are then solved again by least squares, to rounding.
    """
    from scipy.optimize import linprog

    rows, scale = equal.shape[1], max(float(np.abs(value).max()), float(np.abs(limit).max(initial=0)), 1e-300)
    band = np.block([[np.eye(rows), -np.ones((rows, 1))], [-np.eye(rows), -np.ones((rows, 1))]])
    found = linprog(
        np.append(np.zeros(rows), 1.0),
        A_ub=np.vstack([above, band]),
        b_ub=np.append(limit / scale, np.zeros(2 * rows)),
        A_eq=np.hstack([equal, np.zeros((len(equal), 1))]),
        b_eq=value / scale,
        bounds=[(None, None)] * rows + [(0, None)],
        method="highs",
    )
    if found.x is None:
        return None
    transfer = np.asarray(found.x[:rows])
    for _ in range(3):
        slack = limit / scale - above[:, :rows] @ transfer
        binding = slack <= BINDING
        if not len(slack) and (equal @ transfer == value / scale).all():
            break
        matrix = np.vstack([equal, above[binding, :rows]])
        short = np.append(value / scale - equal @ transfer, slack[binding])
        transfer = transfer + np.linalg.lstsq(matrix, short, rcond=None)[0]
    repaired: FloatArray = transfer * scale
    return repaired
