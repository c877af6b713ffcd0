"""Histories that a mechanism treats alike: its automaton, and the same folded over time.

Two slots of a period are in one *state* if the same profiles may be reported there, the same is done after each, and
what follows is in one state again: found from the last period backwards. States of different periods form one *mode*
if reports, actions and outputs agree and all successors can be merged as well; what lies after the last period is
free, and so is what is done after reports that cannot be made there. Periods are compared only where types, actions
and values are the same.

Source: minimisation of acyclic automata from the end (Revuz 1992); merging of states as in RPNI (Oncina and Garcia
1992).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from mechopt.core.numbers import Array, FloatArray, IntArray
from mechopt.show.explain.play import WEIGHTLESS, Play

DIGITS = 7
"""Decimals in which outputs of one state agree, money relative to the largest value."""
MOST_FOLDED = 1_000
"""Number of states above which periods are not folded into one another."""


@dataclass(frozen=True, eq=False)
class Automaton:
    """States by period, and the mode of each.

    Attributes
    ----------
    play : Play
    state : tuple over t of int arrays ``(slots,)``
        -1 where the mechanism never comes.
    example : tuple over t of int arrays ``(states,)``
        A slot of each state.
    mode : tuple over t of int arrays ``(states,)``
        Numbered in the order in which they are met.
    """

    play: Play
    state: tuple[IntArray, ...]
    example: tuple[IntArray, ...]
    mode: tuple[IntArray, ...]

    @property
    def states(self) -> int:
        """Number of states of all periods."""
        return sum(len(part) for part in self.example)

    @cached_property
    def modes(self) -> int:
        """Number of modes."""
        return 1 + max(int(part.max()) for part in self.mode)

    def nodes(self, t: int, slot: int) -> IntArray:
        """Nodes of a slot, in the order of their profiles."""
        first, last = np.searchsorted(self.play.slot[t], [slot, slot + 1])
        return np.arange(first, last)

    def after(self, t: int, node: int) -> IntArray:
        """State of the next period by recorded action; -1 where there is none."""
        if t + 1 == self.play.horizon:
            return np.full(1, -1)
        return np.asarray(self.state[t + 1][self.play.following[t][node]])

    def members(self, mode: int) -> list[tuple[int, IntArray]]:
        """(period, slots) of a mode."""
        found = []
        for t, modes in enumerate(self.mode):
            here = self.state[t]
            slots = np.flatnonzero((here >= 0) & (modes[np.maximum(here, 0)] == mode))
            if len(slots):
                found.append((t, slots))
        return found


def classes(play: Play, outputs: tuple[Array, ...], start: tuple[IntArray, ...] | None = None) -> tuple[IntArray, ...]:
    """States by period: slots whose outputs agree in every continuation.

    Parameters
    ----------
    play : Play
    outputs : tuple over t of int arrays ``(nodes, width)``
        What is done at each node, rounded.
    start : tuple over t of int arrays ``(slots,)``, optional
        Labels by which slots are told apart from the beginning.

    Returns
    -------
    tuple over t of int arrays ``(slots,)``
        Numbered by first slot; -1 where the mechanism never comes.
    """
    found: list[IntArray] = [np.zeros(0, dtype=np.int64)] * play.horizon
    for t in reversed(range(play.horizon)):
        rows = [play.profile[t][:, None], outputs[t]]
        if t + 1 < play.horizon:
            rows.append(found[t + 1][play.following[t]])
        _, label = np.unique(np.concatenate(rows, axis=1), axis=0, return_inverse=True)
        sizes = np.bincount(play.slot[t], minlength=play.slots[t])
        within = np.arange(len(label)) - (np.cumsum(sizes) - sizes)[play.slot[t]]
        table = np.full((play.slots[t], max(int(sizes.max(initial=0)), 1)), -1)
        table[play.slot[t], within] = label.ravel()
        if start is not None:
            table = np.concatenate([table, start[t][:, None]], axis=1)
        live = np.flatnonzero(play.mass[t] > WEIGHTLESS)
        _, first, number = np.unique(table[live], axis=0, return_index=True, return_inverse=True)
        rank = np.empty(len(first), dtype=np.int64)
        rank[np.argsort(first, kind="stable")] = np.arange(len(first))
        state = np.full(play.slots[t], -1)
        state[live] = rank[number.ravel()]
        found[t] = state
    return tuple(found)


def rounded(play: Play, payments: bool) -> tuple[Array, ...]:
    """Actions and payments at each node as whole numbers: allocation, and payment relative to the largest value."""
    scale = max((float(np.abs(part).max(initial=0.0)) for part in play.values), default=0.0) or 1.0
    found = []
    for t in range(play.horizon):
        rows = [_whole(play.allocation[t])]
        if payments:
            rows.append(_whole(play.payment[t].T / scale))
        found.append(np.concatenate(rows, axis=1))
    return tuple(found)


def _whole(numbers: FloatArray) -> IntArray:
    """Numbers as whole multiples; short decimals and dyadic fractions never lie where the rounding jumps."""
    return np.asarray(np.floor(numbers * 10**DIGITS + 0.6371), dtype=np.int64)


def examples(state: tuple[IntArray, ...]) -> tuple[IntArray, ...]:
    """A slot of each state, the first."""
    found = []
    for part in state:
        live = np.flatnonzero(part >= 0)
        _, first = np.unique(part[live], return_index=True)
        found.append(live[first])
    return tuple(found)


def automaton(play: Play, fold: bool = True) -> Automaton:
    """States and modes of a mechanism, its payments included.

    Parameters
    ----------
    play : Play
    fold : bool
        Merge states of different periods.

    Examples
    --------
    >>> from mechopt.closedform.static.repeated import repeated_myerson
    >>> from mechopt.environment.independent import IndependentTypes
    >>> from mechopt.show.explain.play import play_of
    >>> env = IndependentTypes.iid([1, 3], ["1/2", "1/2"], horizon=5)
    >>> found = automaton(play_of(repeated_myerson(env).to_mechanism()))
    >>> found.states, found.modes
    (5, 1)
    """
    state = classes(play, rounded(play, payments=True))
    example = examples(state)
    plain = Automaton(play, state, example, tuple(np.zeros(len(part), dtype=np.int64) for part in example))
    return Automaton(play, state, example, _folded(plain, fold and plain.states <= MOST_FOLDED))


Cell = tuple[int, tuple[int, ...]]
"""What is done, by number, and the next state (numbered over all periods) by recorded action."""


def _folded(plain: Automaton, fold: bool) -> tuple[IntArray, ...]:
    """Mode of each state."""
    play, first = plain.play, np.cumsum([0, *(len(part) for part in plain.example)])
    period = [t for t, part in enumerate(plain.example) for _ in part]
    rows = _rows(plain, first)
    kind = [next(s for s in range(t + 1) if play.alike(t, s)) for t in range(play.horizon)]
    group, heads = list(range(len(rows))), list[int]()
    for state in range(len(rows)):
        if group[state] != state:
            continue
        for head in heads if fold else ():
            attempt = _merged(group, rows, head, state, kind, period)
            if attempt is not None:
                for s, root in attempt[0].items():
                    group[s] = root
                for s, row in attempt[1].items():
                    rows[s] = row
                break
        else:
            heads.append(state)
    roots = [_root(group, {}, state) for state in range(len(rows))]
    number = {root: mode for mode, root in enumerate(dict.fromkeys(roots))}
    flat = np.array([number[root] for root in roots], dtype=np.int64)
    return tuple(flat[a:b] for a, b in pairwise(first))


def _rows(plain: Automaton, first: IntArray) -> list[dict[int, Cell]]:
    """Cells of each state by profile."""
    play, numbers, found = plain.play, dict[tuple[int, ...], int](), list[dict[int, Cell]]()
    outputs = rounded(play, payments=True)
    for t, slots in enumerate(plain.example):
        start = int(first[t + 1])
        for slot in slots.tolist():
            nodes = plain.nodes(t, slot)
            profiles, did = play.profile[t][nodes].tolist(), outputs[t][nodes].tolist()
            after = [[-1]] * len(nodes)
            if t + 1 < play.horizon:
                after = plain.state[t + 1][play.following[t][nodes]].tolist()
            row = dict[int, Cell]()
            for profile, what, states in zip(profiles, did, after, strict=True):
                number = numbers.setdefault(tuple(what), len(numbers))
                row[profile] = number, tuple(start + s if s >= 0 else -1 for s in states)
            found.append(row)
    return found


def _root(group: list[int], joined: dict[int, int], state: int) -> int:
    """The state that stands for a group, with what has been joined besides."""
    while (above := joined.get(state, group[state])) != state:
        state = above
    return state


def _merged(
    group: list[int], rows: list[dict[int, Cell]], head: int, state: int, kind: list[int], period: list[int]
) -> tuple[dict[int, int], dict[int, dict[int, Cell]]] | None:
    """Groups and rows with two states in one, and all that follows; None where something contradicts.

    What only one of them knows, since only there it can be reported, is kept.
    """
    groups, changed, todo = dict[int, int](), dict[int, dict[int, Cell]](), [(head, state)]
    while todo:
        one, other = todo.pop()
        a, b = _root(group, groups, one), _root(group, groups, other)
        if a == b:
            continue
        a, b = min(a, b), max(a, b)
        left, right = changed.get(a) or rows[a], changed.get(b) or rows[b]
        if kind[period[a]] != kind[period[b]]:
            return None
        for profile, (output, _) in right.items():
            if profile in left and left[profile][0] != output:
                return None
        joined = dict(left)
        for profile, (output, after) in right.items():
            earlier, after = _padded(left[profile][1] if profile in left else after, after)
            todo += [(s, r) for s, r in zip(earlier, after, strict=True) if s >= 0 and r >= 0]
            joined[profile] = output, tuple(s if s >= 0 else r for s, r in zip(earlier, after, strict=True))
        groups[b] = a
        changed[a] = joined
    return groups, changed


def _padded(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Both by as many recorded actions; the last period records none."""
    width = max(len(one), len(other))
    return one + (-1,) * (width - len(one)), other + (-1,) * (width - len(other))


def rules_of(
    found: Automaton, members: list[tuple[int, IntArray]]
) -> dict[int, tuple[FloatArray, FloatArray, tuple[int, ...]]]:
    """By profile: chances of the actions, payments, and next modes; of whichever member knows what comes next."""
    play, cells = found.play, dict[int, tuple[FloatArray, FloatArray, tuple[int, ...]]]()
    for t, slots in members:
        for state in np.unique(found.state[t][slots]):
            for node in found.nodes(t, int(found.example[t][state])):
                profile = int(play.profile[t][node])
                after = [int(found.mode[t + 1][s]) for s in found.after(t, int(node)) if s >= 0]
                known = cells.get(profile)
                if known is None or len(after) > len(known[2]):
                    paid = play.payment[t][:, node]
                    cells[profile] = play.allocation[t][node], paid, tuple(dict.fromkeys(after))
    return cells
