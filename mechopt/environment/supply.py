r"""How much there is to sell in a period where types are independent across periods: units, or slots.

With *units* k, every buyer wants one: :math:`x_i \le 1` and :math:`\sum_i x_i \le k`. *Slots* have weights
:math:`c_1 \ge c_2 \ge \dots > 0`, such as the rates at which positions of a page are clicked; a buyer has one slot or
none, and what she gets is its weight: :math:`x_i = \sum_s c_s z_{is}` with z doubly substochastic. Units are slots of
weight 1. Which x there are is a polymatroid: those with

.. math:: \sum_{i \in J} x_i \le c_1 + \dots + c_{|J|} \quad \text{for every set J of buyers},

which is Hardy, Littlewood and Polya's theorem (Rado 1952; Marshall, Olkin and Arnold 2011, section 2.C). Here lesser
slots than there are buyers for play no part. Where nothing is drawn they do: a buyer may be given a lesser slot on
purpose. Of each weight at most as many are kept as there are buyers, so that supply above their number is that number.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np

from mechopt.core.errors import Fault
from mechopt.core.numbers import Array, FloatArray
from mechopt.environment.reading import check

Slots = tuple[tuple[Fraction, ...], ...]
"""Weights of the slots of each period, the largest first; of each weight at most as many as there are buyers."""


def read_slots(supply: Any, slots: Any, buyers: int, periods: int, faults: list[Fault]) -> Slots | None:
    """Weights by period, exactly; None where it is one item a period, and after a fault, which is appended.

    Parameters
    ----------
    supply : int, or sequence of int over periods
    slots : sequence of numbers, or a sequence of these over periods, or None
    buyers, periods : int
    faults : list of Fault
    """
    before = len(faults)
    if slots is None:
        rows = _units(supply, periods, faults)
    else:
        if not _is_one(supply):
            faults.append(Fault("slots", "stands beside supply", "give one or the other"))
        rows = _weights(slots, periods, faults)
    if len(faults) > before:
        return None
    kept = tuple(tuple(w for s, w in enumerate(row) if s < buyers or w != row[s - buyers]) for row in rows)
    return None if all(row == (Fraction(1),) for row in kept) else kept


def _is_one(supply: Any) -> bool:
    return not isinstance(supply, (bool, str)) and not check.is_list(supply) and bool(supply == 1)


def _units(supply: Any, periods: int, faults: list[Fault]) -> list[tuple[Fraction, ...]]:
    several = check.is_list(supply)
    given = list(supply) if several else [supply]
    for t, entry in enumerate(given):
        at = f"supply[{t}]" if several else "supply"
        if isinstance(entry, bool) or not isinstance(entry, (int, np.integer)):
            faults.append(Fault(at, f"is {_written(entry)}", "write a whole number of units such as 2"))
        elif entry < 1:
            faults.append(Fault(at, f"is {entry}", "there must be at least one unit"))
    if several and periods and len(given) != periods:
        what = f"has {len(given)} entries for {periods} periods"
        faults.append(Fault("supply", what, "give one number, or one a period"))
    if faults:
        return []
    units = [min(int(entry), check.MAX_STAGES) for entry in given]
    return [(Fraction(1),) * k for k in (units if several else units * periods)]


def _written(entry: Any) -> str:
    if isinstance(entry, bool):
        return str(entry).lower()
    return check.shown(entry) if isinstance(entry, Fraction) else repr(entry)


def _weights(slots: Any, periods: int, faults: list[Fault]) -> list[tuple[Fraction, ...]]:
    by_period = check.is_list(slots) and len(slots) > 0 and check.is_list(slots[0])
    given = list(slots) if by_period else [slots]
    if by_period and periods and len(given) != periods:
        what = f"has {len(given)} lists for {periods} periods"
        faults.append(Fault("slots", what, "give one list of weights, or one a period"))
    rows = []
    for t, entry in enumerate(given):
        at = f"slots[{t}]" if by_period else "slots"
        weights = check.exact_list(entry, at, faults)
        faults += [] if weights is None else weights_faults(weights, at)
        rows.append(tuple(weights or ()))
    return rows if by_period else rows * periods


def weights_faults(weights: Sequence[Fraction], at: str) -> list[Fault]:
    """Check the weights of slots: above 0, at most 1, the largest first."""
    faults = [] if weights else [Fault(at, "is empty", "give at least one weight")]
    for s, weight in enumerate(weights):
        if not 0 < weight <= 1:
            faults.append(Fault(f"{at}[{s}]", f"is {check.shown(weight)}", "weights are above 0 and at most 1"))
        if s and weight > weights[s - 1]:
            what = f"{check.shown(weight)} is above {check.shown(weights[s - 1])} before it"
            faults.append(Fault(f"{at}[{s}]", what, "list the weights from the largest to the smallest"))
    return faults


def limits(weights: Sequence[Fraction], buyers: int) -> dict[int, Fraction]:
    """Most that buyers together may get, by their number, where that is not said by fewer or by more of them.

    Of units these are one buyer, who gets at most 1, and all, who get at most k.

    Examples
    --------
    >>> one = Fraction(1)
    >>> limits([one], 3), limits([one, one], 3), limits([one, one / 2], 3)
    ({3: Fraction(1, 1)}, {1: Fraction(1, 1), 3: Fraction(2, 1)}, {1: Fraction(1, 1), 3: Fraction(3, 2)})
    """
    c = [*weights, *[Fraction(0)] * (buyers - len(weights))]
    found = {}
    for size in range(1, buyers + 1):
        separable = size > 1 and c[size - 1] == c[0]
        closed = size == buyers or c[size] > 0
        if closed and not separable:
            found[size] = sum(c[:size], Fraction(0))
    return found


def sets_of(size: int, buyers: int) -> Array:
    """Every set of so many buyers, one a row; ``(sets, size)``."""
    return np.array(list(combinations(range(buyers), size)), dtype=np.int64)


def excess(allocation: FloatArray, weights: Sequence[float]) -> float:
    """By how much an allocation ``(n, ...)`` is above what there is, at the profile where it is most so.

    Examples
    --------
    >>> excess(np.array([[1.0], [0.75]]), [1.0, 0.5])
    0.25
    """
    n = len(allocation)
    most = np.array([*weights, *[0.0] * n])[:n]
    taken = np.cumsum(-np.sort(-allocation, axis=0), axis=0)
    above: FloatArray = taken - np.cumsum(most).reshape(-1, *[1] * (allocation.ndim - 1))
    return float(above.max())


def expected_best(
    surpluses: Sequence[FloatArray], probabilities: Sequence[FloatArray], weights: Sequence[float]
) -> float:
    """Expected value of giving slots to the largest surpluses that are at least 0.

    With N(u) the number of buyers whose surplus is above u it is the integral over u from 0 on of
    c_1 P(N(u) >= 1) + c_2 P(N(u) >= 2) + ...

    Parameters
    ----------
    surpluses, probabilities : sequences over buyers of arrays ``(K,)``
        Value less cost by type, in any order.
    weights : sequence of float
    """
    points = np.unique(np.concatenate([[0.0], *(np.maximum(part, 0.0) for part in surpluses)]))
    exactly = np.zeros((len(weights) + 1, len(points)))  # P(N = s), the last one for at least as many
    exactly[0] = 1.0
    for surplus, chances in zip(surpluses, probabilities, strict=True):
        above = (surplus[:, None] > points).astype(np.float64).T @ chances
        last = exactly[-1].copy()
        exactly[1:] = exactly[1:] * (1 - above) + exactly[:-1] * above
        exactly[-1] += last * above
        exactly[0] *= 1 - above
    at_least = np.cumsum(exactly[::-1], axis=0)[::-1][1:]
    return float(np.asarray(weights) @ (at_least[:, :-1] @ np.diff(points)))
