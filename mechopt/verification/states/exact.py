r"""The same checks with rounding bounded in fractions.

Values of truth and of the best strategy are floats; put into the recursion in fractions they leave a residual, and the
exact values are no further off than max |R| / (1 - d). A step of the recursion in floats is compared with the step in
fractions. So nothing rests on how floats round, and what is left undecided is less than a part in 10^10 wide. Where the
environment is exact its own numbers are used; allocations and payments are the floats that they are.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from itertools import product
from math import prod

import numpy as np

from mechopt.core.errors import LimitError
from mechopt.core.numbers import FloatArray
from mechopt.mechanism.endless.states import StateMechanism
from mechopt.verification.states.response import Response

MAX_ENTRIES = 2_000_000
"""Transitions times types that are followed in fractions."""
Row = tuple[Fraction, ...]


def require_few(mechanism: StateMechanism) -> None:
    """Refuse mechanisms with too many states for fractions.

    Raises
    ------
    LimitError
    """
    entries = mechanism.after.nnz * max(mechanism.shape) ** 2
    if entries > MAX_ENTRIES:
        raise LimitError(
            f"{mechanism.states:,} states have {entries:,} steps, above {MAX_ENTRIES:,}, in fractions; leave out exact"
        )


class InFractions(Response):
    """One agent's problem, whose bounds come from fractions."""

    @cached_property
    def _numbers(self) -> tuple[list[Row], list[list[Row]], Fraction]:
        """Values ``[a][k]``, kernel ``[a][k][l]`` and discount."""
        env = self.mechanism.environment
        if env.exact is not None:
            i = self.agent
            return (
                [tuple(row) for row in env.exact.values[i][0]],
                [[tuple(row) for row in matrix] for matrix in env.exact.kernel[i][0]],
                env.exact.discount,
            )
        values = [tuple(map(Fraction, row)) for row in env.values[self.agent][0].tolist()]
        kernel = [[tuple(map(Fraction, row)) for row in part] for part in env.kernel[self.agent][0].tolist()]
        return values, kernel, Fraction(env.discount)

    def _distributions(self, j: int) -> list[Row]:
        """Distribution of agent j's type by state, exact where the environment is."""
        m, env = self.mechanism, self.mechanism.environment
        known = dict[bytes, Row]()
        if env.exact is not None:
            rows = [(env.initial[j], env.exact.initial[j])]
            for a, matrix in enumerate(env.exact.kernel[j][0]):
                rows += list(zip(env.kernel[j][0][a], matrix, strict=True))
            known = {np.asarray(row).tobytes(): tuple(exact) for row, exact in rows}
        return [
            known.get(distribution.tobytes(), tuple(map(Fraction, distribution.tolist())))
            for distribution in m.distributions[j]
        ]

    @cached_property
    def _entries(self) -> list[list[list[tuple[int, Fraction, Fraction, list[tuple[int, Fraction]]]]]]:
        """By state and own report: (action, probability, payment, next states), over the others' types."""
        m, n = self.mechanism, self.mechanism.environment.agents
        distributions = {j: self._distributions(j) for j in range(n) if j != self.agent}
        profiles = list(product(*map(range, m.shape)))
        found: list[list[list[tuple[int, Fraction, Fraction, list[tuple[int, Fraction]]]]]] = []
        for s in range(m.states):
            by_report: list[list[tuple[int, Fraction, Fraction, list[tuple[int, Fraction]]]]]
            by_report = [[] for _ in range(self.types)]
            for p, profile in enumerate(profiles):
                chance = prod((distributions[j][s][profile[j]] for j in distributions), start=Fraction(1))
                for a in np.flatnonzero(m.allocation[s, p]).tolist() if chance else ():
                    row = (s * len(profiles) + p) * m.allocation.shape[2] + a
                    span = range(int(m.after.indptr[row]), int(m.after.indptr[row + 1]))
                    moves = [(int(m.after.indices[e]), Fraction(float(m.after.data[e]))) for e in span]
                    fee = Fraction(float(m.payment[self.agent, s, p, a]))
                    coins = (Fraction(float(m.extra[self.agent, e])) for e in span)
                    fee += sum((share * coin for (_, share), coin in zip(moves, coins, strict=True)), start=Fraction(0))
                    weight = chance * Fraction(float(m.allocation[s, p, a]))
                    by_report[profile[self.agent]].append((a, weight, fee, moves))
            found.append(by_report)
        return found

    def _off(self, value: FloatArray) -> tuple[float, float, float]:
        """How far one step in floats is off, and residuals of truth and of the best report, all from above.

        Infinite where values are not finite, which is a violation.
        """
        if not np.isfinite(value).all():
            return np.inf, np.inf, np.inf
        values, kernel, d = self._numbers
        exact = [[Fraction(x) for x in row] for row in value.tolist()]
        floats = self.reports(value)
        step = truth = best = Fraction(0)
        for s, by_report in enumerate(self._entries):
            for k in range(self.types):
                tried = list[Fraction]()
                for r in range(self.types):
                    total = Fraction(0)
                    for a, weight, fee, moves in by_report[r]:
                        ahead = sum(
                            (q * sum(c * exact[to][x] for x, c in enumerate(kernel[a][k]) if c) for to, q in moves),
                            start=Fraction(0),
                        )
                        total += weight * (values[a][k] - fee + d * ahead)
                    step = max(step, abs(total - Fraction(float(floats[s, k, r]))))
                    if self.allowed[s, r]:
                        tried.append(total)
                    if r == k:
                        truth = max(truth, abs(total - exact[s][k]))
                best = max(best, abs(max(tried) - exact[s][k]))
        return _above(step), _above(truth / (1 - d)), _above(best / (1 - d))

    @cached_property
    def _of_truth(self) -> tuple[float, float, float]:
        return self._off(self.truth)

    @cached_property
    def _of_best(self) -> tuple[float, float, float]:
        return self._off(self.best)

    @cached_property
    def truth_error(self) -> float:
        """Bound of what ``truth`` is off by."""
        return self._of_truth[1]

    @cached_property
    def best_error(self) -> float:
        """Bound of what ``best`` is off by."""
        return self._of_best[2]

    @cached_property
    def step(self) -> float:
        """Bound of what one step in floats is off by, and of the differences of two numbers that follow it."""
        size = float(np.abs(self.truth).max() + np.abs(self.best).max() + np.abs(self.flow).max())
        return max(self._of_truth[0], self._of_best[0]) + 4 * 2.0**-53 * size


def _above(number: Fraction) -> float:
    """The least float that is not below; 0 stays 0."""
    nearest = float(number)
    return nearest if Fraction(nearest) >= number else float(np.nextafter(nearest, np.inf))
