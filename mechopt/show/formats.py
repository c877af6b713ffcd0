"""A mechanism in formats of others: LaTeX tables of rules, graphs of networkx, extensive games of Gambit."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.core.atomic import write_atomically
from mechopt.core.errors import InputError, LimitError, require_type
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.show.explain.explanation import Explanation, Rule
from mechopt.show.explain.picture import flows
from mechopt.show.explain.play import Play, play_of
from mechopt.show.explain.search import require_payments, written_out

if TYPE_CHECKING:
    import networkx

    from mechopt.show.explain.policies.explanation import PolicyExplanation, PolicyRule

MOST_NODES = 10_000
"""Nodes of an extensive game that are written: they grow as (types x reports) to the power of the periods."""
ESCAPED = {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}"}
ESCAPED |= {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}


def rules_latex(found: Explanation | PolicyExplanation) -> str:
    """Rules by state as a LaTeX table, for the ``booktabs`` package; see `Explanation.to_latex`."""
    lines = [r"\begin{tabular}{llllrl}", r"\toprule", r"state & when & report & then & pays & next \\"]
    for state in found.states:
        lines.append(r"\midrule")
        rules: tuple[Rule | PolicyRule, ...] = state.rules
        for number, rule in enumerate(rules):
            first = [f"{state.name}: {state.words}", state.when] if number == 0 else ["", ""]
            cells = [*first, rule.reports, rule.then, rule.pays, ", ".join(rule.next) or "end"]
            lines.append(" & ".join("".join(ESCAPED.get(c, c) for c in cell) for cell in cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def state_graph(found: Explanation) -> networkx.DiGraph[Any]:
    """States by period as a graph of networkx; see `Explanation.to_networkx`."""
    import networkx

    graph: networkx.DiGraph[Any] = networkx.DiGraph()
    for t in range(found.automaton.play.horizon):
        for mode in np.unique(found.automaton.mode[t]):
            state = found.states[int(mode)]
            graph.add_node((t, state.name), period=t, state=state.name, words=state.words)
    for (t, start, end), chance in flows(found).items():
        graph.add_edge((t, found.states[start].name), (t + 1, found.states[end].name), probability=chance)
    return graph


def to_efg(mechanism: Any, path: str | Path, title: str = "mechanism") -> int:
    """Write a mechanism as an extensive game for Gambit: nature draws types, agents report, the mechanism acts.

    The players are the agents, whose payoffs are their utilities, and the seller, who does nothing and gets payments
    less costs; all in present value. An agent's information set holds her own types so far and what is public.

    Parameters
    ----------
    mechanism : Mechanism, SequenceMechanism, or something with ``to_mechanism``
    path : path
        Written whole or not at all.
    title : str

    Returns
    -------
    int
        Number of nodes.

    Raises
    ------
    LimitError
        If the game has more than 10,000 nodes.
    InputError
        If the mechanism has no finite histories, or is only a limit of mechanisms.
    """
    require_type(path, (str, PathLike), "to_efg", "give mo.formats.to_efg(mechanism, path)")
    written = written_out(mechanism)
    require_payments(written)
    if getattr(written.environment, "slots", None) is not None:
        raise InputError(
            "to_efg: is for one item a period, of which one action is drawn, not for several units or slots"
        )
    game = _Game(play_of(written), _distributions(written))
    lines = [f'EFG 2 R "{_quoted(title)}" {{ {" ".join(_name(n) for n in (*game.play.agents, "seller"))} }}', '""', ""]
    for line in game.nodes():
        lines.append(line)
        if len(lines) > MOST_NODES + 3:
            raise LimitError(f"the game has more than {MOST_NODES:,} nodes; try fewer types or periods")
    content = "\n".join(lines).encode() + b"\n"
    write_atomically(path, lambda file: _write(file, content))
    return len(lines) - 3


def _write(file: Any, content: bytes) -> None:
    file.write(content)


def _quoted(text: str) -> str:
    return "".join(c if c.isprintable() and c not in '"\\' else "'" for c in text)


def _name(text: str) -> str:
    return f'"{_quoted(text)}"'


def _distributions(written: Any) -> tuple[Any, list[Any]]:
    """Distribution of the first profile, and of the next by action and profile."""
    if isinstance(written, SequenceMechanism):
        return written.process.initial, list(written.process.kernel)
    distributions = [part.ravel() for part in written.tree.distribution]
    return distributions[0], [
        np.broadcast_to(after, (1, len(now), len(after))) for now, after in pairwise(distributions)
    ]


def _summing_to_one(chances: list[float]) -> list[str]:
    """Decimals whose sum is exactly 1, as Gambit asks for: what rounding to 15 places leaves goes to the largest.

    Examples
    --------
    >>> _summing_to_one([1 / 3, 2 / 3]), _summing_to_one([0.25, 0.75]), _summing_to_one([1.0])
    (['0.333333333333333', '0.666666666666667'], ['0.25', '0.75'], ['1'])
    """
    whole = [round(chance * 10**15) for chance in chances]
    whole[int(np.argmax(chances))] += 10**15 - sum(whole)
    return [f"{n // 10**15}.{n % 10**15:015d}".rstrip("0").rstrip(".") for n in whole]


class _Game:
    """The nodes of the game in depth-first order, as Gambit's format wants them."""

    def __init__(self, play: Play, distributions: tuple[Any, list[Any]]) -> None:
        self.play, (self.initial, self.kernel) = play, distributions
        self.sets: dict[Any, int] = {}
        self.outcomes = 0

    def nodes(self) -> Iterator[str]:
        """Lines of all nodes."""
        total = np.zeros(len(self.play.agents) + 1)
        yield from self._nature(0, 0, self.initial, (), (), total)

    def _set(self, key: Any) -> int:
        return self.sets.setdefault(key, len(self.sets) + 1)

    def _label(self, number: int, words: str) -> str:
        """A label of an information set that no other has."""
        return _name(f"{words}, set {number}")

    def _chance(self, key: Any, labels: list[str], chances: list[float]) -> str:
        listed = " ".join(f"{_name(label)} {p}" for label, p in zip(labels, _summing_to_one(chances), strict=True))
        number = self._set((key, len(self.sets)))  # nature's nodes are sets of their own, so that recall is perfect
        return f'c "" {number} {self._label(number, str(key[0]))} {{ {listed} }} 0'

    def _nature(self, t: int, slot: int, distribution: Any, truth: Any, public: Any, total: Any) -> Iterator[str]:
        profiles = np.flatnonzero(distribution > 0)
        names = ["/".join(self._types(t, int(k))) for k in profiles]
        chances = (distribution[profiles] / distribution[profiles].sum()).tolist()
        yield self._chance(("nature", truth, public), names, chances)
        for profile in profiles:
            yield from self._report(t, slot, (*truth, int(profile)), (), public, total)

    def _types(self, t: int, profile: int) -> list[str]:
        own = np.unravel_index(profile, self.play.shape[t])
        return [self.play.types[t][i][int(k)] for i, k in enumerate(own)]

    def _report(self, t: int, slot: int, truth: Any, told: tuple[int, ...], public: Any, total: Any) -> Iterator[str]:
        play, i = self.play, len(told)
        if i == len(play.agents):
            profile = int(np.ravel_multi_index(told, play.shape[t]))
            node = np.flatnonzero((play.slot[t] == slot) & (play.profile[t] == profile))
            yield from self._act(t, int(node[0]), truth, (*public, told), total)
            return
        allowed = play.profile[t][play.slot[t] == slot]
        mine = sorted({int(k) for k in play.own(t, i, allowed)})
        own = tuple(int(play.own(s, i, np.array([profile]))[0]) for s, profile in enumerate(truth))
        listed = " ".join(_name(play.types[t][i][k]) for k in mine)
        number, types = self._set_of(i, (own, public)), ", ".join(play.types[s][i][k] for s, k in enumerate(own))
        label = self._label(number, f"{play.agents[i]}, period {t}, {types}")
        yield f'p "" {i + 1} {number} {label} {{ {listed} }} 0'
        for k in mine:
            yield from self._report(t, slot, truth, (*told, k), public, total)

    def _set_of(self, i: int, key: Any) -> int:
        """Numbers of information sets are by player."""
        return self._set((i, key))

    def _act(self, t: int, node: int, truth: Any, public: Any, total: Any) -> Iterator[str]:
        play = self.play
        chances = play.allocation[t][node]
        actions = np.flatnonzero(chances > 1e-9)
        if len(actions) > 1:
            labels = [play.actions[t][a] for a in actions]
            yield self._chance(("draw", public, truth), labels, (chances[actions] / chances[actions].sum()).tolist())
        for a in actions:
            yield from self._after(t, node, int(a), truth, public, total)

    def _after(self, t: int, node: int, a: int, truth: Any, public: Any, total: Any) -> Iterator[str]:
        play = self.play
        weight = np.append(play.own_present_value[:, t], play.present_value[t])
        paid = play.payment[t][:, node]
        gained = play.values[t][:, a, truth[-1]] - paid
        total = total + weight * np.append(
            gained, paid.sum() - np.broadcast_to(play.net_costs(t), play.values[t].shape[1:])[a, truth[-1]]
        )
        if t + 1 == play.horizon:
            self.outcomes += 1
            payoffs = " ".join(repr(float(x) + 0.0) for x in total)
            yield f't "" {self.outcomes} "" {{ {payoffs} }}'
            return
        branches = play.following[t].shape[1]
        branch = a if branches > 1 else 0
        distribution = self.kernel[t][a if len(self.kernel[t]) > 1 else 0][truth[-1]]
        seen = (*public, a) if branches > 1 else public
        yield from self._nature(t + 1, int(play.following[t][node, branch]), distribution, truth, seen, total)
