"""One public state: its values, how it moves, and what it rules out; read with every fault at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from typing import Any

from mechopt.core.errors import Fault, InputError
from mechopt.environment.reading import check
from mechopt.environment.reading.nested import Matrix, Vector, depth, is_list, numbers


@dataclass(frozen=True, init=False)
class PublicState:
    """A public state that moves by a Markov chain of its own, given the actions.

    Parameters
    ----------
    values : sequence of str
        Names of its values.
    initial : sequence of numbers
        Distribution of the first one.
    kernel : nested sequences, ``[state][next]`` or ``[action][state][next]``
        Distribution of the next one, whatever the action or by action; default: it stays.
    name : str
        Of the state; default "state".
    forbidden : mapping, optional
        From names of values to the names of the actions that they rule out.
    seller_values : nested sequences ``[action][state]``, optional
        What an action is worth to the seller there, besides payments and the cost.

    Attributes
    ----------
    values : tuple of str
    initial : tuple of Fraction
    kernel : tuple over actions, or of length 1 for every action, of matrices of Fraction
    name : str
    forbidden : tuple of (value, tuple of actions)
    seller_values : tuple over actions of tuples of Fraction, or None

    Raises
    ------
    InputError
        With every fault.

    Examples
    --------
    >>> PublicState(["gone", "here"], [0, 1], [[[1, 0], [0, 1]], [[1, 0], [1, 0]]], forbidden={"gone": ["sell"]}).kernel
    (((Fraction(1, 1), Fraction(0, 1)), (Fraction(0, 1), Fraction(1, 1))), \
((Fraction(1, 1), Fraction(0, 1)), (Fraction(1, 1), Fraction(0, 1))))
    """

    values: tuple[str, ...]
    initial: Vector
    kernel: tuple[Matrix, ...]
    name: str
    forbidden: tuple[tuple[str, tuple[str, ...]], ...]
    seller_values: Matrix | None

    def __init__(
        self,
        values: Sequence[str],
        initial: Any,
        kernel: Any = None,
        name: str = "state",
        forbidden: Mapping[str, Sequence[str]] | None = None,
        seller_values: Any = None,
    ) -> None:
        given = {"values": values, "initial": initial, "kernel": kernel, "name": name}
        faults: list[Fault] = []
        found = read_state(given | {"forbidden": forbidden, "seller_values": seller_values}, "", faults)
        if faults or found is None:
            raise InputError(faults)
        for key, part in found.items():
            object.__setattr__(self, key, part)

    @classmethod
    def read(cls, table: Mapping[str, Any], at: str, faults: list[Fault]) -> PublicState | None:
        """Read a table of a model file; appends every fault with its key path, and gives None after one."""
        found = read_state(table, at, faults)
        if found is None:
            return None
        state = cls.__new__(cls)
        for key, part in found.items():
            object.__setattr__(state, key, part)
        return state


def read_state(table: Mapping[str, Any], at: str, faults: list[Fault]) -> dict[str, Any] | None:
    """The parts of a state, exactly; None after a fault."""
    before, prefix = len(faults), f"{at}." if at else ""
    values = _names(table.get("values"), f"{prefix}values", faults)
    size = len(values)
    initial = _distribution(table.get("initial"), f"{prefix}initial", size, faults)
    kernel = _kernel(table.get("kernel"), f"{prefix}kernel", size, faults)
    name = table.get("name") if table.get("name") is not None else "state"
    if not isinstance(name, str) or not name:
        faults.append(Fault(f"{prefix}name", f"is {name!r}", 'write a name such as "stock"'))
    gains = _gains(table.get("seller_values"), f"{prefix}seller_values", size, faults)
    forbidden = _forbidden(table.get("forbidden"), f"{prefix}forbidden", values, faults)
    if len(faults) > before:
        return None
    parts = {"values": values, "initial": initial, "kernel": kernel, "name": name}
    return parts | {"forbidden": forbidden, "seller_values": gains}


def _names(given: Any, at: str, faults: list[Fault]) -> tuple[str, ...]:
    if not is_list(given) or not len(given) or not all(isinstance(entry, str) for entry in given):
        faults.append(Fault(at, "is not a list of names", 'write for example ["0", "1", "2"]'))
        return ()
    for k, entry in enumerate(given):
        if entry in given[:k]:
            faults.append(Fault(f"{at}[{k}]", f"{entry!r} stands twice", "give each value a name of its own"))
    return tuple(given)


def _distribution(given: Any, at: str, size: int, faults: list[Fault]) -> Vector:
    if given is None:
        faults.append(Fault(at, "is missing", "give the distribution of the first value"))
        return ()
    row = check.exact_list(given, at, faults)
    if row is None:
        return ()
    if size and len(row) != size:
        faults.append(Fault(at, f"has {len(row)} entries for {size} values", "give one a value"))
    faults += check.probabilities_faults(row, at, check.is_float_like(given))
    if sum(row) != 1 and not any(fault.where.startswith(at) for fault in faults):
        faults.append(Fault(at, "sums to 1 only within rounding", 'write exact fractions such as "1/3"'))
    return tuple(row)


def _kernel(given: Any, at: str, size: int, faults: list[Fault]) -> tuple[Matrix, ...]:
    if given is None:
        one = tuple(tuple(Fraction(int(k == j)) for j in range(size)) for k in range(size))
        return (one,)
    by_action = depth(given) == 3
    if not is_list(given) or not len(given) or depth(given) not in (2, 3):
        fix = "write [state][next], or [action][state][next]"
        faults.append(Fault(at, "is not a list of lists of probabilities", fix))
        return ()
    matrices = []
    for a, matrix in enumerate(given if by_action else [given]):
        where = f"{at}[{a}]" if by_action else at
        if not is_list(matrix) or (size and len(matrix) != size):
            count = len(matrix) if is_list(matrix) else 0
            faults.append(Fault(where, f"has {count} rows for {size} values", "give one a value"))
            continue
        matrices.append(tuple(_distribution(row, f"{where}[{k}]", size, faults) for k, row in enumerate(matrix)))
    return tuple(matrices)


def _gains(given: Any, at: str, size: int, faults: list[Fault]) -> Matrix | None:
    if given is None:
        return None
    table: Matrix | None = numbers(given, 2, at, faults)
    for a, row in enumerate(table or ()):
        if size and len(row) != size:
            faults.append(Fault(f"{at}[{a}]", f"has {len(row)} entries for {size} values", "give one a value"))
    return table


def _forbidden(
    given: Any, at: str, values: tuple[str, ...], faults: list[Fault]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if given is None:
        return ()
    if not isinstance(given, Mapping):
        faults.append(Fault(at, "is not a table", 'write for example { "0" = ["sell"] }'))
        return ()
    found = []
    for value, actions in given.items():
        if value not in values and values:
            known = f"known: {', '.join(values)}"
            faults.append(Fault(f"{at}.{value}", "is not a value of the state", near(value, values) + known))
        if not is_list(actions) or not all(isinstance(action, str) for action in actions):
            faults.append(Fault(f"{at}.{value}", "is not a list of names of actions", 'write for example ["sell"]'))
            continue
        found.append((value, tuple(actions)))
    return tuple(sorted(found, key=lambda pair: values.index(pair[0]) if pair[0] in values else -1))


def near(name: str, known: Sequence[str]) -> str:
    """Ask whether the nearest of the known names was meant; nothing where none is near."""
    found = get_close_matches(name, known, n=1)
    return f"did you mean {found[0]!r}? " if found else ""


def action_faults(state: PublicState, actions: Sequence[tuple[str, ...]], at: str) -> list[Fault]:
    """Faults of states against the actions of the periods: how many there are, and names that none has.

    Parameters
    ----------
    state : PublicState
    actions : sequence over periods of tuples of str
    at : str
        Key path of the state.
    """
    prefix, faults = f"{at}." if at else "", []
    every = sorted({name for row in actions for name in row})
    counts = {len(row) for row in actions}
    kernel = state.kernel if len(state.kernel) > 1 else None  # one for every action fits any number of them
    for key, rows in (("kernel", kernel), ("seller_values", state.seller_values)):
        if rows is not None and (len(rows) != max(counts) or len(counts - {1}) > 1):
            what = f"is for {len(rows)} actions, there are {max(counts)}"
            faults.append(Fault(f"{prefix}{key}", what, "give one an action"))
    for value, names in state.forbidden:
        for name in names:
            if name not in every:
                fix = f"{near(name, every)}known: {', '.join(every)}"
                faults.append(Fault(f"{prefix}forbidden.{value}", f"{name!r} is not an action", fix))
    return faults
