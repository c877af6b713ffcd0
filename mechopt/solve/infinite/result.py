"""What is proved about the optimum of an infinite horizon."""

from __future__ import annotations

from dataclasses import dataclass

from mechopt.solve.solution import Bound, Status


@dataclass(frozen=True, eq=False, repr=False)
class InfiniteOptimum:
    """What is proved about the largest revenue of an infinite horizon.

    Attributes
    ----------
    bound : Bound
        ``lower <= optimum <= upper``, present value in money of the environment.
    status : Status
        ``"optimal"`` where the bracket is within the tolerance; ``"inaccurate"`` where rounding or the number of visits
        keep it from getting there; ``"time limit"`` or ``"interrupted"``.
    visits : int
        Descents from the root.
    programs : int
        Programs of one period solved.
    seconds : float
    """

    bound: Bound
    status: Status
    visits: int
    programs: int
    seconds: float

    @property
    def value(self) -> float:
        """Lower end of the bracket, which some mechanism earns."""
        return self.bound.lower

    def __repr__(self) -> str:
        width = self.bound.upper - self.bound.lower
        return f"InfiniteOptimum(value {self.value:.9g}, bracket width {width:.1g}, {self.status})"
