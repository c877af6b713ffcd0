r"""One agent's problem in a mechanism with finitely many states, and bounds of what its numbers are off by.

In state s, of type k, reporting r while the others tell the truth, she gets

.. math::
    Q(s, k, r) = \sum_a X_a(s, r) v(a, k) - p(s, r)
        + d \sum_b \sum_{s'} N_b(s, r, s') \sum_{k'} P_b(k, k') V(s', k')

with X the probability of an action, p the expected payment and N_b that of the next state by an action that brings
kernel b, all expected over the others' types in that state. What she knows of the others is the state, whatever she has
reported before. So her best strategy is a dynamic program over pairs (s, k): V = max over reports that the state
allows, and U of truth is Q at r = k. Policies are improved until none is better, and each is one linear system; the
residual R of V = max Q bounds what the values are off by, max |R| / (1 - d) (contraction).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mechopt.core.numbers import FloatArray, IntArray
from mechopt.mechanism.endless.linear import discounted
from mechopt.mechanism.endless.states import StateMechanism
from mechopt.verification.rounding import Precision, left

if TYPE_CHECKING:
    from scipy.sparse import csr_array

MAX_ROUNDS = 200
"""Improvements of a policy."""


@dataclass(frozen=True, eq=False)
class Response:
    """One agent's problem.

    Attributes
    ----------
    mechanism : StateMechanism
    agent : int
    """

    mechanism: StateMechanism
    agent: int

    @cached_property
    def types(self) -> int:
        """Number of her types."""
        return self.mechanism.shape[self.agent]

    @cached_property
    def allowed(self) -> npt.NDArray[np.bool_]:
        """Whether a state allows a report: types that are possible given what is public, ``(S, K)``."""
        return np.asarray(self.mechanism.distributions[self.agent] > 0)

    @cached_property
    def _weights(self) -> FloatArray:
        """Probability of the others' types by state, spread over profiles: ``(S, P)``, 1 in sum for each own report."""
        m, n = self.mechanism, self.mechanism.environment.agents
        total = np.ones((m.states, 1))
        for j in range(n):
            distribution = np.ones((m.states, self.types)) if j == self.agent else m.distributions[j]
            total = (total[:, :, None] * distribution[:, None, :]).reshape(m.states, -1)
        return total

    def _own(self, by_profile: FloatArray) -> FloatArray:
        """Sum over the others' types, weighted: ``(S, P, ...)`` to ``(S, K, ...)``."""
        m, rest = self.mechanism, by_profile.shape[2:]
        weighted = by_profile * self._weights.reshape(*self._weights.shape, *(1,) * len(rest))
        split = weighted.reshape(m.states, *m.shape, *rest)
        others = tuple(1 + j for j in range(len(m.shape)) if j != self.agent)
        found: FloatArray = split.sum(axis=others)
        return found

    @cached_property
    def actions(self) -> FloatArray:
        """X, ``(S, K, A)``."""
        return self._own(self.mechanism.allocation)

    @cached_property
    def fee(self) -> FloatArray:
        """p, ``(S, K)``."""
        m = self.mechanism
        return self._own((m.allocation * m.paid[self.agent]).sum(axis=2))

    @cached_property
    def kernels(self) -> tuple[FloatArray, IntArray]:
        """Her different kernels ``(B, K, K)``, and which an action brings."""
        kernels, moves = np.unique(self.mechanism.environment.kernel[self.agent][0], axis=0, return_inverse=True)
        return kernels, np.asarray(moves).ravel()

    @cached_property
    def next(self) -> tuple[csr_array, ...]:
        """N_b, each ``(S * K, S)``."""
        from scipy.sparse import csr_array

        m = self.mechanism
        size, profiles, _ = m.allocation.shape
        own = np.unravel_index(np.arange(profiles), m.shape)[self.agent]
        rows = np.broadcast_to((np.arange(size)[:, None] * self.types + own)[:, :, None], m.allocation.shape).ravel()
        weight = self._weights[:, :, None] * m.allocation
        found = []
        for b in range(len(self.kernels[0])):
            here = (weight * (self.kernels[1] == b)).ravel()
            spread = csr_array((here, (rows, np.arange(len(rows)))), shape=(size * self.types, len(rows)))
            found.append(csr_array(spread @ m.after))
        return tuple(found)

    @cached_property
    def flow(self) -> FloatArray:
        """Utility of a period by state, type and report, ``(S, K, R)``."""
        values = self.mechanism.environment.values[self.agent][0]
        found: FloatArray = np.einsum("sra,ak->skr", self.actions, values) - self.fee[:, None, :]
        return found

    def later(self, value: FloatArray) -> FloatArray:
        """Expected value after a report, as of the next period, ``(S, K, R)``."""
        size, total = self.mechanism.states, np.zeros_like(self.flow)
        for kernel, matrix in zip(self.kernels[0], self.next, strict=True):
            ahead = (matrix @ value).reshape(size, self.types, self.types)  # report, next type
            total += np.einsum("srl,kl->skr", ahead, kernel)
        return total

    def reports(self, value: FloatArray) -> FloatArray:
        """Q, ``(S, K, R)``."""
        found: FloatArray = self.flow + self.mechanism.environment.discount * self.later(value)
        return found

    def valued(self, report: IntArray) -> FloatArray:
        """Value for ever of a stationary strategy, ``(S, K)``; ``report`` by state and type."""
        from scipy.sparse import coo_array, csr_array

        size, types = report.shape
        flow = np.take_along_axis(self.flow, report[:, :, None], axis=2).ravel()
        rows, columns, weights = [], [], []
        at = (np.arange(size)[:, None] * types + report).ravel()  # row of N_b for each (s, k)
        for kernel, matrix in zip(self.kernels[0], self.next, strict=True):
            part = matrix[at].tocoo()
            own = part.row % types
            for k in range(types):
                rows.append(part.row)
                columns.append(part.col * types + k)
                weights.append(part.data * kernel[own, k])
        joined = coo_array(
            (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))), shape=(size * types,) * 2
        )
        found: FloatArray = discounted(csr_array(joined), flow, self.mechanism.environment.discount)
        return found.reshape(size, types)

    @cached_property
    def truth(self) -> FloatArray:
        """U, ``(S, K)``."""
        return self.valued(np.broadcast_to(np.arange(self.types), (self.mechanism.states, self.types)))

    @cached_property
    def truth_error(self) -> float:
        """Bound of what ``truth`` is off by."""
        reports = self.reports(self.truth)
        return self._error(np.einsum("skk->sk", reports) - self.truth, self.truth)

    @cached_property
    def best(self) -> FloatArray:
        """V of the best strategy of allowed reports, ``(S, K)``."""
        barred = np.where(self.allowed, 0.0, -np.inf)[:, None, :]
        report = np.where(self.allowed, np.arange(self.types), self.allowed.argmax(axis=1)[:, None])
        value = self.valued(report)
        for _ in range(MAX_ROUNDS):
            reports = self.reports(value) + barred
            now = np.take_along_axis(reports, report[:, :, None], axis=2)[:, :, 0]
            better = reports.max(axis=2) > now + self._step(value)
            if not better.any():
                break
            report = np.where(better, reports.argmax(axis=2), report)
            value = self.valued(report)
        return value

    @cached_property
    def best_reports(self) -> FloatArray:
        """Q of the best strategy from the next period on, minus infinity where not allowed, ``(S, K, R)``."""
        found: FloatArray = self.reports(self.best) + np.where(self.allowed, 0.0, -np.inf)[:, None, :]
        return found

    @cached_property
    def best_error(self) -> float:
        """Bound of what ``best`` is off by."""
        return self._error(self.best_reports.max(axis=2) - self.best, self.best)

    @cached_property
    def step(self) -> float:
        """Bound of the rounding of one step of a period, for values of the size of truth."""
        return self._step(self.truth)

    def _step(self, value: FloatArray) -> float:
        """Bound of the rounding of Q, from magnitudes of its terms."""
        m = self.mechanism
        paid = m.payment[self.agent][m.allocation > 0]
        parts = (m.environment.values[self.agent][0], paid, m.extra[self.agent], 2 * value)
        size = sum(float(np.abs(part).max()) for part in parts)
        lengths = int(np.diff(m.after.indptr).max())
        depth = m.allocation.shape[1] + m.allocation.shape[2] + lengths + 2 * self.types + len(m.shape) + 12
        return float(Precision.of(4 * depth, size).bound(np.array(size)))

    def _error(self, residual: FloatArray, value: FloatArray) -> float:
        off = float(np.abs(residual).max()) + self._step(value)
        found = off / left(self.mechanism.environment.discount)
        return found if np.isfinite(found) else float("inf")
