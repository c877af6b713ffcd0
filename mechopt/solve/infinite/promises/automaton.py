"""From the points of a search to the mechanism that they stand for: a table of promises, as states."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mechopt.core.numbers import FloatArray, IntArray
from mechopt.environment.markov import MarkovTypes
from mechopt.mechanism.constraints import Constraint
from mechopt.mechanism.endless.states import StateMechanism
from mechopt.solve.infinite.promises.search import Search
from mechopt.solve.infinite.promises.shape import Step
from mechopt.solve.infinite.promises.starts import Start

Place = tuple[int, int]
"""State of the chain, and point of its pool."""


class _State(NamedTuple):
    """One state in the chain's unit: allocation ``(profiles, actions)``, promise, and what comes next."""

    number: int
    allocation: FloatArray
    promise: FloatArray
    next: dict[tuple[int, int], list[tuple[Place, float]]]
    """By profile and kernel."""


def promise_table(
    search: Search, environment: MarkovTypes, claims: tuple[Constraint, ...], source: str
) -> StateMechanism:
    """Write the best mechanism found as a table of promises.

    Every payment gives each type exactly what the state promises her. Under EPIR a utility of a period that rounding
    puts below 0 is put at 0. A report that is impossible in a state leads to what its nearest possible one does.
    """
    chain, best = search.chain, search.best
    assert best is not None
    places: dict[Place, int] = {(chain.root, -1): 0}
    order, rows = [(chain.root, -1)], list[_State]()
    at = 0
    while at < len(order):
        j, p = order[at]
        state = _started(search, j, p) if p >= 0 and search.kept[j][p] is None else _stepped(search, j, p)
        rows.append(state)
        for mixture in state.next.values():
            for place, _ in mixture:
                if place not in places:
                    places[place] = len(order)
                    order.append(place)
        at += 1
    return _written(search, environment, rows, places, claims, source)


def _started(search: Search, j: int, p: int) -> _State:
    chain = search.chain
    start: Start = chain.starts[p]
    profiles, actions = len(start.action), len(chain.net)
    after = {(m, b): [((int(chain.place[b, m]), p), 1.0)] for m in range(profiles) for b in range(len(chain.parts))}
    return _State(j, np.eye(actions)[start.action], start.promise(chain.distributions[j]), after)


def _stepped(search: Search, j: int, p: int) -> _State:
    chain, shape = search.chain, search.shapes[j]
    step: Step = search.best if p < 0 else search.kept[j][p]  # type: ignore[assignment]
    promise = step.promise if p < 0 else search.lower[j].points[p]
    chosen = np.maximum(step.allocation, 0.0)
    after = dict[tuple[int, int], list[tuple[Place, float]]]()
    for m in range(len(shape.report)):
        mine = np.flatnonzero(step.child == m)
        weight = step.weight[mine]
        pool = int(shape.pool[m])
        if not mine.size:  # the kernel is not used after this report, but for rounding
            chosen[shape.report[m], chain.moves == shape.kernel[m]] = 0.0
            continue
        mixture = [
            ((pool, int(point)), float(w)) for point, w in zip(step.point[mine], weight / weight.sum(), strict=True)
        ]
        after[int(shape.support[shape.report[m]]), int(shape.kernel[m])] = mixture
    nearest = np.searchsorted(shape.support, _nearest(search, j))
    used = set(after)
    for m in range(len(nearest)):
        own = int(shape.support[nearest[m]])
        for b in range(len(chain.parts)):
            if own != m and (own, b) in used:
                after[m, b] = after[own, b]
    chosen = chosen / chosen.sum(axis=1, keepdims=True)
    return _State(j, chosen[nearest], promise, after)


def _nearest(search: Search, j: int) -> IntArray:
    """The possible profile in which each agent's type is the possible one nearest to that of each profile."""
    chain, found = search.chain, list[IntArray]()
    for i, distribution in enumerate(chain.distributions[j]):
        possible = np.flatnonzero(distribution)
        nearest = possible[np.abs(np.arange(len(distribution))[:, None] - possible).argmin(axis=1)]
        found.append(nearest[chain.own[i]])
    return np.ravel_multi_index(tuple(found), chain.shape)


def _written(
    search: Search,
    environment: MarkovTypes,
    rows: list[_State],
    places: dict[Place, int],
    claims: tuple[Constraint, ...],
    source: str,
) -> StateMechanism:
    from scipy.sparse import csr_array

    chain, size = search.chain, len(rows)
    agents, actions, profiles = len(chain.shape), *chain.net.shape
    promises = np.array([row.promise for row in rows])
    if not search.ex_post:
        least = np.minimum.reduceat(promises, chain.offset[:-1], axis=1)
        promises = promises - np.repeat(least, chain.shape, axis=1)
    allocation = np.array([row.allocation for row in rows])
    payment = np.zeros((agents, size, profiles, actions))
    told = chain.offset[:-1, None] + chain.own  # place of each profile's types in a promise, (agents, profiles)
    worth = np.array([chain.values[i][:, own].T for i, own in enumerate(chain.own)])  # agent, profile, action
    entries, columns, weights = list[int](), list[int](), list[float]()
    for s, row in enumerate(rows):
        later = np.zeros((agents, profiles, actions))
        for m, a in np.ndindex(profiles, actions):
            mixture = row.next.get((m, int(chain.moves[a])))
            if mixture is None:
                continue
            ends = [places[place] for place, _ in mixture]
            shares = np.array([share for _, share in mixture])
            entries += [(s * profiles + m) * actions + a] * len(ends)
            columns += ends
            weights += shares.tolist()
            ahead = shares @ promises[ends]
            for i, part in enumerate(chain.parts[chain.moves[a]].tolist()):
                own = slice(int(chain.offset[i]), int(chain.offset[i + 1]))
                later[i, m, a] = chain.discount * float(chain.kernels[i][part, chain.own[i, m]] @ ahead[own])
        if search.ex_post:
            payment[:, s] = worth - _at_once(search, row, later)[told][:, :, None]
        else:
            payment[:, s] = worth + later - promises[s][told][:, :, None]
    after = csr_array((weights, (entries, columns)), shape=(size * profiles * actions, size))
    distributions = tuple(np.array([chain.distributions[row.number][i] for row in rows]) for i in range(agents))
    return StateMechanism(environment, distributions, allocation, payment * chain.unit, after, None, claims, source)


def _at_once(search: Search, row: _State, later: FloatArray) -> FloatArray:
    """Utility of the period by agent and report: the promise less what is expected later, over the others' types."""
    chain, found = search.chain, row.promise.copy()
    expected = np.einsum("ma,ima->im", row.allocation, later)
    for i, distribution in enumerate(chain.distributions[row.number]):
        others = np.ones(len(chain.own[i]))
        for j, other in enumerate(chain.distributions[row.number]):
            if j != i:
                others *= other[chain.own[j]]
        at = found[chain.offset[i] : chain.offset[i + 1]]
        at -= np.bincount(chain.own[i], others * expected[i], len(distribution))
        np.maximum(at, 0.0, out=at, where=distribution > 0)
    return found
