r"""Users' values learned from Gaussian observations: additive in innovations, with the error of the grid.

A user of advertiser i is worth theta + noise, theta normal with mean mu and standard deviation tau, the noise of
standard deviation sigma. Before contracting N users came, whose worths add up to s_0: her initial type. The expected
worth of the next user after n of them is the posterior mean. In *innovations*, what a user is worth beyond what was
expected of her::

    v = m(s_0) + sum_j g_j eps_j,      m(s_0) = (tau^2 s_0 + sigma^2 mu) / (tau^2 N + sigma^2),
    g_n = tau^2 / (tau^2 (n + 1) + sigma^2),      Var eps_n = tau^2 sigma^2 / (tau^2 n + sigma^2) + sigma^2

where eps_n, of the user who comes after n, is normal with mean 0 and independent of s_0. So the environment is additive
with A = m and C = 1 when served, and its rent is that of a level whose slope ``tau^2 / (tau^2 N + sigma^2)`` does not
fade with the users served.

Where this departs from the print. The paper takes the worths themselves as signals, v being a linear combination of s_0
and them. Their distribution depends on s_0 through what is expected of theta, so that its Assumption 2.3 fails; and the
coefficient of s_0 in that combination, tau^2 / (tau^2 n + sigma^2) by Bayes' rule (the print is garbled), falls with n,
since s_0 also moves the worths. A rent with the fading coefficient leaves a part out, and its "bound" is above the real
one (docs/mechanisms/virtual-pivot.md has a number).

The error. Each innovation is replaced by a grid of the same mean and variance (Gauss-Hermite). Best welfare, with
whatever weights of agents that are at most 1, moves by at most 1 a period for one of v; so it moves by at most

.. math:: \sum_{t=1}^{T-1} d^{t} \bigl(d + \dots + d^{T-t}\bigr) \; g_N \sigma_N \; W_1

where W_1 is the Wasserstein distance of grid and standard normal and g_n sigma_n falls with n.

Source: Kakade, Lobel and Nazerzadeh (2013), section 2.3, online advertising with learned values of users.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np

from mechopt.core.errors import Fault, InputError, LimitError
from mechopt.environment.families.checks import discount_faults, distributions_by_agent
from mechopt.environment.reading import check
from mechopt.environment.separable import SeparableTypes

MAX_SIGNALS = 1_000
MAX_POINTS = 10


@dataclass(frozen=True)
class GaussianLearning:
    """An environment on a grid, and how far its numbers may be from those of normal innovations.

    Attributes
    ----------
    environment : SeparableTypes
        Additive; action 0 serves nobody, action i + 1 sends the user to agent i. Signals are named by the innovations
        seen, as numbers of grid points, "start" before the first.
    error : float
        Most that the expected surplus of the efficient rule and the virtual pivot's bound differ, present value.
    slope : Fraction
        Of the level in s_0, whatever was learned since: what rents are made of.
    distance : float
        W_1 of the grid of a standard normal innovation.
    """

    environment: SeparableTypes
    error: float
    slope: Fraction
    distance: float

    def fading(self, served: int) -> Fraction:
        """The coefficient of s_0 where worths are signals, after users served: not what rents are made of."""
        return 1 / (1 / self.slope + served)


def gaussian_learning(
    sums: Any,
    probabilities: Any,
    horizon: int,
    cost: Any = 0,
    users: int = 1,
    mean: Any = 0,
    deviation: Any = 1,
    noise: Any = 1,
    points: int = 2,
    discount: Any = 1,
) -> GaussianLearning:
    """Build the environment in which one advertiser a period gets a user, and learns what users are worth to her.

    Parameters
    ----------
    sums : sequence over agents of increasing sequences of numbers
        What s_0 may be, of any sign.
    probabilities : sequence over agents of sequences of numbers
        Their distributions. Those of s_0 that the prior implies are normal; any may be given.
    horizon : int
        Number of users after contracting.
    cost : number
        Of sending a user to somebody.
    users : int
        N, at least 0: users before contracting.
    mean, deviation, noise : numbers
        mu; tau and sigma, above 0.
    points : int
        Of the grid of an innovation, from 2 to 10.
    discount : number
        In (0, 1].

    Raises
    ------
    InputError
        With every fault of the arguments.
    LimitError
        If there are too many signals: ``points**(horizon - 1)`` at the end.

    References
    ----------
    Kakade, Lobel and Nazerzadeh (2013), section 2.3.

    Examples
    --------
    >>> found = gaussian_learning([[0, "1/2", 1, "3/2", 2]], [["1/5"] * 5], horizon=2, cost="9/10")
    >>> found.environment, found.slope, found.fading(1)
    (SeparableTypes(1 agent, 2 actions, 5 initial types, 3 signals, 2 periods), Fraction(1, 2), Fraction(1, 3))
    """
    faults = list[Fault]()
    numbers = {
        name: check.exact_scalar(part, name, faults)
        for name, part in (("cost", cost), ("mean", mean), ("deviation", deviation), ("noise", noise))
    }
    for name in ("deviation", "noise"):
        part = numbers[name]
        if part is not None and part <= 0:
            faults.append(Fault(name, f"is {check.shown(part)}", "it must be above 0"))
    for name, whole, low in (("horizon", horizon, 1), ("users", users, 0), ("points", points, 2)):
        if type(whole) is not int or whole < low:
            faults.append(Fault(name, f"is {whole!r}", f"write a whole number, at least {low}"))
    if type(points) is int and points > MAX_POINTS:
        faults.append(Fault("points", f"is {points}", f"write one from 2 to {MAX_POINTS}"))
    agents = len(sums) if hasattr(sums, "__len__") else 0
    shifted = [[0 * k + j for j, _ in enumerate(row)] for k, row in enumerate(sums)] if agents else sums
    distributions_by_agent(shifted, probabilities, agents, ("sums", "probabilities"), "agent", faults)
    faults += discount_faults(discount, horizon if type(horizon) is int else 1)
    if faults:
        raise InputError(faults)
    paths = [path for seen in range(horizon) for path in _paths(points, seen, horizon)]
    mu, tau2, sigma2 = (Fraction(numbers[n] or 0) for n in ("mean", "deviation", "noise"))
    tau2, sigma2 = tau2**2, sigma2**2
    grid, weights = _hermite(points)
    steps = [float(_gain(tau2, sigma2, users + j)) * _deviation(tau2, sigma2, users + j) for j in range(horizon)]
    worth = [sum(steps[j] * grid[k] for j, k in enumerate(path)) for path in paths]
    place = {path: z for z, path in enumerate(paths)}
    still = [[int(z == to) for to in range(len(paths))] for z in range(len(paths))]
    learning: list[list[Any]] = [list(row) for row in still]
    for path, z in place.items():
        if len(path) + 1 < horizon:
            learning[z][z] = 0
            for k, weight in enumerate(weights):
                learning[z][place[(*path, k)]] = weight
    slope = tau2 / (tau2 * users + sigma2)
    exact = [check.exact_list(row, f"sums[{i}]", faults) or [] for i, row in enumerate(sums)]
    if faults:
        raise InputError(faults)
    actions = range(agents + 1)
    environment = SeparableTypes(
        initial_values=exact,
        initial_probabilities=probabilities,
        level=[[slope * s + sigma2 * mu / (tau2 * users + sigma2) for s in row] for row in exact],
        rate=[[int(a == i + 1) for a in actions] for i in range(agents)],
        base=[[worth if a == i + 1 else [0] * len(paths) for a in actions] for i in range(agents)],
        form="additive",
        signal_initial=[still[0]] * agents,
        signal_kernel=[[learning if a == i + 1 else still for a in actions] for i in range(agents)],
        signals=[["start" if not path else "-".join(map(str, path)) for path in paths]] * agents,
        actions=["none", *(f"user to {i}" for i in range(agents))],
        cost=[0, *[numbers["cost"]] * agents],
        horizon=horizon,
        discount=discount,
    )
    distance = _distance(grid, weights)
    d = float(environment.discount)
    later = [sum(d ** (t + r) for r in range(1, horizon - t + 1)) for t in range(1, horizon)]
    return GaussianLearning(environment, distance * steps[0] * sum(later), slope, distance)


def _paths(points: int, seen: int, horizon: int) -> list[tuple[int, ...]]:
    if points ** (horizon - 1) > MAX_SIGNALS:
        raise LimitError(f"{points}**{horizon - 1} signals are above {MAX_SIGNALS:,}; use fewer points or periods")
    return list(product(range(points), repeat=seen))


def _gain(tau2: Fraction, sigma2: Fraction, n: int) -> Fraction:
    return tau2 / (tau2 * (n + 1) + sigma2)


def _deviation(tau2: Fraction, sigma2: Fraction, n: int) -> float:
    return math.sqrt(tau2 * sigma2 / (tau2 * n + sigma2) + sigma2)


def _hermite(points: int) -> tuple[list[float], list[Fraction]]:
    """Points and weights for a standard normal; weights are fractions that sum to 1."""
    found, weights = np.polynomial.hermite_e.hermegauss(points)
    found = (found - found[::-1]) / 2  # symmetric to the last digit
    shares = [Fraction(float(w)).limit_denominator(10**12) for w in (weights + weights[::-1]) / (2 * weights.sum())]
    half = points // 2
    if points % 2:
        shares[half] = 1 - 2 * sum(shares[:half], Fraction(0))
    else:
        shares[half - 1] = shares[half] = Fraction(1, 2) - sum(shares[: half - 1], Fraction(0))
    return found.tolist(), shares


def _distance(points: list[float], weights: list[Fraction]) -> float:
    """W_1 between the grid and a standard normal: each point takes its share of quantiles."""
    from statistics import NormalDist

    normal, total, below = NormalDist(), 0.0, 0.0

    def density(z: float) -> float:
        return normal.pdf(z) if math.isfinite(z) else 0.0

    def spread(low: float, high: float, x: float) -> float:
        """Integral of |z - x| phi(z) over an interval on one side of x, up to sign."""
        mass = (normal.cdf(high) if math.isfinite(high) else 1.0) - (normal.cdf(low) if math.isfinite(low) else 0.0)
        return abs(density(low) - density(high) - x * mass)

    for x, weight in zip(points, weights, strict=True):
        above = below + float(weight)
        low = normal.inv_cdf(below) if below > 1e-15 else -math.inf
        high = normal.inv_cdf(above) if above < 1 - 1e-15 else math.inf
        cut = min(max(x, low), high)
        total += spread(low, cut, x) + spread(cut, high, x)
        below = above
    return total
