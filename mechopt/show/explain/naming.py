"""Names of modes: what was reported and done at exactly the histories of a mode, in every period in which it is met."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from mechopt.core.numbers import Array, FloatArray, IntArray
from mechopt.show.explain.automaton import Automaton
from mechopt.show.explain.play import WEIGHTLESS, Play
from mechopt.show.explain.wording import ALMOST, amount, done, profile_words

MOST_LISTED = 2
"""Number of histories up to which a mode is named by listing them."""
MOST_PAIRED = 4_000
"""Number of histories of a period up to which pairs of properties are tried."""

Properties = dict[str, Array]
"""From words to whether each slot of a period has the property."""


def mode_names(found: Automaton, balance: tuple[FloatArray, ...] | None = None) -> list[str]:
    """Say in words which histories each mode is about.

    Parameters
    ----------
    found : Automaton
    balance : tuple over t of arrays ``(slots,)``, optional
        Of a bank account mechanism with the same allocation.

    Examples
    --------
    >>> from mechopt.closedform.static.repeated import repeated_myerson
    >>> from mechopt.environment.independent import IndependentTypes
    >>> from mechopt.show.explain.automaton import automaton
    >>> from mechopt.show.explain.play import play_of
    >>> env = IndependentTypes([[[1, 3], [2, 5], [2, 5]]], [[["1/2", "1/2"]] * 3])
    >>> mode_names(automaton(play_of(repeated_myerson(env).to_mechanism())))
    ['start', 'always']
    """
    play = found.play
    known = [properties(play, t) for t in range(play.horizon)]
    live = [np.flatnonzero(play.mass[t] > WEIGHTLESS) for t in range(play.horizon)]
    return [_name(found, found.members(mode), known, live, balance) for mode in range(found.modes)]


def properties(play: Play, t: int) -> Properties:
    """Properties of the slots of a period, simplest first."""
    found: Properties = {}
    for name, taken in _actions_taken(play, t).items():
        before, never = done(name)
        found[before], found[never] = taken, ~taken
    several = len(play.agents) > 1
    for i, agent in enumerate(play.agents):
        whose = f"{agent}'s " if several else ""
        own = [play.own(s, i, play.past[t][:, s]) for s in range(t)]
        if not own:
            continue
        _compared(found, f"{whose}last report", own[-1], play.types[t - 1][i])
        _compared(found, f"{whose}first report", own[0], play.types[0][i])
        if all(play.types[s][i] == play.types[0][i] for s in range(t)):
            past = np.stack(own, axis=1)
            _compared(found, f"{whose}highest report", past.max(axis=1), play.types[0][i])
            _compared(found, f"{whose}lowest report", past.min(axis=1), play.types[0][i])
            for k, name in enumerate(play.types[0][i]):
                count = (past == k).sum(axis=1)
                for times in range(1, t + 1):
                    found[f"{whose}{name} reported {times}x"] = count == times
                    if 1 < times < t:
                        found[f"{whose}{name} reported {times}x or more"] = count >= times
    return found


def _compared(found: Properties, what: str, report: IntArray, names: tuple[str, ...]) -> None:
    """A report is one type, or that type or one higher or lower."""
    for k, name in enumerate(names):
        found[f"{what} {name}"] = report == k
    for k, name in enumerate(names[1:-1], start=1):
        found[f"{what} {name} or higher"] = report >= k
        found[f"{what} {name} or lower"] = report <= k


def _actions_taken(play: Play, t: int) -> dict[str, Array]:
    """By action but the first of its period: whether it was taken for certain at some time before each slot."""
    found: dict[str, Array] = {name: np.zeros(1, dtype=bool) for name in play.actions[0][1:]}
    for s in range(1, t + 1):
        node, branch = play.before[s]
        came = play.slot[s - 1][node]
        names = play.actions[s - 1]
        carried = {name: taken[came] for name, taken in found.items()}
        for a, name in enumerate(names[1:], start=1):
            sure = play.allocation[s - 1][node, a] >= 1 - ALMOST
            if play.following[s - 1].shape[1] > 1:
                sure = branch == a
            carried[name] = carried.get(name, np.zeros(len(node), dtype=bool)) | sure
        found = carried
    return found


def _name(
    found: Automaton,
    members: list[tuple[int, IntArray]],
    known: list[Properties],
    live: list[IntArray],
    balance: tuple[FloatArray, ...] | None,
) -> str:
    times = [t for t, _ in members]
    if times == [0]:
        return "start"
    full = [len(slots) == len(live[t]) for t, slots in members]
    if all(full):
        return "always"
    for words in _candidates(members, known, live):
        return words
    partial = [member for member, whole in zip(members, full, strict=True) if not whole]
    rest = [member for member, whole in zip(members, full, strict=True) if whole]
    if rest and rest[0][0] > partial[-1][0]:
        for words in _candidates(partial, known, live):
            return f"{words} or period {rest[0][0]} or later"
    if rest and rest[-1][0] == 0:
        for words in _candidates(partial, known, live):
            return f"start or {words}"
    interval = None if balance is None else _balance(members, live, balance)
    if interval is not None:
        return interval
    for words in _pairs(members, known, live):
        return words
    return _listed(found.play, members)


def _exactly(mask: Array, slots: IntArray, live: IntArray) -> bool:
    """Whether a property holds at these slots and at no other that the mechanism comes to."""
    return bool(mask[slots].all()) and int(mask[live].sum()) == len(slots)


def _candidates(members: list[tuple[int, IntArray]], known: list[Properties], live: list[IntArray]) -> Iterator[str]:
    """Properties that hold at exactly these slots in every period."""
    for words in known[members[0][0]]:
        if all(words in known[t] and _exactly(known[t][words], slots, live[t]) for t, slots in members):
            yield words


def _pairs(members: list[tuple[int, IntArray]], known: list[Properties], live: list[IntArray]) -> Iterator[str]:
    """Two properties that hold together at exactly these slots."""
    if any(len(live[t]) > MOST_PAIRED for t, _ in members):
        return
    wide = [
        words
        for words in known[members[0][0]]
        if all(words in known[t] and known[t][words][slots].all() for t, slots in members)
    ]
    for one, other in combinations(wide, 2):
        if all(_exactly(known[t][one] & known[t][other], slots, live[t]) for t, slots in members):
            yield f"{one}, {other}"


def _balance(members: list[tuple[int, IntArray]], live: list[IntArray], balance: tuple[FloatArray, ...]) -> str | None:
    """An interval of the balance that holds exactly these slots in every period."""
    low = max(float(balance[t][slots].min()) for t, slots in members)
    high = min(float(balance[t][slots].max()) for t, slots in members)
    low_all = min(float(balance[t][slots].min()) for t, slots in members)
    high_all = max(float(balance[t][slots].max()) for t, slots in members)
    near = 1e-7 * max(1.0, abs(high_all))

    def fits(least: float, most: float) -> bool:
        return all(
            _exactly((balance[t] >= least - near) & (balance[t] <= most + near), slots, live[t]) for t, slots in members
        )

    if high_all - low_all <= near and fits(low_all, high_all):
        return f"balance {amount(low_all)}"
    if fits(low_all, np.inf):
        return f"balance at least {amount(low_all)}"
    if fits(-np.inf, high_all):
        return f"balance at most {amount(high_all)}"
    if fits(low_all, high_all) and low <= high:
        return f"balance {amount(low_all)} to {amount(high_all)}"
    return None


def _listed(play: Play, members: list[tuple[int, IntArray]]) -> str:
    """The histories themselves, or their number."""
    count = sum(len(slots) for _, slots in members)
    if count > MOST_LISTED:
        return f"{count:,} histories"
    words = [
        " ".join(profile_words(play, s, int(number)) for s, number in enumerate(play.past[t][slot]))
        for t, slots in members
        for slot in slots
    ]
    return "after " + "; ".join(words)
