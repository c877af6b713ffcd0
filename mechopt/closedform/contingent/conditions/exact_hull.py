"""The nearest point of a convex hull in fractions: the minimum-norm point of a polytope (Wolfe 1976).

The points are the other columns less the column. A corral of affinely independent points is kept whose affine hull has
its nearest point to 0 inside their convex hull; the point that lies furthest towards 0 enters, and those whose weights
would turn negative leave. In fractions no tolerance is needed, and no corral comes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import sqrt

import numpy as np

from mechopt.core.numbers import FloatArray

Vector = list[Fraction]


def from_hull(columns: Sequence[Sequence[Fraction]], k: int) -> tuple[float, FloatArray]:
    """Distance of column k to the convex hull of the others, and the unit vector from there to it; 0 in the hull.

    Parameters
    ----------
    columns : sequence of sequences of Fraction, by column
    k : int

    Examples
    --------
    >>> corners = [[Fraction(0), Fraction(0)], [Fraction(3), Fraction(0)], [Fraction(0), Fraction(4)]]
    >>> distance, direction = from_hull(corners, 0)
    >>> round(distance, 12), direction.round(12).tolist()
    (2.4, [-0.8, -0.6])
    """
    nearest = exact_nearest(columns, k)
    largest = max(map(abs, nearest))
    if largest == 0:
        return 0.0, np.zeros(len(nearest))
    scaled = np.array([float(entry / largest) for entry in nearest])
    size = sqrt(float(_dot(nearest, nearest) / largest**2))
    return size * float(largest), scaled / np.linalg.norm(scaled)


def exact_nearest(columns: Sequence[Sequence[Fraction]], k: int) -> Vector:
    """Vector from the nearest point of the hull of the other columns to column k.

    Parameters
    ----------
    columns : sequence of sequences of Fraction, by column
        At least two.
    k : int
    """
    points = [[a - b for a, b in zip(other, columns[k], strict=True)] for n, other in enumerate(columns) if n != k]
    corral = [min(range(len(points)), key=lambda n: _dot(points[n], points[n]))]
    weights = [Fraction(1)]
    at = points[corral[0]]
    while any(at):
        enters = min(range(len(points)), key=lambda n: _dot(at, points[n]))
        if _dot(at, points[enters]) >= _dot(at, at):
            break
        corral, weights = [*corral, enters], [*weights, Fraction(0)]
        while True:
            wanted = _affine([points[n] for n in corral])
            if all(w > 0 for w in wanted):
                weights = wanted
                break
            step = min(w / (w - v) for w, v in zip(weights, wanted, strict=True) if v <= 0)
            mixed = [w + step * (v - w) for w, v in zip(weights, wanted, strict=True)]
            kept = [n for n, w in enumerate(mixed) if w > 0]
            corral, weights = [corral[n] for n in kept], [mixed[n] for n in kept]
        at = _mixture([points[n] for n in corral], weights)
    return [-entry for entry in at]


def binary_columns(matrix: FloatArray) -> list[Vector]:
    """Columns of a matrix of floats as what they are in binary."""
    return [[Fraction(entry) for entry in column] for column in matrix.T.tolist()]


def _affine(points: list[Vector]) -> Vector:
    """Weights of the nearest point to 0 of the affine hull of affinely independent points; they sum to 1."""
    first = points[0]
    sides = [[a - b for a, b in zip(point, first, strict=True)] for point in points[1:]]
    system = [[*(_dot(s, other) for other in sides), -_dot(s, first)] for s in sides]
    size = len(system)
    for n in range(size):
        pivot = next(m for m in range(n, size) if system[m][n])
        system[n], system[pivot] = system[pivot], system[n]
        scale = system[n][n]
        system[n] = [entry / scale for entry in system[n]]
        for m in range(size):
            if m != n and system[m][n]:
                times = system[m][n]
                system[m] = [a - times * b for a, b in zip(system[m], system[n], strict=True)]
    found = [row[-1] for row in system]
    return [1 - sum(found, Fraction(0)), *found]


def _mixture(points: list[Vector], weights: Vector) -> Vector:
    return [sum((w * x for w, x in zip(weights, row, strict=True)), Fraction(0)) for row in zip(*points, strict=True)]


def _dot(a: Sequence[Fraction], b: Sequence[Fraction]) -> Fraction:
    return sum((x * y for x, y in zip(a, b, strict=True)), Fraction(0))
