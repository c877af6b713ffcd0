"""The condition that transfers of one agent and period rest on, then the transfers: what they need and no more.

A condition is asked for only where it is used: for a column at the actions that a report of that signal leads to
(convex independence), for a matrix at the actions that some report leads to (spanning). Elsewhere transfers are 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mechopt.closedform.contingent.hull import TOUCHING, hull_distances
from mechopt.closedform.contingent.setting import ConditionError
from mechopt.closedform.contingent.spanning import Place
from mechopt.closedform.contingent.systems import least_norm, separated, smallest_by_report, smallest_for_all
from mechopt.core.numbers import Array, FloatArray
from mechopt.environment.interdependent import InterdependentTypes

UNRELATED = (
    "the others' next signals do not depend on an agent's own, as where signals move independently of each other; "
    "with private values the dynamic pivot mechanism is for these"
)


class Solved(NamedTuple):
    """Transfers ``(action, others, [report,] row)``, and what bounds them."""

    transfers: FloatArray
    bound: float


class System(NamedTuple):
    """What transfers of one agent about one period are to solve.

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
    mend : str
        What to try where the condition fails.
    """

    environment: InterdependentTypes
    period: int
    agent: int
    columns: FloatArray
    wanted: FloatArray
    used: Array
    mend: str

    def place(self, where: Array) -> Place:
        """Name a matrix (action, others) or a column (action, others, signal) by its flat indices."""
        action, others, *signal = (int(k) for k in where)
        sizes = [size for j, size in enumerate(self.environment.shape[self.period]) if j != self.agent]
        profile = tuple(int(k) for k in np.unravel_index(others, sizes))
        return Place(self.agent, self.period, action, profile, *signal)

    def failed(self, condition: str, why: str, where: Array) -> ConditionError:
        """Say which condition fails, and where."""
        place, mend = self.place(where), f"; {self.mend}"
        if self.columns.shape[-1] > 1 and float(np.ptp(self.columns, axis=-1).max()) <= TOUCHING:
            why, mend = f"all columns of every matrix of this agent are equal (rank 1): {UNRELATED}", ""
        return ConditionError(condition, f"{condition} fails at {place.named(self.environment)}: {why}{mend}", place)


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
    found = hull_distances(columns.reshape(-1, rows, count), needed.reshape(-1, count))
    distance = np.where(used, found.distance.reshape(*lead, count), np.inf)
    least = float(distance.min())
    if least <= TOUCHING:
        where = np.array(np.unravel_index(int(distance.argmin()), distance.shape))
        raise system.failed("convex independence", "the column lies in the convex hull of the others", where)
    transfers = separated(columns, found.direction.reshape(*lead, count, rows), wanted)
    transfers = np.where(used[..., np.newaxis], transfers, 0.0)
    if smallest:
        for a, b, r in np.argwhere(used):
            transfers[a, b, r] = smallest_by_report(columns[a % len(columns), b], wanted[a, b], int(r))
    size = float(np.abs(wanted[used.any(axis=-1)]).max())
    return Solved(transfers, (1 + 4 / least) * size)


def span(system: System, smallest: bool = False) -> Solved:
    """Transfers under spanning, one for all reports.

    Raises
    ------
    ConditionError
        If a matrix that is used lacks full column rank.
    """
    columns, wanted, used = system.columns, system.wanted, np.asarray(system.used.any(axis=-1))
    rows, count = columns.shape[2:]
    left, sizes, right = np.linalg.svd(columns, full_matrices=False)
    least = sizes[..., count - 1] if rows >= count else np.zeros(columns.shape[:2])
    slack = sizes[..., 0] * max(rows, count) * np.finfo(float).eps
    lacking = np.asarray(used & (least <= slack))
    if lacking.any():
        where = np.argwhere(lacking)[0]
        rank = int(np.linalg.matrix_rank(columns[where[0] % len(columns), where[1]]))
        raise system.failed("spanning", f"the matrix has rank {rank} for {count} own signals", where)
    transfers = np.where(used[..., np.newaxis], least_norm(columns, wanted, (left, sizes, right)), 0.0)
    if smallest:
        for a, b in np.argwhere(used):
            transfers[a, b] = smallest_for_all(columns[a % len(columns), b], wanted[a, b])
    bound = np.linalg.norm(wanted, axis=-1) / np.where(least > 0, least, np.inf)
    return Solved(transfers, float(bound[used].max()))
