r"""The rows of the program of identical buyers once more, by loops over multisets, for the checker of certificates.

Buyers with the same exact values and probabilities may be permuted, at all histories at once, without changing
constraints or objective. The average of a mechanism over all permutations satisfies what the mechanism satisfies and
is worth as much, since everything is linear; so nothing is lost by mechanisms that treat buyers alike, whose numbers
depend on a buyer's own reports and on the multiset of the others'. For these the rows here are all rows there are; a
point that satisfies them is a mechanism, and multipliers bound all mechanisms.

A sequence of t reports is a number in base K, the first report in front; a place of length t is (sorted tuple of the
others' sequences, own sequence). Tuples are numbered by :math:`\sum_p \binom{s_p + p}{p + 1}`, places with the own
sequence fastest. Columns, in order: lifetime utility by length 0, ..., T; allocation by length 1, ..., T. Rows, in
order, by period: promise and DIC by place (DIC by pair of neighbours, true type and report, the lower one first),
supply by multiset of all buyers, in the first period interim participation by type where it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations_with_replacement
from math import comb, factorial, prod
from typing import NamedTuple

from mechopt.environment.independent import IndependentTypes
from mechopt.mechanism.constraints import EPIR, Constraint, ExAnteIR, ExPostIC, Interim
from mechopt.proof.constraints import INDEPENDENT, expressible

Number = Fraction | int
Side = Number | None
Multiset = tuple[int, ...]
Children = dict[Multiset, list[tuple[Multiset, Fraction]]]


class OrbitRow(NamedTuple):
    """lower <= sum of coefficient * column <= upper; None for no side."""

    name: str
    period: int
    number: int
    entries: list[tuple[int, Number]]
    lower: Side
    upper: Side

    def words(self) -> str:
        """Say which row it is."""
        return f"row {self.name}, period {self.period}, number {self.number}, of identical buyers"


def unfit(environment: IndependentTypes, ic: tuple[Constraint, ...], ir: tuple[Constraint, ...]) -> str | None:
    """Why the program of identical buyers does not stand for these constraints; None where it does."""
    exact = environment.exact
    if exact is None:
        return "this environment has no exact numbers"
    if any(terms is not None for terms in (exact.seller_values, exact.slots, exact.outside, exact.discounts)):
        return "it has no seller_values, slots, outside options or discounts that differ"
    buyers = list(zip(exact.values, exact.probabilities, strict=True))
    if any(buyer != buyers[0] for buyer in buyers):
        return "the buyers are not identical"
    if ExPostIC() in INDEPENDENT.closure(ic):
        return "it is for DIC"
    return None if expressible("promise", 1, ic, ir) else "it is for DIC, without payments by period"


def orbit_entries(environment: IndependentTypes, ir: tuple[Constraint, ...]) -> int:
    """Columns and rows of the program of identical buyers, before anything is built."""
    buyers, sequences = environment.agents, [1]
    types = [row[0] for row in environment.shape]
    for count in types:
        sequences.append(sequences[-1] * count)
    sizes = [comb(buyers - 2 + count, buyers - 1) * count for count in sequences]
    rows = sum(size * (1 + 2 * (k - 1)) for size, k in zip(sizes, types, strict=False))
    rows += sum(comb(buyers - 1 + count, buyers) for count in sequences[1:])
    return 2 * sum(sizes) - sizes[0] + rows + (types[0] if Interim() in ir else 0)


@dataclass(eq=False)
class OrbitModel:
    """A program rebuilt: columns with cost and bounds, and rows on demand."""

    environment: IndependentTypes
    ic: tuple[Constraint, ...]
    ir: tuple[Constraint, ...]
    weights: tuple[Fraction, Fraction, Fraction]

    def __post_init__(self) -> None:
        """Number the columns, with cost and bounds."""
        exact = self.environment.exact
        assert exact is not None
        self.buyers, self.periods = len(exact.values), len(exact.values[0])
        self.distribution = exact.probabilities[0]
        self.values = [[exact.discount**t * v for v in exact.values[0][t]] for t in range(self.periods)]
        self.sequences = [1]
        for row in self.distribution:
            self.sequences.append(self.sequences[-1] * len(row))
        sizes = [comb(self.buyers - 2 + count, self.buyers - 1) * count for count in self.sequences]
        self.lifetime = [sum(sizes[:t]) for t in range(len(sizes))]
        self.sold = [sum(sizes) + sum(sizes[1:t]) for t in range(len(sizes))]
        self.columns = sum(sizes) + sum(sizes[1:])
        types = [len(row) for row in self.distribution]
        self.row_count = sum(size * (1 + 2 * (k - 1)) for size, k in zip(sizes, types, strict=False))
        self.row_count += sum(comb(self.buyers - 1 + count, self.buyers) for count in self.sequences[1:])
        rest = [constraint for constraint in self.ir if constraint != Interim()]
        self.interim = Interim() in self.ir and Interim() not in INDEPENDENT.closure(rest)
        self.row_count += types[0] if self.interim else 0
        self.offset = Fraction(0)
        self._bound()
        self._price([exact.discount**t * exact.cost[t] for t in range(self.periods)])

    def _bound(self) -> None:
        first = min(self.sold)
        self.lower: list[Side] = [None if column < first else 0 for column in range(self.columns)]
        self.upper: list[Side] = [None if column < first else 1 for column in range(self.columns)]
        implied = INDEPENDENT.closure(self.ir)
        if EPIR() in implied:
            self.lower[:first] = [0] * first
        elif ExAnteIR() in implied:
            self.lower[0] = 0

    def _price(self, costs: list[Fraction]) -> None:
        """A column's probability is that of the own reports and of the multiset of the others'."""
        revenue, welfare, utility = self.weights
        self.cost: list[Number] = [0] * self.columns
        self.cost[0] = self.buyers * (utility - revenue)
        others: dict[Multiset, Fraction] = {(0,) * (self.buyers - 1): Fraction(1)}
        own = [Fraction(1)]
        for t, distribution in enumerate(self.distribution):
            own = [before * p for before in own for p in distribution]
            later = dict[Multiset, Fraction]()
            for parent, children in self._children(t).items():
                for child, weight in children:
                    later[child] = others[parent] * weight
            others = later
            for child, reach in others.items():
                for s, p in enumerate(own):
                    gain = (revenue + welfare) * (self.values[t][s % len(distribution)] - costs[t])
                    self.cost[self.sold[t + 1] + self._place(t + 1, child, s)] = self.buyers * reach * p * gain

    def _children(self, t: int) -> Children:
        """Multisets of the others of length t + 1 and their probability, by the one of length t that they continue."""
        distribution, children = self.distribution[t], Children()
        for multiset in combinations_with_replacement(range(self.sequences[t + 1]), self.buyers - 1):
            parent = tuple(s // len(distribution) for s in multiset)
            ways = Fraction(_orders(parent), _orders(multiset))
            weight = ways * prod((distribution[s % len(distribution)] for s in multiset), start=Fraction(1))
            children.setdefault(parent, []).append((multiset, weight))
        return children

    def _place(self, t: int, others: Multiset, own: int) -> int:
        return _rank(others) * self.sequences[t] + own

    def words(self, column: int) -> str:
        """Say which column it is."""
        return f"column {column} of identical buyers"

    def rows(self) -> Iterator[OrbitRow]:
        """All rows in order."""
        for t in range(self.periods):
            children = self._children(t)
            places = [(o, s) for o in sorted(children, key=_rank) for s in range(self.sequences[t])]
            for number, (o, s) in enumerate(places):
                yield self._promise(t, number, children[o], s)
            types = range(len(self.distribution[t]) - 1)
            pairs = [pair for a in types for pair in ((a, a + 1), (a + 1, a))]
            for number, (o, s) in enumerate(places):
                for offset, pair in enumerate(pairs):
                    yield self._dic(t, number * len(pairs) + offset, children[o], s, *pair)
            yield from self._supply(t)
            if t == 0 and self.interim:
                yield from self._interim_rows(children)

    def _promise(self, t: int, number: int, children: list[tuple[Multiset, Fraction]], s: int) -> OrbitRow:
        size, at = len(self.distribution[t]), self.lifetime[t + 1]
        entries: list[tuple[int, Number]] = [(self.lifetime[t] + number, 1)]
        for o, weight in children:
            entries += [
                (at + self._place(t + 1, o, s * size + k), -weight * p) for k, p in enumerate(self.distribution[t]) if p
            ]
        return OrbitRow("promise", t, number, entries, 0, 0)

    def _dic(
        self, t: int, number: int, children: list[tuple[Multiset, Fraction]], s: int, true: int, report: int
    ) -> OrbitRow:
        """Divided by the difference of the values."""
        gain, size = self.values[t][true] - self.values[t][report], len(self.distribution[t])
        entries = list[tuple[int, Number]]()
        for o, weight in children:
            told, claimed = (self._place(t + 1, o, s * size + k) for k in (true, report))
            entries.append((self.lifetime[t + 1] + told, weight / abs(gain)))
            entries.append((self.lifetime[t + 1] + claimed, -weight / abs(gain)))
            entries.append((self.sold[t + 1] + claimed, -weight if gain > 0 else weight))
        return OrbitRow("dic", t, number, entries, 0, None)

    def _supply(self, t: int) -> Iterator[OrbitRow]:
        everybody = combinations_with_replacement(range(self.sequences[t + 1]), self.buyers)
        for number, multiset in enumerate(sorted(everybody, key=_rank)):
            entries = list[tuple[int, Number]]()
            for s in sorted(set(multiset)):
                rest = list(multiset)
                rest.remove(s)
                entries.append((self.sold[t + 1] + self._place(t + 1, tuple(rest), s), multiset.count(s)))
            yield OrbitRow("supply", t, number, entries, None, 1)

    def _interim_rows(self, children: Children) -> Iterator[OrbitRow]:
        (row,) = children.values()
        for k in range(len(self.distribution[0])):
            entries: list[tuple[int, Number]] = [(self.lifetime[1] + self._place(1, o, k), w) for o, w in row]
            yield OrbitRow("interim", 0, k, entries, 0, None)


def _orders(multiset: Multiset) -> int:
    """Product of the factorials of how often each entry occurs."""
    return prod(factorial(multiset.count(s)) for s in set(multiset))


def _rank(multiset: Multiset) -> int:
    return sum(comb(s + p, p + 1) for p, s in enumerate(multiset))
