"""A counterexample where types persist, and its replay from the definition: path by path, in plain loops.

Nothing here is shared with the recursions over arrays that find the counterexample.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from mechopt.histories.public import PublicHistory
from mechopt.mechanism.constraints import (
    EPIR,
    PFIR,
    PPIR,
    AdjacentIC,
    BayesianIC,
    DominantIC,
    DownwardIC,
    ExAnteIR,
    Interim,
    MyopicIC,
    PeriodicExPostIR,
    PeriodicIR,
)
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.verification.independent.replay import Counterexample, Replayable
from mechopt.verification.persistent.replay_dominance import dominance_gain

Profile = tuple[int, ...]


class Misreport(NamedTuple):
    """One place where a reporting strategy does not tell the truth.

    Attributes
    ----------
    seen : tuple over past periods of (reports, action)
        What the agent has seen: all reports or only her own, and the recorded action or None.
    own : tuple of int
        Her true types that matter: the last and the current one where she sees everything, else all so far.
    report : int
    """

    seen: PublicHistory
    own: tuple[int, ...]
    report: int


@dataclass(frozen=True)
class PersistentCounterexample(Counterexample):
    """One violation of a constraint where types persist; utilities and gains are times the realisation weight of the
    history.

    Attributes
    ----------
    actions : tuple of int or None
        Recorded action of each past period, beside the reports in ``history``.
    action : int or None
        Recorded action of the period itself, for participation on paths.
    strategy : tuple of Misreport
        For Bayesian constraints: where the best strategy does not tell the truth.
    """

    actions: tuple[int | None, ...] = ()
    action: int | None = None
    strategy: tuple[Misreport, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; ``actions`` beside ``history``, ``strategy`` as a list of misreports."""
        plain = super().to_dict()
        if any(action is not None for action in self.actions):
            plain["actions"] = list(self.actions)
        if self.action is not None:
            plain["action"] = self.action
        if self.strategy:
            plain["strategy"] = [
                {
                    "seen": [{"reports": list(reports), "action": action} for reports, action in step.seen],
                    "true_types": list(step.own),
                    "report": step.report,
                }
                for step in self.strategy
            ]
        return plain

    def __str__(self) -> str:
        if self.strategy:
            words = f"agent {self.agent}, type {self.true_type} at first: a strategy that reports {self.report}"
            later = len(self.strategy) - (self.report != self.true_type)
            lies = f" and misreports at {later} later point{'s' * (later != 1)}" if later else ""
            return f"{words}{lies} gains {self.gain:.6g}"
        reached = ", ".join(f"{t}: {action}" for t, action in enumerate(self.actions) if action is not None)
        taken = "" if self.action is None else f" under action {self.action}"
        plain = super().__str__() + taken
        return f"{plain} (actions by period {reached})" if reached else plain

    def replay(self, mechanism: Replayable) -> float:
        """Compute the gain again, from the definition of the constraint.

        Parameters
        ----------
        mechanism : SequenceMechanism

        Returns
        -------
        float
            Equals ``gain`` up to rounding.
        """
        assert isinstance(mechanism, SequenceMechanism)
        walk = _Walk(mechanism, self.agent)
        if self.constraint == ExAnteIR():
            types = range(len(walk.process.initial_marginal(self.agent)))
            return -sum(walk.first(k) * walk.average(0, 0, k, k) for k in types if walk.first(k) > 0)
        assert self.true_type is not None and self.report is not None
        if isinstance(self.constraint, BayesianIC):
            told = replace(self, strategy=())
            return (walk.strategy(self) - walk.strategy(told)) / walk.first(self.true_type)
        slot, k = walk.slot(self.history, self.actions), self.true_type
        if self.constraint == MyopicIC():
            beliefs = [(others, p) for others, p in walk.beliefs(self.period, slot, k) if p > 0]
            alone = [sum(p * walk.alone(self.period, slot, k, r, m) for m, p in beliefs) for r in (self.report, k)]
            return alone[0] - alone[1]
        if self.constraint in (EPIR(), PFIR(), PPIR()):
            return -walk.realised(self)
        if self.constraint in (Interim(), PeriodicIR(), AdjacentIC(), DownwardIC()):
            value = walk.average(self.period, slot, k, self.report)
            truth = walk.average(self.period, slot, k, k)
            return -truth if self.constraint.role == "ir" else value - truth
        assert self.others is not None
        if isinstance(self.constraint, DominantIC):
            return dominance_gain(walk, self.period, slot, k, self.report, self.others)
        value, truth = (walk.report(self.period, slot, k, r, self.others, True) for r in (self.report, k))
        return -truth if self.constraint == PeriodicExPostIR() else value - truth


