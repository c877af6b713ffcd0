"""A direct mechanism: who gets the item and who pays what, at every history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import FloatArray, readonly
from mechopt.core.provided import provided
from mechopt.environment.independent import IndependentTypes
from mechopt.histories.reports import HistoryTree
from mechopt.mechanism.constraints import Notion
from mechopt.mechanism.outcome import Outcome, outcome, own_values, realised_utilities

if TYPE_CHECKING:
    import pandas as pd

ALLOCATION_SLACK = 1e-7


@dataclass(frozen=True)
class Simulation:
    """Averages over simulated runs with truthful reports; present values.

    Attributes
    ----------
    runs : int
    revenue, welfare : float
    revenue_error, welfare_error : float
        Standard errors of the averages.
    utilities, utility_errors : tuple of float
        By buyer.
    """

    runs: int
    revenue: float
    revenue_error: float
    welfare: float
    welfare_error: float
    utilities: tuple[float, ...]
    utility_errors: tuple[float, ...]

    @classmethod
    def of(cls, revenue: FloatArray, utility: FloatArray, welfare: FloatArray | None = None) -> Simulation:
        """Averages and standard errors of runs.

        Parameters
        ----------
        revenue : array ``(runs,)``
        utility : array ``(n, runs)``
            At least two runs.
        welfare : array ``(runs,)``, optional
            From what is done alone; default revenue plus utilities, which large payments blur.
        """
        runs = len(revenue)
        samples = np.stack([revenue, revenue + utility.sum(axis=0) if welfare is None else welfare, *utility])
        mean, error = samples.mean(axis=1).tolist(), (samples.std(axis=1, ddof=1) / np.sqrt(runs)).tolist()
        return cls(runs, mean[0], error[0], mean[1], error[1], tuple(mean[2:]), tuple(error[2:]))


@dataclass(frozen=True, eq=False, repr=False)
class Mechanism:
    """Allocation and payment of every buyer at every history of reports.

    Parameters
    ----------
    environment : IndependentTypes
    allocation : sequence over t of arrays ``allocation[t][i, h, k_0, ..., k_(n-1)]``
        Probability that buyer i gets the item of period t after history h (numbered as in `HistoryTree`) and the
        reports k of period t; in [0, 1], and at most 1 in sum over i. Shape ``(n, count[t], *types[t])``.
    payment : sequence over t, shaped alike
        Expected payment from buyer i to the seller, money of period t, undiscounted.
    notions : tuple of Notion
        What the mechanism was made to satisfy; `mechopt.verify` checks these unless told otherwise.
    source : str
        How it came about.

    Raises
    ------
    InputError
        On wrong shapes, numbers that are not finite, or allocations out of bounds.

    Examples
    --------
    Sell one item at price 2 to a buyer who values it at 1 or 2:

    >>> env = IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=1)
    >>> Mechanism(env, [np.array([[[0, 1]]])], [np.array([[[0, 2]]])])
    Mechanism(1 buyer, 1 period, 2 histories; revenue 1, welfare 1, utilities (0))

    Change payments with ``dataclasses.replace(mechanism, payment=...)``.
    """

    environment: IndependentTypes
    allocation: tuple[FloatArray, ...]
    payment: tuple[FloatArray, ...]
    notions: tuple[Notion, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "notions", tuple(self.notions))
        faults: list[Fault] = []
        for name in ("allocation", "payment"):
            object.__setattr__(self, name, self._checked(name, getattr(self, name), faults))
        if not faults:
            for t, x in enumerate(self.allocation):
                sold = x.sum(axis=0)
                if x.min() < -ALLOCATION_SLACK or sold.max() > 1 + ALLOCATION_SLACK:
                    what = f"goes from {x.min():.6g} to {sold.max():.6g} in sum over buyers"
                    faults.append(Fault(f"allocation[{t}]", what, "probabilities, at most one item a period"))
        if faults:
            raise InputError(faults)

    def _checked(self, name: str, given: Sequence[FloatArray], faults: list[Fault]) -> tuple[FloatArray, ...]:
        tree = HistoryTree(self.environment)
        if len(given) != tree.horizon:
            faults.append(
                Fault(name, f"has {len(given)} periods, the environment {tree.horizon}", "give one array each")
            )
            return ()
        arrays = []
        for t, entry in enumerate(given):
            array = readonly(entry) if np.asarray(entry).flags.writeable else np.asarray(entry, dtype=np.float64)
            shape = (self.environment.agents, *tree.children(t))
            if array.shape != shape:
                faults.append(Fault(f"{name}[{t}]", f"has shape {array.shape}", f"it must be {shape}"))
            elif not np.isfinite(array).all():
                faults.append(Fault(f"{name}[{t}]", "holds numbers that are not finite", "give finite numbers"))
            arrays.append(array)
        return tuple(arrays)

    @cached_property
    def tree(self) -> HistoryTree:
        """The histories."""
        return HistoryTree(self.environment)

    @cached_property
    def outcome(self) -> Outcome:
        """Expected payments, utilities and cost at truthful reports."""
        return outcome(self.tree, self.allocation, self.payment)

    @cached_property
    def realised(self) -> tuple[FloatArray, ...]:
        """Present value of each buyer's utility on each history, by its length t = 0, ..., T; shapes ``(n, count[t])``.

        In an optimum with bank timing of payments this is the buyer's balance.
        """
        return realised_utilities(self.tree, self.allocation, self.payment)

    @property
    def revenue(self) -> float:
        """Expected present value of payments net of the seller's costs."""
        return self.outcome.revenue

    @property
    def welfare(self) -> float:
        """Expected present value of what is sold, net of costs."""
        return self.outcome.welfare

    @property
    def utilities(self) -> tuple[float, ...]:
        """Expected present value of each buyer's utility."""
        return self.outcome.utilities

    def simulate(self, rng: np.random.Generator | int, runs: int) -> Simulation:
        """Draw types, play truthfully and average.

        Parameters
        ----------
        rng : numpy Generator or seed
        runs : int
            At least 2.

        Raises
        ------
        InputError
            If there are fewer than two runs.
        """
        if runs < 2:
            raise InputError(f"runs is {runs}; standard errors need at least 2")
        rng, env = np.random.default_rng(rng), self.environment
        node = np.zeros(runs, dtype=np.int64)
        payment, utility = np.zeros((env.agents, runs)), np.zeros((env.agents, runs))
        cost, worth = np.zeros(runs), np.zeros(runs)
        for t, weight in enumerate(env.present_value):
            types = env.shape[t]
            drawn = [rng.choice(types[i], size=runs, p=row[t]) for i, row in enumerate(env.probabilities)]
            node = np.ravel_multi_index((node, *drawn), (self.tree.count[t], *types))
            x, p = (a[t].reshape(env.agents, -1)[:, node] for a in (self.allocation, self.payment))
            value = np.stack([row[t][k] for row, k in zip(env.values, drawn, strict=True)])
            payment += weight * p
            utility += weight * (value * x - p)
            cost += weight * env.cost[t] * x.sum(axis=0)
            worth += weight * (value * x).sum(axis=0)
        revenue = payment.sum(axis=0) - cost
        return Simulation.of(revenue, utility, worth - cost)

    def to_frame(self) -> pd.DataFrame:
        """One row a buyer, period, history and report profile.

        Returns
        -------
        pandas.DataFrame
            Columns ``period``, ``history`` (number among those of its length), ``past`` (values reported before, as
            text), ``report_0``, ... (values reported now by each buyer), ``reach`` (probability), ``buyer``,
            ``allocation``, ``payment``.
        """
        import pandas as pd

        env, frames = self.environment, []
        past = np.array([""], dtype=object)
        for t in range(env.horizon):
            shape = self.tree.children(t)
            grid = np.indices(shape).reshape(len(shape), -1)
            reports = [row[t][k] for row, k in zip(env.values, grid[1:], strict=True)]
            texts = ["/".join(f"{r:g}" for r in profile) for profile in zip(*reports, strict=True)]
            for i in range(env.agents):
                columns = {"period": t, "history": grid[0], "past": past[grid[0]]}
                columns |= {f"report_{j}": r for j, r in enumerate(reports)}
                columns |= {"reach": self.tree.reach[t + 1], "buyer": i}
                columns |= {"allocation": self.allocation[t][i].ravel(), "payment": self.payment[t][i].ravel()}
                frames.append(pd.DataFrame(columns))
            if t + 1 < env.horizon:
                joined = [f"{p} {r}".strip() for p, r in zip(past[grid[0]], texts, strict=True)]
                past = np.array(joined, dtype=object)
        return pd.concat(frames, ignore_index=True)

    def explain(self) -> Any:
        """Say what it does by states instead of histories; see `mechopt.Explanation`."""
        return provided(self, "explain")(self)

    def save(self, path: str | Path) -> None:
        """Write the mechanism to a file, whole or not at all; read it with `load_mechanism`."""
        from mechopt.mechanism.archive import save

        save(self, path)

    def values(self, t: int) -> FloatArray:
        """Each buyer's value at each profile of period t, broadcastable to ``allocation[t]``."""
        return own_values(self.tree, t)

    def __repr__(self) -> str:
        env = self.environment
        utilities = ", ".join(f"{u:.6g}" for u in self.utilities)
        return (
            f"Mechanism({env.agents} buyer{'s' * (env.agents > 1)}, {env.horizon} period{'s' * (env.horizon > 1)}, "
            f"{sum(self.tree.count[1:])} histories; revenue {self.revenue:.6g}, welfare {self.welfare:.6g}, "
            f"utilities ({utilities}))"
        )
