"""Constraints on payments once more, by loops over histories, for the checker of certificates.

The rows come last, constraint by constraint in the order of certificates. Independent types: the payment of buyer i at
the node n after h, in present value, is v_i x_i(n) - R_i(n) + R_i(h). Persistent types: y_i(n), and sums of payments P
by agent and slot for t >= 1 are columns of their own, after all others, with rows before those of the constraints::

    paid    sum_b P(slot after n and b) - y(n) - P(slot of n) = 0 before the last period

Rows of independent types are divided by the amount where it is not 0. This file shares no code with `mechopt.lp`.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import product
from math import prod
from typing import Protocol

from mechopt.mechanism.constraints import EPIR, PFIR, PPIR, BayesianIC, Constraint, MyopicIC
from mechopt.mechanism.payments import (
    Budget,
    EpsilonIC,
    ExAnteBudgetBalance,
    NoMoney,
    NoSubsidy,
    PaymentCap,
    PaymentConstraint,
    PrefixBudget,
    StrongBudgetBalance,
    WeakBudgetBalance,
    amounts_of,
    payment_constraints,
)
from mechopt.proof.constraints import CertificateError
from mechopt.proof.persistent.tree import Histories, PersistentProcess
from mechopt.proof.rows import Entries, Number, Row, whole

ONE = Fraction(1)
KNOWN = (
    NoMoney,
    NoSubsidy,
    PaymentCap,
    Budget,
    PrefixBudget,
    WeakBudgetBalance,
    StrongBudgetBalance,
    ExAnteBudgetBalance,
    EpsilonIC,
)


def slack(subject_to: tuple[PaymentConstraint, ...], i: int) -> Fraction:
    """Gain that a misreport of agent i may have."""
    given = [c.amount(i) for c in subject_to if isinstance(c, EpsilonIC)]
    return min(given) if given else Fraction(0)


def require_slack(ic: tuple[Constraint, ...], subject_to: tuple[PaymentConstraint, ...], periods: int) -> None:
    """Refuse gains of strategies beside those of single misreports, of which neither implies the other.

    Raises
    ------
    CertificateError
        With the constraints.
    """
    slacks = any(isinstance(constraint, EpsilonIC) for constraint in subject_to)
    others = [constraint for constraint in ic if not isinstance(constraint, MyopicIC)]
    if slacks and periods > 1 and len(others) > 1 and any(isinstance(one, BayesianIC) for one in others):
        raise CertificateError("subject_to: epsilon is defined with bayesian constraints or with others, not with both")


def require_payments(
    subject_to: tuple[PaymentConstraint, ...], agents: int, form: str, ir: tuple[Constraint, ...], draws: bool
) -> None:
    """Refuse constraints on payments that the checker does not define, or that the form does not say together.

    Parameters
    ----------
    draws : bool
        Whether payments may depend on the mechanism's own draws of earlier actions.

    Raises
    ------
    CertificateError
        With the constraint.
    """
    if not subject_to:
        return
    if form not in ("payment", "sequence"):
        raise CertificateError(f"form: {form!r} has no payments by period to constrain; 'payment' has")
    for constraint in subject_to:
        if type(constraint) not in KNOWN:
            raise CertificateError(f"subject_to: {constraint.name} is not defined")
        if len(amounts_of(constraint)) not in (0, 1, agents):
            raise CertificateError(f"subject_to: {constraint.name} has amounts for another number of agents")
    if subject_to != payment_constraints(subject_to):
        raise CertificateError("subject_to: each constraint stands once, in the library's order")
    single = any(isinstance(c, (NoMoney, NoSubsidy, PaymentCap)) for c in subject_to)
    sums = any(isinstance(c, (Budget, PrefixBudget)) for c in subject_to)
    paths = any(isinstance(c, (EPIR, PFIR, PPIR)) for c in ir)
    if draws and single + sums + paths > 1 and (single or sums):
        raise CertificateError(
            "subject_to: payments depend on draws of earlier actions, and the program does not say all of this of them"
        )


class PaymentForm(Protocol):
    """Parts of the model of independent types that the rows need."""

    buyers: int
    periods: int
    types: list[list[int]]
    count: list[int]
    distribution: list[list[Number]]
    present: list[list[list[Fraction]]]
    fees: list[Fraction]
    own_discount: tuple[Fraction, ...]

    def share(self, t: int, i: int) -> Fraction:
        """The seller's present value of a payment by the buyer's."""

    def receipts(self, length: int, last: int, i: int) -> Fraction:
        """Coefficient of R in minus the seller's value of what R gains."""

    def utility(self, kind: str, length: int, i: int) -> int:
        """First column of a utility."""

    def allocation(self, t: int, i: int) -> int:
        """First column of an allocation."""


