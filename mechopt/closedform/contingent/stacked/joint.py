r"""Contingent transfers on what the others see in several future periods together, not one after the other.

The stack of `stacked` uses the distribution of the others' signals in each of the next L periods by itself. How they go
together may tell more: their joint distribution determines those, so that a condition that holds for the stack holds
for it, and it may hold where that of the stack fails. One transfer about period t is paid in period t + L, when all
that it depends on is known; it is that of Lemma A.4 (spanning) or A.3 (convex independence, by own report).

Where transitions do not depend on actions no later report moves what is still due: any horizon. Where they do, see
`mechopt.closedform.contingent.stacked.by_history`. The last periods have fewer than L ahead and take what there is.

Source: Liu (2025), Propositions 5.3 and 5.4, which stack marginal distributions; the joint one is our extension.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from mechopt.closedform.contingent.gain import by_report, expected_payment, gains
from mechopt.closedform.contingent.program.numbers import Numbers, float_numbers, marginal, others_of
from mechopt.closedform.contingent.result import ContingentTransfers, finished
from mechopt.closedform.contingent.setting import ConditionError, Setting
from mechopt.closedform.contingent.solve import BY_TARGET, System, separate, span
from mechopt.closedform.contingent.targets import by_own_signal, target
from mechopt.core.errors import LimitError
from mechopt.core.numbers import Array, FloatArray, readonly
from mechopt.environment.interdependent import InterdependentTypes

MAX_ENTRIES = 20_000_000
"""Largest number of entries of a joint distribution."""
FIX = "try method='any', or stack more periods"


def joint_stacked(
    environment: InterdependentTypes, setting: Setting, steps: int, smallest: bool = False
) -> ContingentTransfers:
    """Solve for transfers on the joint distribution of several periods; see `contingent_transfers`.

    Transitions do not depend on actions.

    Raises
    ------
    ConditionError
        If a target cannot be met.
    LimitError
        If there are too many outcomes.
    """
    numbers, policy = float_numbers(environment), tuple(stage.ravel() for stage in setting.policy)
    systems: dict[tuple[int, int], tuple[System, int]] = {}
    for t in range(len(environment.kernel)):
        length = steps if environment.infinite else min(steps, environment.stages - 1 - t)
        for i in range(environment.agents):
            columns = path_columns(numbers, policy, t, i, length, one=True)
            worth = target(environment, i, t, setting.values[i], setting.targeted)
            wanted = by_own_signal(worth * environment.discount ** (1 - length), i)
            used = by_report(setting.policy[t], i) == np.arange(len(wanted))[:, np.newaxis, np.newaxis]
            systems[t, i] = System(environment, t, i, columns, wanted, used, FIX), length
    try:
        solved = {key: span(system, smallest) for key, (system, _) in systems.items()}
        theorem = "Proposition 5.4, joint distributions"
    except ConditionError:
        solved = {key: separate(system, smallest) for key, (system, _) in systems.items()}
        theorem = "Proposition 5.3, joint distributions"
    payments, tables = [], list[FloatArray]()
    for t in range(len(environment.kernel)):
        row = []
        for i in range(environment.agents):
            (system, length), found = systems[t, i], solved[t, i]
            paid = expected_payment(found.transfers, system.columns, by_report(setting.policy[t], i))
            later = setting.expected_value(environment, i, t)
            tables.append(gains(environment, i, t, setting.policy[t], later, environment.discount**length * paid))
            row.append(_shaped(environment, t, i, length, found.transfers))
        payments.append(tuple(row))
    bounds = [found.bound for found in solved.values()]
    theorem += BY_TARGET if any(found.by_target for found in solved.values()) else ""
    condition = max((found.condition for found in solved.values()), default=1.0)
    return finished(
        environment,
        "stacked",
        theorem,
        setting,
        tuple(payments),
        (),
        tables,
        bounds,
        condition=condition,
        together=steps,
    )


def path_columns(numbers: Numbers, policy: Any, t: int, agent: int, length: int, one: bool = False) -> Array:
    """Joint distributions of the others' signals 1, ..., `length` periods after t, by own signal.

    Parameters
    ----------
    numbers : Numbers
    policy : tuple over periods of int arrays ``(profile,)``
        Under which actions are taken from t + 1 on.
    t, agent, length : int
    one : bool
        Whether transitions do not depend on actions, so that one entry stands for all.

    Returns
    -------
    array ``(action or 1, others, row, own signal)``
        Rows are the others' profiles of these periods, the first period's first, in C order.
    """
    now, kernel, at = numbers.shape[t], numbers.kernel[t], t
    distribution: Array = (kernel[:1] if one else kernel)[
        :, :, np.newaxis
    ]  # action, profile now, path so far, profile then
    for ahead in range(length):
        if ahead:
            moved = numbers.kernel[at][policy[at], np.arange(len(policy[at]))]
            _require_few(distribution.size // distribution.shape[-1] * moved.shape[1])
            distribution = distribution @ moved
        at = numbers.following(at)
        others = others_of(numbers.shape[at], agent)
        seen, end = int(others.max()) + 1, distribution.shape[-1]
        _require_few(distribution.size * seen)
        split = numbers.zeros(*distribution.shape[:-1], seen, end)
        split[..., others, np.arange(end)] = distribution
        distribution = split.reshape(*distribution.shape[:2], -1, end)
    summed = distribution.sum(axis=-1)  # action, profile now, path
    rows = np.moveaxis(summed.reshape(len(distribution), *now, -1), 1 + agent, -1)  # action, others, path, own
    found: Array = np.ascontiguousarray(rows.reshape(len(distribution), prod(now) // now[agent], -1, now[agent]))
    return found


def marginal_columns(numbers: Numbers, policy: Any, t: int, agent: int, length: int, one: bool = False) -> list[Array]:
    """Distributions of the others' signals 1, ..., `length` periods after t; each as `path_columns` gives it."""
    now, kernel, at, found = numbers.shape[t], numbers.kernel[t], t, list[Array]()
    distribution: Array = kernel[:1] if one else kernel
    for ahead in range(length):
        if ahead:
            distribution = distribution @ numbers.kernel[at][policy[at], np.arange(len(policy[at]))]
        at = numbers.following(at)
        rows = marginal(distribution, numbers.shape[at], agent)
        moved = np.moveaxis(rows.reshape(len(distribution), *now, -1), 1 + agent, -1)
        found.append(moved.reshape(len(distribution), prod(now) // now[agent], -1, now[agent]))
    return found


def _require_few(entries: int) -> None:
    if entries > MAX_ENTRIES:
        raise LimitError(f"joint: the periods together have {entries:,} outcomes; stack fewer of them")


def _shaped(environment: InterdependentTypes, t: int, agent: int, length: int, transfers: FloatArray) -> FloatArray:
    """Give the others' signals of every period an axis each; from ``(action, others, [report,] path)``."""
    periods = [t, *range(t + 1, t + length + 1)]
    now, *later = (
        [size for j, size in enumerate(environment.shape[environment.at(period)]) if j != agent] for period in periods
    )
    path = [size for sizes in later for size in sizes]
    return readonly(transfers.reshape(len(transfers), *now, *transfers.shape[2:-1], *path))
