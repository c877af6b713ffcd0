r"""Bank account mechanisms with finite tables, for one buyer: all that is remembered is a row number.

All money is present value. Before period t the buyer's balance is one of finitely many, ``balances[i]``. She reports a
type k, gets the item with probability :math:`x_{ik}` and pays :math:`p_{ik}`; then a public coin sends her to row
``after[i, k] + 1`` of the next period with probability ``share[i, k]``, else to row ``after[i, k]``. What the coin adds
to or takes from the mean of the two balances she is paid, or pays, in money. After the last period no balance is left.

The conditions of a bank account mechanism are asked of every row, with :math:`u_{ik} = \theta_k x_{ik} - p_{ik}`:

- (IC) :math:`\theta_k x_{ij} - p_{ij}` is largest at the report j = k;
- (BI) :math:`\sum_k f_k u_{ik} = c_t \ge 0` for every row i;
- (BU) :math:`0 \le b' \le b_i + u_{ik} + (b' - \bar b'_{ik})` for both outcomes b' of the coin, whose mean is
  :math:`\bar b'_{ik}`.

They give DIC (indeed PPIC) and EPIR, as in `mechopt.closedform.bank.mechanism`, which describes mechanisms by functions
of the balance. `mechopt.verification.bank_table` checks them.

Source: Mirrokni, Paes Leme, Tang and Zuo (2020), section 3 and Lemma 3.2, who count periods from 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import Array, FloatArray, IntArray, readonly
from mechopt.environment.independent import IndependentTypes
from mechopt.mechanism.constraints import DIC, EPIR, Constraint
from mechopt.mechanism.direct import ALLOCATION_SLACK
from mechopt.mechanism.methods import MechanismMethods


@dataclass(frozen=True, eq=False)
class BankPeriod:
    """One period at S balances; present values.

    Attributes
    ----------
    balances : array ``(S,)``
        Before the period, increasing, at least 0.
    allocation : array ``(S, K)``
        Probability of a sale by balance and report.
    payment : array ``(S, K)``
        From the buyer to the seller, in expectation over the coin.
    after : int array ``(S, K)``
        Row of the next period to which the coin leads at least.
    share : array ``(S, K)``
        Probability that it leads to the row after that.
    """

    balances: FloatArray
    allocation: FloatArray
    payment: FloatArray
    after: IntArray
    share: FloatArray

    def __post_init__(self) -> None:
        for name in ("balances", "allocation", "payment", "share"):
            object.__setattr__(self, name, readonly(getattr(self, name)))
        object.__setattr__(self, "after", readonly(self.after, np.int64))


@dataclass(frozen=True, eq=False, repr=False)
class BankTable(MechanismMethods):
    """A bank account mechanism of one buyer as finite tables.

    Parameters
    ----------
    environment : IndependentTypes
        With one buyer.
    periods : sequence over t of BankPeriod
        The first has the balance 0 alone. After the last one the balance is 0: ``after`` and ``share`` are 0.
    claims : tuple of Constraint
        What it was made to keep; (IC), (BI) and (BU) give DIC and EPIR.
    source : str
        How it came about.

    Raises
    ------
    InputError
        With every fault: several buyers, wrong shapes, numbers that are not finite, probabilities out of bounds, rows
        that do not exist.

    Examples
    --------
    Two items, types 1 and 2 equally likely. The first costs 1/2 whatever is reported, and the utility of 1/2 or 3/2 is
    the balance. At balance 1/2 the second item has price 2; at 3/2 it is sold for 3/2, its mean value:

    >>> env = IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2)
    >>> first = BankPeriod([0], [[1, 1]], [[0.5, 0.5]], [[0, 1]], [[0, 0]])
    >>> second = BankPeriod([0.5, 1.5], [[0, 1], [1, 1]], [[0, 2], [1.5, 1.5]], np.zeros((2, 2)), np.zeros((2, 2)))
    >>> table = BankTable(env, [first, second])
    >>> table
    BankTable(2 periods, 3 balances; revenue 1.75, welfare 2.75, utility 1)
    """

    environment: IndependentTypes
    periods: tuple[BankPeriod, ...]
    claims: tuple[Constraint, ...] = (DIC(), EPIR())
    source: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "periods", tuple(self.periods))
        object.__setattr__(self, "claims", tuple(self.claims))
        env = self.environment
        if env.agents != 1:
            raise InputError(f"{env.agents} buyers: a bank table is for one")
        if len(self.periods) != env.horizon:
            raise InputError([Fault("periods", f"has {len(self.periods)}, the environment {env.horizon}")])
        sizes = [*(len(np.atleast_1d(period.balances)) for period in self.periods), 1]
        faults: list[Fault] = []
        for t, period in enumerate(self.periods):
            faults += _faults(f"periods[{t}]", period, (sizes[t], env.shape[t][0]), sizes[t + 1])
        if not faults and self.periods[0].balances.tolist() != [0.0]:
            faults.append(Fault("periods[0].balances", "is not [0]", "accounts start with nothing"))
        if faults:
            raise InputError(faults)

    def coin(self, t: int) -> tuple[FloatArray, FloatArray]:
        """Balances after the coin of period t, ``(2, S, K)``: the lower one and the higher one; and their mean."""
        period = self.periods[t]
        if t + 1 == len(self.periods):
            return np.zeros((2, *period.share.shape)), np.zeros(period.share.shape)
        after = self.periods[t + 1].balances
        low, high = after[period.after], after[np.minimum(period.after + 1, len(after) - 1)]
        return np.stack([low, high]), low + period.share * (high - low)

    def values(self, t: int) -> FloatArray:
        """Present value of the item of period t to each type, ``(K,)``."""
        values: FloatArray = self.environment.present_value[t] * self.environment.values[0][t]
        return values

    @cached_property
    def distribution(self) -> tuple[FloatArray, ...]:
        """Probability of each row of each period, when the buyer is truthful."""
        masses: list[FloatArray] = [np.ones(1)]
        for t, period in enumerate(self.periods[:-1]):
            count = len(self.periods[t + 1].balances)
            flow = masses[-1][:, None] * self.environment.probabilities[0][t]
            mass = np.bincount(period.after.ravel(), (flow * (1 - period.share)).ravel(), count + 1).astype(np.float64)
            mass += np.bincount(period.after.ravel() + 1, (flow * period.share).ravel(), count + 1)
            masses.append(mass[:count])
        return tuple(masses)

    @cached_property
    def _totals(self) -> tuple[float, float]:
        """Expected revenue and welfare."""
        env, revenue, welfare = self.environment, 0.0, 0.0
        for t, (period, mass) in enumerate(zip(self.periods, self.distribution, strict=True)):
            distribution, cost = env.probabilities[0][t], env.present_value[t] * env.net_cost[0][t]
            revenue += float(mass @ (period.payment - cost * period.allocation) @ distribution)
            welfare += float(mass @ period.allocation @ (distribution * (self.values(t) - cost)))
        return revenue, welfare

    @property
    def revenue(self) -> float:
        """Expected present value of payments net of the seller's costs."""
        return self._totals[0]

    @property
    def welfare(self) -> float:
        """Expected present value of what is sold, net of costs."""
        return self._totals[1]

    @property
    def utilities(self) -> tuple[float, ...]:
        """The buyer's expected utility."""
        return (self.welfare - self.revenue,)

    def __repr__(self) -> str:
        periods, rows = len(self.periods), sum(len(period.balances) for period in self.periods)
        return (
            f"BankTable({periods} period{'s' * (periods > 1)}, {rows} balances; revenue {self.revenue:.6g}, "
            f"welfare {self.welfare:.6g}, utility {self.utilities[0]:.6g})"
        )


