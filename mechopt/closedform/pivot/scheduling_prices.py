r"""Closed forms of the dynamic pivot mechanism: one-shot tasks, and objects of which the winner alone learns.

Scheduling: tasks worth v_1 >= ... >= v_n, one a period, for ever; v_{n+1} = 0, discount d. Task i is done in period
i - 1, and then its owner pays

    p_i = v_{i+1} - sum_{t > i} d^(t-i) (v_t - v_{t+1}) = (1-d) sum_{t >= i} d^(t-i) v_{t+1}                      (5)

and all others nothing. An ascending auction of every period's slot gives the same: an agent stays in up to
b_j = (1-d) v_j + d b_{j+1}, b_{n+1} = 0 (6)-(7), and the winner pays the highest bid of those who wait, b_{i+1} = p_i.

Licensing (Theorem 3): where action i serves agent i alone, everybody else's type stays as it is, and the horizon is
infinite, the winner pays (1-d) W_{-i}(th_-i), the flow value of what she keeps the others from, and the others nothing.

Source: Bergemann and Valimaki (2010), sections 3 and 5; (5) is correct as printed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mechopt.closedform.pivot.efficient import efficient
from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import FloatArray, IntArray, readonly
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.reading.check import exact_list
from mechopt.environment.reading.tables import number
from mechopt.environment.require_kind import require_kind
from mechopt.mechanism.constraints import PeriodicExPostIC, PeriodicExPostIR
from mechopt.mechanism.stationary import MarkovMechanism


@dataclass(frozen=True, eq=False)
class SchedulingPrices:
    """Prices of one-shot tasks; arrays by agent, in the order that values were given in.

    Attributes
    ----------
    period : int array ``(n,)``
        In which the task is done; of equal tasks the first comes first.
    price : float array ``(n,)``
        What its owner pays then, money of that period.
    bid : float array ``(n,)``
        Up to which she stays in the ascending auction of any period, among those who wait.
    marginal_contribution : float array ``(n,)``
        M_i in the period of service, as of that period; in period 0 it is this times d to the power of the period.
    welfare : float
        Present value of all tasks.
    """

    period: IntArray
    price: FloatArray
    bid: FloatArray
    marginal_contribution: FloatArray
    welfare: float


def scheduling_prices(values: Any, discount: Any) -> SchedulingPrices:
    """Prices, bids and marginal contributions of one-shot tasks in closed form, for any number of agents.

    Parameters
    ----------
    values : sequence over agents
        What a task is worth when it is done, at least 0; in any order.
    discount : number
        In (0, 1).

    Raises
    ------
    InputError
        With every fault of the values and the discount.

    References
    ----------
    Bergemann and Valimaki (2010), (3)-(7).

    Examples
    --------
    >>> prices = scheduling_prices([3, 5, 1], "1/2")
    >>> prices.period, prices.price, prices.welfare
    (array([1, 0, 2]), array([0.5 , 1.75, 0.  ]), 6.75)
    """
    faults = list[Fault]()
    exact, factor = exact_list(values, "values", faults), number(discount, "discount", faults)
    worth = np.array([float(value) for value in exact or ()])
    if exact is not None and not len(worth):
        faults.append(Fault("values", "is empty", "give at least one task"))
    faults += [Fault(f"values[{i}]", f"is {worth[i]:g}", "give 0 or more") for i in np.flatnonzero(worth < 0)]
    if factor is not None and not 0 < factor < 1:
        faults.append(Fault("discount", f"is {factor:g}", "give a number above 0 and below 1"))
    if faults or factor is None:
        raise InputError(faults)
    order = np.argsort(-worth, kind="stable")
    done, bids, contributions = worth[order], np.zeros(len(worth) + 1), np.zeros(len(worth) + 1)
    following = np.append(done[1:], 0.0)
    for j in reversed(range(len(done))):
        bids[j] = (1 - factor) * done[j] + factor * bids[j + 1]
        contributions[j] = done[j] - following[j] + factor * contributions[j + 1]
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return SchedulingPrices(
        readonly(place, np.int64),
        readonly(bids[1:][place]),
        readonly(bids[:-1][place]),
        readonly(contributions[:-1][place]),
        float(done @ factor ** np.arange(len(done))),
    )


def second_price_form(environment: MarkovTypes) -> MarkovMechanism:
    """Build the dynamic second price auction: the winner pays (1-d) W_{-i}, the others nothing.

    Parameters
    ----------
    environment : MarkovTypes
        As of `mechopt.families.licensing`: as many actions as agents, action i worth something to agent i alone and
        moving her type alone, no costs, infinite horizon.

    Returns
    -------
    MarkovMechanism
        The dynamic pivot mechanism, where nobody's values are negative.

    Raises
    ------
    InputError
        With everything in which the environment is not of this kind.

    References
    ----------
    Bergemann and Valimaki (2010), Theorem 3.

    Examples
    --------
    With two bidders the winner pays what the object is worth to the other, on average: 1/2.

    >>> from mechopt.environment.families.learning import licensing
    >>> auction = second_price_form(licensing([(1, 1), (1, 1)], 3, "9/10"))
    >>> float(auction.transfer[0][0][0, 0].round(12))
    0.5
    """
    require_kind(environment, "markov", "second_price_form")
    faults = _licence_faults(environment)
    if faults:
        raise InputError(faults)
    best = efficient(environment)
    transfers = tuple(
        (np.where(best.policy == i, (1 - environment.discount) * np.expand_dims(without, i), 0.0),)
        for i, without in enumerate(best.welfare_without)
    )
    constraints = (PeriodicExPostIC(), PeriodicExPostIR())
    return MarkovMechanism(environment, (best.policy,), transfers, constraints, "dynamic second price auction")


def _licence_faults(environment: MarkovTypes) -> list[Fault]:
    n, faults = environment.agents, list[Fault]()
    if not environment.infinite:
        faults.append(Fault("horizon", "is finite", 'Theorem 3 needs "infinite"; mo.dynamic_pivot does without'))
    if n < 2 or environment.action_counts[0] != n:
        what = f"are {environment.action_counts[0]} with {n} agents"
        return [*faults, Fault("actions", what, "give at least 2 agents and one action an agent, who is served")]
    if environment.costs[0].any():
        faults.append(Fault("cost", "is not 0", "the theorem has no costs"))
    for i in range(n):
        others = [a for a in range(n) if a != i]
        if environment.values[i][0][others].any():
            faults.append(Fault(f"agents[{i}].values", "are not 0 where others are served", "make them 0"))
        if (environment.values[i][0] < 0).any():
            faults.append(Fault(f"agents[{i}].values", "are below 0", "the object must be worth 0 or more"))
        kernel = environment.kernel[i][0][others]
        if (kernel != np.eye(kernel.shape[1])).any():
            faults.append(Fault(f"agents[{i}].kernel", "moves where others are served", "let the type stay there"))
    return faults
