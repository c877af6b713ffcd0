"""The actions of each period and what they cost the seller: read with every fault, the same in all periods or not."""

from __future__ import annotations

from typing import Any

from mechopt.core.errors import Fault, shortened
from mechopt.environment.reading import check
from mechopt.environment.reading.nested import Reader, Vector, is_list, numbers

Names = tuple[str, ...]


def read_names(given: Any, where: str, faults: list[Fault]) -> Names | None:
    """Read the names of actions or types; None where there are none, or after a fault."""
    if given is None:
        return None
    if not is_list(given) or len(given) == 0:
        faults.append(Fault(where, f"{shortened(repr(given))} is not a list of names", 'write one such as ["a", "b"]'))
        return None
    listed, found = list(given), []
    for k, name in enumerate(listed):
        if not isinstance(name, str):
            found.append(Fault(f"{where}[{k}]", f"{shortened(repr(name))} is not a text", "put it in quotes"))
        elif any(isinstance(earlier, str) and earlier == name for earlier in listed[:k]):
            found.append(Fault(f"{where}[{k}]", f"repeats {shortened(repr(name))}", "name each once"))
    faults += found
    return None if found else tuple(map(str, listed))


def read_actions(given: Any, tables: list[Any], horizon: Any, faults: list[Fault]) -> tuple[Names | None, ...]:
    """Read the names of the actions, by period.

    Parameters
    ----------
    given : sequence of str, or of sequences of str over periods, or None
    tables : list over periods, or of length 1
        What the first agent's actions are worth: their numbers are the names where none are given.
    horizon : int, "infinite" or None
        None where it is not known.
    faults : list of Fault
        Appended to.

    Returns
    -------
    tuple over periods, or of length 1 for every period
        Names; None where they are not known.
    """
    if given is None:
        counts = {len(table) if is_list(table) else 0 for table in tables}
        rows = tables if len(counts) > 1 else tables[:1]
        return tuple(tuple(map(str, range(len(table)))) if is_list(table) else None for table in rows)
    if not (isinstance(given, (list, tuple)) and given and all(isinstance(entry, (list, tuple)) for entry in given)):
        return (read_names(given, "actions", faults),)
    _periods(len(given), "actions", horizon, faults)
    listed = tuple(read_names(entry, f"actions[{t}]", faults) for t, entry in enumerate(given))
    return listed[:1] if len(set(listed)) == 1 else listed


def read_cost(
    given: Any, actions: tuple[Names | None, ...], horizon: Any, faults: list[Fault], reader: Reader
) -> tuple[Vector, ...] | None:
    """Read the costs of the actions, by period; None after a fault.

    Parameters
    ----------
    given : number, sequence over actions, or over periods of either
    actions : tuple
        As `read_actions` gives them.
    horizon : int, "infinite" or None
    faults : list of Fault
        Appended to.
    reader : callable
        Turns an entry into a fraction.

    Returns
    -------
    tuple over periods, or of length 1 for every period, of tuples of Fraction
    """
    by_period = is_list(given) and any(is_list(entry) for entry in given)
    if by_period:
        _periods(len(given), "cost", horizon, faults)
    entries = [(entry, f"cost[{t}]") for t, entry in enumerate(given)] if by_period else [(given, "cost")]
    length = max(len(actions), len(entries))
    known = [
        _cost(*entries[min(t, len(entries) - 1)], actions[min(t, len(actions) - 1)], faults, reader)
        for t in range(length)
    ]
    listed = tuple(cost for cost in known if cost is not None)
    if len(listed) < length:
        return None
    return listed[:1] if len(set(listed)) == 1 else listed


def _periods(count: int, where: str, horizon: Any, faults: list[Fault]) -> None:
    if count > 1 and horizon == "infinite":
        what = f"has {count} periods, the horizon is infinite"
        faults.append(Fault(where, what, "with an infinite horizon nothing depends on the period"))
    elif count > 1 and horizon not in (None, count):
        what = f"has {count} periods, the horizon is {horizon}"
        faults.append(Fault(where, what, "give one a period, or one for every period"))


def _cost(given: Any, where: str, actions: Names | None, faults: list[Fault], reader: Reader) -> Vector | None:
    if not is_list(given):
        number = numbers(given, 0, where, faults, reader)
        faults += [] if number is None else check.cost_faults(number, where)
        return None if number is None or actions is None else (number,) * len(actions)
    cost: Vector | None = numbers(given, 1, where, faults, reader)
    if cost is not None:
        faults += check.cost_faults(cost, where)
        if actions is not None and len(cost) != len(actions):
            what = f"has {len(cost)} entries for {len(actions)} actions"
            faults.append(Fault(where, what, "give one number, or one an action"))
    return cost
