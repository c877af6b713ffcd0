r"""Mechanisms to begin with: stationary, incentive compatible at every history, and accepted in every period.

- One action for ever, at every agent's smallest value of it as the fee of each period.
- A pivot with a reserve: with W the largest discounted sum of values and weights of actions less costs, and W_{-i} that
  without agent i's values, i's utility from a period on is :math:`M_i = W - W_{-i}` (Bergemann and Valimaki 2010), and
  her utility at once :math:`M_i - d E M_i`, less its smallest value as the fee of each period, so that it is never
  below 0. The weight is on one action, to do nothing in a sale: rho times the largest value. Of several rho the
  one that earns the most is kept, and rho = 0.

Source: Bergemann and Valimaki (2010), Theorem 1; Roberts (1979) for weights of actions.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mechopt.core.numbers import FloatArray, IntArray

CLOSE = 1e-14
MAX_SWEEPS = 10**6
RESERVES = (0.0, 0.2, 0.4, 0.6, 0.8)
"""Weights of the reserved action, in units of the largest value."""


class Start(NamedTuple):
    """A stationary mechanism that every type accepts in every period.

    Attributes
    ----------
    action : int array ``(profiles,)``
        By profile of reports.
    utility : float array ``(agents, profiles)``
        From a period on; that of the period is never negative.
    worth : float array ``(profiles,)``
        Welfare from a period on.
    """

    action: IntArray
    utility: FloatArray
    worth: FloatArray

    def promise(self, distributions: tuple[FloatArray, ...]) -> FloatArray:
        """Utility by agent and type, the others' types expected: one agent after another."""
        shape, found = tuple(len(distribution) for distribution in distributions), list[FloatArray]()
        for i in range(len(shape)):
            left = np.moveaxis(self.utility[i].reshape(shape), i, 0)
            for distribution in reversed([distribution for j, distribution in enumerate(distributions) if j != i]):
                left = left @ distribution
            found.append(left)
        return np.concatenate(found)


class Stage(NamedTuple):
    """Worth of a period, and how types move, by action and profile.

    Attributes
    ----------
    values : float array ``(agents, actions, profiles)``
    gains : float array ``(actions, profiles)``
        Of the seller, besides payments and costs.
    cost : float array ``(actions,)``
    kernels : tuple over agents of float arrays ``(actions, types, next types)``
    discount : float
    """

    values: FloatArray
    gains: FloatArray
    cost: FloatArray
    kernels: tuple[FloatArray, ...]
    discount: float

    def ahead(self, value: FloatArray) -> FloatArray:
        """Expectation of a function of the next profile, ``(actions, profiles)``."""
        shape = tuple(kernel.shape[1] for kernel in self.kernels)
        moved: FloatArray = np.broadcast_to(value.reshape(shape), (len(self.cost), *shape))
        for axis, kernel in enumerate(self.kernels):
            last = np.moveaxis(moved, axis + 1, -1)
            product: FloatArray = last.reshape(len(last), -1, last.shape[-1]) @ kernel.swapaxes(1, 2)
            moved = np.moveaxis(product.reshape(last.shape), -1, axis + 1)
        return moved.reshape(len(self.cost), -1)

    def best(self, flow: FloatArray) -> FloatArray:
        """Largest discounted sum of a flow ``(actions, profiles)``, by value iteration."""
        value = np.zeros(flow.shape[1])
        for _ in range(MAX_SWEEPS):
            after = (flow + self.discount * self.ahead(value)).max(axis=0)
            change, value = float(np.abs(after - value).max()), after
            if change <= CLOSE * float(np.abs(after).max()):
                break
        return value

    def lasting(self, action: IntArray, flow: FloatArray) -> FloatArray:
        """Discounted sums of flows ``(m, profiles)`` under a stationary policy."""
        every = np.arange(len(action))
        matrix = np.array([self.ahead(row)[action, every] for row in np.eye(len(action))]).T
        return np.asarray(np.linalg.solve(np.eye(len(action)) - self.discount * matrix, flow.T).T, dtype=np.float64)


def starts(stage: Stage) -> tuple[Start, ...]:
    """Each action for ever, and the pivots."""
    _, actions, profiles = stage.values.shape
    found = list[Start]()
    for a in range(actions):
        excess = stage.values[:, a] - stage.values[:, a].min(axis=1, keepdims=True)
        found.append(_evaluated(stage, np.full(profiles, a), excess))
    pivots = [_pivot(stage, rho) for rho in RESERVES]
    earned = [float((pivot.worth - pivot.utility.sum(axis=0)).mean()) for pivot in pivots]
    kept = dict.fromkeys([0, int(np.argmax(earned))])
    return (*found, *(pivots[k] for k in kept))


def _evaluated(stage: Stage, action: IntArray, excess: FloatArray) -> Start:
    every = np.arange(len(action))
    net = (stage.values.sum(axis=0) + stage.gains - stage.cost[:, None])[action, every]
    solved = stage.lasting(action, np.concatenate([excess, net[None]]))
    return Start(action, solved[:-1], solved[-1])


def _pivot(stage: Stage, rho: float) -> Start:
    """The pivot with a reserve; the action whose values differ the least is the one that is reserved."""
    level = int(np.ptp(stage.values, axis=2).sum(axis=0).argmin())
    weight = -stage.cost.copy()
    weight[level] += rho * float(np.abs(stage.values).max(initial=0.0))
    flow = stage.values.sum(axis=0) + weight[:, None]
    value = stage.best(flow)
    action, every = (flow + stage.discount * stage.ahead(value)).argmax(axis=0), np.arange(flow.shape[1])
    excess = np.empty((len(stage.values), len(every)))
    for i, own in enumerate(stage.values):
        marginal = value - stage.best(flow - own)
        at_once = marginal - stage.discount * stage.ahead(marginal)[action, every]
        excess[i] = at_once - at_once.min()
    return _evaluated(stage, action, excess)
