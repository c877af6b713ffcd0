"""A violation of a constraint on payments, and its replay from the definition along one path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.payments import (
    Budget,
    Deterministic,
    ExAnteBudgetBalance,
    NoMoney,
    NoSubsidy,
    PaymentCap,
    PrefixBudget,
    StrongBudgetBalance,
)
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.verification.independent.replay import Counterexample, Replayable

EVERYBODY = -1


@dataclass(frozen=True)
class PaymentCounterexample(Counterexample):
    """Where payments violate a constraint; amounts are times the realisation weight of the history.

    Attributes
    ----------
    agent : int
        `EVERYBODY` for constraints on the budget of all together.
    reports : tuple of int
        Of the period; empty for an expectation over all histories.
    actions : tuple of int or None
        Recorded action of each past period, beside the reports in ``history``.
    action : int or None
        Recorded action of the period itself.
    """

    reports: tuple[int, ...] = ()
    actions: tuple[int | None, ...] = ()
    action: int | None = None

    @property
    def unit(self) -> str:
        """Unit of its amounts, in words: empty where no draw is on record."""
        drawn = self.action is not None or any(action is not None for action in self.actions)
        return " (times the weight of what was drawn)" if drawn else ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; ``agent`` is null for all together."""
        plain = super().to_dict() | {"agent": None if self.agent == EVERYBODY else self.agent}
        plain["reports"] = list(self.reports)
        if any(action is not None for action in self.actions):
            plain["actions"] = list(self.actions)
        if self.action is not None:
            plain["action"] = self.action
        return plain

    def __str__(self) -> str:
        constraint, amount = self.constraint, f"{self.gain:.6g}{self.unit}"
        if isinstance(constraint, ExAnteBudgetBalance):
            return f"expected payments are {amount} short of expected costs"
        history = [r[0] if len(r) == 1 else list(r) for r in self.history]
        drawn = "" if self.action is None else f" and action {self.action}"
        where = f"period {self.period}, after history {history} and reports {list(self.reports)}{drawn}"
        if isinstance(constraint, Deterministic):
            who = "" if self.agent == EVERYBODY else f"agent {self.agent}, "
            return f"{who}{where}: what is done is drawn, {self.gain:.6g} off certainty"
        if self.agent == EVERYBODY:
            off = "off" if isinstance(constraint, StrongBudgetBalance) else "short of"
            return f"{where}: payments are {amount} {off} the cost"
        words = f"payments are {amount} above the {'cap' if isinstance(constraint, PaymentCap) else 'budget'}"
        if isinstance(constraint, (NoMoney, NoSubsidy)):
            words = f"{amount} is paid" if isinstance(constraint, NoMoney) else f"the agent is paid {amount}"
        return f"agent {self.agent}, {where}: {words}"

    def replay(self, mechanism: Replayable) -> float:
        """Compute the gain again, from the definition of the constraint.

        Parameters
        ----------
        mechanism : Mechanism or SequenceMechanism

        Returns
        -------
        float
            Equals ``gain`` up to rounding.
        """
        if isinstance(self.constraint, Deterministic):
            return _drawn(self, mechanism)
        path = _direct_path(self, mechanism) if isinstance(mechanism, Mechanism) else _sequence_path(self, mechanism)
        constraint = self.constraint
        if isinstance(constraint, ExAnteBudgetBalance):
            return -float(mechanism.revenue)
        if isinstance(constraint, (Budget, PrefixBudget)):
            total = 0.0
            for step in path:
                total = total * step.share + step.paid[self.agent]
            return total - float(constraint.amount(self.agent)) * path[-1].weight
        last = path[-1]
        if self.agent == EVERYBODY:
            short = last.fee - sum(last.together)
            return abs(short) if isinstance(constraint, StrongBudgetBalance) else short
        paid = last.paid[self.agent]
        if isinstance(constraint, PaymentCap):
            return paid - last.worth * float(constraint.amount(self.agent)) * last.weight
        return abs(paid) if isinstance(constraint, NoMoney) else -paid


def _drawn(found: PaymentCounterexample, mechanism: Replayable) -> float:
    """How far the probability of one buyer, or of one action, is from certainty."""
    t, most = found.period, 1.0
    if isinstance(mechanism, Mechanism):
        place = (mechanism.tree.node(found.history), *found.reports)
        given = [float(mechanism.allocation[t][(i, *place)]) for i in range(mechanism.environment.agents)]
        if mechanism.environment.slots is None:
            return min(abs(given[found.agent]), abs(1 - given[found.agent]))
        left = [*map(float, mechanism.environment.slots[t]), *[0.0] * len(given)]
        for i in sorted(range(len(given)), key=lambda i: -given[i]):
            nearest = min(left, key=lambda weight: abs(weight - given[i]))
            left.remove(nearest)
            if i == found.agent:
                return abs(nearest - given[i])
    assert isinstance(mechanism, SequenceMechanism) and found.action is not None
    tree, slot = mechanism.tree, 0
    for s, (reports, action) in enumerate(
        zip((*found.history, found.reports), (*found.actions, found.action), strict=True)
    ):
        number = int(np.ravel_multi_index(reports, mechanism.process.shape[s]))
        node = int(tree.find(s, np.array(slot), np.array(number)))
        weights = mechanism.allocation[s][node]
        if s == t:
            return min(abs(float(weights[found.action])), abs(most - float(weights[found.action])))
        most = float(weights[action or 0] if tree.branches[s] > 1 else weights.sum())
        slot = int(tree.following(s)[node, action or 0])
    raise AssertionError("a counterexample has a period")


@dataclass(frozen=True)
class _Step:
    """One period on a path: present values times the realisation weight."""

    paid: list[float]
    together: list[float]
    fee: float
    weight: float
    share: float
    worth: float


def _direct_path(found: PaymentCounterexample, mechanism: Mechanism) -> list[_Step]:
    env, steps, past = mechanism.environment, list[_Step](), found.history
    for t, reports in enumerate((*past, found.reports) if found.reports else ()):
        place = (mechanism.tree.node(past[:t]), *reports)
        worth = float(env.present_value[t])
        paid = [worth * float(mechanism.payment[t][(i, *place)]) for i in range(env.agents)]
        sold = sum(float(mechanism.allocation[t][(i, *place)]) for i in range(env.agents))
        steps.append(_Step(paid, paid, worth * float(env.cost[t]) * sold, 1.0, 1.0, worth))
    return steps


def _sequence_path(found: PaymentCounterexample, mechanism: SequenceMechanism) -> list[_Step]:
    tree, process, slot, steps = mechanism.tree, mechanism.process, 0, list[_Step]()
    path = zip((*found.history, found.reports), (*found.actions, found.action), strict=True)
    for t, (reports, action) in enumerate(path if found.reports else ()):
        number, branch = int(np.ravel_multi_index(reports, process.shape[t])), action or 0
        node = int(tree.find(t, np.array(slot), np.array(number)))
        here, worth = mechanism.allocation[t][node], float(process.present_value[t])
        after = [float(w) for w in (here if tree.branches[t] > 1 else [here.sum()])]
        mass = sum(max(w, 0.0) for w in after)
        steps.append(
            _Step(
                [worth * float(row[node, branch]) for row in mechanism.payment[t]],
                [worth * float(row[node].sum()) for row in mechanism.payment[t]],
                worth * sum(float(fee) * float(x) for fee, x in zip(process.costs[t], here, strict=True)),
                after[branch],
                max(after[branch], 0.0) / mass if mass > 0 else 1 / tree.branches[t],
                worth,
            )
        )
        if t + 1 < tree.horizon:
            slot = int(tree.following(t)[node, branch])
    return steps
