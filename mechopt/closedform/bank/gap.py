r"""The family that shows the price of not knowing the future: no guarantee above 1/2.

Mirrokni, Paes Leme, Tang and Zuo (2020), Theorem 5.1 and supplement C.2: the first period's type has

.. math:: P(\theta_1 \ge \theta) = \frac{1 + z \theta \mu}{1 + \theta \mu}, \qquad z = e^{-\mu^2},
          \qquad 0 \le \theta \le e^{\mu^2},

and the second period's is an equal-revenue distribution: every price earns :math:`\epsilon`. If there is only the first
period, the seller's best price is the largest value, and it earns about :math:`1 + 1/\mu`. If there is a second one,
she gives the first item away and earns its value, about :math:`1 + \mu`, from the buyer's gratitude: in the second
period she takes it out of a surplus without bound. A non-clairvoyant seller must choose before she knows. (C.2 prints
:math:`\zeta = 1 - e^{\mu^2}` for :math:`1 - e^{-\mu^2}`, and "second item" for "first item" in its comparison.)

Here both distributions are finite. The first is rounded down to a grid of prices: geometric in
:math:`1 + \theta \mu`, from 0 to :math:`e^{\mu^2}`, so that its optimal revenue is exact and its mean a little low.
"""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np

from mechopt.core.errors import Fault, InputError, require_type
from mechopt.core.numbers import FloatArray
from mechopt.environment.scenarios import Scenarios

LARGEST_MU = 26.0
"""exp(mu**2) is a float up to here."""
LARGEST_FAMILY_MU = 11.0
"""exp(mu**2) is a number that an environment accepts up to here."""


def _first_period(mu: float, points: int, largest: float) -> tuple[FloatArray, FloatArray]:
    """Grid of values and the probability of each or more."""
    faults = []
    if not 0 < mu <= largest:
        faults.append(Fault("mu", f"is {mu}", f"it must be above 0 and at most {largest:g}"))
    if points < 2:
        faults.append(Fault("points", f"is {points}", "the grid needs its two ends"))
    if faults:
        raise InputError(faults)
    top, z = np.exp(mu**2), np.exp(-(mu**2))
    values = np.expm1(np.linspace(0.0, np.log1p(mu * top), points)) / mu
    values[-1] = top
    return values, (1 + z * mu * values) / (1 + mu * values)


def gap_family(mu: float, points: int, epsilon: float = 0.4, second_points: int = 12, ratio: float = 2.0) -> Scenarios:
    r"""Two scenarios, one period and two, in which not knowing which costs the seller; for `mechopt.maximin`.

    The second distribution has the values ``epsilon * ratio**k``, k = 0, ..., ``second_points - 1``, and
    P(value or more) = ``ratio**-k``: every one of them as a price earns ``epsilon``. From the buyer's utility of the
    first period the seller can take at most its mean less that, ``epsilon * (second_points - 1) * (1 - 1/ratio)``. This
    is why a finite second distribution cannot show the whole gap: with K types its mean is at most K times what the
    best price earns, so that one with revenue :math:`\epsilon` that can take out a utility of up to
    :math:`e^{\mu^2}` has at least :math:`e^{\mu^2} / \epsilon` types. Over ``mu`` the guarantee
    falls and then rises towards 1; where it is lowest depends on ``second_points``: with 12 points of the first period
    near ``mu = 1`` for 4 to 12 of them (at 0.967, 0.926 and 0.889 for 4, 8 and 12), near 1.25 for 16 (0.875).
    `reduced_gap` has the limit.

    Parameters
    ----------
    mu : float
        Above 0; the first period's largest value is exp(mu**2), its mean about 1 + mu.
    points : int
        Types of the first period, at least 2.
    epsilon : float
        Revenue of the second period, in units in which the first one's revenue is about 1 + 1/mu.
    second_points : int
        Types of the second period, at least 1.
    ratio : float
        Of a value of the second period to the one below, above 1.

    Returns
    -------
    Scenarios
        ``"F1"`` and ``"F1, F2"``. Values and probabilities of the first period spread by a factor of exp(mu**2) each,
        those of the second by ``ratio**(second_points - 1)``. A program whose coefficients spread by more than 1e9 is
        refused unless asked, and on ranges far above that solvers fail.

    Raises
    ------
    InputError
        If a parameter is out of its range.

    Examples
    --------
    >>> scenarios = gap_family(mu=1, points=20)
    >>> scenarios
    Scenarios(2 scenarios, 1-2 periods, 2 distributions)
    >>> values, probabilities, _ = scenarios.distributions["F2"]
    >>> [float(v * probabilities[values >= v].sum()) for v in values[:3]]
    [0.4, 0.4, 0.4]
    """
    require_type(mu, Real, "gap_family", "give a number")
    require_type(points, Integral, "gap_family", "give a whole number")
    values, tail = _first_period(mu, points, LARGEST_FAMILY_MU)
    faults = []
    if not epsilon > 0:
        faults.append(Fault("epsilon", f"is {epsilon}", "it must be above 0"))
    if second_points < 1:
        faults.append(Fault("second_points", f"is {second_points}", "there must be at least one type"))
    if not ratio > 1:
        faults.append(Fault("ratio", f"is {ratio}", "it must be above 1"))
    if faults:
        raise InputError(faults)
    powers = float(ratio) ** np.arange(second_points)
    distributions = [
        {"name": "F1", "values": values, "probabilities": -np.diff(tail, append=0.0)},
        {"name": "F2", "values": epsilon * powers, "probabilities": -np.diff(1 / powers, append=0.0)},
    ]
    return Scenarios(distributions, [["F1"], ["F1", "F2"]])


