"""The program of the best guarantee once more, by loops, for the checker of certificates.

Columns: the guarantee; then, scenario by scenario, lifetime utility S by length of history, welfare to come W by
length, and the allocation at each node of the tree of scenarios that no earlier scenario passes. Rows, scenario by
scenario: S(h) = E S(h,.), DIC, W(h) = E [v x(h,.) + W(h,.)], and (W - S at the start) / optimum >= guarantee.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from mechopt.environment.scenarios import Scenarios
from mechopt.mechanism.constraints import DIC, EPIR
from mechopt.proof.certificate import CertificateError
from mechopt.proof.independent import Model, rebuild
from mechopt.proof.rows import Entries, Number, Row, Side


class GuaranteeModel:
    """A program over scenarios rebuilt; ``optima``: revenue of a clairvoyant seller by scenario."""

    def __init__(self, scenarios: Scenarios, optima: Sequence[Fraction]) -> None:
        self.names, self.optima = scenarios.names, optima
        weights = Fraction(1), Fraction(0), Fraction(0)
        self.parts: list[Model] = []
        for environment in scenarios.environments:
            if environment.exact is None:
                raise CertificateError("fingerprint: a scenario has no exact numbers, so nothing can be proved")
            self.parts.append(rebuild(environment, "utility", (DIC(),), (EPIR(),), weights))
        self.columns = 1
        self.labels = [(0, "the guarantee")]
        self.lower: list[Side] = [0]
        self.upper: list[Side] = [1]
        self.places: list[list[int]] = []  # by scenario: column of each of its own program's columns
        self.worth: list[list[int]] = []  # by scenario and period: first column of W
        sold: dict[tuple[int, int], int] = {}
        for s, part in enumerate(self.parts):
            place: list[int] = []
            for t in range(part.periods + 1):
                place += self._block(f"scenario {self.names[s]!r}, lifetime utility {t}", part.count[t], None)
            self.worth.append([])
            for t in range(part.periods):
                self.worth[s].append(self.columns)
                self._block(f"scenario {self.names[s]!r}, welfare to come {t}", part.count[t], None)
            for t in range(part.periods):
                node = (scenarios.paths[s][t + 1], t)
                if node not in sold:
                    sold[node] = self.columns
                    self._block(f"scenario {self.names[s]!r}, allocation {t}", part.count[t + 1], 1)
                place += range(sold[node], sold[node] + part.count[t + 1])
            self.places.append(place)
        self.cost: list[Number] = [0] * self.columns
        self.cost[0] = 1
        self.offset = Fraction(0)
        self.row_count = sum(1 for _ in self.rows())

    def _block(self, label: str, size: int, upper: Side) -> range:
        first = self.columns
        self.labels.append((first, label))
        self.columns += size
        self.lower += [0] * size
        self.upper += [upper] * size
        return range(first, first + size)

    def words(self, column: int) -> str:
        """Say which column it is."""
        first, label = next(entry for entry in reversed(self.labels) if column >= entry[0])
        return f"column {column}: {label}, number {column - first}"

    def rows(self) -> Iterator[Row]:
        """All rows in order."""
        for s, (name, part, place) in enumerate(zip(self.names, self.parts, self.places, strict=True)):
            for row in part.rows():
                entries: Entries = [(place[j], coefficient) for j, coefficient in row.entries]
                yield Row(f"{row.name} of scenario {name!r}", row.place, entries, row.lower, row.upper)
            for t in range(part.periods):
                yield from self._worth(s, t)
            laws = zip(part.law, part.present[0], strict=True)
            if any(p * value > 0 for law, values in laws for p, value in zip(law, values, strict=True)):
                yield self._guarantee(s)

    def _worth(self, s: int, t: int) -> Iterator[Row]:
        part, place = self.parts[s], self.places[s]
        width, first = len(part.law[t]), part.allocation(t, 0)
        for h in range(part.count[t]):
            entries: Entries = [(self.worth[s][t] + h, -1)]
            for m, (p, value) in enumerate(zip(part.law[t], part.present[0][t], strict=True)):
                entries.append((place[first + h * width + m], p * value))
                if t + 1 < part.periods:
                    entries.append((self.worth[s][t + 1] + h * width + m, p))
            yield Row(f"welfare to come of scenario {self.names[s]!r}", (t, 0, h), entries, 0, 0)

    def _guarantee(self, s: int) -> Row:
        if self.optima[s] <= 0:
            raise CertificateError(f"optima: that of scenario {self.names[s]!r} is not above 0")
        over = 1 / self.optima[s]
        entries: Entries = [(self.worth[s][0], over), (self.places[s][0], -over), (0, -1)]
        return Row(f"guarantee of scenario {self.names[s]!r}", (0, None, 0), entries, 0, None)
