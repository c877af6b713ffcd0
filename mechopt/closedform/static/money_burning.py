r"""Money burning with caps: what maximises the sum over buyers of min(cap_i, E u_i), with payments of at least 0.

With payments of at least 0 a buyer whose allocation x rises with her type is left at most
:math:`u(v_j) = \sum_{l \le j} (v_l - v_{l-1}) x_l`, :math:`v_0 = 0`, whose expectation is at most
:math:`E[\bar\vartheta x]` for the ironed virtual values for utility, and equal to it where x is constant on their
blocks. The program over profiles of blocks is, with its dual (Theorem E.2; the supplement once prints its caps as one
cap on the sum over buyers),

.. math:: \max_x \sum_i \min(c_i, E[\bar\vartheta_i x_i])
          = \min_{w \in [0,1]^n} \sum_i (1 - w_i) c_i + E \max_i w_i \bar\vartheta_i .

Its solution is written as a lottery over *rules*, each of which gives the item to the largest of
:math:`w_i \bar\vartheta_i` for fixed weights w and, among equals, to the lowest index. A rule rises in the own type of
each buyer, and so does a lottery over rules. The utilities of rules with positive weights are the corners of the set of
attainable utilities under free disposal, so rules suffice; an arbitrary optimum of the program may fall in the own
type at profiles where every :math:`w_i \bar\vartheta_i` is 0, contrary to what the proof of E.2 says. Rules are found
by column generation: the best lottery over the rules so far gives weights, the rule of those weights is added, and
the gap between the two sides above says when to stop.

Source: Mirrokni, Paes Leme, Tang and Zuo (2020), supplement E; without caps Hartline and Roughgarden (2008).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mechopt.closedform.static.auction import (
    Buyers,
    StaticMechanism,
    amounts,
    by_own_type,
    exact_buyers,
    float_buyers,
    product_distribution,
    summed_prices,
)
from mechopt.closedform.static.virtual_values import utility_virtual
from mechopt.core.errors import Fault, InputError, NoOptimumError
from mechopt.core.numbers import FloatArray, readonly

GAP = 1e-12
"""Gap between the two sides, relative to the largest virtual value, at which a lottery is best."""
MASTER_TOLERANCE = 1e-10
"""Feasibility tolerance of the program over lotteries; the smallest that HiGHS takes."""


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class MoneyBurning(StaticMechanism):
    """A mechanism that maximises total capped utility, with the proof that it does.

    Attributes
    ----------
    caps : tuple of float
        By buyer; ``utilities[i]`` is at most ``caps[i]``.
    weights : read-only float array ``(n,)``
        The scales w of the virtual values, in [0, 1].
    bound : float
        sum_i (1 - w_i) cap_i + E max_i w_i theta_i, with theta_i the ironed virtual value for utility: no Bayesian
        incentive compatible mechanism with payments of at least 0 has a larger total capped utility. Equal to
        `utility` up to rounding; caps below 1e-9 of the largest virtual value may be missed by as much as 1e-10 of it.
    """

    caps: tuple[float, ...]
    weights: FloatArray
    bound: float

    @property
    def payments(self) -> FloatArray:
        """The same as ``payment``."""
        return self.payment

    @property
    def utility(self) -> float:
        """Total capped utility: sum over buyers of min(cap, expected utility)."""
        return float(sum(map(min, self.utilities, self.caps)))


def capped_money_burning(buyers: Buyers, caps: Any) -> MoneyBurning:
    """Maximise the sum over buyers of min(cap, expected utility), with payments of at least 0.

    A lottery over auctions each of which gives the item to the largest scaled ironed virtual value for utility; the
    scales w in [0, 1] minimise ``bound``. Where that leaves a buyer more than her cap, her allocation is
    scaled down to it.

    Parameters
    ----------
    buyers : sequence of pairs (values, probabilities)
    caps : sequence over buyers of numbers, or one number for all
        Money, at least 0; may be infinite.

    Returns
    -------
    MoneyBurning
        Payments leave each buyer most: the winner pays the highest of her types that would not have won, if any.
        Equal scaled virtual values go to the buyer of lowest index where a lottery is not needed. The
        best allocation is not unique, and so neither are utilities where several caps bind.

    Raises
    ------
    InputError
        With every fault of the buyers and caps.
    LimitError
        If there are too many profiles.

    References
    ----------
    Mirrokni, Paes Leme, Tang and Zuo (2020), Theorem E.2; Hartline and Roughgarden (2008) without caps.

    Examples
    --------
    A buyer who values the item at 3 wants no more than 1; the other gets the rest for free:

    >>> auction = capped_money_burning([([3], [1]), ([1, 2], ["1/2", "1/2"])], [1, float("inf")])
    >>> round(auction.utility, 9), auction.weights.round(9)
    (2.0, array([0.5, 1. ]))
    """
    faults: list[Fault] = []
    exact = exact_buyers(buyers, faults)
    limits = amounts(caps, "caps", len(buyers), faults, infinite=True)
    if faults:
        raise InputError(faults)
    pairs = float_buyers(exact)
    blocks = [np.unique(utility_virtual(buyer), return_inverse=True) for buyer in exact]
    weights = [np.bincount(block, p).astype(np.float64) for (_, block), (_, p) in zip(blocks, pairs, strict=True)]
    lottery = best_lottery(by_own_type([scores for scores, _ in blocks]), product_distribution(weights), limits)
    allocation = lottery.allocation[np.ix_(np.arange(len(exact)), *(block for _, block in blocks))]
    below = [np.append(0.0, values[:-1]) for values, _ in pairs]
    return MoneyBurning(
        pairs,
        allocation,
        summed_prices(allocation, below),
        caps=tuple(limits.tolist()),
        weights=readonly(lottery.weights),
        bound=lottery.bound,
    )


class Lottery(NamedTuple):
    """A best lottery over rules, each buyer's share scaled down to her cap.

    Attributes
    ----------
    allocation : array ``(n, *blocks)``
    weights : array ``(n,)``
    bound : float
        No allocation is worth more.
    """

    allocation: FloatArray
    weights: FloatArray
    bound: float


class Rules:
    """Rules that were tried: who wins at each profile of blocks, and what each buyer expects from that.

    Parameters
    ----------
    scores : array ``(n, *blocks)``
        Ironed virtual values for utility at each profile.
    distribution : array ``blocks``
        Probability of each profile.

    Attributes
    ----------
    scores : array ``(n, profiles)``
    alone : array ``(n,)``
        What each buyer expects when she always wins.
    winners : list over rules of arrays ``(profiles,)``
    utilities : list over rules of arrays ``(n,)``
    """

    def __init__(self, scores: FloatArray, distribution: FloatArray) -> None:
        self.buyers = len(scores)
        self.scores = scores.reshape(self.buyers, -1)
        self.winners: list[npt.NDArray[np.intp]] = []
        self.utilities: list[FloatArray] = []
        self._likely, self._known = self.scores * distribution.ravel(), set[bytes]()
        self.alone = self._likely.sum(axis=1)

    def add(self, weights: FloatArray) -> bool:
        """Keep the rule of these weights if it is new; tell whether it is."""
        winner = np.argmax(weights[:, None] * self.scores, axis=0)
        if winner.tobytes() in self._known:
            return False
        self._known.add(winner.tobytes())
        self.winners.append(winner)
        won = np.take_along_axis(self._likely, winner[None], axis=0)[0]
        self.utilities.append(np.bincount(winner, won, self.buyers).astype(np.float64))
        return True

    def bound(self, weights: FloatArray, limits: FloatArray) -> float:
        """Sum of (1 - w_i) limit_i plus E max_i w_i score_i: the dual's value."""
        capped = np.multiply(1 - weights, limits, out=np.zeros_like(limits), where=weights < 1)
        return float(capped.sum() + (weights[:, None] * self._likely).max(axis=0).sum())

    def utility(self, chances: FloatArray) -> FloatArray:
        """Expected utilities ``(n,)`` under the lottery with these chances."""
        return chances @ np.array(self.utilities)

    def gap(self, weights: FloatArray, chances: FloatArray, limits: FloatArray) -> float:
        """How much better than the lottery any other may be, on the word of the weights."""
        return self.bound(weights, limits) - float(np.minimum(self.utility(chances), limits).sum())

    def mixed(self, chances: FloatArray) -> FloatArray:
        """Allocation ``(n, profiles)`` under the lottery with these chances."""
        allocation = np.zeros_like(self.scores)
        for winner, chance in zip(self.winners, chances, strict=True):
            allocation[winner, np.arange(winner.size)] += chance
        return allocation


