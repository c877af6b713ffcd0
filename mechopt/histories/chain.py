"""Expectations along the chain of type profiles under a policy, the kernel of each agent applied along her own axis.

Mechanisms whose actions and transfers depend on the current reports alone are evaluated and checked with these; the
efficient policies of `mechopt.closedform` have operators of their own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mechopt.core.errors import LimitError
from mechopt.core.numbers import FloatArray, IntArray
from mechopt.environment.markov import MarkovTypes

RESIDUAL = 1e-14
"""Residual of a stationary value, relative to its largest entry, at which its search ends."""
MAX_ROUNDS = 50
MAX_RESIDUAL = 1e-10
"""Largest relative residual that is accepted where the search stalls."""


def members_of(environment: MarkovTypes, without: int | None = None) -> list[int]:
    """All agents, or all but one."""
    return [i for i in range(environment.agents) if i != without]


def along(environment: MarkovTypes, i: int, t: int, members: Sequence[int]) -> FloatArray:
    """Values of agent i in period t, her type on her axis among the members' ones: ``(A, 1, ..., K_i, ..., 1)``."""
    table = environment.values[i][t]
    return table.reshape(len(table), *(table.shape[1] if j == i else 1 for j in members))


def ahead(environment: MarkovTypes, following: FloatArray, t: int, members: Sequence[int]) -> FloatArray:
    """Expectation of a function of the members' types of the period after t, ``(A, *types)``.

    Parameters
    ----------
    environment : MarkovTypes
    following : array, axes: next types of the members
    t : int
        Period, 0 with an infinite horizon.
    members : sequence of int
    """
    count = environment.action_counts[t]
    moved: FloatArray = following[None]  # one table for all actions until a kernel differs between them
    for axis, i in enumerate(members):
        last, kernel = np.moveaxis(moved, axis + 1, -1), environment.kernel[i][t]
        kernel = kernel[:1] if (kernel == kernel[:1]).all() else kernel
        product = last.reshape(len(last), -1, last.shape[-1]) @ kernel.swapaxes(1, 2)
        moved = np.moveaxis(product.reshape(len(product), *last.shape[1:-1], kernel.shape[1]), -1, axis + 1)
    return np.broadcast_to(moved, (count, *moved.shape[1:]))


def taken(table: FloatArray, policy: IntArray) -> FloatArray:
    """Entries of an array ``(A, *types)`` at the action of each profile; length-1 axes of types broadcast."""
    if table.strides[0] == 0:  # the same for every action
        return np.broadcast_to(table[0], policy.shape)
    full = np.broadcast_to(table, (len(table), *policy.shape)).reshape(len(table), -1)
    picked: FloatArray = full[policy.ravel(), np.arange(policy.size)].reshape(policy.shape)
    return picked


def lasting(environment: MarkovTypes, policy: IntArray, reward: FloatArray, members: Sequence[int]) -> FloatArray:
    """Solve V = r + d P V for a stationary policy with an infinite horizon; axes: types of the members.

    Raises
    ------
    LimitError
        If the equations cannot be solved to a useful precision.
    """
    from scipy.sparse.linalg import LinearOperator, gmres

    discount, shape = environment.discount, policy.shape

    def step(value: FloatArray) -> FloatArray:
        return discount * taken(ahead(environment, value.reshape(shape), 0, members), policy)

    operator = LinearOperator(
        (policy.size, policy.size), matvec=lambda flat: flat - step(flat).ravel(), dtype=np.dtype(np.float64)
    )
    value: FloatArray = reward + step(reward / (1 - discount))
    residual = reward + step(value) - value
    for _ in range(MAX_ROUNDS):
        scale = max(float(np.abs(value).max()), np.finfo(float).tiny)
        if (size := float(np.abs(residual).max())) <= RESIDUAL * scale:
            break
        correction, _ = gmres(
            operator, residual.ravel(), rtol=1e-10, atol=0.0, restart=min(60, policy.size), maxiter=20
        )
        tried = value + correction.reshape(shape)
        tried_residual = reward + step(tried) - tried
        if float(np.abs(tried_residual).max()) >= size:
            break
        value, residual = tried, tried_residual
    if float(np.abs(residual).max()) > MAX_RESIDUAL * max(float(np.abs(value).max()), np.finfo(float).tiny):
        raise LimitError("the values of a policy are not found to a useful precision; use a smaller discount")
    return value + residual
