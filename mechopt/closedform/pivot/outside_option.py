r"""Value left to an agent who opts out for good, where the others go on efficiently without her.

With a*_{-i} the efficient policy of the others and discount d (an action may be worth something to i even then),

    O_i(th) = v_i(a*_{-i}(th_-i), th_i) + d E[O_i(th') | a*_{-i}(th_-i), th].

Taking part in the dynamic pivot mechanism is worth M_i >= O_i to her at every history, as the efficient policy does at
least as well for all as a*_{-i}, which gives W_{-i} + O_i; and O_i >= 0 where none of her values are negative. Where
several actions are efficient for the others the lowest is taken; O_i depends on it.

Source: Bergemann and Valimaki (2010), section 2 with its footnote 3.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mechopt.closedform.pivot.efficient import carried, chosen, evaluate_policy, solve, spread, unstaged
from mechopt.core.numbers import FloatArray, IntArray, readonly
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.require_kind import require_kind, with_gains_as_cost


def outside_options(environment: MarkovTypes) -> tuple[Any, ...]:
    """Compute the value of opting out for good.

    Parameters
    ----------
    environment : MarkovTypes

    Returns
    -------
    tuple over agents of read-only float arrays, axes: type profile
        O_i, present value as of the period; with a finite horizon lists over periods.

    Raises
    ------
    LimitError
        If actions times type profiles are too many for one array.

    References
    ----------
    Bergemann and Valimaki (2010), section 2, footnote 3.

    Examples
    --------
    Agent 0 likes action 1 as well, which is for agent 1: 1/2 a period, for ever, at discount 1/2.

    >>> env = MarkovTypes([[[2], ["1/2"]], [[0], [3]]], [[[1]], [[1]]], [[1], [1]], discount="1/2")
    >>> [float(part[0, 0]) for part in outside_options(env)]
    [1.0, 0.0]
    """
    require_kind(environment, "markov", "outside_options", seller_values="by action")
    plain = with_gains_as_cost(environment)
    return tuple(_option(plain, i) for i in range(environment.agents))


def _option(environment: MarkovTypes, i: int) -> Any:
    everybody = range(environment.agents)
    policies = solve(environment, [j for j in everybody if j != i])[1]
    values: list[FloatArray] = []
    for t in reversed(range(environment.stages)):
        policy: IntArray = np.broadcast_to(np.expand_dims(policies[t], i), environment.shape[t])
        table = spread(environment.values[i][t], i, environment.agents)
        flow = chosen(np.broadcast_to(table, (len(table), *policy.shape)), policy)
        if environment.infinite:
            start = flow / (1 - environment.discount)
            flow = evaluate_policy(environment, everybody, policy, flow, start)
        elif values:
            flow = flow + environment.discount * chosen(carried(environment, everybody, values[-1], t), policy)
        values.append(readonly(flow))
    return unstaged(environment)(tuple(reversed(values)))
