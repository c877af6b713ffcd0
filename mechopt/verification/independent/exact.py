"""A mechanism for types that are independent across periods, checked in fractions by plain loops from the definitions.

Nothing is shared with `mechopt.verification.verify` but the tolerance.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

from mechopt.mechanism.constraints import (
    DIC,
    EPIR,
    INDU,
    PEIR,
    PFIR,
    PPIC,
    PPIR,
    Constraint,
    ExAnteIR,
    ExpectedContinuationIR,
    ExPostIC,
    Interim,
    PeriodicIR,
    SuperDIC,
)
from mechopt.mechanism.direct import Mechanism
from mechopt.verification.exact import fractions, require_few
from mechopt.verification.rounding import Answer, ExactVerdict

Place = tuple[int, ...]
"""Buyer, period, history, true type, report, others' profile, future."""


def exact_gain(
    constraint: Constraint, mechanism: Mechanism, tolerance: float, buyers: list[int]
) -> tuple[Answer, Place | None]:
    """Largest violation of some buyers and where it is.

    Raises
    ------
    LimitError
        If there are too many histories.
    """
    require_few(_terms(constraint, mechanism), f"the check of {constraint.name}")
    verdict = ExactVerdict(tolerance)
    for i in buyers:
        for gain, place in _Buyer(mechanism, i).gains(constraint):
            verdict.add(gain, (i, *place))
    return verdict.answer, verdict.place


def _terms(constraint: Constraint, mechanism: Mechanism) -> int:
    tree, total = mechanism.tree, 0
    for t, types in enumerate(tree.shape):
        later = tree.count[-1] // tree.count[t + 1] if constraint == SuperDIC() else 1
        total += tree.count[t + 1] * max(types) * later
    return 2 * mechanism.environment.agents * total


