"""The balances that a bank account mechanism can reach, and how probable each is.

Balances that agree up to rounding are one state: along each buyer's axis sorted balances are cut where the gap exceeds
`ROUNDING` times the number of periods so far times the largest balance or value so far. What comes later has no say: a
large value of the future makes no two balances of today equal. Balances on a lattice, such as those of values that
repeat from period to period, stay few; in general their number is that of the histories. Where a buyer's
stage depends on her own balance alone (a *separable* mechanism), each buyer's balances are followed by themselves:
expectations of what concerns her need no more.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np

from mechopt.closedform.bank.stage import BankAccounts, Stage
from mechopt.core.errors import LimitError
from mechopt.core.numbers import FloatArray, IntArray
from mechopt.environment.independent import IndependentTypes

ROUNDING = 2.0**-46
"""Rounding of a balance in one period, relative to the largest so far: 64 times the unit roundoff."""
MAX_STATES = 200_000
"""Largest number of distinct balances before a period."""
MAX_ENTRIES = 20_000_000
"""Largest number of entries (buyer, balances, profile) of one period."""


def largest_values(environment: IndependentTypes) -> FloatArray:
    """Largest present value of an item, in absolute terms, of all buyers and periods up to each; ``(T,)``.

    Examples
    --------
    >>> largest_values(IndependentTypes([[[1, 2], [1], [3]]], [[["1/2", "1/2"], [1], [1]]])).tolist()
    [2.0, 2.0, 3.0]
    """
    largest = [max(float(np.abs(row[t]).max()) for row in environment.values) for t in range(environment.horizon)]
    so_far: FloatArray = np.maximum.accumulate(environment.present_value * np.array(largest))
    return so_far


def merge(points: FloatArray, tolerance: float) -> tuple[FloatArray, IntArray]:
    """Make columns that agree within the tolerance one.

    Parameters
    ----------
    points : array ``(n, S)``
        One column a point.
    tolerance : float
        Gap, along an axis, above which sorted coordinates differ.

    Returns
    -------
    representatives : array ``(n, M)``
        Sorted; each coordinate is the smallest of those that it stands for.
    index : array ``(S,)``
        ``representatives[:, index]`` is ``points`` up to the merged gaps.

    Examples
    --------
    >>> representatives, index = merge(np.array([[0.3, 0.0, 0.1 + 0.2]]), 1e-11)
    >>> representatives, index
    (array([[0. , 0.3]]), array([1, 0, 1]))
    """
    cells, levels = [], []
    for row in points:
        order = np.argsort(row, kind="stable")
        ordered = row[order]
        number = np.concatenate([[0], np.cumsum(np.diff(ordered) > tolerance)])
        cell = np.empty_like(order)
        cell[order] = number
        cells.append(cell)
        levels.append(ordered[np.searchsorted(number, np.arange(number[-1] + 1))])
    index = cells[0]
    if len(points) == 1:
        return np.stack(levels), index
    for cell, level in zip(cells[1:], levels[1:], strict=True):
        index = np.unique(index * level.size + cell, return_inverse=True)[1]
    where = np.empty(index.max() + 1, dtype=np.int64)
    where[index] = np.arange(index.size)
    return np.stack([level[cell[where]] for cell, level in zip(cells, levels, strict=True)]), index


def reachable(
    mechanism: BankAccounts,
    possible_only: bool,
    max_states: int = MAX_STATES,
    max_work: float = np.inf,
) -> Iterator[tuple[int, Stage, FloatArray]]:
    """Go through the periods with all balances that can be reached before each.

    Parameters
    ----------
    mechanism : BankAccounts
    possible_only : bool
        Leave out balances of probability zero (after types of probability zero).
    max_states : int
        Largest number of distinct balances before a period.
    max_work : float
        Largest number of entries (buyer, balances, profile) of all periods together.

    Yields
    ------
    t : int
    stage : Stage
        At the distinct balances before period t.
    probability : array ``(n, S)``
        Of each column, the same for all buyers; of a separable mechanism, of buyer i's balance in each column (0 where
        she has fewer balances than another).

    Raises
    ------
    LimitError
        If the balances become too many.
    """
    env = mechanism.environment
    buyers, values, largest, work = env.agents, largest_values(env), 0.0, 0
    balance: FloatArray = np.zeros((buyers, 1))
    probability: FloatArray = np.ones((buyers, 1))
    for t, types in enumerate(env.shape):
        entries = balance.size * prod(types)
        work += entries + balance.shape[1] * mechanism.effort
        if balance.shape[1] > max_states or entries > MAX_ENTRIES or work > max_work:
            raise LimitError(
                f"{mechanism.name}: {balance.shape[1]:,} distinct balances before period {t}, {entries:,} entries with "
                f"the period's profiles, {work:,} so far; the limits are {max_states:,} balances, {MAX_ENTRIES:,} "
                f"entries a period and {max_work:,.0f} in all. Use outcome(method='simulation')"
            )
        stage = mechanism.stage(t, balance)
        yield t, stage, probability
        if t + 1 == env.horizon:
            return
        after, distribution = stage.next_balance.reshape(buyers, -1), env.distribution(t).ravel()
        largest = max(largest, float(values[t]), float(np.abs(after).max()))
        tolerance = ROUNDING * (t + 1) * largest
        groups = [[i] for i in range(buyers)] if mechanism.separable else [list(range(buyers))]
        merged = []
        for group in groups:
            likely = np.multiply.outer(probability[group[0]], distribution).ravel()
            kept = likely > 0 if possible_only else slice(None)
            points, index = merge(after[group][:, kept], tolerance)
            merged.append((group, points, np.bincount(index, likely[kept])))
        widest = max(points.shape[1] for _, points, _ in merged)
        balance, probability = np.zeros((buyers, widest)), np.zeros((buyers, widest))
        for group, points, likely in merged:
            balance[group, : points.shape[1]], probability[group, : points.shape[1]] = points, likely
