r"""How far each column of many matrices is from the convex hull of the other columns, and what separates it.

For columns m_1, ..., m_C the nearest point of the hull of the others to m_k is sum_l lam_l m_l. Where the columns are
affinely independent, the gradients g_l of their barycentric coordinates (rows of the pseudo-inverse of the centred
matrix) give the nearest point of the *affine* hull of all others at once: weights -g_l.g_k / |g_k|^2, distance 1/|g_k|.
Where a weight is negative, block principal pivoting (Judice and Pires 1994) on min |M lam - m_k|^2 over the simplex
finds the face, for all such columns together. What is affinely dependent, badly conditioned or not certified takes one
NNLS, min |V x|^2 + (1 - 1'x)^2 with V = [m_l - m_k] and lam = x / 1'x, and a least squares step on the face it finds.

Every answer is certified: with z the unit vector from the nearest point to m_k, min_l z.(m_k - m_l) is a lower bound on
the distance, and |m_k - nearest point| an upper one. Where the two do not meet, or the distance is so small beside the
spread of the columns that floats lose most of it, the nearest point is found in fractions (`exact_hull`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from mechopt.closedform.contingent.conditions.exact_hull import binary_columns, from_hull
from mechopt.core.numbers import Array, FloatArray

TOUCHING = 1e-12
"""Probability vectors this close are not told apart."""
CONDITION = 1e-6
"""Smallest over largest singular value down to which columns are treated together."""
CERTIFIED = 1e-11
"""Width between the bounds on a distance, relative to the spread of the columns, that is accepted."""
EXACT = 1e-6
"""Distance relative to the spread of the columns from which down nearest points are found in fractions."""
ILL_CONDITIONED = 1e6
"""Spread of the columns over the smallest distance, or largest over smallest singular value, from which on transfers
lose so many digits that it has to be said."""
ROUNDS, PATIENCE, SIGN = 60, 3, 1e-12
"""Of block principal pivoting: most rounds, rounds without progress before exchanges are single, what counts as 0."""


class HullDistances(NamedTuple):
    """Distances ``(batch, column)``, 0 for a column in the hull, and unit vectors ``(batch, column, row)``, then 0."""

    distance: FloatArray
    direction: FloatArray


ExactColumns = Callable[[int], Sequence[Sequence[Fraction]]]
"""Columns of a matrix of the batch as fractions."""


def hull_distances(
    columns: FloatArray, needed: Array | None = None, exact: ExactColumns | None = None
) -> HullDistances:
    """Distance of each column to the hull of the others, and the unit vector that separates it.

    Parameters
    ----------
    columns : array ``(batch, row, column)``
    needed : bool array ``(batch, column)``, optional
        Which columns matter; default: all. For others the distance is infinite and the vector 0.
    exact : callable, optional
        From a number in the batch to the columns that the floats round; default: what the floats are in binary.

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
    if needed is None:
        needed = np.ones((batch, count), dtype=bool)
    elif not (matters := needed.any(axis=1)).all():
        distance, direction = np.full((batch, count), np.inf), np.zeros((batch, count, rows))
        if matters.any():
            places = np.flatnonzero(matters)
            own = None if exact is None else (lambda b: exact(int(places[b])))
            distance[matters], direction[matters] = hull_distances(columns[matters], needed[matters], own)
        return HullDistances(distance, direction)
    left, sizes, right = np.linalg.svd(columns - columns.mean(axis=2, keepdims=True), full_matrices=False)
    points = sizes[:, :, np.newaxis] * right  # coordinates of the columns in the space that they span
    spread = np.maximum(sizes[:, 0], TOUCHING)
    nearest = np.full((batch, count, points.shape[1]), np.nan)  # from the nearest point to the column
    simplex = np.zeros(batch, dtype=bool)
    if sizes.shape[1] >= count - 1:
        simplex = sizes[:, count - 2] > np.maximum(CONDITION * sizes[:, 0], TOUCHING)
        _from_simplices(points, sizes, right, simplex, needed, nearest)
    bad = needed & ~_certified(points, nearest, spread)
    for b, k in np.argwhere(bad):
        nearest[b, k] = _one(points[b], int(k), float(spread[b]))
    distance = np.where(needed, np.linalg.norm(nearest, axis=2), np.inf)
    doubtful = needed & (distance > TOUCHING / 2)
    doubtful &= (distance < EXACT * spread[:, np.newaxis]) | ~_certified(points, nearest, spread)
    apart = needed & (distance > TOUCHING)
    direction = np.divide(nearest, distance[..., np.newaxis], where=apart[..., np.newaxis], out=np.zeros_like(nearest))
    direction = direction @ left.swapaxes(1, 2)
    for b, k in np.argwhere(doubtful):
        given = binary_columns(columns[b]) if exact is None else exact(int(b))
        distance[b, k], direction[b, k] = from_hull(given, int(k))
        apart[b, k] = distance[b, k] > TOUCHING
        direction[b, k] *= apart[b, k]
    return HullDistances(np.where(apart | ~needed, distance, 0.0), direction)


