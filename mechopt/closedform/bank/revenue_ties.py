r"""Among auctions that leave buyers the same expected utilities, one that earns most.

A money-burning auction is there for the utilities :math:`\bar u_i` that it leaves, which spends take back. Of all
auctions that are dominant strategy incentive compatible, leave no type below 0 and leave buyer i :math:`\bar u_i` in
expectation, revenue is largest where welfare is. With lowest utilities :math:`\sum_{l < k} D_l x_i(l, m)` given the
allocation x, what is missing of :math:`\bar u_i` is handed out whatever is reported:

.. math:: \max_x E \sum_i \theta_i x_i \quad\text{subject to}\quad \sum_i x_i \le 1,
          \quad x_i \text{ rising in } \theta_i, \quad E \sum_{l < k} D_l x_i(l, m) \le \bar u_i .

At utilities of 0 this sells to the highest type alone, at her value. In place of the auctions of
`mechopt.closedform.bank.money_burning_caps` it leaves spends, deposits and balances as they are, so that every proof
about them stays; the revenue of the period does not fall.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from mechopt.closedform.bank.money_burning_caps import PROGRAMME_EFFORT, REMEMBERED, Burned, Distributions
from mechopt.core.errors import NoOptimumError
from mechopt.core.numbers import FloatArray

TOLERANCE = 1e-10
"""Of the program; the smallest that HiGHS takes."""


class RevenueTies:
    """Auctions of largest revenue at given expected utilities.

    Parameters
    ----------
    buyers : sequence of pairs (values, probabilities)

    Examples
    --------
    Utility 1/4 for a buyer of value 1 or 2: half of the price 1, half of the price 2, welfare 5/4, where the posted
    price 3/2 has welfare 1:

    >>> ties = RevenueTies([(np.array([1.0, 2.0]), np.array([0.5, 0.5]))])
    >>> ties(np.array([[0.25]])).allocation.round(9)
    array([[[0.5, 1. ]]])
    """

    effort = PROGRAMME_EFFORT

    def __init__(self, buyers: Distributions) -> None:
        self._values = [np.asarray(values, dtype=np.float64) for values, _ in buyers]
        self._distributions = [np.asarray(distribution, dtype=np.float64) for _, distribution in buyers]
        self._shape = tuple(values.size for values in self._values)
        self._solve = lru_cache(REMEMBERED)(self._solved)
        self._build()

    def _build(self) -> None:
        """Rows and costs, which do not depend on utilities."""
        from scipy.sparse import csr_array

        n, profiles = len(self._shape), int(np.prod(self._shape))
        distribution = np.ones(())
        for one in self._distributions:
            distribution = np.multiply.outer(distribution, one)
        number = np.arange(n * profiles).reshape(n, *self._shape)
        self._worth = np.stack(np.broadcast_arrays(*np.ix_(*self._values)))
        self._cost = -(distribution * self._worth).ravel()
        self._lowest = np.zeros((n, n * profiles))  # E sum of D_l x(l, m) over l below the own type
        rows = [number.reshape(n, -1).T]  # supply: n entries a row
        falls = []
        for i, values in enumerate(self._values):
            above = np.append(np.cumsum(self._distributions[i][::-1])[::-1][1:], 0.0)
            step = np.append(np.diff(values), 0.0)
            axes = [1] * n
            axes[i] = -1
            others = np.ones(())
            for j, one in enumerate(self._distributions):
                others = np.multiply.outer(others, np.ones(one.size) if j == i else one)
            self._lowest[i, number[i].ravel()] = (others * (above * step).reshape(axes)).ravel()
            lower, upper = (
                np.take(number[i], range(*cut), axis=i).ravel() for cut in ((0, values.size - 1), (1, values.size))
            )
            falls.append(np.stack([lower, upper], axis=1))
        rising = np.concatenate(falls)
        entries = np.concatenate([rows[0].ravel(), rising.ravel()])
        signs = np.concatenate([np.ones(rows[0].size), np.tile([1.0, -1.0], len(rising))])
        at = np.concatenate([np.repeat(np.arange(profiles), n), profiles + np.repeat(np.arange(len(rising)), 2)])
        plain = csr_array((signs, (at, entries)), shape=(profiles + len(rising), n * profiles))
        self._rows = np.vstack([plain.toarray(), self._lowest])
        self._sides = np.concatenate([np.ones(profiles), np.zeros(len(rising))])

    def __call__(self, utilities: FloatArray) -> Burned:
        """Auctions at expected utilities ``(n, S)``."""
        made = [self._solve(tuple(column)) for column in utilities.T.tolist()]
        allocation, payment = (np.stack(part, axis=1) for part in zip(*made, strict=True))
        return Burned(allocation, payment, utilities)

    def _solved(self, utilities: tuple[float, ...]) -> tuple[FloatArray, FloatArray]:
        from scipy.optimize import linprog

        found = linprog(
            self._cost,
            A_ub=self._rows,
            b_ub=np.concatenate([self._sides, utilities]),
            bounds=(0.0, 1.0),
            method="highs",
            options={"primal_feasibility_tolerance": TOLERANCE, "dual_feasibility_tolerance": TOLERANCE},
        )
        if found.x is None:
            raise NoOptimumError(f"money burning: the program of largest revenue stopped with {found.message!r}")
        sold = np.clip(found.x, 0.0, 1.0)
        missing = np.maximum(np.asarray(utilities) - self._lowest @ sold, 0.0)
        allocation = sold.reshape(len(self._shape), *self._shape)
        utility = np.empty_like(allocation)
        for i, values in enumerate(self._values):
            steps = np.append(0.0, np.diff(values))
            axes = [1] * len(self._shape)
            axes[i] = -1
            below = np.roll(allocation[i], 1, axis=i) * steps.reshape(axes)
            utility[i] = np.cumsum(below, axis=i) + missing[i]
        return allocation, self._worth * allocation - utility
