r"""Efficient mechanisms that are incentive compatible up to a gain: `epsilon` at every state of an environment.

Each agent, each action that the efficient policy takes for some report of hers, and each profile of the others' signals
is a linear program of its own. The target is minus the others' utilities, the seller's cost counted as one of theirs.

Source: Liu (2025), section 5.1. It has neither the seller's cost nor the restriction to actions that are taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mechopt.closedform.contingent.epsilon import EpsilonTransfers, smallest_epsilon
from mechopt.closedform.pivot.efficient_joint import efficient_joint
from mechopt.core.errors import InputError
from mechopt.core.numbers import FloatArray, IntArray, readonly
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.require_kind import require_kind


@dataclass(frozen=True, eq=False, repr=False)
class ApproximateTransfers:
    """Contingent transfers of a class that come as near as they can to those of an efficient mechanism.

    Attributes
    ----------
    environment : InterdependentTypes
    epsilons : tuple over agents of float arrays ``(action, others' signals)``
        Others' signals are numbered in C order, agents increasing; NaN where no report of the agent leads to the
        action.
    payments : tuple over agents of float arrays ``(action, others' signals, own report, others' next signals)``
        Paid in the next period, in its money; 0 where no report leads to the action.
    violation : float
        By how much a misreport lowers an expected transfer; 0 up to the solver's rounding.
    policy : tuple of one int array ``(*signals,)``
        The efficient action that they go with.
    """

    environment: InterdependentTypes
    epsilons: tuple[FloatArray, ...]
    payments: tuple[FloatArray, ...]
    violation: float
    policy: tuple[IntArray, ...]

    @property
    def epsilon(self) -> float:
        """The largest epsilon."""
        return max(float(np.nanmax(table)) for table in self.epsilons)

    @property
    def max_abs(self) -> float:
        """Size of the largest payment."""
        return max(float(np.abs(table).max()) for table in self.payments)

    @property
    def gain_bound(self) -> float:
        """Most that a misreport in one period can gain, 2 epsilon / (1 - discount)."""
        discount = self.environment.discount
        return 2 * self.epsilon / (1 - discount) + discount * self.violation

    def __repr__(self) -> str:
        return (
            f"ApproximateTransfers(epsilon {self.epsilon:.6g}, a report gains at most {self.gain_bound:.6g}, largest "
            f"payment {self.max_abs:.6g})"
        )


def approximate_transfers(
    environment: InterdependentTypes,
    bound: Any = None,
    basis: Any = None,
    degree: int | None = None,
    signals: Any = None,
) -> ApproximateTransfers:
    """Find, at every state, the transfers of a class that come nearest to those of an efficient mechanism.

    Parameters
    ----------
    environment : InterdependentTypes
        With an infinite horizon.
    bound : number, optional
        No payment is larger in size.
    basis : sequence over agents of arrays ``(others' next signals, function)``, optional
        As functions of the others' next signals payments are combinations of its columns.
    degree : int, optional
        As functions of the own report payments are polynomials of this degree, 0 for payments free of it.
    signals : sequence over agents of arrays ``(own signal,)``, optional
        What the polynomials are of; default equal steps.

    Raises
    ------
    InputError
        If the horizon is finite, or an argument does not fit.

    Examples
    --------
    >>> initial = [["3/8", "1/8"], ["1/8", "3/8"]]
    >>> law = [[initial, [["1/4", "1/4"], ["1/4", "1/4"]]], [[["1/4", "1/4"], ["1/4", "1/4"]], initial]]
    >>> worth, none = [[0, 1], [1, 2]], [[0, 0], [0, 0]]
    >>> env = InterdependentTypes([[worth, none], [none, worth]], law, initial, discount="9/10")
    >>> approximate_transfers(env, bound=1)
    ApproximateTransfers(epsilon ..., a report gains at most ..., largest payment 1)
    """
    require_kind(environment, "interdependent", "approximate_transfers")
    if not environment.infinite:
        raise InputError("horizon: the bound on gains is for an infinite one; finite ones have exact last-period terms")
    policy = efficient_joint(environment).policy[0]
    agents = range(environment.agents)
    found = [
        _agent(environment, i, policy, bound, None if basis is None else basis[i], degree, signals and signals[i])
        for i in agents
    ]
    epsilons, payments = [readonly(table) for table, _, _ in found], [readonly(table) for _, table, _ in found]
    return ApproximateTransfers(environment, tuple(epsilons), tuple(payments), max(v for _, _, v in found), (policy,))


def _agent(
    environment: InterdependentTypes, i: int, policy: Any, bound: Any, basis: Any, degree: int | None, signals: Any
) -> tuple[FloatArray, FloatArray, float]:
    """Epsilon and payments of one agent at every action and profile of the others, and the largest violation."""
    kernel, values, count = environment.kernel[0], environment.profile_values[0], environment.agents
    actions, own = len(kernel), kernel.shape[1 + i]
    others = np.moveaxis(kernel.sum(axis=1 + count + i), 1 + i, count).reshape(actions, -1, own, _others(kernel, i))
    cost = environment.costs[0].reshape(-1, *[1] * count)
    target = np.moveaxis(values[i] - values.sum(axis=0) + cost, 1 + i, -1).reshape(actions, -1, own)
    taken = np.moveaxis(policy, i, -1).reshape(-1, own)
    epsilons, payments, violation = np.full(target.shape[:2], np.nan), np.zeros(others.shape), 0.0
    for state, row in enumerate(taken):
        for a in np.unique(row):
            best: EpsilonTransfers = smallest_epsilon(
                others[a, state].T, target[a, state], environment.discount, bound, basis, degree, signals
            )
            epsilons[a, state], payments[a, state] = best.epsilon, best.transfers
            violation = max(violation, best.violation)
    return epsilons, payments, violation


def _others(kernel: FloatArray, i: int) -> int:
    """Number of profiles of the others' next signals."""
    count = (kernel.ndim - 1) // 2
    return int(np.prod([size for j, size in enumerate(kernel.shape[1 + count :]) if j != i]))
