r"""One period of the promised-utility dynamic program, as a lottery over posted prices; many slopes at once.

A period has types with values :math:`y_1 < \dots < y_K` and probabilities f, prices :math:`\pi_j` among the values and
a concave piecewise-linear function G on promises :math:`v \ge 0`, constant beyond its last breakpoint. With z a
lottery over prices, :math:`A_{kj} = (y_k - \pi_j)^+` and :math:`R_j = E[y 1\{y \ge \pi_j\}]`,

.. math:: \Phi(G)(w) = \max_{z, v_1} \{ R z + \sum_k f_k G(v_k) : v_k = v_1 + (Az)_k,\ v_1 \ge 0,\ f v = w \}.

Allocations :math:`x_k = P(\pi \le y_k)` are monotone without a constraint. `best_responses` maximises the objective
less :math:`\lambda f v`, for a vector of slopes :math:`\lambda`, by a bounded simplex method with K rows whose columns
v_k cost what G says; all slopes advance in lockstep. Nothing about validity rests on it: `attained` evaluates any
:math:`(v_1, z)`, a feasible point and so a lower bound, and `certified` any multipliers :math:`\lambda_k \ge 0` with
:math:`\sum f_k \lambda_k \le \lambda`, an upper bound by weak duality:

.. math:: \Phi(G)(w) \le \lambda w + \sum_k f_k G^*(\lambda_k) + \max_j [R_j + \sum_k f_k (\lambda_k - \lambda) A_{kj}],

where :math:`G^*(m) = \max_{v \ge 0} G(v) - m v`. An optimiser that stops early costs tightness alone.

Degenerate vertices (values on a lattice) are told apart by a perturbation of the right-hand sides, carried as a column
of its own and taken off at the end; long steps pass breakpoints as long as the objective rises; and the breakpoints of
G are refined in steps from a few to all of them, since a vertex of the coarse problem is one of the finer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from mechopt.core.numbers import Array, FloatArray, IntArray
from mechopt.solve.promised import kernels as promise_kernels
from mechopt.solve.promised import simplex as stage_simplex
from mechopt.solve.promised.concave import Concave
from mechopt.solve.promised.simplex import Basis, Rates

PERTURBATION = 1e-10
"""Of the right-hand sides, relative to the largest promise."""
RATE_TOLERANCE = 1e-12
"""Relative rate of the objective that counts as none."""
COARSEST = 8
"""Breakpoints of the coarsest level; each level has ``STRIDE`` times as many as the one before."""
MAX_PIVOTS, STRIDE = 400, 8


@dataclass(frozen=True, eq=False)
class PriceStage:
    """One period.

    Attributes
    ----------
    probabilities : array ``(K,)``
        Of the types, positive.
    welfare : array ``(J,)``
        Expected value of a sale at each price, R; falling in j.
    surplus : array ``(K, J)``
        A: what each type gains from each price; zero for type 0 and for the last price.
    """

    probabilities: FloatArray
    welfare: FloatArray
    surplus: FloatArray

    @property
    def expected_surplus(self) -> FloatArray:
        """Of each price, ``(J,)``."""
        return self.probabilities @ self.surplus


@dataclass(frozen=True, eq=False)
class Responses:
    """Answers of the simplex method for each of n slopes.

    Attributes
    ----------
    lowest : array ``(n,)``
        v_1.
    lottery : array ``(n, J)``
        z.
    multipliers : array ``(n, K)``
        Non-negative, with mean at most the slope.
    basis : Basis
    settled : bool array ``(n,)``
        Whether the point is optimal; else the pivots ran out, and it is only feasible.
    """

    lowest: FloatArray
    lottery: FloatArray
    multipliers: FloatArray
    basis: Basis
    settled: Array


def attained(
    stage: PriceStage, after: Concave, lowest: FloatArray, lottery: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Promise f v and objective R z + f G(v) of feasible points; each ``(n,)``."""
    v = lowest[:, None] + lottery @ stage.surplus.T
    return v @ stage.probabilities, lottery @ stage.welfare + after(v) @ stage.probabilities


def certified(stage: PriceStage, conjugates: FloatArray, slopes: FloatArray, multipliers: FloatArray) -> FloatArray:
    """Height at 0 of lines of these slopes that lie above Phi(G), given G* at the multipliers; ``(n,)``."""
    tilted = ((multipliers - slopes[:, None]) * stage.probabilities) @ stage.surplus + stage.welfare
    height: FloatArray = conjugates @ stage.probabilities + tilted.max(axis=1)
    return height


