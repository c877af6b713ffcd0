"""How far two distributions of types are apart, as the mean of a function under a coupling."""

from __future__ import annotations

import numpy as np

from mechopt.core.numbers import FloatArray


def coupled(first: FloatArray, second: FloatArray, box: FloatArray) -> float:
    """Mean of ``box`` under a coupling of two distributions: common mass stays, the rest in the order of types."""
    common = np.minimum(first, second)
    upper, lower = np.cumsum(first - common), np.cumsum(second - common)
    cuts = np.sort(np.concatenate([[0.0], upper, lower]))
    middles, mass = (cuts[1:] + cuts[:-1]) / 2, np.diff(cuts)
    x = np.minimum(np.searchsorted(upper, middles), len(first) - 1)
    y = np.minimum(np.searchsorted(lower, middles), len(first) - 1)
    return float(mass @ box[x, y])