class _Buyer:
    """One buyer's utilities at every node, and the truthful continuation values; present value."""

    def __init__(self, mechanism: Mechanism, i: int) -> None:
        env, self.tree, self.i = mechanism.environment, mechanism.tree, i
        outside: Any
        if env.exact is not None:
            values, distribution, discount = env.exact.values[i], env.exact.probabilities, env.exact.discount
            discount = env.exact.discounts[i] if env.exact.discounts else discount
            outside = env.exact.outside and env.exact.outside[i]
        else:
            values = tuple(tuple(fractions(row)) for row in env.values[i])
            distribution = tuple(tuple(tuple(fractions(row)) for row in rows) for rows in env.probabilities)
            discount = Fraction(env.discounts[i] if env.discounts else env.discount)
            outside = env.outside and tuple(tuple(fractions(row)) for row in env.outside[i])
        self.periods = range(env.horizon)
        self.weight = [discount**t for t in self.periods]
        self.value, self.own_distribution = values, distribution[i]
        nothing = tuple((Fraction(0),) * len(row) for row in values)
        self.option = [[w * o for o in row] for w, row in zip(self.weight, outside or nothing, strict=True)]
        self.sold = [fractions(part[i]) for part in mechanism.allocation]
        self.paid = [fractions(part[i]) for part in mechanism.payment]
        sizes = [[k for j, k in enumerate(types) if j != i] for types in self.tree.shape]
        self.others = [list(product(*map(range, row))) for row in sizes]
        self.other_distribution = [
            [
                prod((distribution[j][t][k] for j, k in zip(self._rest, o, strict=True)), start=Fraction(1))
                for o in self.others[t]
            ]
            for t in self.periods
        ]
        self.truth = [[Fraction(0)] * self.tree.count[-1]]
        for t in reversed(self.periods):
            after = self.truth[0]
            self.truth.insert(0, [self._expected(t, h, after) for h in range(self.tree.count[t])])
        self.past = [[Fraction(0)]]
        for t in self.periods:
            width = prod(self.tree.shape[t])
            own = [profile[i] for profile in product(*map(range, self.tree.shape[t]))]
            self.past.append(
                [self.past[t][n // width] + self._now(t, n, own[n % width]) for n in range(self.tree.count[t + 1])]
            )

    @property
    def _rest(self) -> list[int]:
        return [j for j in range(len(self.tree.shape[0])) if j != self.i]

    def _expected(self, t: int, h: int, after: list[Fraction]) -> Fraction:
        return sum(
            (
                p * q * (self._now(t, n, k) + after[n])
                for k, p in enumerate(self.own_distribution[t])
                for q, n in zip(self.other_distribution[t], self.nodes(t, h, k), strict=True)
                if p and q
            ),
            Fraction(0),
        )

    def _now(self, t: int, node: int, true: int) -> Fraction:
        """Utility of a type at a node."""
        return self.weight[t] * (self.value[t][true] * self.sold[t][node] - self.paid[t][node])

    def nodes(self, t: int, h: int, report: int) -> list[int]:
        """Children of a history under a report, by the others' profile."""
        types, first, found = self.tree.shape[t], h * prod(self.tree.shape[t]), list[int]()
        for o in self.others[t]:
            number = 0
            for size, k in zip(types, (*o[: self.i], report, *o[self.i :]), strict=True):
                number = number * size + k
            found.append(first + number)
        return found

    def gains(self, constraint: Constraint) -> Iterator[tuple[Fraction, Place]]:
        """All gains, with period, history, true type, report, others' profile and future."""
        periods = (
            self.periods[-1:]
            if constraint == EPIR()
            else self.periods[:1]
            if constraint in (Interim(), ExAnteIR())
            else self.periods
        )
        for t in periods:
            for h in range(self.tree.count[t]):
                for gain, place in self._at(constraint, t, h):
                    yield gain, (t, h, *place)

    def _at(self, constraint: Constraint, t: int, h: int) -> Iterator[tuple[Fraction, Place]]:
        types, distribution, truth = range(self.tree.shape[t][self.i]), self.other_distribution[t], self.truth[t + 1]
        nodes = [self.nodes(t, h, k) for k in types]
        if constraint.role == "ir":
            yield from self._participation(constraint, t, h, nodes)
            return
        now = constraint != INDU()
        later = constraint not in (PPIC(), SuperDIC())
        for k, j in product(types, types):
            gains = [
                (self._now(t, lie, k) - self._now(t, honest, k) if now else Fraction(0))
                + (truth[lie] - truth[honest] if later else 0)
                for lie, honest in zip(nodes[j], nodes[k], strict=True)
            ]
            if constraint == SuperDIC():
                for o, (lie, honest) in enumerate(zip(nodes[j], nodes[k], strict=True)):
                    for f, (one, other) in enumerate(zip(self._futures(t, lie), self._futures(t, honest), strict=True)):
                        yield gains[o] + one - other, (k, j, o, f)
            elif constraint == ExPostIC():
                for o, gain in enumerate(gains):
                    yield gain, (k, j, o, 0)
            else:
                assert constraint in (DIC(), PPIC(), INDU())
                yield sum((q * gain for q, gain in zip(distribution, gains, strict=True)), Fraction(0)), (k, j, 0, 0)

    def _futures(self, t: int, node: int) -> Iterator[Fraction]:
        """Utility after a node on each path."""
        width = self.tree.count[-1] // self.tree.count[t + 1]
        for leaf in range(node * width, (node + 1) * width):
            yield self.past[-1][leaf] - self.past[t + 1][node]

    def _participation(
        self, constraint: Constraint, t: int, h: int, nodes: list[list[int]]
    ) -> Iterator[tuple[Fraction, Place]]:
        distribution, truth = self.other_distribution[t], self.truth[t + 1]
        first = Fraction(0) if t and constraint in (PEIR(), PPIR()) else self.option[0][0]
        if constraint in (ExpectedContinuationIR(), ExAnteIR()):
            option = sum((p * o for p, o in zip(self.own_distribution[t], self.option[t], strict=True)), Fraction(0))
            yield option - self.truth[t][h], (0, 0, 0, 0)
        elif constraint == PEIR():
            each = (
                p * q * self._now(t, n, k)
                for k, p in enumerate(self.own_distribution[t])
                for q, n in zip(distribution, nodes[k], strict=True)
            )
            yield first - sum(each, Fraction(0)), (0, 0, 0, 0)
        elif constraint in (EPIR(), PFIR(), PPIR()):
            for k, row in enumerate(nodes):
                for o, n in enumerate(row):
                    utility = self._now(t, n, k) if constraint == PPIR() else self.past[t + 1][n]
                    yield first - utility, (k, k, o, 0)
        else:
            assert constraint in (Interim(), PeriodicIR())
            for k, row in enumerate(nodes):
                value = (q * (self._now(t, n, k) + truth[n]) for q, n in zip(distribution, row, strict=True))
                yield self.option[t][k] - sum(value, Fraction(0)), (k, k, 0, 0)
