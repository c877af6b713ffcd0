"""A contract on the menu of the virtual pivot mechanism, and whether payments implement its policy, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from mechopt.core.numbers import VERIFY_TOLERANCE


class Contract(NamedTuple):
    """An offer at contracting.

    Attributes
    ----------
    price : float, or tuple of float over actions, or tuple over allocation periods of such tuples
        In every allocation period, money of the period: of the item, or of each action where there are not just one
        that is worth nothing and costs least, and one other; or by period where no prices that stay the same do.
    upfront : float
        M(p), at contracting.
    """

    price: float | tuple[float, ...] | tuple[tuple[float, ...], ...]
    upfront: float


def attains_bound(bound: float, profit: float, welfare: float) -> bool:
    """Whether a menu's profit is the bound, up to rounding of the size of either."""
    return bound - profit <= 100 * VERIFY_TOLERANCE * max(1e-300, abs(bound), welfare)


@dataclass(frozen=True)
class Diagnosis:
    """Whether payments implement the policy of the virtual pivot.

    Attributes
    ----------
    regime : str
        ``"a"``, ``"b"``, ``"c"`` or ``"b or c"``; see `VirtualPivot.regime`.
    reason : str
    gain : float
        Largest gain from misreporting at contracting under the published payments.
    menu : tuple of Contract
        With one agent, prices that implement the policy, where there are any that stay the same; else empty.
    undeterred : tuple of int
        Regime c with one period and one item: initial types whose contract some other type prefers at every price.
    """

    regime: str
    reason: str
    gain: float
    menu: tuple[Contract, ...] = ()
    undeterred: tuple[int, ...] = ()
