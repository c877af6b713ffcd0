"""One period in exact numbers: the vertex and the prices that a basis of the stage program determines.

Notation of `mechopt.solve.promised.lottery`: a lottery z over prices, promises ``v_k = v_1 + (A z)_k``, welfare R z. A
basis names as many basic prices as promises that lie on breakpoints. Then

- the vertex solves sum z = 1 and v_1 + A_k z = W_k for the promises on breakpoints W_k;
- the multipliers lambda_k of the other promises are the slopes of their pieces, and those of the promises on
  breakpoints, with M, solve sum_k f_k lambda_k = lambda and R_j + sum_k f_k (lambda_k - lambda) A_kj = M for the basic
  prices j.

Both systems have one matrix, which is inverted once for each pair of sets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from mechopt.core.errors import MechoptError
from mechopt.environment.independent import IndependentTypes

ZERO, ONE = Fraction(0), Fraction(1)
Inverse = list[list[Fraction]]


class SingularError(MechoptError):
    """Sets of prices and promises that are no basis."""


@dataclass(frozen=True, eq=False)
class ExactStage:
    """A period's types that matter, in exact numbers; the twin of `mechopt.solve.promised.recursion.period`.

    Attributes
    ----------
    classes : tuple of int
        For every type of the environment its class here, a type above cost or all those below it; -1 where it has
        neither probability nor a class.
    sellers : tuple of int
        For every price the lowest type of the environment that buys at it; -1: nobody does.
    chance, welfare : tuples of Fraction
        Of the classes; and of the prices, present value.
    surplus : tuple over classes of tuples over prices of Fraction
        Present value.
    steepest : Fraction
        What the period adds to the slope at 0.
    """

    classes: tuple[int, ...]
    sellers: tuple[int, ...]
    chance: tuple[Fraction, ...]
    welfare: tuple[Fraction, ...]
    surplus: tuple[tuple[Fraction, ...], ...]
    steepest: Fraction
    _inverses: dict[tuple[tuple[int, ...], tuple[int, ...]], Inverse] = field(default_factory=dict)

    def vertex(
        self, prices: Sequence[int], fixed: Sequence[int], promises: Sequence[Fraction]
    ) -> tuple[Fraction, list[Fraction]]:
        """Lowest promise and probabilities of the basic prices, given the promises of the fixed classes."""
        inverse = self._inverse(tuple(prices), tuple(fixed))
        solution = [_dot(row, [ONE, *promises]) for row in inverse]
        return solution[0], solution[1:]

    def multipliers(
        self, slope: Fraction, prices: Sequence[int], fixed: Sequence[int], slopes: dict[int, Fraction]
    ) -> list[Fraction]:
        """Multipliers of all classes, given those of the classes that are not fixed."""
        tilt = {k: self.chance[k] * (m - slope) for k, m in slopes.items()}
        right = [-sum(tilt.values(), ZERO)]
        right += [-self.welfare[j] - sum((y * self.surplus[k][j] for k, y in tilt.items()), ZERO) for j in prices]
        inverse = self._inverse(tuple(prices), tuple(fixed))
        found = dict(slopes)
        for number, k in enumerate(fixed):
            found[k] = slope + _dot([row[number + 1] for row in inverse], right) / self.chance[k]
        return [found[k] for k in range(len(self.chance))]

    def tilted(self, slope: Fraction, multipliers: Sequence[Fraction], prices: Sequence[int] | None = None) -> Fraction:
        """Largest R_j + sum_k f_k (lambda_k - lambda) A_kj over all prices, or some."""
        tilt = [f * (m - slope) for f, m in zip(self.chance, multipliers, strict=True)]
        return max(
            self.welfare[j] + sum((y * row[j] for y, row in zip(tilt, self.surplus, strict=True) if row[j]), ZERO)
            for j in (range(len(self.welfare)) if prices is None else prices)
        )

    def promises(self, lowest: Fraction, lottery: dict[int, Fraction]) -> list[Fraction]:
        """Next promises of all classes."""
        return [lowest + sum((z * row[j] for j, z in lottery.items()), ZERO) for row in self.surplus]

    def _inverse(self, prices: tuple[int, ...], fixed: tuple[int, ...]) -> Inverse:
        """Of [[0, 1 ... 1], [1, A_kj]], rows the fixed classes, columns the basic prices."""
        known = self._inverses.get((prices, fixed))
        if known is None:
            matrix = [[ZERO, *[ONE] * len(prices)]] + [[ONE, *(self.surplus[k][j] for j in prices)] for k in fixed]
            known = self._inverses[prices, fixed] = _inverted(matrix)
        return known


def exact_stage(environment: IndependentTypes, t: int, weight: Fraction) -> ExactStage:
    """The period as a lottery over prices; ``weight`` is the discount factor of its money."""
    exact = environment.exact
    if exact is None:
        raise MechoptError("the environment has no exact numbers")
    margin = [value - exact.cost[t] for value in exact.values[0][t]]
    distribution = exact.probabilities[0][t]
    priced = [k for k, (m, p) in enumerate(zip(margin, distribution, strict=True)) if m > 0 and p > 0]
    if not priced:
        return ExactStage(tuple(-1 if p == 0 else 0 for p in distribution), (-1,), (ONE,), (ZERO,), ((ZERO,),), ZERO)
    below = sum((p for m, p in zip(margin, distribution, strict=True) if m <= 0), ZERO)
    first = 1 if below > 0 else 0
    place = {k: first + number for number, k in enumerate(priced)}
    lowest = 0 if below > 0 else -1
    classes = tuple(place.get(k, lowest if m <= 0 else -1) for k, m in enumerate(margin))
    y = [ZERO] * first + [margin[k] for k in priced]
    f = [below] * first + [distribution[k] for k in priced]
    surplus = tuple(tuple(weight * max(value - margin[j], ZERO) for j in priced) for value in y)
    welfare = tuple(weight * sum((p * v for p, v in zip(f, y, strict=True) if v >= margin[j]), ZERO) for j in priced)
    given = [sum((p * row[j] for p, row in zip(f, surplus, strict=True)), ZERO) for j in range(len(priced))]
    steepest = max(
        ((worth - welfare[-1]) / gift for worth, gift in zip(welfare, given, strict=True) if gift), default=ZERO
    )
    return ExactStage(classes, tuple(priced), tuple(f), welfare, surplus, steepest)


def _dot(left: Sequence[Fraction], right: Sequence[Fraction]) -> Fraction:
    return sum((a * b for a, b in zip(left, right, strict=True) if a and b), ZERO)


def _inverted(matrix: Inverse) -> Inverse:
    size = len(matrix)
    if any(len(row) != size for row in matrix):
        raise SingularError("as many prices as promises on breakpoints are wanted")
    work = [list(row) + [ONE if i == j else ZERO for j in range(size)] for i, row in enumerate(matrix)]
    for column in range(size):
        pivot = next((i for i in range(column, size) if work[i][column]), None)
        if pivot is None:
            raise SingularError("these prices and promises are no basis")
        work[column], work[pivot] = work[pivot], work[column]
        scale = work[column][column]
        work[column] = [entry / scale for entry in work[column]]
        for i in range(size):
            factor = work[i][column]
            if i != column and factor:
                work[i] = [a - factor * b for a, b in zip(work[i], work[column], strict=True)]
    return [row[size:] for row in work]
