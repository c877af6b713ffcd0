r"""The calculus of Theorem 5.1's proof: what a price of the first period is worth with and without a second one.

With the distributions of `mechopt.gap_family` before they are put on a grid, and a price :math:`\rho` in the first
period, the two ratios of revenue to optimum sum to at most

.. math:: \beta(\rho) = \frac{\rho\,P(\theta \ge \rho)}{R^*(F_1)}
          + \frac{\epsilon + E\,\theta 1\{\theta \ge \rho\}}{R^*(F_1, F_2)},

so that no mixture of prices guarantees more than half of the largest. In closed form, with :math:`z = e^{-\mu^2}`,
:math:`M = e^{\mu^2}`: the probability is :math:`(1 + z\mu\rho)/(1 + \mu\rho)`,

.. math:: E\,\theta 1\{\theta \ge \rho\} = \rho\,P(\theta \ge \rho) + z(M - \rho)
          + \frac{1 - z}{\mu} \ln\frac{1 + \mu M}{1 + \mu\rho},

:math:`R^*(F_1) = (1 + \mu)/(\mu + z)`, at the price M, and :math:`R^*(F_1, F_2) = \epsilon + E\,\theta`. Everything is
computed in the logarithm of :math:`1 + \mu\rho`, so that no :math:`\mu` is too large.

The proof says that the largest :math:`\beta` is :math:`1 + 1/\mu + o(1/\mu)`, and at most :math:`1 + 2/\mu` for
:math:`\mu` large enough, hence a guarantee of at most :math:`(1 + 2/\mu)/2`. Source: Mirrokni, Paes Leme, Tang and Zuo
(2020), Theorem 5.1 and supplement C.2, with :math:`\zeta = 1 - e^{-\mu^2}` for the printed :math:`1 - e^{\mu^2}`.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from mechopt.core.errors import Fault, InputError, require_type
from mechopt.core.numbers import FloatArray

LARGEST = 1e4
"""Of mu."""
GRID = 4001
"""Prices at which the largest is looked for first."""
POLISH = 200
"""Steps of golden section after that."""


@dataclass(frozen=True)
class GapBound:
    """The bound of Theorem 5.1's proof for one pair of distributions.

    Attributes
    ----------
    mu, epsilon : float
    log_price : float
        Logarithm of 1 + mu times the price at which beta is largest.
    beta : float
        Its value there.
    bound : float
        Half of it: no mechanism without the future guarantees more.
    printed : float
        (1 + 2/mu)/2, which the proof bounds it by for large mu.
    """

    mu: float
    epsilon: float
    log_price: float
    beta: float
    bound: float
    printed: float

    @property
    def printed_holds(self) -> bool:
        """Whether mu is large enough for the printed bound."""
        return self.bound <= self.printed


def price_trade_off(mu: float, prices: Any, epsilon: float = 0.0) -> FloatArray:
    """Beta at prices of the first period.

    Parameters
    ----------
    mu : float
        Above 0, at most 26, where exp(mu**2) is still a float.
    prices : array
        From 0 to exp(mu**2).
    epsilon : float
        Revenue of the second period, at least 0.

    Raises
    ------
    InputError
        If a parameter is out of its range.

    Examples
    --------
    Everything for free, and the highest price, are each worth about half of the sum:

    >>> price_trade_off(4, [0, np.exp(16)]).round(4).tolist()
    [1.0, 1.2338]
    """
    require_type(mu, Real, "price_trade_off", "give a number")
    rho = np.asarray(prices, dtype=np.float64)
    faults = _faults(mu, epsilon, 26.0)
    if not faults and (np.any(rho < 0) or np.any(rho > np.exp(mu**2) * (1 + 1e-12))):
        faults.append(Fault("prices", "are not all from 0 to exp(mu**2)", "the largest value is exp(mu**2)"))
    if faults:
        raise InputError(faults)
    return _beta(mu, epsilon, np.log1p(mu * rho))


def gap_bound(mu: float, epsilon: float = 0.0) -> GapBound:
    """Bound every guarantee for the distributions of Theorem 5.1's proof.

    Parameters
    ----------
    mu : float
        Above 0.
    epsilon : float
        Revenue of the second period, at least 0.

    Raises
    ------
    InputError
        If a parameter is out of its range.

    Examples
    --------
    >>> [round(gap_bound(mu).bound, 4) for mu in (1, 2, 4, 16, 1000)]
    [0.8995, 0.7247, 0.6169, 0.5309, 0.5005]
    >>> [gap_bound(mu).printed_holds for mu in (0.5, 1, 2, 4, 16, 1000)]
    [True, True, True, True, True, True]
    """
    require_type(mu, Real, "gap_bound", "give a number")
    if faults := _faults(mu, epsilon, LARGEST):
        raise InputError(faults)
    top = _log_top(mu)
    grid = np.linspace(0.0, top, GRID)
    values = _beta(mu, epsilon, grid)
    best = int(values.argmax())
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, GRID - 1)]
    for _ in range(POLISH):
        third = (high - low) / 3
        left, right = _beta(mu, epsilon, np.array([low + third, high - third]))
        low, high = (low + third, high) if left < right else (low, high - third)
    places = np.array([grid[best], (low + high) / 2])
    found = _beta(mu, epsilon, places)
    place, beta = float(places[found.argmax()]), float(found.max())
    return GapBound(mu, epsilon, place, beta, beta / 2, (1 + 2 / mu) / 2)


def _log_top(mu: float) -> float:
    """Logarithm of 1 + mu M, M = exp(mu**2)."""
    return float(np.logaddexp(0.0, np.log(mu) + mu**2))


def _beta(mu: float, epsilon: float, log_price: FloatArray) -> FloatArray:
    """Beta at logarithms of 1 + mu times the price."""
    z, top = float(np.exp(-(mu**2))), _log_top(mu)
    price = -np.expm1(-log_price) / mu  # over 1 + mu price
    scaled = np.maximum(np.exp(log_price - mu**2) - z, 0.0)  # z mu price
    sold = price * (1 + scaled)  # price times its probability
    welfare = sold + np.maximum(1 - scaled / mu, 0.0) + (1 - z) / mu * (top - log_price)
    everything = 1 + (1 - z) / mu * top
    alone = (1 + mu) / (mu + z)
    return np.asarray(sold / alone + (epsilon + welfare) / (epsilon + everything))


def _faults(mu: float, epsilon: float, largest: float) -> list[Fault]:
    faults = []
    if not 0 < mu <= largest:
        faults.append(Fault("mu", f"is {mu}", f"it must be above 0 and at most {largest:g}"))
    if not epsilon >= 0:
        faults.append(Fault("epsilon", f"is {epsilon}", "it must be at least 0"))
    return faults
