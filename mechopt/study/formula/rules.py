"""The optimal mechanism on a piece as rules by state, their entries functions of the parameter.

Histories after which everything goes on alike, entry by entry as functions, are one state. Payments are those of the
program where it has any; in the utility form those of the timing that the constraints allow, as in
`mechopt.lp.independent.compile`. What is not reached with positive weight is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

from mechopt.core.functions import RationalFunction
from mechopt.environment.parametric import ParametricModel, rebuilt
from mechopt.lp.independent.compile import Layout
from mechopt.lp.persistent.compile import PersistentLayout

Functions = tuple[RationalFunction, ...]
END = 0
"""Number of the state after the last period."""


@dataclass(frozen=True)
class Entry:
    """Action, payment and next state upon reports in a state.

    Attributes
    ----------
    reports : str
        Of all agents.
    outcome : tuple of (str, RationalFunction)
        What happens, with its probability where that is not zero.
    pays : tuple of RationalFunction
        By agent, expected over the outcome, money of the period.
    then : tuple of (str, int)
        State that follows, by recorded action where actions matter (else ``""``); 0 is the end.
    """

    reports: str
    outcome: tuple[tuple[str, RationalFunction], ...]
    pays: Functions
    then: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class State:
    """Histories of one period after which everything goes on alike.

    Attributes
    ----------
    number : int
        From 1 at the start.
    period : int
    histories : tuple of str
    entries : tuple of Entry
    """

    number: int
    period: int
    histories: tuple[str, ...]
    entries: tuple[Entry, ...]


def rules(model: ParametricModel, layout: Any, primal: Functions) -> tuple[State, ...]:
    """Rules by state from the functions of a basis.

    Parameters
    ----------
    model : ParametricModel
    layout : Layout or PersistentLayout
        At a point of the basis.
    primal : tuple of RationalFunction
        By column, money of the environment.
    """
    exact = rebuilt(model.exact, RationalFunction.of)
    build: Any = _moving if isinstance(layout, PersistentLayout) else _independent
    return _merged(build(layout, exact, primal))


Outcome = tuple[tuple[str, RationalFunction], ...]
Then = tuple[tuple[str, int], ...]
Raw = tuple[str, tuple[tuple[str, Outcome, Functions, Then], ...]]
"""A history: its name, and by reports their label, outcome, payments, and the histories that follow."""


def _merged(levels: list[list[Raw]]) -> tuple[State, ...]:
    """Number states from the last period backwards, then renumber them from the start."""
    number: list[list[int]] = [[] for _ in levels]
    keys: dict[Any, int] = {}
    where: dict[int, tuple[int, list[str], Any]] = {}
    for t in range(len(levels) - 1, -1, -1):
        for name, listed in levels[t]:
            entries = []
            for label, outcome, pays, then in listed:
                after = tuple((by, number[t + 1][k] if t + 1 < len(levels) else END) for by, k in then)
                entries.append((label, outcome, pays, after))
            key = t, tuple(entries)
            state = keys.setdefault(key, len(keys) + 1)
            where.setdefault(state, (t, [], tuple(entries)))[1].append(name)
            number[t].append(state)
    order: dict[int, int] = {END: END}
    waiting = [number[0][0]]
    while waiting:  # breadth first from the start: unreached states get no number
        state = waiting.pop(0)
        if state in order:
            continue
        order[state] = len(order)
        waiting += [after for *_, then in where[state][2] for _, after in then if after != END]
    states = []
    for state, place in order.items():
        if state == END:
            continue
        t, names, found = where[state]
        numbered = tuple(
            Entry(label, outcome, pays, tuple((by, order[k]) for by, k in then)) for label, outcome, pays, then in found
        )
        states.append(State(place, t, tuple(names), numbered))
    return tuple(states)


def _independent(layout: Layout, exact: Any, primal: Functions) -> list[list[Raw]]:
    """By period and history; payments follow from realised utilities."""
    plan, columns = layout.plan, layout.columns
    tree, buyers = plan.tree, range(plan.environment.agents)

    def realised(t: int, i: int, history: int) -> RationalFunction:
        if plan.timing == "own":
            return primal[int(columns.realised[t][i, history])]
        if t == tree.horizon or (plan.timing == "bank" and t > 0):
            return primal[int(columns.lifetime[t][i, history])]
        return RationalFunction(())

    levels: list[list[Raw]] = []
    for t in range(tree.horizon):
        profiles = list(product(*(range(k) for k in tree.shape[t])))
        level: list[Raw] = []
        for history in range(tree.count[t]):
            listed = []
            for m, profile in enumerate(profiles):
                outcome, pays = [], []
                for i, k in enumerate(profile):
                    sold = primal[int(columns.allocation[t][(i, history, *profile)])]
                    gain = realised(t + 1, i, history * len(profiles) + m) - realised(t, i, history)
                    pays.append(exact.values[i][t][k] * sold - gain / exact.discount**t)
                    if sold:
                        outcome.append((f"to {i}" if len(buyers) > 1 else "sell", sold))
                if any(not exact.probabilities[i][t][k] for i, k in enumerate(profile)):
                    continue
                label = ", ".join(str(exact.values[i][t][k]) for i, k in enumerate(profile))
                then = (("", history * len(profiles) + m),)
                listed.append((label, tuple(outcome), tuple(pays), then))
            level.append((tree.written(t, history), tuple(listed)))
        levels.append(level)
    return levels


def _moving(layout: PersistentLayout, exact: Any, primal: Functions) -> list[list[Raw]]:
    """By period and slot; weights are divided by that of the slot."""
    plan, columns = layout.plan, layout.columns
    tree, process = plan.tree, plan.process
    environment = plan.environment
    mass: list[RationalFunction] = [RationalFunction((1,))]
    levels: list[list[Raw]] = []
    for t in range(tree.horizon):
        names = environment.action_names(t)
        by_slot: list[list[Any]] = [[] for _ in mass]
        after: list[RationalFunction] = []
        for node, slot in enumerate(tree.slot[t].tolist()):
            weights = [primal[int(c)] for c in columns.allocation[t][node]]
            branches = tree.branches[t]
            following = [(names[b] if branches > 1 else "", node * branches + b) for b in range(branches)]
            total = mass[slot]
            after += weights if branches > 1 else [total]
            if not total:
                continue
            profile = [int(k) for k in _unravel(int(tree.profile[t][node]), process.shape[t])]
            label = ", ".join(environment.types[i][t][k] for i, k in enumerate(profile))
            outcome = tuple((names[a], x / total) for a, x in enumerate(weights) if x)
            pays = tuple(
                primal[int(columns.payment[t][i][node])] / (total * exact.discount**t) for i in range(process.agents)
            )
            then = tuple((by, k) for (by, k), x in zip(following, weights, strict=False) if branches == 1 or x)
            by_slot[slot].append((label, outcome, pays, then))
        levels.append([(tree.written(t, slot), tuple(entries)) for slot, entries in enumerate(by_slot)])
        mass = after
    return levels


def _unravel(number: int, shape: tuple[int, ...]) -> list[int]:
    places = []
    for size in reversed(shape):
        number, place = divmod(number, size)
        places.append(place)
    return places[::-1]


def rule_rows(states: tuple[State, ...], name: str) -> list[list[str]]:
    """The table: state, period, reports, what happens, what is paid, next."""
    rows = []
    for state in states:
        for k, entry in enumerate(state.entries):
            happens = ", ".join(
                words if chance == 1 else f"{words} with {chance.text(name)}" for words, chance in entry.outcome
            )
            then = ", ".join(f"{by}: {place}" if by else str(place) for by, place in entry.then if place) or "end"
            rows.append(
                [
                    letter(state.number) if k == 0 else "",
                    f"t={state.period}" if k == 0 else "",
                    entry.reports,
                    happens or "keep",
                    ", ".join(pays.text(name) for pays in entry.pays),
                    "end"
                    if then == "end"
                    else ", ".join(f"{by}: {letter(place)}" if by else letter(place) for by, place in entry.then),
                ]
            )
    return rows


def letter(number: int) -> str:
    """A, B, ..., Z, AA, ... for 1, 2, ...; the end for 0."""
    if number == END:
        return "end"
    text = ""
    while number:
        number, place = divmod(number - 1, 26)
        text = chr(65 + place) + text
    return text
