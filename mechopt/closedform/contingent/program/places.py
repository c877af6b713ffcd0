r"""The systems that contingent transfers solve, one a place: agent, period, action, the others' signals.

The matrix M has the distributions of the others' next signals by own signal as columns, and the transfer is to be worth
the target c: M'p = c (Lemma A.4), or with one transfer a report (Lemma A.3). A vector y with My = 0 is a combination of
the own signals that the others' next signals cannot see: M'p = c has a solution exactly where y.c = 0 for all of them.

How far a place is from losing a condition, and what would restore it, by changes of M that keep its columns summing to
1 (whether entries stay above 0 is said apart):

- spanning is lost by the smallest singular value of M on vectors that sum to 0 (Eckart and Young, in both the spectral
  and the Frobenius norm): My = 0 implies that y sums to 0. To bring that value up to a margin the singular values below
  it are raised, at the Frobenius distance of the sum of their squared increases (Mirsky);
- convex independence is lost by moving one column by its distance from the hull of the others. To bring a column that
  lies in the hull out by a margin it moves at right angles to the others' affine hull if that leaves room, else through
  the nearest facet.

Source: Liu (2025), Assumptions 2 and 3, Lemmas A.3 and A.4; Eckart and Young (1936); Mirsky (1960).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mechopt.closedform.contingent.conditions.hull import TOUCHING, hull_distances
from mechopt.closedform.contingent.conditions.spanning import Place, convex_independence, matrices, rank_slack
from mechopt.closedform.contingent.gain import by_report
from mechopt.closedform.contingent.last_period import last_period as implementability
from mechopt.closedform.contingent.program.tables import SYSTEM_COLUMNS, latex
from mechopt.closedform.contingent.setting import LastRule, require_transferable, rule_of
from mechopt.closedform.contingent.targets import by_own_signal, last_payoff, target, truthful_values
from mechopt.core.numbers import Array, FloatArray, readonly
from mechopt.environment.interdependent import InterdependentTypes

if TYPE_CHECKING:
    from pandas import DataFrame

PASSES, NEAR = 20, 1e-6
"""Rounds of moving columns out, and by what share of the margin it may be missed."""
MARGIN = 0.01
"""Distance or singular value that `restoring` changes aim at unless told."""


class Change(NamedTuple):
    """A change of a matrix.

    Attributes
    ----------
    change : float array ``(row, own signal)``
        Sums to 0 over rows.
    size : float
        Frobenius norm.
    probabilities : bool
        Whether the changed columns are distributions: no entry below 0.
    reached : bool
        Whether the margin is reached: moving a column out may put others in.
    """

    change: FloatArray
    size: float
    probabilities: bool
    reached: bool


@dataclass(frozen=True, eq=False)
class TransferSystem:
    """One system.

    Attributes
    ----------
    place : Place
        Agent, period, action, the others' signals.
    matrix : float array ``(row, own signal)``
        Rows are the others' next profiles, in C order.
    target : float array ``(own signal,)``
        What the transfer is to be worth in expectation, money of the next period.
    used : bool array ``(own signal,)``
        Whether the report of that signal leads to the action.
    rank : int
    singular_values : float array
        All of them, falling.
    distances : float array ``(own signal,)``
        From the hull of the other columns; infinite for a single signal.
    null_vectors : float array ``(vector, own signal)``
        Unit vectors y with My = 0, at right angles to each other.
    """

    place: Place
    matrix: FloatArray
    target: FloatArray
    used: Array
    rank: int
    singular_values: FloatArray
    distances: FloatArray
    null_vectors: FloatArray

    @property
    def spanning(self) -> bool:
        """Whether the columns are linearly independent."""
        return self.rank == int(self.target.size)

    @property
    def convex_independence(self) -> bool:
        """Whether no column lies in the hull of the others."""
        return not self.failing_signals

    @property
    def needed(self) -> bool:
        """Whether some report leads here; else nothing is asked of the matrix."""
        return bool(np.count_nonzero(self.used))

    @property
    def failing_signals(self) -> tuple[int, ...]:
        """Own signals whose columns lie in the hull of the others."""
        return tuple(int(k) for k in np.flatnonzero(self.distances <= TOUCHING))

    @property
    def unmet(self) -> FloatArray:
        """Null vectors times the target: 0 for all where M'p = c has a solution."""
        found: FloatArray = self.null_vectors @ self.target
        return found

    @property
    def to_lose_spanning(self) -> float:
        """Size of the smallest change of the matrix that makes its columns dependent; infinite for a single signal."""
        if self.matrix.shape[1] == 1:
            return np.inf
        if not self.spanning:
            return 0.0
        return float(np.linalg.svd(self.matrix @ _sum_to_zero(self.matrix.shape[1]), compute_uv=False)[-1])

    @property
    def to_lose_convex_independence(self) -> float:
        """How far one column has to move to lie in the hull of the others."""
        return float(self.distances.min())

    def restoring_spanning(self, margin: float = MARGIN) -> Change | None:
        """Smallest change after which losing spanning takes a change of `margin`; None where there are too few rows.

        Parameters
        ----------
        margin : float
        """
        rows, count = self.matrix.shape
        if count > rows:
            return None
        basis, across = _sum_to_zero(count), _sum_to_zero(rows)
        left, sizes, right = np.linalg.svd(across.T @ self.matrix @ basis, full_matrices=False)
        change = across @ (left * np.maximum(margin - sizes, 0.0)) @ right @ basis.T
        return _changed(self.matrix, change, True)

    def restoring_convex_independence(self, margin: float = MARGIN) -> Change | None:
        """Change of the columns that are nearer than `margin` to the hull of the others, one by one, to that distance.

        Parameters
        ----------
        margin : float

        Returns
        -------
        Change or None
            The smallest where one column moves. None where no change does: one row, or two and three or more signals.
        """
        rows, count = self.matrix.shape
        if count > 1 and (rows == 1 or (rows == 2 and count > 2)):
            return None
        moved, distances = self.matrix.copy(), self.distances
        for _ in range(PASSES):
            for k in np.flatnonzero(distances < margin * (1 - NEAR)):
                moved[:, k] += _outward(np.delete(moved, k, axis=1), moved[:, k], margin)
            distances = hull_distances(moved[np.newaxis]).distance[0]
            if reached := bool(distances.min() >= margin * (1 - NEAR)):
                break
        return _changed(self.matrix, moved - self.matrix, reached)