def reduced_gap(mu: float, points: int) -> float:
    r"""Best guarantee if the second period takes out the whole utility of the first and earns nothing else.

    The first period alone is a mixture of posted prices r, drawn from G. With F the first period's distribution, the
    guarantee is

    .. math:: \alpha = \max_G \min\Bigl( \frac{E_G [r\, P(\theta \ge r)]}{\max_r r\, P(\theta \ge r)},
                \frac{E_G [E\, \theta 1\{\theta \ge r\}]}{E\, \theta} \Bigr),

    the limit of `gap_family` as the second period's revenue vanishes and its range grows without bound (Theorem 5.1;
    it tends to 1/2 as mu grows). Each price is a point in the plane, so the best mixture is where the upper hull of
    these points meets the diagonal: exact on the grid, without a linear program.

    Parameters
    ----------
    mu : float
        Above 0, at most 26.
    points : int
        Of the grid, at least 2. Rounding down to it makes the mean too low and the guarantee too high: with 4000
        points by less than 2e-4 up to mu = 4, by 9e-4 at mu = 25.

    Returns
    -------
    float

    Raises
    ------
    InputError
        If a parameter is out of its range.

    Examples
    --------
    >>> [round(reduced_gap(mu, 4000), 4) for mu in (1, 2, 3, 4)]
    [0.8396, 0.6634, 0.6133, 0.5898]
    """
    require_type(mu, Real, "reduced_gap", "give a number")
    values, tail = _first_period(mu, points, LARGEST_MU)
    revenue = values * tail
    above = np.diff(values, append=values[-1]) * np.append(tail[1:], 0.0)
    welfare = revenue + np.cumsum(above[::-1])[::-1]  # E value of what is sold = price P(sale) + sum of steps above
    first, second = revenue / revenue.max(), welfare / welfare[0]
    hull = _upper_hull(first, second)
    ahead = first[hull] - second[hull]
    ahead[-1] = max(ahead[-1], 0.0)  # the highest price earns the most revenue, up to rounding
    right = int(np.argmax(ahead >= 0))  # not the lowest, which is 0: it earns nothing and sells everything
    share = ahead[right] / (ahead[right] - ahead[right - 1])
    return float(share * first[hull[right - 1]] + (1 - share) * first[hull[right]])


def _upper_hull(x: FloatArray, y: FloatArray) -> list[int]:
    """Indices of the vertices of the upper hull, from the left to the right; x does not decrease."""
    hull: list[int] = []
    for k in range(len(x)):
        while len(hull) > 1:
            i, j = hull[-2:]
            if (x[j] - x[i]) * (y[k] - y[i]) < (x[k] - x[i]) * (y[j] - y[i]):
                break
            hull.pop()
        hull.append(k)
    return hull
