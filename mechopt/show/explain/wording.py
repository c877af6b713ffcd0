"""Numbers, reports and actions in the words of the model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import product

import numpy as np

from mechopt.core.numbers import FloatArray, recognise
from mechopt.show.explain.play import Play
from mechopt.verification.report import Report

LARGEST_DENOMINATOR = 64
ALMOST = 1e-9
PAST = {"sell": "sold", "keep": "kept", "buy": "bought", "hold": "held", "give": "given", "wait": "waited"}
"""Past participles of verbs that name actions."""


def amount(value: float) -> str:
    """A number as a short fraction where it is one, else with four digits, or two decimals.

    Examples
    --------
    >>> amount(0.25), amount(43.0863), amount(2.63333333333), amount(-1e-17), amount(12538.0), amount(0.93317)
    ('1/4', '43.09', '79/30', '0', '12538', '0.9332')
    """
    if abs(value) < ALMOST:
        return "0"
    simple = recognise(value, ALMOST, LARGEST_DENOMINATOR)
    if simple is not None and simple.denominator <= (16 if abs(value) >= 10 else LARGEST_DENOMINATOR):
        return str(simple)
    if abs(value) >= 10:
        return f"{value:.2f}"
    return f"{value:.4g}" if abs(value) >= 1e-3 else f"{value:.3g}"


def percent(share: float) -> str:
    """A share as a percentage, never rounded up to 100.

    Examples
    --------
    >>> percent(0.9922), percent(0.999999), percent(1.0), percent(0.00012)
    ('99.22%', '99.99%', '100%', '0.01%')
    """
    if abs(share - 1) <= ALMOST:
        return "100%"
    hundredths = min(round(share * 1e4), 9999) if share < 1 else round(share * 1e4)
    return f"{hundredths / 100:.2f}%"


def likelihood(probability: float) -> str:
    """A probability as a percentage with one decimal."""
    return f"{100 * probability:.1f}%" if probability >= 5e-4 else f"{100 * probability:.2g}%"


def action(play: Play, t: int, chances: FloatArray) -> str:
    """Action in words, with its probability where it is drawn."""
    named = [(play.actions[t][a], float(p)) for a, p in enumerate(chances) if p > 1e-6]
    if len(named) == 1:
        return named[0][0]
    drawn = [(name, p) for name, p in named if name != play.actions[t][0]]
    return ", ".join(name if p > 1 - 1e-6 else f"{name} with {amount(p)}" for name, p in drawn)


def done(name: str) -> tuple[str, str]:
    """How to say that an action was taken before, and that it was not.

    Examples
    --------
    >>> done("sell"), done("sell to 1"), done("serve")
    (('sold before', 'not sold yet'), ('sold to 1 before', 'not sold to 1 yet'), ('serve before', 'no serve yet'))
    """
    verb, _, rest = name.partition(" ")
    if verb in PAST:
        words = f"{PAST[verb]} {rest}".strip()
        return f"{words} before", f"not {words} yet"
    return f"{name} before", f"no {name} yet"


def names(chosen: Sequence[int], known: Sequence[str]) -> str:
    """Types as a short list.

    Examples
    --------
    >>> names([0, 1], ["low", "high"]), names([1], ["low", "high"]), names([1, 2, 3, 4], list("abcdef"))
    ('any', 'high', 'b to e')
    """
    chosen = sorted(chosen)
    if len(chosen) == len(known):
        return "any" if len(known) > 1 else known[0]
    if len(chosen) > 2 and chosen[-1] - chosen[0] == len(chosen) - 1:
        return f"{known[chosen[0]]} to {known[chosen[-1]]}"
    return ", ".join(known[k] for k in chosen)


def boxes(profiles: Iterable[tuple[int, ...]]) -> list[list[tuple[int, ...]]]:
    """Profiles as few products of sets, one set an agent.

    Examples
    --------
    >>> boxes([(0, 0), (0, 1), (1, 1)])
    [[(0,), (0, 1)], [(1,), (1,)]]
    """
    profiles = sorted(set(profiles))
    if not profiles or not profiles[0]:
        return [[]]
    rest: dict[int, list[tuple[int, ...]]] = {}
    for first, *others in profiles:
        rest.setdefault(first, []).append(tuple(others))
    alike: dict[tuple[tuple[int, ...], ...], list[int]] = {}
    for first, others_profiles in rest.items():
        alike.setdefault(tuple(others_profiles), []).append(first)
    return [[tuple(firsts), *tail] for others_key, firsts in alike.items() for tail in boxes(others_key)]


def profile_of(play: Play, t: int, number: int) -> tuple[int, ...]:
    """Types by agent of a profile."""
    return tuple(int(k) for k in np.unravel_index(number, play.shape[t]))


def reports(play: Play, t: int, profiles: Iterable[int], possible: Iterable[int]) -> list[tuple[str, list[int]]]:
    """Reports in words, one line a product of sets, and the profiles of each.

    Parameters
    ----------
    play : Play
    t : int
    profiles : iterable of int
    possible : iterable of int
        All profiles that may be reported where these are: "any" means all of them.
    """
    chosen, everything = set(profiles), set(possible)
    if chosen == everything and len(everything) > 1:
        return [("any", sorted(chosen))]
    if play.states:
        return _by_state(play, t, chosen, everything)
    found = []
    for box in boxes(profile_of(play, t, number) for number in chosen):
        label = " / ".join(names(part, play.types[t][i]) for i, part in enumerate(box))
        found.append((label, [int(np.ravel_multi_index(k, play.shape[t])) for k in product(*box)]))
    return found


def _by_state(play: Play, t: int, chosen: set[int], everything: set[int]) -> list[tuple[str, list[int]]]:
    """The same by public state, those with equal reports together: ``"stock 2: slow / any"``."""
    width = [len(names_) for names_ in play.private[t]]
    lines: dict[str, list[tuple[int, list[int]]]] = {}
    for s in range(len(play.states)):

        def private(number: int) -> tuple[int, ...]:
            return tuple(k % size for k, size in zip(profile_of(play, t, number), width, strict=True))

        here = [m for m in sorted(everything) if profile_of(play, t, m)[0] // width[0] == s]
        mine = [m for m in here if m in chosen]
        if mine == here and len(here) > 1:
            lines.setdefault("any", []).append((s, mine))
            continue
        for box in boxes(private(m) for m in mine) if mine else ():
            label = " / ".join(names(part, play.private[t][i]) for i, part in enumerate(box))
            told = [m for m in mine if all(k in part for k, part in zip(private(m), box, strict=True))]
            lines.setdefault(label, []).append((s, told))
    return [
        (f"{', '.join(play.states[s] for s, _ in rows)}: {label}", sorted(m for _, told in rows for m in told))
        for label, rows in lines.items()
    ]


def profile_words(play: Play, t: int, number: int) -> str:
    """Names of the types of a profile, after the public state where there is one."""
    if play.states:
        types = profile_of(play, t, number)
        own = (row[k % len(row)] for row, k in zip(play.private[t], types, strict=True))
        return f"{play.states[types[0] // len(play.private[t][0])]}: {'/'.join(own)}"
    return "/".join(play.types[t][i][k] for i, k in enumerate(profile_of(play, t, number)))


def letter(number: int) -> str:
    """A, B, ..., Z, AA, AB, ...

    Examples
    --------
    >>> letter(0), letter(25), letter(26)
    ('A', 'Z', 'AA')
    """
    tail = chr(ord("A") + number % 26)
    return tail if number < 26 else letter(number // 26 - 1) + tail


def periods(members: Sequence[int]) -> str:
    """Periods as ``t=0``, ``t=1..4`` or ``t=1, 3``.

    Examples
    --------
    >>> periods([0]), periods([1, 2, 3]), periods([0, 2])
    ('t=0', 't=1..3', 't=0, 2')
    """
    first, last = members[0], members[-1]
    if len(members) == 1:
        return f"t={first}"
    if last - first == len(members) - 1:
        return f"t={first}..{last}"
    return "t=" + ", ".join(map(str, members))


def fraction_or(value: float, exact: Fraction | None) -> str:
    """A proved fraction where there is one and it is short, else a number."""
    return str(exact) if exact is not None and len(str(exact)) <= 20 else amount(value)


def verdicts(report: Report) -> str:
    """Which constraints were found satisfied; with what misreports may gain, where that is more than nothing."""
    parts = []
    for constraint, check in report.items():
        allowed = "" if check.allowance is None else f" up to a gain of {amount(check.allowance)}"
        parts.append(f"{constraint.name} {check.status}{allowed}")
    return ", ".join(parts)
