"""Revenue, welfare and utilities of a bank account mechanism, exactly where that is feasible and by simulation else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from mechopt.closedform.bank.reachable import MAX_STATES, reachable
from mechopt.closedform.bank.stage import BankAccounts
from mechopt.core.errors import Fault, InputError, LimitError
from mechopt.core.numbers import FloatArray
from mechopt.mechanism.outcome import at_profiles, own_surplus

AUTO_WORK = 50_000_000
"""Entries (buyer, balances, profile) of all periods up to which "auto" follows the distribution of balances."""
AUTO_LEAVES = 5_000_000
"""Entries (buyer, history) of the last period up to which "auto" enumerates histories."""
PART_ENTRIES = 4_000_000
MOST_RUNS, LEAST_RUNS = 10_000, 200
"""Runs of a simulation where the caller does not say, as many as `AUTO_WORK` allows."""
METHODS = ("auto", "enumeration", "balance distribution", "simulation")


@dataclass(frozen=True)
class BankOutcome:
    """Expected present values at truthful reports, and how they were found.

    Attributes
    ----------
    revenue : float
        Payments net of the seller's costs.
    welfare : float
        Values of what is sold net of costs: revenue plus utilities.
    utilities : tuple of float
        By buyer.
    method : str
        ``"enumeration"`` of histories or ``"balance distribution"``, which are exact, or ``"simulation"``.
    states : int or None
        Largest number of distinct balances before a period, where their distribution was followed.
    runs, seed : int or None
        Of a simulation; the seed is None where the caller gave a generator.
    revenue_error, welfare_error : float or None
        Standard errors of a simulation.
    utility_errors : tuple of float or None
        By buyer.
    """

    revenue: float
    welfare: float
    utilities: tuple[float, ...]
    method: str
    states: int | None = None
    runs: int | None = None
    seed: int | None = None
    revenue_error: float | None = None
    welfare_error: float | None = None
    utility_errors: tuple[float, ...] | None = None

    @property
    def exact(self) -> bool:
        """Whether the numbers are exact up to rounding."""
        return self.method != "simulation"


def bank_outcome(
    mechanism: BankAccounts,
    method: str = "auto",
    runs: int | None = None,
    rng: np.random.Generator | int = 0,
    max_states: int = MAX_STATES,
) -> BankOutcome:
    """Find the outcome; see `BankAccountMechanism.outcome`."""
    if method not in METHODS:
        raise InputError([Fault("method", f"is {method!r}", f"choose one of {', '.join(map(repr, METHODS))}")])
    if runs is None:
        each = mechanism.environment.horizon * max(mechanism.effort, 1)
        runs = min(max(AUTO_WORK // each, LEAST_RUNS), MOST_RUNS)
    if method == "enumeration":
        return _enumeration(mechanism)
    if method == "simulation":
        return _simulation(mechanism, runs, rng)
    if method == "balance distribution":
        return _distribution(mechanism, max_states, np.inf)
    try:
        return _distribution(mechanism, max_states, AUTO_WORK)
    except LimitError:
        env = mechanism.environment
        if mechanism.tree.count[-2] * mechanism.effort + env.agents * mechanism.tree.count[-1] <= AUTO_LEAVES:
            return _enumeration(mechanism)
        return _simulation(mechanism, runs, rng)


def _enumeration(mechanism: BankAccounts) -> BankOutcome:
    outcome = mechanism.to_mechanism().outcome
    return BankOutcome(outcome.revenue, outcome.welfare, outcome.utilities, "enumeration")


def _distribution(mechanism: BankAccounts, max_states: int, max_work: float) -> BankOutcome:
    """Carry the probabilities of the distinct balance vectors through the periods."""
    env, states = mechanism.environment, 0
    utilities, revenue, welfare = np.zeros(env.agents), 0.0, 0.0
    for t, stage, probability in reachable(mechanism, True, max_states, max_work):
        likely = np.multiply.outer(probability, env.distribution(t))
        utilities += (mechanism.utility(t, stage) * likely).reshape(env.agents, -1).sum(axis=1)
        fees = env.present_value[t] * at_profiles(mechanism.tree, t, [row[t] for row in env.net_cost])
        revenue += float(((stage.payment - fees * stage.allocation) * likely).sum())
        worth = stage.allocation * own_surplus(mechanism.tree, t)
        welfare += float(env.present_value[t] * (worth * likely).sum())
        states = max(states, probability.shape[1])
    totals = tuple(utilities.tolist())
    return BankOutcome(revenue, welfare, totals, "balance distribution", states)


def _simulation(mechanism: BankAccounts, runs: int, rng: np.random.Generator | int) -> BankOutcome:
    """Draw types, play truthfully and average."""
    if runs < 2:
        raise InputError([Fault("runs", f"is {runs}", "standard errors need at least 2")])
    seed = None if isinstance(rng, np.random.Generator) else int(rng)
    samples = np.concatenate(list(drawn_samples(mechanism, runs, np.random.default_rng(rng))), axis=1)
    mean, error = samples.mean(axis=1).tolist(), (samples.std(axis=1, ddof=1) / np.sqrt(runs)).tolist()
    return BankOutcome(
        mean[0],
        mean[1],
        tuple(mean[2:]),
        "simulation",
        None,
        runs,
        seed,
        error[0],
        error[1],
        tuple(error[2:]),
    )


def drawn_samples(mechanism: BankAccounts, runs: int, rng: np.random.Generator) -> Iterator[FloatArray]:
    """Revenue, welfare and utilities of each run, ``(2 + n, runs of the part)``, in parts that fit into memory."""
    env = mechanism.environment
    entries = env.agents * max(prod(types) for types in env.shape)
    step = max(1, PART_ENTRIES // entries)
    for first in range(0, runs, step):
        size = min(step, runs - first)
        every = np.arange(size)
        balance, utility = np.zeros((env.agents, size)), np.zeros((env.agents, size))
        revenue, welfare = np.zeros(size), np.zeros(size)
        for t in range(env.horizon):
            drawn = [rng.choice(row[t].size, size=size, p=row[t]) for row in env.probabilities]
            stage = mechanism.stage(t, balance)
            at: tuple[Any, ...] = (slice(None), every, *drawn)
            x, p = stage.allocation[at], stage.payment[at]
            value = env.present_value[t] * np.stack([row[t][k] for row, k in zip(env.values, drawn, strict=True)])
            utility += value * x - p
            fee = env.present_value[t] * np.stack([row[t][k] for row, k in zip(env.net_cost, drawn, strict=True)])
            welfare += ((value - fee) * x).sum(axis=0)
            revenue += (p - fee * x).sum(axis=0)
            balance = balance - stage.spend + stage.deposit[at]
        yield np.stack([revenue, welfare, *utility])
