"""Checks of what users give: every fault is collected, none is mended silently."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from mechopt.core.errors import Fault
from mechopt.core.numbers import PROBABILITY_TOLERANCE, to_exact

MAX_HORIZON = 10_000


def exact_list(given: Any, where: str, faults: list[Fault]) -> list[Fraction] | None:
    """Turn a sequence of numbers into exact ones; appends a fault per bad entry and then gives None."""
    if isinstance(given, str) or not isinstance(given, (Sequence, np.ndarray)):
        faults.append(Fault(where, f"{given!r} is not a list of numbers", "write a list such as [1, 2]"))
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


def distribution_faults(
    values: Sequence[Fraction],
    probabilities: Sequence[Fraction],
    values_at: str = "values",
    probabilities_at: str = "probabilities",
    floats: bool = False,
) -> list[Fault]:
    """Check one finite distribution: increasing values >= 0, probabilities >= 0 that sum to 1.

    Parameters
    ----------
    values, probabilities : sequences of Fraction
        One entry a type.
    values_at, probabilities_at : str
        Their key paths, for the faults.
    floats : bool
        Whether the probabilities were binary floats, which may miss 1 by ``PROBABILITY_TOLERANCE``.
    """
    faults = []
    if not values:
        faults.append(Fault(values_at, "is empty", "give at least one type"))
    if len(values) != len(probabilities):
        faults.append(
            Fault(probabilities_at, f"has {len(probabilities)} entries for {len(values)} values", "give one a value")
        )
    for k, value in enumerate(values):
        if value < 0:
            faults.append(Fault(f"{values_at}[{k}]", f"is {shown(value)}", "values must be at least 0"))
        if k and value <= values[k - 1]:
            order = "repeats" if value == values[k - 1] else "is below"
            faults.append(
                Fault(
                    f"{values_at}[{k}]",
                    f"{shown(value)} {order} {shown(values[k - 1])} before it",
                    "list each value once, in increasing order, and add up the probabilities of equal values",
                )
            )
    for k, probability in enumerate(probabilities):
        if probability < 0:
            faults.append(
                Fault(f"{probabilities_at}[{k}]", f"is {shown(probability)}", "probabilities must be at least 0")
            )
    total = sum(probabilities, Fraction(0))
    if probabilities and total != 1 and not (floats and abs(total - 1) <= PROBABILITY_TOLERANCE):
        faults.append(Fault(probabilities_at, f"sums to {shown(total)}, not 1", 'write exact fractions such as "1/3"'))
    return faults


def discount_faults(discount: Fraction) -> list[Fault]:
    """Check that a discount lies in (0, 1]."""
    if 0 < discount <= 1:
        return []
    return [Fault("discount", f"is {shown(discount)}", "it must be above 0 and at most 1")]


def cost_faults(cost: Sequence[Fraction], horizon: int) -> list[Fault]:
    """Check the seller's costs: one a period, at least 0."""
    faults = [Fault(f"cost[{t}]", f"is {shown(c)}", "a cost must be at least 0") for t, c in enumerate(cost) if c < 0]
    if len(cost) != horizon:
        faults.append(
            Fault("cost", f"has {len(cost)} entries for {horizon} periods", "give one number, or one a period")
        )
    return faults


def horizon_faults(horizon: int) -> list[Fault]:
    """Check that a horizon is a number of periods that can be worked with."""
    if horizon < 1:
        return [Fault("horizon", f"is {horizon}", "there must be at least one period")]
    if horizon > MAX_HORIZON:
        return [Fault("horizon", f"is {horizon}", f"at most {MAX_HORIZON} periods")]
    return []


def prefixed(faults: Iterable[Fault], prefix: str) -> list[Fault]:
    """Put a key path in front of each fault's own."""
    return [Fault(f"{prefix}.{fault.where}" if fault.where else prefix, fault.what, fault.mend) for fault in faults]