@dataclass(frozen=True, eq=False, repr=False)
class TransferSystems:
    """All systems of an environment and a rule.

    Attributes
    ----------
    environment : InterdependentTypes
    systems : tuple of TransferSystem
        By period, agent, action, the others' signals.
    """

    environment: InterdependentTypes
    systems: tuple[TransferSystem, ...]

    def __iter__(self) -> Iterator[TransferSystem]:
        return iter(self.systems)

    def __len__(self) -> int:
        return len(self.systems)

    def failing(self, condition: str, needed: bool = True) -> tuple[TransferSystem, ...]:
        """Every place where a condition fails.

        Parameters
        ----------
        condition : {"spanning", "convex_independence"}
        needed : bool
            Whether only places count that some report leads to.
        """
        return tuple(s for s in self.systems if not getattr(s, condition) and (s.needed or not needed))

    def rows(self, margin: float = MARGIN) -> list[dict[str, Any]]:
        """One dict a system, with names; its keys are the columns of `to_frame`."""
        return [self._row(system, margin) for system in self.systems]

    def to_frame(self, margin: float = MARGIN) -> DataFrame:
        """One row a system.

        Parameters
        ----------
        margin : float
            Of the restoring changes.
        """
        import pandas as pd

        return pd.DataFrame(self.rows(margin), columns=list(SYSTEM_COLUMNS))

    def to_latex(self, margin: float = MARGIN) -> str:
        """The same as a LaTeX table."""
        return latex(self.rows(margin), SYSTEM_COLUMNS)

    def document(self, margin: float = MARGIN) -> list[dict[str, Any]]:
        """Document of ``mechopt transfers --systems --json``: rows with the matrix, the target and null vectors."""
        found = []
        for system, row in zip(self.systems, self.rows(margin), strict=True):
            spanning = system.restoring_spanning(margin)
            convex = system.restoring_convex_independence(margin)
            found.append(
                row
                | {
                    "matrix": system.matrix.tolist(),
                    "target": system.target.tolist(),
                    "null_vectors": system.null_vectors.tolist(),
                    "unmet": system.unmet.tolist(),
                    "restoring_spanning": None if spanning is None else _plain(spanning),
                    "restoring_convex_independence": None if convex is None else _plain(convex),
                }
            )
        return found

    def _row(self, system: TransferSystem, margin: float) -> dict[str, Any]:
        env, place = self.environment, system.place
        types = [names[place.period] for names in env.types]
        others = [names for j, names in enumerate(types) if j != place.agent]
        spanning, convex = system.restoring_spanning(margin), system.restoring_convex_independence(margin)
        own = types[place.agent]
        entries = (
            env.names[place.agent],
            place.period,
            env.action_names(place.period)[place.action],
            tuple(names[k] for names, k in zip(others, place.others, strict=True)),
            tuple(own[k] for k in np.flatnonzero(system.used)),
            system.rank,
            len(own),
            tuple(system.singular_values.tolist()),
            tuple(system.distances.tolist()),
            system.spanning,
            system.convex_independence,
            system.to_lose_spanning,
            system.to_lose_convex_independence,
            None if spanning is None else spanning.size,
            convex.size if convex is not None and convex.reached else None,
        )
        return dict(zip(SYSTEM_COLUMNS, entries, strict=True))

    def __repr__(self) -> str:
        spanning, convex = (len(self.failing(name)) for name in ("spanning", "convex_independence"))
        needed = sum(system.needed for system in self.systems)
        return (
            f"TransferSystems({len(self.systems)} systems, {needed} needed: spanning fails at {spanning}, convex "
            f"independence at {convex})"
        )