class _Walk:
    """Utilities of one agent by enumeration of paths, in present value times realisation weights."""

    def __init__(self, mechanism: SequenceMechanism, agent: int) -> None:
        self.mechanism, self.agent = mechanism, agent
        self.tree, self.process = mechanism.tree, mechanism.process

    def number(self, t: int, own: int, others: Profile) -> int:
        profile = (*others[: self.agent], own, *others[self.agent :])
        return int(np.ravel_multi_index(profile, self.process.shape[t]))

    def others(self, t: int, profile: int) -> Profile:
        types = self.types(t, profile)
        return (*types[: self.agent], *types[self.agent + 1 :])

    def types(self, t: int, profile: int) -> Profile:
        return tuple(int(k) for k in np.unravel_index(profile, self.process.shape[t]))

    def node(self, t: int, slot: int, own: int, others: Profile) -> int:
        return int(self.tree.find(t, np.array(slot), np.array(self.number(t, own, others))))

    def slot(self, history: tuple[Profile, ...], actions: tuple[int | None, ...]) -> int:
        slot = 0
        for t, (reports, action) in enumerate(zip(history, actions, strict=True)):
            number = int(np.ravel_multi_index(reports, self.process.shape[t]))
            node = int(self.tree.find(t, np.array(slot), np.array(number)))
            slot = int(self.tree.following(t)[node, action or 0])
        return slot

    def first(self, k: int) -> float:
        chances = zip(self.process.types(0)[self.agent], self.process.initial, strict=True)
        return float(sum(p for own, p in chances if own == k))

    def flow(self, t: int, node: int, branch: int, true: int) -> float:
        """Weighted utility of one recorded action (or of the draw) for a true profile."""
        mechanism, values = self.mechanism, self.process.net_values[t][self.agent]
        actions = [branch] if self.tree.branches[t] > 1 else range(self.process.actions[t])
        got = sum(float(values[a, true] * mechanism.allocation[t][node, a]) for a in actions)
        return float(
            self.process.own_present_value[self.agent][t] * (got - mechanism.payment[t][self.agent, node, branch])
        )

    def alone(self, t: int, slot: int, k: int, r: int, others: Profile) -> float:
        """Value less payment of the period alone."""
        node, true = self.node(t, slot, r, others), self.number(t, k, others)
        values, mechanism = self.process.values[t][self.agent], self.mechanism
        got = sum(float(values[a, true] * x) for a, x in enumerate(mechanism.allocation[t][node]))
        paid = float(mechanism.payment[t][self.agent, node].sum())
        return float(self.process.own_present_value[self.agent][t]) * (got - paid)

    def moves(self, t: int, branch: int, true: int) -> list[tuple[int, float]]:
        """Next true profiles and their probabilities."""
        return [(int(p), float(self.process.kernel[t][branch, true, p])) for p in range(self.process.profiles[t + 1])]

    def report(self, t: int, slot: int, k: int, r: int, others: Profile, informed: bool) -> float:
        """Value of a report against known types of the others, then truth."""
        node, true = self.node(t, slot, r, others), self.number(t, k, others)
        total = 0.0
        for branch in range(self.tree.branches[t]):
            total += self.flow(t, node, branch, true)
            if t + 1 < self.tree.horizon:
                after = int(self.tree.following(t)[node, branch])
                total += self.truth(t + 1, after, self.moves(t, branch, true), informed)
        return total

    def truth(self, t: int, slot: int, moves: list[tuple[int, float]], informed: bool) -> float:
        """Expected value of truth (the best report where there is no true one) from a slot on."""
        states = [(self.types(t, p)[self.agent], self.others(t, p), chance) for p, chance in moves if chance > 0]
        total = 0.0
        for k in {own for own, _, _ in states}:
            mine = [(others, chance) for own, others, chance in states if own == k]
            reports = [r for r in range(self.process.shape[t][self.agent]) if self.node(t, slot, r, mine[0][0]) >= 0]
            allowed = [r for r in reports if bool(self.process.may_report(t, self.agent, np.array(k), np.array(r)))]
            told = [k] if k in reports else allowed
            each = [[c * self.report(t, slot, k, r, others, informed) for others, c in mine] for r in told]
            total += sum(map(max, zip(*each, strict=True))) if informed else max(map(sum, each))
        return total

    def average(self, t: int, slot: int, k: int, r: int) -> float:
        """Value of a report in expectation over the others' types, after a truthful past; then truth."""
        return sum(
            chance * self.report(t, slot, k, r, others, False)
            for others, chance in self.beliefs(t, slot, k)
            if chance > 0
        )

    def beliefs(self, t: int, slot: int, k: int) -> list[tuple[Profile, float]]:
        sizes = [size for j, size in enumerate(self.process.shape[t]) if j != self.agent]
        if t == 0:
            distribution = self.process.initial
        else:
            node, branch = divmod(slot, self.tree.branches[t - 1])
            distribution = self.process.kernel[t - 1][branch, self.tree.profile[t - 1][node]]
        everyone = [
            (
                others,
                sum(
                    float(distribution[self.number(t, own, others)]) for own in range(self.process.shape[t][self.agent])
                ),
            )
            for others in product(*map(range, sizes))
        ]
        if self.process.independent:
            return everyone
        mine = [(others, float(distribution[self.number(t, k, others)])) for others, _ in everyone]
        whole = sum(chance for _, chance in mine)
        return [(others, chance / whole) for others, chance in mine]

    def realised(self, found: PersistentCounterexample) -> float:
        """Utility along one path up to the counterexample's period, or of that period alone for PPIR."""
        assert found.others is not None and found.true_type is not None
        last = (*found.others[: self.agent], found.true_type, *found.others[self.agent :])
        total, slot = 0.0, 0
        path = zip((*found.history, last), (*found.actions, found.action), strict=True)
        for t, (profile, action) in enumerate(path):
            number, branch = int(np.ravel_multi_index(profile, self.process.shape[t])), action or 0
            node = int(self.tree.find(t, np.array(slot), np.array(number)))
            here = self.mechanism.allocation[t][node]
            after = [max(float(w), 0.0) for w in (here if self.tree.branches[t] > 1 else [here.sum()])]
            share = after[branch] / sum(after) if sum(after) > 0 else 1 / self.tree.branches[t]
            flow = self.flow(t, node, branch, number)
            total = flow if found.constraint == PPIR() else total * share + flow
            if t + 1 < self.tree.horizon:
                slot = int(self.tree.following(t)[node, branch])
        return total

    def strategy(self, found: PersistentCounterexample) -> float:
        """Value of a strategy to a first type, times the probability of the type."""
        assert isinstance(found.constraint, BayesianIC)
        lies = {(step.seen, step.own): step.report for step in found.strategy}
        return sum(
            float(chance) * self.play(0, 0, profile, (), (found.true_type,), lies, found.constraint.sees)
            for profile, chance in enumerate(self.process.initial)
            if chance > 0 and self.types(0, profile)[self.agent] == found.true_type
        )

    def play(
        self, t: int, slot: int, true: int, seen: PublicHistory, own: tuple[Any, ...], lies: dict[Any, int], sees: str
    ) -> float:
        """Expected value of a strategy from a slot and a true profile on."""
        others = self.others(t, true)
        known = own[-2:] if sees == "all" else own
        report = lies.get((seen, known), own[-1])
        node, total = self.node(t, slot, report, others), 0.0
        reported = self.types(t, self.number(t, report, others)) if sees == "all" else (report,)
        for branch in range(self.tree.branches[t]):
            total += self.flow(t, node, branch, true)
            if t + 1 < self.tree.horizon:
                after = int(self.tree.following(t)[node, branch])
                shown = branch if sees != "own" and self.tree.branches[t] > 1 else None
                total += sum(
                    chance
                    * self.play(
                        t + 1,
                        after,
                        following,
                        (*seen, (reported, shown)),
                        (*own, self.types(t + 1, following)[self.agent]),
                        lies,
                        sees,
                    )
                    for following, chance in self.moves(t, branch, true)
                    if chance > 0
                )
        return total
