"""A distribution on many points, cut into cells: one type a cell, with exact numbers.

*Quantiles.* The cut c_j is the first point at which the distribution function reaches j/K; cell j holds the points
above c_(j-1) and up to c_j, so that equal values share a cell; its type is the cell's lower median, a value that was
observed. Cells without points vanish: there may be fewer than K types. At most K different points are a type each.

*Clusters.* The K cells with the smallest sum of squared distances to their means, by an exact dynamic program (Wu
1991, package ``kmeans1d``); the type is the cell's mean, to six significant digits. A distribution with fractional
masses is first put on 10,000 equally likely points.

Probabilities are counts over their total where the masses are counts, else millionths that sum to 1; no type has less
than one millionth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.stats import wasserstein_distance

from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import FloatArray, IntArray, to_exact

METHODS = "quantiles", "clusters"
CLUSTER_POINTS = 10_000
UNITS = 10**6
ROUNDING = 1e-12
MOST_TYPES = 1000


class Distance(NamedTuple):
    """How far the types are from the distribution that they stand for.

    Attributes
    ----------
    kolmogorov : float
        Largest difference of the two distribution functions P(value <= v).
    wasserstein : float
        Area between them: how far money must move on average.
    """

    kolmogorov: float
    wasserstein: float


@dataclass(frozen=True)
class Types:
    """A distribution cut into types.

    Attributes
    ----------
    values, probabilities : tuples of Fraction
    cuts : float array ``(types,)``
        Largest point of each cell.
    """

    values: tuple[Fraction, ...]
    probabilities: tuple[Fraction, ...]
    cuts: FloatArray


def cut_into_types(points: FloatArray, mass: FloatArray | IntArray, count: int, method: str = "quantiles") -> Types:
    """Cut a distribution into at most so many types; see the module's docstring.

    Parameters
    ----------
    points : float array
        Increasing.
    mass : int or float array
        Of each point, at least 0: counts, or probabilities.
    count : int
        K.
    method : str
        ``"quantiles"`` or ``"clusters"``.

    Examples
    --------
    >>> types = cut_into_types(np.array([1.0, 2.0, 3.0, 9.0]), np.array([3, 1, 1, 1]), 2)
    >>> [str(v) for v in types.values], [str(p) for p in types.probabilities]
    (['1', '3'], ['1/2', '1/2'])
    """
    faults = []
    if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or not 1 <= count <= MOST_TYPES:
        faults.append(Fault("types", f"is {count!r}", f"write a whole number from 1 to {MOST_TYPES}"))
    if method not in METHODS:
        faults.append(Fault("method", f"is {method!r}", f"write {' or '.join(METHODS)}"))
    if faults:
        raise InputError(faults)
    sums = np.cumsum(mass)
    rounding = ROUNDING * sums[-1]
    if points.size <= count:
        ends = np.arange(points.size)
    elif method == "quantiles":
        ends = np.unique(np.searchsorted(sums, sums[-1] * np.arange(1, count + 1) / count - rounding))
    else:
        ends = _cluster_ends(points, mass, count)
    starts = np.concatenate([[0], ends[:-1] + 1])
    before = np.concatenate([[0.0], sums[ends[:-1]]])
    shares = sums[ends] - before
    if method == "quantiles":
        values = [to_exact(v) for v in points[np.searchsorted(sums, before + shares / 2 - rounding)]]
    else:
        values = _rounded(np.add.reduceat(points * mass, starts)[: ends.size] / shares)
    return Types(tuple(values), _exact(shares, np.issubdtype(mass.dtype, np.integer)), points[ends])


def distance(types: Types, points: FloatArray, mass: FloatArray | IntArray) -> Distance:
    """Compare the types with the distribution that they stand for."""
    values = np.array([float(v) for v in types.values])
    probabilities = np.array([float(p) for p in types.probabilities])
    every = np.union1d(values, points)

    def distribution(at: FloatArray, weights: FloatArray) -> FloatArray:
        sums = np.concatenate([[0.0], np.cumsum(weights) / np.sum(weights)])
        found: FloatArray = sums[np.searchsorted(at, every, side="right")]
        return found

    apart = np.abs(distribution(values, probabilities) - distribution(points, mass.astype(np.float64)))
    return Distance(float(apart.max()), float(wasserstein_distance(values, points, probabilities, mass)))


def _cluster_ends(points: FloatArray, mass: FloatArray | IntArray, count: int) -> IntArray:
    from kmeans1d import cluster

    if np.issubdtype(mass.dtype, np.integer):
        sample = np.repeat(points, mass.astype(np.int64))
    else:
        sums = np.cumsum(mass)
        sample = points[np.searchsorted(sums, sums[-1] * (np.arange(CLUSTER_POINTS) + 0.5) / CLUSTER_POINTS)]
    labels = np.array(cluster(sample, min(count, np.unique(sample).size)).clusters)
    last = np.flatnonzero(np.diff(labels, append=-1))
    ends = np.searchsorted(points, sample[last])
    ends[-1] = points.size - 1
    return np.unique(ends)


def _rounded(means: FloatArray) -> list[Fraction]:
    for digits in (6, 15):
        values = [to_exact(f"{mean:.{digits}g}") for mean in means]
        if all(low < high for low, high in pairwise(values)):
            break
    return values


def _exact(shares: FloatArray, counted: bool) -> tuple[Fraction, ...]:
    if counted:
        return tuple(Fraction(round(share), round(shares.sum())) for share in shares)
    return in_units(shares / shares.sum())


def in_units(probabilities: FloatArray | Sequence[float]) -> tuple[Fraction, ...]:
    """Probabilities in millionths, each at least one, summing to 1 exactly; the largest takes what rounding leaves."""
    units = np.maximum(1, np.round(UNITS * np.asarray(probabilities))).astype(np.int64)
    units[units.argmax()] += UNITS - units.sum()
    return tuple(Fraction(int(unit), UNITS) for unit in units)
