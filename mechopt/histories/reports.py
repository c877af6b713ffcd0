"""The tree of public histories, as arrays.

A history of length t is the sequence of type profiles reported in periods 0, ..., t-1. Histories of one length are
numbered by mixed radix, the first period slowest and, within a period, buyer 0 slowest. Children therefore lie next to
each other: an array over the histories of length t+1 reshaped to ``(count[t], *shape[t])`` has the axes (history of
length t, report of buyer 0, ..., report of buyer n-1), and parents, reports and reach probabilities are arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from mechopt.core.numbers import FloatArray, readonly
from mechopt.core.provided import provided
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.words import ModelWords

if TYPE_CHECKING:
    import networkx as nx

History = tuple[tuple[int, ...], ...]
"""Reports of a history: over periods, of tuples over buyers, of type indices."""


@dataclass(frozen=True)
class HistoryTree:
    """Public histories of an environment with independent types; arrays are made on first use.

    Parameters
    ----------
    environment : IndependentTypes

    Examples
    --------
    >>> tree = HistoryTree(IndependentTypes.iid([1, 2], ["1/4", "3/4"], horizon=2))
    >>> tree.count
    (1, 2, 4)
    >>> tree.reach[2]
    array([0.0625, 0.1875, 0.1875, 0.5625])
    >>> tree.history(2, 1), tree.node(((0,), (1,)))
    (((0,), (1,)), 1)
    """

    environment: IndependentTypes

    @property
    def horizon(self) -> int:
        """Number of periods T."""
        return self.environment.horizon

    @property
    def shape(self) -> tuple[tuple[int, ...], ...]:
        """``shape[t][i]``: number of types of buyer i in period t."""
        return self.environment.shape

    @cached_property
    def count(self) -> tuple[int, ...]:
        """``count[t]``: number of histories of length t, for t = 0, ..., T; exact at any size."""
        counts = [1]
        for sizes in self.shape:
            counts.append(counts[-1] * prod(sizes))
        return tuple(counts)

    @cached_property
    def distribution(self) -> tuple[FloatArray, ...]:
        """``distribution[t]``: probability of each type profile of period t; one axis a buyer."""
        return tuple(readonly(self.environment.distribution(t)) for t in range(self.horizon))

    @cached_property
    def reach(self) -> tuple[FloatArray, ...]:
        """``reach[t]``: probability of each history of length t under truthful reports, shape ``(count[t],)``."""
        reach = [np.ones(1)]
        for profiles in self.distribution:
            reach.append(np.multiply.outer(reach[-1], profiles.ravel()).ravel())
        return tuple(readonly(r) for r in reach)

    def children(self, t: int) -> tuple[int, ...]:
        """Shape ``(count[t], *shape[t])`` to which arrays over histories of length t+1 are reshaped."""
        return (self.count[t], *self.shape[t])

    def history(self, t: int, node: int) -> History:
        """Reports of history number ``node`` of length t.

        Raises
        ------
        IndexError
            If there is no such history.
        """
        if not 0 <= t <= self.horizon:
            raise IndexError(f"history of length {t}: the horizon is {self.horizon}")
        if not 0 <= node < self.count[t]:
            raise IndexError(f"history {node} of length {t}: there are {self.count[t]}")
        reports: list[tuple[int, ...]] = []
        for sizes in reversed(self.shape[:t]):
            node, profile = divmod(node, prod(sizes))
            reports.append(tuple(int(r) for r in np.unravel_index(profile, sizes)))
        return tuple(reversed(reports))

    def written(self, t: int, node: int) -> str:
        """A history as its reports: type indices, one buyer's bare, several buyers' in brackets.

        Examples
        --------
        >>> HistoryTree(IndependentTypes.iid([1, 2], ["1/4", "3/4"], horizon=2)).written(2, 1)
        '[0, 1]'
        """
        return str([reports[0] if len(reports) == 1 else list(reports) for reports in self.history(t, node)])

    @cached_property
    def words(self) -> ModelWords:
        """Names of the environment's agents and types."""
        return ModelWords(self.environment)

    def after(self, t: int, node: int) -> str:
        """A history in the model's words.

        Examples
        --------
        >>> HistoryTree(IndependentTypes.iid([1, 2], ["1/4", "3/4"], horizon=2)).after(2, 1)
        'after 1, 2'
        """
        return self.words.after(self.history(t, node))

    def node(self, history: History) -> int:
        """Number of the history with these reports, among those of its length.

        Raises
        ------
        ValueError
            If a report is not a type of its period, or the history is longer than the horizon.
        """
        if len(history) > self.horizon:
            raise ValueError(f"history of length {len(history)}: the horizon is {self.horizon}")
        node = 0
        for sizes, reports in zip(self.shape, history, strict=False):
            node = node * prod(sizes) + int(np.ravel_multi_index(reports, sizes))
        return node

    def to_networkx(self) -> nx.DiGraph:
        """The tree as a networkx graph; see `mechopt.show.graphs.history_graph`.

        Examples
        --------
        >>> graph = HistoryTree(IndependentTypes.iid([1, 2], ["1/4", "3/4"], horizon=2)).to_networkx()
        >>> graph.number_of_nodes(), graph.edges[(1, 0), (2, 1)]
        (7, {'reports': (1,), 'probability': 0.75})
        """
        graph: nx.DiGraph = provided(self, "to_networkx")(self)
        return graph