def best_lottery(scores: FloatArray, distribution: FloatArray, caps: FloatArray) -> Lottery:
    """Maximise sum_i min(caps[i], E[scores[i] x_i]) over lotteries of rules.

    Parameters
    ----------
    scores : array ``(n, *blocks)``
        At least 0, rising along each buyer's own axis.
    distribution : array ``blocks``
        Probability of each profile; sums to 1.
    caps : array ``(n,)``
        At least 0, may be infinite.
    """
    unit, buyers = float(scores.max()) or 1.0, len(caps)
    rules, limits = Rules(scores / unit, distribution), caps / unit
    reachable = np.minimum(limits, rules.alone)
    shares = np.divide(reachable, rules.alone, out=np.zeros(buyers), where=reachable > 0)
    if shares.sum() <= 1:  # a fixed share for each buyer leaves her all that she could get alone
        weights = (rules.alone <= limits).astype(np.float64)
        allocation = np.repeat(shares[:, None], rules.scores.shape[1], axis=1)
    else:
        weights, chances = _generated(rules, limits)
        utilities = rules.utility(chances)
        kept = np.divide(limits, utilities, out=np.ones(buyers), where=utilities > limits)
        allocation = kept[:, None] * rules.mixed(chances)
    return Lottery(allocation.reshape(scores.shape), weights, rules.bound(weights, limits) * unit)


