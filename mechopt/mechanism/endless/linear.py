"""Discounted sums along a sparse chain: x = r + d M x, with M a table of probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

from mechopt.core.numbers import FloatArray

DIRECT = 2_000
"""Unknowns up to which the system is solved by elimination; above, fill-in may be large, and it is iterated."""
CLOSE = 1e-16
MAX_SWEEPS = 100_000


def discounted(matrix: Any, reward: FloatArray, discount: float) -> FloatArray:
    """Solve x = reward + discount * matrix @ x.

    Parameters
    ----------
    matrix : sparse array ``(n, n)``
        Rows sum to at most 1.
    reward : float array ``(n,)``
    discount : float
        Below 1.
    """
    from scipy.sparse import csc_array, eye_array
    from scipy.sparse.linalg import spsolve

    size = len(reward)
    if size <= DIRECT:
        found: FloatArray = spsolve(eye_array(size, format="csc") - discount * csc_array(matrix), reward)
        return found
    value, change = np.zeros(size), np.inf
    for _ in range(MAX_SWEEPS):
        after = reward + discount * (matrix @ value)
        last, change = change, float(np.abs(after - value).max())
        value = after
        scale = float(np.abs(value).max())
        if not np.isfinite(change) or change <= CLOSE * scale or (change >= last and change <= 1e-13 * scale):
            break
    return value
