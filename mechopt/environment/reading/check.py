"""Checks of what users give: every fault is collected, none is fixed silently."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import lcm
from typing import Any

import numpy as np

from mechopt.core.errors import Fault, shortened
from mechopt.core.numbers import PROBABILITY_TOLERANCE, to_exact

MAX_HORIZON = 10_000
MAX_STAGES = 50_000


def is_list(given: Any) -> bool:
    """Tell whether something is a sequence or an array with axes, and no text."""
    if isinstance(given, np.ndarray):
        return given.ndim > 0
    return isinstance(given, Sequence) and not isinstance(given, str)


def exact_list(given: Any, where: str, faults: list[Fault]) -> list[Fraction] | None:
    """Turn a sequence of numbers into exact ones; appends a fault per bad entry and then gives None."""
    if not is_list(given):
        what = f"{shortened(repr(given))} is not a list of numbers"
        faults.append(Fault(where, what, "write a list such as [1, 2]"))
        return None
    numbers, before = [], len(faults)
    for k, entry in enumerate(given):
        try:
            numbers.append(to_exact(entry))
        except ValueError as error:
            faults.append(Fault(f"{where}[{k}]", str(error), "write a finite number"))
    return numbers if len(faults) == before else None


def exact_scalar(given: Any, where: str, faults: list[Fault]) -> Fraction | None:
    """Turn one number into an exact one; appends a fault and gives None where it is none."""
    try:
        return to_exact(given)
    except ValueError as error:
        faults.append(Fault(where, str(error), "write a finite number"))
        return None


def is_float_like(given: Any) -> bool:
    """Tell whether any entry is a binary float, which may stand for a number that it only rounds to."""
    if isinstance(given, np.ndarray):
        return bool(np.issubdtype(given.dtype, np.floating))
    return any(isinstance(entry, (float, np.floating)) for entry in given)


def shown(number: Fraction) -> str:
    """Write a number as people do: 0.97, 1/3 or 2."""
    return str(number) if number.denominator in (1, 3, 6, 7, 9) else f"{float(number):.12g}"


def values_faults(values: Sequence[Fraction], at: str = "") -> list[Fault]:
    """Check the values of one distribution: at least 0, increasing.

    Parameters
    ----------
    values : sequence of Fraction
        One entry a type.
    at : str
        Their key path, for the faults.
    """
    faults = [] if values else [Fault(at, "is empty", "give at least one type")]
    for k, value in enumerate(values):
        if value < 0:
            faults.append(Fault(f"{at}[{k}]", f"is {shown(value)}", "values must be at least 0"))
        if k and value <= values[k - 1]:
            order = "repeats" if value == values[k - 1] else "is below"
            faults.append(
                Fault(
                    f"{at}[{k}]",
                    f"{shown(value)} {order} {shown(values[k - 1])} before it",
                    "list each value once, in increasing order, and add up the probabilities of equal values",
                )
            )
    return faults


def exact_sum(numbers: Sequence[Fraction]) -> Fraction:
    """Sum of fractions, over their common denominator: one division instead of one a term.

    Examples
    --------
    >>> exact_sum([Fraction(1, 2), Fraction(1, 3)])
    Fraction(5, 6)
    """
    below = lcm(*(number.denominator for number in numbers))
    return Fraction(sum(number.numerator * (below // number.denominator) for number in numbers), below)


def probabilities_faults(probabilities: Sequence[Fraction], at: str = "", floats: bool = False) -> list[Fault]:
    """Check the probabilities of one distribution: at least 0, sum to 1.

    Parameters
    ----------
    probabilities : sequence of Fraction
        One entry a type.
    at : str
        Their key path, for the faults.
    floats : bool
        Whether they were binary floats, which may miss 1 by ``PROBABILITY_TOLERANCE``.
    """
    faults = [
        Fault(f"{at}[{k}]", f"is {shown(probability)}", "probabilities must be at least 0")
        for k, probability in enumerate(probabilities)
        if probability < 0
    ]
    total = exact_sum(probabilities)
    if probabilities and total != 1 and not (floats and abs(total - 1) <= PROBABILITY_TOLERANCE):
        faults.append(Fault(at, f"sums to {shown(total)}, not 1", 'write exact fractions such as "1/3"'))
    return faults


def distribution_faults(
    values: Sequence[Fraction],
    probabilities: Sequence[Fraction],
    values_at: str = "values",
    probabilities_at: str = "probabilities",
    floats: bool = False,
) -> list[Fault]:
    """Check one finite distribution: `values_faults`, `length_faults` and `probabilities_faults`."""
    return [
        *values_faults(values, values_at),
        *length_faults(len(values), len(probabilities), probabilities_at),
        *probabilities_faults(probabilities, probabilities_at, floats),
    ]


def length_faults(values: int, probabilities: int, at: str = "probabilities") -> list[Fault]:
    """Check that there are as many probabilities as values; an empty list of values is a fault of its own."""
    if values in (0, probabilities):
        return []
    return [Fault(at, f"has {probabilities} entries for {values} values", "give one a value")]


def discount_faults(discount: Fraction, at: str = "discount") -> list[Fault]:
    """Check that a discount lies in (0, 1]."""
    if 0 < discount <= 1:
        return []
    return [Fault(at, f"is {shown(discount)}", "it must be above 0 and at most 1")]


def cost_length_faults(entries: int, horizon: int) -> list[Fault]:
    """Check that a list of costs has one entry a period."""
    if entries == horizon:
        return []
    return [Fault("cost", f"has {entries} entries for {horizon} periods", "give one number, or one a period")]


def horizon_faults(horizon: object, at: str = "horizon") -> list[Fault]:
    """Check that a horizon is a number of periods that can be worked with."""
    if isinstance(horizon, bool) or not isinstance(horizon, (int, np.integer)):
        return [Fault(at, f"is {shortened(repr(horizon))}", "write a whole number such as 3")]
    if horizon < 1:
        return [Fault(at, f"is {horizon}", "there must be at least one period")]
    if horizon > MAX_HORIZON:
        return [Fault(at, f"is {shortened(str(horizon))}", f"at most {MAX_HORIZON} periods")]
    return []


def stages_faults(agents: int, periods: int, noun: str = "buyers") -> list[Fault]:
    """Check that agents times periods is a number that can be worked with."""
    if agents * periods <= MAX_STAGES:
        return []
    return [Fault("", f"{agents} {noun} times {periods} periods", f"at most {MAX_STAGES} together")]


def prefixed(faults: Iterable[Fault], prefix: str) -> list[Fault]:
    """Put a key path in front of each fault's own."""

    def below(where: str) -> str:
        return f"{prefix}.{where}" if where and not where.startswith("[") else prefix + where

    return [Fault(below(fault.where), fault.what, fault.fix) for fault in faults]
