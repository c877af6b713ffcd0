"""Fractions that the numbers of a readable mechanism may be, most likely first; a proof has to follow.

1. Every number is the simplest fraction beside it, with a larger and larger denominator.
2. Floats tell denominators up to some 10^7 from others. Larger ones are mostly products of what is there already: so
   what is not simple is tried over the common denominator of the simple numbers and the optimum, times powers of the
   discount's numerator.
3. One payment that stays open is what the optimum leaves for it: the objective is affine in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from fractions import Fraction
from math import lcm
from typing import Any

import numpy as np

from mechopt.core.numbers import Array
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.sequence import SequenceMechanism

DENOMINATORS = 64, 3_000, 10**5, 10**6, 10**7
"""Largest denominators that are tried in turn."""
NEAR = 1e-9
"""Distance within which a fraction stands for a number, relative to the largest."""
SIMPLE, TIGHT = 10**5, 1e-13
"""Largest denominator of a simple number, and the relative distance within which it must lie."""
LARGEST = 10**13
"""Common denominator above which floats say nothing."""
WHOLE = 0.02
"""Distance from a whole number within which a numerator must lie."""

Table = dict[float, Fraction | None]
"""Numbers of a mechanism, and the fractions that they are taken for."""
Value = Callable[[Any], Fraction]
"""The objective of a mechanism in fractions."""


def guesses(mechanism: Mechanism | SequenceMechanism, optimum: Fraction, value: Value) -> Iterator[Any]:
    """Copies of a mechanism in fractions, one after another.

    Parameters
    ----------
    mechanism : Mechanism or SequenceMechanism
        In floats.
    optimum : Fraction
        What it earns.
    value : callable
        The objective of a copy.
    """
    parts = [*mechanism.allocation, *mechanism.payment]
    numbers = sorted({float(x) for part in parts for x in np.unique(part)})
    for denominator in DENOMINATORS:
        table: Table = {x: Fraction(x).limit_denominator(denominator) for x in numbers}
        near = NEAR * max(1.0, *map(abs, numbers))
        if all(abs(float(f) - x) <= near for x, f in table.items() if f is not None):
            yield _filled(mechanism, table)
    yield from _structured(mechanism, numbers, optimum, value)


def _structured(
    mechanism: Mechanism | SequenceMechanism, numbers: list[float], optimum: Fraction, value: Value
) -> Iterator[Any]:
    """What is not simple over common denominators; one that stays open by the optimum."""
    table: Table = {x: _simple(x) for x in numbers}
    opened = [x for x, f in table.items() if f is None]
    if not opened:
        return
    common = lcm(optimum.denominator, *(f.denominator for f in table.values() if f is not None))
    exact = mechanism.environment.exact
    turns = int(mechanism.environment.horizon) if exact is not None and exact.discount.numerator > 1 else 1
    for _ in range(turns):
        table |= {x: _over(x, common) for x in opened if table[x] is None}
        left = [x for x in opened if table[x] is None]
        if not left:
            yield _filled(mechanism, table)
        elif len(left) == 1 and not any((part == left[0]).any() for part in mechanism.allocation):
            zero, one = (value(_filled(mechanism, table | {left[0]: Fraction(k)})) for k in (0, 1))
            if one != zero:
                found = (optimum - zero) / (one - zero)
                if abs(float(found) - left[0]) <= NEAR * max(1.0, abs(left[0])):
                    yield _filled(mechanism, table | {left[0]: found})
        common *= 1 if exact is None else exact.discount.numerator


def _simple(number: float) -> Fraction | None:
    """The simple fraction beside a number, where there is one."""
    found = Fraction(number).limit_denominator(SIMPLE)
    return found if abs(float(found) - number) <= TIGHT * max(1.0, abs(number)) else None


def _over(number: float, common: int) -> Fraction | None:
    """A number over a denominator, where it lies so near that this is no accident."""
    if common * max(1.0, abs(number)) > LARGEST:
        return None
    product = Fraction(number) * common
    numerator = round(product)
    return Fraction(numerator, common) if abs(product - numerator) <= WHOLE else None


def _filled(mechanism: Mechanism | SequenceMechanism, table: Table) -> Any:
    """A copy with fractions in place of numbers."""
    guess = copy(mechanism)
    for name in ("allocation", "payment"):
        filled = tuple(_looked_up(part, table) for part in getattr(mechanism, name))
        object.__setattr__(guess, name, filled)
    return guess


def _looked_up(part: Array, table: Table) -> Array:
    found = np.empty(part.size, dtype=object)
    found[:] = [table[x] for x in part.ravel().tolist()]
    return found.reshape(part.shape)
