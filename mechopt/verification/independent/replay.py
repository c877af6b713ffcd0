"""A counterexample, and its replay from the definition by direct summation over paths."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np

from mechopt.histories.reports import History
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
from mechopt.mechanism.sequence import SequenceMechanism

Replayable = Mechanism | SequenceMechanism


@dataclass(frozen=True)
class Counterexample:
    """One violation of a constraint.

    Attributes
    ----------
    constraint : Constraint
    agent, period : int
    history : tuple over periods of tuples over buyers of type indices
        Reports before the period.
    true_type, report : int or None
        Type indices; equal for participation constraints, None where the constraint averages over the type.
    gain : float
        In present value: what the misreport brings, or how far the utility is below 0.
    others : tuple of int or None
        The others' current types, for constraints that hold whatever they are.
    future : history or None
        The profiles of later periods, for super-DIC.
    outside : bool
        Whether there are outside options, below which the utility is, and not below 0.
    """

    constraint: Constraint
    agent: int
    period: int
    history: History
    true_type: int | None
    report: int | None
    gain: float
    others: tuple[int, ...] | None = None
    future: History | None = None
    outside: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; a history as a list over periods of lists over buyers."""
        plain = {"agent": self.agent, "period": self.period, "history": [list(r) for r in self.history]}
        plain |= {"true_type": self.true_type, "report": self.report, "gain": self.gain}
        if self.others:
            plain["others"] = list(self.others)
        if self.future:
            plain["future"] = [list(r) for r in self.future]
        return plain

    def __str__(self) -> str:
        history = [r[0] if len(r) == 1 else list(r) for r in self.history]
        words = f"agent {self.agent}, period {self.period}, after history {history}: "
        others = f" while the others are {list(self.others)}" if self.others else ""
        if self.constraint.role == "ic":
            return f"{words}type {self.true_type} reports {self.report}{others} and gains {self.gain:.6g}"
        who = "the utility" if self.true_type is None else f"the utility of type {self.true_type}"
        if self.outside:
            return f"{words}{who}{others} is {self.gain:.6g} below what she has outside"
        return f"{words}{who}{others} is {-self.gain:.6g}"

    def replay(self, mechanism: Replayable) -> float:
        """Compute the gain again, from the definition of the constraint.

        Parameters
        ----------
        mechanism : Mechanism

        Returns
        -------
        float
            Equals ``gain`` up to rounding.
        """
        assert isinstance(mechanism, Mechanism)
        replay = _Replay(mechanism, self.agent)
        k, j, constraint, t, h = self.true_type, self.report, self.constraint, self.period, self.history
        first = 0.0 if t and constraint in (PEIR(), PPIR()) else replay.option(0, 0)
        if constraint == PEIR():
            return first - replay.average_type(h, lambda k, others: replay.now(h, k, k, others))
        if constraint in (ExpectedContinuationIR(), ExAnteIR()):
            return replay.average_type(h, lambda k, others: replay.option(t, k) - replay.lifetime(h, k, k, others))
        assert k is not None and j is not None
        if constraint in (Interim(), PeriodicIR()):
            return replay.option(t, k) - replay.average(t, lambda others: replay.lifetime(h, k, k, others))
        if constraint in (EPIR(), PFIR(), PPIR()):
            assert self.others is not None
            past = 0.0 if constraint == PPIR() else replay.past(h)
            return first - (past + replay.now(h, k, k, self.others))
        if constraint == DIC():
            return replay.average(t, lambda m: replay.lifetime(h, k, j, m) - replay.lifetime(h, k, k, m))
        if constraint == PPIC():
            return replay.average(t, lambda m: replay.now(h, k, j, m) - replay.now(h, k, k, m))
        if constraint == INDU():
            return replay.average(t, lambda m: replay.future(h, j, m) - replay.future(h, k, m))
        assert self.others is not None
        if constraint == ExPostIC():
            return replay.lifetime(h, k, j, self.others) - replay.lifetime(h, k, k, self.others)
        assert constraint == SuperDIC() and self.future is not None
        gain = replay.now(h, k, j, self.others) - replay.now(h, k, k, self.others)
        for sign, report in ((1, j), (-1, k)):
            path = (*h, replay.profile(report, self.others))
            for profile in self.future:
                own = profile[self.agent]
                gain += sign * replay.now(path, own, own, replay.rest(profile))
                path = (*path, profile)
        return gain


