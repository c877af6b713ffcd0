"""Constraints that are asked for: values, or their names on the command line and in files, which mean the same."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from mechopt.core.errors import Fault, InputError
from mechopt.mechanism.constraints import (
    ALL_CONSTRAINTS,
    DIC,
    EPIR,
    INDEPENDENT_CONSTRAINTS,
    PEIR,
    PERSISTENT_CONSTRAINTS,
    PFIR,
    PPIR,
    UNMOVED_CONSTRAINTS,
    Asked,
    BayesianIC,
    Constraint,
    Interim,
    Standard,
)
from mechopt.mechanism.payments import is_payment_name, payment_named


def constraint_named(name: str) -> Constraint:
    """Look up a constraint by its name on the command line.

    Raises
    ------
    InputError
        With the nearest name and all that there are.
    """
    names = {constraint.name: constraint for constraint in ALL_CONSTRAINTS}
    if is_payment_name(name):
        return payment_named(name)
    if name in names:
        return names[name]
    near = get_close_matches(name.lower(), names, n=1)
    nearest = f"did you mean {near[0]!r}? " if near else ""
    raise InputError([Fault("", f"{name!r} is not a constraint", f"{nearest}known: {', '.join(names)}")])


def named(
    given: Constraint | str | Iterable[Constraint | str] | None, role: str = "constraints"
) -> tuple[Constraint, ...]:
    """Constraints in the order given, each a value; names are looked up.

    Parameters
    ----------
    given : Constraint, str, several or None
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
        return () if given.strip() == "none" else tuple(constraint_named(part.strip()) for part in given.split("+"))
    if given is None or isinstance(given, Constraint):
        return () if given is None else (given,)
    found: list[Constraint] = []
    for entry in given if isinstance(given, Iterable) else (given,):
        if not isinstance(entry, (Constraint, str)):
            raise InputError(
                f"{role}={entry!r} is not a constraint; write for example mo.DIC() or mo.EPIR(), or a name such "
                f"as 'dic'"
            )
        found += named(entry, role)
    return tuple(found)


def as_constraints(given: Constraint | str | Iterable[Constraint | str] | None, role: str) -> tuple[Constraint, ...]:
    """One constraint or several as a tuple in the library's order, each once.

    Parameters
    ----------
    given : Constraint, str, several or None
    role : str
        ``"ic"`` or ``"ir"``.

    Raises
    ------
    InputError
        If something is not a constraint, or has the other role.
    """
    listed = named(given, role)
    for constraint in listed:
        if constraint.role != role:
            beside = constraint.role in ("payment", "allocation")
            at = "subject_to" if beside else constraint.role
            article = "a" if constraint.role == "payment" else "an"
            raise InputError(
                f"{role}={constraint.name}: this is {article} {constraint.role} constraint; give it as {at}="
            )
    return tuple(sorted(set(listed), key=ALL_CONSTRAINTS.index))


def parse_constraints(text: str, role: str) -> tuple[Constraint, ...]:
    """Read ``"ppic+indu"``; ``"none"`` for none.

    Examples
    --------
    >>> parse_constraints("ppic+indu", "ic")
    (PPIC(), INDU())
    """
    return as_constraints(text, role)


def asked_constraints(ic: Asked, ir: Asked, types: str) -> tuple[tuple[Constraint, ...], tuple[Constraint, ...]]:
    """Incentive and participation constraints that are asked for, the standard ones put in.

    Parameters
    ----------
    ic, ir : Constraint, str, several, None or STANDARD
    types : str
        ``"independent"`` or ``"persistent"``.

    Raises
    ------
    InputError
        If a constraint has the other role, or is not defined for such types.
    """
    usual: tuple[Constraint, Constraint] = (DIC(), EPIR()) if types == "independent" else (BayesianIC(), Interim())
    kept = [usual[k] if isinstance(asked, Standard) else asked for k, asked in enumerate((ic, ir))]
    found = as_constraints(kept[0], "ic"), as_constraints(kept[1], "ir")
    require_types((*found[0], *found[1]), types)
    return found


def about_outside(constraints: Iterable[Constraint], environment: Any) -> list[Constraint]:
    """Those constraints that the environment's outside options are defined for; all where there are none."""
    found = []
    for constraint in constraints:
        try:
            require_outside([constraint], environment)
        except InputError:
            continue
        found.append(constraint)
    return found


def require_outside(constraints: Iterable[Constraint], environment: Any) -> None:
    """Refuse participation on paths or by period where an outside option is not one number at contracting.

    Raises
    ------
    InputError
        With the constraint and the agent.
    """
    asked = next((c for c in constraints if isinstance(c, (EPIR, PFIR, PPIR, PEIR))), None)
    if environment.outside is None or asked is None:
        return
    for i, row in enumerate(environment.outside):
        if (row[0] != row[0][0]).any() or any(part.any() for part in row[1:]):
            raise InputError(
                f"{asked.name} with outside of agent {environment.names[i]!r} by type or period: what is compared on "
                "paths is one number at contracting; give one, or ask for interim or periodic participation"
            )


def require_types(constraints: Iterable[Constraint], types: str) -> None:
    """Refuse constraints that are not defined for types independent across periods (``"independent"``) or move
    (``"persistent"``).

    Constraints on payments are defined for both.

    Raises
    ------
    InputError
        With the constraints that are.
    """
    persistent = sorted((*PERSISTENT_CONSTRAINTS, *UNMOVED_CONSTRAINTS), key=ALL_CONSTRAINTS.index)
    known = INDEPENDENT_CONSTRAINTS if types == "independent" else tuple(persistent)
    for constraint in constraints:
        if constraint.role not in ("payment", "allocation", "slack") and constraint not in known:
            words = "types independent across periods" if types == "independent" else "persistent types"
            names = ", ".join(other.name for other in known if other.role == constraint.role)
            raise InputError(f"constraint {constraint.name!r} is not defined for {words}; those that are: {names}")
