"""Tables to the text of a model file: what `mechopt.modelfile.parse` reads comes back equal, number by number."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from mechopt.core.printable import escaped_toml, printable

MAX_DECIMALS = 30
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def model_text(tables: Mapping[str, Any], header: Iterable[str] = ()) -> str:
    """Write tables as TOML; equal tables give equal text.

    Parameters
    ----------
    tables : mapping
        Of texts, truth values, whole numbers, fractions, lists and tables of these.
    header : iterable of str
        Lines of a comment at the top.

    Examples
    --------
    >>> print(model_text({"horizon": 3, "buyers": [{"values": [1, Fraction(5, 2)], "probabilities": ["1/2", "1/2"]}]}))
    horizon = 3
    <BLANKLINE>
    [[buyers]]
    values = [1, 2.5]
    probabilities = ["1/2", "1/2"]
    <BLANKLINE>
    """
    lines = [f"# {printable(' '.join(line.splitlines()))}" for line in header]
    below: list[str] = []
    for key, value in tables.items():
        name = _key(key)
        if isinstance(value, Mapping):
            below += ["", f"[{name}]", *_lines(value)]
        elif isinstance(value, list) and value and all(isinstance(entry, Mapping) for entry in value):
            for table in value:
                below += ["", f"[[{name}]]", *_lines(table)]
        else:
            lines.append(f"{name} = {_value(value)}")
    return "\n".join([*lines, *below]) + "\n"


def _lines(table: Mapping[str, Any]) -> list[str]:
    """Keys of a table; a list of tables inside it has one line a table."""
    lines = []
    for key, value in table.items():
        if isinstance(value, list) and value and all(isinstance(entry, Mapping) for entry in value):
            lines += [f"{_key(key)} = [", *(f"    {_value(entry)}," for entry in value), "]"]
        else:
            lines.append(f"{_key(key)} = {_value(value)}")
    return lines


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _text(text: str) -> str:
    return escaped_toml(json.dumps(text, ensure_ascii=False))


def _value(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case Fraction():
            return number_text(value)
        case str():
            return _text(value)
        case list() | tuple():
            return f"[{', '.join(map(_value, value))}]"
        case Mapping():
            return f"{{ {', '.join(f'{_key(key)} = {_value(entry)}' for key, entry in value.items())} }}"
    raise TypeError(f"{value!r} has no place in a model file")


def number_text(number: Fraction) -> str:
    """Write a fraction as a whole number, as a decimal where it ends, else as a quoted fraction.

    Examples
    --------
    >>> number_text(Fraction(3)), number_text(Fraction(1, 8)), number_text(Fraction(1, 3))
    ('3', '0.125', '"1/3"')
    """
    if number.denominator == 1:
        return str(number.numerator)
    places = next((k for k in range(1, MAX_DECIMALS + 1) if 10**k % number.denominator == 0), None)
    if places is None:
        return f'"{number}"'
    digits = str(abs(number.numerator) * 10**places // number.denominator).zfill(places + 1)
    return f"{'-' * (number < 0)}{digits[:-places]}.{digits[-places:]}"
