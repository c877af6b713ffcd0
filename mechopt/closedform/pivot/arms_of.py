"""Arms as they stand in environments: which action serves whom, and that everybody else stands still."""

from __future__ import annotations

import numpy as np

from mechopt.closedform.pivot.arms import Arms, steps_of
from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import FloatArray
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.require_kind import require_kind, with_gains_as_cost
from mechopt.mechanism.constraints import PeriodicExPostIC, PeriodicExPostIR
from mechopt.mechanism.endless.arms import ArmsMechanism


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
    return _arms(*_actions_of(environment, "arms"))


def _arms(environment: MarkovTypes, served: list[int], idling: int | None) -> Arms:
    return Arms(
        tuple(environment.kernel[i][0][a] for i, a in enumerate(served)),
        tuple(environment.values[i][0][a] for i, a in enumerate(served)),
        tuple(float(environment.costs[0][a]) for a in served),
        environment.discount,
        idling is not None,
    )


def arms_pivot(environment: MarkovTypes) -> ArmsMechanism:
    """Build the dynamic pivot mechanism of arms, which `mechopt.verify` checks without the joint chain.

    Parameters
    ----------
    environment : MarkovTypes
        As for `arms`.

    Returns
    -------
    ArmsMechanism
        Indices and payments as step functions of each arm; `revenue`, `welfare` and `utilities` from these alone.

    Raises
    ------
    InputError
        With every action that serves several, or moves somebody else; where somebody is served at a loss to herself
        and her action without her may be better.

    References
    ----------
    Bergemann and Valimaki (2010), section 3 and Theorem 1; Whittle (1980).

    Examples
    --------
    >>> from mechopt.environment.families.projects import bandits
    >>> stay = [["3/4", "1/4"], ["1/4", "3/4"]]
    >>> pivot = arms_pivot(bandits([[1, 3], [1, 2]], [stay, stay], [[1, 0], [0, 1]], "9/10", idle=True))
    >>> pivot
    ArmsMechanism(2 arms; revenue 15.3497, welfare 18.7413)
    >>> from mechopt.verification.verify import verify
    >>> verify(pivot).holds
    True
    """
    env, served, idling = _actions_of(environment, "arms_pivot")
    found = _arms(env, served, idling)
    found.require_payments()
    steps, (left, _) = found.steps, found.grid
    return ArmsMechanism(
        env,
        tuple(served),
        idling,
        tuple(found.indices),
        tuple(step.levels for step in steps),
        tuple(np.clip(np.maximum.accumulate(step.table, axis=1), 0.0, 1.0) for step in steps),
        np.array(found.costs),
        found.starts,
        float(left[0]),
        (PeriodicExPostIC(), PeriodicExPostIR()),
        "dynamic pivot of arms",
    )


def _actions_of(environment: MarkovTypes, about: str) -> tuple[MarkovTypes, list[int], int | None]:
    """The environment with costs for what the seller gains, the action that serves each agent, and nobody's."""
    require_kind(environment, "markov", about, seller_values="by action")
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
    return environment, [own[0] for own in by_agent], nobody[0] if nobody else None


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
