r"""Targets of contingent transfers, and utilities under the truth.

With others' surplus S_{-i} = sum_{j != i} u_j - cost, discount d, and p_{t+1} the transfer that agent i pays in period
t + 1, the target is c(a, th) = E[p_{t+1} | a, th] (periods counted from 1)::

    efficient, t < T - 1 or T infinite     d c = -S_{-i}(a, th)
    efficient, t = T - 1                   d c = -S_{-i}(a, th) - d E[W_T - U_T | a, th]
    any other rule                         d c = u_i(a, th) + d E[V_{t+1} | a, th] - V_t(th)

with U_T(th) = u_i(a_T(th), th) - q_i(th) for the payments q of the last period. An agent then gets V_t = W_t for t < T
and V_T = U_T, less what is sunk. **The term of t = T - 1 is missing in the slides**: the proof of Lemma A.3 takes W for
the truthful payoff of every period, but in the last one it is U_T; without the term deviations gain.

For any other rule V_t is what the rule is worth to her without transfers before the last period, so that expected
transfers are 0 under the truth, and she is indifferent among all reports.

Source: Liu (2025), Lemmas A.3 and A.4, Corollary 3.3.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mechopt.closedform.pivot.efficient import chosen
from mechopt.closedform.pivot.efficient_joint import expected_next, stationary_value, surplus
from mechopt.core.numbers import FloatArray, IntArray
from mechopt.environment.interdependent import InterdependentTypes

Stages = tuple[FloatArray, ...]


def last_payoff(environment: InterdependentTypes, agent: int, policy: IntArray, payments: FloatArray) -> FloatArray:
    """Truthful payoff U_T of the last period; axes: signals."""
    return chosen(environment.values[agent][-1], policy) - payments


def truthful_values(
    environment: InterdependentTypes,
    agent: int,
    policy: Sequence[IntArray],
    welfare: Stages | None,
    last: FloatArray | None,
) -> Stages:
    """Values of the truth to an agent from each period on, sunk transfers apart: arrays ``(*signals,)`` by period.

    Parameters
    ----------
    environment : InterdependentTypes
    agent : int
    policy : sequence over periods of int arrays
    welfare : tuple over periods of arrays, or None
        W where the rule is efficient before the last period.
    last : array, or None
        U_T with a finite horizon.
    """
    if environment.infinite:
        if welfare is not None:
            return welfare
        last = stationary_value(environment, policy[-1], chosen(environment.values[agent][-1], policy[-1]))
    assert last is not None
    if welfare is not None:
        return (*welfare[:-1], last)
    values = [last]
    for t in reversed(range(environment.stages - 1)):
        table = environment.values[agent][t] + environment.discount * expected_next(environment, values[0], t)
        values.insert(0, chosen(table, policy[t]))
    return tuple(values)


def target(environment: InterdependentTypes, agent: int, t: int, values: Stages, welfare: Stages | None) -> FloatArray:
    """The target c; axes: action, signals.

    Parameters
    ----------
    environment : InterdependentTypes
    agent : int
    t : int
        Period whose signals the transfer is about; it is paid in the next.
    values : tuple over periods of arrays
        Those of `truthful_values`.
    welfare : tuple over periods of arrays, or None
        W where the rule is efficient before the last period.
    """
    discount, following = environment.discount, environment.following(t)
    if welfare is None:
        payoff = environment.values[agent][t] + discount * expected_next(environment, values[following], t)
        return np.asarray((payoff - values[t]) / discount)
    found = -surplus(environment, t, without=agent) / discount
    if not environment.infinite and following == environment.stages - 1:
        found = found - expected_next(environment, welfare[following] - values[following], t)
    return found


def values_under(
    environment: InterdependentTypes,
    agent: int,
    policy: Sequence[IntArray],
    paid: Sequence[FloatArray],
    last: FloatArray | None,
) -> Stages:
    """Values of the truth to an agent under given payments, sunk ones apart; arrays ``(*signals,)`` by period.

    Parameters
    ----------
    environment : InterdependentTypes
    agent : int
    policy : sequence over periods of int arrays ``(*signals,)``
    paid : sequence over periods of arrays ``(others' profile, report, own signal)``
        Expected transfers about a period, in money of the next; see `gain.expected_payment`.
    last : array ``(*signals,)``, or None
        Paid in the last period at once; None with an infinite horizon.
    """
    flows = []
    for t, table in enumerate(paid):
        shape = environment.shape[t]
        others = (size for j, size in enumerate(shape) if j != agent)
        due = np.diagonal(table, axis1=1, axis2=2).reshape(*others, shape[agent])
        flow = chosen(environment.values[agent][t], policy[t])
        flows.append(flow - environment.discount * np.moveaxis(due, -1, agent))
    if last is None:
        values = [stationary_value(environment, policy[-1], flows[-1])]
    else:
        values = [last_payoff(environment, agent, policy[-1], last)]
    for t in reversed(range(environment.stages - 1)):
        later = chosen(expected_next(environment, values[0], t), policy[t])
        values.insert(0, flows[t] + environment.discount * later)
    return tuple(values)


def by_own_signal(array: FloatArray, agent: int) -> FloatArray:
    """Move an agent's own signal last and flatten the others': ``(action, *signals)`` to ``(action, others, own)``."""
    moved = np.moveaxis(array, 1 + agent, -1)
    found: FloatArray = moved.reshape(len(moved), -1, moved.shape[-1])
    return found