def best_responses(
    stage: PriceStage,
    after: Concave,
    slopes: FloatArray,
    start: Basis | None = None,
    pivots: int = MAX_PIVOTS,
    compiled: bool | None = None,
) -> Responses:
    """Maximise R z + f G(v) - slope * f v for each slope; see the module's docstring.

    Parameters
    ----------
    stage : PriceStage
    after : Concave
        G of the next period.
    slopes : array ``(n,)``
        Positive.
    start : Basis, optional
        Of optimal points at nearby slopes for the same stage and function.
    pivots : int
        Most pivots of a slope, on each level of breakpoints.
    compiled : bool, optional
        Whether to take the compiled kernels; default where they are there.

    Returns
    -------
    Responses
    """
    slopes = np.ascontiguousarray(slopes)
    limits = RATE_TOLERANCE * (stage.welfare[0] + slopes)
    rates = stage_rates(stage, after.knots, after.slopes)
    basis = first_basis(stage, after, len(slopes)) if start is None else start
    compiled = promise_kernels.compiled() if compiled is None else compiled
    if compiled:  # without a start, each slope starts from the one before
        settled = promise_kernels.climb(rates, slopes, limits, basis, pivots, chained=start is None)
        return Responses(*promise_kernels.read(rates, slopes, basis), basis, settled)
    levels = [(np.zeros(0, dtype=np.int64), after.knots, after.slopes)] if start is not None else _coarser(after)
    for number, (chosen, knots, rises) in enumerate(levels):
        if number:
            _refine(basis, levels[number - 1][0], chosen, knots, len(stage.welfare))
        settled = stage_simplex.climb(stage_rates(stage, knots, rises), slopes, limits, basis, pivots)
    return Responses(*read(rates, slopes, basis), basis, settled)


def _coarser(after: Concave) -> list[tuple[IntArray, FloatArray, FloatArray]]:
    """Breakpoints from few to all: their numbers, places and slopes of the pieces to their right."""
    last, stride = len(after.knots) - 1, 1
    levels = [(np.arange(last + 1), after.knots, after.slopes)]
    while len(levels[-1][0]) > COARSEST:
        stride *= STRIDE
        chosen = np.unique(np.append(np.arange(0, last, stride), last))
        rises = np.append(np.diff(after.heights[chosen]) / np.diff(after.knots[chosen]), 0.0)
        levels.append((chosen, after.knots[chosen], rises))
    return levels[::-1]


@cache
def _noise(types: int) -> FloatArray:
    return PERTURBATION * np.random.default_rng(1).uniform(0.5, 1.5, types)


def first_basis(stage: PriceStage, after: Concave, count: int) -> Basis:
    """Promise nothing to anybody: the highest price for sure; v_1 at breakpoint 0."""
    types, prices = stage.surplus.shape
    basic, outside = np.arange(prices, prices + types), np.arange(prices)
    basic[0], outside[-1] = prices - 1, prices
    table = np.zeros((types, prices))
    table[0, :-1] = -1.0
    table[1:, :-1] = stage.surplus[1:, :-1] - stage.surplus[1:, -1:]
    table[1:, -1] = 1.0
    span = max(float(after.knots[-1]), float(stage.surplus.max()))
    noise = _noise(types) * span
    noise[0] = _noise(types)[0]
    value = noise.copy()
    value[0] += 1.0
    none = np.zeros(types + prices, dtype=np.int64)
    arrays: tuple[Array, ...] = (basic, value, none[:types], noise, outside, none[types:], table)
    return Basis(*(array[..., None].repeat(count, axis=-1) for array in arrays))


def _refine(basis: Basis, coarse: IntArray, fine: IntArray, knots: FloatArray, prices: int) -> None:
    """Number breakpoints and pieces as on the finer level."""
    place = np.searchsorted(fine, coarse)
    basis.at = np.where(basis.outside >= prices, place[basis.at], 0)
    piece = np.searchsorted(knots, basis.value, side="right") - 1
    ends = np.append(place[1:] - 1, place[-1])
    piece = np.clip(piece, place[basis.piece], ends[basis.piece])
    basis.piece = np.where(basis.basic >= prices, piece, 0)


def stage_rates(stage: PriceStage, knots: FloatArray, rises: FloatArray) -> Rates:
    """Rates of the variables of a stage in its objective, given the breakpoints of G and its slopes to their right."""
    types, prices = stage.surplus.shape
    chance = np.concatenate([np.zeros(prices), stage.probabilities])
    return Rates(knots, rises, chance, np.concatenate([stage.welfare, np.zeros(types)]), prices)


def read(rates: Rates, slopes: FloatArray, basis: Basis) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Point and multipliers of the dictionaries, made feasible whatever rounding did."""
    prices = rates.prices
    single, is_promise = np.arange(len(slopes)), basis.outside >= prices
    point, dual = np.zeros((2, len(rates.chance), len(slopes)))
    point[basis.basic, single] = basis.value - basis.noise
    point[basis.outside, single] = np.where(is_promise, rates.knots[basis.at], 0.0)
    lottery = np.maximum(point[:prices], 0.0)
    lottery /= lottery.sum(axis=0)
    dual[basis.basic, single] = rates.rises[basis.piece]
    weight = np.where(is_promise, rates.chance[basis.outside], 1.0)
    dual[basis.outside, single] = slopes - rates.pressure(basis, slopes) / weight
    multipliers = np.maximum(dual[prices:], 0.0)
    mean = rates.chance[prices:] @ multipliers
    multipliers *= np.minimum(1.0, slopes / np.maximum(mean, 1e-300))
    return np.maximum(point[prices], 0.0), lottery.T, multipliers.T
