r"""Theorem F.1's proof by period: what the asymptotic mechanism loses, and what bounds it.

With :math:`q^i_t` whether buyer i is in the plain second-price auction, :math:`\mu^i_t` her fee and W_t the welfare of
the second-price auction, revenue is at least (F.2)

.. math:: \sum_t W_t - \sum_t \sum_i \bigl[q^i_t \mu^i_t + (1 - q^i_t) W_t \Pr[b^i_{t-1} < \mu^i_t]\bigr],

with equality if W_t is replaced by what buyer i's own sales are worth. The first term is the price of filling balances,
at most :math:`\bar v (1 + g(T))` a buyer; the second that of balances that fall short. Expected balances are :math:`E
b^i_{t-1} = \sum_{s<t} q^i_s \mu^i_s`, and a step of :math:`b^i` less its expectation is at most :math:`\bar v`, so that
Azuma's inequality bounds the probability by :math:`\exp(-y^2 / (2 (t - 1) \bar v^2))`, :math:`y = E b^i_{t-1} -
\mu^i_t` where that is above 0 (F.4). For :math:`t > \exp(4 \bar v^2/\epsilon^2)` and the threshold
:math:`g(t) = \sqrt t \ln t` it is at most :math:`1/\sqrt t`. Together the loss over T periods is at most

.. math:: n \bigl[\bar v (1 + \sqrt T \ln T) + \bar v e^{4 \bar v^2/\epsilon^2} + 2 \bar v \sqrt T\bigr]
          \le n\, C_{\epsilon, \bar v} \sqrt T \ln T, \qquad T \ge 2,
          \qquad C_{\epsilon, \bar v} = \bar v \Bigl[1 + \frac{1 + e^{4 \bar v^2/\epsilon^2}}{\sqrt 2 \ln 2}
          + \frac{2}{\ln 2}\Bigr],

where every period's largest value has expectation at least epsilon and is at most :math:`\bar v`. The threshold is
printed as :math:`\sqrt{t \ln t}`; (F.3) needs :math:`\sqrt t \ln t`.

Source: Mirrokni, Paes Leme, Tang and Zuo (2020), Theorem F.1; Azuma (1967).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, sqrt
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

from mechopt.closedform.bank.asymptotic import THRESHOLDS, asymptotic, schedule
from mechopt.closedform.bank.reachable import MAX_STATES, reachable
from mechopt.closedform.static.repeated import Sales
from mechopt.closedform.static.standard import second_price
from mechopt.core.errors import Fault, InputError, require_type
from mechopt.core.numbers import Array, FloatArray
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.require_kind import require_kind
from mechopt.mechanism.outcome import own_values

if TYPE_CHECKING:
    import pandas as pd

LARGEST_EXPONENT = 700.0
"""exp is a float up to here."""


@dataclass(frozen=True, eq=False, repr=False)
class ThrottlingLoss:
    """Loss of the asymptotic mechanism against first best, by buyer and period.

    Attributes
    ----------
    environment : IndependentTypes
    epsilon, top : float
        Least expectation of a period's largest value, and the largest value of all.
    plain : bool array ``(n, T)``
        q.
    fee : array ``(n, T)``
        mu.
    welfare : array ``(T,)``
        W.
    own_welfare : array ``(n, T)``
        What the sales of the second-price auction to each buyer are worth.
    short : array ``(n, T)``
        Probability that her balance does not cover the fee, where q is 0; from the distribution of balances.
    azuma : array ``(n, T)``
        Its bound by (F.4); 1 where expected balances do not exceed the fee, 0 where q is 1.
    """

    environment: IndependentTypes
    epsilon: float
    top: float
    plain: Array
    fee: FloatArray
    welfare: FloatArray
    own_welfare: FloatArray
    short: FloatArray
    azuma: FloatArray

    @property
    def filling(self) -> FloatArray:
        """``(T,)``: expected utility given away in plain auctions, up to and including each period."""
        return np.asarray(np.cumsum((self.plain * self.fee).sum(axis=0)))

    @property
    def throttled(self) -> FloatArray:
        """``(T,)``: welfare that is lost to balances which fall short, up to and including each period."""
        return np.asarray(np.cumsum((self.own_welfare * self.short).sum(axis=0)))

    @property
    def loss(self) -> FloatArray:
        """``(T,)``: first best less revenue over the periods so far; of every shorter horizon as well."""
        return self.filling + self.throttled

    @property
    def split_bound(self) -> FloatArray:
        """``(T,)``: the loss by (F.2), with exact probabilities."""
        return np.asarray(self.filling + np.cumsum((self.welfare * self.short).sum(axis=0)))

    @property
    def azuma_bound(self) -> FloatArray:
        """``(T,)``: the same with Azuma's bounds of the probabilities."""
        return np.asarray(self.filling + np.cumsum((self.welfare * self.azuma).sum(axis=0)))

    @property
    def proof_bound(self) -> FloatArray:
        """``(T,)``: the sum of the proof, of the numbers of buyers and periods, epsilon and the largest value alone."""
        periods = np.arange(1, self.environment.horizon + 1)
        growth = 1 + np.sqrt(periods) * np.log(periods) + _power(self.top, self.epsilon) + 2 * np.sqrt(periods)
        return np.asarray(self.environment.agents * self.top * growth)

    @property
    def constant(self) -> float:
        """C of Theorem F.1; infinite where it is no float."""
        return asymptotic_constant(self.epsilon, self.top)

    def to_frame(self) -> pd.DataFrame:
        """One row a period: the loss so far, its two parts and its bounds."""
        import pandas as pd

        names = ("loss", "filling", "throttled", "split_bound", "azuma_bound", "proof_bound")
        periods = pd.RangeIndex(1, self.environment.horizon + 1, name="periods")
        return pd.DataFrame({name: getattr(self, name) for name in names}, index=periods)

    def __repr__(self) -> str:
        bounds = f"{self.split_bound[-1]:.6g} by (F.2), {self.azuma_bound[-1]:.6g} by Azuma"
        return f"ThrottlingLoss({self.environment.horizon} periods: {self.loss[-1]:.6g}, at most {bounds})"


