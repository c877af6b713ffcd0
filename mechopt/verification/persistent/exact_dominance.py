"""Gains of agents who know all types and reports, in fractions: every path by recursion, shared with nothing else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

Path = tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]
"""Her types, and the others' reports, of the later periods."""
Place = tuple[int, int, int, int, int, int]


class Paths:
    """Sums along paths for one agent of `mechopt.verification.persistent.exact`."""

    def __init__(self, agent: Any) -> None:
        self.agent = agent
        self._known: dict[tuple[int, int, int], dict[Path, tuple[Fraction, Fraction | None]]] = {}

    def of(self, t: int, node: int, true: int) -> dict[Path, tuple[Fraction, Fraction | None]]:
        """The report at a node and the best ones after it, and the truth from there on where it is told."""
        key = (t, node, true)
        if key in self._known:
            return self._known[key]
        a = self.agent
        now, found = Fraction(sum(a.flow(t, node, true))), dict[Path, tuple[Fraction, Fraction | None]]()
        if t + 1 == a.periods:
            found[(), ()] = now, now
        else:
            moves = a.exact.moves(t, 0, a.with_own(t, a.profile[t][node], true))
            likely = {types[a.i] for types, p in zip(a.types[t + 1], moves, strict=True) if p}
            told = defaultdict[tuple[int, ...], list[int]](list)  # by the others' reports
            for after in a.nodes[t + 1][node * a.tree.branches[t]]:
                reports = a.types[t + 1][a.profile[t + 1][after]]
                told[tuple(k for j, k in enumerate(reports) if j != a.i)].append(after)
            for k in sorted(likely):
                for others, nodes in told.items():
                    for (own, rest), pair in self._best(t + 1, nodes, k).items():
                        best, truth = pair
                        found[(k, *own), (others, *rest)] = now + best, None if truth is None else now + truth
        self._known[key] = found
        return found

    def _best(self, t: int, nodes: list[int], k: int) -> dict[Path, tuple[Fraction, Fraction | None]]:
        found = dict[Path, tuple[Fraction, Fraction | None]]()
        for node in nodes:
            honest = self.agent.own(t, node) == k
            for path, (best, truth) in self.of(t, node, k).items():
                before = found.get(path)
                kept = truth if honest else None if before is None else before[1]
                found[path] = (best if before is None else max(best, before[0])), kept
        return found


def dominance_gains(agent: Any, start: int) -> Iterator[tuple[Fraction, Place]]:
    """Largest gain of each report over the truth, with period, slot, true type, report, profile and no branch."""
    paths = Paths(agent)
    for t in range(start, agent.periods):
        for slot, nodes in agent.nodes[t].items():
            for honest in nodes:
                k = agent.own(t, honest)
                truth = paths.of(t, honest, k)
                for node in nodes:
                    if agent.with_own(t, agent.profile[t][node], k) != agent.profile[t][honest]:
                        continue
                    told = paths.of(t, node, k)
                    gains = [told[path][0] - true for path, (_, true) in truth.items() if true is not None]
                    if gains:
                        yield max(gains), (t, slot, k, agent.own(t, node), agent.profile[t][node], -1)
