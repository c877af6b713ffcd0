"""The grid of a study: every combination of the listed values of some keys of a model."""

from __future__ import annotations

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

    def __getitem__(self, k: int) -> int | Fraction:
        """The k-th number, an integer where it is whole."""
        number = self.first + k * self.step
        return int(number) if number.denominator == 1 else number


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
        return prod(map(_length, self.axes.values()))

    def combination(self, k: int) -> dict[str, Any]:
        """The k-th combination as a value by key; the last key varies fastest.

        Examples
        --------
        >>> Grid({"horizon": [1, 2], "discount": {"from": 0, "to": 1, "step": "1/2"}}, []).combination(4)
        {'horizon': 2, 'discount': Fraction(1, 2)}
        """
        places = list[int]()
        for axis in reversed(self.axes.values()):
            k, place = divmod(k, _length(axis))
            places.append(place)
        return {key: axis[place] for (key, axis), place in zip(self.axes.items(), reversed(places), strict=True)}


def _length(axis: list[Any] | Range) -> int:
    return len(axis) if isinstance(axis, list) else axis.count


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
