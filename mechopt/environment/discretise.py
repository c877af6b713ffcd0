r"""From a continuous distribution to finitely many types, in exact numbers, with what is lost.

Three grids of n types for a distribution F:

- ``"quantile"``: the quantiles of (k + 1/2) / n, each of probability 1/n;
- ``"equal-width"``: n intervals of equal width between the ends of the support (where it has none, the quantiles of
  1/1000 and 999/1000), their midpoints, each with the probability of its interval;
- ``"gauss"``: Gauss's nodes and weights for F, which keep all moments up to the (2n - 1)-th, from the recurrence of
  the orthogonal polynomials of F (Golub and Welsch 1969; the recurrence by Stieltjes' procedure, its expectations by
  sums over quantiles that lie closer towards both ends).

Values are rounded to nine significant digits and probabilities to multiples of :math:`10^{-9}`, with sum exactly 1; all
errors are those of the rounded numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import FloatArray, to_exact

METHODS = ("quantile", "equal-width", "gauss")
MAX_TYPES = 10_000
MAX_GAUSS = 30
PANELS, NODES = 400, 12
"""Of the sums that stand for expectations."""
PARTS = 10**9
TAIL = 1e-3


@dataclass(frozen=True)
class Discretised:
    """Types on a grid, and how far they are from the distribution.

    Attributes
    ----------
    values, probabilities : tuples of Fraction
        Increasing values; probabilities sum to 1.
    mean_error : float
        Mean of the grid less that of the distribution.
    virtual_errors : tuple of float
        Virtual value of each type but the highest, v_k - (v_{k+1} - v_k) (1 - F_k) / f_k, less that of the
        distribution at its value, v - (1 - F(v)) / f(v).
    method : str
    """

    values: tuple[Fraction, ...]
    probabilities: tuple[Fraction, ...]
    mean_error: float
    virtual_errors: tuple[float, ...]
    method: str

    @property
    def virtual_error(self) -> float:
        """Largest error of a virtual value, in absolute value."""
        return max((abs(error) for error in self.virtual_errors), default=0.0)


def discretise(dist: Any, types: int, method: str = "quantile") -> Discretised:
    """Finitely many types in place of a distribution.

    Parameters
    ----------
    dist : frozen continuous distribution of scipy.stats, or str
        Such as ``scipy.stats.lognorm(0.5)``, or as in files: ``"lognormal(0, 0.5)"`` (see `NAMED`).
    types : int
        How many, at least 1.
    method : str
        ``"quantile"``, ``"equal-width"`` or ``"gauss"``; see the module's docstring.

    Returns
    -------
    Discretised

    Raises
    ------
    InputError
        If the distribution has no quantiles or density, or the grid would have two types of one value.

    Examples
    --------
    >>> grid = discretise("uniform(0, 1)", 4)
    >>> [str(value) for value in grid.values], grid.mean_error
    (['1/8', '3/8', '5/8', '7/8'], 0.0)
    >>> [round(error, 9) for error in grid.virtual_errors]
    [0.125, 0.125, 0.125]
    >>> [round(float(value), 6) for value in discretise("uniform(0, 1)", 2, "gauss").values]
    [0.211325, 0.788675]

    References
    ----------
    Golub and Welsch (1969), Calculation of Gauss quadrature rules, Mathematics of Computation 23.
    """
    if isinstance(dist, str):
        dist = distribution_named(dist)
    missing = [name for name in ("ppf", "isf", "cdf", "pdf", "mean") if not callable(getattr(dist, name, None))]
    if missing:
        fix = "give a frozen continuous distribution, such as scipy.stats.lognorm(0.5) or 'lognormal(0, 0.5)'"
        raise InputError([Fault("dist", f"a {type(dist).__name__} has no {', '.join(missing)}", fix)])
    if type(types) is not int or not 1 <= types <= MAX_TYPES:
        raise InputError([Fault("types", f"is {types!r}", f"give a whole number from 1 to {MAX_TYPES}")])
    if method not in METHODS:
        raise InputError([Fault("method", f"{method!r} is not a grid", f"write one of {', '.join(METHODS)}")])
    make: Callable[[Any, int], tuple[FloatArray, FloatArray]]
    make = {"quantile": _quantile, "equal-width": _equal_width, "gauss": _gauss}[method]
    points, weights = make(dist, types)
    if not (np.isfinite(points).all() and np.isfinite(weights).all() and float(np.sum(weights)) > 0):
        what = "has quantiles or moments that are not finite"
        raise InputError([Fault("dist", what, "truncate it, or try the quantile grid")])
    values = tuple(to_exact(Decimal(f"{point:.9g}")) for point in points)
    if any(a >= b for a, b in pairwise(values)):
        raise InputError([Fault("types", f"{types} are too many: two have one value", "use fewer")])
    probabilities = _exact_weights(weights) if method != "quantile" else (Fraction(1, types),) * types
    if min(probabilities) <= 0:
        raise InputError([Fault("types", f"{types} are too many: one has a probability below 1e-9", "use fewer")])
    return _measured(dist, values, probabilities, method)


def _measured(dist: Any, values: tuple[Fraction, ...], probabilities: tuple[Fraction, ...], method: str) -> Discretised:
    mean = float(sum((v * p for v, p in zip(values, probabilities, strict=True)), Fraction(0)))
    errors, below = list[float](), Fraction(0)
    for v, following, p in zip(values, values[1:], probabilities, strict=False):
        below += p
        at, density = float(v), float(dist.pdf(float(v)))
        there = at - (1 - float(dist.cdf(at))) / density if density > 0 else float("-inf")
        here = float(v - (following - v) * (1 - below) / p) if p else float("-inf")
        errors.append(here - there if here != there else 0.0)
    return Discretised(values, probabilities, mean - float(dist.mean()), tuple(errors), method)


def _quantile(dist: Any, types: int) -> tuple[FloatArray, FloatArray]:
    return np.asarray(dist.ppf((np.arange(types) + 0.5) / types), dtype=np.float64), np.full(types, 1 / types)


def _equal_width(dist: Any, types: int) -> tuple[FloatArray, FloatArray]:
    low, high = (float(dist.ppf(end)) for end in (0.0, 1.0))
    low = low if np.isfinite(low) else float(dist.ppf(TAIL))
    high = high if np.isfinite(high) else float(dist.ppf(1 - TAIL))
    ends = np.linspace(low, high, types + 1)
    below = np.asarray(dist.cdf(ends), dtype=np.float64)
    below[0], below[-1] = 0.0, 1.0
    return (ends[:-1] + ends[1:]) / 2, np.diff(below)


def _gauss(dist: Any, types: int) -> tuple[FloatArray, FloatArray]:
    if types > MAX_GAUSS:
        raise InputError([Fault("types", f"is {types}", f"Gauss's grid has at most {MAX_GAUSS}; try another method")])
    points, weights = _integration(dist, PANELS)
    centre = float(weights @ points)
    scale = float(np.sqrt(weights @ (points - centre) ** 2))
    if not np.isfinite(centre + scale) or scale == 0:
        return np.full(types, np.nan), np.full(types, np.nan)
    fewer, lighter = _integration(dist, PANELS // 2)
    order = 2 * types - 1
    with np.errstate(over="ignore"):
        seen, less = (
            float(w @ np.abs((x - centre) / scale) ** order) for x, w in ((points, weights), (fewer, lighter))
        )
    if not np.isfinite(seen) or abs(seen - less) > 1e-6 * seen:
        what = f"has too heavy a tail for its moments up to the {order}-th, which Gauss's grid keeps"
        raise InputError([Fault("dist", what, "use fewer types, or another method")])
    x, before, now = (points - centre) / scale, np.zeros(len(points)), np.ones(len(points))
    diagonal, beside = list[float](), list[float]()
    for _ in range(types):
        diagonal.append(float(weights @ (x * now * now)))
        following = (x - diagonal[-1]) * now - (beside[-1] if beside else 0.0) * before
        beside.append(float(np.sqrt(weights @ following**2)))
        before, now = now, following / beside[-1]
    matrix = np.diag(diagonal) + np.diag(beside[:-1], 1) + np.diag(beside[:-1], -1)
    nodes, vectors = np.linalg.eigh(matrix)
    return centre + scale * nodes, vectors[0] ** 2


def _integration(dist: Any, panels: int) -> tuple[FloatArray, FloatArray]:
    """Points and weights whose sums are expectations: Gauss-Legendre on panels of u that halve towards 0 and 1."""
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    low = 2.0 ** -np.arange(2.0, panels + 2.0)[:, None]  # panels [low, 2 low] of u, and of 1 - u
    u, w = (low * (1.5 + nodes / 2)).ravel(), np.tile(weights / 2, panels) * low.repeat(NODES, axis=1).ravel()
    points = np.concatenate([np.asarray(dist.ppf(u)), np.asarray(dist.isf(u))])
    return points, np.tile(w, 2) / (2 * w.sum())


def _exact_weights(weights: FloatArray) -> tuple[Fraction, ...]:
    """Multiples of 1 / PARTS with sum 1: the largest takes what rounding leaves."""
    parts = [round(float(w) * PARTS / float(np.sum(weights))) for w in weights]
    parts[int(np.argmax(parts))] += PARTS - sum(parts)
    return tuple(Fraction(part, PARTS) for part in parts)


NAMED: dict[str, tuple[tuple[str, ...], Callable[..., Any]]] = {
    "uniform": (("low", "high"), lambda s, a, b: s.uniform(a, b - a)),
    "normal": (("mean", "deviation"), lambda s, a, b: s.norm(a, b)),
    "lognormal": (("mean of the logarithm", "its deviation"), lambda s, a, b: s.lognorm(b, scale=np.exp(a))),
    "exponential": (("mean",), lambda s, a: s.expon(scale=a)),
    "gamma": (("shape", "scale"), lambda s, a, b: s.gamma(a, scale=b)),
    "beta": (("a", "b"), lambda s, a, b: s.beta(a, b)),
    "pareto": (("smallest", "exponent"), lambda s, a, b: s.pareto(b, scale=a)),
    "triangular": (("low", "mode", "high"), lambda s, a, m, b: s.triang((m - a) / (b - a), a, b - a)),
}
"""Distributions that files name, with their parameters."""


def distribution_named(text: str) -> Any:
    """Read ``"lognormal(0, 0.5)"``; parameters are exact numbers as everywhere.

    Raises
    ------
    InputError
        With the names there are and their parameters.
    """
    found = re.fullmatch(r"\s*([a-z]+)\s*\(([^()]*)\)\s*", text)
    known = ", ".join(f"{name}({', '.join(parts)})" for name, (parts, _) in NAMED.items())
    if found is None or found[1] not in NAMED:
        raise InputError([Fault("", f"{text!r} is not a distribution", f"write one of {known}")])
    name, (parts, make) = found[1], NAMED[found[1]]
    try:
        given = [float(to_exact(part.strip())) for part in found[2].split(",")]
    except ValueError as error:
        raise InputError([Fault("", f"{text!r}: {error}", f"write {name}({', '.join(parts)})")]) from None
    if len(given) != len(parts):
        what = f"{text!r} has {len(given)} parameters"
        raise InputError([Fault("", what, f"write {name}({', '.join(parts)})")])
    from scipy import stats

    with np.errstate(all="ignore"):
        dist = make(stats, *given) if name != "triangular" or given[0] < given[2] else None
        if dist is None or not np.isfinite(float(dist.ppf(0.5))):
            what = f"{text!r} has parameters that do not go together"
            raise InputError([Fault("", what, "give a positive spread, and positive shapes")])
    return dist
