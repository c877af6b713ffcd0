"""A mechanism in sequence form, checked in fractions by plain recursion over public histories and true types.

For agent i, Q(n, k) is the value of the node n to her true type k, the others' types being those of the node: her
weighted utility there, and the expectation of what she makes of the slots after it, with the best reports or with the
truth (the best report where hers cannot be made). Nothing is shared with `mechopt.verification.persistent.check` but
the tolerance.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction

from mechopt.mechanism.constraints import (
    EPIR,
    PFIR,
    PPIR,
    BayesianIC,
    Constraint,
    DominantIC,
    DownwardIC,
    ExAnteIR,
    Interim,
    MyopicIC,
    PeriodicExPostIC,
    PeriodicExPostIR,
    PeriodicIR,
)
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.verification.exact import ExactProcess, fractions, require_few
from mechopt.verification.persistent.exact_dominance import dominance_gains
from mechopt.verification.rounding import Answer, ExactVerdict

Place = tuple[int, ...]
"""Agent, period, slot, true type, report, profile (-1: none), branch (-1: none)."""
Held = tuple[tuple[int, int, Fraction], ...]
"""Slots, true profiles and probabilities that a state of information holds possible."""


def exact_gain(
    constraint: Constraint, mechanism: SequenceMechanism, tolerance: float, agents: list[int]
) -> tuple[Answer, Place | None]:
    """Largest violation of some agents and where it is.

    Raises
    ------
    LimitError
        If there are too many histories.
    """
    require_few(_terms(constraint, mechanism), f"the check of {constraint.name}")
    verdict = ExactVerdict(tolerance)
    for i in agents:
        for gain, place in _Agent(mechanism, i).gains(constraint):
            verdict.add(gain, (i, *place))
    return verdict.answer, verdict.place


def _terms(constraint: Constraint, mechanism: SequenceMechanism) -> int:
    """Products that the recursion takes; of hidden histories all pairs of reports and types."""
    tree, process = mechanism.tree, mechanism.process
    if isinstance(constraint, BayesianIC) and constraint.sees != "all":
        total, width = 0, 1
        for t in range(tree.horizon):
            width *= process.profiles[t] * max(process.shape[t]) * tree.branches[t]
            total += width
        return process.agents * total
    total = sum(
        tree.count[t] * max(process.shape[t]) * (process.actions[t] + max(process.shape[max(t - 1, 0)]))
        for t in range(tree.horizon)
    )
    return 2 * process.agents * total


class _Agent:
    """Values of one agent; present value times realisation weights."""

    def __init__(self, mechanism: SequenceMechanism, i: int) -> None:
        self.tree, self.process, self.i = mechanism.tree, mechanism.process, i
        self.exact = ExactProcess(mechanism.environment)
        self.periods = self.tree.horizon
        self.sold = [[fractions(row) for row in part] for part in mechanism.allocation]
        self.paid = [[fractions(row) for row in part[i]] for part in mechanism.payment]
        self.types = [self.exact.numbers(t) for t in range(self.periods)]
        self.profile = [part.tolist() for part in self.tree.profile]
        self.slot = [part.tolist() for part in self.tree.slot]
        self.nodes = [defaultdict[int, list[int]](list) for _ in range(self.periods)]
        for t, slots in enumerate(self.slot):
            for node, slot in enumerate(slots):
                self.nodes[t][slot].append(node)
        self._slots: dict[tuple[int, int, int, bool, bool], dict[int, Fraction]] = {}
        self._q: dict[tuple[int, int, int, bool, bool], Fraction] = {}

    def own(self, t: int, node: int) -> int:
        return int(self.types[t][self.profile[t][node]][self.i])

    def may(self, t: int, true: int, report: int) -> bool:
        """Whether a type may report another: what is public cannot be misreported."""
        seen = self.process.public
        return seen is None or bool(seen[t][self.i][true] == seen[t][self.i][report])

    def with_own(self, t: int, profile: int, k: int) -> int:
        types = self.types[t][profile]
        return self.exact.number(t, (*types[: self.i], k, *types[self.i + 1 :]))

    def flow(self, t: int, node: int, true: int) -> list[Fraction]:
        """Weighted utility by recorded action."""
        m, weight = self.with_own(t, self.profile[t][node], true), self.exact.discounts[self.i] ** t
        got = [
            (self.exact.worth(t, self.i, a)[m] - self._given_up(t, a, m)) * x for a, x in enumerate(self.sold[t][node])
        ]
        got = got if self.tree.branches[t] > 1 else [sum(got, Fraction(0))]
        return [weight * (g - p) for g, p in zip(got, self.paid[t][node], strict=True)]

    def _given_up(self, t: int, action: int, m: int) -> Fraction:
        """Part of her outside option given up in a period: it, less what is left of it later."""
        options = self.exact.outside
        if options is None:
            return Fraction(0)
        later = Fraction(0)
        if t + 1 < self.periods:
            distribution = zip(self.types[t + 1], self.exact.moves(t, action, m), strict=True)
            later = sum((p * options[self.i][t + 1][types[self.i]] for types, p in distribution if p), Fraction(0))
        return options[self.i][t][self.types[t][m][self.i]] - self.exact.discounts[self.i] * later

    def q(self, t: int, node: int, true: int, honest: bool, informed: bool) -> Fraction:
        """Value of a node to a true type: ``honest`` afterwards or not, ``informed`` of the others' types or not."""
        key = (t, node, true, honest, informed)
        if key not in self._q:
            total = sum(self.flow(t, node, true), Fraction(0))
            if t + 1 < self.periods:
                for branch in range(self.tree.branches[t]):
                    after = node * self.tree.branches[t] + branch
                    total += sum(self.by_type(t + 1, after, true, honest, informed).values(), Fraction(0))
            self._q[key] = total
        return self._q[key]

    def distribution(self, t: int, slot: int, before: int) -> list[Fraction]:
        """Probability of each profile at a slot, her previous true type being ``before``."""
        if t == 0:
            return self.exact.initial
        node, branch = divmod(slot, self.tree.branches[t - 1])
        return self.exact.moves(t - 1, branch, self.with_own(t - 1, self.profile[t - 1][node], before))

    def by_report(self, t: int, slot: int, distribution: list[Fraction], k: int, honest: bool) -> dict[int, Fraction]:
        """Value of each report of a type, times her probability, the others' types being unknown."""
        values = defaultdict[int, Fraction](Fraction)
        for node in self.nodes[t][slot]:
            if not self.may(t, k, self.own(t, node)):
                continue
            chance = distribution[self.with_own(t, self.profile[t][node], k)]
            values[self.own(t, node)] += chance * self.q(t, node, k, honest, False) if chance else 0
        return values

    def by_type(self, t: int, slot: int, before: int, honest: bool, informed: bool) -> dict[int, Fraction]:
        """Utility of a slot to each true type, times her probability."""
        key = (t, slot, before, honest, informed)
        if key not in self._slots:
            distribution, made = self.distribution(t, slot, before), dict[int, Fraction]()
            for k in range(self.process.shape[t][self.i]):
                if informed:
                    made[k] = sum(
                        (
                            distribution[number] * self.informed(t, nodes, k, honest)
                            for number, nodes in self.groups(t, slot, k)
                        ),
                        Fraction(0),
                    )
                else:
                    values = self.by_report(t, slot, distribution, k, honest)
                    made[k] = values[k] if honest and k in values else max(values.values(), default=Fraction(0))
            self._slots[key] = made
        return self._slots[key]

    def groups(self, t: int, slot: int, k: int) -> list[tuple[int, list[int]]]:
        """Nodes of a slot that differ in her report alone, with the true profile where her type is k."""
        found = defaultdict[int, list[int]](list)
        for node in self.nodes[t][slot]:
            found[self.with_own(t, self.profile[t][node], k)].append(node)
        return list(found.items())

    def informed(self, t: int, nodes: list[int], k: int, honest: bool) -> Fraction:
        """Value to a type who knows the others' types."""
        allowed = [node for node in nodes if self.may(t, k, self.own(t, node))]
        told = [node for node in allowed if honest and self.own(t, node) == k] or allowed
        return max((self.q(t, node, k, honest, True) for node in told), default=Fraction(0))

    def alive(self) -> list[list[bool]]:
        """Whether the reported types of each node have positive probability."""
        likely = [[bool(self.exact.initial[m]) for m in self.profile[0]]]
        for t in range(1, self.periods):
            row = []
            for node, slot in enumerate(self.slot[t]):
                came, branch = divmod(slot, self.tree.branches[t - 1])
                moved = self.exact.moves(t - 1, branch, self.profile[t - 1][came])[self.profile[t][node]]
                row.append(likely[-1][came] and bool(moved))
            likely.append(row)
        return likely

    def gains(self, constraint: Constraint) -> Iterator[tuple[Fraction, Place]]:
        """Gains with period, slot, true type, report, profile and branch."""
        if isinstance(constraint, BayesianIC):
            yield from self._bayesian(constraint)
        elif isinstance(constraint, PeriodicExPostIC):
            for t in range(self.periods):
                for slot in self.nodes[t]:
                    for k in range(self.process.shape[t][self.i]):
                        for _, nodes in self.groups(t, slot, k):
                            truth = self.informed(t, nodes, k, True)
                            for node in (n for n in nodes if self.may(t, k, self.own(t, n))):
                                place = (t, slot, k, self.own(t, node), self.profile[t][node], -1)
                                yield self.q(t, node, k, True, True) - truth, place
        elif isinstance(constraint, DominantIC):
            yield from dominance_gains(self, int(constraint.later))
        elif constraint in (EPIR(), PFIR(), PPIR(), PeriodicExPostIR()):
            yield from self._on_paths(constraint)
        elif constraint == MyopicIC():
            yield from self._myopic()
        elif constraint == ExAnteIR():
            yield -sum(self.by_type(0, 0, 0, True, False).values(), Fraction(0)), (0, 0, -1, -1, -1, -1)
        else:
            yield from self._interim(constraint)

    def _on_paths(self, constraint: Constraint) -> Iterator[tuple[Fraction, Place]]:
        alive, before = self.alive(), [Fraction(0)]
        for t in range(self.periods):
            path, branches = list[Fraction](), self.tree.branches[t]
            for node, slot in enumerate(self.slot[t]):
                own, flow = self.own(t, node), self.flow(t, node, self.own(t, node))
                weights = [max(x, Fraction(0)) for x in self.sold[t][node]]
                weights = weights if branches > 1 else [max(sum(self.sold[t][node], Fraction(0)), Fraction(0))]
                mass = sum(weights, Fraction(0))
                shares = [w / mass if mass else Fraction(1, branches) for w in weights]
                path += [before[slot] * share + now for share, now in zip(shares, flow, strict=True)]
                values = flow if constraint == PPIR() else path[-branches:]
                if constraint == PeriodicExPostIR():
                    values = [self.q(t, node, own, True, False)]
                if alive[t][node] and (constraint != EPIR() or t == self.periods - 1):
                    for b, value in enumerate(values):
                        yield -value, (t, slot, own, own, self.profile[t][node], b if len(values) > 1 else -1)
            before = path

    def _myopic(self) -> Iterator[tuple[Fraction, Place]]:
        """Value less payment of the period alone, at histories and among types and reports that truth leads to."""
        alive = self.alive()
        for t in range(self.periods):
            for slot in self.nodes[t]:
                came = divmod(slot, self.tree.branches[t - 1])[0] if t else 0
                if t and not alive[t - 1][came]:
                    continue
                distribution = self.distribution(t, slot, self.own(t - 1, came) if t else 0)
                own = [types[self.i] for types in self.types[t]]
                chance = {
                    k: sum((p for p, k_ in zip(distribution, own, strict=True) if k_ == k), Fraction(0))
                    for k in set(own)
                }
                for k in (k for k in chance if chance[k]):
                    values = defaultdict[int, Fraction](Fraction)
                    for node in self.nodes[t][slot]:
                        p = distribution[self.with_own(t, self.profile[t][node], k)]
                        values[self.own(t, node)] += p * self._alone(t, node, k)
                    for r in values:
                        if r != k and chance[r] and self.may(t, k, r):
                            yield (values[r] - values[k]) / chance[k], (t, slot, k, r, -1, -1)

    def _alone(self, t: int, node: int, true: int) -> Fraction:
        """Value less payment of a period, whatever there is outside."""
        m, weight = self.with_own(t, self.profile[t][node], true), self.exact.discounts[self.i] ** t
        got = sum((self.exact.worth(t, self.i, a)[m] * x for a, x in enumerate(self.sold[t][node])), Fraction(0))
        return weight * (got - sum(self.paid[t][node], Fraction(0)))

    def _interim(self, constraint: Constraint) -> Iterator[tuple[Fraction, Place]]:
        """Given her current type after a truthful past; by the others' types where they move independently of her."""
        alive = self.alive()
        for t in range(1 if constraint == Interim() else self.periods):
            for slot in self.nodes[t]:
                came = divmod(slot, self.tree.branches[t - 1])[0] if t else 0
                if t and not alive[t - 1][came]:
                    continue
                distribution = self.distribution(t, slot, self.own(t - 1, came) if t else 0)
                for k in range(self.process.shape[t][self.i]):
                    if whole := sum(
                        (p for p, types in zip(distribution, self.types[t], strict=True) if types[self.i] == k),
                        Fraction(0),
                    ):
                        values = {r: v / whole for r, v in self.by_report(t, slot, distribution, k, True).items()}
                        yield from ((gain, (t, slot, k, r, -1, -1)) for r, gain in _local(constraint, k, values))

    def _bayesian(self, constraint: BayesianIC) -> Iterator[tuple[Fraction, Place]]:
        truth = self.by_type(0, 0, 0, True, False)
        for k, honest in truth.items():
            entries = [
                (0, m, p)
                for m, (p, types) in enumerate(zip(self.exact.initial, self.types[0], strict=True))
                if p and types[self.i] == k
            ]
            if not entries:
                continue
            if constraint.sees == "all":
                best: Fraction | None = self.by_type(0, 0, 0, False, False)[k]
            else:
                best = self._hidden(0, tuple(entries), k, constraint.sees == "actions")
            assert best is not None
            yield (best - honest) / sum((p for _, _, p in entries), Fraction(0)), (0, 0, k, k, -1, -1)

    def _hidden(self, t: int, held: Held, k: int, actions: bool) -> Fraction | None:
        """Best value of a state of information to her true type; None where no report exists at all of it."""
        best = None
        for r in range(self.process.shape[t][self.i]):
            nodes = [self._find(t, slot, self.with_own(t, m, r)) for slot, m, _ in held]
            if any(node is None for node in nodes) or not self.may(t, k, r):
                continue
            total, following = Fraction(0), defaultdict[tuple[int, int], list[tuple[int, int, Fraction]]](list)
            for node, (_, m, p) in zip(nodes, held, strict=True):
                assert node is not None
                total += p * sum(self.flow(t, node, k), Fraction(0))
                for branch in range(self.tree.branches[t] if t + 1 < self.periods else 0):
                    after = node * self.tree.branches[t] + branch
                    for n, chance in self.exact.likely(t, branch, m):
                        seen = branch if actions else 0
                        following[seen, self.types[t + 1][n][self.i]].append((after, n, p * chance))
            values = [self._hidden(t + 1, tuple(part), own, actions) for (_, own), part in following.items()]
            if all(value is not None for value in values):
                total += sum((value for value in values if value is not None), Fraction(0))
                best = total if best is None else max(best, total)
        return best

    def _find(self, t: int, slot: int, profile: int) -> int | None:
        return next((node for node in self.nodes[t][slot] if self.profile[t][node] == profile), None)


def _local(constraint: Constraint, k: int, values: dict[int, Fraction]) -> Iterator[tuple[int, Fraction]]:
    """Reports and gains of adjacent, downward, interim and periodic constraints."""
    if constraint in (Interim(), PeriodicIR()):
        if k in values:
            yield k, -values[k]
        return
    steps = (-1,) if constraint == DownwardIC() else (-1, 1)
    for r, value in values.items():
        if r - k in steps and k in values:
            yield r, value - values[k]
