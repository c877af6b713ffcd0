r"""Convex independence and spanning: what the others see next tells of an agent's own signal.

For agent i, period t, action a and the others' signals th^-i let M^{-i}(a, th^-i) have a column for each own signal:
the distribution of the others' signals in period t + 1, profiles flattened in C order with agents increasing. All
matrices of a period are formed and decomposed together.

Convex independence (Assumption 2): no column lies in the convex hull of the others of its matrix, and distances are
bounded away from 0. Spanning (Assumption 3): the columns are linearly independent, and the norms of the pseudo-inverses
are bounded. As columns sum to 1, linear and affine independence are the same: spanning implies convex independence, not
conversely. Both are decided up to rounding, so the distance and the smallest singular value are always reported.

Agents whose signals move independently of each other fail both: all columns of a matrix are equal.

Source: Liu (2025), Assumptions 2 and 3. They are printed for 1 <= t <= T, but the distribution of period T + 1 does not
exist: here t runs to T - 1 (periods counted from 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import NamedTuple

import numpy as np

from mechopt.closedform.contingent.conditions.hull import (
    ILL_CONDITIONED,
    TOUCHING,
    ExactColumns,
    hull_distances,
    spreads,
)
from mechopt.core.numbers import Array, FloatArray, IntArray, readonly
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.require_kind import require_kind


class Place(NamedTuple):
    """A matrix, or one column of it, by indices; `period` is 0 with an infinite horizon, `signal` None for all."""

    agent: int
    period: int
    action: int
    others: tuple[int, ...]
    signal: int | None = None

    def named(self, environment: InterdependentTypes) -> str:
        """Name agent, period, action and signals as the environment does."""
        types = [names[self.period] for j, names in enumerate(environment.types) if j != self.agent]
        others = ", ".join(repr(names[k]) for names, k in zip(types, self.others, strict=True))
        own = "" if self.signal is None else f", own signal {environment.types[self.agent][self.period][self.signal]!r}"
        action = environment.action_names(self.period)[self.action]
        return (
            f"agent {environment.names[self.agent]!r}, period {self.period}, action {action!r}, others at {others}{own}"
        )


@dataclass(frozen=True, eq=False, repr=False)
class ConvexIndependence:
    """How far the columns are from the hulls of the others.

    Attributes
    ----------
    environment : InterdependentTypes
    distances : nested tuples ``[t][i]`` of read-only float arrays ``(action, *others' signals, own signal)``
        Euclidean distance of the column to the hull of the others of its matrix; infinite where there are no others.
    separating : nested tuples ``[t][i]`` of read-only float arrays ``(action, *others' signals, own signal, row)``
        Unit vector z from the nearest point to the column: z.(m_k - m_l) is at least the distance, for every l != k;
        0 where the distance is. Rows are the others' next profiles.
    distance : float
        The smallest.
    worst : Place or None
        Where it is; None where there is no condition (one period, or single signals).
    condition : float
        Largest spread of the columns of a matrix over the smallest distance in it: how much of the target's precision
        transfers lose. Infinite where the condition fails; 1 where there is none.
    """

    environment: InterdependentTypes
    distances: tuple[tuple[FloatArray, ...], ...]
    separating: tuple[tuple[FloatArray, ...], ...]
    distance: float
    worst: Place | None
    condition: float

    @property
    def ill_conditioned(self) -> bool:
        """Whether it holds, but only by so little that transfers lose most of their digits."""
        return self.holds and self.condition > ILL_CONDITIONED

    @property
    def holds(self) -> bool:
        """Whether every column is further from the hull than rounding."""
        return self.distance > TOUCHING

    def __repr__(self) -> str:
        where = f" ({self.worst.named(self.environment)})" if self.worst else ""
        flag = f", ill-conditioned, condition {self.condition:.3g}" if self.ill_conditioned else ""
        verdict = "holds" if self.holds else "fails"
        return f"ConvexIndependence({verdict}: smallest distance {self.distance:.6g}{flag}{where})"


@dataclass(frozen=True, eq=False, repr=False)
class Spanning:
    """Ranks and smallest singular values of the matrices.

    Attributes
    ----------
    environment : InterdependentTypes
    singular_values : nested tuples ``[t][i]`` of read-only float arrays ``(action, *others' signals)``
        Of each matrix, the one that is 0 where columns are dependent: the C-th largest of C columns.
    ranks : nested tuples ``[t][i]`` of read-only int arrays, same axes
        Numerical ranks: singular values above `hull.TOUCHING`, so that a matrix of full rank never has a column that
        counts as one in the hull of the others, and above the tolerance of ``numpy.linalg.matrix_rank``.
    smallest_singular_value : float
        The smallest of all.
    worst : Place or None
        Where it is; None with one period.
    condition : float
        Largest ratio of the largest to the smallest singular value of a matrix; infinite where spanning fails.
    """

    environment: InterdependentTypes
    singular_values: tuple[tuple[FloatArray, ...], ...]
    ranks: tuple[tuple[IntArray, ...], ...]
    smallest_singular_value: float
    worst: Place | None
    condition: float

    @property
    def holds(self) -> bool:
        """Whether every matrix has full column rank."""
        shapes = self.environment.shape
        return all((rank == shapes[t][i]).all() for t, row in enumerate(self.ranks) for i, rank in enumerate(row))

    @property
    def rank(self) -> int | None:
        """Rank of the worst matrix; None with one period."""
        if self.worst is None:
            return None
        return int(self.ranks[self.worst.period][self.worst.agent][(self.worst.action, *self.worst.others)])

    @property
    def pseudo_inverse_norm(self) -> float:
        """Largest norm of a pseudo-inverse, 1 over the smallest singular value; infinite where spanning fails."""
        return 1 / self.smallest_singular_value if self.holds else np.inf

    @property
    def ill_conditioned(self) -> bool:
        """Whether spanning holds only by so little that transfers lose most of their digits."""
        return self.holds and self.condition > ILL_CONDITIONED

    @property
    def reason(self) -> str:
        """Why spanning fails; empty where it holds."""
        if self.holds or self.worst is None:
            return ""
        where, own = self.worst.named(self.environment), self.environment.shape[self.worst.period][self.worst.agent]
        every = np.concatenate([rank.ravel() for row in self.ranks for rank in row])
        if (every == 1).all():
            return (
                "every matrix has rank 1: the others' next signals do not depend on an agent's own, as where signals "
                f"move independently of each other ({where})"
            )
        return f"a matrix has rank {self.rank} for {own} own signals ({where})"

    def __repr__(self) -> str:
        if not self.holds:
            return f"Spanning(fails: {self.reason})"
        where = f" ({self.worst.named(self.environment)})" if self.worst else ""
        flag = f", ill-conditioned, condition {self.condition:.3g}" if self.ill_conditioned else ""
        return f"Spanning(holds: smallest singular value {self.smallest_singular_value:.6g}{flag}{where})"


def matrices(environment: InterdependentTypes, t: int, agent: int) -> FloatArray:
    """Distributions of the others' next signals by an agent's own signal, for all actions and others' signals at once.

    Parameters
    ----------
    environment : InterdependentTypes
    t : int
        Period that the kernel leads from; 0 with an infinite horizon.
    agent : int

    Returns
    -------
    float array ``(action, *others' signals, row, own signal)``
        Rows are the others' next profiles; columns sum to 1. Where the action does not matter its axis has stride 0.

    Examples
    --------
    >>> joint = [["3/8", "1/8"], ["1/8", "3/8"]]
    >>> env = InterdependentTypes([[[[0, 1], [1, 2]]]] * 2, [[joint, joint], [joint, joint]], joint, horizon=2)
    >>> matrices(env, 0, 0)[0, 1]
    array([[0.5, 0.5],
           [0.5, 0.5]])
    """
    kernel, agents = environment.kernel[t], environment.agents
    distribution = kernel[:1] if kernel.strides[0] == 0 else kernel
    distribution = np.moveaxis(distribution.sum(axis=1 + agents + agent), 1 + agent, -1)
    *shape, own = *distribution.shape[:agents], distribution.shape[-1]
    found = np.ascontiguousarray(distribution).reshape(*shape, prod(distribution.shape[agents:-1]), own)
    return np.broadcast_to(found, (len(kernel), *found.shape[1:]))


def distinct(array: FloatArray) -> FloatArray:
    """The same without repeating what does not depend on the action: one entry along an axis of stride 0."""
    return array[:1] if array.strides[0] == 0 else array


def convex_independence(environment: InterdependentTypes) -> ConvexIndependence:
    """Measure convex independence (Assumption 2).

    Parameters
    ----------
    environment : InterdependentTypes

    References
    ----------
    Liu (2025), Assumption 2.

    Examples
    --------
    The other's next signal repeats one's own with probability 3/4: columns (3/4, 1/4) and (1/4, 3/4).

    >>> stay = np.array([[0.75, 0.25], [0.25, 0.75]])
    >>> kernel = np.einsum("xb,ya->xyab", stay, stay)
    >>> env = InterdependentTypes([[[[0, 1], [1, 2]]]] * 2, kernel, stay / 2, horizon=2)
    >>> found = convex_independence(env)
    >>> found.holds, round(found.distance, 12)
    (True, 0.707106781187)
    >>> print(found.worst.named(env))
    agent '0', period 0, action '0', others at '0', own signal '0'
    """
    require_kind(environment, "interdependent", "convex_independence")
    rows: list[list[tuple[FloatArray, FloatArray]]] = []
    worst, least, condition = None, np.inf, 1.0
    for t, kernel in enumerate(environment.kernel):
        if t and kernel is environment.kernel[t - 1]:
            rows.append(rows[-1])
            continue
        row = []
        for i in range(environment.agents):
            every = matrices(environment, t, i)
            used = distinct(every)
            found = hull_distances(used.reshape(-1, *used.shape[-2:]), exact=exact_columns(environment, t, i))
            shape = *used.shape[:-2], used.shape[-1]
            distance = readonly(found.distance.reshape(shape))
            if distance.min() < least:
                least, (action, *others, signal) = float(distance.min()), _argmin(distance)
                worst = Place(i, t, action, tuple(others), signal)
            smallest = distance.min(axis=-1)
            ratio = np.divide(spreads(used), smallest, where=smallest > 0, out=np.full(smallest.shape, np.inf))
            condition = max(condition, float(ratio.max()))
            direction = readonly(found.direction.reshape(*shape, every.shape[-2]))
            whole = *every.shape[:-2], every.shape[-1]
            row.append((np.broadcast_to(distance, whole), np.broadcast_to(direction, (*whole, every.shape[-2]))))
        rows.append(row)
    distances, separating = (tuple(tuple(pair[k] for pair in row) for row in rows) for k in (0, 1))
    return ConvexIndependence(environment, distances, separating, least, worst, condition)


def spanning(environment: InterdependentTypes) -> Spanning:
    """Measure spanning (Assumption 3).

    Parameters
    ----------
    environment : InterdependentTypes

    References
    ----------
    Liu (2025), Assumption 3.

    Examples
    --------
    >>> stay = np.array([[0.75, 0.25], [0.25, 0.75]])
    >>> kernel = np.einsum("xb,ya->xyab", stay, stay)
    >>> env = InterdependentTypes([[[[0, 1], [1, 2]]]] * 2, kernel, stay / 2, horizon=2)
    >>> spanning(env).pseudo_inverse_norm
    2.0
    >>> kernel = np.einsum("xa,yb->xyab", stay, stay)
    >>> spanning(InterdependentTypes([[[[0, 1], [1, 2]]]] * 2, kernel, stay / 2, horizon=2)).rank
    1
    """
    require_kind(environment, "interdependent", "spanning")
    rows: list[list[tuple[FloatArray, IntArray]]] = []
    worst, least, condition = None, np.inf, 1.0
    for t, kernel in enumerate(environment.kernel):
        if t and kernel is environment.kernel[t - 1]:
            rows.append(rows[-1])
            continue
        row = []
        for i in range(environment.agents):
            every = matrices(environment, t, i)
            used = distinct(every)
            sizes, columns = np.linalg.svd(used, compute_uv=False), used.shape[-1]
            rank = readonly((sizes > rank_slack(used, sizes)).sum(axis=-1), np.int64)
            wide = sizes.shape[-1] < columns
            smallest = readonly(np.zeros(used.shape[:-2]) if wide else sizes[..., columns - 1])
            full = rank == columns
            ratio = np.divide(sizes[..., 0], smallest, where=full, out=np.full(smallest.shape, np.inf))
            condition = max(condition, float(ratio.max()))
            if smallest.min() < least:
                least, (action, *others) = float(smallest.min()), _argmin(smallest)
                worst = Place(i, t, action, tuple(others))
            row.append((np.broadcast_to(smallest, every.shape[:-2]), np.broadcast_to(rank, every.shape[:-2])))
        rows.append(row)
    values = tuple(tuple(value for value, _ in row) for row in rows)
    ranks = tuple(tuple(rank for _, rank in row) for row in rows)
    return Spanning(environment, values, ranks, least, worst, condition)


def rank_slack(columns: FloatArray, sizes: Array) -> FloatArray:
    """Singular value that counts as 0, by matrix: numpy's, but no less than distances that count as 0."""
    rounding = sizes[..., :1] * max(columns.shape[-2:]) * np.finfo(float).eps
    return np.asarray(np.maximum(rounding, TOUCHING), dtype=np.float64)


def exact_columns(environment: InterdependentTypes, t: int, agent: int) -> ExactColumns | None:
    """Columns of the distinct matrices of an agent and a period as fractions, by flat number; None without exact data.

    Parameters
    ----------
    environment : InterdependentTypes
    t, agent : int
    """
    exact = environment.exact
    if exact is None:
        return None
    shape = environment.shape[t]
    others = tuple(size for j, size in enumerate(shape) if j != agent)

    def columns(flat: int) -> list[list[Fraction]]:
        action, *profile = np.unravel_index(flat, (environment.action_counts[t], *others))
        found = []
        for own in range(shape[agent]):
            at = (int(action), *(int(k) for k in np.insert(profile, agent, own)))
            found.append(exact.kernel[t][at].sum(axis=agent).ravel().tolist())
        return found

    return columns


def _argmin(array: FloatArray) -> tuple[int, ...]:
    return tuple(int(k) for k in np.unravel_index(array.argmin(), array.shape))