def _generated(rules: Rules, limits: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Weights, and chances of the rules; adds rules until no lottery over any is better."""
    weights, chances = np.ones(rules.buyers), np.ones(1)
    rules.add(weights)
    if rules.gap(weights, chances, limits) <= GAP:
        return weights, chances
    for favoured in np.eye(rules.buyers):
        rules.add(favoured)
    while True:
        weights, chances = _master(rules, limits)
        best = rules.gap(weights, chances, limits) <= GAP
        if best or not rules.add(weights):  # a known rule: what is left of the gap is the program's tolerance
            return weights, chances


def _master(rules: Rules, limits: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Weights and chances of the best lottery over the rules so far.

    Maximise sum_i u_i over 0 <= u <= limits and chances that sum to 1, u_i at most the expected utility (weight w_i).
    """
    from scipy.optimize import linprog

    buyers, utilities = rules.buyers, np.array(rules.utilities)
    count = len(utilities)
    solution = linprog(
        np.repeat([-1.0, 0.0], [buyers, count]),
        A_ub=np.hstack([np.eye(buyers), -utilities.T]),
        b_ub=np.zeros(buyers),
        A_eq=np.repeat([[0.0, 1.0]], [buyers, count], axis=1),
        b_eq=np.ones(1),
        bounds=[(0.0, limit) for limit in [*limits.tolist(), *[np.inf] * count]],
        method="highs",
        options={"primal_feasibility_tolerance": MASTER_TOLERANCE, "dual_feasibility_tolerance": MASTER_TOLERANCE},
    )
    if solution.x is None:
        raise NoOptimumError(f"money burning: the program over lotteries stopped with {solution.message!r}")
    chances = np.maximum(solution.x[buyers:], 0.0)
    weights = np.where(np.isinf(limits), 1.0, np.clip(-np.asarray(solution.ineqlin.marginals), 0.0, 1.0))
    return weights, chances / chances.sum()
