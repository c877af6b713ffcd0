"""Rows that make a program about mechanisms: one item a period."""

from __future__ import annotations

from functools import partial
from math import prod

import numpy as np

from mechopt.histories.reports import HistoryTree
from mechopt.lp.independent.columns import Columns
from mechopt.lp.program import RowFamily, Rows


def _supply_rows(buyers: int, t: int, columns: Columns) -> Rows:
    """sum_i x_i(h, m) <= 1 over (history, profile m)."""
    index = np.moveaxis(columns.allocation[t].reshape(buyers, columns.allocation[t].shape[1], -1), 0, -1)
    return Rows(index, np.ones(buyers), -np.inf, 1.0)


def supply(tree: HistoryTree, t: int) -> RowFamily:
    """Rows of the supply of one item in period t; with one buyer the bound x <= 1 says it already."""
    buyers = tree.environment.agents
    axes = (("history", tree.count[t]), ("report profile", prod(tree.shape[t])))
    return RowFamily("supply", None, t, axes, buyers, partial(_supply_rows, buyers, t))
