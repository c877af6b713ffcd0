r"""The mechanism whose revenue per period approaches first best: second-price auctions until balances are large.

Let :math:`\mu^i_t = \mathbb{E}[u^{SP,i}]` be what buyer i expects from a second-price auction of period t without
reserve, and W_t its expected welfare. Buyer i takes part in

- the second-price auction itself while :math:`q^i_t = 1`, where
  :math:`q^i_t = 1\{\sum_{s<t} q^i_s \mu^i_s \le W_t\,g(t)\}`, a matter of dates alone;
- after that in the *spend-throttled* one: with :math:`b^i \ge \mu^i_t` she pays the fee :math:`\mu^i_t` and is served
  as in the second-price auction, else she gets and pays nothing.

Her utility enters the balance, :math:`b' = b + u`: the fee is the spend, what she gets before it the deposit. The buyer
with the highest value is the same in both, so that the two go together. With one buyer the second-price auction gives
the item away.

If the largest values have expectation at least epsilon and are at most v, revenue is at least first best less
:math:`n C_{\epsilon,v}\sqrt T \ln T`. As everything else here it is non-clairvoyant: period t depends on the
distributions up to t.

Source: Mirrokni, Paes Leme, Tang and Zuo (2020), Theorem 5.4 and supplement F. Two departures from the print. The fee
is paid by **every** buyer whose balance covers it, winner or not: the formula says so and (BI) needs it, where the
prose speaks of the highest bidder. And the threshold is printed as :math:`\sqrt{t \ln t}`, while (F.3) and the bound
need :math:`\sqrt t \ln t`: both are mechanisms, the second is the default.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log, sqrt

import numpy as np

from mechopt.closedform.bank.mechanism import DOMINANT_BANK_ACCOUNT_CONSTRAINTS, BankAccountMechanism
from mechopt.closedform.bank.reachable import ROUNDING
from mechopt.closedform.bank.stage import Stage, over_profiles
from mechopt.closedform.static.repeated import Sales
from mechopt.closedform.static.standard import second_price
from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import FloatArray
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.require_kind import require_kind

THRESHOLDS: dict[str, Callable[[int], float]] = {
    "sqrt(t) log t": lambda t: sqrt(t) * log(t),
    "sqrt(t log t)": lambda t: sqrt(t * log(t)),
}
"""g(t), t counted from 1."""
COVERED = 64 * ROUNDING
"""A balance covers a fee that it misses by rounding: by this share, times the number of periods so far, of the largest
amount that was put into it so far or of the fee. Balances on a lattice hit fees exactly."""


def asymptotic(environment: IndependentTypes, threshold: str = "sqrt(t) log t") -> BankAccountMechanism:
    """Second-price auctions while balances are small on average, spend-throttled ones afterwards.

    Parameters
    ----------
    environment : IndependentTypes
        One buyer or several. Values count above cost, and in present value (with a discount the mechanism is one all
        the same, but the bound is about undiscounted money).
    threshold : str
        g(t): ``"sqrt(t) log t"`` or ``"sqrt(t log t)"``.

    Returns
    -------
    BankAccountMechanism

    Raises
    ------
    InputError
        On another threshold.

    Examples
    --------
    >>> env = IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=1000)
    >>> asymptotic(env).revenue, env.first_best
    (1170.75, 1500.0)
    """
    require_kind(environment, "independent", "asymptotic")
    if threshold not in THRESHOLDS:
        raise InputError([Fault("threshold", f"is {threshold!r}", f"choose {' or '.join(map(repr, THRESHOLDS))}")])
    sales = Sales(environment, second_price)
    plain, fee = schedule(environment, sales, THRESHOLDS[threshold])

    deposits = np.stack(
        [sales[t].utility.reshape(environment.agents, -1).max(axis=1) for t in range(environment.horizon)], axis=1
    )
    largest = np.maximum.accumulate(np.hstack([np.zeros((environment.agents, 1)), deposits[:, :-1]]), axis=1)
    slack = COVERED * np.arange(1, environment.horizon + 1) * np.maximum(largest, fee)

    def stage(t: int, balance: FloatArray) -> Stage:
        sale, buyers = sales[t], environment.agents
        free = np.broadcast_to(plain[:, t, None], balance.shape)
        charged = ~free & (balance >= fee[:, t, None] - slack[:, t, None])
        spend = np.where(charged, np.minimum(balance, fee[:, t, None]), 0.0)
        served = over_profiles((free | charged).astype(np.float64), buyers)
        return Stage(
            balance,
            served * sale.allocation[:, None],
            served * sale.payment[:, None] + over_profiles(spend, buyers),
            spend,
            served * sale.utility[:, None],
        )

    source = f"Theorem 5.4 and F.1, threshold {threshold}"
    return BankAccountMechanism(
        environment, stage, "asymptotic", source, DOMINANT_BANK_ACCOUNT_CONSTRAINTS, separable=True
    )


def schedule(
    environment: IndependentTypes, sales: Sales, threshold: Callable[[int], float]
) -> tuple[np.typing.NDArray[np.bool_], FloatArray]:
    """Whether q = 1, and the fee mu, by buyer and period; ``(n, T)``."""
    shape = (environment.agents, environment.horizon)
    plain, fee, given = np.zeros(shape, dtype=bool), np.zeros(shape), np.zeros(environment.agents)
    for t in range(environment.horizon):
        sale, distribution = sales[t], environment.distribution(t).ravel()
        fee[:, t] = sale.utility.reshape(environment.agents, -1) @ distribution
        net = sale.payment - environment.present_value[t] * environment.cost[t] * sale.allocation
        welfare = float(net.reshape(environment.agents, -1).sum(axis=0) @ distribution + fee[:, t].sum())
        plain[:, t] = given <= welfare * threshold(t + 1)
        given += plain[:, t] * fee[:, t]
    return plain, fee
