"""Constraints that are asked for: values, or their names on the command line and in files, which mean the same."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from mechopt.core.errors import Fault, InputError
from mechopt.mechanism.constraints import (
    ALL_NOTIONS,
    DIC,
    EPIR,
    FRESH_NOTIONS,
    MOVING_NOTIONS,
    Asked,
    BayesianIC,
    Interim,
    Notion,
    Standard,
)
from mechopt.mechanism.payments import is_payment_name, payment_named


def notion_named(name: str) -> Notion:
    """Look up a constraint by its name on the command line.

    Raises
    ------
    InputError
        With the nearest name and all that there are.
    """
    names = {notion.name: notion for notion in ALL_NOTIONS}
    if is_payment_name(name):
        return payment_named(name)
    if name in names:
        return names[name]
    near = get_close_matches(name.lower(), names, n=1)
    nearest = f"did you mean {near[0]!r}? " if near else ""
    raise InputError([Fault("", f"{name!r} is not a notion", f"{nearest}known: {', '.join(names)}")])


def named(given: Notion | str | Iterable[Notion | str] | None, role: str = "constraints") -> tuple[Notion, ...]:
    """Constraints in the order given, each a value; names are looked up.

    Parameters
    ----------
    given : Notion, str, several or None
        A text may join several names by ``+``; ``"none"`` is none.
    role : str
        The argument, for messages.

    Examples
    --------
    >>> named("ppic+indu"), named([DIC(), "epir"]), named("none")
    ((PPIC(), INDU()), (DIC(), EPIR()), ())

    Raises
    ------
    InputError
        If something is not a constraint.
    """
    if isinstance(given, str):
        return () if given.strip() == "none" else tuple(notion_named(part.strip()) for part in given.split("+"))
    if given is None or isinstance(given, Notion):
        return () if given is None else (given,)
    found: list[Notion] = []
    for entry in given if isinstance(given, Iterable) else (given,):
        if not isinstance(entry, (Notion, str)):
            raise InputError(
                f"{role}={entry!r} is not a notion; write for example mo.DIC() or mo.EPIR(), or a name such as 'dic'"
            )
        found += named(entry, role)
    return tuple(found)


def as_notions(given: Notion | str | Iterable[Notion | str] | None, role: str) -> tuple[Notion, ...]:
    """One constraint or several as a tuple in the library's order, each once.

    Parameters
    ----------
    given : Notion, str, several or None
    role : str
        ``"ic"`` or ``"ir"``.

    Raises
    ------
    InputError
        If something is not a constraint, or has the other role.
    """
    listed = named(given, role)
    for notion in listed:
        if notion.role != role:
            at = {"payment": "subject_to"}.get(notion.role, notion.role)
            article = "a" if notion.role == "payment" else "an"
            raise InputError(f"{role}={notion.name}: this is {article} {notion.role} notion; give it as {at}=")
    return tuple(sorted(set(listed), key=ALL_NOTIONS.index))


def parse_notions(text: str, role: str) -> tuple[Notion, ...]:
    """Read ``"ppic+indu"``; ``"none"`` for none.

    Examples
    --------
    >>> parse_notions("ppic+indu", "ic")
    (PPIC(), INDU())
    """
    return as_notions(text, role)


def asked_notions(ic: Asked, ir: Asked, types: str) -> tuple[tuple[Notion, ...], tuple[Notion, ...]]:
    """Incentive and participation constraints that are asked for, the standard ones put in.

    Parameters
    ----------
    ic, ir : Notion, str, several, None or STANDARD
    types : str
        ``"fresh"`` or ``"moving"``.

    Raises
    ------
    InputError
        If a constraint has the other role, or is not defined for such types.
    """
    usual: tuple[Notion, Notion] = (DIC(), EPIR()) if types == "fresh" else (BayesianIC(), Interim())
    kept = [usual[k] if isinstance(asked, Standard) else asked for k, asked in enumerate((ic, ir))]
    found = as_notions(kept[0], "ic"), as_notions(kept[1], "ir")
    require_types((*found[0], *found[1]), types)
    return found


def require_types(notions: Iterable[Notion], types: str) -> None:
    """Refuse notions that are not defined for types that are drawn afresh (``"fresh"``) or move (``"moving"``).

    Constraints on payments are defined for both.

    Raises
    ------
    InputError
        With the notions that are.
    """
    known = FRESH_NOTIONS if types == "fresh" else MOVING_NOTIONS
    for notion in notions:
        if notion.role != "payment" and notion not in known:
            words = "drawn afresh each period" if types == "fresh" else "that move"
            names = ", ".join(other.name for other in known if other.role == notion.role)
            raise InputError(f"notion {notion.name!r} is not defined for types {words}; those that are: {names}")
