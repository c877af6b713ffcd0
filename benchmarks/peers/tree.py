"""Index arithmetic of the report tree, shared by all peers.

Histories are numbered period by period and, within a period, in mixed radix (first period slowest),
so report ``k`` at history ``h`` has the number ``r = h * K + k`` and leads to history ``r + 1``.
Reports with ``r + 1 >= n_histories`` are those of the last period: they end the tree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Tree:
    """The report tree of ``K`` types over ``T`` periods (``H`` histories, ``R = H * K`` reports).

    Attributes
    ----------
    n_types, n_histories, n_reports, n_early : int
        ``K``, ``H``, ``R`` and the number of histories before the last period.
    values, probabilities : ndarray of shape (K,)
        Values and probabilities of the types.
    reach : ndarray of shape (R,)
        Probability that a truthful buyer makes each report.
    paths : ndarray of shape (K**T, T)
        Reports along each full path.
    true, lie : ndarray of shape (K * (K - 1),)
        The ordered pairs of distinct types: true type and false report.
    """

    n_types: int
    n_histories: int
    n_reports: int
    n_early: int
    values: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    reach: NDArray[np.float64]
    paths: NDArray[np.int64]
    true: NDArray[np.int64]
    lie: NDArray[np.int64]


def report_tree(values: Sequence[float], probabilities: Sequence[float], periods: int) -> Tree:
    """Return the numbered tree with its paths and its pairs of types.

    Parameters
    ----------
    values, probabilities : sequence of length K
        Values and probabilities of the types, the same in every period.
    periods : int
        Number of periods ``T``.

    Returns
    -------
    Tree
        The numbered tree.
    """
    n_types = len(values)
    odds = np.asarray(probabilities, dtype=float)
    n_paths = n_types**periods
    n_histories = (n_paths - 1) // (n_types - 1)
    n_reports = n_histories * n_types
    reach = [np.ones(1)]
    paths = np.empty((n_paths, periods), dtype=np.int64)
    report = np.arange(n_reports - n_paths, n_reports)
    for period in range(periods):
        reach.append(np.outer(reach[-1], odds).ravel())
        paths[:, -1 - period] = report
        report = report // n_types - 1
    true, lie = np.nonzero(~np.eye(n_types, dtype=bool))
    return Tree(
        n_types=n_types,
        n_histories=n_histories,
        n_reports=n_reports,
        n_early=n_histories - n_paths // n_types,
        values=np.asarray(values, dtype=float),
        probabilities=odds,
        reach=np.concatenate(reach[1:]),
        paths=paths,
        true=true,
        lie=lie,
    )
