"""Constraints on payments in fractions, by plain loops from the definitions.

Nothing is shared with `mechopt.verification.payments.check` but the tolerance.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import prod
from typing import Any

from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.payments import (
    Budget,
    ExAnteBudgetBalance,
    NoMoney,
    NoSubsidy,
    PaymentCap,
    PaymentConstraint,
    PrefixBudget,
    StrongBudgetBalance,
)
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.verification.exact import ExactProcess, fractions, require_few
from mechopt.verification.rounding import Answer, ExactVerdict

Place = tuple[int, int, int, int]
"""Agent (-1: all together), period, node and branch (-1: none)."""
ZERO = Fraction(0)


def exact_gain(
    c: PaymentConstraint, mechanism: Mechanism | SequenceMechanism, tolerance: float
) -> tuple[Answer, Place | None]:
    """Largest violation and where it is.

    Raises
    ------
    LimitError
        If there are too many histories.
    """
    tree = mechanism.tree
    nodes = tree.count[1:] if isinstance(mechanism, Mechanism) else tree.count
    require_few(2 * mechanism.environment.agents * sum(nodes), f"the check of {c.name}")
    books = _direct(mechanism) if isinstance(mechanism, Mechanism) else _sequence(mechanism)
    verdict = ExactVerdict(tolerance)
    for gain, place in _gains(c, books, mechanism.environment.agents):
        verdict.add(gain, place)
    if verdict.place is None:
        return verdict.answer, None
    agent, period, node, branch = verdict.place
    return verdict.answer, (agent, period, node, branch)


class _Node:
    """Money at one node: present values times weights."""

    def __init__(
        self,
        paid: list[list[Fraction]],
        fee: Fraction,
        weights: list[Fraction],
        before: int,
        reach: Fraction,
        worth: Fraction,
    ) -> None:
        self.paid, self.fee, self.weights, self.before = paid, fee, weights, before
        self.reach, self.worth = reach, worth
        kept = [max(w, ZERO) for w in weights]
        mass = sum(kept, ZERO)
        self.shares = [w / mass if mass else Fraction(1, len(kept)) for w in kept]

    @property
    def short(self) -> Fraction:
        """Shortfall of payments below the cost."""
        return self.fee - sum((sum(row, ZERO) for row in self.paid), ZERO)


Books = list[list[_Node]]


def _direct(mechanism: Mechanism) -> Books:
    env, tree, books = mechanism.environment, mechanism.tree, Books()
    exact: Any = env.exact
    discount = Fraction(env.discount) if exact is None else exact.discount
    reach = [Fraction(1)]
    for t, shape in enumerate(tree.shape):
        width, worth = prod(shape), discount**t
        fee = Fraction(float(env.cost[t])) if exact is None else exact.cost[t]
        given = env.probabilities if exact is None else exact.probabilities
        chances = [Fraction(1)]
        for row in given:
            chances = [p * Fraction(q) for p in chances for q in row[t]]
        reach = [p * q for p in reach for q in chances]
        paid = [fractions(part) for part in mechanism.payment[t]]
        sold = [fractions(part) for part in mechanism.allocation[t]]
        books.append(
            [
                _Node(
                    [[worth * row[n]] for row in paid],
                    worth * fee * sum((row[n] for row in sold), ZERO),
                    [Fraction(1)],
                    n // width,
                    reach[n],
                    worth,
                )
                for n in range(tree.count[t + 1])
            ]
        )
    return books


def _sequence(mechanism: SequenceMechanism) -> Books:
    tree, exact, books = mechanism.tree, ExactProcess(mechanism.environment), Books()
    env = mechanism.environment
    costs: Any = env.cost if env.exact is None else env.exact.cost
    for t in range(tree.horizon):
        worth, branches, row = exact.discount**t, tree.branches[t], list[_Node]()
        by_period = isinstance(costs[0], tuple) or getattr(costs[0], "ndim", 0) == 1
        fees = [Fraction(fee) for fee in (costs[t] if by_period else costs)]
        for node, (slot, m) in enumerate(zip(tree.slot[t].tolist(), tree.profile[t].tolist(), strict=True)):
            sold = fractions(mechanism.allocation[t][node])
            if t:
                came, branch = divmod(slot, tree.branches[t - 1])
                chance = books[-1][came].reach * exact.moves(t - 1, branch, int(tree.profile[t - 1][came]))[m]
            else:
                chance = exact.initial[m]
            row.append(
                _Node(
                    [[worth * p for p in fractions(part[node])] for part in mechanism.payment[t]],
                    worth * sum((fee * x for fee, x in zip(fees, sold, strict=True)), ZERO),
                    sold if branches > 1 else [sum(sold, ZERO)],
                    slot,
                    chance,
                    worth,
                )
            )
        books.append(row)
    return books


def _gains(c: PaymentConstraint, books: Books, agents: int) -> Iterator[tuple[Fraction, Place]]:
    if isinstance(c, ExAnteBudgetBalance):
        yield sum((n.reach * n.short for row in books for n in row), ZERO), (-1, 0, 0, -1)
        return
    if isinstance(c, (Budget, PrefixBudget)):
        for i in range(agents):
            yield from _paths(c, books, i)
        return
    for t, row in enumerate(books):
        for number, node in enumerate(row):
            if not isinstance(c, (NoMoney, NoSubsidy, PaymentCap)):
                short = abs(node.short) if isinstance(c, StrongBudgetBalance) else node.short
                yield short, (-1, t, number, -1)
                continue
            for i in range(agents):
                for b, (paid, weight) in enumerate(zip(node.paid[i], node.weights, strict=True)):
                    if isinstance(c, PaymentCap):
                        gain = paid - node.worth * c.amount(i) * weight
                    else:
                        gain = abs(paid) if isinstance(c, NoMoney) else -paid
                    yield gain, (i, t, number, b if len(node.weights) > 1 else -1)


def _paths(c: Budget | PrefixBudget, books: Books, i: int) -> Iterator[tuple[Fraction, Place]]:
    before = [ZERO]
    for t, row in enumerate(books):
        after = list[Fraction]()
        for number, node in enumerate(row):
            path = [before[node.before] * s + p for s, p in zip(node.shares, node.paid[i], strict=True)]
            after += path
            if isinstance(c, PrefixBudget) or t == len(books) - 1:
                for b, (total, weight) in enumerate(zip(path, node.weights, strict=True)):
                    yield total - c.amount(i) * weight, (i, t, number, b if len(path) > 1 else -1)
        before = after
