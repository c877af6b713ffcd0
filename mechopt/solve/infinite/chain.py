r"""One agent's chain of types for ever, in units of its largest value: what the programs of one period are made of.

`Chain` has the distributions that the type may have in a period (one for each previous report and kernel), a bound on
differences of utilities, first best, and mechanisms to begin with: one action for ever, and free choice at cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mechopt.core.numbers import FloatArray, IntArray
from mechopt.environment.markov import MarkovTypes
from mechopt.solve.infinite.coupling import coupled

CLOSE = 1e-14
MAX_SWEEPS = 10**6


class Start(NamedTuple):
    """A stationary mechanism that every type accepts in every period.

    Attributes
    ----------
    action : int array ``(types,)``
        By report.
    excess : float array ``(types,)``
        Utility of a period, at least 0.
    promise, worth : float arrays ``(types,)``
        Utility and welfare from a period on.
    """

    action: IntArray
    excess: FloatArray
    promise: FloatArray
    worth: FloatArray


@dataclass(frozen=True, eq=False)
class Chain:
    """One agent for ever.

    Attributes
    ----------
    discount, unit : float
        Money of the environment in the unit of the rest.
    values : float array ``(actions, types)``
    net : float array ``(actions, types)``
        Values and what actions are worth to the seller, less costs.
    kernels : float array ``(kernels, types, next types)``
        Different ones.
    moves : int array ``(actions,)``
        Which of them an action brings.
    distributions : float array ``(states, types)``
        Distributions of the type; the last one is that of the first period.
    place : int array ``(kernels, types)``
        Distribution of the next type after a kernel and report.
    box : float array ``(types, types)``
        ``box[a, b]`` is at least what type a can get more than type b.
    best : float array ``(types,)``
        First best from a period on, from above.
    starts : tuple of Start
    """

    discount: float
    unit: float
    values: FloatArray
    net: FloatArray
    kernels: FloatArray
    moves: IntArray
    distributions: FloatArray
    place: IntArray
    box: FloatArray
    best: FloatArray
    starts: tuple[Start, ...]

    @property
    def root(self) -> int:
        """Number of the first period's distribution."""
        return len(self.distributions) - 1


def chain_of(environment: MarkovTypes) -> Chain:
    """Read a chain off an environment of one agent and an infinite horizon."""
    values, cost = environment.values[0][0], environment.costs[0]
    gains = np.zeros(values.shape) if environment.seller_values is None else environment.seller_values[0][0]
    unit = float(max(np.abs(values).max(), np.abs(cost).max(initial=0.0), np.abs(gains).max())) or 1.0
    values, cost, d = values / unit, cost / unit, environment.discount
    net = values + gains / unit - cost[:, None]
    kernels, moves = np.unique(environment.kernel[0][0], axis=0, return_inverse=True)
    moves = np.asarray(moves).ravel()
    distributions, place = np.unique(kernels.reshape(-1, kernels.shape[2]), axis=0, return_inverse=True)
    best = _first_best(net, kernels[moves], d)
    return Chain(
        discount=d,
        unit=unit,
        values=values,
        net=net,
        kernels=kernels,
        moves=moves,
        distributions=np.concatenate([distributions, environment.initial[0][None]]),
        place=np.asarray(place).ravel().reshape(kernels.shape[:2]),
        box=difference_box(values, kernels, moves, d),
        best=best,
        starts=_starts(values, values - cost[:, None], net, kernels[moves], d),
    )


def _first_best(net: FloatArray, kernel: FloatArray, d: float) -> FloatArray:
    """Largest welfare by type, from above by value iteration."""
    value = np.full(net.shape[1], net.max() / (1 - d))
    for _ in range(MAX_SWEEPS):
        after = (net + d * np.einsum("akl,l->ak", kernel, value)).max(axis=0)
        change = float(np.abs(after - value).max())
        value = after
        if change <= CLOSE * float(np.abs(after).max()):
            break
    return np.asarray(value + change * d / (1 - d))


def difference_box(values: FloatArray, kernels: FloatArray, moves: IntArray, d: float) -> FloatArray:
    """``[a, b]``: at least what type a can get more than type b, who does not report a; a fixed point.

    Parameters
    ----------
    values : float array ``(actions, types)``
    kernels : float array ``(kernels, types, next types)``
    moves : int array ``(actions,)``
    d : float
        Discount.
    """
    types = values.shape[1]
    box, direct = np.zeros((types, types)), values[:, :, None] - values[:, None, :]
    for _ in range(MAX_SWEEPS):
        ahead = np.array([[[coupled(k[x], k[y], box) for y in range(types)] for x in range(types)] for k in kernels])
        after = (direct + d * ahead[moves]).max(axis=0)
        np.fill_diagonal(after, 0.0)
        change, box = float(np.abs(after - box).max()), after
        if change <= 1e-12 * max(float(np.abs(box).max()), 1e-300):
            break
    widened: FloatArray = box + 2 * change * d / (1 - d) * (1 - np.eye(types))
    return widened


def _starts(values: FloatArray, own: FloatArray, net: FloatArray, kernel: FloatArray, d: float) -> tuple[Start, ...]:
    """One action for ever at its smallest value, and free choice at cost (worth ``own``) plus its smallest worth."""
    (actions, types), every = values.shape, np.arange(values.shape[1])
    choice = (own + d * np.einsum("akl,l->ak", kernel, _first_best(own, kernel, d))).argmax(axis=0)
    found = []
    for a in range(actions + 1):
        action = choice if a == actions else np.full(types, a)
        gained = own[action, every] if a == actions else values[a]
        excess, solve = gained - gained.min(), np.eye(types) - d * kernel[action, every]
        found.append(Start(action, excess, np.linalg.solve(solve, excess), np.linalg.solve(solve, net[action, every])))
    return tuple(found)