def spreads(columns: FloatArray) -> FloatArray:
    """Largest distance between two columns of each matrix; from ``(..., row, column)``, 0 for a single one."""
    count, widest = columns.shape[-1], np.zeros(columns.shape[:-2])
    for k in range(1, count):
        apart = np.linalg.norm(columns[..., k:] - columns[..., :-k], axis=-2).max(axis=-1)
        widest = np.maximum(widest, apart)
    return widest


def _from_simplices(
    points: FloatArray, sizes: FloatArray, right: FloatArray, which: Array, needed: Array, nearest: FloatArray
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
    obtuse = needed[which] & ((inner > 0).sum(axis=2) > 1)  # some weight is negative
    if obtuse.any():
        found = np.where(obtuse[..., np.newaxis], _pivoted(points[which], obtuse, inner < 0), found)
    nearest[which] = found


def _pivoted(points: FloatArray, wanted: Array, passive: Array) -> FloatArray:
    """Block principal pivoting for many columns together: vectors from the nearest point; axes: batch, column, row.

    Parameters
    ----------
    points : array ``(batch, row, column)``
        Centred.
    wanted : bool array ``(batch, column)``
        Which columns to do.
    passive : bool array ``(batch, column, other)``
        Which others to begin with, for each column.
    """
    count = points.shape[2]
    inner = points.swapaxes(1, 2) @ points
    inner /= np.einsum("bkk->b", inner)[:, np.newaxis, np.newaxis]
    shifted = inner + count**-2.0  # positive definite; on weights that sum to 1 a constant
    batch, column = np.nonzero(wanted)
    passive, own = passive[batch, column], np.arange(count) == column[:, np.newaxis]
    weights, towards = np.zeros(passive.shape), inner[batch, column]
    fewest, patience = np.full(len(batch), count + 1), np.full(len(batch), PATIENCE)
    passive &= ~own
    left = np.arange(len(batch))
    for _ in range(ROUNDS):
        face, matrix, side = passive[left], shifted[batch[left]], towards[left]
        system = np.where(face[:, :, np.newaxis] & face[:, np.newaxis, :], matrix, np.eye(count))
        solved = np.linalg.solve(system, np.stack([face * side, face], axis=2))
        level = (1 - solved[..., 0].sum(axis=1)) / solved[..., 1].sum(axis=1)
        found = solved[..., 0] + level[:, np.newaxis] * solved[..., 1]
        slope = (matrix @ found[..., np.newaxis])[..., 0] - side - level[:, np.newaxis]
        wrong = np.where(face, found < -SIGN, (slope < -SIGN) & ~own[left])
        weights[left] = found
        amount = wrong.sum(axis=1)
        kept = amount > 0
        left, wrong, amount = left[kept], wrong[kept], amount[kept]
        if not len(left):
            break
        patience[left] = np.where(amount < fewest[left], PATIENCE, patience[left] - 1)
        fewest[left] = np.minimum(fewest[left], amount)
        single = patience[left] < 0  # one exchange at a time, of the last that is wrong, cannot cycle
        last = count - 1 - wrong[:, ::-1].argmax(axis=1)
        wrong[single] = np.arange(count) == last[single, np.newaxis]
        passive[left] ^= wrong
    weights = np.maximum(weights, 0)
    mixture = np.zeros((len(points), count, count))
    mixture[batch, :, column] = weights / np.maximum(weights.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    nearest: FloatArray = (points - points @ mixture).swapaxes(1, 2)
    return nearest


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
    from scipy.optimize import nnls

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