def _faults(where: str, period: BankPeriod, shape: tuple[int, int], rows_after: int) -> list[Fault]:
    """Faults of one period of S balances and K types, before one with so many balances."""
    wanted: dict[str, tuple[Array, tuple[int, ...]]] = {"balances": (period.balances, shape[:1])}
    wanted |= {name: (getattr(period, name), shape) for name in ("allocation", "payment", "after", "share")}
    faults = [
        Fault(f"{where}.{name}", f"has shape {array.shape}", f"it must be {expected}")
        for name, (array, expected) in wanted.items()
        if array.shape != expected or not array.size
    ]
    if faults:
        return faults
    for name, (array, _) in wanted.items():
        if not np.isfinite(array).all():
            faults.append(Fault(f"{where}.{name}", "holds numbers that are not finite", "give finite numbers"))
    if faults:
        return faults
    b, x, share = period.balances, period.allocation, period.share
    if b[0] < 0 or (np.diff(b) <= 0).any():
        faults.append(Fault(f"{where}.balances", "do not increase from a number that is at least 0", "sort them"))
    if x.min() < -ALLOCATION_SLACK or x.max() > 1 + ALLOCATION_SLACK:
        faults.append(Fault(f"{where}.allocation", f"goes from {x.min():.6g} to {x.max():.6g}", "give probabilities"))
    if share.min() < 0 or share.max() > 1:
        faults.append(
            Fault(f"{where}.share", f"goes from {share.min():.6g} to {share.max():.6g}", "give probabilities")
        )
    highest = period.after + (share > 0)
    if period.after.min() < 0 or highest.max() >= rows_after:
        what = f"leads from row {period.after.min()} to row {highest.max()} of {rows_after}"
        faults.append(Fault(f"{where}.after", what, "rows count from 0"))
    return faults
