"""Public histories of identical buyers up to permutations of the buyers.

What matters of a history for one buyer is her own sequence of reports and the multiset of the others' sequences. With
K_t types a period, the sequences of length t are numbered 0, ..., S_t - 1 by mixed radix, so that a report k after the
sequence s makes the sequence ``s * K + k``. Multisets of n - 1 of them are sorted tuples, numbered by their rank in the
combinatorial number system: there are C(n - 2 + S_t, n - 1) of them, against S_t ** (n - 1) histories of the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import chain, combinations_with_replacement
from math import comb

import numpy as np

from mechopt.core.numbers import FloatArray, IntArray
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.words import ModelWords


def identical_buyers(environment: IndependentTypes) -> bool:
    """Whether all buyers have the same values and probabilities, compared as exact numbers where there are any."""
    exact = environment.exact
    if exact is not None:
        pairs = list(zip(exact.values, exact.probabilities, strict=True))
        return all(pair == pairs[0] for pair in pairs)
    rows = zip(environment.values, environment.probabilities, strict=True)
    floats = [[tuple(map(float, array)) for part in pair for array in part] for pair in rows]
    return all(row == floats[0] for row in floats)


@dataclass(frozen=True)
class OrbitTree:
    """Sequences and multisets by length of history; arrays are made on first use.

    Parameters
    ----------
    environment : IndependentTypes
        With identical buyers.

    Examples
    --------
    >>> tree = OrbitTree(IndependentTypes.iid([1, 2], ["1/4", "3/4"], horizon=2, agents=3))
    >>> tree.sequences, tree.count(2, 2)
    ((1, 2, 4), 10)
    >>> tree.weights[0]
    array([0.0625, 0.375 , 0.5625])
    """

    environment: IndependentTypes

    @property
    def others(self) -> int:
        """Number of other buyers."""
        return self.environment.agents - 1

    @cached_property
    def sequences(self) -> tuple[int, ...]:
        """``sequences[t]``: number of a buyer's own sequences of length t, for t = 0, ..., T."""
        counts = [1]
        for types in self.environment.shape:
            counts.append(counts[-1] * types[0])
        return tuple(counts)

    def count(self, t: int, buyers: int) -> int:
        """Number of multisets of the sequences of length t of so many buyers; exact at any size."""
        return comb(buyers + self.sequences[t] - 1, buyers)

    @cached_property
    def multisets(self) -> tuple[IntArray, ...]:
        """``multisets[t]``: sorted sequences of the others, by rank, ``(count, n - 1)``."""
        return tuple(self._listed(t) for t in range(self.environment.horizon + 1))

    def _listed(self, t: int) -> IntArray:
        m, count = self.others, self.count(t, self.others)
        entries = chain.from_iterable(combinations_with_replacement(range(self.sequences[t]), m))
        listed = np.fromiter(entries, np.int64, count * m).reshape(count, m)
        ordered = np.empty_like(listed)
        ordered[self.rank(t, listed)] = listed
        return ordered

    def rank(self, t: int, multisets: IntArray) -> IntArray:
        """Numbers of sorted tuples of sequences of length t, ``(..., m)``, among those of their size."""
        size = multisets.shape[-1]
        rank = np.zeros(multisets.shape[:-1], np.int64)
        for position in range(size):
            table = np.array([comb(s + position, position + 1) for s in range(self.sequences[t])], np.int64)
            rank += table[multisets[..., position]]
        return rank

    @cached_property
    def parents(self) -> tuple[IntArray, ...]:
        """``parents[t]``: of each multiset of length t + 1 the one of length t that it continues."""
        return tuple(
            self.rank(t, self.multisets[t + 1] // self.environment.shape[t][0]) for t in range(self.environment.horizon)
        )

    @cached_property
    def weights(self) -> tuple[FloatArray, ...]:
        """``weights[t]``: probability of each multiset of length t + 1, given the one that it continues."""
        weights = []
        for t, parent in enumerate(self.parents):
            after, distribution = self.multisets[t + 1], self.environment.probabilities[0][t]
            ways = _arrangements(self.multisets[t])[parent] / _arrangements(after)
            weights.append(ways * distribution[after % len(distribution)].prod(axis=1))
        return tuple(weights)

    @cached_property
    def reach(self) -> tuple[FloatArray, ...]:
        """``reach[t]``: probability of each multiset of the others and own sequence, ``(count, S_t)``."""
        others, own = [np.ones(1)], [np.ones(1)]
        for t, parent in enumerate(self.parents):
            others.append(others[-1][parent] * self.weights[t])
            own.append(np.multiply.outer(own[-1], self.environment.probabilities[0][t]).ravel())
        return tuple(np.multiply.outer(o, s) for o, s in zip(others, own, strict=True))

    def all_buyers(self, t: int) -> tuple[IntArray, IntArray]:
        """Of each multiset of the others and own sequence of length t, ``(count, S_t)``.

        Returns
        -------
        number : int array
            Of the multiset of all buyers' sequences.
        same : int array
            How many buyers have the own sequence.
        """
        others, own = self.multisets[t], np.arange(self.sequences[t])
        shape = (len(others), len(own))
        joined = np.concatenate(
            [np.broadcast_to(others[:, None], (*shape, self.others)), np.broadcast_to(own[:, None], (*shape, 1))],
            axis=-1,
        )
        same: IntArray = (joined == own[:, None]).sum(axis=-1)
        return self.rank(t, np.sort(joined, axis=-1)), same

    def place(self, t: int, sequences: IntArray, buyer: int) -> IntArray:
        """Place in the arrays ``(count, S_t)`` of a buyer, given everybody's sequences ``(n, ...)``; flat."""
        others = np.sort(np.delete(sequences, buyer, axis=0), axis=0)
        place: IntArray = self.rank(t, np.moveaxis(others, 0, -1)) * self.sequences[t] + sequences[buyer]
        return place

    def written(self, t: int, place: int) -> str:
        """A place in words."""
        others, own = divmod(place, self.sequences[t])
        reports = [self._reports(t, int(s)) for s in self.multisets[t][others]]
        if not t:
            return "at the start"
        return f"after own reports {self._reports(t, own)} and the others' {'; '.join(reports)}"

    def _reports(self, t: int, sequence: int) -> str:
        reports, words = list[str](), ModelWords(self.environment)
        for s in reversed(range(t)):
            sequence, report = divmod(sequence, self.environment.shape[s][0])
            reports.append(words.type(s, 0, report))
        return ", ".join(reversed(reports))


def _arrangements(multisets: IntArray) -> FloatArray:
    """Product of the factorials of how often each entry of a sorted tuple occurs."""
    total, run = np.ones(len(multisets)), np.ones(len(multisets))
    for position in range(1, multisets.shape[1]):
        run = np.where(multisets[:, position] == multisets[:, position - 1], run + 1.0, 1.0)
        total *= run
    return total
