"""Checks of constraints on payments: the largest violation of each, and where it is.

What a mechanism does with money is read off into one form for both kinds of types (`Money`): payments, costs and
realisation weights by node and recorded action, present values. See `mechopt.mechanism.payments` for the constraints
and `mechopt.verification.rounding` for tolerance, rounding and the three answers. Every history that can be reported
counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np

from mechopt.core.numbers import FloatArray, IntArray
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.payments import (
    Budget,
    Deterministic,
    ExAnteBudgetBalance,
    NoMoney,
    NoSubsidy,
    PaymentCap,
    PaymentConstraint,
    PrefixBudget,
    StrongBudgetBalance,
)
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.verification.payments.counterexample import EVERYBODY, PaymentCounterexample
from mechopt.verification.payments.deterministic import check_draws
from mechopt.verification.payments.exact import exact_gain
from mechopt.verification.report import ConstraintCheck
from mechopt.verification.rounding import Precision, Verdict, largest_value, tolerance_of


@dataclass(frozen=True, eq=False)
class Money:
    """Present values times realisation weights, by period.

    Attributes
    ----------
    paid : tuple over t of arrays ``(n, nodes, branches)``
    fee : tuple over t of arrays ``(nodes,)``
        Cost of the action, expected over the draw.
    weight, share : tuples over t of arrays ``(nodes, branches)``
        Realisation weight, and what share of the node's it is.
    before : tuple over t of int arrays ``(nodes,)``
        Place of what came before, among nodes and branches of the period before.
    reach : tuple over t of arrays ``(nodes,)``
        Probability of the reported types.
    worth : array ``(T,)``
        Present value of money.
    actions : int
        Most actions that a cost is a sum over.
    """

    paid: tuple[FloatArray, ...]
    fee: tuple[FloatArray, ...]
    weight: tuple[FloatArray, ...]
    share: tuple[FloatArray, ...]
    before: tuple[IntArray, ...]
    reach: tuple[FloatArray, ...]
    worth: FloatArray
    actions: int

    @property
    def periods(self) -> range:
        """All periods."""
        return range(len(self.paid))

    def sums(self, i: int, absolute: bool = False) -> Iterator[FloatArray]:
        """Payments of agent i up to each period, ``(nodes, branches)``; or the sums of absolute values."""
        before = np.zeros(1)
        for t in self.periods:
            now = np.abs(self.paid[t][i]) if absolute else self.paid[t][i]
            path = before[self.before[t]][:, None] * self.share[t] + now
            yield path
            before = path.ravel()


def direct_money(mechanism: Mechanism) -> Money:
    """Money of a mechanism for types that are independent across periods."""
    env, tree = mechanism.environment, mechanism.tree
    worth, nodes = env.present_value, [tree.count[t + 1] for t in range(tree.horizon)]
    ones = tuple(np.ones((count, 1)) for count in nodes)
    sold = [part.reshape(env.agents, -1).sum(axis=0) for part in mechanism.allocation]
    return Money(
        tuple(w * part.reshape(env.agents, -1, 1) for w, part in zip(worth, mechanism.payment, strict=True)),
        tuple(w * env.cost[t] * part for t, (w, part) in enumerate(zip(worth, sold, strict=True))),
        ones,
        ones,
        tuple(np.arange(count) // prod(tree.shape[t]) for t, count in enumerate(nodes)),
        tree.reach[1:],
        worth,
        env.agents,
    )


def sequence_money(mechanism: SequenceMechanism) -> Money:
    """Money of a mechanism in sequence form."""
    tree, process = mechanism.tree, mechanism.process
    worth, weights, shares = process.present_value, [], []
    for t in range(tree.horizon):
        recorded = mechanism.recorded(t)
        after = np.maximum(recorded, 0.0)
        mass, share = after.sum(axis=1, keepdims=True), np.full(after.shape, 1 / tree.branches[t])
        np.divide(after, mass, out=share, where=mass > 0)
        weights.append(recorded)
        shares.append(share)
    stages = zip(worth, mechanism.allocation, process.costs, strict=True)
    return Money(
        tuple(w * part for w, part in zip(worth, mechanism.payment, strict=True)),
        tuple(w * (x @ fees) for w, x, fees in stages),
        tuple(weights),
        tuple(shares),
        tree.slot,
        tree.reach,
        worth,
        max(process.actions),
    )


Found = tuple[int, int, FloatArray, FloatArray]
"""Agent, period, gains and sums that their rounding is a share of."""


def _gains(c: PaymentConstraint, money: Money, agents: int) -> Iterator[Found]:
    if isinstance(c, (NoMoney, NoSubsidy, PaymentCap)):
        for i in range(agents):
            for t in money.periods:
                paid = money.paid[t][i]
                cap = money.worth[t] * float(c.amount(i)) * money.weight[t] if isinstance(c, PaymentCap) else 0.0
                gain = np.abs(paid) if isinstance(c, NoMoney) else -paid if isinstance(c, NoSubsidy) else paid - cap
                yield i, t, gain, np.abs(paid) + np.abs(cap)
    elif isinstance(c, (Budget, PrefixBudget)):
        for i in range(agents):
            for t, (path, size) in enumerate(zip(money.sums(i), money.sums(i, True), strict=True)):
                if isinstance(c, PrefixBudget) or t == money.periods[-1]:
                    budget = float(c.amount(i)) * money.weight[t]
                    yield i, t, path - budget, size + np.abs(budget)
    else:
        short = [money.fee[t] - money.paid[t].sum(axis=(0, 2)) for t in money.periods]
        sizes = [np.abs(money.fee[t]) + np.abs(money.paid[t]).sum(axis=(0, 2)) for t in money.periods]
        if isinstance(c, ExAnteBudgetBalance):
            gain, size = (
                np.array([sum(float(r @ part) for r, part in zip(money.reach, parts, strict=True))])
                for parts in (short, sizes)
            )
            yield EVERYBODY, 0, gain, size
            return
        for t in money.periods:
            gain = np.abs(short[t]) if isinstance(c, StrongBudgetBalance) else short[t]
            yield EVERYBODY, t, gain, sizes[t]


def _precision(c: PaymentConstraint, money: Money, amounts: float) -> Precision:
    """No term takes part in more roundings than this.

    Its discount (T + 2), its products (4), sums over agents, branches and actions of a node, on a path a share, product
    and sum a period, and in an expectation the reach probability and the sum over all nodes of all periods.
    """
    periods, agents = len(money.paid), len(money.paid[0])
    branches = max(part.shape[2] for part in money.paid)
    depth = periods + 8 + agents * branches + money.actions + periods * (branches + 4)
    if isinstance(c, ExAnteBudgetBalance):
        depth += sum(len(part) for part in money.fee) + periods * (agents + 2)
    largest = max(amounts, *(float(np.abs(part).max(initial=0.0)) for part in (*money.paid, *money.fee)))
    return Precision.of(depth, largest)


def check_payments(
    c: PaymentConstraint, mechanism: Mechanism | SequenceMechanism, exact: bool = False
) -> ConstraintCheck:
    """Verdict on a constraint on payments.

    Parameters
    ----------
    c : PaymentConstraint
    mechanism : Mechanism or SequenceMechanism
    exact : bool
        Decide in fractions.

    Examples
    --------
    >>> from mechopt.environment.independent import IndependentTypes
    >>> env = IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=1)
    >>> sale = np.array([[[0.0, 1.0]]])
    >>> print(check_payments(PaymentCap("3/2"), Mechanism(env, [sale], [2 * sale])).counterexample)
    agent 0, period 0, after history [] and reports [1]: payments are 0.5 above the cap
    """
    if isinstance(c, Deterministic):
        return check_draws(mechanism, exact)
    tolerance = tolerance_of(largest_value(mechanism.environment))
    if exact:
        answer, place = exact_gain(c, mechanism, tolerance)
        found = None if place is None else _counterexample(c, mechanism, answer.gain, *place)
        return ConstraintCheck.of(answer, tolerance, found)
    with np.errstate(all="ignore"):
        direct = isinstance(mechanism, Mechanism)
        money = direct_money(mechanism) if isinstance(mechanism, Mechanism) else sequence_money(mechanism)
        verdict, places = Verdict(tolerance), list[tuple[int, int, int]]()
        agents = mechanism.environment.agents
        limited = c if isinstance(c, (PaymentCap, Budget, PrefixBudget)) else None
        amounts = 0.0 if limited is None else max(abs(float(limited.amount(i))) for i in range(agents))
        rounded = _precision(c, money, amounts)
        for i, t, gain, size in _gains(c, money, agents):
            verdict.add(gain, rounded.bound(size))
            places.append((i, t, gain.shape[1] if gain.ndim == 2 else 1))
    answer, counterexample = verdict.answer, None
    if answer.place is not None:
        i, t, branches = places[answer.place[0]]
        node, branch = divmod(answer.place[1], branches)
        recorded = not direct and branches > 1
        counterexample = _counterexample(c, mechanism, answer.gain, i, t, node, branch if recorded else -1)
    return ConstraintCheck.of(answer, tolerance, counterexample)


def _counterexample(
    c: PaymentConstraint,
    mechanism: Mechanism | SequenceMechanism,
    gain: float,
    i: int,
    t: int,
    node: int,
    branch: int,
) -> PaymentCounterexample:
    if isinstance(c, ExAnteBudgetBalance):
        return PaymentCounterexample(c, i, 0, (), None, None, gain)
    if isinstance(mechanism, Mechanism):
        *past, reports = mechanism.tree.history(t + 1, node)
        return PaymentCounterexample(c, i, t, tuple(past), None, None, gain, reports=reports)
    tree = mechanism.tree
    before = tree.history(t, int(tree.slot[t][node]))
    types = np.unravel_index(int(tree.profile[t][node]), tree.process.shape[t])
    return PaymentCounterexample(
        c,
        i,
        t,
        tuple(reports for reports, _ in before),
        None,
        None,
        gain,
        reports=tuple(int(k) for k in types),
        actions=tuple(action for _, action in before),
        action=branch if branch >= 0 else None,
    )
