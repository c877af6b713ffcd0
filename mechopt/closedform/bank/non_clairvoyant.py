r"""Non-clairvoyant balance: a fixed share of the best revenue without knowing the future.

Each period mixes three auctions. *Myerson's* earns at least what the optimum earns by payments that are not spends;
the *second-price* auction without reserve (one buyer: the item for free) fills the balances; a *money-burning* auction
gives back what a spend takes: with weight a of it and balances b,

    b'^i = b^i - s^i + d^i,    s^i = a E[u^i of the money-burning auction at the caps b/a] <= b^i,
    d^i = (weight of the second-price auction) u^i of the second-price auction,

and s^i is charged to i whatever her type and whoever gets the item, so that spend and money-burning auction together
are worth 0 to her before she knows her type: (BI). Deposits are at most utilities before the spend: (BU). Money burned
is the seller's: it counts as revenue.

=========================  =======  ============  =============  =========
mechanism                  Myerson  second price  money burning  guarantee
=========================  =======  ============  =============  =========
balance, one buyer         1/3      1/3           1/3            1/3
balance, several buyers    1/5      2/5           2/5            1/5
two periods, the first     1/2      1/2           0              1/2
two periods, the second    1/2      0             1/2
=========================  =======  ============  =============  =========

The money-burning auctions are those of `mechopt.closedform.bank.money_burning_caps`; with one buyer they are posted
prices.

The guarantee is a share of the largest revenue that DIC and EPIR allow a seller who knows all distributions. Present
value and "at cost" (see `mechopt.closedform.static.repeated`) carry it over to discounts and costs.

Source: Mirrokni, Paes Leme, Tang and Zuo (2020), section 4 (one buyer), Theorems 6.1 and 6.3, Lemma 6.2, supplement
D.3, D.4 and E. The last display of D.4 is read as :math:`\frac12 \theta_1^{(2)} + \sum_i (s_1^i + s_2^i) \ge \frac12
\sum_i (s_1^{*i} + s_2^{*i})`.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from mechopt.closedform.bank.mechanism import DOMINANT_BANK_ACCOUNT_CONSTRAINTS, BankAccountMechanism
from mechopt.closedform.bank.money_burning_caps import MoneyBurningAuctions
from mechopt.closedform.bank.revenue_ties import RevenueTies
from mechopt.closedform.bank.stage import Stage, over_profiles
from mechopt.closedform.static.repeated import Sales, markets
from mechopt.closedform.static.standard import myerson, second_price
from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import FloatArray
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.reading import check
from mechopt.environment.require_kind import require_kind


class Mix(NamedTuple):
    """Weights of the three auctions of a period."""

    myerson: Fraction
    second_price: Fraction
    burning: Fraction


ONE_BUYER = Mix(Fraction(1, 3), Fraction(1, 3), Fraction(1, 3))
SEVERAL_BUYERS = Mix(Fraction(1, 5), Fraction(2, 5), Fraction(2, 5))
TIES = ("index", "revenue")
TWO_PERIODS = Mix(Fraction(1, 2), Fraction(1, 2), Fraction(0)), Mix(Fraction(1, 2), Fraction(0), Fraction(1, 2))


def non_clairvoyant_balance(
    environment: IndependentTypes, weights: Sequence[Any] | None = None, ties: str = "index"
) -> BankAccountMechanism:
    """Earn a third (one buyer) or a fifth (several) of the best revenue without knowing later periods.

    Parameters
    ----------
    environment : IndependentTypes
    weights : three numbers, optional
        Of Myerson's, the second-price and the money-burning auction; at least 0, sum 1. Default: those of the table,
        which have the best guarantee. With weights m, f, g it is min(m, f, g) for one buyer and min(m, f/2, g/2) for
        several: Myerson's part covers m of what the optimum is paid beyond spends, and on every path spends and the
        second-price auction's revenue cover min(f, g), or half of that, of its spends (`mechopt.lemmas.charging`).
    ties : str
        ``"index"``: the money-burning auctions of the paper. ``"revenue"``: among all that leave the same expected
        utilities one of largest revenue, by a program a balance (`mechopt.closedform.bank.revenue_ties`). Spends and
        balances are the same, so the guarantee is.

    Returns
    -------
    BankAccountMechanism
        It satisfies the constraints of bank accounts, and incentives whatever the others report (Lemma 6.2).

    Raises
    ------
    InputError
        If weights or ties are wrong.

    Examples
    --------
    One period, where the free third earns nothing and the last third is sold to type 2 alone, at 2:

    >>> env = IndependentTypes.iid([1, 2], ["3/4", "1/4"], horizon=1)
    >>> round(3 * non_clairvoyant_balance(env).revenue, 12)  # 1 by Myerson's auction, 2/4 by the last
    1.5
    >>> non_clairvoyant_balance(env, weights=["1/2", "1/4", "1/4"]).guarantee
    Fraction(1, 4)
    """
    require_kind(environment, "independent", "non_clairvoyant_balance")
    if ties not in TIES:
        raise InputError([Fault("ties", f"is {ties!r}", f"choose {' or '.join(map(repr, TIES))}")])
    one = environment.agents == 1
    mix = (ONE_BUYER if one else SEVERAL_BUYERS) if weights is None else _mix(weights)
    share = mix_guarantee(mix, environment.agents)
    source = "section 4" if one else "Theorem 6.1"
    name = "non-clairvoyant balance" if weights is None else f"balance with weights {', '.join(map(str, mix))}"
    mixes = [mix] * environment.horizon
    return _mixture(environment, mixes, name, source, share or None, ties == "revenue")


def mix_guarantee(mix: Mix, agents: int) -> Fraction:
    """The share of the optimum that is proved of a mix: min(m, f, g) for one buyer, min(m, f/2, g/2) for several."""
    spends = min(mix.second_price, mix.burning)
    return min(mix.myerson, spends if agents == 1 else spends / 2)


def _mix(weights: Sequence[Any]) -> Mix:
    faults: list[Fault] = []
    numbers = check.exact_list(list(weights), "weights", faults) or []
    if not faults and (len(numbers) != 3 or min(numbers) < 0 or sum(numbers) != 1):
        faults.append(Fault("weights", f"are {', '.join(map(str, numbers))}", "give three, at least 0, with the sum 1"))
    if faults:
        raise InputError(faults)
    return Mix(*numbers)


def two_period(environment: IndependentTypes) -> BankAccountMechanism:
    """Earn half of the best revenue over two periods without knowing the second in the first.

    Parameters
    ----------
    environment : IndependentTypes
        Of two periods; one buyer or several.

    Returns
    -------
    BankAccountMechanism
        It satisfies the constraints of bank accounts, and incentives whatever the others report.

    Raises
    ------
    InputError
        If there are not two periods.

    Examples
    --------
    >>> env = IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2)
    >>> two_period(env).revenue, two_period(env).guarantee
    (1.75, Fraction(1, 2))
    """
    require_kind(environment, "independent", "two_period")
    if environment.horizon != 2:
        raise InputError(
            f"the two-period mechanism is for two periods, the environment has {environment.horizon}; "
            "non_clairvoyant_balance is for any number"
        )
    return _mixture(environment, TWO_PERIODS, "two-period", "Theorem 6.3", Fraction(1, 2))


def _mixture(
    environment: IndependentTypes,
    mixes: Sequence[Mix],
    name: str,
    source: str,
    guarantee: Fraction | None,
    most_revenue: bool = False,
) -> BankAccountMechanism:
    best, filling = Sales(environment, myerson), Sales(environment, second_price)
    period_markets = markets(environment)
    burning = {market: MoneyBurningAuctions(market.buyers) for market in set(period_markets)}
    earning = {market: RevenueTies(market.buyers) for market in set(period_markets)} if most_revenue else {}

    def stage(t: int, balance: FloatArray) -> Stage:
        fixed, filled, burned = (float(weight) for weight in mixes[t])
        auction, second = best[t], filling[t]
        shape = (environment.agents, balance.shape[1], *environment.shape[t])
        allocation = np.broadcast_to((fixed * auction.allocation + filled * second.allocation)[:, None], shape)
        payment = np.broadcast_to((fixed * auction.payment + filled * second.payment)[:, None], shape)
        spend = np.zeros_like(balance)
        if burned and environment.present_value[t]:
            weight, market = burned * environment.present_value[t], period_markets[t]
            auctions = burning[market]
            back = auctions(np.minimum(balance, weight * auctions.most) / weight)
            if most_revenue:
                back = earning[market](back.utility)
            sold, paid = market.sold(back.allocation, back.payment)
            spend = np.minimum(balance, weight * back.utility)
            allocation = allocation + burned * sold
            payment = payment + weight * paid + over_profiles(spend, environment.agents)
        return Stage(balance, allocation, payment, spend, np.broadcast_to((filled * second.utility)[:, None], shape))

    effort = max([one.effort for one in burning.values()] + [one.effort for one in earning.values()])
    return BankAccountMechanism(
        environment, stage, name, source, DOMINANT_BANK_ACCOUNT_CONSTRAINTS, guarantee, effort=effort
    )
