"""Checks of (IC), (BI) and (BU) at every row of a bank table, and its expected revenue, from the tables alone.

See `mechopt.mechanism.bank_table` for the inequalities. Types of probability zero and rows never reached count.
Revenue and welfare are found by recursion from the last period, with nothing of the mechanism's own forward pass.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mechopt.core.errors import require_type
from mechopt.core.numbers import FloatArray
from mechopt.mechanism.bank_table import BankPeriod, BankTable
from mechopt.verification.exact_bank_table import exact_conditions
from mechopt.verification.rounding import Answer, Precision, Status, Verdict, largest_value, tolerance_of


@dataclass(frozen=True)
class RowCounterexample:
    """One violation of a condition.

    Attributes
    ----------
    condition : str
        ``"IC"``, ``"BI"`` or ``"BU"``.
    period, row : int
    balance : float
        Of that row.
    gain : float
        IC: what the misreport brings. BI: by how much expected utility here exceeds the smallest one of the period, or
        falls below 0. BU: how far a next balance is below 0, or above balance plus utility.
    true_type : int or None
        Not for BI.
    report : int or None
        For IC.
    """

    condition: str
    period: int
    row: int
    balance: float
    gain: float
    true_type: int | None = None
    report: int | None = None

    def __str__(self) -> str:
        where = f"period {self.period}, row {self.row} (balance {self.balance:.6g}): "
        if self.condition == "IC":
            return f"{where}type {self.true_type} reports {self.report} and gains {self.gain:.6g}"
        if self.condition == "BU":
            return f"{where}after type {self.true_type} the next balance is out of bounds by {self.gain:.6g}"
        return f"{where}expected utility is off by {self.gain:.6g}"


@dataclass(frozen=True)
class BankTableReport:
    """How a bank table fares.

    Attributes
    ----------
    gains : dict from ``"IC"``, ``"BI"``, ``"BU"`` to float
        Largest violation of each, 0 where there is none.
    statuses : dict from the same to Status
        Satisfied, violated or undecided; see `mechopt.verification.rounding`.
    roundings : dict from the same to float
        Bound of the rounding of each gain.
    counterexamples : tuple of RowCounterexample
        Where the largest violation is, of those that are not satisfied.
    revenue, welfare, utility : float
        Expected present values at truthful reports.
    """

    gains: dict[str, float]
    statuses: dict[str, Status]
    roundings: dict[str, float]
    counterexamples: tuple[RowCounterexample, ...]
    revenue: float
    welfare: float
    utility: float

    @property
    def holds(self) -> bool:
        """Whether all three conditions are satisfied."""
        return all(status is Status.SATISFIED for status in self.statuses.values())

    def __repr__(self) -> str:
        shown = {found.condition: f" ({found})" for found in self.counterexamples}
        told = (f"{name} {status}{shown.get(name, '')}" for name, status in self.statuses.items())
        return f"BankTableReport({'; '.join(told)}; revenue {self.revenue:.6g})"


CONDITIONS = ("IC", "BI", "BU")


def verify_bank_table(table: BankTable, exact: bool = False) -> BankTableReport:
    """Check the three conditions at every row and compute what the mechanism earns.

    Parameters
    ----------
    table : BankTable
    exact : bool
        Decide in fractions.

    Returns
    -------
    BankTableReport
        A gain above `VERIFY_TOLERANCE` times the buyer's largest present value violates a condition.

    Examples
    --------
    Sell the only item at price 2 to a buyer who values it at 1 or 2, but ask a buyer of value 1 to pay 1/10:

    >>> from mechopt.environment.independent import IndependentTypes
    >>> env = IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=1)
    >>> verify_bank_table(BankTable(env, [BankPeriod([0], [[0, 1]], [[0.1, 1.9]], [[0, 0]], [[0, 0]])]))
    BankTableReport(IC satisfied; BI satisfied; BU violated (period 0, row 0 (balance 0): after ... by 0.1); revenue 1)
    """
    require_type(table, "BankTable", "verify_bank_table", "give one; mo.verify is for mechanisms")
    env, tolerance = table.environment, tolerance_of(largest_value(table.environment))
    with np.errstate(all="ignore"):
        revenue, welfare = _earned(table)
        answers = exact_conditions(table, tolerance) if exact else _answers(table, tolerance)
    assert env.agents == 1
    return BankTableReport(
        {name: answer.gain for name, (answer, _) in answers.items()},
        {name: answer.status for name, (answer, _) in answers.items()},
        {name: answer.rounding for name, (answer, _) in answers.items()},
        tuple(
            RowCounterexample(name, t, row, float(table.periods[t].balances[row]), answer.gain, true, report)
            for name, (answer, place) in answers.items()
            if place is not None and answer.status is not Status.SATISFIED
            for t, row, true, report in (place,)
        ),
        revenue,
        welfare,
        welfare - revenue,
    )


def _earned(table: BankTable) -> tuple[float, float]:
    """Expected revenue and welfare, backward."""
    env, revenue, welfare = table.environment, np.zeros(1), np.zeros(1)
    for t in reversed(range(env.horizon)):
        period, distribution, weight = table.periods[t], env.probabilities[0][t], float(env.present_value[t])
        value, cost = weight * env.values[0][t], weight * env.net_cost[0][t]
        revenue = (period.payment - cost * period.allocation + _continued(revenue, period)) @ distribution
        welfare = ((value - cost) * period.allocation + _continued(welfare, period)) @ distribution
    return float(revenue[0]), float(welfare[0])


Place = tuple[int, int, int | None, int | None]


def _answers(table: BankTable, tolerance: float) -> dict[str, tuple[Answer, Place | None]]:
    """Verdicts on the conditions, and period, row, true type and report of the place."""
    env = table.environment
    largest = max(float(np.abs(part).max()) for p in table.periods for part in (p.payment, p.balances))
    values = max(float(np.abs(part).max()) for part in env.values[0])
    rounded = Precision.of(max(types[0] for types in env.shape) + env.horizon + 16, max(largest, values))
    verdicts = {name: Verdict(tolerance) for name in CONDITIONS}
    shapes = {name: list[tuple[int, tuple[int, ...]]]() for name in CONDITIONS}
    balances_after = np.zeros(1)
    for t in reversed(range(env.horizon)):
        period = table.periods[t]
        value = float(env.present_value[t]) * env.values[0][t]
        gains = _gains(period, value, env.probabilities[0][t], balances_after, plus=1)
        sizes = _gains(period, np.abs(value), env.probabilities[0][t], balances_after, plus=-1)
        for name in CONDITIONS:
            verdicts[name].add(gains[name], rounded.bound(sizes[name]))
            shapes[name].append((t, gains[name].shape))
        balances_after = period.balances
    found = dict[str, tuple[Answer, Place | None]]()
    for name in CONDITIONS:
        answer, place = verdicts[name].answer, None
        if answer.place is not None:
            t, shape = shapes[name][answer.place[0]]
            row, true, report = (int(k) for k in np.unravel_index(answer.place[1], shape))
            place = (t, row, None if name == "BI" else true, report if name == "IC" else None)
        found[name] = answer, place
    return found


def _continued(after: FloatArray, period: BankPeriod) -> FloatArray:
    """Expectation of later periods by row and report, given that by row of the next period."""
    above = after[np.minimum(period.after + 1, len(after) - 1)]
    continued: FloatArray = after[period.after] * (1 - period.share) + above * period.share
    return continued


def _gains(
    period: BankPeriod, value: FloatArray, distribution: FloatArray, after: FloatArray, plus: int
) -> dict[str, FloatArray]:
    """Gains of the conditions, axes (row, true type, report); with ``plus`` = -1 sums of absolute values for rounding.

    Of both outcomes of the coin the worse counts for (BU), but not one that cannot happen.
    """
    allocation, payment = (
        (period.allocation, period.payment) if plus == 1 else np.abs([period.allocation, period.payment])
    )
    if plus == -1:
        payment = -payment
    payoff = value[:, None] * allocation[:, None, :] - payment[:, None, :]
    utility = np.diagonal(payoff, axis1=1, axis2=2)
    average = utility @ distribution
    dependence = np.maximum(average - plus * (average.min() if plus == 1 else average.max()), -plus * average)
    low, high = after[period.after], after[np.minimum(period.after + 1, len(after) - 1)]
    mean = low * (1 - period.share) + high * period.share
    excess = np.full(utility.shape, -np.inf if plus == 1 else 0.0)
    for outcome, happens in ((low, period.share < 1), (high, period.share > 0)):
        beyond = mean - plus * (period.balances[:, None] + utility)
        excess = np.where(happens, np.maximum(excess, np.maximum(-plus * outcome, beyond)), excess)
    return {
        "IC": payoff - plus * utility[:, :, None],
        "BI": dependence[:, None, None],
        "BU": excess[:, :, None],
    }
