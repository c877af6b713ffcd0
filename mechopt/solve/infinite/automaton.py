"""From the points of a search to the mechanism that they stand for: a table of promises, as states."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mechopt.core.numbers import FloatArray, IntArray
from mechopt.environment.markov import MarkovTypes
from mechopt.mechanism.constraints import Constraint
from mechopt.mechanism.endless.states import StateMechanism
from mechopt.solve.infinite.chain import Start
from mechopt.solve.infinite.programs import Step
from mechopt.solve.infinite.search import Search

Place = tuple[int, int]
"""Distribution, and point of its pool."""


class _State(NamedTuple):
    """One state in the chain's unit: allocation ``(types, actions)``, promise by type, and what comes next."""

    distribution: FloatArray
    allocation: FloatArray
    promise: FloatArray
    next: dict[tuple[int, int], list[tuple[Place, float]]]
    """By report and kernel."""


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
    types, actions = len(start.action), len(chain.values)
    after = {(k, b): [((int(chain.place[b, k]), p), 1.0)] for k in range(types) for b in range(len(chain.kernels))}
    return _State(chain.distributions[j], np.eye(actions)[start.action], start.promise, after)


def _stepped(search: Search, j: int, p: int) -> _State:
    chain, shape = search.chain, search.shapes[j]
    step: Step = search.best if p < 0 else search.kept[j][p]  # type: ignore[assignment]
    promise = step.promise if p < 0 else search.lower[j].points[p]
    types = len(promise)
    chosen = np.maximum(step.allocation, 0.0)
    nearest = _nearest(shape.support, types)
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
    used = set(after)
    for k in range(types):
        own = int(shape.support[nearest[k]])
        for b in range(len(chain.kernels)):
            if k not in shape.support and (own, b) in used:
                after[k, b] = after[own, b]
    chosen = chosen / chosen.sum(axis=1, keepdims=True)
    return _State(shape.distribution, chosen[nearest], promise, after)


def _nearest(support: IntArray, types: int) -> IntArray:
    """Place in the support of the possible type that is nearest to each type."""
    nearest: IntArray = np.abs(np.arange(types)[:, None] - support).argmin(axis=1)
    return nearest


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
    types, actions = len(chain.distributions[0]), len(chain.values)
    promises = np.array([row.promise for row in rows])
    if not search.ex_post:
        promises = promises - promises.min(axis=1, keepdims=True)
    allocation = np.array([row.allocation for row in rows])
    payment = np.zeros((size, types, actions))
    entries, columns, weights = list[int](), list[int](), list[float]()
    for s, row in enumerate(rows):
        for k in range(types):
            later = np.zeros(actions)
            for a in range(actions):
                mixture = row.next.get((k, int(chain.moves[a])))
                if mixture is None:
                    continue
                ends = [places[place] for place, _ in mixture]
                shares = np.array([share for _, share in mixture])
                entry = (s * types + k) * actions + a
                entries += [entry] * len(ends)
                columns += ends
                weights += shares.tolist()
                later[a] = chain.discount * float(chain.kernels[chain.moves[a], k] @ (shares @ promises[ends]))
            at_once = promises[s, k] - float(row.allocation[k] @ later)
            if search.ex_post and row.distribution[k] > 0:
                at_once = max(at_once, 0.0)
            if search.ex_post:
                payment[s, k] = chain.values[:, k] - at_once
            else:
                payment[s, k] = chain.values[:, k] + later - promises[s, k]
    after = csr_array((weights, (entries, columns)), shape=(size * types * actions, size))
    distributions = np.array([row.distribution for row in rows])
    return StateMechanism(
        environment, (distributions,), allocation, (payment * chain.unit)[None], after, None, claims, source
    )
