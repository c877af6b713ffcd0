r"""Contingent transfers on what the others see in several future periods together, not one after the other.

The stack of `stacked` uses the distribution of the others' signals in each of the next L periods by itself. How they go
together may tell more: their joint distribution determines those, so that a condition that holds for the stack holds
for it, and it may hold where that of the stack fails. One transfer about period t is paid in period t + L, when all
that it depends on is known; it is the shortest that meets the target (Lemma A.4), whatever the own report.

For finite horizons and transitions that do not depend on actions: payments are then functions of the others' signals so
far and of actions, which no later report moves. The last periods have fewer than L ahead and take what there is.

Source: Liu (2025), Proposition 5.4, which stacks marginal distributions; the joint one is our extension.
"""

from __future__ import annotations

from math import prod

import numpy as np

from mechopt.closedform.contingent.gain import by_report, expected_payment, gains
from mechopt.closedform.contingent.program.numbers import others_of
from mechopt.closedform.contingent.result import ContingentTransfers, finished
from mechopt.closedform.contingent.setting import Setting
from mechopt.closedform.contingent.solve import BY_TARGET, System, span
from mechopt.closedform.contingent.targets import by_own_signal, target
from mechopt.core.errors import InputError, LimitError
from mechopt.core.numbers import FloatArray, readonly
from mechopt.environment.interdependent import InterdependentTypes

MAX_ENTRIES = 20_000_000
"""Largest number of payments due in one period, and of entries of a joint distribution."""
FIX = "try method='any', or stack more periods"


def joint_stacked(environment: InterdependentTypes, setting: Setting, steps: int) -> ContingentTransfers:
    """Solve for transfers on the joint distribution of several periods; see `contingent_transfers`.

    Raises
    ------
    ConditionError
        If a target cannot be met.
    InputError
        If the horizon is infinite, or transitions depend on actions.
    LimitError
        If there are too many histories.
    """
    if environment.infinite or any(environment.controlled(t) for t in range(len(environment.kernel))):
        raise InputError(
            "joint: is for finite horizons and transitions that do not depend on actions; leave it out to stack the "
            "distributions of single periods"
        )
    periods, agents = range(len(environment.kernel)), range(environment.agents)
    payments = [[np.zeros(_history(environment, t, i)) for i in agents] for t in periods]
    tables, bounds, condition, by_target = list[FloatArray](), list[float](), 1.0, False
    for t in periods:
        length = min(steps, environment.stages - 1 - t)
        for i in agents:
            columns = joint_columns(environment, t, i, length)
            worth = target(environment, i, t, setting.values[i], setting.targeted) * environment.discount ** (
                1 - length
            )
            wanted = by_own_signal(worth, i)
            actions = by_report(setting.policy[t], i)
            used = actions == np.arange(len(wanted))[:, np.newaxis, np.newaxis]
            solved = span(System(environment, t, i, columns, wanted, used, FIX))
            paid = expected_payment(solved.transfers, columns, actions)
            later = setting.expected_value(environment, i, t)
            tables.append(gains(environment, i, t, setting.policy[t], later, environment.discount**length * paid))
            bounds.append(solved.bound)
            condition, by_target = max(condition, solved.condition), by_target or solved.by_target
            _add(environment, payments[t + length - 1][i], t, i, length, solved.transfers)
    theorem = "Proposition 5.4, joint distributions" + (BY_TARGET if by_target else "")
    rows = tuple(tuple(readonly(table) for table in row) for row in payments)
    return finished(
        environment,
        "stacked",
        theorem,
        setting,
        rows,
        (),
        tables,
        [steps * bound for bound in bounds],
        True,
        condition=condition,
    )


def joint_columns(environment: InterdependentTypes, t: int, agent: int, length: int) -> FloatArray:
    """Joint distributions of the others' signals 1, ..., `length` periods after t, by own signal.

    Parameters
    ----------
    environment : InterdependentTypes
        With transitions that do not depend on actions.
    t, agent, length : int

    Returns
    -------
    float array ``(1, others, row, own signal)``
        Rows are the others' profiles of these periods, the first period's first, in C order.
    """
    now = environment.shape[t]
    law: FloatArray = np.eye(prod(now))[:, np.newaxis]  # profile now, others' path so far, profile at its end
    for ahead in range(length):
        kernel = environment.kernel[t + ahead][0].reshape(law.shape[-1], -1)
        others = others_of(environment.shape[t + ahead + 1], agent)
        paths, seen = law.shape[1], int(others.max()) + 1
        if law.shape[0] * paths * seen * kernel.shape[1] > MAX_ENTRIES:
            raise LimitError(f"joint: {length} periods together have too many outcomes; stack fewer of them")
        moved = law @ kernel
        split = np.zeros((law.shape[0], paths, seen, kernel.shape[1]))
        split[:, :, others, np.arange(kernel.shape[1])] = moved
        law = split.reshape(law.shape[0], paths * seen, -1)
    rows = np.moveaxis(law.sum(axis=-1).reshape(*now, -1), agent, -1)  # others, row, own
    return np.ascontiguousarray(rows.reshape(1, prod(now) // now[agent], -1, now[agent]))


def _others(environment: InterdependentTypes, t: int, agent: int) -> list[int]:
    return [size for j, size in enumerate(environment.shape[t]) if j != agent]


def _history(environment: InterdependentTypes, t: int, agent: int) -> tuple[int, ...]:
    """Axes of what is due in period t + 1: actions and the others' signals of all periods to t, their next signals."""
    sizes: list[int] = []
    for s in range(t + 1):
        sizes += [environment.action_counts[s], *_others(environment, s, agent)]
    sizes += _others(environment, t + 1, agent)
    if prod(sizes) > MAX_ENTRIES:
        raise LimitError(f"joint: payments due in period {t + 1} have {prod(sizes):,} histories; use fewer periods")
    return tuple(sizes)


def _add(
    environment: InterdependentTypes, due: FloatArray, t: int, agent: int, length: int, transfers: FloatArray
) -> None:
    """Add transfers about period t to all that is due `length` periods later."""
    each = environment.agents - 1
    shape = [1] * (t * (1 + each))
    shape += [len(transfers), *_others(environment, t, agent)]
    for ahead in range(1, length):
        shape += [1, *_others(environment, t + ahead, agent)]
    due += transfers.reshape(*shape, *_others(environment, t + length, agent))
