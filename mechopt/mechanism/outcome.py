"""Revenue, welfare and utilities when everybody is truthful: one forward pass over the histories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mechopt.core.numbers import FloatArray
from mechopt.histories.reports import HistoryTree


@dataclass(frozen=True)
class Outcome:
    """Expected present values at truthful reports.

    Attributes
    ----------
    payments : tuple of float
        By buyer.
    utilities : tuple of float
        By buyer.
    cost : float
        The seller's, less what sales are worth to her besides payments.
    welfare : float
        Values of what is sold net of costs, from the allocation alone: large payments that cancel do not blur it.
    """

    payments: tuple[float, ...]
    utilities: tuple[float, ...]
    cost: float
    welfare: float

    @property
    def revenue(self) -> float:
        """Payments net of the seller's costs, and what sales are worth to her."""
        return sum(self.payments) - self.cost


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


def own_values(tree: HistoryTree, t: int) -> FloatArray:
    """Value of each buyer at each profile of period t; shape ``(n, 1, *types[t])``, broadcast over the others' axes."""
    return at_profiles(tree, t, [row[t] for row in tree.environment.values])


def own_surplus(tree: HistoryTree, t: int) -> FloatArray:
    """The same of value less cost plus what a sale is worth to the seller."""
    return at_profiles(tree, t, [row[t] for row in tree.environment.surplus])


def at_profiles(tree: HistoryTree, t: int, rows: Sequence[FloatArray]) -> FloatArray:
    """Numbers by own type of each buyer at each profile of period t; shape ``(n, 1, *types[t])``."""
    buyers = tree.environment.agents
    shape = (buyers, 1, *tree.shape[t])
    values = np.empty(shape)
    for i, row in enumerate(rows):
        values[i] = row.reshape((1,) * (1 + i) + (-1,) + (1,) * (buyers - 1 - i))
    return values


def stage_utilities(tree: HistoryTree, t: int, allocation: FloatArray, payment: FloatArray) -> FloatArray:
    """Truthful utility of each buyer in period t, money of period t; shape ``(n, count[t], *types[t])``."""
    return own_values(tree, t) * allocation - payment


def realised_utilities(
    tree: HistoryTree, allocation: Sequence[FloatArray], payment: Sequence[FloatArray]
) -> tuple[FloatArray, ...]:
    """Present value of each buyer's utility on each history, by its length t = 0, ..., T; shapes ``(n, count[t])``."""
    buyers = tree.environment.agents
    sums = [np.zeros((buyers, 1))]
    for t in range(tree.horizon):
        weights = _own_weights(tree, t).reshape(-1, *[1] * (buyers + 1))
        utility = weights * stage_utilities(tree, t, allocation[t], payment[t])
        sums.append((sums[-1].reshape(buyers, -1, *[1] * buyers) + utility).reshape(buyers, -1))
    return tuple(sums)


def _own_weights(tree: HistoryTree, t: int) -> FloatArray:
    """Present value of money of period t to each buyer."""
    return np.array([weights[t] for weights in tree.environment.own_present_value])


def outcome(tree: HistoryTree, allocation: Sequence[FloatArray], payment: Sequence[FloatArray]) -> Outcome:
    """Expected payments, utilities and cost.

    Parameters
    ----------
    tree : HistoryTree
    allocation, payment : sequences over t of arrays ``(n, count[t], *types[t])``
        As in `mechopt.mechanism.direct.Mechanism`.
    """
    environment, buyers = tree.environment, tree.environment.agents
    payments, utilities, cost, worth = np.zeros(buyers), np.zeros(buyers), 0.0, 0.0
    for t in range(tree.horizon):
        probability = environment.present_value[t] * tree.reach[t + 1]
        payments += payment[t].reshape(buyers, -1) @ probability
        sold = allocation[t].reshape(buyers, -1) @ probability
        share = _own_weights(tree, t) / environment.present_value[t]
        utilities += share * (stage_utilities(tree, t, allocation[t], payment[t]).reshape(buyers, -1) @ probability)
        worth += float(share @ ((own_values(tree, t) * allocation[t]).reshape(buyers, -1) @ probability))
        if environment.seller_values is None:
            cost += float(environment.cost[t] * sold.sum())
        else:
            net = at_profiles(tree, t, [row[t] for row in environment.net_cost])
            cost += float(((net * allocation[t]).reshape(buyers, -1) @ probability).sum())
    return Outcome(tuple(payments.tolist()), tuple(utilities.tolist()), cost, worth - cost)
