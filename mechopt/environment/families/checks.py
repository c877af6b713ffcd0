"""Checks that several families of environments share."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from mechopt.core.errors import Fault
from mechopt.core.numbers import to_exact
from mechopt.environment.reading import check
from mechopt.environment.reading.nested import numbers


def worth_faults(value: Fraction | None, where: str, what: str = "a task") -> list[Fault]:
    """Check that something is worth at least 0.

    Parameters
    ----------
    value : Fraction or None
    where : str
        Its key path.
    what : str
        What is worth it.
    """
    if value is None or value >= 0:
        return []
    return [Fault(where, f"is {check.shown(value)}", f"{what} must be worth at least 0")]


def discount_faults(discount: Any, horizon: Any = "infinite") -> list[Fault]:
    """Check that a discount lies in (0, 1), or in (0, 1] with a finite horizon.

    Parameters
    ----------
    discount : number
    horizon : int or "infinite"
    """
    try:
        number = to_exact(discount)
    except ValueError as error:
        return [Fault("discount", str(error), "write a number such as 0.9")]
    if 0 < number < 1 or (number == 1 and horizon != "infinite"):
        return []
    upper = "below 1" if horizon == "infinite" else "at most 1"
    return [Fault("discount", f"is {check.shown(number)}", f"it must be above 0 and {upper}")]


def distributions_by_agent(
    values: Any, distributions: Any, agents: int, names: tuple[str, str], agent: str, faults: list[Fault]
) -> list[tuple[Any, Any]]:
    """Read grids of nonnegative values and distributions on them, by agent; empty after a fault.

    Parameters
    ----------
    values, distributions : sequences over agents of sequences of numbers
    agents : int
        How many there are; 0 where that is not known.
    names : pair of str
        Of the two arguments.
    agent : str
        What an agent is called.
    faults : list of Fault
        Appended to.
    """
    before = len(faults)
    exact = [numbers(part, 2, name, faults) for part, name in zip((values, distributions), names, strict=True)]
    for part, name in zip(exact, names, strict=True):
        if part is not None and agents and len(part) != agents:
            faults.append(Fault(name, f"has {len(part)} entries for {agents} {agent}s", f"give one a {agent}"))
    if len(faults) > before:
        return []
    found = list(zip(*exact, strict=False))
    for i, (grid, row) in enumerate(found):
        floats = check.is_float_like(distributions[i])
        faults += check.distribution_faults(grid, row, f"{names[0]}[{i}]", f"{names[1]}[{i}]", floats)
    return found if len(faults) == before else []
