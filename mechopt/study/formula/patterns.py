"""Patterns in functions that depend on a horizon T: few simple sequences with rational coefficients, fitted exactly.

A pattern is a combination of the sequences 1, T and powers p^T, (1-p)^T, (2p-1)^T whose coefficients are rational
functions of the parameter p. The first horizons fix the coefficients; the others, at least two, must agree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations
from typing import Any

from mechopt.core.functions import RationalFunction, exact_quotient, interpolated
from mechopt.core.polynomials import Polynomial, common_divisor, times

P = RationalFunction.parameter()
SEQUENCES: dict[str, Callable[[int], RationalFunction]] = {
    "": lambda _: RationalFunction((1,)),
    "T": lambda horizon: RationalFunction((horizon,)),
    "(1 - {p})^T": lambda horizon: (1 - P) ** horizon,
    "{p}^T": lambda horizon: P**horizon,
    "(2 {p} - 1)^T": lambda horizon: (2 * P - 1) ** horizon,
    "T {p}^T": lambda horizon: horizon * P**horizon,
    "T (1 - {p})^T": lambda horizon: horizon * (1 - P) ** horizon,
}
"""What patterns are made of, simplest first."""
MOST_TERMS = 3
LEFT_OUT = 2

Part = tuple[tuple[Any, ...], tuple[Any, ...]]
"""Numerator and denominator, coefficients from the constant up: numbers, or functions of a second parameter."""


@dataclass(frozen=True)
class Pattern:
    """A combination of sequences, or a rational function of T.

    Attributes
    ----------
    sequences : tuple of str
        Keys of `SEQUENCES`; empty for a rational function of T, which is then the only part.
    parts : tuple of (numerator, denominator)
        Coefficient of each sequence.
    fitted, tested : tuples of int
        Horizons that fixed the coefficients, and those that agreed.
    """

    sequences: tuple[str, ...]
    parts: tuple[Part, ...]
    fitted: tuple[int, ...]
    tested: tuple[int, ...]

    @property
    def shape(self) -> tuple[Any, ...]:
        """Common form of two patterns that differ in numbers only."""
        return self.sequences, tuple((len(n), len(d)) for n, d in self.parts)

    def at(self, horizon: int) -> RationalFunction:
        """The function of the parameter at a horizon."""
        total = RationalFunction(())
        for sequence, part in zip(self.sequences, self.parts, strict=True):
            total = total + _function(part) * SEQUENCES[sequence](horizon)
        return total

    def text(self, name: str, second: str = "") -> str:
        """The pattern as one reads it; ``second`` names the parameter that coefficients may depend on."""
        if not self.sequences:
            return _part_text(self.parts[0], "T", second)
        text = ""
        for sequence, part in zip(self.sequences, self.parts, strict=True):
            factor, shown = _part_text(part, name, second), sequence.format(p=name)
            if shown:
                factor = f"({factor})" if " + " in factor or " - " in factor or "/" in factor else factor
                factor = {"1": "", "-1": "-"}.get(factor, f"{factor} ")
            term = f"{factor}{shown}"
            joint = " - " if term.startswith("-") else " + "
            text = f"{text}{joint}{term.removeprefix('-')}" if text else term
        return text


def _function(part: Part) -> RationalFunction:
    total = [RationalFunction(()), RationalFunction(())]
    for k, coefficients in enumerate(part):
        for exponent, number in enumerate(coefficients):
            total[k] = total[k] + number * P**exponent
    return total[0] / total[1]


def _as_part(function: RationalFunction) -> Part:
    """Coefficients with the denominator's leading one being 1."""
    lead = function.denominator[-1]
    return tuple(Fraction(x, lead) for x in function.numerator), tuple(Fraction(x, lead) for x in function.denominator)


def _part_text(part: Part, name: str, second: str) -> str:
    constant = [all(RationalFunction.of(x).constant is not None for x in coefficients) for coefficients in part]
    if all(constant):
        return _function(part).text(name)
    above, below = (_sum_text(coefficients, name, second) for coefficients in part)
    if below == "1":
        return above
    above = f"({above})" if " " in above else above
    return f"{above}/({below})" if " " in below else f"{above}/{below}"


def _sum_text(coefficients: Sequence[Any], name: str, second: str) -> str:
    text = ""
    for exponent, number in list(enumerate(coefficients))[::-1]:
        function = RationalFunction.of(number)
        if not function:
            continue
        factor, raised = function.text(second), f"{name}^{exponent}" if exponent > 1 else name * exponent
        if raised:
            factor = f"({factor})" if " + " in factor or " - " in factor else factor
            factor = {"1": "", "-1": "-"}.get(factor, f"{factor} ")
        term = f"{factor}{raised}"
        joint = " - " if term.startswith("-") else " + "
        text = f"{text}{joint}{term.removeprefix('-')}" if text else term
    return text or "0"


