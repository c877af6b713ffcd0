"""The seller's gains besides payments, as given for each kind of environment, to exact numbers or None."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from mechopt.core.errors import Fault, shortened
from mechopt.environment.reading import check
from mechopt.environment.reading.nested import Matrix
from mechopt.environment.reading.reader import Part, Reader

ExactNested = tuple[tuple[tuple[Fraction, ...], ...], ...]
NO_PART: Part = (None, "seller_values")


def gains_by_buyer(given: Any, values: ExactNested, faults: list[Fault]) -> ExactNested | None:
    """Worth of sales to the seller, by buyer, period and type; None where that is 0 everywhere.

    Parameters
    ----------
    given : nested sequences, ``given[i][t][k]``
        None for a buyer, or a period of hers, without.
    values : nested tuples, ``values[i][t][k]``
    faults : list of Fault
        What is wrong is appended.
    """
    if not check.is_list(given) or len(given) != len(values):
        what = f"{shortened(repr(given))} is not a list of {len(values)} entries"
        faults.append(Fault("seller_values", what, "give seller_values[i][t][k], None for a buyer without"))
        return None
    rows = []
    for i, (row, own) in enumerate(zip(given, values, strict=True)):
        at = f"seller_values[{i}]"
        if row is not None and (not check.is_list(row) or len(row) != len(own)):
            what = f"{shortened(repr(row))} is not a list over {len(own)} periods"
            faults.append(Fault(at, what, "give one entry a period, each with one a type"))
            continue
        found = []
        for t, types in enumerate(own):
            entry = None if row is None else row[t]
            exact = None if entry is None else check.exact_list(entry, f"{at}[{t}]", faults)
            if exact is not None and len(exact) != len(types):
                what = f"has {len(exact)} entries for {len(types)} types"
                faults.append(Fault(f"{at}[{t}]", what, "give one a type"))
            found.append(tuple(exact or (Fraction(0),) * len(types)))
        rows.append(tuple(found))
    return tuple(rows) if any(number for row in rows for types in row for number in types) else None


def gains_by_type(reader: Reader, part: Part, actions: int | None, types: int) -> Matrix | None:
    """Table ``[action][type]`` of what the seller gains; None after a fault.

    Parameters
    ----------
    reader : Reader
    part : Part
    actions : int or None
        None where it is not known.
    types : int
    """
    found: Matrix | None = reader.numbers(part, 2)
    if found is None:
        return None
    reader.count(len(found), actions, part[1], "actions", "rows")
    for a, row in enumerate(found):
        reader.count(len(row), types, f"{part[1]}[{a}]", "types")
    return found
