"""Outside options, and discounts of agents' own, as given for each kind of environment, to exact numbers.

An *outside option* is the present value, as of its period, of what an agent has who does not take part from then on.
One number, or one by initial type, is for contracting alone: later there is none. By period it is one number or one by
type in each.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from mechopt.core.errors import Fault, shortened
from mechopt.core.numbers import to_exact
from mechopt.environment.reading import check
from mechopt.environment.reading.nested import Number, Vector, depth, is_list, numbers, unless_zero

Options = tuple[tuple[Vector, ...], ...]
"""``[i][t][k]``."""
Part = tuple[Any, str]


def parts_of(given: Any, name: str, agents: int, faults: list[Fault]) -> list[Part]:
    """Entry of each agent of an argument; a list of so many, None for an agent without."""
    if given is None:
        return [(None, name)] * agents
    if not is_list(given) or len(given) != agents:
        what = f"{shortened(repr(given))} is not a list of {agents} entr{'ies' if agents > 1 else 'y'}"
        faults.append(Fault(name, what, "give one an agent, None for an agent without"))
        return [(None, name)] * agents
    return [(given[i], f"{name}[{i}]") for i in range(agents)]


def options_of(
    parts: Sequence[Part], shape: Sequence[Sequence[int]], infinite: bool, faults: list[Fault], read: Number = to_exact
) -> Options | None:
    """Outside options by agent, period and type; None where all are 0.

    Parameters
    ----------
    parts : sequence over agents of (given, key path)
        A number, a list by initial type, or a list by period of either.
    shape : ``[t][i]``
        Numbers of types.
    infinite : bool
        Whether the horizon is infinite, where there are none.
    faults : list of Fault
        What is wrong is appended.
    read : callable
        Turns an entry into a fraction, or raises ValueError.
    """
    rows = []
    for i, part in enumerate(parts):
        if part[0] is not None and infinite:
            what = "is for a finite horizon"
            faults.append(Fault(part[1], what, "give a number of periods, or leave it out"))
            continue
        rows.append(_row(part, [row[i] for row in shape], faults, read))
    return unless_zero(rows)


def _row(part: Part, sizes: Sequence[int], faults: list[Fault], read: Number) -> tuple[Vector, ...]:
    given, where = part
    nothing = tuple((Fraction(0),) * size for size in sizes)
    if given is None:
        return nothing
    if depth(given) < 2 and not (is_list(given) and any(map(is_list, given))):
        return (_vector(part, sizes[0], faults, read), *nothing[1:])
    if len(given) != len(sizes):
        faults.append(Fault(where, f"has {len(given)} periods, the horizon is {len(sizes)}", "give one entry a period"))
        return nothing
    return tuple(_vector((entry, f"{where}[{t}]"), sizes[t], faults, read) for t, entry in enumerate(given))


def _vector(part: Part, size: int, faults: list[Fault], read: Number) -> Vector:
    given, where = part
    listed = is_list(given)
    found = numbers(given, int(listed), where, faults, read)
    if found is None or not listed:
        return (found or Fraction(0),) * size
    if len(found) != size:
        faults.append(Fault(where, f"has {len(found)} entries for {size} types", "give one number, or one a type"))
        return (Fraction(0),) * size
    vector: Vector = found
    return vector


def discounts_of(
    parts: Sequence[Part], common: Fraction | None, infinite: bool, faults: list[Fault], read: Number = to_exact
) -> Vector | None:
    """Discounts of the agents; None where all are the common one.

    Parameters
    ----------
    parts : sequence over agents of (given, key path)
        None where hers is the common one.
    common : Fraction or None
        The seller's; None after a fault.
    infinite : bool
        Whether the horizon is infinite, where all discount alike.
    faults : list of Fault
        What is wrong is appended.
    read : callable
        Turns an entry into a fraction, or raises ValueError.
    """
    found = []
    for given, where in parts:
        number = common if given is None else numbers(given, 0, where, faults, read)
        if number is not None and given is not None:
            faults += check.discount_faults(number, where)
            if infinite and number != common:
                what = f"is {check.shown(number)}, the seller's differs, and the horizon is infinite"
                faults.append(Fault(where, what, "give a number of periods, or one discount for all"))
        found.append(number)
    return (
        None if all(number == common or number is None for number in found) else tuple(n or Fraction(1) for n in found)
    )
