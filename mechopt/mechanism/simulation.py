"""Mechanisms by simulation: draw types and the mechanism's own lotteries, report truthfully, average.

`played` gives revenue, utilities and welfare of each run. The forms of this room are registered here, those of others
beside their classes; every other mechanism is written out as its ``to_mechanism`` does and played as that.
"""

from __future__ import annotations

from functools import singledispatch
from math import ceil, log
from typing import Any, NamedTuple

import numpy as np

from mechopt.core.errors import InputError
from mechopt.core.numbers import FloatArray, IntArray
from mechopt.histories.chain import along
from mechopt.mechanism.bank_table import BankTable
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.outcome import Simulation
from mechopt.mechanism.protocol import Unrollable
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.mechanism.stationary import MarkovMechanism

TAIL = 1e-6
"""With an infinite horizon runs end where present value is this share, and what follows enters by its expectation."""
MAX_FOLLOWED = 2000
"""Most periods of a run with an infinite horizon, but for those whose transfers differ."""


class Runs(NamedTuple):
    """Present values of each run.

    Attributes
    ----------
    revenue : array ``(runs,)``
    utility : array ``(n, runs)``
    welfare : array ``(runs,)``
        From what is done alone.
    """

    revenue: FloatArray
    utility: FloatArray
    welfare: FloatArray


@singledispatch
def played(mechanism: Any, rng: np.random.Generator, runs: int) -> Runs:
    """Present values of each of so many runs.

    Raises
    ------
    InputError
        If it is in no form that is followed.
    """
    if not isinstance(mechanism, Unrollable):
        raise InputError(f"a {type(mechanism).__name__} is in no form that is simulated; give it a to_mechanism()")
    return played(mechanism.to_mechanism(), rng, runs)


def simulate(mechanism: Any, rng: np.random.Generator | int, runs: int = 10_000) -> Simulation:
    """Draw types and the mechanism's own lotteries, report truthfully and average.

    Parameters
    ----------
    mechanism : a mechanism of any form
    rng : numpy Generator or seed
    runs : int
        At least 2.

    Raises
    ------
    InputError
        If there are fewer than two runs, or the mechanism cannot be simulated.
    LimitError
        If there are too many histories to write it out, where that is needed.
    """
    if runs < 2:
        raise InputError(f"runs is {runs}; standard errors need at least 2")
    return Simulation.of(*played(mechanism, np.random.default_rng(rng), runs))


@played.register(Mechanism)
def _(mechanism: Mechanism, rng: np.random.Generator, runs: int) -> Runs:
    env = mechanism.environment
    node = np.zeros(runs, dtype=np.int64)
    payment, utility = np.zeros((env.agents, runs)), np.zeros((env.agents, runs))
    cost, worth = np.zeros(runs), np.zeros(runs)
    for t, weight in enumerate(env.present_value):
        types = env.shape[t]
        drawn = [rng.choice(types[i], size=runs, p=row[t]) for i, row in enumerate(env.probabilities)]
        node = np.ravel_multi_index((node, *drawn), (mechanism.tree.count[t], *types))
        x, p = (a[t].reshape(env.agents, -1)[:, node] for a in (mechanism.allocation, mechanism.payment))
        value = np.stack([row[t][k] for row, k in zip(env.values, drawn, strict=True)])
        own = np.array([weights[t] for weights in env.own_present_value])[:, None]
        payment += weight * p
        utility += own * (value * x - p)
        fees = np.stack([row[t][k] for row, k in zip(env.net_cost, drawn, strict=True)])
        cost += weight * (fees * x).sum(axis=0)
        worth += (own * value * x).sum(axis=0)
    return Runs(payment.sum(axis=0) - cost, utility, worth - cost)


