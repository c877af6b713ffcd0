"""Views of one period that every row family uses: the own type's axis first, the others' profiles flattened.

For buyer i, ``apart`` turns the axes (history, type of each buyer) into (history, own type, others' profile).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from mechopt.core.numbers import Array, FloatArray, IntArray
from mechopt.histories.reports import HistoryTree


def apart(array: Array, i: int, types: tuple[int, ...]) -> Array:
    """Move buyer i's axis to the front of the type axes and flatten the others'.

    Parameters
    ----------
    array : array ``(nodes, *rest)``
        Over the histories at the end of a period; further axes are kept.
    i : int
        Buyer.
    types : tuple of int
        Numbers of types of the period.

    Returns
    -------
    array ``(histories, own types, others' profiles, *rest)``

    Examples
    --------
    >>> apart(np.arange(6), 1, (2, 3)).tolist()
    [[[0, 3], [1, 4], [2, 5]]]
    """
    rest = array.shape[1:]
    shaped = np.moveaxis(array.reshape(-1, *types, *rest), 1 + i, 1)
    return shaped.reshape(len(shaped), types[i], prod(types) // types[i], *rest)


@dataclass(frozen=True, eq=False)
class Stage:
    """Numbers of one buyer in one period; arrays over the others' profiles are made on first use only.

    Parameters
    ----------
    tree : HistoryTree
    period, buyer : int
    unit : float
        Money is measured in this.
    misreports : str
        Which get a row: ``"adjacent"``, ``"all"``, or ``"down"`` (to the next lower type).
    epsilon : Fraction
        What a misreport may gain.
    """

    tree: HistoryTree
    period: int
    buyer: int
    unit: float = 1.0
    misreports: str = "adjacent"
    epsilon: Fraction = Fraction(0)

    @property
    def types(self) -> tuple[int, ...]:
        """Numbers of types of the period, by buyer."""
        return self.tree.shape[self.period]

    @property
    def histories(self) -> int:
        """Number of histories before the period."""
        return self.tree.count[self.period]

    @cached_property
    def values(self) -> FloatArray:
        """Present value of the item to the buyer by own type, in the program's unit; shape ``(K,)``."""
        env = self.tree.environment
        values: FloatArray = self.weight * env.values[self.buyer][self.period] / self.unit
        return values

    @property
    def weight(self) -> Any:
        """Present value of money of the period to the buyer."""
        return self.tree.environment.own_present_value[self.buyer][self.period]

    @property
    def slack(self) -> Any:
        """Gain that a misreport may have, in the program's unit."""
        return float(self.epsilon) / self.unit

    @property
    def to_seller(self) -> Any:
        """Seller's present value of a payment in the period, as a share of the buyer's."""
        env = self.tree.environment
        return 1 if env.discounts is None else env.present_value[self.period] / self.weight

    @property
    def options(self) -> Array | None:
        """Present value of the buyer's outside option by own type, in the program's unit; None where nobody has one."""
        outside = self.tree.environment.outside
        return None if outside is None else np.asarray(self.weight * outside[self.buyer][self.period] / self.unit)

    @cached_property
    def margins(self) -> Array:
        """Seller's present value of the item's value less its cost by own type, in the program's unit; ``(K,)``."""
        env, t = self.tree.environment, self.period
        if env.exact is None:
            own = env.values[self.buyer][t] - env.cost[t]
        else:  # differences of exact numbers, rounded once
            own = np.array([float(value - env.exact.cost[t]) for value in env.exact.values[self.buyer][t]])
        return np.asarray(env.present_value[t] * own / self.unit)

    @property
    def distributions(self) -> list[Array]:
        """Probabilities of the types of the period, by buyer."""
        return [row[self.period] for row in self.tree.environment.probabilities]

    @property
    def at_contracting(self) -> Array | None:
        """The buyer's outside option at contracting where it is one number, in the program's unit, ``(1,)``."""
        first = replace(self, period=0).options
        return None if first is None else first[:1]

    @property
    def expected_option(self) -> Array | None:
        """Expected present value of the outside option before the type is known, in the program's unit, ``(1,)``."""
        return None if self.options is None else np.asarray([self.distributions[self.buyer] @ self.options])

    def money(self, amount: Fraction) -> float | Fraction:
        """Present value to the buyer of an amount of the period's money, in the program's unit."""
        return float(self.weight) * float(amount) / self.unit

    def money_now(self, amount: Fraction) -> float | Fraction:
        """An amount of money of period 0, in the program's unit."""
        return float(amount) / self.unit

    @cached_property
    def pairs(self) -> IntArray:
        """(true type, report) of the misreports that get a row; shape ``(P, 2)``."""
        return {"adjacent": adjacent_pairs, "all": all_pairs, "down": down_pairs}[self.misreports](
            self.types[self.buyer]
        )

    @property
    def gains(self) -> FloatArray:
        """``gains[pair]``: value of the true type less value of the reported one."""
        return self._differences(self.pairs[:, 0], self.pairs[:, 1])

    @property
    def steps(self) -> FloatArray:
        """Value of each type but the lowest less that of the type below; shape ``(K - 1,)``."""
        upper = np.arange(1, self.types[self.buyer])
        return self._differences(upper, upper - 1)

    def _differences(self, upper: IntArray, lower: IntArray) -> FloatArray:
        """Differences of exact values, rounded once: those of near ties would otherwise lose most of their digits."""
        env = self.tree.environment
        scale = self.weight / self.unit
        if env.exact is None:
            values = env.values[self.buyer][self.period]
            return np.asarray(scale * (values[upper] - values[lower]))
        exact = env.exact.values[self.buyer][self.period]
        pairs = zip(upper.tolist(), lower.tolist(), strict=True)
        return np.asarray(scale * np.array([float(exact[k] - exact[j]) for k, j in pairs], dtype=np.float64))

    @property
    def others_count(self) -> int:
        """Number M of profiles of the others' types."""
        return prod(self.types) // self.types[self.buyer]

    @property
    def others_likely(self) -> int:
        """Number of profiles of the others' types of positive probability."""
        rows = self.tree.environment.probabilities
        return prod(int(np.count_nonzero(row[self.period])) for j, row in enumerate(rows) if j != self.buyer)

    @property
    def profiles_likely(self) -> int:
        """Number of profiles of all types of positive probability."""
        own = self.tree.environment.probabilities[self.buyer][self.period]
        return self.others_likely * int(np.count_nonzero(own))

    @cached_property
    def others(self) -> FloatArray:
        """Probability of each profile of the others' types, as flattened by `apart`; shape ``(M,)``."""
        distribution = np.ones(())
        for j, row in enumerate(self.tree.environment.probabilities):
            if j != self.buyer:
                distribution = np.multiply.outer(distribution, row[self.period])
        return distribution.ravel()

    def apart(self, array: Array) -> Array:
        """Axes (history, own type, others' profile) of an array over the histories at the end of the period."""
        return apart(array, self.buyer, self.types)


def adjacent_pairs(types: int) -> IntArray:
    """Misreports to the next type, up and down: ``(2 (types - 1), 2)``.

    They suffice wherever the rows read S(k) - S(j) >= (v_k - v_j) x(j) for one S and x: the two rows of neighbours give
    (v_{k+1} - v_k) x_k <= S(k+1) - S(k) <= (v_{k+1} - v_k) x_{k+1}, hence x is increasing, and the sum of neighbouring
    rows from j to k bounds S(k) - S(j) by sums in which each x lies on the right side of x(j).
    """
    down = down_pairs(types)
    return np.concatenate([down, down[:, ::-1]])


def down_pairs(types: int) -> IntArray:
    """Misreports to the next lower type: ``(types - 1, 2)``."""
    low = np.arange(types - 1)
    return np.stack([low + 1, low], axis=1)


def all_pairs(types: int) -> IntArray:
    """Every misreport: ``(types (types - 1), 2)``."""
    true, report = np.divmod(np.arange(types**2), types)
    pairs: IntArray = np.stack([true, report], axis=1)[true != report]
    return pairs