def fit(values: Mapping[int, RationalFunction]) -> Pattern | None:
    """The simplest combination of sequences that fits, from the first horizon on or without it."""
    listed = sorted(values)
    for first in range(min(2, len(listed))):
        kept = listed[first:]
        for count in range(1, min(MOST_TERMS, len(kept) - LEFT_OUT) + 1):
            for chosen in combinations(SEQUENCES, count):
                coefficients = _fitted({h: values[h] for h in kept}, chosen)
                if coefficients is not None:
                    parts = tuple(map(_as_part, coefficients))
                    return Pattern(chosen, parts, tuple(kept[:count]), tuple(kept[count:]))
    return None


def _fitted(values: Mapping[int, RationalFunction], chosen: Sequence[str]) -> list[RationalFunction] | None:
    """Coefficients fixed by the first horizons, if the others agree and none of them is zero."""
    listed, count = sorted(values), len(chosen)
    rows = [[SEQUENCES[c](h) for c in chosen] + [values[h]] for h in listed[:count]]
    solved = _solved(rows)
    if solved is None or not all(solved):
        return None
    for horizon in listed[count:]:
        total = RationalFunction(())
        for coefficient, sequence in zip(solved, chosen, strict=True):
            total = total + coefficient * SEQUENCES[sequence](horizon)
        if total != values[horizon]:
            return None
    return solved


def _solved(rows: list[list[RationalFunction]]) -> list[RationalFunction] | None:
    """Gauss and Jordan over the rational functions; None where the matrix is singular."""
    size = len(rows)
    for k in range(size):
        pivot = next((r for r in range(k, size) if rows[r][k]), None)
        if pivot is None:
            return None
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [entry / rows[k][k] for entry in rows[k]]
        for r in range(size):
            if r != k and rows[r][k]:
                factor = rows[r][k]
                rows[r] = [a - factor * b for a, b in zip(rows[r], rows[k], strict=True)]
    return [row[-1] for row in rows]


def fit_numbers(numbers: Mapping[int, Fraction]) -> Pattern | None:
    """A rational function of T through numbers, from the first horizon on or from a later one."""
    listed = sorted(numbers)
    for first in range(max(len(listed) - LEFT_OUT, 0)):
        kept = listed[first:]
        function = interpolated([Fraction(h) for h in kept], [numbers[h] for h in kept])
        if function is not None:
            used = max(len(function.numerator) + len(function.denominator) - 1, 1)
            return Pattern((), (_as_part(function),), tuple(kept[:used]), tuple(kept[used:]))
    return None


def difference(first: Pattern, second: Pattern) -> Pattern | None:
    """Polynomial, 0 where two patterns are equal, no common factors; None where they are one pattern."""
    coefficients: dict[str, RationalFunction] = {}
    for pattern, sign in ((first, 1), (second, -1)):
        for sequence, part in zip(pattern.sequences, pattern.parts, strict=True):
            coefficients[sequence] = coefficients.get(sequence, RationalFunction(())) + sign * _function(part)
    kept = {sequence: coefficients[sequence] for sequence in SEQUENCES if coefficients.get(sequence)}
    if not kept:
        return None
    fitted = tuple(sorted({*first.fitted, *second.fitted}))
    tested = tuple(h for h in sorted({*first.tested} & {*second.tested}) if h not in fitted)
    return scaled(Pattern(tuple(kept), tuple(map(_as_part, kept.values())), fitted, tested))


def scaled(pattern: Pattern) -> Pattern:
    """A pattern whose zeros matter alone: coefficients are polynomials without a common factor, the last one monic."""
    functions = [_function(part) for part in pattern.parts]
    common: Polynomial = (1,)
    for function in functions:
        known = common_divisor(common, function.denominator)
        common = times(common, exact_quotient(function.denominator, known))
    polynomials = [(function * RationalFunction(common)).numerator for function in functions]
    rests = [(function * RationalFunction(common)).denominator[0] for function in functions]
    shared: Polynomial = polynomials[0] if len(polynomials) > 1 else (1,)
    for polynomial in polynomials[1:]:
        shared = common_divisor(shared, polynomial)
    monic = [
        RationalFunction(exact_quotient(polynomial, shared) if len(shared) > 1 else polynomial, (rest,))
        for polynomial, rest in zip(polynomials, rests, strict=True)
    ]
    lead = Fraction(monic[-1].numerator[-1], monic[-1].denominator[0])
    return replace(pattern, parts=tuple(_as_part(function / lead) for function in monic))


def across(patterns: Mapping[Fraction, Pattern]) -> Pattern | None:
    """One pattern whose numbers are functions of a second parameter, from patterns at several values of it."""
    points = sorted(patterns)
    if len({pattern.shape for pattern in patterns.values()}) != 1:
        return None
    first = patterns[points[0]]
    parts = []
    for k in range(len(first.parts)):
        sides = []
        for side in (0, 1):
            rows = zip(*(patterns[point].parts[k][side] for point in points), strict=True)
            functions = [interpolated(points, row) for row in rows]
            if any(function is None for function in functions):
                return None
            sides.append(tuple(functions))
        parts.append((sides[0], sides[1]))
    tested = set.intersection(*(set(pattern.tested) for pattern in patterns.values()))
    return Pattern(first.sequences, tuple(parts), first.fitted, tuple(sorted(tested)))
