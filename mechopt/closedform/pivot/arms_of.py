"""Arms as they stand in environments: which action serves whom, and that everybody else stands still."""

from __future__ import annotations

import numpy as np

from mechopt.closedform.pivot.arms import Arms, steps_of
from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import FloatArray
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.require_kind import require_kind, with_gains_as_cost


def arms(environment: MarkovTypes) -> Arms:
    """Read arms off an environment in which each action serves one agent, or nobody.

    Parameters
    ----------
    environment : MarkovTypes
        With an infinite horizon. An action is worth something to one agent at most, and moves her type alone; at most
        one action serves nobody, at no cost.

    Returns
    -------
    Arms
        In the order of agents: `Arms.welfare`, `Arms.payment` and others without the joint chain.

    Raises
    ------
    InputError
        With every action that serves several, or moves somebody else.

    References
    ----------
    Bergemann and Valimaki (2010), section 3; Whittle (1980).

    Examples
    --------
    Two projects of known value 3 and 2, discount 9/10: the first is always served and pays (1 - d) 20 = 2.

    >>> from mechopt.environment.families.projects import bandits
    >>> found = arms(bandits([[3], [2]], [[[1]], [[1]]], [[1], [1]], "9/10", idle=True))
    >>> round(found.welfare((0, 0)), 9), found.payment((0, 0)).round(9).tolist()
    (30.0, [2.0, 0.0])
    """
    require_kind(environment, "markov", "arms", seller_values="by action")
    environment = with_gains_as_cost(environment)
    faults = list[Fault]()
    if not environment.infinite:
        faults.append(Fault("horizon", f"is {environment.horizon}", 'it must be "infinite": indices are for ever'))
        raise InputError(faults)
    n, actions = environment.agents, environment.action_counts[0]
    still = [[bool(np.array_equal(k, np.eye(len(k)))) for k in row[0]] for row in environment.kernel]
    concerned = [[i for i in range(n) if not still[i][a] or environment.values[i][0][a].any()] for a in range(actions)]
    by_agent = list[list[int]]()
    for a, who in enumerate(concerned):
        if len(who) > 1:
            faults.append(Fault(f"actions[{a}]", f"concerns agents {who}", "serve one, and let the others stand still"))
    by_agent = [[a for a, who in enumerate(concerned) if who == [i]] for i in range(n)]
    nobody = [a for a, who in enumerate(concerned) if not who]
    for i, own in enumerate(by_agent):
        if len(own) != 1:
            faults.append(Fault(f"agents[{i}]", f"is served by {len(own)} actions", "give her one"))
    if len(nobody) > 1 or any(environment.costs[0][a] != 0 for a in nobody):
        faults.append(Fault("actions", "has several that serve nobody, or one at a cost", "give one, at no cost"))
    if faults:
        raise InputError(faults)
    served = [own[0] for own in by_agent]
    return Arms(
        tuple(environment.kernel[i][0][a] for i, a in enumerate(served)),
        tuple(environment.values[i][0][a] for i, a in enumerate(served)),
        tuple(float(environment.costs[0][a]) for a in served),
        environment.discount,
        bool(nobody),
    )


def virtual_bound_of_arms(
    types: list[list[tuple[float, FloatArray, FloatArray]]], first: list[FloatArray], discount: float
) -> float:
    """Bound (8) where agents are arms, as one integral over retirement values.

    Parameters
    ----------
    types : list over agents of lists over initial types of (probability, kernel, virtual reward by signal)
        ``alpha v + beta - c`` of being served; types that are excluded have rewards of at most 0.
    first : list over agents of float arrays
        Distribution of the first signal.
    discount : float

    Examples
    --------
    Two agents whose virtual rewards never change, 1 or nothing, even: d (1 - 1/4) / (1 - d).

    >>> still = np.eye(1)
    >>> agent = [(0.5, still, np.array([1.0])), (0.5, still, np.array([0.0]))]
    >>> round(virtual_bound_of_arms([agent] * 2, [np.ones(1)] * 2, 0.5), 9)
    0.75
    """
    parts = [[(f, steps_of(kernel, reward, discount)) for f, kernel, reward in agent] for agent in types]
    levels = np.unique(np.concatenate([step.levels for agent in parts for _, step in agent]))
    top = max(float(levels.max()), 0.0) + 1.0
    ends = np.unique(np.append(levels[levels > 0], [0.0, top]))
    left, length = ends[:-1], np.diff(ends)
    product = np.ones(len(left))
    for agent, distribution in zip(parts, first, strict=True):
        product *= sum(f * (distribution @ step.at(left)) for f, step in agent)
    return discount * (top - float(length @ product))
