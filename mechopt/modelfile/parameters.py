"""The table ``[parameters]`` of a model file: an interval, or a value, a parameter, and the plain tables at a point.

A text of the file that names a parameter, in a place where a number belongs, is an expression in it; at a point it is
replaced by its value. Places that hold names or texts are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from mechopt.core.errors import Fault, InputError
from mechopt.core.expressions import evaluate, names_in
from mechopt.core.functions import RationalFunction
from mechopt.core.numbers import to_exact
from mechopt.mechanism.payments import (
    AMOUNTS,
    PaymentConstraint,
    Payments,
    amounts_of,
    is_payment_name,
    payment_constraints,
)
from mechopt.modelfile.tables import Unread, written

TEXTS = frozenset(
    {
        *("title", "source", "kind", "name", "names", "types", "signals", "actions", "form", "sequence", "solve"),
        *("expected", "distribution", "method", "forbidden", "parameters"),
    }
)
"""Keys below which nothing is an expression."""

SIGNAL = re.compile(r"[xy]_\d+")
"""Names of signals in the expressions of a grid; see `mechopt.modelfile.densities`."""

PARAMETERS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": 'intervals of parameters, such as p = ["0", "1"], or their values; numbers of the file may then be '
    'texts such as "1 - p", with + - * / ** and parentheses',
    "additionalProperties": {
        "anyOf": [
            {"type": "array", "items": {"type": ["number", "string"]}, "minItems": 2, "maxItems": 2},
            {"type": ["number", "string"]},
        ]
    },
}

Interval = tuple[Fraction, Fraction]
Value = Fraction | RationalFunction


def intervals_of(tables: Mapping[str, Any], faults: list[Fault]) -> tuple[dict[str, Interval], dict[str, Fraction]]:
    """Parameters of a file: the intervals of those that are open, the values of those that have one.

    Appends a fault for each that has neither.
    """
    given = tables.get("parameters", {})
    if not isinstance(given, Mapping):
        faults.append(Fault("parameters", f"{written(given)} is not a table", 'write [parameters] and p = ["0", "1"]'))
        return {}, {}
    open_: dict[str, Interval] = {}
    values: dict[str, Fraction] = {}
    for name, ends in given.items():
        where, fix = f"parameters.{name}", f'write {name} = ["0", "1"], or a value such as {name} = "1/3"'
        if names_in(name) != {name}:
            faults.append(Fault(where, f"{name!r} is not a name", "use letters, digits and _, a letter first"))
            continue
        if isinstance(ends, list) and len(ends) != 2:
            faults.append(Fault(where, f"{written(ends)} is not an interval", fix))
            continue
        try:
            numbers = [to_exact(_plain(end)) for end in (ends if isinstance(ends, list) else [ends])]
        except ValueError as error:
            faults.append(Fault(where, str(error), fix))
            continue
        if len(numbers) == 1:
            values[name] = numbers[0]
        elif numbers[0] >= numbers[1]:
            what = f"from {numbers[0]} to {numbers[1]} is not an interval"
            faults.append(Fault(where, what, "write the lower end first"))
        else:
            open_[name] = numbers[0], numbers[1]
    return open_, values


def _plain(end: Any) -> Any:
    if isinstance(end, Unread):
        raise ValueError(end.message)
    return end


def point_faults(point: Mapping[str, Fraction], intervals: Mapping[str, Interval]) -> list[Fault]:
    """Check that every parameter has a value in its interval."""
    faults = []
    for name, (lower, upper) in intervals.items():
        if name not in point:
            fix = f"choose one: --at {name}={(lower + upper) / 2}, or mechopt formula for all of them"
            faults.append(Fault(f"parameters.{name}", "has no value", fix))
        elif not lower <= point[name] <= upper:
            faults.append(Fault(f"parameters.{name}", f"{point[name]} is outside [{lower}, {upper}]", "choose another"))
    for name in point:
        if name not in intervals:
            known = f"known: {', '.join(intervals)}" if intervals else "the model has none; leave out --at"
            faults.append(Fault(f"parameters.{name}", "is not a parameter of the model", known))
    return faults


def substituted(tables: Mapping[str, Any], names: Mapping[str, Value], faults: list[Fault]) -> dict[str, Any]:
    """The tables with every expression replaced by its value; appends a fault for each that is none.

    Parameters
    ----------
    tables : mapping
        Of a model file.
    names : mapping
        Value of each parameter.
    faults : list of Fault
        Appended to.

    Returns
    -------
    dict
        Without ``[parameters]``.
    """
    return {key: _replaced(value, key, key, names, faults) for key, value in tables.items() if key != "parameters"}


def _replaced(value: Any, key: str, where: str, names: Mapping[str, Value], faults: list[Fault]) -> Any:
    if key == "subject_to":
        return _payments(value, where, names, faults)
    if key == "solve" and isinstance(value, Mapping):
        return {k: _replaced(v, k, f"{where}.{k}", names, faults) if k == "subject_to" else v for k, v in value.items()}
    if key in TEXTS or (key == "states" and isinstance(value, str)):
        return value
    if isinstance(value, list):
        return [_replaced(entry, key, f"{where}[{k}]", names, faults) for k, entry in enumerate(value)]
    if isinstance(value, Mapping):
        return {k: _replaced(entry, k, f"{where}.{k}", names, faults) for k, entry in value.items()}
    if isinstance(value, str) and names and (signed := _with_signs(value, names)) != value:
        faults.append(Fault(where, f"{value!r} leaves out a sign", f"write {signed!r}"))
        return value
    if isinstance(value, str) and names_in(value) & set(names):
        if any(SIGNAL.fullmatch(name) for name in names_in(value)):
            return _inserted(value, names)
        try:
            return evaluate(value, names)
        except (ValueError, ZeroDivisionError) as error:
            faults.append(Fault(where, str(error)))
    return value


def _with_signs(text: str, names: Mapping[str, Value]) -> str:
    """The text with the sign of multiplication between a number and a parameter, where it is left out."""
    return re.sub(rf"(?<![\w.])(\d+(?:\.\d*)?)(?![eE]\d)(?=(?:{'|'.join(map(re.escape, names))})\b)", r"\1*", text)


def _payments(given: Any, where: str, names: Mapping[str, Value], faults: list[Fault]) -> Any:
    """Constraints on payments with values for the expressions in their amounts; left alone where there are none."""
    texts = given if isinstance(given, list) else [given]
    if not all(isinstance(text, str) for text in texts) or not any(names_in(_amounts(t)) & set(names) for t in texts):
        return given
    return [part for text in texts for part in _constraints(text, where, names, faults)]


def _amounts(text: str) -> str:
    return " ".join(part.partition(":")[2] for part in _split(text))


def _split(text: str) -> list[str]:
    """Names joined by ``+``; a ``+`` within an amount is part of it."""
    parts: list[str] = []
    for part in text.split("+"):
        if parts and ":" in parts[-1] and not is_payment_name(part):
            parts[-1] += f"+{part}"
        else:
            parts.append(part)
    return parts


def _constraints(
    text: str, where: str, names: Mapping[str, Value], faults: list[Fault]
) -> Iterator[str | PaymentConstraint]:
    """Each constraint of a text: with functions for amounts where there are any, else its text."""
    for part in _split(text):
        label, _, amounts = (piece.strip() for piece in part.partition(":"))
        if label not in AMOUNTS or not names_in(amounts) & set(names):
            yield part
            continue
        try:
            found = [evaluate(amount, names) for amount in amounts.split(",")]
        except (ValueError, ZeroDivisionError) as error:
            faults.append(Fault(where, f"{part!r}: {error}"))
            continue
        if any(isinstance(amount, RationalFunction) for amount in found):
            yield AMOUNTS[label](found)
        else:
            yield f"{label}:{','.join(map(str, found))}"


def payments_in(given: Payments, parameter: str) -> tuple[PaymentConstraint, ...]:
    """Constraints on payments whose amounts may be expressions in a parameter.

    Examples
    --------
    >>> payments_in("budget:1 + p+no-subsidy", "p")
    (NoSubsidy(), Budget('1 + p'))

    Raises
    ------
    InputError
        If something is not a constraint on payments.
    """
    faults: list[Fault] = []
    names = {parameter: RationalFunction.parameter()}
    listed = given if isinstance(given, (list, tuple, set, frozenset)) else [given] if given is not None else []
    found: list[Any] = []
    for entry in listed:
        found += _constraints(entry, "subject_to", names, faults) if isinstance(entry, str) else [entry]
    if faults:
        raise InputError(faults)
    return payment_constraints(found)


def _inserted(text: str, names: Mapping[str, Value]) -> str:
    """An expression in signals with the values of parameters in their places; that of a grid is computed later."""
    for name, value in names.items():
        if isinstance(value, Fraction):
            text = re.sub(rf"(?<![\w.]){name}(?!\w)", f"({value})", text)
    return text


def functions_in(tables: Any) -> Iterator[RationalFunction]:
    """All functions in substituted tables."""
    if isinstance(tables, RationalFunction):
        yield tables
    elif isinstance(tables, PaymentConstraint):
        yield from functions_in(list(amounts_of(tables)))
    elif isinstance(tables, (list, Mapping)):
        for entry in tables.values() if isinstance(tables, Mapping) else tables:
            yield from functions_in(entry)
