"""Methods whose work other rooms do: a value does not import what draws, saves or checks it.

The class has the method, with its signature and docstring; the method's body asks :func:`provided` for the function
that does the work and calls it. Which function that is stands in one table, `mechopt.registrations`, which lies above
all rooms and is the only place that knows both ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

_FUNCTIONS: dict[str, str] = {}


def register(functions: Mapping[str, str]) -> None:
    """Add to the table.

    Parameters
    ----------
    functions : mapping
        From ``"Class.method"`` to the dotted path of the function, which is imported when it is first called.
    """
    _FUNCTIONS.update(functions)


def provided(value: object, method: str) -> Callable[..., Any]:
    """Find the function that does the work of a method.

    Parameters
    ----------
    value : object
        Whose method it is; its class, or the nearest base, is looked up.
    method : str

    Raises
    ------
    LookupError
        If nothing is registered.
    """
    for cls in type(value).__mro__:
        path = _FUNCTIONS.get(f"{cls.__name__}.{method}")
        if path is not None:
            module, _, name = path.rpartition(".")
            function: Callable[..., Any] = getattr(import_module(module), name)
            return function
    raise LookupError(f"nothing is registered for {type(value).__name__}.{method}")