def asymptotic_constant(epsilon: float, top: float) -> float:
    """The constant of Theorem F.1.

    Parameters
    ----------
    epsilon : float
        Least expectation of a period's largest value; above 0.
    top : float
        The largest value; at least epsilon.

    Raises
    ------
    InputError
        If they are not so.

    Examples
    --------
    >>> round(asymptotic_constant(1, 1), 4)
    60.6033
    """
    require_type(epsilon, Real, "asymptotic_constant", "give a number")
    require_type(top, Real, "asymptotic_constant", "give a number")
    if not 0 < epsilon <= top:
        raise InputError([Fault("epsilon", f"is {epsilon}", f"give a number above 0 and at most {top}, the largest")])
    return top * (1 + (1 + _power(top, epsilon)) / (sqrt(2) * log(2)) + 2 / log(2))


def _power(top: float, epsilon: float) -> float:
    exponent = 4 * (top / epsilon) ** 2
    return exp(exponent) if exponent < LARGEST_EXPONENT else float("inf")


def asymptotic_loss(
    environment: IndependentTypes, threshold: str = "sqrt(t) log t", max_states: int = MAX_STATES
) -> ThrottlingLoss:
    """Split the loss of the asymptotic mechanism as the proof of Theorem F.1 does, and bound it by period.

    Parameters
    ----------
    environment : IndependentTypes
        Without costs and discount.
    threshold : str
        As for `mechopt.asymptotic`.
    max_states : int
        Most balances before a period.

    Raises
    ------
    InputError
        If there are costs or a discount, or a period in which nothing has value.
    LimitError
        If too many balances can be reached.

    Examples
    --------
    >>> env = IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=1000)
    >>> found = asymptotic_loss(env)
    >>> float(found.loss[-1]), env.first_best - asymptotic(env).revenue
    (329.25, 329.25)
    >>> found
    ThrottlingLoss(1000 periods: 329.25, at most 329.25 by (F.2), 332.871 by Azuma)
    """
    require_kind(environment, "independent", "asymptotic_loss")
    if environment.cost.any() or environment.seller_values is not None or environment.discount != 1:
        raise InputError("Theorem F.1 is about items without cost and money without discount")
    if threshold not in THRESHOLDS:
        raise InputError([Fault("threshold", f"is {threshold!r}", f"choose {' or '.join(map(repr, THRESHOLDS))}")])
    mechanism, sales = asymptotic(environment, threshold), Sales(environment, second_price)
    plain, fee = schedule(environment, sales, THRESHOLDS[threshold])
    own = np.zeros(plain.shape)
    short = np.zeros(plain.shape)
    for t, stage, probability in reachable(mechanism, True, max_states):
        distribution = environment.distribution(t)
        worth = own_values(mechanism.tree, t)[:, 0] * sales[t].allocation
        own[:, t] = (worth * distribution).reshape(environment.agents, -1).sum(axis=1)
        missed = ~plain[:, t, None] & (fee[:, t, None] > 0) & (stage.spend == 0)
        short[:, t] = (probability * missed).sum(axis=1)
    welfare = own.sum(axis=0)
    top = max(float(row[t][-1]) for row in environment.values for t in range(environment.horizon))
    if welfare.min() <= 0:
        raise InputError(f"period {int(welfare.argmin())}: nothing has value; Theorem F.1 wants some in every period")
    expected = np.cumsum(plain * fee, axis=1) - plain * fee
    excess, periods = expected - fee, np.maximum(np.arange(environment.horizon), 1)
    azuma = np.where(excess > 0, np.exp(-(np.maximum(excess, 0.0) ** 2) / (2 * periods * top**2)), 1.0)
    return ThrottlingLoss(
        environment, float(welfare.min()), top, plain, fee, welfare, own, short, np.where(plain, 0.0, azuma)
    )
