"""The grid of a study: every combination of the listed values of some keys of a model."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any

from mechopt.core.errors import Fault
from mechopt.core.numbers import to_exact
from mechopt.modelfile.tables import Unread, written
from mechopt.study.sweep.key_paths import is_number

STEPS = ("from", "to", "step")


@dataclass(frozen=True)
class Range:
    """``{ from = 1, to = 3, step = "1/2" }``: both ends belong to it, the last one where a step meets it."""

    first: Fraction
    last: Fraction
    step: Fraction

    @property
    def count(self) -> int:
        """How many numbers there are."""
        return int((self.last - self.first) // self.step) + 1

    def values(self) -> list[Any]:
        """The numbers in order, whole ones as integers."""
        numbers = (self.first + k * self.step for k in range(self.count))
        return [int(number) if number.denominator == 1 else number for number in numbers]


class Grid:
    """Values by dotted key.

    Parameters
    ----------
    given : mapping
        The ``[grid]`` table of a study file, possibly nested.
    faults : list of Fault
        What is wrong with it is added here; such keys are left out.
    """

    def __init__(self, given: Mapping[str, Any], faults: list[Fault]) -> None:
        self.axes: dict[str, list[Any] | Range] = {}
        for key, value in _flat(given):
            found = _axis(value, f"grid.{key}", faults)
            if found is not None:
                self.axes[key] = found

    @property
    def count(self) -> int:
        """How many combinations there are, without listing them."""
        return prod(len(axis) if isinstance(axis, list) else axis.count for axis in self.axes.values())

    def combinations(self) -> Iterator[dict[str, Any]]:
        """Each combination as a value by key; the last key varies fastest."""
        lists = [axis if isinstance(axis, list) else axis.values() for axis in self.axes.values()]
        for values in itertools.product(*lists):
            yield dict(zip(self.axes, values, strict=True))


def _flat(given: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in given.items():
        if isinstance(value, Mapping) and not set(value) & set(STEPS):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _axis(value: Any, where: str, faults: list[Fault]) -> list[Any] | Range | None:
    if isinstance(value, Mapping):
        return _range(value, where, faults)
    if not isinstance(value, list):
        fix = "write a list such as [1, 2], or { from = 1, to = 8 }"
        faults.append(Fault(where, f"{written(value)} is not a list of values", fix))
        return None
    if not value:
        faults.append(Fault(where, "is empty", "give at least one value"))
        return None
    wrong = [
        Fault(f"{where}[{k}]", _what(entry), 'write numbers such as 3, 0.25 or "1/3", or lists of them')
        for k, entry in enumerate(value)
        if not is_number(entry)
    ]
    faults += wrong
    return None if wrong else value


def _what(entry: Any) -> str:
    return entry.message if isinstance(entry, Unread) else f"{written(entry)} is not a number"


def _range(value: Mapping[str, Any], where: str, faults: list[Fault]) -> Range | None:
    before = len(faults)
    faults += [Fault(f"{where}.{key}", "unknown key", f"known: {', '.join(STEPS)}") for key in set(value) - set(STEPS)]
    faults += [Fault(f"{where}.{key}", "is missing", "add it") for key in ("from", "to") if key not in value]
    numbers = {}
    for key in STEPS:
        entry = value.get(key, 1)
        if is_number(entry) and not isinstance(entry, list) and entry != "infinite":
            numbers[key] = to_exact(entry)
        else:
            faults.append(Fault(f"{where}.{key}", _what(entry), "write a number"))
    if len(faults) > before:
        return None
    found = Range(numbers["from"], numbers["to"], numbers["step"])
    if found.step <= 0:
        faults.append(Fault(f"{where}.step", f"is {found.step}", "it must be above 0"))
    elif found.last < found.first:
        faults.append(Fault(where, f"runs from {found.first} to {found.last}", "put the smaller number first"))
    return found if len(faults) == before else None
