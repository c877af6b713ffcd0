"""What the checker's rows are made of."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from mechopt.environment.reading.independent import ExactIndependent

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


def at_least(entries: Entries, amount: Number) -> tuple[Entries, int]:
    """A row that is at least an amount, divided by it where it is not 0; with its lower side."""
    if amount == 0:
        return entries, 0
    over = 1 / abs(Fraction(amount) if isinstance(amount, int) else amount)
    return [(column, whole(number * over)) for column, number in entries], 1 if amount > 0 else -1


def whole(number: Number) -> Number:
    """An integer as int: its products are faster."""
    return number.numerator if number.denominator == 1 else number


class Terms:
    """What the rows of independent types need of outside options, the seller's payoff and discounts."""

    exact: ExactIndependent
    types: list[list[int]]
    discount: Fraction
    own_discount: tuple[Fraction, ...]
    fees: list[Fraction]

    def net_fees(self, t: int, i: int) -> list[Fraction]:
        """Present value of the cost of a sale less what it is worth to the seller, by type."""
        gains = self.exact.seller_values[i][t] if self.exact.seller_values else (Fraction(0),) * self.types[t][i]
        return [self.fees[t] - self.discount**t * gain for gain in gains]

    def options(self, t: int, i: int) -> list[Fraction]:
        """Present value of a buyer's outside option by type; of each type 0 where nobody has any."""
        if self.exact.outside is None:
            return [Fraction(0)] * self.types[t][i]
        return [self.own_discount[i] ** t * option for option in self.exact.outside[i][t]]

    def share(self, t: int, i: int) -> Fraction:
        """The seller's present value of a payment by the buyer's."""
        return self.discount**t / self.own_discount[i] ** t

    def receipts(self, length: int, last: int, i: int) -> Fraction:
        """Coefficient of R, after ``length`` periods, in minus the seller's value of what R gains up to ``last``."""
        if length == 0:
            return Fraction(0)
        return (self.share(length, i) if length <= last else Fraction(0)) - self.share(length - 1, i)

    def least(self, name: str, place: tuple[Any, ...], entries: Entries, amount: Fraction) -> Row:
        """A row that is at least an amount."""
        divided, side = at_least(entries, amount)
        return Row(name, place, divided, side, None)

    def first_option(self, t: int, i: int) -> Fraction:
        """The option at contracting in the first period, 0 later."""
        return Fraction(0) if t else self.options(0, i)[0]

    def expected_option(self, t: int, i: int) -> Fraction:
        """Expected outside option before the type is known."""
        chances = self.exact.probabilities[i][t]
        return sum((p * option for p, option in zip(chances, self.options(t, i), strict=True)), Fraction(0))
