"""Methods whose work other rooms do: a value does not import what draws, saves or checks it.

The class has the method, with its signature and docstring; the method's body asks :func:`provided` for the function
that does the work and calls it. Which function that is stands in one table, `mechopt.registrations`, which lies above
all rooms and is the only place that knows both ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

OURS = __name__.partition(".")[0]
_FUNCTIONS: dict[str, str] = {}


def register(functions: Mapping[str, str]) -> None:
    """Add to the table.

    Parameters
    ----------
    functions : mapping
        From ``"Class.method"``, or another key that `registered` is asked for, to the dotted path of the function,
        which is imported when it is first called.
    """
    _FUNCTIONS.update(functions)


def registered(key: str) -> Callable[..., Any] | None:
    """Find the function of a key of the table; None where there is none."""
    path = _FUNCTIONS.get(key)
    if path is None:
        return None
    module, _, name = path.rpartition(".")
    function: Callable[..., Any] = getattr(import_module(module), name)
    return function


def provided(value: object, method: str) -> Callable[..., Any]:
    """Find the function that does the work of a method.

    Parameters
    ----------
    value : object
        Whose method it is, or the class of a class method; the class, or its nearest base that is ours, is looked up.
    method : str

    Raises
    ------
    LookupError
        If nothing is registered.
    """
    for cls in (value if isinstance(value, type) else type(value)).__mro__:
        ours = cls.__module__.partition(".")[0] == OURS  # a class of somebody else's may bear the same name
        function = registered(f"{cls.__name__}.{method}") if ours else None
        if function is not None:
            return function
    raise LookupError(f"nothing is registered for {type(value).__name__}.{method}")
