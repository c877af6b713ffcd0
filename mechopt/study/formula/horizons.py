"""Formulas of one model for several horizons, lined up, and patterns in them: conjectures, each with what was checked.

The first and the last pieces of each horizon are followed through the horizons: their values, and the polynomials of
their ends. A pattern is a combination of few simple sequences in T (1, T, and powers p^T, (1-p)^T, (2p-1)^T) with
coefficients that are rational functions of the parameter. The coefficients are fixed by the first horizons, exactly;
the other horizons must agree, at least two of them. Nothing here is a proof for horizons that were not computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import Any

from mechopt.core.algebraic import AlgebraicNumber
from mechopt.core.errors import InputError, require_type
from mechopt.core.functions import RationalFunction
from mechopt.core.numbers import parse_exact
from mechopt.core.polynomials import Polynomial, negative, remainder
from mechopt.mechanism.payments import Payments
from mechopt.modelfile.loading import At, point_of
from mechopt.modelfile.parametric import parse_parametric, text_and_name
from mechopt.study.formula.find import formula
from mechopt.study.formula.formula import Formula
from mechopt.study.formula.patterns import LEFT_OUT, Pattern, across, difference, fit, fit_numbers, scaled

FOLLOWED = 3
"""How many pieces are followed from either side."""


@dataclass(frozen=True)
class Conjecture:
    """A pattern that fits all horizons from some one on.

    Attributes
    ----------
    about : str
        Such as ``"value of piece 1 from below"`` or ``"upper end of piece 1 from below"``.
    statement : str
        The pattern: the value, the end, or what vanishes at the end.
    pattern : Pattern
    second : str
        Values of a second parameter that were looked at, for a pattern across them.
    """

    about: str
    statement: str
    pattern: Pattern
    second: str = ""

    def __str__(self) -> str:
        used, held = (", ".join(map(str, part)) for part in (self.pattern.fitted, self.pattern.tested))
        return f"{self.about}: {self.statement} (from T = {used}; agrees at T = {held}{self.second}; conjecture beyond)"


@dataclass(frozen=True, eq=False)
class Horizons:
    """Formulas by horizon, and what they have in common.

    Attributes
    ----------
    formulas : dict from int to Formula
        By horizon.
    conjectures : tuple of Conjecture
    shared_ends : dict from AlgebraicNumber to tuple of int
        Ends inside the interval that several horizons have, with these.
    """

    formulas: Mapping[int, Formula]
    conjectures: tuple[Conjecture, ...]
    shared_ends: Mapping[AlgebraicNumber, tuple[int, ...]]


def parse_horizons(text: str) -> list[int]:
    """Read ``"1..6"`` or ``"2,3,5"``.

    Examples
    --------
    >>> parse_horizons("1..4")
    [1, 2, 3, 4]

    Raises
    ------
    InputError
        If the text is neither.
    """
    first, dots, last = text.partition("..")
    try:
        found = list(range(int(first), int(last) + 1)) if dots else [int(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or min(found) < 1 or sorted(set(found)) != found:
        raise InputError(f"--horizons {text!r}: write 1..6, or rising numbers such as 2,3,5")
    return found


def parse_across(text: str) -> tuple[str, list[Fraction]]:
    """Read ``"h=2,3,4,5"``.

    Examples
    --------
    >>> parse_across("h=2,5/2,3,4")
    ('h', [Fraction(2, 1), Fraction(5, 2), Fraction(3, 1), Fraction(4, 1)])

    Raises
    ------
    InputError
        If the text is something else.
    """
    name, _, listed = text.partition("=")
    try:
        values = [parse_exact(part) for part in listed.split(",")]
    except ValueError as error:
        raise InputError(f"--across {text!r}: {error}; write h=2,3,4,5") from None
    if len(set(values)) < 4:
        raise InputError(f"--across {text!r}: give at least four values, so that some are left to contradict")
    return name.strip(), values


def horizons(
    model: str | Path,
    over: Sequence[int],
    ic: Any = "file",
    ir: Any = "file",
    objective: Any = None,
    parameter: str | None = None,
    at: At = None,
    prove: bool = True,
    time_limit: float | None = None,
    on_formula: Callable[[int, Formula], None] | None = None,
    subject_to: Payments = "file",
) -> Horizons:
    """Find the formulas of a model for several horizons, and patterns in them.

    Parameters
    ----------
    model : path, name or text
        Its own horizon does not matter, but what is given by period must be alike in all.
    over : sequence of int
        Horizons, rising.
    ic, ir, objective, parameter, at, prove, time_limit
        As for `formula`; the time limit is for each horizon.
    on_formula : callable, optional
        Called with each formula as it is found.
    subject_to
        As for `formula`.

    Raises
    ------
    InputError
        If the model cannot be read at another horizon.
    """
    require_type(model, (str, PathLike), "horizons", "give a model file")
    text, name = text_and_name(model)
    found: dict[int, Formula] = {}
    for horizon in over:
        source = parse_parametric(text, f"{name}, horizon {horizon}", parameter, at, {"horizon": horizon})
        file = source.file
        found[horizon] = formula(
            source.model,
            file.ic if ic == "file" else ic,
            file.ir if ir == "file" else ir,
            file.objective if objective is None else objective,
            prove=prove,
            time_limit=time_limit,
            subject_to=source.subject_to if subject_to == "file" else subject_to,
        )
        if on_formula is not None:
            on_formula(horizon, found[horizon])
    complete = {horizon: one for horizon, one in found.items() if not one.uncovered}
    return Horizons(found, tuple(conjectures(complete)), shared_ends(complete))


def across_values(
    model: str | Path, over: Sequence[int], second: str, values: Sequence[Fraction], **asked: Any
) -> tuple[Conjecture, ...]:
    """Patterns across horizons and across values of a second parameter.

    Parameters
    ----------
    model : path, name or text
        With two parameters.
    over : sequence of int
        Horizons.
    second : str
        The parameter that takes the values; the formulas are in the other one.
    values : sequence of Fraction
        At least four, for coefficients that are linear in it; two values are left over to contradict.
    asked
        As for `horizons`.
    """
    fixed = point_of(asked.pop("at", None))
    found = {value: horizons(model, over, at={**fixed, second: value}, **asked) for value in values}
    listed = [{c.about: c for c in one.conjectures} for one in found.values()]
    name = next(iter(next(iter(found.values())).formulas.values())).parameter
    checked = f", {second} = {', '.join(map(str, values))}"
    results = []
    for about, first in listed[0].items():
        if not all(about in one for one in listed):
            continue
        pattern = across({value: one[about].pattern for value, one in zip(found, listed, strict=True)})
        if pattern is not None:
            head = first.statement.partition(" = ")[0]
            results.append(Conjecture(about, f"{head} = {pattern.text(name, second)}", pattern, checked))
    return tuple(results)


def shared_ends(formulas: Mapping[int, Formula]) -> dict[AlgebraicNumber, tuple[int, ...]]:
    """Ends inside that several horizons have."""
    seen: dict[AlgebraicNumber, list[int]] = {}
    for horizon, found in formulas.items():
        for piece in found.pieces[1:]:
            seen.setdefault(piece.start, []).append(horizon)
    return {end: tuple(listed) for end, listed in sorted(seen.items(), key=lambda item: item[0]) if len(listed) > 1}


def conjectures(formulas: Mapping[int, Formula]) -> Iterator[Conjecture]:
    """Patterns in the first and the last pieces."""
    name = next((one.parameter for one in formulas.values()), "p")
    for side, words in ((1, "from below"), (-1, "from above")):
        fitted: list[Pattern | None] = []
        for k in range(FOLLOWED + 1):
            position = k if side > 0 else -1 - k
            values = {h: one.pieces[position].function for h, one in formulas.items() if len(one.pieces) > k}
            fitted.append(fit(values))
        for k, pattern in enumerate(fitted[:FOLLOWED]):
            if pattern is not None:
                yield Conjecture(f"value of piece {k + 1} {words}", f"v = {pattern.text(name)}", pattern)
            inner = {h: one.pieces for h, one in formulas.items() if len(one.pieces) > k + 1}
            ends = {h: pieces[k].stop if side > 0 else pieces[-1 - k].start for h, pieces in inner.items()}
            found = end_pattern(ends, pattern, fitted[k + 1])
            if found is not None:
                left = name if not found.sequences else "0"
                which = f"{'upper' if side > 0 else 'lower'} end of piece {k + 1} {words}"
                yield Conjecture(which, f"{left} = {found.text(name)}", found)


def end_pattern(ends: Mapping[int, AlgebraicNumber], here: Pattern | None, beyond: Pattern | None) -> Pattern | None:
    """A pattern of ends: of their values where all are rational, else of what vanishes there.

    Two pieces meet where their values are equal: the difference of their patterns vanishes there, if it does so at
    every horizon. Else the polynomials of the ends themselves are fitted.
    """
    rational = {h: exact for h, end in ends.items() if (exact := end.exact) is not None}
    if len(rational) == len(ends):
        found = fit_numbers(rational)
        if found is not None:
            return found
    if here is not None and beyond is not None:
        pattern = difference(here, beyond)
        known = {*here.fitted, *here.tested} & {*beyond.fitted, *beyond.tested}
        if pattern is not None and len(known & set(ends)) > LEFT_OUT:
            held = [h for h in sorted(known & set(ends)) if not remainder(pattern.at(h).numerator, ends[h].polynomial)]
            if len(held) == len(known & set(ends)):
                tested = tuple(h for h in held if h not in pattern.fitted)
                if len(tested) >= LEFT_OUT:
                    return replace(pattern, tested=tested)
    for place in (0, -1):  # the sign of a polynomial is free: that of its constant or of its leading coefficient
        signed = {h: RationalFunction(_signed(end.polynomial, place)) for h, end in ends.items()}
        found = fit(signed)
        if found is None:
            continue
        shorter = scaled(found)
        kept = all(not remainder(shorter.at(h).numerator, ends[h].polynomial) for h in (*found.fitted, *found.tested))
        return shorter if kept else found
    return None


def _signed(polynomial: Polynomial, place: int) -> Polynomial:
    return polynomial if polynomial[place] > 0 else negative(polynomial)
