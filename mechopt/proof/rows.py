"""What the checker's rows are made of."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

Number = Fraction | int
Side = Number | None
Weights = tuple[Fraction, Fraction, Fraction]
Entries = list[tuple[int, Number]]


@dataclass(frozen=True)
class Row:
    """lower <= sum of coefficient * column <= upper; None for no side."""

    name: str
    place: tuple[object, ...]
    entries: Entries
    lower: Side
    upper: Side

    def words(self) -> str:
        """Say which row it is."""
        period, buyer, history, *rest = self.place
        agent = "" if buyer is None else f", agent {buyer}"
        return f"row {self.name}{agent}, period {period}, history number {history}{f', {rest}' if rest else ''}"


def whole(number: Number) -> Number:
    """An integer as int: its products are faster."""
    return number.numerator if number.denominator == 1 else number
