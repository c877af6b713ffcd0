r"""Balance the budget of a mechanism without touching incentives.

With Y_i the present value of agent i's payments less her share c/n of the cost, and h the public history before the
reports of a period, every agent pays the change that her report makes to the expectation of Y_i, and the others get it
in equal shares:

    gamma_i(h, r) = E[Y_i | h, r_i = r] - E[Y_i | h]
    p_i = c/n + gamma_i(h, r_i) - (1/(n-1)) sum_{j != i} gamma_j(h, r_j)      (in period 0: + E Y_i - (1/n) sum_j E Y_j)

Whatever agent i does, her terms have the present value Y_i - E Y_i in expectation and the others' terms none. So the
mechanism keeps Bayesian incentive compatibility, and at first every type's utility, up to an equal share of what the
seller earned, which is given back. Continuation utilities move by E[Y_i | h]: participation in later periods is not
kept, nor is periodic ex post IC.

Source: Athey and Segal (2013), section 4.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from mechopt.closedform.pivot.balance.reports import balanced_reports, given_back
from mechopt.core.errors import InputError, require_type
from mechopt.core.numbers import FloatArray
from mechopt.environment.require_kind import require_plain_terms
from mechopt.environment.separable import SeparableTypes
from mechopt.mechanism.balanced import BalancedMechanism, balanced, shared_cost
from mechopt.mechanism.constraints import BayesianIC
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.endless.contracted import ContractedMechanism
from mechopt.mechanism.protocol import Unrollable
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.mechanism.stationary import MarkovMechanism


def balance(mechanism: Any) -> SequenceMechanism | BalancedMechanism | Mechanism:
    """Build the mechanism with the same policy and incentives whose payments sum to the cost at every history.

    Parameters
    ----------
    mechanism : a mechanism of any form
        Bayesian incentive compatible (with what agents see being all reports and actions; with types that are
        independent across periods, DIC), of at least two agents whose types are private and move independently given
        the action, and with expected revenue of at least 0.

    Returns
    -------
    SequenceMechanism, BalancedMechanism or Mechanism
        Over public histories; with the last reports as memory where the mechanism depends on current reports alone, of
        a `ContractedMechanism` one for its allocation periods; with types that are independent across periods, over
        histories of reports.

    Raises
    ------
    InputError
        If there is one agent, types are correlated or values interdependent, revenue is negative, or the mechanism is
        only a limit of mechanisms, or has for ever another policy after each contract.

    References
    ----------
    Athey and Segal (2013), section 4.

    Examples
    --------
    One object in one period, two bidders worth 1 or 2: the second price auction earns 5/4, which is given back.

    >>> from mechopt.closedform.pivot.dynamic_pivot import dynamic_pivot
    >>> from mechopt.environment.markov import MarkovTypes
    >>> values = [[[1, 2], [0, 0]], [[0, 0], [1, 2]]]
    >>> env = MarkovTypes(values, [[[1, 0], [0, 1]]] * 2, [["1/2", "1/2"]] * 2, horizon=1)
    >>> auction = dynamic_pivot(env).to_mechanism()
    >>> auction, balance(auction).utilities
    (MarkovMechanism(2 agents, 1 period; revenue 1.25, welfare 1.75, utilities (0.25, 0.25)), (0.875, 0.875))
    """
    if isinstance(mechanism, ContractedMechanism):
        return balance(mechanism.allocation)
    if isinstance(mechanism, BalancedMechanism):
        return mechanism
    environment: Any = getattr(mechanism, "environment", None)
    if environment is None:
        require_type(mechanism, "Mechanism", "balance", "give a mechanism whose transfers are to be balanced")
    if environment.agents < 2:
        raise InputError("balance: has 1 agent; balance needs at least 2 to pay each other")
    if isinstance(mechanism, MarkovMechanism):
        return _of_current_reports(mechanism)
    if isinstance(mechanism, Mechanism):
        return balanced_reports(mechanism)
    if isinstance(mechanism, SequenceMechanism):
        return _over_histories(mechanism)
    if getattr(mechanism.environment, "infinite", False) and isinstance(mechanism.environment, SeparableTypes):
        raise InputError(
            "balance: its policy for ever depends on the reports at contracting, and is not one of the last reports; "
            "balance it with a finite horizon, or the mechanism of mo.dynamic_pivot(environment)"
        )
    if not isinstance(mechanism, Unrollable):
        raise InputError(f"balance: a {type(mechanism).__name__} is in no form that has payments by history")
    found = mechanism.to_mechanism()
    if type(found) is type(mechanism):
        raise InputError(f"balance: a {type(mechanism).__name__} is in no form that has payments by history")
    return balance(found)


def _of_current_reports(mechanism: MarkovMechanism) -> BalancedMechanism:
    require_plain_terms(mechanism.environment, "balance")
    env, own = mechanism.environment, shared_cost(mechanism.environment, mechanism.policy)
    if env.seller_values is not None:
        raise InputError("balance: seller_values: nobody is left who has them; put them into values, or leave them out")
    targets, collected = [], np.zeros(env.agents)
    for i in range(env.agents):
        kept, free = mechanism.continuation[i], own.continuation[i]
        target = tuple(kept[t] - free[min(t, len(free) - 1)] for t in range(mechanism.periods))
        targets.append(target)
        collected[i] = -mechanism.expected(target[0])
    scale = max(float(np.abs(part).max()) for row in own.continuation for part in row)
    fees = given_back(collected, scale)
    source = f"{mechanism.source or 'mechanism'}, balanced"
    return balanced(env, mechanism.policy, tuple(targets), fees, source)


def _over_histories(mechanism: SequenceMechanism) -> SequenceMechanism:
    require_plain_terms(mechanism.environment, "balance")
    tree, process, n = mechanism.tree, mechanism.process, mechanism.process.agents
    if not (process.independent and process.private):
        raise InputError(
            "balance: types are correlated or values interdependent, where an agent's payment moves the others' "
            "expectations; it is for private persistent types independently given the action"
        )
    if mechanism.limit:
        raise InputError("balance: the mechanism is a limit of mechanisms with payments without bound")
    following: FloatArray | None = None
    payment: list[FloatArray] = [np.zeros(0)] * tree.horizon
    collected = np.zeros(n)
    for t in reversed(range(tree.horizon)):
        weights, recorded = mechanism.allocation[t], mechanism.recorded(t)
        cost = weights * process.costs[t]
        cost = cost if tree.branches[t] > 1 else cost.sum(axis=1, keepdims=True)
        worth = mechanism.payment[t] - cost / n  # agent, node, branch; weighted
        if following is not None:
            step = process.present_value[t + 1] / process.present_value[t]
            worth = worth + step * recorded * following[:, tree.following(t)]
        mass = mechanism.mass(t)[tree.slot[t]]
        value = np.divide(worth.sum(axis=2), mass, out=np.zeros((n, tree.count[t])), where=mass > 0)
        terms, mean = _terms(mechanism, t, value)
        share = terms - (terms.sum(axis=0) - terms) / (n - 1)
        if t == 0:
            collected = mean[:, 0]
            share = share + given_back(collected, _scale(mechanism))[:, np.newaxis]
        payment[t] = share[:, :, np.newaxis] * recorded + cost / n
        following = mean
    source = f"{mechanism.source or 'mechanism'}, balanced"
    return SequenceMechanism(tree, mechanism.allocation, tuple(payment), (BayesianIC(),), source)


def _terms(mechanism: SequenceMechanism, t: int, value: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Changes by the reports of period t, by agent and node, and the expectations before them, by agent and slot."""
    tree, process = mechanism.tree, mechanism.process
    n, shape = process.agents, process.shape[t]
    distributions = [_own_distribution(mechanism, t, i) for i in range(n)]
    terms, means = np.empty_like(value), np.empty((n, tree.slots[t]))
    for i in range(n):
        grid = np.zeros((tree.slots[t], process.profiles[t]))
        grid[tree.slot[t], tree.profile[t]] = value[i]
        grid = np.moveaxis(grid.reshape(-1, *shape), 1 + i, 1)
        others = [distributions[j] for j in range(n) if j != i]
        by_own = reduce(lambda part, distribution: np.einsum("hkl...,hl->hk...", part, distribution), others, grid)
        means[i] = (by_own * distributions[i]).sum(axis=1)
        terms[i] = (by_own - means[i][:, np.newaxis])[tree.slot[t], tree.own(t, i)]
    return terms, means


def _own_distribution(mechanism: SequenceMechanism, t: int, i: int) -> FloatArray:
    """Distribution of agent i's type of period t by slot."""
    tree, process = mechanism.tree, mechanism.process
    if t == 0:
        return process.initial_marginal(i)[np.newaxis]
    profile, action = tree.before(t)
    found: FloatArray = process.marginal(t - 1, i)[action, profile]
    return found


def _scale(mechanism: SequenceMechanism) -> float:
    """Largest present value of all values, for what counts as nothing."""
    return float(
        sum(
            weight * float(np.abs(values).max())
            for weight, values in zip(mechanism.process.present_value, mechanism.process.values, strict=True)
        )
    )
