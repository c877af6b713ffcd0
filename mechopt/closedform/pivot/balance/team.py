r"""The balanced team mechanism: efficient, incentive compatible, and nobody outside pays or is paid.

With the efficient policy a*, v_i less an equal share of the cost, and X_i the present value of all others' values,

    X_i(th) = sum_{j != i} v_j(a*) + d E[X_i(th') | a*, th],     W = own value + X_i

every agent is paid the change that her report makes to the expectation of X_i, and the others pay it in equal shares;
see `mechopt.mechanism.balanced`. Truth is a best reply at every public history, whatever an agent reported
before, as long as nobody sees the others' current types: Bayesian IC, in general not periodic ex post. Transfers
redistribute nothing in expectation: every agent's utility is the present value of her own values.

All agents can be made to take part at first, by lump sums, where the collective pivot mechanism has no deficit:

    sum_i min_{th_i} E[W(th_i, .)]  >=  (n - 1) E[W]

and in every period where the same holds at every public history. With a connected continuum of types that is necessary
too; with finitely many, other payments may do where lump sums do not.

Source: Athey and Segal (2013), section 4; Skrzypacz and Toikka (2015), for participation.
"""

from __future__ import annotations

import numpy as np

from mechopt.closedform.pivot.efficient import efficient, staged
from mechopt.core.errors import InputError
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.require_kind import require_kind
from mechopt.mechanism.balanced import BalancedMechanism, balanced, shared_cost


def balanced_team(environment: MarkovTypes) -> BalancedMechanism:
    """Build the balanced team mechanism.

    Parameters
    ----------
    environment : MarkovTypes
        Of at least two agents, any horizon. Costs are borne in equal shares.

    Returns
    -------
    BalancedMechanism

    Raises
    ------
    InputError
        If there is one agent only.
    LimitError
        If actions times type profiles are too many for one array.

    References
    ----------
    Athey and Segal (2013), section 4.

    Examples
    --------
    A buyer worth 1 or 3 and a seller with cost 0 or 2, types that stay with probability 3/4, for ever, discount 7/10.
    Trade is efficient but for the value 1 and the cost 2. A buyer worth 1 receives 10/13 for that report, a seller with
    cost 0 receives 5/13; so at first the buyer pays 5/13 - 10/13 where both report these.

    >>> stay = [["3/4", "1/4"], ["1/4", "3/4"]]
    >>> values = [[[0, 0], [1, 3]], [[0, 0], [0, -2]]]
    >>> env = MarkovTypes(values, [stay, stay], [["1/2", "1/2"]] * 2, horizon="infinite", discount="7/10")
    >>> team = balanced_team(env)
    >>> team.transfers[0][0].round(6)
    array([[-0.384615, -1.153846],
           [ 1.153846,  0.384615]])
    >>> team
    BalancedMechanism(balanced team mechanism; welfare 4.16667, utilities (5.83333, -1.66667))

    The seller bears costs and is paid nothing on average; lump sums make both take part, in every period:

    >>> team.with_lump_sums(every_period=True)
    BalancedMechanism(balanced team mechanism; welfare 4.16667, utilities (2.08333, 2.08333))
    """
    require_kind(environment, "markov", "balanced_team")
    if environment.agents < 2:
        raise InputError("balanced_team: has 1 agent; balance needs at least 2 to pay each other")
    policy = tuple(staged(environment, efficient(environment).policy))
    own = shared_cost(environment, policy).continuation
    targets = tuple(
        tuple(np.asarray(sum(own[j][t] for j in range(environment.agents) if j != i)) for t in range(len(own[0])))
        for i in range(environment.agents)
    )
    return balanced(environment, policy, targets, np.zeros(environment.agents), "balanced team mechanism")
