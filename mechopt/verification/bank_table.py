"""Checks of (IC), (BI) and (BU) at every row of a bank table, and its expected revenue, from the tables alone.

See `mechopt.mechanism.bank_table` for the inequalities. Types of probability zero and rows never reached count.
Revenue and welfare are found by recursion from the last period, with nothing of the mechanism's own forward pass.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mechopt.core.numbers import VERIFY_TOLERANCE, FloatArray
from mechopt.mechanism.bank_table import BankPeriod, BankTable


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
    counterexamples : tuple of RowCounterexample
        Where the largest violation is, of those that are above the tolerance.
    revenue, welfare, utility : float
        Expected present values at truthful reports.
    """

    gains: dict[str, float]
    counterexamples: tuple[RowCounterexample, ...]
    revenue: float
    welfare: float
    utility: float

    @property
    def holds(self) -> bool:
        """Whether all three conditions hold."""
        return not self.counterexamples

    def __repr__(self) -> str:
        broken = {found.condition: str(found) for found in self.counterexamples}
        told = (f"{name} fails ({broken[name]})" if name in broken else f"{name} holds" for name in self.gains)
        return f"BankTableReport({'; '.join(told)}; revenue {self.revenue:.6g})"


def verify_bank_table(table: BankTable) -> BankTableReport:
    """Check the three conditions at every row and compute what the mechanism earns.

    Parameters
    ----------
    table : BankTable

    Returns
    -------
    BankTableReport
        A gain above `VERIFY_TOLERANCE` times the buyer's largest total value breaks a condition.

    Examples
    --------
    Sell the only item at price 2 to a buyer who values it at 1 or 2, but ask a buyer of value 1 to pay 1/10:

    >>> from mechopt.environment.independent import IndependentTypes
    >>> env = IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=1)
    >>> verify_bank_table(BankTable(env, [BankPeriod([0], [[0, 1]], [[0.1, 1.9]], [[0, 0]], [[0, 0]])]))
    BankTableReport(IC holds; BI holds; BU fails (period 0, row 0 (balance 0): after type 0 ... by 0.1); revenue 1)
    """
    env = table.environment
    worst: dict[str, RowCounterexample] = {}
    revenue = welfare = np.zeros(1)
    balances_after = np.zeros(1)
    for t in reversed(range(env.horizon)):
        period, law, weight = table.periods[t], env.probabilities[0][t], float(env.present_value[t])
        value, cost = weight * env.values[0][t], weight * float(env.cost[t])
        payoff = value[:, None, None] * period.allocation - period.payment  # axes: true type, row, report
        truthful = np.stack([payoff[k, :, k] for k in range(len(value))], axis=1)
        for found in (
            _misreport(period, t, payoff, truthful),
            _dependence(period, t, truthful @ law),
            _overdraft(period, t, truthful, balances_after),
        ):
            if found.condition not in worst or found.gain > worst[found.condition].gain:
                worst[found.condition] = found
        earned, surplus = period.payment - cost * period.allocation, (value - cost) * period.allocation
        revenue = (earned + _continued(revenue, period)) @ law
        welfare = (surplus + _continued(welfare, period)) @ law
        balances_after = period.balances
    limit = VERIFY_TOLERANCE * env.money_scale
    gains = {name: max(worst[name].gain, 0.0) for name in ("IC", "BI", "BU")}
    broken = tuple(worst[name] for name, gain in gains.items() if gain > limit)
    return BankTableReport(gains, broken, float(revenue[0]), float(welfare[0]), float(welfare[0] - revenue[0]))


def _continued(after: FloatArray, period: BankPeriod) -> FloatArray:
    """What is expected later by row and report, given that by row of the next period."""
    above = after[np.minimum(period.after + 1, len(after) - 1)]
    continued: FloatArray = after[period.after] * (1 - period.share) + above * period.share
    return continued


def _misreport(period: BankPeriod, t: int, payoff: FloatArray, truthful: FloatArray) -> RowCounterexample:
    gain = payoff - truthful.T[:, :, None]
    k, row, report = (int(at) for at in np.unravel_index(gain.argmax(), gain.shape))
    return RowCounterexample("IC", t, row, float(period.balances[row]), float(gain[k, row, report]), k, report)


def _dependence(period: BankPeriod, t: int, average: FloatArray) -> RowCounterexample:
    off = np.maximum(average - average.min(), -average)
    row = int(off.argmax())
    return RowCounterexample("BI", t, row, float(period.balances[row]), float(off[row]))


def _overdraft(period: BankPeriod, t: int, utility: FloatArray, after: FloatArray) -> RowCounterexample:
    """The worst of both outcomes of the coin, of which one that cannot happen does not count."""
    low, high = after[period.after], after[np.minimum(period.after + 1, len(after) - 1)]
    mean = low * (1 - period.share) + high * period.share
    gain = np.full(utility.shape, -np.inf)
    for outcome, happens in ((low, period.share < 1), (high, period.share > 0)):
        realised = utility + outcome - mean
        excess = np.maximum(-outcome, outcome - (period.balances[:, None] + realised))
        gain = np.where(happens, np.maximum(gain, excess), gain)
    row, k = (int(at) for at in np.unravel_index(gain.argmax(), gain.shape))
    return RowCounterexample("BU", t, row, float(period.balances[row]), float(gain[row, k]), k)
