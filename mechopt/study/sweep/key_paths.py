"""Numbers of a model file by dotted key, such as ``horizon`` or ``buyers.0.values.1``."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from difflib import get_close_matches
from fractions import Fraction
from typing import Any

from mechopt.core.errors import Fault
from mechopt.core.numbers import parse_exact

Tables = dict[str, Any]

WITH_DEFAULT = ("discount", "cost")
"""Numbers that a model file may leave out."""


def is_number(value: Any) -> bool:
    """Tell whether a value of a model file is a number, or a list of such."""
    if isinstance(value, list):
        return bool(value) and all(map(is_number, value))
    if isinstance(value, str):
        try:
            parse_exact(value)
        except ValueError:
            return value == "infinite"  # a horizon
        return True
    return isinstance(value, (int, Fraction)) and not isinstance(value, bool)


def numeric_keys(tables: Any, prefix: str = "") -> list[str]:
    """Every key whose value is a number or a list of numbers, outermost first.

    Examples
    --------
    >>> numeric_keys({"title": "t", "horizon": 2, "buyers": [{"values": [1, 2]}]})
    ['horizon', 'buyers.0.values', 'buyers.0.values.0', 'buyers.0.values.1']
    """
    keys = []
    pairs = tables.items() if isinstance(tables, Mapping) else enumerate(tables)
    for name, value in pairs:
        if is_number(value):
            keys.append(f"{prefix}{name}")
        if isinstance(value, (Mapping, list)):
            keys += numeric_keys(value, f"{prefix}{name}.")
    return keys


def key_faults(tables: Tables, key: str, where: str) -> list[Fault]:
    """Check that a dotted key leads to a number of a model.

    Parameters
    ----------
    tables : dict
        Of the model file.
    key : str
    where : str
        Key path of the key itself, for the fault.
    """
    known = numeric_keys({name: value for name, value in tables.items() if name != "expected"})
    if key in known or key in WITH_DEFAULT:
        return []
    found = _at(tables, key)
    near = get_close_matches(key, [*known, *WITH_DEFAULT], n=1)
    fix = f"did you mean {near[0]!r}?" if near else f"numbers there are: {', '.join(known[:12])}"
    if found is None:
        return [Fault(where, "the model has no such key", fix)]
    return [Fault(where, "is not a number of the model, nor a list of numbers", fix)]


def _at(tables: Any, key: str) -> Any:
    for part in key.split("."):
        if isinstance(tables, list) and part.isdecimal() and int(part) < len(tables):
            tables = tables[int(part)]
        elif isinstance(tables, Mapping) and part in tables:
            tables = tables[part]
        else:
            return None
    return tables


def replaced(tables: Tables, changes: Mapping[str, Any]) -> Tables:
    """The tables with other values at some dotted keys; the given ones stay as they are.

    Examples
    --------
    >>> replaced({"horizon": 2, "buyers": [{"values": [1, 2]}]}, {"buyers.0.values.1": 5})
    {'horizon': 2, 'buyers': [{'values': [1, 5]}]}
    """
    changed = copy.deepcopy(tables)
    for key, value in changes.items():
        *parents, last = key.split(".")
        place: Any = changed
        for part in parents:
            place = place[int(part)] if isinstance(place, list) else place[part]
        place[int(last) if isinstance(place, list) else last] = value
    return changed
