r"""Welfare-optimal policies where signals are correlated and values interdependent.

With values u_i, cost c, discount d, and W' the value of the next period (0 beyond a finite horizon)::

    W(th) = max_a  sum_i u_i(a, th) - c(a) + d E[W'(th') | a, th]

A finite horizon takes backward induction, an infinite one policy iteration on the joint chain: a policy is evaluated by
elimination or GMRES, refined, on the dense matrix, since a joint distribution has no structure to use.

Ties: as in `mechopt.closedform.pivot.efficient`: of the actions within `TIE` of the best the one of lowest index is
taken, and the profile is flagged.

Source: Liu (2025), section 2, the recursive form of the social program.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mechopt.closedform.pivot.efficient import MAX_IMPROVEMENTS, PATIENCE, ROUNDING, TIE, BoolArray, chosen
from mechopt.closedform.pivot.relative_values import Relative, evaluated, left_over, required
from mechopt.core.errors import LimitError
from mechopt.core.numbers import FloatArray, IntArray, readonly
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.require_kind import require_kind, require_same_discount

DENSE, REFINEMENTS = 500, 2
"""Profiles up to which a policy is evaluated by elimination, refined so often; else by GMRES."""
SWEEPS = 30
"""Most steps of value iteration to find the first policy to evaluate; they end when it does not change."""


@dataclass(frozen=True, eq=False, repr=False)
class EfficientJoint:
    """Largest welfare at every profile of signals, and an action that attains it.

    Attributes
    ----------
    environment : InterdependentTypes
    welfare : tuple over periods of read-only float arrays ``(*signals,)``
        W, expected present value as of the period.
    policy : tuple over periods of read-only int arrays, same axes
        Index of the action; of tied ones the lowest.
    tied : tuple over periods of read-only bool arrays, same axes
        Whether more than one action is optimal.
    """

    environment: InterdependentTypes
    welfare: tuple[FloatArray, ...]
    policy: tuple[IntArray, ...]
    tied: tuple[BoolArray, ...]

    @property
    def expected_welfare(self) -> float:
        """W under the distribution of the first signals."""
        return float((self.environment.initial * self.welfare[0]).sum())

    def __repr__(self) -> str:
        tied, profiles = sum(int(flag.sum()) for flag in self.tied), sum(flag.size for flag in self.tied)
        return f"EfficientJoint(expected welfare {self.expected_welfare:.6g}; ties at {tied} of {profiles} profiles)"


def efficient_joint(environment: InterdependentTypes) -> EfficientJoint:
    """Find a welfare-optimal policy.

    Parameters
    ----------
    environment : InterdependentTypes

    Returns
    -------
    EfficientJoint

    References
    ----------
    Liu (2025), section 2.

    Examples
    --------
    Selling (action 1) is worth the sum of two signals, 0 or 1 each, and costs 1: profitable at (1, 1) alone, a tie at
    (0, 1) and (1, 0). Every profile follows every other with probability 1/4, so W = flow + (1/2)(1/4 + W/2 ...):
    the average welfare is 1/4 a period, 1/2 from now on, of which 1/4 after today.

    >>> worth, none = [[0, 0.5], [0.5, 1]], [[0, 0], [0, 0]]
    >>> even = [["1/4", "1/4"], ["1/4", "1/4"]]
    >>> env = InterdependentTypes(
    ...     [[none, worth]] * 2, [[even, even], [even, even]], even, cost=[0, 1], discount="1/2"
    ... )
    >>> best = efficient_joint(env)
    >>> best.welfare[0].round(12)
    array([[0.25, 0.25],
           [0.25, 1.25]])
    >>> best.policy[0], best.tied[0]
    (array([[0, 0],
           [0, 1]]), array([[False,  True],
           [ True, False]]))
    """
    require_kind(environment, "interdependent", "efficient_joint", seller_values="any")
    require_same_discount(environment, "efficient_joint")
    results = [_stationary(environment)] if environment.infinite else []
    for t in reversed(range(environment.stages - len(results))):
        table, size = surplus(environment, t), surplus_size(environment, t)
        if results:
            later = environment.discount * expected_next(environment, results[-1][0], t)
            table, size = table + later, size + np.abs(later)
        policy, tied = best_actions(table, TIE * size.max(axis=0))
        results.append((readonly(table.max(axis=0)), policy, tied))
    welfare, policies, flags = zip(*reversed(results), strict=True)
    return EfficientJoint(environment, welfare, policies, flags)


def surplus(environment: InterdependentTypes, t: int, without: int | None = None) -> FloatArray:
    """Sum of values, of all agents or all but one, and the seller's, less the cost; axes: action, signals.

    Parameters
    ----------
    environment : InterdependentTypes
    t : int
        Period, of those whose data are given.
    without : int, optional
        The agent left out.
    """
    values = environment.profile_values[t]
    total = values.sum(axis=0) if without is None else np.delete(values, without, axis=0).sum(axis=0)
    found: FloatArray = total - environment.costs[t].reshape(-1, *(1,) * environment.agents)
    return found if environment.seller_values is None else found + environment.seller_values[t]


def surplus_size(environment: InterdependentTypes, t: int) -> FloatArray:
    """Sum of the absolute values of the terms of `surplus`, to which its rounding is relative."""
    costs = np.abs(environment.costs[t]).reshape(-1, *(1,) * environment.agents)
    found: FloatArray = np.abs(environment.profile_values[t]).sum(axis=0) + costs
    return found if environment.seller_values is None else found + np.abs(environment.seller_values[t])


def expected_next(environment: InterdependentTypes, following: FloatArray, t: int) -> FloatArray:
    """Expectation of a function of the next signals; axes: action, signals.

    Parameters
    ----------
    environment : InterdependentTypes
    following : array, axes: next signals
    t : int
        Period that the kernel leads from.
    """
    kernel = environment.kernel[t]
    distribution = kernel[:1] if kernel.strides[0] == 0 else kernel
    shape = kernel.shape[: 1 + environment.agents]
    moved = distribution.reshape(len(distribution), -1, following.size) @ following.ravel()
    return np.broadcast_to(moved.reshape(len(distribution), *shape[1:]), shape)


def best_actions(table: FloatArray, slack: FloatArray | float) -> tuple[IntArray, BoolArray]:
    """Lowest action within a slack of the best along the first axis, and whether there are several."""
    near = table >= table.max(axis=0) - slack
    return readonly(near.argmax(axis=0), np.int64), readonly(near.sum(axis=0) > 1, np.bool_)


def _stationary(environment: InterdependentTypes) -> tuple[FloatArray, IntArray, BoolArray]:
    """Policy iteration (Howard): evaluate, improve where an action is better by more than rounding, until none is."""
    last = environment.stages - 1
    reward, discount = surplus(environment, last), environment.discount
    welfare, patience = reward.max(axis=0) / (1 - discount), PATIENCE
    policy: IntArray = reward.argmax(axis=0)
    for _ in range(SWEEPS):
        table, before = reward + discount * expected_next(environment, welfare, last), policy
        welfare, policy = table.max(axis=0), table.argmax(axis=0)
        if (policy == before).all():
            break
    for _ in range(MAX_IMPROVEMENTS):
        found = _relative(environment, policy, chosen(reward, policy))
        table = reward + discount * expected_next(environment, found.differences, last)
        scale = float(np.abs(table).max())
        gain = table.max(axis=0) - chosen(table, policy)
        patience -= float(gain.max()) <= TIE * scale
        if float(gain.max()) <= ROUNDING * scale or patience < 0:
            action, tied = best_actions(table, TIE * scale)
            return readonly(table.max(axis=0) + discount * found.level / found.left), action, tied
        policy = np.where(gain > ROUNDING * scale, table.argmax(axis=0), policy)
    raise LimitError(f"no optimal policy after {MAX_IMPROVEMENTS} improvements; use a smaller discount")


def stationary_value(environment: InterdependentTypes, policy: Any, reward: FloatArray) -> FloatArray:
    """Present value of a reward for ever under a policy; axes: signals.

    Parameters
    ----------
    environment : InterdependentTypes
        With an infinite horizon; from the period on that is for ever.
    policy : int array, axes: signals
    reward : array, axes: signals
        Of one period under the policy.
    """
    return _relative(environment, policy, reward).value


def _relative(environment: InterdependentTypes, policy: Any, reward: FloatArray) -> Relative:
    from scipy.linalg import lu_factor, lu_solve

    size, discount, left = policy.size, environment.discount, left_over(environment)
    kernel = environment.kernel[-1]
    chain = kernel[(policy.ravel(), *np.indices(policy.shape).reshape(policy.ndim, -1))].reshape(size, size)

    def step(value: FloatArray) -> FloatArray:
        moved: FloatArray = (discount * (chain @ value.ravel())).reshape(value.shape)
        return moved

    if size > DENSE:
        return evaluated(step, reward, Relative(np.zeros(policy.shape), 0.0, left))
    system = np.eye(size) - discount * chain
    system[:, 0] = 1.0  # the level takes the place of the first difference, which is 0
    factors = lu_factor(system)
    parts = lu_solve(factors, reward.ravel())
    for _ in range(REFINEMENTS):
        h = np.append(0.0, parts[1:]).reshape(policy.shape)
        parts = parts + lu_solve(factors, (reward + step(h) - h - parts[0]).ravel())
    h = np.append(0.0, parts[1:]).reshape(policy.shape)
    return required(Relative(h, float(parts[0]), left), reward, reward + step(h) - h - parts[0])
