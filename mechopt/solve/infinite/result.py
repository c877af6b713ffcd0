"""Proved facts about the optimum of an infinite horizon."""

from __future__ import annotations

from dataclasses import dataclass

from mechopt.mechanism.endless.states import StateMechanism
from mechopt.solve.solution import Bound, Status


@dataclass(frozen=True, eq=False, repr=False)
class InfiniteOptimum:
    """Proved bracket of the largest revenue of an infinite horizon.

    Attributes
    ----------
    bound : Bound
        ``lower <= optimum <= upper``, present value in money of the environment.
    status : Status
        ``"optimal"`` where the bracket is within the tolerance; ``"inaccurate"`` where rounding or the number of visits
        keep it from getting there; ``"time limit"`` or ``"interrupted"``.
    mechanism : StateMechanism
        It earns the lower end.
    visits, sweeps : int
        Rounds in which points were added, and in which all policies were improved and evaluated.
    seconds : float
    """

    bound: Bound
    status: Status
    mechanism: StateMechanism
    visits: int
    sweeps: int
    seconds: float

    @property
    def value(self) -> float:
        """Lower end of the bracket, which the mechanism earns."""
        return self.bound.lower

    def __repr__(self) -> str:
        width = self.bound.upper - self.bound.lower
        return f"InfiniteOptimum(value {self.value:.9g}, bracket width {width:.1g}, {self.status})"