def transfer_systems(
    environment: InterdependentTypes, last_period: LastRule = "efficient", rule: Any = None
) -> TransferSystems:
    """Write down every system that contingent transfers of an environment solve.

    Parameters
    ----------
    environment : InterdependentTypes
    last_period, rule
        As in `contingent_transfers`. Where the efficient last allocation is not implementable, targets are those of one
        last action.

    Returns
    -------
    TransferSystems

    Examples
    --------
    >>> stay = np.array([[0.75, 0.25], [0.25, 0.75]])
    >>> kernel = np.einsum("xb,ya->xyab", stay, stay)
    >>> env = InterdependentTypes([[[[0, 1], [1, 2]]]] * 2, kernel, stay / 2, discount=0.9)
    >>> found = transfer_systems(env)
    >>> found
    TransferSystems(4 systems, 4 needed: spanning fails at 0, convex independence at 0)
    >>> found.systems[0].singular_values.round(6), round(found.systems[0].to_lose_spanning, 6)
    (array([1. , 0.5]), 0.5)
    """
    require_transferable(environment, "transfer_systems")
    policy, welfare, constant = rule_of(environment, rule, last_period, None)
    ends: Any = [None] * environment.agents
    if not environment.infinite:
        found = None if constant else implementability(environment, policy[-1]).payments
        if found is None and not constant:
            policy, welfare, constant = rule_of(environment, rule, "constant", None)
        paid = [np.zeros(environment.shape[-1])] * environment.agents if found is None else found.largest
        ends = [last_payoff(environment, i, policy[-1], paid[i]) for i in range(environment.agents)]
    hull, systems = convex_independence(environment), list[TransferSystem]()
    for t in range(len(environment.kernel)):
        for i in range(environment.agents):
            values = truthful_values(environment, i, policy, welfare, ends[i])
            aims = by_own_signal(target(environment, i, t, values, welfare), i)
            every = matrices(environment, t, i)
            reached = by_report(policy[t], i)
            others = [n for j, n in enumerate(environment.shape[t]) if j != i]
            for a, s in np.ndindex(aims.shape[:2]):
                profile = tuple(int(k) for k in np.unravel_index(s, others))
                matrix = readonly(every[(a, *profile)])
                distances = hull.distances[t][i][(a, *profile)]
                place = Place(i, t, a, profile)
                systems.append(_system(place, matrix, aims[a, s] + 0.0, reached[s] == a, distances))
    return TransferSystems(environment, tuple(systems))


def _system(place: Place, matrix: FloatArray, aim: FloatArray, used: Array, distances: FloatArray) -> TransferSystem:
    _, sizes, right = np.linalg.svd(matrix)
    rank = int((sizes > rank_slack(matrix, sizes)).sum())
    parts = readonly(sizes), readonly(distances), readonly(right[rank:])
    return TransferSystem(place, matrix, readonly(aim), used, rank, *parts)


def _sum_to_zero(count: int) -> FloatArray:
    """Orthonormal basis of the vectors that sum to 0, as columns ``(count, count - 1)``."""
    whole = np.linalg.qr(np.column_stack([np.ones(count), np.eye(count)[:, 1:]]))[0]
    return np.asarray(whole[:, 1:], dtype=np.float64)


def _changed(matrix: FloatArray, change: FloatArray, reached: bool) -> Change:
    lowest = float((matrix + change).min())
    return Change(readonly(change), float(np.linalg.norm(change)), lowest >= -TOUCHING, reached)


def _outward(others: FloatArray, column: FloatArray, margin: float) -> FloatArray:
    """Move of a column to a distance of `margin` from the hull of others: away, sideways, or through a facet."""
    found = hull_distances(np.column_stack([column, others])[np.newaxis])
    distance, direction = float(found.distance[0, 0]), found.direction[0, 0]
    if distance > TOUCHING:
        return np.asarray((margin - distance) * direction)
    across = _sum_to_zero(len(column))
    points = across.T @ (others - column[:, np.newaxis])
    left, sizes, _ = np.linalg.svd(points - points.mean(axis=1, keepdims=True))
    rank = int((sizes > TOUCHING).sum())
    if rank < len(points):  # there is room beside the others' affine hull
        return np.asarray(across @ (margin * left[:, rank]))
    normal, depth = _nearest_facet(points)
    return np.asarray(across @ ((depth + margin) * normal))


def _nearest_facet(points: FloatArray) -> tuple[FloatArray, float]:
    """Outward unit normal of the facet nearest to 0, of a full-dimensional polytope around it, and its distance."""
    from scipy.spatial import ConvexHull

    if len(points) == 1:
        low, high = float(points.min()), float(points.max())
        return (np.array([1.0]), high) if high <= -low else (np.array([-1.0]), -low)
    facets = ConvexHull(points.T).equations
    depth = -facets[:, -1]
    nearest = int(depth.argmin())
    return np.asarray(facets[nearest, :-1]), max(float(depth[nearest]), 0.0)


def _plain(change: Change) -> dict[str, Any]:
    found = change._asdict()
    return found | {"change": change.change.tolist()}
