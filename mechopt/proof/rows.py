"""Material of the checker's rows: the columns of independent types, and what they are worth."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

from mechopt.environment.reading.independent import ExactIndependent
from mechopt.mechanism.constraints import Constraint
from mechopt.mechanism.payments import PaymentConstraint

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


def at_least(entries: Entries, amount: Fraction) -> tuple[Entries, int]:
    """A row that is at least an amount, divided by it where it is not 0; with its lower side."""
    if amount == 0:
        return entries, 0
    over = 1 / abs(amount)
    return [(column, whole(number * over)) for column, number in entries], 1 if amount > 0 else -1


def whole(number: Number) -> Number:
    """An integer as int: its products are faster."""
    return number.numerator if number.denominator == 1 else number


class Terms:
    """Outside options, seller's payoff and discounts as the rows of independent types need them."""

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


@dataclass(eq=False)
class Columns(Terms):
    """The columns of a program of independent types, with cost and bounds."""

    exact: ExactIndependent
    form: str
    ic: tuple[Constraint, ...]
    ir: tuple[Constraint, ...]
    subject_to: tuple[PaymentConstraint, ...] = ()
    row_count: int = field(init=False)

    def __post_init__(self) -> None:
        """Number the columns; cost and bounds are filled in by `rebuild`."""
        values, probabilities, cost, discount = self.exact[:4]
        self.discount = discount
        self.own_discount = self.exact.discounts or (discount,) * len(values)
        self.fees = [discount**t * fee for t, fee in enumerate(cost)]
        self.buyers, self.periods = len(values), len(values[0])
        self.types = [[len(values[i][t]) for i in range(self.buyers)] for t in range(self.periods)]
        self.profiles = [list(product(*(range(count) for count in row))) for row in self.types]
        self.distribution = [
            [whole(prod(probabilities[i][t][k] for i, k in enumerate(profile))) for profile in self.profiles[t]]
            for t in range(self.periods)
        ]
        self.present = [
            [[self.own_discount[i] ** t * value for value in values[i][t]] for t in range(self.periods)]
            for i in range(self.buyers)
        ]
        self.count = [1]
        for row in self.types:
            self.count.append(self.count[-1] * prod(row))
        self.blocks: list[tuple[str, int, int, int]] = []  # kind, length, first column, columns a buyer
        self.columns = 0
        self._block("lifetime utility", list(self.count))
        if self.form != "promise":
            self._block("allocation", self.count[1:])
        if self.form == "payment":
            self._block("realised utility", self.count[:-1])
        self.first = {(kind, length): (first, width) for kind, length, first, width in self.blocks}
        self.cost: list[Number] = [0] * self.columns
        self.lower: list[Side] = [None] * self.columns
        self.upper: list[Side] = [None] * self.columns
        self.offset = Fraction(0)

    def _block(self, kind: str, widths: list[int]) -> None:
        for length, width in enumerate(widths):
            self.blocks.append((kind, length, self.columns, width))
            self.columns += self.buyers * width

    def utility(self, kind: str, length: int, i: int) -> int:
        """First column of a buyer's utility over the histories of a length: S, or R where ``kind`` says so."""
        kind = "lifetime utility" if length == self.periods else kind
        first, width = self.first[kind, length]
        return first + i * width

    def allocation(self, t: int, i: int) -> int:
        """First column of a buyer's allocation over the histories of length t + 1."""
        first, width = self.first["allocation", t]
        return first + i * width

    def words(self, column: int) -> str:
        """Say which column it is."""
        kind, length, first, width = next(block for block in reversed(self.blocks) if column >= block[2])
        buyer, number = divmod(column - first, width)
        return f"column {column}: {kind} {length} of agent {buyer}, number {number}"


def fill_cost(model: Columns, weights: Weights) -> None:
    """Expected gains of sales, less S at the root where it is paid out of revenue."""
    revenue, welfare, utility = weights
    for i in range(model.buyers):
        if model.exact.discounts is None:
            model.cost[model.utility("lifetime utility", 0, i)] += utility - revenue
            continue
        model.cost[model.utility("lifetime utility", 0, i)] += utility
        chances: list[Number] = [1]
        for length in range(1, model.periods + 1):
            chances = [chance * p for chance in chances for p in model.distribution[length - 1]]
            share = revenue * model.receipts(length, model.periods - 1, i)
            for node, chance in enumerate(chances):
                model.cost[model.utility("realised utility", length, i) + node] += share * chance
    reach: list[Number] = [1]
    for t in range(model.periods):
        gain = [
            [
                revenue * (model.share(t, i) * value - fee) + welfare * (value - fee)
                for value, fee in zip(model.present[i][t], model.net_fees(t, i), strict=True)
            ]
            for i in range(model.buyers)
        ]
        if model.form == "promise":
            _promise_cost(model, t, gain[0], reach)
        for i in range(model.buyers if model.form != "promise" else 0):
            first = model.allocation(t, i)
            worth = [
                p * gain[i][profile[i]] for p, profile in zip(model.distribution[t], model.profiles[t], strict=True)
            ]
            for h, chance in enumerate(reach):
                for m, number in enumerate(worth):
                    model.cost[first + h * len(worth) + m] = chance * number
        reach = [chance * p for chance in reach for p in model.distribution[t]]


def _promise_cost(model: Columns, t: int, gain: list[Fraction], reach: list[Number]) -> None:
    """A sale that adds goes up to the slope above its type (1 at the top), another down to that below."""
    values, first = model.present[0][t], model.utility("lifetime utility", t + 1, 0)
    for k, (p, extra) in enumerate(zip(model.distribution[t], gain, strict=True)):
        below = k if extra >= 0 else k - 1
        if below == len(values) - 1:
            model.offset += p * extra
        elif below >= 0:
            slope = p * extra / (values[below + 1] - values[below])
            for h, chance in enumerate(reach):
                at = first + h * len(values) + below
                model.cost[at + 1] += chance * slope
                model.cost[at] -= chance * slope
