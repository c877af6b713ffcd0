"""From the lower model of the root to the mechanism that it stands for: tables over the points that it reaches.

Each point is one period of a mechanism: an allocation by report, a lottery over points of the next period by what has
become public, and utility given on top. In place of the lotteries, their means serve as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mechopt.core.numbers import FloatArray, IntArray
from mechopt.solve.dual.search import Search
from mechopt.solve.dual.stage import State

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Key = tuple[int, int, int]
"""Of a point: state, record (a mechanism to begin with, where negative) and copy."""


@dataclass(frozen=True, eq=False)
class PolicyTable:
    """One period of a policy over N points; money in units of the problem, present value.

    Attributes
    ----------
    state : int array ``(N,)``
        Public state of each point.
    allocation : float array ``(N, reports, options)``
    excess : float array ``(N, reports, e)``
        Utility given after the report, beyond what the next point promises.
    promise : float array ``(N, d)``
        Utility of each type, up to a constant under interim participation; or of each buyer.
    after : sparse array ``(N * children, N of the next period)``, or None
        Probability of the next point by point and child.
    """

    state: IntArray
    allocation: FloatArray
    excess: FloatArray
    promise: FloatArray
    after: csr_array | None

    def draw(self, rows: IntArray, rng: np.random.Generator) -> IntArray:
        """Draw a next point for each of these rows of ``after``."""
        assert self.after is not None
        total = np.cumsum(self.after.data)
        begin = np.append(0.0, total)[self.after.indptr]
        places = begin[rows] + rng.random(len(rows)) * (begin[rows + 1] - begin[rows])
        at = np.clip(
            np.searchsorted(total, places, side="right"), self.after.indptr[rows], self.after.indptr[rows + 1] - 1
        )
        drawn: IntArray = self.after.indices[at].astype(np.int64)
        return drawn


def unfold(search: Search) -> tuple[PolicyTable, ...]:
    """Tables over the points that the best one of the root leads to."""
    pool, price = search.models[0][0].lower, search.problem.price
    best = int((pool.heights - pool.points @ price).argmax())
    record, copy = pool.labels[best].tolist()
    keys: list[Key] = [(0, record, copy)]
    tables = []
    for t in range(len(search.problem.states)):
        table, keys = _table(search, t, keys)
        tables.append(table)
    return tuple(tables)


def _table(search: Search, t: int, keys: list[Key]) -> tuple[PolicyTable, list[Key]]:
    """Table of these points, and the points of the next period."""
    from scipy.sparse import csr_array

    problem = search.problem
    number = {tuple(copy): at for at, copy in enumerate(problem.copies.tolist())}
    every = problem.children[t]
    index: dict[Key, int] = {}
    rows, columns, weights = list[int](), list[int](), list[float]()
    parts: list[tuple[FloatArray, FloatArray, FloatArray]] = []
    for at, (j, record, copy) in enumerate(keys):
        state = problem.states[t][j if record < 0 else search.records[record].state]
        x, more, promise, children = _point(search, t, state, record)
        place, sigma = state.places, problem.copies[copy]
        if copy:
            shape = problem.shape[t]
            profiles = np.array(np.unravel_index(np.arange(len(x)), shape))
            turned = np.empty_like(profiles)
            turned[sigma] = profiles
            order = np.ravel_multi_index(tuple(turned), shape)
            x, more, promise = x[order][:, sigma], more[order][:, sigma], promise[sigma]
            place = np.argsort(order)  # the copy's profile that is the record's
        full, extra = np.zeros((problem.reports[t], x.shape[1])), np.zeros((problem.reports[t], more.shape[1]))
        full[state.reports], extra[state.reports] = x, more
        parts.append((full, extra, promise))
        for m, mixture in children:
            row = at * every + int(place[m])
            to = int(state.stage.child[m])
            labels = search.models[t + 1][to].lower.labels
            for point, weight in mixture:
                entry, other = labels[point].tolist()
                if copy:
                    other = number[tuple(problem.copies[other][sigma].tolist())]
                rows.append(row)
                columns.append(index.setdefault((to, entry, other), len(index)))
                weights.append(weight)
    after = csr_array((weights, (rows, columns)), shape=(len(keys) * every, len(index))) if every else None
    allocation, excess, promises = (np.array([part[i] for part in parts]) for i in range(3))
    return PolicyTable(np.array([j for j, _, _ in keys]), allocation, excess, promises, after), list(index)


Mixtures = list[tuple[int, list[tuple[int, float]]]]


def _point(search: Search, t: int, state: State, record: int) -> tuple[FloatArray, FloatArray, FloatArray, Mixtures]:
    """Allocation, excess, promise and what comes after, of one record as it was found."""
    if record < 0:
        start = state.start[-1 - record]
        children: Mixtures = [(m, [(-1 - record, 1.0)]) for m in range(len(state.stage.child))]
        return start.allocation, start.excess, start.types, children
    found, stage = search.records[record], state.stage
    x = np.clip(found.answer.rows[stage.allocation_rows] / state.distribution[:, None], 0.0, 1.0)
    x /= np.maximum(x.sum(axis=1, keepdims=True), 1.0)
    more = np.maximum(found.answer.reduced[stage.excess_columns] / stage.excess_scale, 0.0)
    mixtures: dict[int, list[tuple[int, float]]] = {}  # for children that are never reached, none
    for m, point, weight in zip(found.child.tolist(), found.point.tolist(), found.weight.tolist(), strict=True):
        mixtures.setdefault(m, []).append((point, weight))
    shares = [(m, [(p, w / sum(w for _, w in mix)) for p, w in mix]) for m, mix in mixtures.items()]
    promise = -(state.promised @ found.answer.rows[stage.state_rows])
    return x, more, promise - promise.min() if search.problem.levelled else promise, shares
