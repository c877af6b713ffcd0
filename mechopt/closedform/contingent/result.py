"""A rule with its contingent transfers, and what is reported of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from mechopt.closedform.contingent.conditions.hull import ILL_CONDITIONED
from mechopt.closedform.contingent.gain import largest, last_gains
from mechopt.closedform.contingent.program.requirements import Requirements
from mechopt.closedform.contingent.setting import Setting
from mechopt.core.numbers import Array, FloatArray, IntArray, readonly
from mechopt.core.provided import provided
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.mechanism.constraints import Constraint, PeriodicExPostIC
from mechopt.mechanism.methods import MechanismMethods
from mechopt.mechanism.sequence import SequenceMechanism

if TYPE_CHECKING:
    from pandas import DataFrame

Method = Literal["convex", "spanning", "stacked", "any"]


ONE_LAST_ACTION = ", one last action"
"""Added to the name of what transfers rest on where the last period's action is one whatever the reports."""


class ExactTransfers(NamedTuple):
    """Payments as fractions, in the layout of the floats that round them.

    Attributes
    ----------
    payments : nested tuples ``[t][i]`` of object arrays of Fraction
    last_payments : tuple over agents of object arrays, or None
    fees : tuple over agents of Fraction
    values : tuple over agents of tuples over periods of object arrays ``(*signals,)``
        What the truth is worth, sunk transfers apart.
    later : nested tuples ``[t][i][k]`` of object arrays
        Of stacked transfers.
    """

    payments: tuple[tuple[Array, ...], ...]
    last_payments: tuple[Array, ...] | None
    fees: tuple[Fraction, ...]
    values: tuple[tuple[Array, ...], ...]
    later: tuple[tuple[tuple[Array, ...], ...], ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class ContingentTransfers(MechanismMethods):
    """A rule and the transfers that make the truth a periodic ex post equilibrium.

    Attributes
    ----------
    environment : InterdependentTypes
    method : str
    theorem : str
        What it rests on.
    policy : tuple over periods of read-only int arrays ``(*signals,)``
        Index of the action.
    payments : nested tuples ``[t][i]`` of read-only float arrays
        Axes: action, the others' signals (one axis each), own report (not for spanning and stacked spanning), the
        others' next signals. Paid by the agent in period t + 1, in the money of that period; 0 where no report leads to
        the action.
    later : nested tuples ``[t][i][k]`` of such arrays
        Stacked transfers about period t that are paid in period t + 2 + k, by the others' signals then; else empty.
    history : bool
        Whether `payments` have the actions and the others' signals of all earlier periods as axes before these (first
        action, others' first signals, second action, ...) and comprise everything that is due: stacked, where
        transitions depend on actions.
    reports : bool
        Whether these axes are of the reports of all agents instead, in every period (first reports, ..., present
        reports, the others' next signals): `history` where transfers depend on own reports or joint distributions.
    together : int
        Of stacked transfers on joint distributions where transitions do not depend on actions, how many periods: then
        `payments` have the others' signals of so many periods as last axes (fewer at the end) and are paid in the last
        of these. Else 0.
    last_payments : tuple over agents of read-only float arrays ``(*signals,)``, or None
        Paid in the last period at once; None with an infinite horizon.
    gain : float
        Largest gain of a misreport, at any signals of the others: rounding.
    max_abs : float
        Largest transfer, of either sign.
    bound : float
        What the theorem bounds it by: (1 + 4/distance) times the largest target, or the largest norm of a
        pseudo-inverse times that of its target; of all transfers (`method` "any") the largest itself; the last period's
        payments apart.
    welfare : float
        Expected present value of values less costs.
    utilities : tuple of float
        Of each agent, expected present value of the truth: the whole expected welfare of the efficient rule, where that
        is what is implemented, and transfers rest on a theorem.
    fees : tuple of float
        What each agent pays in the first period whatever the signals; part of `utilities`.
    exact : ExactTransfers or None
        The same payments as fractions, which satisfy every inequality exactly.
    condition : float
        By how much errors of the targets may grow: the largest spread of columns over a distance from the hull, or
        ratio of singular values, where transfers are made; 1 for "any", which has no targets.
    asked : Requirements or None
        What "any" was asked for besides.
    robust : Robustness or None
        For which kernels they are right; see `mechopt.mechanisms.robust_transfers`.
    """

    environment: InterdependentTypes
    method: Method
    theorem: str
    policy: tuple[IntArray, ...]
    payments: tuple[tuple[FloatArray, ...], ...]
    later: tuple[tuple[tuple[FloatArray, ...], ...], ...]
    last_payments: tuple[FloatArray, ...] | None
    gain: float
    max_abs: float
    bound: float
    welfare: float
    utilities: tuple[float, ...]
    history: bool = False
    fees: tuple[float, ...] = ()
    exact: ExactTransfers | None = None
    condition: float = 1.0
    asked: Requirements | None = None
    robust: Any = None
    reports: bool = False
    together: int = 0

    @property
    def ill_conditioned(self) -> bool:
        """Whether what the transfers rest on holds by so little that they lose most of their digits."""
        return self.condition > ILL_CONDITIONED

    @property
    def source(self) -> str:
        """Condition that they rest on, and their largest transfer."""
        return f"{self.theorem}; largest transfer {self.max_abs:.6g}"

    def with_exact(self, exact: ExactTransfers) -> ContingentTransfers:
        """The same with fractions, and with floats that round them."""
        payments = tuple(tuple(readonly(array.astype(np.float64)) for array in row) for row in exact.payments)
        last = exact.last_payments and tuple(readonly(array.astype(np.float64)) for array in exact.last_payments)
        later = tuple(tuple(tuple(readonly(a.astype(np.float64)) for a in own) for own in row) for row in exact.later)
        fees = tuple(map(float, exact.fees))
        return replace(self, payments=payments, last_payments=last, later=later, fees=fees, exact=exact)

    @property
    def deficit(self) -> float:
        """Expected present value of what the budget lacks: minus `revenue`."""
        return -self.revenue

    @property
    def claims(self) -> tuple[Constraint, ...]:
        """Periodic ex post IC."""
        return (PeriodicExPostIC(),)

    @property
    def revenue(self) -> float:
        """Expected present value of payments less costs, that is, welfare less utilities; often a deficit."""
        return self.welfare - sum(self.utilities)

    @property
    def scale(self) -> float:
        """Size that rounding is relative to: the largest transfer or value."""
        values = max(float(np.abs(array).max()) for array in self.environment.profile_values)
        return max(1.0, self.max_abs, values)

    def to_mechanism(self) -> SequenceMechanism:
        """Write them out over public histories, for `mechopt.verify`; see `contingent_mechanism`.

        Raises
        ------
        InputError
            If they are stacked, or the horizon is infinite: `mechopt.mechanisms.check_contingent` checks these.
        """
        mechanism: SequenceMechanism = provided(self, "to_mechanism")(self)
        return mechanism

    def to_frame(self) -> DataFrame:
        """Every payment as a row of a table; see `mechopt.closedform.contingent.program.tables`."""
        frame: DataFrame = provided(self, "to_frame")(self)
        return frame

    def __repr__(self) -> str:
        flag = f", ill-conditioned ({self.condition:.2g})" if self.ill_conditioned else ""
        return (
            f"ContingentTransfers({self.theorem}{flag}: welfare {self.welfare:.6g}, largest transfer "
            f"{self.max_abs:.6g}, gain {self.gain:.3g})"
        )


def shaped(environment: InterdependentTypes, t: int, agent: int, due: int, transfers: FloatArray) -> FloatArray:
    """Give the others' signals, now and when it is due, an axis each; from ``(action, others, [report,] row)``."""
    now, then = (
        [size for j, size in enumerate(environment.shape[environment.at(period)]) if j != agent] for period in (t, due)
    )
    own = transfers.shape[2:-1]
    return readonly(transfers.reshape(len(transfers), *now, *own, *then))


def finished(
    environment: InterdependentTypes,
    method: Method,
    theorem: str,
    setting: Setting,
    payments: tuple[tuple[FloatArray, ...], ...],
    later: tuple[tuple[tuple[FloatArray, ...], ...], ...],
    tables: Sequence[FloatArray],
    bounds: Iterable[float],
    history: bool = False,
    fees: tuple[float, ...] = (),
    condition: float = 1.0,
    asked: Requirements | None = None,
    reports: bool = False,
    together: int = 0,
) -> ContingentTransfers:
    """Put a result together, with the gains of the last period."""
    if setting.constant and method == "stacked":
        theorem += ONE_LAST_ACTION
    tables, entry = list(tables), fees or (0.0,) * environment.agents
    if setting.last_payments is not None:
        for i, paid in enumerate(setting.last_payments):
            tables.append(last_gains(environment, i, setting.policy[-1], paid))
    arrays = [*(array for row in payments for array in row), *(array for row in later for own in row for array in own)]
    sizes = [float(np.abs(array).max()) for array in [*arrays, *(setting.last_payments or ())]] + [*map(abs, entry)]
    return ContingentTransfers(
        environment,
        method,
        theorem,
        setting.policy,
        payments,
        later,
        setting.last_payments,
        largest(tables),
        max(sizes, default=0.0),
        max(bounds, default=0.0),
        setting.welfare,
        tuple(
            float((environment.initial * own[0]).sum()) - fee for own, fee in zip(setting.values, entry, strict=True)
        ),
        history,
        entry,
        condition=condition,
        asked=asked,
        reports=reports,
        together=together,
    )
