r"""Why an ascending auction in every period is not efficient: many tasks against few, as an equilibrium.

Two bidders want a server who does one task a period. Bidder 0 has tasks worth :math:`v_0` each for ever, bidder 1 has
m of them, worth :math:`v_1`. In every period the server goes to whoever is willing to pay more, at the price at
which the other one leaves: with :math:`V_i(m)` what bidder i gets from a period on with m tasks left, he leaves at

.. math:: b_0 = v_0 + d\,(V_0(m) - V_0(m-1)), \qquad b_1 = v_1 + d\,(V_1(m-1) - V_1(m)).

An equilibrium in which bidder 0 wins for ever has :math:`V_1(m) = 0`, so with one task left the price is :math:`v_1`
and :math:`V_0 = (v_0 - v_1)/(1 - d)`, (8); letting the other one win is worth :math:`d v_0/(1 - d)`, (9). So it is one
if and only if :math:`v_0 \ge v_1/(1 - d)`, while efficiency asks for :math:`v_0 \ge v_1`. Numbers are exact.

Source: Bergemann and Valimaki (2010), section 3, (8) and (9).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import to_exact


@dataclass(frozen=True)
class AscendingRound:
    """A period with so many tasks of bidder 1 left; values are present values as of it.

    Attributes
    ----------
    left : int
    winner : int
    price : Fraction
        At which the other one leaves.
    bids : tuple of Fraction
        At which each leaves.
    payoffs : tuple of Fraction
        V.
    welfare, efficient : Fraction
        Of the equilibrium, and the largest.
    """

    left: int
    winner: int
    price: Fraction
    bids: tuple[Fraction, Fraction]
    payoffs: tuple[Fraction, Fraction]
    welfare: Fraction
    efficient: Fraction

    @property
    def loss(self) -> Fraction:
        """Welfare that the auction loses."""
        return self.efficient - self.welfare


def ascending_auction(many: Any, few: Any, discount: Any, tasks: int = 1) -> tuple[AscendingRound, ...]:
    """Find the equilibrium of ascending auctions, one in every period for ever.

    Where both winning for ever and losing now are equilibria, bidder 0 wins.

    Parameters
    ----------
    many : number
        Worth of each of bidder 0's tasks, of which there is no end; at least 0.
    few : number
        Worth of each of bidder 1's tasks; at least 0.
    discount : number
        Above 0 and below 1.
    tasks : int
        How many bidder 1 has.

    Returns
    -------
    tuple of AscendingRound
        With 1, 2, ..., ``tasks`` left.

    Raises
    ------
    InputError
        If a number is out of its range, or there is no equilibrium in which the same bidder wins whenever so many tasks
        are left.

    References
    ----------
    Bergemann and Valimaki (2010), (8) and (9).

    Examples
    --------
    Efficiency asks for the task worth 3 never to be done, as there are always others worth 5. But bidder 0 would have
    to pay 3 in every period, and lets the other one go first; he would not from 3/(1 - 4/5) = 15 on.

    >>> lost = ascending_auction(5, 3, "4/5")[0]
    >>> lost.winner, str(lost.price), str(lost.loss), ascending_auction(15, 3, "4/5")[0].winner
    (1, '1', '2', 0)
    """
    v0, v1, d = (to_exact(number) for number in (many, few, discount))
    faults = [Fault(name, f"is {v}", "give at least 0") for name, v in (("many", v0), ("few", v1)) if v < 0]
    if not 0 < d < 1:
        faults.append(Fault("discount", f"is {d}", "give one above 0 and below 1"))
    if type(tasks) is not int or tasks < 1:
        faults.append(Fault("tasks", f"is {tasks!r}", "give a whole number above 0"))
    if faults:
        raise InputError(faults)
    rounds = list[AscendingRound]()
    payoffs, welfare, efficient = (v0 / (1 - d), Fraction(0)), v0 / (1 - d), v0 / (1 - d)
    for left in range(1, tasks + 1):
        efficient = max(v0 / (1 - d), v1 + d * efficient)
        found = _winning(v0, v1, d, payoffs) or _losing(v0, v1, d, payoffs)
        if found is None:
            what = f"no bidder wins for certain with {left} tasks left"
            raise InputError([Fault("tasks", what, f"use at most {left - 1}")])
        winner, bids, payoffs = found
        welfare = v0 / (1 - d) if winner == 0 else v1 + d * welfare
        rounds.append(AscendingRound(left, winner, bids[1 - winner], bids, payoffs, welfare, efficient))
    return tuple(rounds)


Found = tuple[int, tuple[Fraction, Fraction], tuple[Fraction, Fraction]]


def _winning(v0: Fraction, v1: Fraction, d: Fraction, later: tuple[Fraction, Fraction]) -> Found | None:
    """Bidder 0 wins for ever, if that is an equilibrium; ``later`` are payoffs once a task of bidder 1 is done."""
    bid1 = v1 + d * later[1]
    value = (v0 - bid1) / (1 - d)
    bid0 = v0 + d * (value - later[0])
    return (0, (bid0, bid1), (value, Fraction(0))) if bid0 >= bid1 else None


def _losing(v0: Fraction, v1: Fraction, d: Fraction, later: tuple[Fraction, Fraction]) -> Found | None:
    """Bidder 1 wins now, if that is an equilibrium."""
    bid0 = v0 + d * (d * later[0] - later[0])
    value = v1 + d * later[1] - bid0
    bid1 = v1 + d * (later[1] - value)
    return (1, (bid0, bid1), (d * later[0], value)) if bid1 >= bid0 else None
