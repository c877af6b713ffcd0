"""The condition that transfers of one agent and period rest on, then the transfers: what they need and no more.

A condition is asked for only where it is used: for a column at the actions that a report of that signal leads to
(convex independence), for a matrix at the actions that some report leads to (spanning). Elsewhere transfers are 0.

The conditions are for all targets at once, and sufficient. Where one fails, each target is tried on its own: a column
in the hull of the others can still be worth its target if the others' targets are no more than that on average, and
dependent columns if targets depend on each other likewise. An error says that this target cannot be met.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mechopt.closedform.contingent.conditions.hull import (
    ILL_CONDITIONED,
    TOUCHING,
    ExactColumns,
    hull_distances,
    spreads,
)
from mechopt.closedform.contingent.conditions.spanning import Place, rank_slack
from mechopt.closedform.contingent.conditions.systems import least_norm, separated, smallest_by_report, smallest_for_all
from mechopt.closedform.contingent.setting import ConditionError
from mechopt.core.numbers import Array, FloatArray
from mechopt.environment.interdependent import InterdependentTypes

ROUNDING = 1e-12
"""How far from its target a transfer may be worth, relative to the largest entry of either: rounding."""
BY_TARGET = ", target by target"
"""Added to the name of a theorem whose condition fails where the targets can be met all the same."""
UNRELATED = (
    "the others' next signals do not depend on an agent's own, as where signals move independently of each other; "
    "try method='any', and with private values the dynamic pivot mechanism"
)


class Solved(NamedTuple):
    """Transfers ``(action, others, [report,] row)`` of a system.

    Attributes
    ----------
    transfers : float array
    bound : float
        What bounds them.
    condition : float
        By how much errors of targets may grow: spread of the columns over the distance, or ratio of singular values.
    by_target : bool
        Whether the condition fails somewhere and targets were met all the same.
    """

    transfers: FloatArray
    bound: float
    condition: float = 1.0
    by_target: bool = False

    @property
    def ill_conditioned(self) -> bool:
        """Whether transfers lose so many digits that it has to be said."""
        return self.condition > ILL_CONDITIONED


class System(NamedTuple):
    """Systems that an agent's transfers about one period are to solve.

    Attributes
    ----------
    environment : InterdependentTypes
    period, agent : int
    columns : array ``(action or 1, others, row, own signal)``
        Sum to 1 over rows.
    wanted : array ``(action, others, own signal)``
        What the transfer is to be worth.
    used : bool array ``(action, others, report)``
        Whether the report leads to the action.
    fix : str
        What to try where the condition fails.
    exact : callable or None
        Columns as fractions, by flat number of the matrix; None where there are none.
    """

    environment: InterdependentTypes
    period: int
    agent: int
    columns: FloatArray
    wanted: FloatArray
    used: Array
    fix: str
    exact: ExactColumns | None = None

    def place(self, where: Array) -> Place:
        """Name a matrix (action, others) or a column (action, others, signal) by its flat indices."""
        action, others, *signal = (int(k) for k in where)
        sizes = [size for j, size in enumerate(self.environment.shape[self.period]) if j != self.agent]
        profile = tuple(int(k) for k in np.unravel_index(others, sizes))
        return Place(self.agent, self.period, action, profile, *signal)

    def failed(self, condition: str, why: str, where: Array) -> ConditionError:
        """Say which condition fails, and where."""
        place, fix = self.place(where), f"; {self.fix}"
        if self.columns.shape[-1] > 1 and float(np.ptp(self.columns, axis=-1).max()) <= TOUCHING:
            why, fix = f"all columns of every matrix of this agent are equal (rank 1): {UNRELATED}", ""
        return ConditionError(condition, f"{condition} fails at {place.named(self.environment)}: {why}{fix}", place)


def separate(system: System, smallest: bool = False) -> Solved:
    """Transfers under convex independence, one a report.

    Raises
    ------
    ConditionError
        If a column that is used lies in the hull of the others.
    """
    columns, wanted, used = system.columns, system.wanted, system.used
    lead, rows, count = columns.shape[:2], *columns.shape[2:]
    needed = used if len(columns) > 1 else np.asarray(used.any(axis=0))
    found = hull_distances(columns.reshape(-1, rows, count), needed.reshape(-1, count), system.exact)
    distance = np.where(used, found.distance.reshape(*lead, count), np.inf)
    transfers = separated(columns, found.direction.reshape(*lead, count, rows), wanted)
    transfers = np.where(used[..., np.newaxis], transfers, 0.0)
    touching = distance <= TOUCHING
    off = used & (_missed(transfers, columns, wanted) | touching)
    if off.any():
        constant = np.where(touching[..., np.newaxis], wanted[..., np.newaxis], transfers)
        transfers = np.where(off[..., np.newaxis], np.broadcast_to(constant, transfers.shape), transfers)
        off &= _missed(transfers, columns, wanted)
    for a, b, r in np.argwhere(off | used if smallest else off):
        least = smallest_by_report(columns[a % len(columns), b], wanted[a, b], int(r))
        if least is not None:
            transfers[a, b, r] = least
    for where in np.argwhere(off & _missed(transfers, columns, wanted))[:1]:
        why = "the column lies in the convex hull of the others, and the target is too low to be met there"
        raise system.failed("convex independence", why, where)
    size = float(np.abs(wanted[used.any(axis=-1)]).max())
    apart = distance[~touching]
    least_apart = float(apart.min(initial=np.inf))
    bound = (1 + 4 / least_apart) * size
    widest = np.broadcast_to(spreads(columns)[..., np.newaxis], distance.shape)
    ratio = np.divide(widest, distance, where=np.isfinite(distance) & ~touching, out=np.ones(distance.shape))
    if touching.any():
        bound = max(bound, float(np.abs(transfers).max()))
    return Solved(transfers, bound, float(ratio.max()), bool(touching.any()))


def _missed(transfers: FloatArray, columns: FloatArray, wanted: FloatArray) -> Array:
    """Where a transfer is not worth its target under the truth, or less than the target of a misreport."""
    worth = transfers @ columns  # action, others, report, own signal
    short = wanted[..., np.newaxis, :] - worth
    error = np.maximum(short.max(axis=-1), np.abs(np.diagonal(short, axis1=-2, axis2=-1)))
    size = np.maximum(np.abs(transfers).max(axis=-1), np.abs(wanted).max(axis=-1, keepdims=True))
    return np.asarray(error > ROUNDING * size)


def span(system: System, smallest: bool = False, every_target: bool = False) -> Solved:
    """Transfers under spanning, one for all reports.

    Parameters
    ----------
    system : System
    smallest : bool
        Whether the largest entry is to be as small as possible, instead of the length.
    every_target : bool
        Whether the condition is wanted, and not only that these targets can be met.

    Raises
    ------
    ConditionError
        If a matrix that is used lacks full column rank, and does not meet its targets all the same.
    """
    columns, wanted, used = system.columns, system.wanted, np.asarray(system.used.any(axis=-1))
    rows, count = columns.shape[2:]
    left, sizes, right = np.linalg.svd(columns, full_matrices=False)
    full = (sizes > rank_slack(columns, sizes)).sum(axis=-1) == count
    least = np.where(full, sizes[..., min(count, rows) - 1], 0.0)
    lacking = np.asarray(used & ~full)
    shortest = least_norm(columns, wanted, (left, sizes, right), rank_slack(columns, sizes))
    transfers = np.where(used[..., np.newaxis], shortest, 0.0)
    worth = (transfers[..., np.newaxis, :] @ columns)[..., 0, :]
    size = np.maximum(np.abs(transfers).max(axis=-1), np.abs(wanted).max(axis=-1))
    missed = lacking & (np.abs(worth - wanted).max(axis=-1) > ROUNDING * size)
    for where in np.argwhere(lacking if every_target else missed)[:1]:
        rank = int((sizes > rank_slack(columns, sizes))[where[0] % len(columns), where[1]].sum())
        raise system.failed("spanning", f"the matrix has rank {rank} for {count} own signals", where)
    if smallest:
        for a, b in np.argwhere(used):
            found = smallest_for_all(columns[a % len(columns), b], wanted[a, b])
            if found is not None:
                transfers[a, b] = found
    length, least = np.linalg.norm(wanted, axis=-1), np.broadcast_to(least, used.shape)
    bound = np.where(least > 0, length / np.where(least > 0, least, 1.0), np.abs(transfers).max(axis=-1))
    largest = np.broadcast_to(sizes[..., 0], used.shape)
    kept = np.where(sizes > rank_slack(columns, sizes), sizes, np.inf).min(axis=-1)
    ratio = np.where(used, largest / np.broadcast_to(kept, used.shape), 1.0)
    return Solved(transfers, float(bound[used].max()), float(ratio.max()), bool(lacking.any()))
