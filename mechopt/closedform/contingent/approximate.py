r"""Efficient mechanisms that are incentive compatible up to a gain: `epsilon` at every state of an environment.

Each agent, period, action that the policy takes for some report of hers, and profile of the others' signals is a linear
program of its own. The target is that of an efficient mechanism (`targets`): minus the others' utilities, the seller's
cost counted as one of theirs, and in the period before the last a term for what the last one pays.

With every target met up to epsilon the truth is worth the efficient surplus up to epsilon / (1 - discount), and a
misreport in one period gains at most 2 epsilon / (1 - discount): the lemma's bound. That is a worst case over errors of
the worst signs; the transfers that were found are one case, whose largest gain is computed from what the truth is worth
under them, by recursion.

Source: Liu (2025), section 5.1. It has neither a finite horizon, nor the seller's cost, nor the restriction to actions
that are taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.closedform.contingent.conditions.spanning import matrices
from mechopt.closedform.contingent.epsilon import smallest_epsilon
from mechopt.closedform.contingent.gain import by_report, expected_payment, gains, largest, last_gains
from mechopt.closedform.contingent.result import shaped
from mechopt.closedform.contingent.setting import LastRule, Setting, prepare, require_transferable
from mechopt.closedform.contingent.targets import by_own_signal, target, values_under
from mechopt.closedform.pivot.efficient_joint import expected_next
from mechopt.core.errors import InputError
from mechopt.core.numbers import FloatArray, IntArray, readonly
from mechopt.core.provided import provided
from mechopt.environment.interdependent import InterdependentTypes

if TYPE_CHECKING:
    from mechopt.mechanism.sequence import SequenceMechanism

ROUNDING = 1e-12
"""Added to the gain that was computed, relative to the largest transfer or value."""


@dataclass(frozen=True, eq=False, repr=False)
class ApproximateTransfers:
    """Contingent transfers of a class that come as near as they can to those of an efficient mechanism.

    Attributes
    ----------
    environment : InterdependentTypes
    policy : tuple over periods of read-only int arrays ``(*signals,)``
    epsilons : nested tuples ``[t][i]`` of read-only float arrays ``(action, *others' signals)``
        Money of period t; NaN where no report of the agent leads to the action.
    payments : nested tuples ``[t][i]`` of read-only float arrays
        Axes: action, others' signals, own report, others' next signals. Paid in the next period, in its money; 0 where
        no report leads to the action.
    last_payments : tuple over agents of read-only float arrays ``(*signals,)``, or None
        Paid in the last period at once; None with an infinite horizon.
    violation : float
        By how much a misreport lowers an expected transfer; 0 up to the solver's rounding.
    gain : float
        Largest gain of a misreport in one period, at any signals of the others.
    welfare : float
        Expected present value of values less costs.
    utilities : tuple of float
        Of each agent, expected present value of the truth.
    """

    environment: InterdependentTypes
    policy: tuple[IntArray, ...]
    epsilons: tuple[tuple[FloatArray, ...], ...]
    payments: tuple[tuple[FloatArray, ...], ...]
    last_payments: tuple[FloatArray, ...] | None
    violation: float
    gain: float
    welfare: float
    utilities: tuple[float, ...]

    method = "approximate"
    later: tuple[tuple[tuple[FloatArray, ...], ...], ...] = ()
    history: bool = False
    reports: bool = False
    together: int = 0
    fees: tuple[float, ...] = ()

    @property
    def epsilon(self) -> float:
        """The largest epsilon."""
        return max((float(np.nanmax(table)) for row in self.epsilons for table in row), default=0.0)

    @property
    def max_abs(self) -> float:
        """Size of the largest payment."""
        last = self.last_payments or ()
        every = [*(table for row in self.payments for table in row), *last]
        return max((float(np.abs(table).max()) for table in every), default=0.0)

    @property
    def scale(self) -> float:
        """Size that rounding is relative to: the largest transfer or value."""
        return max(1.0, self.max_abs, *(float(np.abs(array).max()) for array in self.environment.profile_values))

    @property
    def gain_bound(self) -> float:
        """Most that a misreport in one period gains: what was computed, and rounding."""
        return max(self.gain, 0.0) + ROUNDING * self.scale

    @property
    def strategy_bound(self) -> float:
        """Most that any strategy gains: a gain in every period."""
        env, bound = self.environment, self.gain_bound
        return bound / (1 - env.discount) if env.infinite else bound * sum(env.discount**t for t in range(env.stages))

    @property
    def lemma_bound(self) -> float:
        """Bound by epsilon alone on the gain of one misreport."""
        env, left = self.environment, range(max(self.environment.stages - 1, 1))
        periods = 1 / (1 - env.discount) if env.infinite else sum(env.discount**t for t in left)
        return 2 * self.epsilon * periods + env.discount * self.violation

    @property
    def revenue(self) -> float:
        """Expected present value of payments less costs."""
        return self.welfare - sum(self.utilities)

    @property
    def source(self) -> str:
        """Name of the theorem and its bound."""
        return f"Lemma 5.1, epsilon {self.epsilon:.6g}; largest transfer {self.max_abs:.6g}"

    def to_mechanism(self) -> SequenceMechanism:
        """Write them out over public histories, for a finite horizon; see `contingent_mechanism`."""
        mechanism: SequenceMechanism = provided(self, "to_mechanism")(self)
        return mechanism

    def __repr__(self) -> str:
        return (
            f"ApproximateTransfers(epsilon {self.epsilon:.6g}, a misreport gains at most {self.gain_bound:.6g}, "
            f"largest payment {self.max_abs:.6g})"
        )


def approximate_transfers(
    environment: InterdependentTypes,
    bound: Any = None,
    basis: Any = None,
    degree: int | None = None,
    signals: Any = None,
    last_period: LastRule = "efficient",
) -> ApproximateTransfers:
    """Find, at every state, the transfers of a class that come nearest to those of an efficient mechanism.

    Parameters
    ----------
    environment : InterdependentTypes
    bound : number, optional
        No payment is larger in size.
    basis : sequence over agents of arrays ``(others' next signals, function)``, optional
        As functions of the others' next signals payments are combinations of its columns.
    degree : int, optional
        As functions of the own report payments are polynomials of this degree, 0 for payments free of it.
    signals : sequence over agents of arrays ``(own signal,)``, optional
        What the polynomials are of; default equal steps.
    last_period : {"efficient", "constant"}
        As in `contingent_transfers`.

    Raises
    ------
    ConditionError
        If the last period's efficient allocation is not ex post implementable.
    InputError
        If an argument does not fit.

    References
    ----------
    Liu (2025), Lemma 5.1.

    Examples
    --------
    >>> initial = [["3/8", "1/8"], ["1/8", "3/8"]]
    >>> distribution = [[initial, [["1/4", "1/4"], ["1/4", "1/4"]]], [[["1/4", "1/4"], ["1/4", "1/4"]], initial]]
    >>> worth, none = [[0, 1], [1, 2]], [[0, 0], [0, 0]]
    >>> env = InterdependentTypes([[worth, none], [none, worth]], distribution, initial, discount="9/10")
    >>> approximate_transfers(env, bound=1)
    ApproximateTransfers(epsilon ..., a misreport gains at most ..., largest payment 1)
    """
    require_transferable(environment, "approximate_transfers")
    setting = prepare(environment, None, last_period, None)
    for name, given in (("basis", basis), ("signals", signals)):
        if given is not None and len(given) != environment.agents:
            raise InputError(f"{name}: has {len(given)} entries for {environment.agents} agents; give one for each")
    epsilons, payments, paid, violation = [], [], [], 0.0
    for t in range(len(environment.kernel)):
        rows = []
        for i in range(environment.agents):
            options = (bound, None if basis is None else basis[i], degree, None if signals is None else signals[i])
            rows.append(_agent(environment, setting, t, i, options))
        epsilons.append(tuple(row[0] for row in rows))
        payments.append(tuple(shaped(environment, t, i, t + 1, row[1]) for i, row in enumerate(rows)))
        paid.append([row[2] for row in rows])
        violation = max(violation, *(row[3] for row in rows))
    values, gained = [], list[FloatArray]()
    for i in range(environment.agents):
        last = None if setting.last_payments is None else setting.last_payments[i]
        worth = values_under(environment, i, setting.policy, [table[i] for table in paid], last)
        values.append(worth)
        for t, table in enumerate(paid):
            later = expected_next(environment, worth[environment.following(t)], t)
            due = environment.discount * table[i]
            gained.append(gains(environment, i, t, setting.policy[t], later, due))
        if setting.last_payments is not None:
            gained.append(last_gains(environment, i, setting.policy[-1], setting.last_payments[i]))
    return ApproximateTransfers(
        environment,
        setting.policy,
        tuple(epsilons),
        tuple(payments),
        setting.last_payments,
        violation,
        largest(gained),
        setting.welfare,
        tuple(float((environment.initial * worth[0]).sum()) for worth in values),
    )


def _agent(
    environment: InterdependentTypes, setting: Setting, t: int, i: int, options: tuple[Any, Any, int | None, Any]
) -> tuple[FloatArray, FloatArray, FloatArray, float]:
    """Epsilons, transfers ``(action, others, report, row)``, what is paid in expectation, the largest violation."""
    columns = matrices(environment, t, i)
    shape = columns.shape[:-2]
    columns = columns.reshape(shape[0], -1, *columns.shape[-2:])
    wanted = by_own_signal(target(environment, i, t, setting.values[i], setting.targeted), i)
    taken = by_report(setting.policy[t], i)
    epsilons = np.full(columns.shape[:2], np.nan)
    transfers, violation = np.zeros((*columns.shape[:2], columns.shape[3], columns.shape[2])), 0.0
    for state, row in enumerate(taken):
        for a in np.unique(row):
            aim = environment.discount * wanted[a, state]
            best = smallest_epsilon(columns[a, state], aim, environment.discount, *options)
            epsilons[a, state], transfers[a, state] = best.epsilon, best.transfers
            violation = max(violation, best.violation)
    return readonly(epsilons.reshape(shape)), transfers, expected_payment(transfers, columns, taken), violation
