"""Sample paths of mechanisms for persistent types, and the balances of bank accounts by period."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np

from mechopt.closedform.bank.mechanism import BankAccountMechanism
from mechopt.closedform.bank.reachable import reachable
from mechopt.closedform.pivot.dynamic_pivot import DynamicPivot
from mechopt.core.errors import Fault, InputError, LimitError, require_type
from mechopt.core.numbers import FloatArray, IntArray, readonly
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.markov import MarkovTypes
from mechopt.mechanism.bank_table import BankTable
from mechopt.mechanism.endless.contracted import ContractedMechanism
from mechopt.mechanism.protocol import Unrollable
from mechopt.mechanism.stationary import MarkovMechanism
from mechopt.solve.promised.policy import PromisePolicy

Account = BankAccountMechanism | BankTable | PromisePolicy
"""What remembers a balance, or a promise."""

DEFAULT_PERIODS = 20
"""Of a path with an infinite horizon."""
EXACT_WORK, EXACT_STATES = 2 * 10**7, 20_000
"""Entries of all periods, and balances before a period, up to which the distribution of balances is followed."""
SIMULATED = 2000
"""Runs that stand for the distribution beyond."""


@dataclass(frozen=True, eq=False, repr=False)
class SamplePath:
    """One run period by period, everybody truthful; money of the period.

    Attributes
    ----------
    environment : MarkovTypes
    types : read-only int array ``(period, agent)``
    action : read-only int array ``(period,)``
    value : read-only float array ``(period, agent)``
        What the action is worth to each.
    transfer : read-only float array ``(period, agent)``
        Agent to seller.
    """

    environment: MarkovTypes
    types: IntArray
    action: IntArray
    value: FloatArray
    transfer: FloatArray

    @property
    def actions(self) -> tuple[str, ...]:
        """Names of the actions."""
        names = self.environment.action_names
        return tuple(names(t)[a] for t, a in enumerate(self.action.tolist()))

    def __repr__(self) -> str:
        return (
            f"SamplePath({len(self.action)} periods: {', '.join(self.actions[:6])}{', ...' * (len(self.action) > 6)})"
        )


def sample_path(
    mechanism: DynamicPivot | MarkovMechanism, rng: np.random.Generator | int = 0, periods: int | None = None
) -> SamplePath:
    """Draw types and follow the mechanism, everybody truthful.

    Parameters
    ----------
    mechanism : DynamicPivot or MarkovMechanism
    rng : numpy Generator or seed
    periods : int, optional
        How many; default: all of a finite horizon, 20 of an infinite one.

    Returns
    -------
    SamplePath

    Raises
    ------
    InputError
        If there are not so many periods.

    Examples
    --------
    Tasks worth 5, 3 and 1 are done in this order, at the prices 7/4, 1/2 and 0:

    >>> from mechopt.closedform.pivot.dynamic_pivot import dynamic_pivot
    >>> from mechopt.environment.families.tasks import scheduling
    >>> path = sample_path(dynamic_pivot(scheduling([5, 3, 1], "1/2")), periods=3)
    >>> path, path.transfer.diagonal().round(12) + 0.0
    (SamplePath(3 periods: serve 0, serve 1, serve 2), array([1.75, 0.5 , 0.  ]))
    """
    require_type(mechanism, ("DynamicPivot", "MarkovMechanism"), "sample_path", "give mo.dynamic_pivot(env)")
    written: Any = mechanism.to_mechanism() if isinstance(mechanism, Unrollable) else mechanism
    followed: MarkovMechanism = written.allocation if isinstance(written, ContractedMechanism) else written
    env, rng = followed.environment, np.random.default_rng(rng)
    most = None if env.infinite else env.stages
    count = (DEFAULT_PERIODS if most is None else most) if periods is None else periods
    if type(count) is not int or count < 1 or (most is not None and count > most):
        raise InputError([Fault("periods", f"is {count!r}", f"write 1 to {most}" if most else "write 1 or more")])
    types = np.zeros((count, env.agents), dtype=np.int64)
    action = np.zeros(count, dtype=np.int64)
    value, transfer = np.zeros((count, env.agents)), np.zeros((count, env.agents))
    for t in range(count):
        distributions = env.initial if t == 0 else [env.kernel[i][followed.stage(t - 1)] for i in range(env.agents)]
        for i, distribution in enumerate(distributions):
            row = distribution if t == 0 else distribution[action[t - 1], types[t - 1, i]]
            types[t, i] = rng.choice(len(row), p=row)
        stage, profile = followed.stage(t), tuple(types[t])
        action[t] = followed.policy[stage][profile]
        for i in range(env.agents):
            value[t, i] = env.values[i][stage][action[t], types[t, i]]
            transfer[t, i] = followed.transfer[i][min(t, followed.periods - 1)][profile]
    return SamplePath(env, readonly(types, np.int64), readonly(action, np.int64), readonly(value), readonly(transfer))


@singledispatch
def balance_distributions(mechanism: Any, buyer: int = 0) -> list[tuple[FloatArray, FloatArray]]:
    """Balances of a buyer that can be met before each period, and how probable each is; present value.

    Parameters
    ----------
    mechanism : BankAccountMechanism, BankTable or PromisePolicy
        Of a policy: the tabulated promise, on which sales depend; what is promised beyond the last one is the buyer's
        for good.
    buyer : int

    Raises
    ------
    LimitError
        If a bank account has too many balances to follow.
    """
    raise InputError(
        f"a {type(mechanism).__name__} remembers no balance; give a bank account or a policy over promises"
    )


@balance_distributions.register(PromisePolicy)
def _(mechanism: PromisePolicy, buyer: int = 0) -> list[tuple[FloatArray, FloatArray]]:
    return [
        (table.promises, distribution)
        for table, distribution in zip(mechanism.tables, mechanism.distribution, strict=True)
    ]


@balance_distributions.register(BankTable)
def _(mechanism: BankTable, buyer: int = 0) -> list[tuple[FloatArray, FloatArray]]:
    return [
        (part.balances, distribution)
        for part, distribution in zip(mechanism.periods, mechanism.distribution, strict=True)
    ]


@balance_distributions.register(BankAccountMechanism)
def _(mechanism: BankAccountMechanism, buyer: int = 0) -> list[tuple[FloatArray, FloatArray]]:
    met = reachable(mechanism, possible_only=True, max_states=EXACT_STATES, max_work=EXACT_WORK)
    return [(stage.balance[buyer], probability[buyer]) for _, stage, probability in met]


def simulated_balances(mechanism: Account, rng: np.random.Generator, runs: int, buyer: int = 0) -> FloatArray:
    """Balances of a buyer before each period in runs with truthful reports, ``(period, run)``; present value."""
    found: FloatArray = np.stack([balance[buyer] for balance in _followed(mechanism, rng, runs)])
    return found


@singledispatch
def _followed(mechanism: Any, rng: np.random.Generator, runs: int) -> Iterator[FloatArray]:
    """Balances ``(n, runs)`` before each period, everybody truthful."""
    raise InputError(
        f"a {type(mechanism).__name__} remembers no balance; give a bank account or a policy over promises"
    )


@_followed.register(PromisePolicy)
def _(mechanism: PromisePolicy, rng: np.random.Generator, runs: int) -> Iterator[FloatArray]:
    promise = np.full(runs, mechanism.promise)
    for t, table in enumerate(mechanism.tables):
        (types,) = _drawn(mechanism.environment, rng, runs, t)
        left, share, _ = table.between(promise)
        entry = left + (rng.random(runs) < share)
        yield table.promises[entry][None]
        promise = table.next_promises[entry, types]


@_followed.register(BankTable)
def _(mechanism: BankTable, rng: np.random.Generator, runs: int) -> Iterator[FloatArray]:
    row = np.zeros(runs, dtype=np.int64)
    for t, part in enumerate(mechanism.periods):
        yield part.balances[row][None]
        (types,) = _drawn(mechanism.environment, rng, runs, t)
        up = rng.random(runs) < part.share[row, types]
        row = part.after[row, types] + up


@_followed.register(BankAccountMechanism)
def _(mechanism: BankAccountMechanism, rng: np.random.Generator, runs: int) -> Iterator[FloatArray]:
    env, every = mechanism.environment, np.arange(runs)
    balance = np.zeros((env.agents, runs))
    for t in range(env.horizon):
        yield balance
        at: tuple[Any, ...] = (slice(None), every, *_drawn(env, rng, runs, t))
        balance = mechanism.stage(t, balance).next_balance[at]


def _drawn(environment: IndependentTypes, rng: np.random.Generator, runs: int, t: int) -> list[IntArray]:
    """Types of each buyer in a period."""
    return [
        rng.choice(distribution[t].size, size=runs, p=distribution[t]) for distribution in environment.probabilities
    ]


def balance_quantiles(
    mechanism: Account, shares: FloatArray, rng: np.random.Generator, buyer: int = 0
) -> tuple[FloatArray, FloatArray, bool]:
    """Quantiles ``(period, share)`` and means ``(period,)`` of a buyer's balance, and whether they are exact."""
    try:
        distributions, exact = balance_distributions(mechanism, buyer), True
    except LimitError:
        runs = simulated_balances(mechanism, rng, SIMULATED, buyer)
        distributions, exact = [(balance, np.full(SIMULATED, 1 / SIMULATED)) for balance in runs], False
    quantiles, means = np.zeros((len(distributions), len(shares))), np.zeros(len(distributions))
    for t, (balance, distribution) in enumerate(distributions):
        order = np.argsort(balance, kind="stable")
        reached = distribution[order].cumsum()
        place = np.searchsorted(reached, shares * reached[-1] - 1e-12)
        quantiles[t], means[t] = balance[order][np.minimum(place, len(balance) - 1)], balance @ distribution
    return quantiles, means, exact
