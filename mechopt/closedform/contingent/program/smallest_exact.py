r"""Smallest transfers that meet one target, in fractions, with the multipliers that prove them smallest.

With columns m_k and targets c_k, own signal r: minimise s with :math:`|p_n| \le s`, :math:`m_r \cdot p = c_r`, and
:math:`m_k \cdot p \ge c_k` at the other signals (Lemma A.3), or equal there (Lemma A.4). Its dual is

.. math:: \max c \cdot y \quad \text{subject to} \quad \sum_n |(M y)_n| \le 1, \qquad y_k \ge 0 \text{ where } \ge.

The simplex method starts from y = 0, which is feasible, and takes the first column that improves (Bland 1977), so that
it ends. Any y shows that no transfer is smaller than c.y: where that is attained the transfer is smallest, and both are
compared before either is returned. Where the dual is unbounded no transfer meets the target.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from mechopt.core.errors import LimitError, MechoptError

MAX_PIVOTS = 5_000

Vector = list[Fraction]


class Smallest(NamedTuple):
    """A transfer and what proves it smallest.

    Attributes
    ----------
    transfer : list of Fraction
        By row.
    size : Fraction
        Its largest entry in absolute value; equals the sum of targets times multipliers.
    multipliers : list of Fraction
        By signal.
    """

    transfer: Vector
    size: Fraction
    multipliers: Vector


def smallest_exactly(columns: Sequence[Vector], target: Vector, own: int | None) -> Smallest | None:
    """Transfer with the smallest largest entry.

    Parameters
    ----------
    columns : sequence over own signals of lists over rows
    target : list over own signals
    own : int or None
        The signal whose target is met, others' being at most what the transfer is worth; None: all are met.

    Returns
    -------
    Smallest, or None where no transfer meets the target

    Raises
    ------
    LimitError
        If it takes too many pivots.

    Examples
    --------
    >>> columns = [[Fraction(3, 4), Fraction(1, 4)], [Fraction(1, 4), Fraction(3, 4)]]
    >>> smallest_exactly(columns, [Fraction(0), Fraction(1)], None).transfer
    [Fraction(-1, 2), Fraction(3, 2)]
    >>> found = smallest_exactly(columns, [Fraction(0), Fraction(1)], 0)
    >>> found.size, found.multipliers
    (Fraction(3, 2), [Fraction(-1, 2), Fraction(3, 2)])
    >>> smallest_exactly([columns[0], columns[0]], [Fraction(0), Fraction(1)], 0) is None
    True
    """
    count, rows = len(columns), len(columns[0])
    free = list(range(count)) if own is None else [own]
    signed = [(k, 1) for k in range(count)] + [(k, -1) for k in free]
    width = len(signed) + 2 * rows + 1  # y, minus y where free; My = u - v; what is left of 1
    zero, one = Fraction(0), Fraction(1)
    table = []
    for n in range(rows):
        line = [sign * columns[k][n] for k, sign in signed] + [zero] * (2 * rows + 2)
        line[len(signed) + n], line[len(signed) + rows + n] = -one, one
        table.append(line)
    table.append([zero] * len(signed) + [one] * (2 * rows + 2))
    gain = [sign * target[k] for k, sign in signed] + [zero] * (2 * rows + 2)
    basis = [len(signed) + rows + n for n in range(rows)] + [width - 1]
    for n in range(rows):  # v is in the last row too
        table[-1] = [a - b for a, b in zip(table[-1], table[n], strict=True)]
    for _ in range(MAX_PIVOTS):
        enters = next((j for j in range(width) if gain[j] > 0), None)
        if enters is None:
            break
        ratios = [(line[-1] / line[enters], basis[i], i) for i, line in enumerate(table) if line[enters] > 0]
        if not ratios:
            return None
        leaves = min(ratios)[2]
        pivot = table[leaves][enters]
        table[leaves] = by = [entry / pivot for entry in table[leaves]]
        for i, line in enumerate(table):
            if i != leaves and line[enters]:
                table[i] = _less(line, line[enters], by)
        gain, basis[leaves] = _less(gain, gain[enters], by), enters
    else:
        raise LimitError("exact: the smallest transfers take too many pivots here; leave smallest or exact out")
    size = -gain[width - 1]
    transfer = [-gain[len(signed) + rows + n] - size for n in range(rows)]
    multipliers = [zero] * count
    for i, column in enumerate(basis):
        if column < len(signed):
            k, sign = signed[column]
            multipliers[k] += sign * table[i][-1]
    found = Smallest(transfer, size, multipliers)
    if not proves(found, columns, target, own):
        raise MechoptError("exact: smallest transfers are not proved by their multipliers; this should not happen")
    return found


def proves(found: Smallest, columns: Sequence[Vector], target: Vector, own: int | None) -> bool:
    """Whether a transfer meets the target, and its multipliers show that none that does is smaller.

    Parameters
    ----------
    found : Smallest
    columns, target, own
        As in `smallest_exactly`.
    """
    transfer, size, multipliers = found
    if any(abs(entry) > size for entry in transfer):
        return False
    for k, (column, wanted) in enumerate(zip(columns, target, strict=True)):
        over = sum((p * m for p, m in zip(transfer, column, strict=True)), Fraction(0)) - wanted
        if over < 0 or (over and own in (None, k)) or (multipliers[k] < 0 and own not in (None, k)):
            return False
    mixed = (
        sum((y * column[n] for y, column in zip(multipliers, columns, strict=True)), Fraction(0))
        for n in range(len(transfer))
    )
    return sum(map(abs, mixed)) <= 1 and size == sum(y * c for y, c in zip(multipliers, target, strict=True))


def _less(line: Vector, times: Fraction, by: Vector) -> Vector:
    return [a - times * b if b else a for a, b in zip(line, by, strict=True)]
