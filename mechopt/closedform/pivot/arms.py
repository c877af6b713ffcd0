r"""Arms: one agent is served a period for ever, the others stand still. Welfare and payments without the joint chain.

Arm i in state s brings r_i(s) = v_i(s) - c_i when served and then moves by P_i; it is frozen otherwise, and idling
brings 0. With the Gittins index gamma_i, the retirement value :math:`\rho_i(s) = \gamma_i(s) / (1 - d)` and

.. math:: D_i(s, m) = \mathbb{E}\, d^{\tau}, \quad \tau = \text{first time that } \rho_i \le m \text{, arm i alone,}

a step function of m with a small linear system a step (1 where :math:`\rho_i(s) \le m`), welfare from joint states s is

.. math:: W(s) = \bar m - \int_{m_0}^{\bar m} \prod_j D_j(s_j, m) \, dm, \qquad W_{-i}(s) \text{ without factor } i,

for every :math:`\bar m` above all retirement values; m_0 is 0, or below all of them where there is no idling. Without i
her action stays, worth nothing and at its cost: a way to idle, so that for :math:`W_{-i}` the integral starts at
:math:`-c_i / (1 - d)`, or at 0 where there is idling and that is higher. As the others stand still while i is served,
the pivot charges who is served :math:`c_i + (1 - d) W_{-i}(s)` and nobody else (Bergemann and Valimaki 2010, section
3). Marginal contributions are W - W_-i, revenue net of costs W less their sum.

While D_i jumps at m, arm i is served at the retirement value m; so rewards and discounted services of one arm under the
policy are sums over its jumps,

.. math:: R_i = \sum_m m \, [D_i(m) - D_i(m^-)] \prod_{j < i} D_j(m^-) \prod_{j > i} D_j(m),

and N_i without m, over 1 - d: of equal indices the lowest number is served.

Where initial states are drawn, D_j is replaced by its mean: arms are independent. With initial types k and the virtual
rewards :math:`\alpha_k v + \beta_k - c`, the bound (8) of Kakade, Lobel and Nazerzadeh (2013) is one integral,

.. math:: d \Bigl( \bar m - \int_0^{\bar m} \prod_i \Bigl[ \sum_k f_i(k) \, \mu_i \cdot D_{i,k}(m) \Bigr] dm \Bigr),

D = 1 for types that are excluded: no profile of types is enumerated.

Source: Whittle (1980) for the product of retirement problems; Gittins (1979).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from mechopt.closedform.pivot.gittins import gittins_indices
from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import FloatArray


class Steps(NamedTuple):
    """D of one arm: ``levels`` ascending, and ``table[s, l]`` for m from level l - 1 on (below all, for l = 0)."""

    levels: FloatArray
    table: FloatArray

    def at(self, places: FloatArray) -> FloatArray:
        """D at values of m, ``(S, places)``; on each step from its left end on."""
        found: FloatArray = self.table[:, np.searchsorted(self.levels, places, side="right")]
        return found


def steps_of(kernel: FloatArray, reward: FloatArray, discount: float) -> Steps:
    """Find D of an arm, by one linear system a retirement value.

    Parameters
    ----------
    kernel : float array ``(S, S)``
    reward : float array ``(S,)``
    discount : float
    """
    retire = gittins_indices(kernel, reward, discount) / (1 - discount)
    levels = np.unique(retire)
    table = np.ones((len(retire), len(levels) + 1))
    table[:, 0] = 0.0  # never at or below m
    for place, level in enumerate(levels, 1):
        going = retire > level
        if going.any():
            inside, leaving = kernel[np.ix_(going, going)], kernel[np.ix_(going, ~going)].sum(axis=1)
            table[going, place] = np.linalg.solve(np.eye(len(inside)) - discount * inside, discount * leaving)
    return Steps(levels, table)


@dataclass(frozen=True, eq=False, repr=False)
class Arms:
    """Arms of which one is served a period.

    Attributes
    ----------
    kernels : tuple over arms of float arrays ``(S_i, S_i)``
    values : tuple over arms of float arrays ``(S_i,)``
    costs : tuple of float
        Of serving each arm.
    discount : float
    idle : bool
        Whether nobody may be served.
    """

    kernels: tuple[FloatArray, ...]
    values: tuple[FloatArray, ...]
    costs: tuple[float, ...]
    discount: float
    idle: bool = True

    @cached_property
    def steps(self) -> tuple[Steps, ...]:
        """D of each arm."""
        rows = zip(self.kernels, self.values, self.costs, strict=True)
        return tuple(steps_of(kernel, value - cost, self.discount) for kernel, value, cost in rows)

    @cached_property
    def grid(self) -> tuple[FloatArray, FloatArray]:
        """Left ends and lengths of the intervals on which all D are constant."""
        levels = np.unique(np.concatenate([part.levels for part in self.steps]))
        starts = self.starts
        least = 0.0 if self.idle else min(float(levels.min()), float(starts.min())) - 1.0
        inside = np.concatenate([levels[levels > least], starts])
        ends = np.unique(np.append(inside, [least, max(float(inside.max()), least) + 1.0]))
        return ends[:-1], np.diff(ends)

    @cached_property
    def starts(self) -> FloatArray:
        """Value of serving an arm for ever without its agent, or of idling where one may."""
        without = -np.asarray(self.costs) / (1 - self.discount)
        return np.maximum(without, 0.0) if self.idle else without

    @cached_property
    def _tables(self) -> tuple[FloatArray, ...]:
        """``[i][s, interval]``: D."""
        return tuple(part.at(self.grid[0]) for part in self.steps)

    def _rows(self, state: Sequence[int]) -> FloatArray:
        faults = [
            Fault(f"state[{i}]", f"is {s}, arm {i} has no such state", f"give one from 0 to {len(table) - 1}")
            for i, (s, table) in enumerate(zip(state, self.values, strict=False))
            if s not in range(len(table))
        ]
        if len(state) != len(self.values) or faults:
            raise InputError(faults or [Fault("state", f"has {len(state)} entries", f"there are {len(self.values)}")])
        return np.array([table[s] for s, table in zip(state, self._tables, strict=True)])

    def _mean_rows(self, initial: Sequence[Any]) -> FloatArray:
        return np.array(
            [np.asarray(distribution, float) @ table for distribution, table in zip(initial, self._tables, strict=True)]
        )

    def _welfare(self, rows: FloatArray) -> float:
        left, length = self.grid
        return float(left[-1] + length[-1] - length @ np.prod(rows, axis=0))

    def _without(self, rows: FloatArray) -> FloatArray:
        """W_-i of all arms, from products of the rows before and after each."""
        left, length = self.grid
        ones = np.ones((1, rows.shape[1]))
        before = np.concatenate([ones, np.cumprod(rows, axis=0)[:-1]])
        after = np.concatenate([np.cumprod(rows[::-1], axis=0)[-2::-1], ones])
        counted = length * (left >= self.starts[:, None])
        found: FloatArray = left[-1] + length[-1] - (before * after * counted).sum(axis=1)
        return found

    def welfare(self, state: Sequence[int]) -> float:
        """W, welfare from a joint state on.

        Parameters
        ----------
        state : sequence of int
            Of each arm.
        """
        return self._welfare(self._rows(state))

    def welfare_without(self, state: Sequence[int]) -> FloatArray:
        """W_-i of each arm; her action stays possible without her, worth nothing and at its cost.

        Parameters
        ----------
        state : sequence of int
        """
        return self._without(self._rows(state))

    def require_payments(self) -> None:
        """Refuse what may cost others something while they are not served."""
        bad = [i for i, v in enumerate(self.values) if v.min() < 0 and (not self.idle or self.costs[i] < 0)]
        if bad:
            what = (
                f"agent {bad[0]} is served at a loss to herself in some state, and her action without her may be better"
            )
            raise InputError(f"arms: {what}; give values of at least 0, or an action that serves nobody")

    def rewards(self, state: Sequence[int]) -> FloatArray:
        """Expected present value of each arm's values less costs under the pivot's policy, by arm: R_i.

        Parameters
        ----------
        state : sequence of int
        """
        left, jumps = self._jumps(state)
        return jumps @ left[1:]

    def services(self, state: Sequence[int]) -> FloatArray:
        """Expected discounted number of periods in which each arm is served, by arm: N_i.

        Parameters
        ----------
        state : sequence of int
        """
        _, jumps = self._jumps(state)
        found: FloatArray = jumps.sum(axis=1) / (1 - self.discount)
        return found

    def _jumps(self, state: Sequence[int]) -> tuple[FloatArray, FloatArray]:
        """Left ends m, and ``[i, step]``: what is discounted away while arm i is served at a retirement value m.

        Arms of a higher one are served before, and of the same one those of a lower number.
        """
        rows = self._rows(state)
        after, before = rows[:, 1:], rows[:, :-1]
        done = np.concatenate([np.ones((1, after.shape[1])), np.cumprod(before, axis=0)[:-1]])
        waiting = np.concatenate([np.cumprod(after[::-1], axis=0)[-2::-1], np.ones((1, after.shape[1]))])
        return self.grid[0], (after - before) * done * waiting

    def served(self, state: Sequence[int]) -> int | None:
        """The arm of highest index (the first one of several), None where idling is better.

        Parameters
        ----------
        state : sequence of int
        """
        self._rows(state)
        indices = [self.indices[i][s] for i, s in enumerate(state)]
        best = int(np.argmax(indices))
        return best if not self.idle or indices[best] > 0 else None

    @cached_property
    def indices(self) -> tuple[FloatArray, ...]:
        """Gittins indices of each arm's states, of values less the cost."""
        rows = zip(self.kernels, self.values, self.costs, strict=True)
        return tuple(gittins_indices(kernel, value - cost, self.discount) for kernel, value, cost in rows)

    def payment(self, state: Sequence[int]) -> FloatArray:
        """Payment of each arm in a joint state: the served pays her cost and (1 - d) W_-i, others nothing.

        Parameters
        ----------
        state : sequence of int
        """
        self.require_payments()
        paid, served = np.zeros(len(self.values)), self.served(state)
        if served is not None:
            paid[served] = self.costs[served] + (1 - self.discount) * self.welfare_without(state)[served]
        return paid

    def revenue(self, initial: Sequence[Any]) -> float:
        """Expected revenue of the pivot net of costs: welfare less all marginal contributions.

        Parameters
        ----------
        initial : sequence over arms of probabilities
            Of the first states.
        """
        rows = self._mean_rows(initial)
        total = self._welfare(rows)
        return total - float((total - self._without(rows)).sum())

    def expected_welfare(self, initial: Sequence[Any]) -> float:
        """Expected welfare.

        Parameters
        ----------
        initial : sequence over arms of probabilities
        """
        return self._welfare(self._mean_rows(initial))

    def __repr__(self) -> str:
        sizes = ", ".join(str(len(v)) for v in self.values[:4]) + (", ..." if len(self.values) > 4 else "")
        return f"Arms({len(self.values)} arms of {sizes} states, discount {self.discount:g})"