@played.register(SequenceMechanism)
def _(mechanism: SequenceMechanism, rng: np.random.Generator, runs: int) -> Runs:
    if mechanism.limit:
        raise InputError("the mechanism is a limit of mechanisms with payments without bound: it cannot be simulated")
    tree, process = mechanism.tree, mechanism.process
    slot = np.zeros(runs, dtype=np.int64)
    profile = rng.choice(len(process.initial), size=runs, p=process.initial / process.initial.sum())
    paid, gained = np.zeros((process.agents, runs)), np.zeros((process.agents, runs))
    cost, worth = np.zeros(runs), np.zeros(runs)
    for t, weight in enumerate(process.present_value):
        node = tree.find(t, slot, profile)
        chosen = drawn_rows(rng, mechanism.policy[t][node])
        branch = chosen if tree.branches[t] > 1 else np.zeros_like(chosen)
        fee = mechanism.payment[t][:, node, branch] / mechanism.recorded(t)[node, branch]
        own = np.array([weights[t] for weights in process.own_present_value])[:, None]
        paid += weight * fee
        gained += own * (process.values[t][:, chosen, profile] - fee)
        cost += weight * process.costs[t][chosen]
        if process.gains is not None:
            cost -= weight * process.gains[t][chosen, profile]
        worth += (own * process.values[t][:, chosen, profile]).sum(axis=0)
        if t + 1 < tree.horizon:
            profile = drawn_rows(rng, process.kernel[t][chosen, profile])
            slot = tree.following(t)[node, branch]
    return Runs(paid.sum(axis=0) - cost, gained, worth - cost)


@played.register(MarkovMechanism)
def _(mechanism: MarkovMechanism, rng: np.random.Generator, runs: int) -> Runs:
    env, everybody = mechanism.environment, range(mechanism.environment.agents)
    periods = mechanism.periods if not env.infinite else max(mechanism.periods, _followed(env.discount))
    types = [rng.choice(len(distribution), size=runs, p=distribution) for distribution in env.initial]
    utility, welfare = np.zeros((env.agents, runs)), np.zeros(runs)
    for t in range(periods):
        s, weight, profile = mechanism.stage(t), env.discount**t, tuple(types)
        action = mechanism.policy[s][profile]
        own = np.stack([along(env, i, s, [i])[action, types[i]] for i in everybody])
        fee = np.stack([row[min(t, mechanism.periods - 1)][profile] for row in mechanism.transfer])
        utility += weight * (own - fee)
        welfare += weight * (own.sum(axis=0) - env.costs[s][action])
        for row, k in zip(env.seller_values or (), types, strict=False):
            welfare += weight * row[s][action, k]
        if env.infinite or t + 1 < periods:
            types = [drawn_rows(rng, env.kernel[i][s][action, types[i]]) for i in everybody]
    if env.infinite:
        weight, profile = env.discount**periods, tuple(types)
        utility += weight * np.stack([values[-1][profile] for values in mechanism.continuation])
        welfare += weight * mechanism.continuation_welfare[-1][profile]
    return Runs(welfare - utility.sum(axis=0), utility, welfare)


def _followed(discount: float) -> int:
    return min(MAX_FOLLOWED, ceil(log(TAIL) / log(discount)))


@played.register(BankTable)
def _(mechanism: BankTable, rng: np.random.Generator, runs: int) -> Runs:
    env = mechanism.environment
    row, revenue, utility, welfare = np.zeros(runs, dtype=np.int64), *np.zeros((3, runs))
    for t, period in enumerate(mechanism.periods):
        types = rng.choice(env.shape[t][0], size=runs, p=env.probabilities[0][t])
        up = (rng.random(runs) < period.share[row, types]).astype(np.int64)
        outcomes, mean = mechanism.coin(t)
        sold = period.allocation[row, types]
        paid = period.payment[row, types] - (outcomes[up, row, types] - mean[row, types])
        fee = env.present_value[t] * env.net_cost[0][t][types]
        revenue += paid - fee * sold
        utility += mechanism.values(t)[types] * sold - paid
        welfare += (mechanism.values(t)[types] - fee) * sold
        row = period.after[row, types] + up
    return Runs(revenue, utility[None], welfare)


def drawn_rows(rng: np.random.Generator, probabilities: FloatArray) -> IntArray:
    """One draw from each row of probabilities ``(runs, K)``."""
    ends = probabilities.cumsum(axis=1)
    drawn: IntArray = (rng.random((len(probabilities), 1)) * ends[:, -1:] >= ends).sum(axis=1)
    capped: IntArray = np.minimum(drawn, probabilities.shape[1] - 1)
    return capped
