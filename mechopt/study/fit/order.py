r"""From sale prices back to values: the order statistic of an auction, inverted.

In a second-price or English auction with n bidders of independent values with the distribution F, who bid their
values, the sale price is the second-highest value. Its distribution is

.. math:: G(v) = \psi_n(F(v)), \qquad \psi_n(F) = n F^{n-1} - (n-1) F^n = I_F(n-1, 2)

with I the regularised incomplete beta function (Athey and Haile 2002, equation (5) and Theorem 1: F is identified from
the price alone, if n is known and at least 2). :math:`\psi_n` increases from 0 to 1, so it is inverted point by point.

*Start prices.* An auction with the start price r is seen only if it ends in a sale, that is, if the highest value is
above r; then the price is r or the second-highest value, whichever is larger. For v at least r,

.. math:: P(\text{price} \le v \mid \text{sale}) = \frac{\psi_n(F(v)) - F(r)^n}{1 - F(r)^n}

*Several n and r.* At each v the estimate is the F(v) at which the auctions with r at most v are expected to have as
many prices up to v as they have: sum over them of the right-hand side = number of prices up to v. The F(r) on the
right are the estimate's own: a fixed point, iterated from 0 (the map is monotone, so the iterates increase); with more
than 2,000 different start prices, at 2,000 of their quantiles and linear between them. Where auctions with a higher
start price enter, the estimate may fall by chance; isotonic regression makes it a distribution. Of the values up to the
lowest price only the share is identified; the estimate puts them at that price, an upper bound. The share is not small
where bidders are many: one price in a hundred with 5 bidders stands for the lowest 22% of the values.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import isotonic_regression
from scipy.optimize.elementwise import find_root
from scipy.special import betaincinv

from mechopt.core.errors import LimitError
from mechopt.core.numbers import FloatArray, IntArray

MOST_RESERVES, GROUPED_RESERVES = 2000, 50
ITERATIONS = 500  # a dozen were enough in all trials
SETTLED = 1e-9
ROUNDING = 1e-13  # shares so near to 0 or 1 are; `betaincinv` of SciPy 1.17 gives NaN for some below 1e-20


@dataclass(frozen=True)
class Sales:
    """Auctions that ended in a sale; equal ones may be one row with a weight.

    Attributes
    ----------
    price : float array ``(rows,)``
    bidders : int array ``(rows,)``
        At least 2.
    reserve : float array ``(rows,)``
        At most the price; minus infinity where there is none.
    weight : float array ``(rows,)``
        How many auctions the row stands for.
    """

    price: FloatArray
    bidders: IntArray
    reserve: FloatArray
    weight: FloatArray

    @property
    def with_reserves(self) -> bool:
        """Whether any auction has a start price."""
        return bool(np.isfinite(self.reserve).any())


def order_distribution(distribution: FloatArray, bidders: int) -> FloatArray:
    """Distribution of the second-highest of n independent draws, by the distribution of one.

    Parameters
    ----------
    distribution : float array
        F at some points.
    bidders : int
        n, at least 2.

    Examples
    --------
    >>> order_distribution(np.array([0.0, 0.5, 1.0]), 2)
    array([0.  , 0.75, 1.  ])
    """
    below: FloatArray = distribution ** (bidders - 1) * (bidders - (bidders - 1) * distribution)
    return below


def value_distribution(sales: Sales, points: FloatArray, start: FloatArray | None = None) -> FloatArray:
    """Estimate F, the distribution of one bidder's value, at increasing points.

    Parameters
    ----------
    sales : Sales
    points : float array
        Increasing.
    start : float array, optional
        First guess of F at the different start prices, increasing.

    Examples
    --------
    Two bidders, prices 1 and 2: half the prices are at most 1, and psi_2(F) = 1/2 at F = 1 - sqrt(1/2).

    >>> sales = Sales(np.array([1.0, 2.0]), np.array([2, 2]), np.full(2, -np.inf), np.ones(2))
    >>> value_distribution(sales, np.array([0.0, 1.0, 2.0])).round(4)
    array([0.    , 0.2929, 1.    ])
    """
    lost = np.zeros(sales.price.size)  # F(r)**n: probability that an auction like this one ends without a sale
    if sales.with_reserves:
        at = reserve_points(sales)
        distribution = distribution_at_reserves(sales, at, start)
        lost = _lost(sales, at, distribution)
    return _solved(sales, lost, points)


def reserve_points(sales: Sales) -> FloatArray:
    """The different start prices, increasing, or quantiles where there are too many."""
    at = np.unique(sales.reserve[np.isfinite(sales.reserve)])
    return at if at.size <= MOST_RESERVES else np.unique(np.quantile(at, np.linspace(0, 1, MOST_RESERVES)))


def distribution_at_reserves(sales: Sales, at: FloatArray, start: FloatArray | None = None) -> FloatArray:
    """The fixed point: F at the start prices.

    Parameters
    ----------
    sales : Sales
    at : float array
        Of `reserve_points`.
    start : float array, optional
        First guess.

    Raises
    ------
    LimitError
        If the iteration does not settle.
    """
    distribution = np.zeros(at.size) if start is None else start
    for _ in range(ITERATIONS):
        before, distribution = distribution, _solved(sales, _lost(sales, at, distribution), at)
        if np.abs(distribution - before).max() <= SETTLED:
            return distribution
    raise LimitError(
        f"the distribution at the start prices did not settle in {ITERATIONS} rounds; leave out auctions with start "
        "prices near the highest sale price"
    )


def grouped(sales: Sales, points: FloatArray) -> Sales:
    """Put auctions together that `value_law` cannot tell apart at the given points, so that resampling is quick.

    More than 50 different start prices are rounded down to 50 of their quantiles.
    """
    reserve, at = sales.reserve, np.unique(sales.reserve[np.isfinite(sales.reserve)])
    if at.size > GROUPED_RESERVES:
        at = np.quantile(at, np.linspace(0, 1, GROUPED_RESERVES), method="lower")
        reserve = np.where(np.isfinite(reserve), at[np.searchsorted(at, reserve, side="right") - 1], reserve)
    ends = np.unique(np.concatenate([points, at, [sales.price.max()]]))
    price = ends[np.searchsorted(ends, sales.price)]
    keys, row = np.unique(np.column_stack([price, sales.bidders, reserve]), axis=0, return_inverse=True)
    weight = np.bincount(row.ravel(), sales.weight).astype(np.float64)
    return replace(sales, price=keys[:, 0], bidders=keys[:, 1].astype(np.int64), reserve=keys[:, 2], weight=weight)


def _lost(sales: Sales, at: FloatArray, distribution: FloatArray) -> FloatArray:
    """F(r)**n by row; somebody bought, so F(r) stays below 1 by what one auction more would tell."""
    total = sales.weight.sum()
    base = np.interp(sales.reserve, at, np.minimum(distribution, total / (total + 1)), left=0.0)
    lost: FloatArray = base**sales.bidders
    return lost


def _cumulated(keys: FloatArray, weights: FloatArray, points: FloatArray) -> FloatArray:
    """Sum of the weights of the keys up to each point."""
    order = np.argsort(keys)
    sums = np.concatenate([[0.0], np.cumsum(weights[order])])
    found: FloatArray = sums[np.searchsorted(keys[order], points, side="right")]
    return found


def _solved(sales: Sales, lost: FloatArray, points: FloatArray) -> FloatArray:
    """F(v) at which as many prices up to v are expected as there are, the F(r) being given."""
    scale = sales.weight / (1 - lost)
    seen = _cumulated(sales.price, sales.weight, points) + _cumulated(sales.reserve, scale * lost, points)
    counts = np.unique(sales.bidders)
    entered = [_cumulated(*_of(sales, scale, n), points) for n in counts]
    total = np.sum(entered, axis=0)
    if counts.size == 1:
        share = np.divide(seen, total, out=np.zeros(points.size), where=total > 0)
        share = np.where(share < ROUNDING, 0.0, np.where(share > 1 - ROUNDING, 1.0, share))
        distribution = betaincinv(counts[0] - 1, 2, share)
    else:
        distribution = find_root(
            lambda distribution, seen, *parts: (
                sum(map(np.multiply, parts, (order_distribution(distribution, n) for n in counts.tolist()))) - seen
            ),
            (np.zeros(points.size), np.ones(points.size)),
            args=(np.clip(seen, 0, total), *entered),
        ).x
        distribution = np.where(seen >= total * (1 - ROUNDING), 1.0, distribution)
        distribution = np.where(seen <= total * ROUNDING, 0.0, distribution)
    if sales.with_reserves:
        distribution = isotonic_regression(distribution, weights=np.maximum(total, 1e-12)).x
    clipped: FloatArray = np.clip(distribution, 0.0, 1.0)
    return clipped


def _of(sales: Sales, scale: FloatArray, bidders: int) -> tuple[FloatArray, FloatArray]:
    chosen = sales.bidders == bidders
    return sales.reserve[chosen], scale[chosen]