class _Replay:
    """Utilities of one buyer along single paths, in present value."""

    def __init__(self, mechanism: Mechanism, agent: int) -> None:
        self.mechanism, self.agent, self.env, self.tree = mechanism, agent, mechanism.environment, mechanism.tree

    def profile(self, own: int, others: tuple[int, ...]) -> tuple[int, ...]:
        return (*others[: self.agent], own, *others[self.agent :])

    def option(self, t: int, own: int) -> float:
        """Outside option of a type, present value."""
        if self.env.outside is None:
            return 0.0
        return float(self.env.own_present_value[self.agent][t] * self.env.outside[self.agent][t][own])

    def rest(self, profile: tuple[int, ...]) -> tuple[int, ...]:
        return (*profile[: self.agent], *profile[self.agent + 1 :])

    def now(self, history: History, true: int, report: int, others: tuple[int, ...]) -> float:
        """Utility of the period that follows the history."""
        t = len(history)
        place = (self.agent, self.tree.node(history), *self.profile(report, others))
        value = self.env.values[self.agent][t][true]
        utility = value * self.mechanism.allocation[t][place] - self.mechanism.payment[t][place]
        return float(self.env.own_present_value[self.agent][t] * utility)

    def past(self, history: History) -> float:
        """Truthful utility along a history."""
        return sum(
            self.now(history[:t], profile[self.agent], profile[self.agent], self.rest(profile))
            for t, profile in enumerate(history)
        )

    def future(self, history: History, report: int, others: tuple[int, ...]) -> float:
        """Expected truthful utility after the period: reach probabilities below the node times utilities there."""
        t = len(history) + 1
        node = self.tree.node((*history, self.profile(report, others)))
        reach, total, first, width = np.ones(1), 0.0, node, 1
        for s in range(t, self.tree.horizon):
            types = self.tree.shape[s]
            axes = [1] * (len(types) + 1)
            axes[1 + self.agent] = -1
            part = slice(first, first + width)
            sold, paid = (a[s][self.agent][part] for a in (self.mechanism.allocation, self.mechanism.payment))
            utility = self.env.values[self.agent][s].reshape(axes) * sold - paid
            reach = np.multiply.outer(reach, self.tree.distribution[s].ravel()).ravel()
            total += float(self.env.own_present_value[self.agent][s] * (reach @ utility.ravel()))
            first, width = first * prod(types), width * prod(types)
        return total

    def lifetime(self, history: History, true: int, report: int, others: tuple[int, ...]) -> float:
        """Utility of the period and after."""
        return self.now(history, true, report, others) + self.future(history, report, others)

    def average(self, t: int, term: Any) -> float:
        """Average of ``term(others)`` over the others' types of period t."""
        total = 0.0
        for others in product(*(range(k) for j, k in enumerate(self.tree.shape[t]) if j != self.agent)):
            distributions = (p[t] for j, p in enumerate(self.env.probabilities) if j != self.agent)
            weight = prod(float(distribution[k]) for distribution, k in zip(distributions, others, strict=True))
            total += weight * term(others) if weight else 0.0
        return total

    def average_type(self, history: History, term: Any) -> float:
        """Average of ``term(own, others)`` over all types of the period that follows the history."""
        t = len(history)
        own = self.env.probabilities[self.agent][t]
        return sum(float(p) * self.average(t, lambda others, k=k: term(k, others)) for k, p in enumerate(own) if p)
