"""Faults of the library out of what a schema finds wrong with a file."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from mechopt.core.errors import Fault
from mechopt.environment.reading import check
from mechopt.modelfile.tables import COST_TAGS, Unread, tables_in, written


def _path(place: tuple[int | str, ...]) -> str:
    """``("buyers", 1, "probabilities")`` to ``buyers[1].probabilities``."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def schema_faults(error: ValidationError, schema: type[BaseModel]) -> list[Fault]:
    """Faults of the library out of pydantic's."""
    faults: list[Fault] = []
    for entry in error.errors():
        place = tuple(part for part in entry["loc"] if part not in COST_TAGS)
        where = _path(place)
        if entry["type"] == "faults":
            faults += check.prefixed(entry["ctx"]["faults"], where) if where else entry["ctx"]["faults"]
        elif entry["type"] == "extra_forbidden":
            known = _keys_at(schema, place[:-1])
            near = get_close_matches(str(place[-1]), known, n=1)
            if len(place) > 1 and place[-1] in _keys_at(schema, ()):
                table = f"[[{place[0]}]]" if isinstance(place[1], int) else f"[{place[0]}]"
                what = f"belongs to the whole file, and stands below {table}"
                faults.append(Fault(where, what, "write it above the first table of the file"))
                continue
            fix = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
            faults.append(Fault(where, "unknown key", fix))
        elif entry["type"] == "missing":
            faults.append(Fault(where, "is missing", "add it"))
        else:
            faults.append(_worded(entry, where))
    return list(dict.fromkeys(faults))


WORDS = {
    "int_type": ("{given} is not a whole number", "write one such as 3"),
    "string_type": ("{given} is not a text", "put it in quotes"),
    "list_type": ("{given} is not a list", "write a list such as [1, 2]"),
    "dict_type": ("{given} is not a table", "write its keys below [{key}]"),
    "model_type": ("{given} is not a table", "write its keys below [{key}], or [[{key}]] where there may be several"),
    "greater_than_equal": ("{given} is below {ge}", ""),
    "less_than_equal": ("{given} is above {le}", ""),
    "too_short": ("is empty", "give at least one"),
    "string_too_short": ("is empty", "write a text"),
}
"""What pydantic finds, in our words: what, fix."""


def _worded(entry: Any, where: str) -> Fault:
    given, key = entry["input"], next((part for part in reversed(entry["loc"]) if isinstance(part, str)), "")
    if isinstance(given, Unread):
        return Fault(where, given.message)
    if entry["type"] == "list_type" and isinstance(given, dict):
        return Fault(where, "is one table", f"write [[{key}]], with two brackets each side")
    what, fix = WORDS.get(entry["type"], (entry["msg"].removeprefix("Value error, "), ""))
    words = {"given": written(given), "key": key, **entry.get("ctx", {})}
    return Fault(where, what.format(**words) if entry["type"] in WORDS else what, fix.format(**words))


def _keys_at(schema: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    """Keys that are known at a place of the file."""
    for key in place:
        if isinstance(key, str):
            schema = next(tables_in(schema.model_fields[key].annotation), schema)
    return list(schema.model_fields)
