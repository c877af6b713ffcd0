r"""How far each column of many matrices is from the convex hull of the other columns, and what separates it.

For columns m_1, ..., m_C the nearest point of the hull of the others to m_k is sum_l lam_l m_l. Where the columns are
affinely independent, the gradients g_l of their barycentric coordinates (rows of the pseudo-inverse of the centred
matrix) give the nearest point of the *affine* hull of all others at once: weights -g_l.g_k / |g_k|^2, distance 1/|g_k|.
Where a weight is negative, block principal pivoting (Judice and Pires 1994) on the non-negative problem

    min |V x|^2 + (1 - 1'x)^2,  V = [m_l - m_k],  lam = x / 1'x

finds the face, for all such columns together; what is affinely dependent or badly conditioned takes one NNLS a column.
Every answer is certified: with z the unit vector from the nearest point to m_k, min_l z.(m_k - m_l) is a lower bound on
the distance, and |m_k - nearest point| an upper one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

from mechopt.core.numbers import Array, FloatArray

TOUCHING = 1e-12
"""Probability vectors this close are not told apart."""
CONDITION = 1e-6
"""Smallest over largest singular value down to which columns are treated together."""
CERTIFIED = 1e-11
"""Width between the bounds on a distance, relative to the spread of the columns, that is accepted."""
ROUNDS = 60


class HullDistances(NamedTuple):
    """Distances ``(batch, column)``, 0 for a column in the hull, and unit vectors ``(batch, column, row)``, then 0."""

    distance: FloatArray
    direction: FloatArray


def hull_distances(columns: FloatArray) -> HullDistances:
    """Distance of each column to the hull of the others, and the unit vector that separates it.

    Parameters
    ----------
    columns : array ``(batch, row, column)``

    Returns
    -------
    HullDistances
        A single column is infinitely far from the hull of none.

    Examples
    --------
    Three corners of a triangle with legs 3 and 4: the right angle is 12/5 away from the hypotenuse.

    >>> corners = np.array([[[0.0, 3.0, 0.0], [0.0, 0.0, 4.0]]])
    >>> found = hull_distances(corners)
    >>> found.distance.round(12)
    array([[2.4, 3. , 4. ]])
    >>> found.direction[0, 0].round(12)
    array([-0.8, -0.6])
    """
    batch, rows, count = columns.shape
    if count == 1:
        return HullDistances(np.full((batch, 1), np.inf), np.zeros((batch, 1, rows)))
    left, sizes, right = np.linalg.svd(columns - columns.mean(axis=2, keepdims=True), full_matrices=False)
    points = sizes[:, :, np.newaxis] * right  # coordinates of the columns in the space that they span
    spread = np.maximum(sizes[:, 0], TOUCHING)
    nearest = np.full((batch, count, points.shape[1]), np.nan)  # from the nearest point to the column
    simplex = np.zeros(batch, dtype=bool)
    if sizes.shape[1] >= count - 1:
        simplex = sizes[:, count - 2] > np.maximum(CONDITION * sizes[:, 0], TOUCHING)
        _from_simplices(points, sizes, right, simplex, nearest)
    bad = ~_certified(points, nearest, spread)
    for b, k in np.argwhere(bad):
        nearest[b, k] = _one(points[b], int(k), float(spread[b]))
    distance = np.linalg.norm(nearest, axis=2)
    apart = distance > TOUCHING
    direction = np.divide(nearest, distance[..., np.newaxis], where=apart[..., np.newaxis], out=np.zeros_like(nearest))
    return HullDistances(np.where(apart, distance, 0.0), direction @ left.swapaxes(1, 2))


def _from_simplices(
    points: FloatArray, sizes: FloatArray, right: FloatArray, which: Array, nearest: FloatArray
) -> None:
    """Fill in the columns of affinely independent sets."""
    rank = points.shape[2] - 1
    if not which.any():
        return
    gradient = np.zeros((int(which.sum()), points.shape[2], points.shape[1]))
    gradient[:, :, :rank] = (right[which, :rank] / sizes[which, :rank, np.newaxis]).swapaxes(1, 2)
    inner = gradient @ gradient.swapaxes(1, 2)
    square = np.einsum("bkk->bk", inner)
    found = gradient / square[..., np.newaxis]
    obtuse = (inner > 0).sum(axis=2) > 1  # some weight is negative
    if obtuse.any():
        b, k = np.nonzero(obtuse)
        found[obtuse] = _pivoted(points[which][b], k, inner[b, k] < 0)
    nearest[which] = found


def _pivoted(points: FloatArray, k: Array, passive: Array) -> FloatArray:
    """Block principal pivoting for many columns together; axes of points: problem, coordinate, column."""
    numbers = np.arange(len(k))
    sides = points - points[numbers, :, k][..., np.newaxis]  # V, with a zero column k that is never passive
    sides /= np.linalg.norm(sides, axis=(1, 2))[:, np.newaxis, np.newaxis]
    inner = sides.swapaxes(1, 2) @ sides + 1
    own = np.zeros_like(passive)
    own[numbers, k] = True
    passive &= ~own
    weights = np.zeros(passive.shape)
    fewest, patience = np.full(len(k), passive.shape[1] + 1), np.full(len(k), 3)
    open_ = numbers
    for _ in range(ROUNDS):
        solved = _solve(sides[open_], inner[open_], passive[open_])
        slope = np.einsum("nij,nj->ni", inner[open_], solved) - 1
        wrong = np.where(passive[open_], solved < -1e-12, (slope < -1e-12) & ~own[open_])
        weights[open_] = solved
        amount = wrong.sum(axis=1)
        kept = amount > 0
        open_, wrong, amount = open_[kept], wrong[kept], amount[kept]
        if not len(open_):
            break
        improved = amount < fewest[open_]
        fewest[open_] = np.minimum(fewest[open_], amount)
        patience[open_] = np.where(improved, 3, patience[open_] - 1)
        single = patience[open_] < 0  # one exchange at a time cannot cycle
        last = wrong.shape[1] - 1 - wrong[:, ::-1].argmax(axis=1)
        wrong[single] = np.arange(wrong.shape[1]) == last[single, np.newaxis]
        passive[open_] ^= wrong
    weights = np.maximum(weights, 0)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    whole = points - points[numbers, :, k][..., np.newaxis]
    found: FloatArray = -np.einsum("nij,nj->ni", whole, weights)
    return found


def _solve(sides: FloatArray, inner: FloatArray, passive: Array) -> FloatArray:
    """Solve (V'V + 11') x = 1 on the passive columns, refined with residuals that are formed through V."""
    system = np.where(passive[:, :, np.newaxis] & passive[:, np.newaxis, :], inner, np.eye(passive.shape[1]))
    x = np.linalg.solve(system, passive[..., np.newaxis].astype(np.float64))
    residual = 1 - sides.swapaxes(1, 2) @ (sides @ x) - x.sum(axis=1, keepdims=True)
    x = x + np.linalg.solve(system, np.where(passive[..., np.newaxis], residual, 0))
    found: FloatArray = x[..., 0]
    return found


def _certified(points: FloatArray, nearest: FloatArray, spread: FloatArray) -> Array:
    """Tell where the lower bound on the distance meets the upper one; axes: batch, column."""
    square = np.einsum("bki,bki->bk", nearest, nearest)
    reach = nearest @ points  # column k's vector times every column
    own = np.einsum("bkk->bk", reach).copy()
    np.einsum("bkk->bk", reach)[...] = -np.inf
    upper = np.sqrt(square)
    lower = (own - reach.max(axis=2)) / np.maximum(upper, np.finfo(float).tiny)
    found: Array = upper - lower <= CERTIFIED * spread[:, np.newaxis]
    return found


def _one(points: FloatArray, k: int, spread: float) -> FloatArray:
    """One column by NNLS, then the nearest point of the affine hull of the face that it found."""
    sides = np.delete(points, k, axis=1) - points[:, [k]]
    weights, _ = nnls(np.vstack([sides / spread, np.ones(sides.shape[1])]), np.append(np.zeros(len(points)), 1.0))
    weights = weights / weights.sum()
    face = sides[:, weights > 0]
    step = np.linalg.lstsq(face[:, 1:] - face[:, :1], -face[:, 0], rcond=None)[0]
    tried = [-(sides @ weights), -(face[:, 0] + (face[:, 1:] - face[:, :1]) @ step)]

    def slack(vector: FloatArray) -> float:
        """Upper less lower bound on the distance."""
        size = float(np.linalg.norm(vector))
        return size - float((-vector @ sides).min()) / size if size > 0 else 0.0

    return min(tried, key=slack)
