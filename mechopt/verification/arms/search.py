"""Gains of single misreports and utilities of a mechanism on arms at some joint states: where it may be worst.

One joint state takes no joint chain: what truth is worth follows from each arm alone (`ArmsMechanism.truth`). A report
matters only in whether its agent is served, so each agent has one misreport at a state. Some states are drawn, and the
worst one is changed arm by arm where that makes it worse: a lower end of the largest gain.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mechopt.core.numbers import FloatArray
from mechopt.mechanism.endless.arms import ArmsMechanism
from mechopt.verification.rounding import UNIT

MAX_DRAWN = 12
"""States that are drawn."""
MAX_PATHS = 4
"""Paths of truth that are drawn."""
MAX_LENGTH = 8
"""How long paths are."""
State = tuple[int, ...]


class Found(NamedTuple):
    """A gain, or how far a utility is below 0, and where: agent, state and report."""

    gain: float
    agent: int
    state: State
    report: int


def error_of(m: ArmsMechanism) -> float:
    """Error bound of a gain, or of a value of truth: residuals of each arm's equations, carried through products.

    A residual is itself off by 4 (S + 4) units, of sums up to 1 / (1 - d). With what it adds over 1 - d, and a rounding
    for each arm, state and interval of a product, each factor is off by `each`. A value of truth is a sum over levels
    of products of n factors: its terms add up to at most a worth and a payment for ever, and are off in each of the n
    factors, and each of two at S levels is off by itself. A gain takes two such values and a mean; the bound is twice
    that of three.
    """
    d, n = m.environment.discount, m.agents
    size = max(len(row) for row in m.index)
    step = max(stop.residual for stop in m.stops) + 4 * (size + 4) * UNIT / (1 - d)
    each = step / (1 - d) + (n + size + len(m.grid[0])) * UNIT
    left, length = m.grid
    paid = float(np.abs(m.base).max()) + (1 - d) * (abs(float(left[-1] + length[-1])) + float(length.sum()))
    worth = max(float(np.abs(m.value(i)).max()) for i in range(n))
    return 6 * (worth + paid) * (2 * n / (1 - d) + 2 * size) * each


def misreport(m: ArmsMechanism, i: int, state: State) -> tuple[int, int | None] | None:
    """A report that changes whether agent i is served, and who is served then; None where no report does."""
    now = m.served(state)
    for r in range(len(m.index[i])):
        told = (*state[:i], r, *state[i + 1 :])
        if (then := m.served(told)) != now:
            return r, then
    return None


def gain_at(m: ArmsMechanism, i: int, state: State) -> Found | None:
    """Gain of agent i's misreport at a joint state, as of that period."""
    other = misreport(m, i, state)
    if other is None:
        return None
    report, served = other
    d, rows = m.environment.discount, m.rows(state)
    honest = m.truth(i, rows)
    if served == i:
        told = m.value(i)[state[i]] - m.price(i, state) + d * m.kernel(i)[state[i]] @ honest
    elif served is None:
        told = d * honest[state[i]]
    else:
        rows[served] = np.einsum("s,qsk->qk", m.kernel(served)[state[served]], m.stops[served].reach)
        told = d * m.truth(i, rows)[state[i]]
    return Found(float(told - honest[state[i]]), i, state, report)


def misreports_at(m: ArmsMechanism, state: State) -> Iterator[Found]:
    """Gains of all agents at a joint state."""
    for i in range(m.agents):
        found = gain_at(m, i, state)
        if found is not None:
            yield found


def worst_misreport(m: ArmsMechanism, enough: float) -> Found | None:
    """The largest gain that is found, or one above ``enough``; None where no report changes anything."""
    worst: Found | None = None
    for state in _drawn(m):
        for found in misreports_at(m, state):
            worst = found if worst is None or found.gain > worst.gain else worst
        if worst is not None and worst.gain > enough:
            return worst
    for j in range(m.agents if worst is not None else 0):  # once round: each arm where it makes this one worse
        for s in range(len(m.index[j])):
            assert worst is not None
            at = gain_at(m, worst.agent, (*worst.state[:j], s, *worst.state[j + 1 :]))
            worst = at if at is not None and at.gain > worst.gain else worst
            if worst.gain > enough:
                return worst
    return worst


def _drawn(m: ArmsMechanism) -> Iterator[State]:
    """States in which all are best, all are worst, one is against all others; first states, and others at random."""
    best = tuple(int(row.argmax()) for row in m.index)
    worst = tuple(int(row.argmin()) for row in m.index)
    yield from (best, worst)
    for i in range(min(m.agents, MAX_DRAWN)):
        yield (*worst[:i], best[i], *worst[i + 1 :])
    rng = np.random.default_rng(0)
    for _ in range(MAX_DRAWN):
        yield tuple(int(rng.integers(len(row))) for row in m.index)


def reached(m: ArmsMechanism) -> Iterator[State]:
    """Joint states on some paths of truth."""
    rng = np.random.default_rng(0)
    for _ in range(MAX_PATHS):
        state = tuple(int(rng.choice(np.flatnonzero(chances > 0))) for chances in m.environment.initial)
        for _ in range(MAX_LENGTH):
            yield state
            served = m.served(state)
            if served is None:
                break
            s = int(rng.choice(np.flatnonzero(m.kernel(served)[state[served]] > 0)))
            state = (*state[:served], s, *state[served + 1 :])


def worst_utility(m: ArmsMechanism, enough: float) -> Found:
    """The smallest value of truth that is found, with its sign changed, or one above ``enough``."""
    worst: Found | None = None
    for state in reached(m):
        rows = m.rows(state)
        for i in range(m.agents):
            loss = -float(m.truth(i, rows)[state[i]])
            if worst is None or loss > worst.gain:
                worst = Found(loss, i, state, state[i])
        if worst is not None and worst.gain > enough:
            return worst
    assert worst is not None
    return worst


def at_first(m: ArmsMechanism) -> list[tuple[int, int, float]]:
    """Agent, first type and utility expected over the others' first states."""
    found = list[tuple[int, int, float]]()
    for i, chances in enumerate(m.environment.initial):
        value: FloatArray = m.truth(i, m.first_rows)
        found += [(i, s, float(value[s])) for s in np.flatnonzero(chances > 0).tolist()]
    return found
