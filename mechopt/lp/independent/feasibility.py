r"""Rows that make a program about mechanisms: what there is to sell in a period.

One item: sum_i x_i <= 1. Units and slots (`mechopt.environment.supply`): every set J of buyers, as far as smaller and
larger ones do not say it already, gets at most c_1 + ... + c_|J|, by which its row is divided so that every side is 1::

    sum over J of x_i(h, m) / (c_1 + ... + c_|J|) <= 1

Where nothing may be drawn and slots have other weights than 1, what a buyer gets is the weight of her slot, z in
{0, 1}: x_i = sum_s c_s z_is, sum_s z_is <= 1, sum_i z_is <= 1.
"""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from math import prod

import numpy as np

from mechopt.core.numbers import Array, IntArray
from mechopt.environment.supply import limits, sets_of
from mechopt.histories.reports import HistoryTree
from mechopt.lp.independent.columns import Columns
from mechopt.lp.program import RowFamily, Rows


def _by_node(block: IntArray) -> IntArray:
    """Columns ``(n, count, *types)`` as ``(count, profiles, n)``."""
    return np.moveaxis(block.reshape(*block.shape[:2], -1), 0, -1)


def _supply_rows(sets: IntArray | None, share: Array, t: int, columns: Columns) -> Rows:
    """Over (history, profile m), and sets of buyers where there are several."""
    index = _by_node(columns.allocation[t])
    return Rows(index if sets is None else index[:, :, sets], share, -np.inf, 1.0)


def supply(tree: HistoryTree, t: int, exact: bool = False) -> list[RowFamily]:
    """Rows of what there is to sell in period t, but what a bound x <= 1 says.

    Parameters
    ----------
    tree : HistoryTree
    t : int
    exact : bool
        With fractions for coefficients.
    """
    env = tree.environment
    known = None if env.exact is None else env.exact.slots
    weights = [Fraction(1)] if env.slots is None else [Fraction(c) for c in (known or env.slots)[t]]
    n, axes = env.agents, (("history", tree.count[t]), ("report profile", prod(tree.shape[t])))
    families = []
    for size, most in limits(weights, n).items():
        if size == 1 and most == 1:
            continue
        sets = None if size == n else sets_of(size, n)
        share = np.full(size, 1 / most, dtype=object) if exact else np.full(size, float(1 / most))
        several = () if sets is None else (("set of buyers", len(sets)),)
        families.append(RowFamily("supply", None, t, (*axes, *several), size, partial(_supply_rows, sets, share, t)))
    return families


def _slot_rows(weights: Array, t: int, columns: Columns) -> Rows:
    """x_i - sum_s c_s z_is = 0 over (history, profile, buyer)."""
    x, z = _by_node(columns.allocation[t]), _slots_by_node(columns.slots[t])
    share = np.append(1.0, -weights)
    return Rows(np.concatenate([x[..., None], z], axis=-1), share, 0.0, 0.0)


def _slots_by_node(block: IntArray) -> IntArray:
    """Columns ``(n, count, *types, S)`` as ``(count, profiles, n, S)``."""
    return np.moveaxis(block.reshape(block.shape[0], block.shape[1], -1, block.shape[-1]), 0, 2)


def _one_slot(t: int, columns: Columns) -> Rows:
    """sum_s z_is <= 1 over (history, profile, buyer)."""
    return Rows(_slots_by_node(columns.slots[t]), np.ones(1), -np.inf, 1.0)


def _one_buyer(t: int, columns: Columns) -> Rows:
    """sum_i z_is <= 1 over (history, profile, slot)."""
    return Rows(_slots_by_node(columns.slots[t]).swapaxes(-1, -2), np.ones(1), -np.inf, 1.0)


def slots(tree: HistoryTree, t: int) -> list[RowFamily]:
    """Rows of who has which slot, where nothing may be drawn."""
    assert tree.environment.slots is not None
    n, weights = tree.environment.agents, tree.environment.slots[t]
    axes = (("history", tree.count[t]), ("report profile", prod(tree.shape[t])))
    buyers, places = (*axes, ("buyer", n)), (*axes, ("slot", len(weights)))
    return [
        RowFamily("slot", None, t, buyers, 1 + len(weights), partial(_slot_rows, weights, t)),
        RowFamily("one slot", None, t, buyers, len(weights), partial(_one_slot, t)),
        RowFamily("one buyer", None, t, places, n, partial(_one_buyer, t)),
    ]


def needs_slots(tree: HistoryTree, deterministic: bool) -> bool:
    """Whether who has which slot needs columns of its own: nothing may be drawn and weights differ from 1."""
    rows = tree.environment.slots
    return deterministic and rows is not None and any(bool((row != 1).any()) for row in rows)