def independent_rows(model: PaymentForm, subject_to: tuple[PaymentConstraint, ...]) -> Iterator[Row]:
    """All rows of constraints on payments where types are independent across periods."""
    stages = [(t, i) for t in range(model.periods) for i in range(model.buyers)]
    for c in subject_to:
        if isinstance(c, (NoMoney, NoSubsidy, PaymentCap)):
            for t, i in stages:
                yield from _single(model, c, t, i)
        elif isinstance(c, (Budget, PrefixBudget)):
            for t in range(model.periods) if isinstance(c, PrefixBudget) else (model.periods - 1,):
                for i in range(model.buyers):
                    yield from _path(model, c, t, i)
        elif isinstance(c, ExAnteBudgetBalance):
            yield _ex_ante(model)
        elif not isinstance(c, EpsilonIC):
            for t in range(model.periods):
                yield from _balance(model, c, t)


def _own(model: PaymentForm, t: int, i: int) -> list[int]:
    """Type of buyer i in each profile."""
    return [profile[i] for profile in product(*map(range, model.types[t]))]


def _paid(model: PaymentForm, t: int, i: int, node: int, worth: Fraction, share: Fraction = ONE) -> Entries:
    width = prod(model.types[t])
    entries: Entries = [(model.allocation(t, i) + node, whole(worth))] if worth else []
    after, before = model.utility("realised utility", t + 1, i), model.utility("realised utility", t, i)
    return [*entries, (after + node, whole(-share)), (before + node // width, whole(share))]


def _at_most(entries: Entries, amount: Fraction) -> tuple[Entries, int]:
    """A row that is at most an amount, divided by it."""
    if amount == 0:
        return entries, 0
    over = ONE / abs(amount)
    return [(column, whole(number * over)) for column, number in entries], 1 if amount > 0 else -1


def _single(model: PaymentForm, c: PaymentConstraint, t: int, i: int) -> Iterator[Row]:
    own, values = _own(model, t, i), model.present[i][t]
    for node in range(model.count[t + 1]):
        history, m = divmod(node, len(own))
        entries = _paid(model, t, i, node, values[own[m]])
        if isinstance(c, PaymentCap):
            divided, side = _at_most(entries, model.own_discount[i] ** t * c.amount(i))
            yield Row(c.name, (t, i, history, m), divided, None, side)
        else:
            yield Row(c.name, (t, i, history, m), entries, 0, 0 if isinstance(c, NoMoney) else None)


def _path(model: PaymentForm, c: Budget | PrefixBudget, t: int, i: int) -> Iterator[Row]:
    """Values on the way less realised utility."""
    own = [_own(model, s, i) for s in range(t + 1)]
    for node in range(model.count[t + 1]):
        entries: Entries = []
        for s in range(t + 1):
            at = node // (model.count[t + 1] // model.count[s + 1])
            value = model.share(s, i) * model.present[i][s][own[s][at % len(own[s])]]
            received = model.receipts(s + 1, t, i)
            if received:
                entries.append((model.utility("realised utility", s + 1, i) + at, whole(received)))
            if value:
                entries.append((model.allocation(s, i) + at, whole(value)))
        divided, side = _at_most(entries, c.amount(i))
        yield Row(c.name, (t, i, *divmod(node, len(own[t]))), divided, None, side)


def _balance(model: PaymentForm, c: PaymentConstraint, t: int) -> Iterator[Row]:
    own = [_own(model, t, i) for i in range(model.buyers)]
    for node in range(model.count[t + 1]):
        history, m = divmod(node, len(own[0]))
        entries: Entries = []
        for i in range(model.buyers):
            share = model.share(t, i)
            entries += _paid(model, t, i, node, share * model.present[i][t][own[i][m]] - model.fees[t], share)
        yield Row(c.name, (t, None, history, m), entries, 0, 0 if isinstance(c, StrongBudgetBalance) else None)


def _ex_ante(model: PaymentForm) -> Row:
    last = model.periods - 1
    alike = [all(model.share(t, i) == 1 for t in range(model.periods)) for i in range(model.buyers)]
    entries: Entries = [(model.utility("lifetime utility", 0, i), -1) for i in range(model.buyers) if alike[i]]
    reach: list[Number] = [1]
    for t in range(model.periods):
        reach = [chance * p for chance in reach for p in model.distribution[t]]
        for i in (i for i in range(model.buyers) if not alike[i]):
            received, after = model.receipts(t + 1, last, i), model.utility("realised utility", t + 1, i)
            entries += [(after + node, whole(received * p)) for node, p in enumerate(reach)]
        for i in range(model.buyers):
            own = _own(model, t, i)
            for node, chance in enumerate(reach):
                worth = chance * (model.share(t, i) * model.present[i][t][own[node % len(own)]] - model.fees[t])
                if worth:
                    entries.append((model.allocation(t, i) + node, whole(worth)))
    return Row(ExAnteBudgetBalance.name, (0, None, 0), entries, 0, None)


class PersistentPayments:
    """Rows where types are persistent.

    Parameters
    ----------
    process : PersistentLaws
    tree : Histories
    subject_to : tuple of PaymentConstraint
    """

    def __init__(self, process: PersistentProcess, tree: Histories, subject_to: tuple[PaymentConstraint, ...]) -> None:
        self.process, self.tree, self.subject_to = process, tree, subject_to
        self.sums = any(isinstance(c, (Budget, PrefixBudget)) for c in subject_to)
        self.allocation: list[int] = []
        self.payment: dict[tuple[int, int], int] = {}
        self.paid: dict[tuple[int, int], int] = {}
        self.stages = [(t, i) for t in range(process.periods) for i in range(process.agents)]

    def sizes(self) -> list[tuple[int, int]]:
        """Periods that have sums of payments, and how many slots."""
        return [(t, len(self.tree.parent[t])) for t in range(1, self.process.periods)] if self.sums else []

    def rows(self) -> Iterator[Row]:
        """All rows in order."""
        last = self.process.periods - 1
        for t, i in self.stages if self.sums else ():
            if t < last:
                yield from self._sums(t, i)
        for c in self.subject_to:
            if isinstance(c, (NoMoney, NoSubsidy, PaymentCap)):
                for t, i in self.stages:
                    yield from self._single(c, t, i)
            elif isinstance(c, (Budget, PrefixBudget)):
                for t, i in self.stages:
                    if t == last:
                        yield from self._full(c, i)
                    elif isinstance(c, PrefixBudget):
                        yield from self._prefix(c, t, i)
            elif isinstance(c, ExAnteBudgetBalance):
                every = [(t, node) for t in range(last + 1) for node in range(len(self.tree.slot[t]))]
                entries = [e for t, node in every for e in self._balance(t, node, self.tree.reach[t][node])]
                yield Row(c.name, (0, None, 0), entries, 0, None)
            elif not isinstance(c, EpsilonIC):
                side = 0 if isinstance(c, StrongBudgetBalance) else None
                for t in range(last + 1):
                    for node, slot in enumerate(self.tree.slot[t]):
                        yield Row(c.name, (t, None, slot, f"node {node}"), self._balance(t, node, 1), 0, side)

    def _weights(self, t: int, node: int, factor: Fraction) -> Entries:
        """Factor times the weight of a node."""
        count = self.process.actions[t]
        first = self.allocation[t] + node * count
        return [(first + a, whole(factor)) for a in range(count)] if factor else []

    def _single(self, c: PaymentConstraint, t: int, i: int) -> Iterator[Row]:
        for node, slot in enumerate(self.tree.slot[t]):
            entries: Entries = [(self.payment[t, i] + node, 1)]
            lower, upper = 0, 0 if isinstance(c, NoMoney) else None
            if isinstance(c, PaymentCap):
                entries += self._weights(t, node, -self.process.own_scale[i][t] * c.amount(i))
                yield Row(c.name, (t, i, slot, f"node {node}"), entries, None, 0)
            else:
                yield Row(c.name, (t, i, slot, f"node {node}"), entries, lower, upper)

    def _sums(self, t: int, i: int) -> Iterator[Row]:
        for node, slot in enumerate(self.tree.slot[t]):
            entries: Entries = [(self.paid[t + 1, i] + later, 1) for later in self.tree.after(t, node)]
            entries.append((self.payment[t, i] + node, whole(-self.process.share(t, i))))
            if t:
                entries.append((self.paid[t, i] + slot, -1))
            yield Row("paid", (t, i, slot, f"node {node}"), entries, 0, 0)

    def _full(self, c: Budget | PrefixBudget, i: int) -> Iterator[Row]:
        t = self.process.periods - 1
        for node, slot in enumerate(self.tree.slot[t]):
            first = self.payment[t, i] + node, whole(self.process.share(t, i))
            entries: Entries = [first, *self._weights(t, node, -c.amount(i))]
            if t:
                entries.append((self.paid[t, i] + slot, 1))
            yield Row(c.name, (t, i, slot, f"node {node}"), entries, None, 0)

    def _prefix(self, c: PrefixBudget, t: int, i: int) -> Iterator[Row]:
        for node, slot in enumerate(self.tree.slot[t]):
            for action, later in enumerate(self.tree.after(t, node)):
                entries: Entries = [(self.paid[t + 1, i] + later, 1)]
                weights = self._weights(t, node, -c.amount(i))
                entries += weights[action : action + 1] if self.tree.branches[t] > 1 else weights
                yield Row(c.name, (t, i, slot, f"node {node}, branch {action}"), entries, None, 0)

    def _balance(self, t: int, node: int, factor: Number) -> Entries:
        """Factor times payments less the cost of the action."""
        if not factor:
            return []
        entries: Entries = [
            (self.payment[t, i] + node, whole(factor * self.process.share(t, i))) for i in range(self.process.agents)
        ]
        first = self.allocation[t] + node * self.process.actions[t]
        return [*entries, *((first + a, whole(-factor * fee)) for a, fee in enumerate(self.process.cost[t]) if fee)]
