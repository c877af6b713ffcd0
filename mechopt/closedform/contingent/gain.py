"""Gain from one misreport, given the value of the truth later; the closed form's own account of its transfers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mechopt.closedform.contingent.targets import by_own_signal
from mechopt.core.numbers import FloatArray, IntArray
from mechopt.environment.interdependent import InterdependentTypes


def by_report(policy: IntArray, agent: int) -> IntArray:
    """Action by the others' profile and an agent's report: ``(*signals,)`` to ``(others, report)``."""
    moved = np.moveaxis(policy, agent, -1)
    return moved.reshape(-1, moved.shape[-1])


def gains(
    environment: InterdependentTypes, agent: int, t: int, policy: IntArray, expected: FloatArray, paid: FloatArray
) -> FloatArray:
    """Gain of every report at every signal before the last period; axes: ..., others' profile, own signal, report.

    Parameters
    ----------
    environment : InterdependentTypes
    agent : int
    t : int
    policy : int array ``(*signals,)``
    expected : array ``(action, *signals)``
        Expectation of what the truth is worth to the agent from the next period on, transfers about this one apart.
    paid : array ``(..., others, report, own signal)``
        Expected present value of the transfers that a report decides on, as of period t.
    """
    payoff = environment.values[agent][t] + environment.discount * expected
    actions = by_report(policy, agent)
    value = by_own_signal(payoff, agent)[actions, np.arange(len(actions))[:, np.newaxis]]
    return gained(value - paid)


def expected_payment(transfers: FloatArray, columns: FloatArray, actions: IntArray) -> FloatArray:
    """Expected payment; axes: others' profile, report, own signal.

    Parameters
    ----------
    transfers : array ``(action, others, row)`` or ``(action, others, report, row)``
    columns : array ``(action or 1, others, row, own signal)``
        Distributions of the rows.
    actions : int array ``(others, report)``
    """
    others, reports = np.arange(len(actions))[:, np.newaxis], np.arange(actions.shape[1])
    columns = np.broadcast_to(columns, (len(transfers), *columns.shape[1:]))
    if transfers.ndim == 3:
        found: FloatArray = (transfers[..., np.newaxis, :] @ columns)[actions, others, 0]
        return found
    distributions = columns[0][:, np.newaxis] if columns.strides[0] == 0 else columns[actions, others]
    by_row: FloatArray = (transfers[actions, others, reports][..., np.newaxis, :] @ distributions)[..., 0, :]
    return by_row


def last_gains(environment: InterdependentTypes, agent: int, policy: IntArray, payments: FloatArray) -> FloatArray:
    """Gain of every report in the last period; axes as in `gains`.

    Parameters
    ----------
    environment : InterdependentTypes
    agent : int
    policy : int array ``(*signals,)``
    payments : array ``(*signals,)``
        By reports, paid at once.
    """
    actions = by_report(policy, agent)
    others = np.arange(len(actions))[:, np.newaxis]
    moved = np.moveaxis(payments, agent, -1).reshape(actions.shape)
    return gained(by_own_signal(environment.values[agent][-1], agent)[actions, others] - moved[..., np.newaxis])


def gained(value: FloatArray) -> FloatArray:
    """Payoffs ``(others, report, own signal)`` less that of the truth; axes: others, own signal, report."""
    truth = np.diagonal(value, axis1=-2, axis2=-1)
    found: FloatArray = value.swapaxes(-2, -1) - truth[..., np.newaxis]
    return found


def largest(tables: Sequence[FloatArray]) -> float:
    """Largest of all gains; 0 where the truth is best everywhere."""
    return max((float(table.max()) for table in tables), default=0.0)
