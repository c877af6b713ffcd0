r"""Other efficient mechanisms for persistent types, which keep incentives and participation but not efficient exit.

With W, W_{-i}, the efficient policy a* and the transfers p_i of the dynamic pivot mechanism (`dynamic_pivot`), discount
d, cost c, and M_i = W - W_{-i}, agent i pays

- team: c(a*) - sum_{j != i} v_j(a*); her continuation utility is W at every history;
- team with an entry fee: the same, and W_{-i}(th_-i) more in period 0; at first her utility is M_i;
- bond: p_i, b more in period 0, and b/d less in period 1; at first her utility is M_i, and M_i + b/d in period 1. With
  b < 0 it is a loan, which agents walk away from.

All are periodic ex post IC, and where no values are negative and nothing costs periodic ex post IR (loans apart). The
first two pay or charge agents who matter no more, the third everybody: Theorem 2 excludes them by efficient exit, which
`mechopt.verification.efficient_exit.efficient_exit` checks. The paper has no cost.

Source: Bergemann and Valimaki (2010), section 4 and Theorem 2.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mechopt.closedform.pivot.dynamic_pivot import dynamic_pivot
from mechopt.closedform.pivot.efficient import Efficient, chosen, efficient, flows, staged
from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import FloatArray, to_exact
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.require_kind import require_kind, with_gains_as_cost
from mechopt.mechanism.constraints import PeriodicExPostIC
from mechopt.mechanism.stationary import MarkovMechanism

CONSTRAINTS = (PeriodicExPostIC(), PeriodicExPostIC(rereport=True))


def team(environment: MarkovTypes) -> MarkovMechanism:
    """Build the team mechanism: everybody gets what all others get, and bears the cost.

    Parameters
    ----------
    environment : MarkovTypes

    Returns
    -------
    MarkovMechanism
        Everybody's utility is the whole welfare, so that with more than one agent the seller pays.

    References
    ----------
    Bergemann and Valimaki (2010), section 4; Athey and Segal (2013).

    Examples
    --------
    >>> from mechopt.environment.families.tasks import scheduling
    >>> team(scheduling([5, 3], "1/2"))
    MarkovMechanism(2 agents, infinite horizon; revenue -6.5, welfare 6.5, utilities (6.5, 6.5))
    """
    require_kind(environment, "markov", "team", seller_values="by action")
    best = efficient(with_gains_as_cost(environment))
    return MarkovMechanism(environment, _policy(best), _team(best), CONSTRAINTS, "team mechanism")


def team_upfront(environment: MarkovTypes) -> MarkovMechanism:
    """Build the team mechanism with an entry fee of W_{-i} in period 0.

    Parameters
    ----------
    environment : MarkovTypes

    References
    ----------
    Bergemann and Valimaki (2010), section 4.

    Examples
    --------
    The revenue at first is that of the dynamic pivot mechanism:

    >>> from mechopt.environment.families.tasks import scheduling
    >>> team_upfront(scheduling([5, 3], "1/2"))
    MarkovMechanism(2 agents, infinite horizon; revenue 1.5, welfare 6.5, utilities (3.5, 1.5))
    """
    require_kind(environment, "markov", "team_upfront", seller_values="by action")
    best = efficient(with_gains_as_cost(environment))
    transfers = []
    for i, row in enumerate(_team(best)):
        fee = np.expand_dims(staged(environment, best.welfare_without[i])[0], i)
        transfers.append((row[0] + fee, *(row if environment.infinite else row[1:])))
    return MarkovMechanism(environment, _policy(best), tuple(transfers), CONSTRAINTS, "team mechanism, entry fee")


def bond(environment: MarkovTypes, amount: Any = 1) -> MarkovMechanism:
    """Build the dynamic pivot mechanism with a bond that is posted in period 0 and returned with interest in period 1.

    Parameters
    ----------
    environment : MarkovTypes
        Of at least two periods.
    amount : number
        Posted by every agent, money of period 0; below 0 a loan.

    Raises
    ------
    InputError
        If there is one period only, or the amount is not a number.

    References
    ----------
    Bergemann and Valimaki (2010), section 4.

    Examples
    --------
    >>> from mechopt.environment.families.tasks import scheduling
    >>> posted = bond(scheduling([5, 3], "1/2"), 2)
    >>> [float(part[0, 0]) for part in posted.transfer[1]], posted.utilities
    ([2.0, -4.0, 0.0], (3.5, 1.5))
    """
    require_kind(environment, "markov", "bond", seller_values="by action")
    pivot, faults = dynamic_pivot(environment), list[Fault]()
    try:
        posted = float(to_exact(amount))
    except ValueError as error:
        faults.append(Fault("amount", str(error), "write the number of units that every agent posts"))
    if not environment.infinite and environment.stages < 2:
        faults.append(Fault("horizon", "is 1", "a bond is returned in period 1: at least 2 periods"))
    if faults:
        raise InputError(faults)
    transfers = []
    for row in (staged(environment, part) for part in pivot.transfer):
        periods = (row[0], row[0], row[0]) if environment.infinite else row
        transfers.append((periods[0] + posted, periods[1] - posted / environment.discount, *periods[2:]))
    policy = _policy(pivot.efficient)
    return MarkovMechanism(environment, policy, tuple(transfers), CONSTRAINTS, "dynamic pivot mechanism with a bond")


def _policy(best: Efficient) -> tuple[Any, ...]:
    return tuple(staged(best.environment, best.policy))


def _team(best: Efficient) -> tuple[tuple[FloatArray, ...], ...]:
    """Cost less the others' values at the efficient action; by agent and stage, axes: type profile."""
    env, policies = best.environment, _policy(best)
    rows = []
    for i in range(env.agents):
        others = [j for j in range(env.agents) if j != i]
        row = []
        for t, policy in enumerate(policies):
            table = np.expand_dims(flows(env, others, t), i + 1)
            row.append(-chosen(np.broadcast_to(table, (len(table), *policy.shape)), policy))
        rows.append(tuple(row))
    return tuple(rows)
