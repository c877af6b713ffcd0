"""Largest present values on one chain for many rewards of one agent at once: what each true type is worth by a report.

The rewards share actions, kernels and costs, so that a policy's system is factorised once for all rewards that it is
tried for; most rewards end at few policies. Values are split into a level and differences as in
`mechopt.closedform.pivot.relative_values`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

import numpy as np
from scipy.linalg import lu_factor, lu_solve

from mechopt.closedform.pivot.efficient import MAX_IMPROVEMENTS, PATIENCE, ROUNDING, TIE, flows, solve
from mechopt.closedform.pivot.relative_values import Relative, left_over, required
from mechopt.closedform.virtual.phase import WeightedChains
from mechopt.core.errors import LimitError
from mechopt.core.numbers import FloatArray, IntArray

DENSE = 400
"""Profiles of signals up to which kernels are written out as matrices; beyond, rewards are gone through one by one."""


def many_values(chains: WeightedChains, members: Sequence[int], agent: int, tables: FloatArray) -> FloatArray:
    """Largest welfare of the members as of the first stage, for each of n value tables of one of them.

    Parameters
    ----------
    chains : WeightedChains
        Kernels and costs are the same in every stage; the agent's own values are not looked at.
    members : sequence of int
    agent : int
        A member.
    tables : array ``(n, action, signal)``
        Her weighted values.

    Returns
    -------
    array ``(n, *signals of the members)``
    """
    shape = tuple(chains.shape[0][j] for j in members)
    if int(np.prod(shape)) > DENSE:
        rows = [solve(_with(chains, agent, table), members)[0][0] for table in tables]
        return np.stack(rows)
    base = flows(_with(chains, agent, np.zeros_like(tables[0])), members)
    axes = [tables.shape[2] if j == agent else 1 for j in members]
    reward = (base + tables.reshape(*tables.shape[:2], *axes)).reshape(*tables.shape[:2], -1)
    if chains.infinite:
        return _for_ever(chains, _joint_kernel(chains, members), reward).reshape(-1, *shape)
    value = reward.max(axis=1)
    for _ in range(chains.stages - 1):
        value = (reward + chains.discount * _expected(_joint_kernel(chains, members), value)).max(axis=1)
    found: FloatArray = value.reshape(-1, *shape)
    return found


def _with(chains: WeightedChains, agent: int, table: FloatArray) -> WeightedChains:
    values = list(chains.values)
    values[agent] = (table,) * chains.stages
    return replace(chains, values=tuple(values))


def _joint_kernel(chains: WeightedChains, members: Sequence[int]) -> FloatArray:
    """``(action, profile, next profile)``."""
    kernels = [np.asarray(chains.kernel[j][0]) for j in members]
    matrices = [reduce(np.kron, [kernel[a] for kernel in kernels]) for a in range(chains.action_counts[0])]
    return np.stack(matrices)


def _expected(kernel: FloatArray, value: FloatArray) -> FloatArray:
    """Expectation of functions ``(n, profile)`` of the next profile, ``(n, action, profile)``."""
    moved: FloatArray = np.moveaxis(kernel @ value.T, 2, 0)
    return moved


def _for_ever(chains: WeightedChains, kernel: FloatArray, reward: FloatArray) -> FloatArray:
    """Policy iteration for all rewards ``(n, action, profile)`` at once; values ``(n, profile)``."""
    discount, left = chains.discount, left_over(chains)
    count, _, size = reward.shape
    states, values = np.arange(size), np.empty((count, size))
    policy = reward.argmax(axis=1)
    active, patience = np.arange(count), np.full(count, PATIENCE)
    for _ in range(MAX_IMPROVEMENTS):
        mine, at = reward[active], policy[active]
        h, g = _evaluated(kernel, np.take_along_axis(mine, at[:, None], axis=1)[:, 0], at, discount, left)
        table = mine + discount * _expected(kernel, h)
        scale = np.abs(table).max(axis=(1, 2))
        gain = table.max(axis=1) - table[np.arange(len(active))[:, None], at, states]
        most = gain.max(axis=1)
        patience[active] -= most <= TIE * scale
        done = (most <= ROUNDING * scale) | (patience[active] < 0)
        values[active[done]] = (table.max(axis=1) + (discount / left) * g[:, None])[done]
        better = gain > (ROUNDING * scale)[:, None]
        policy[active] = np.where(better, table.argmax(axis=1), at)
        active = active[~done]
        if not active.size:
            return values
    raise LimitError(f"no optimal policy after {MAX_IMPROVEMENTS} improvements; use a smaller discount")


def _evaluated(
    kernel: FloatArray, reward: FloatArray, policy: IntArray, discount: float, left: float
) -> tuple[FloatArray, FloatArray]:
    """Differences ``(n, profile)``, 0 at the first, and levels ``(n,)`` of policies with their rewards."""
    differences, levels = np.zeros(reward.shape), np.zeros(len(reward))
    states = np.arange(reward.shape[1])
    kinds, kind = np.unique(policy, axis=0, return_inverse=True)
    for number, actions in enumerate(kinds):
        lanes = np.flatnonzero(kind.ravel() == number)
        moves = discount * kernel[actions, states]
        system = np.eye(len(states)) - moves
        system[:, 0] = 1.0  # the level takes the place of the first difference, which is 0
        factors, wanted = lu_factor(system), reward[lanes].T
        parts = lu_solve(factors, wanted)
        for _ in range(2):
            h, g = np.vstack([np.zeros(len(lanes)), parts[1:]]), parts[0]
            residual = wanted + moves @ h - h - g
            parts = parts + lu_solve(factors, residual)
        h, g = np.vstack([np.zeros(len(lanes)), parts[1:]]), parts[0]
        residual = wanted + moves @ h - h - g
        for lane in range(len(lanes)):
            required(Relative(h[:, lane], float(g[lane]), left), wanted[:, lane], residual[:, lane])
        differences[lanes], levels[lanes] = h.T, g
    return differences, levels
