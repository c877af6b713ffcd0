"""Concave piecewise-linear functions on [0, inf), constant beyond their last breakpoint, as hulls of points.

They are the lower side of the promised-utility dynamic program: its points are attained, and so are mixtures of two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mechopt.core.numbers import FloatArray, IntArray

MERGE = 1e-11


@dataclass(frozen=True, eq=False)
class Concave:
    """The function.

    Attributes
    ----------
    knots : array ``(m,)``
        Breakpoints, increasing, the first one 0.
    heights : array ``(m,)``
        Values there.
    slopes : array ``(m,)``
        To the right of each breakpoint: falling, at least 0, the last one 0.

    Examples
    --------
    >>> hat = Concave(*np.array([[0.0, 1.0, 3.0], [0.0, 2.0, 3.0], [2.0, 0.5, 0.0]]))
    >>> hat(np.array([0.5, 2.0, 9.0]))
    array([1. , 2.5, 3. ])
    """

    knots: FloatArray
    heights: FloatArray
    slopes: FloatArray

    def __call__(self, w: FloatArray) -> FloatArray:
        """Values at w >= 0."""
        value: FloatArray = np.interp(w, self.knots, self.heights)
        return value


def constant(height: float) -> Concave:
    """The function that is constant on [0, inf)."""
    return Concave(np.zeros(1), np.full(1, height), np.zeros(1))


def hull(w: FloatArray, heights: FloatArray) -> tuple[IntArray, Concave]:
    """Concave hull of points that are sorted by w, the first and the last of which it keeps.

    A point on or below the chord of its two neighbours is not a corner of the hull, so all such points may go at once.

    Returns
    -------
    corners : int array
        Which points remain.
    function : Concave

    Examples
    --------
    >>> hull(np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.0, 2.0, 2.2, 3.0]))[0]
    array([0, 1, 3])
    """
    last = len(w) - 1
    corners = np.arange(last + 1)
    reach = MERGE * max(float(w[-1]), 1e-300)
    apart = np.diff(np.maximum.accumulate(w), prepend=-np.inf) > reach
    apart &= w < w[-1] - reach
    apart[[0, last]] = True
    if last and w[-1] <= reach:
        apart[last] = False
    corners = corners[apart]
    while len(corners) > 2:
        rise = np.diff(heights[corners]) / np.diff(w[corners])
        bends = np.concatenate([[True], rise[:-1] > rise[1:], [True]])
        if bends.all():
            break
        corners = corners[bends]
    knots, values = w[corners], heights[corners]
    slopes = np.append(np.maximum(np.diff(values) / np.diff(knots), 0.0), 0.0)
    return corners, Concave(knots, values, slopes)
