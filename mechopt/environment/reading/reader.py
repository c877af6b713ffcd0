"""One reader of what environments are given, from Python or a model file: exact numbers, with every fault at once."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from mechopt.core.errors import Fault, shortened
from mechopt.core.numbers import to_exact
from mechopt.environment.reading import check
from mechopt.environment.reading.nested import Matrix, Number, Vector, depth, is_list, numbers
from mechopt.environment.reading.terms import Options, discounts_of, options_of

Horizon = int | Literal["infinite"]
Names = tuple[str, ...]
Part = tuple[Any, str]
"""Something given, None where nothing is, and its key path."""
A = TypeVar("A")


class Given(NamedTuple):
    """An environment as given, and what is already known to be wrong with it."""

    agents: Sequence[Any]
    actions: Any
    cost: Any
    horizon: Any
    discount: Any
    read: Number = to_exact
    faults: Sequence[Fault] = ()
    outside: Sequence[Part] = ()
    discounts: Sequence[Part] = ()


class Found(NamedTuple, Generic[A]):
    """An environment that is read, exact; `actions` and `cost` by period, or of length 1 for every period."""

    agents: tuple[A, ...]
    actions: tuple[Names, ...]
    cost: tuple[Vector, ...]
    horizon: Horizon
    discount: Fraction
    outside: Options | None = None
    discounts: Vector | None = None


class Reader:
    """Reads part after part and keeps what is wrong with each.

    Parameters
    ----------
    read : callable
        Turns an entry into a fraction, or raises ValueError.
    faults : sequence of Fault
        Known so far.
    """

    last_for_ever = False
    """Whether with an infinite horizon several periods may be given, the last of which is for ever."""

    def __init__(self, read: Number = to_exact, faults: Sequence[Fault] = ()) -> None:
        self.read, self.faults = read, list(faults)

    @property
    def found(self) -> list[Fault]:
        """Every fault, once."""
        return list(dict.fromkeys(self.faults))

    def fault(self, where: str, what: str, fix: str = "") -> None:
        """Keep a fault."""
        self.faults.append(Fault(where, what, fix))

    def numbers(self, part: Part, levels: int) -> Any:
        """Nested lists of numbers as tuples of fractions, or None."""
        return numbers(part[0], levels, part[1], self.faults, self.read)

    def count(self, found: int, wanted: int | None, where: str, of: str, word: str = "entries", fix: str = "") -> None:
        """Check that there is one entry for each of something."""
        if wanted is not None and found != wanted:
            one = f"give one {'an' if of[0] in 'aeiou' else 'a'} {of[:-1]}"
            self.fault(where, f"has {found} {word} for {wanted} {of}", fix or one)

    def distribution(self, row: Vector, raw: Any, where: str, size: int | None, of: str = "types") -> None:
        """Check probabilities: one for each type, at least 0, sum to 1."""
        self.count(len(row), size, where, of)
        self.faults += check.probabilities_faults(row, where, check.is_float_like(raw))

    def chain(
        self, part: Part, size: int | None, following: int | None, actions: int | None, of: str = "types"
    ) -> tuple[Matrix, ...] | None:
        """Kernels by action; one that holds for every action stands once for each."""
        table, where = part
        by_action = depth(table) > 2
        found = self.numbers(part, 3 if by_action else 2)
        if found is None:
            return None
        listed = [(m, table[a], f"{where}[{a}]") for a, m in enumerate(found)] if by_action else [(found, table, where)]
        for matrix, raw, at in listed:
            self.count(len(matrix), size, at, of, "rows")
            for k, row in enumerate(matrix):
                self.distribution(row, raw[k], f"{at}[{k}]", following, of)
            if following is None and len(set(map(len, matrix))) > 1:
                self.fault(at, "has rows of different lengths", f"give one entry a next {of[:-1]}")
        if by_action:
            self.count(len(found), actions, where, "actions", "kernels", "give one an action, or one for all")
        kernel: tuple[Matrix, ...] = found if by_action else (found,) * (actions or 0)
        return kernel

    def time(self, horizon: Any, discount: Any) -> tuple[Horizon | None, Fraction | None]:
        """A horizon, of a number of periods or infinite, and a discount; None after a fault."""
        length: Horizon | None = "infinite" if isinstance(horizon, str) and horizon == "infinite" else None
        if isinstance(horizon, str) and length is None:
            self.fault("horizon", f"is {shortened(repr(horizon))}", 'write a whole number such as 3, or "infinite"')
        elif length is None and (found := check.horizon_faults(horizon)):
            self.faults += found
        elif length is None:
            length = int(horizon)
        share: Fraction | None = self.numbers((discount, "discount"), 0)
        if share is not None:
            self.faults += check.discount_faults(share)
            if length == "infinite" and share == 1:
                self.fault("discount", "is 1 with an infinite horizon", "it must be below 1, such as 0.9")
        return length, share

    def too_much(self, agents: int, horizon: Horizon | None) -> bool:
        """Tell whether agents times periods are more than can be worked with."""
        found = check.stages_faults(agents, horizon, "agents") if isinstance(horizon, int) else []
        self.faults += found
        return bool(found)

    def periods(self, count: int, where: str, horizon: Any) -> None:
        """Check a number of entries by period; one is for every period."""
        if count > 1 and horizon == "infinite":
            if self.last_for_ever:
                return
            what = f"has {count} periods, the horizon is infinite"
            self.fault(where, what, "with an infinite horizon nothing depends on the period")
        elif count > 1 and horizon not in (None, count):
            what = f"has {count} periods, the horizon is {horizon}"
            self.fault(where, what, "give one a period, or one for every period")

    def terms(
        self, given: Any, shape: Sequence[Sequence[int]], horizon: Horizon, discount: Fraction
    ) -> tuple[Options | None, Vector | None]:
        """Outside options and discounts of the agents, each None where there are none of their own."""
        infinite, options, own = horizon == "infinite", None, None
        if any(part[0] is not None for part in given.outside):
            options = options_of(given.outside, shape, infinite, self.faults, self.read)
        if any(part[0] is not None for part in given.discounts):
            own = discounts_of(given.discounts, discount, infinite, self.faults, self.read)
        return options, own

    def names(self, part: Part) -> Names | None:
        """Names of actions or types; None where there are none, or after a fault."""
        given, where = part
        if given is None:
            return None
        if not is_list(given) or len(given) == 0:
            self.fault(where, f"{shortened(repr(given))} is not a list of names", 'write one such as ["a", "b"]')
            return None
        listed, before = list(given), len(self.faults)
        for k, name in enumerate(listed):
            if not isinstance(name, str):
                self.fault(f"{where}[{k}]", f"{shortened(repr(name))} is not a text", "put it in quotes")
            elif any(isinstance(earlier, str) and earlier == name for earlier in listed[:k]):
                self.fault(f"{where}[{k}]", f"repeats {shortened(repr(name))}", "name each once")
        return None if len(self.faults) > before else tuple(map(str, listed))

    def agent_names(self, parts: Sequence[Part], listed: str = "") -> Names:
        """Names of the agents, their numbers where none are given.

        Parameters
        ----------
        parts : sequence of Part
        listed : str
            Key path at which a repeated name is told; default: its own.
        """
        names: list[str] = []
        for i, (name, where) in enumerate(parts):
            if name is not None and (not isinstance(name, str) or not name):
                self.fault(where, f"{shortened(repr(name))} is not a name", "write a text in quotes")
            elif str(i if name is None else name) in names:
                shown = shortened(repr(str(i if name is None else name)))
                what = f"have the name {shown} twice" if listed else f"repeats {shown}"
                self.fault(listed or where, what, "name each once" if listed else "name each agent once")
            names.append(str(i if name is None else name))
        return tuple(names)

    def actions(self, given: Any, tables: Sequence[Any], horizon: Any) -> tuple[Names | None, ...]:
        """Names of the actions by period, or of length 1 for every period; None where they are not known.

        Parameters
        ----------
        given : sequence of str, or of sequences of str over periods, or None
        tables : sequence over periods, or of length 1
            What the first agent's actions are worth: their numbers are the names where none are given.
        horizon : int, "infinite" or None
            None where it is not known.
        """
        if given is None:
            counts = {len(table) if is_list(table) else 0 for table in tables}
            rows = tables if len(counts) > 1 else tables[:1]
            return tuple(tuple(map(str, range(len(table)))) if is_list(table) else None for table in rows)
        if not (isinstance(given, (list, tuple)) and given and all(isinstance(row, (list, tuple)) for row in given)):
            return (self.names((given, "actions")),)
        self.periods(len(given), "actions", horizon)
        listed = tuple(self.names((row, f"actions[{t}]")) for t, row in enumerate(given))
        return listed[:1] if len(set(listed)) == 1 else listed

    def cost(self, given: Any, actions: Sequence[Names | None], horizon: Any) -> tuple[Vector, ...] | None:
        """Costs by period, or of length 1 for every period, of each action; None after a fault.

        Parameters
        ----------
        given : number, sequence over actions, or over periods of either
        actions : sequence
            As `actions` gives them.
        horizon : int, "infinite" or None
        """
        by_period = is_list(given) and any(map(is_list, given))
        if by_period:
            self.periods(len(given), "cost", horizon)
        parts = [(row, f"cost[{t}]") for t, row in enumerate(given)] if by_period else [(given, "cost")]
        length = max(len(actions), len(parts))
        known = [self._cost(parts[min(t, len(parts) - 1)], actions[min(t, len(actions) - 1)]) for t in range(length)]
        listed = tuple(cost for cost in known if cost is not None)
        if len(listed) < length:
            return None
        return listed[:1] if len(set(listed)) == 1 else listed

    def _cost(self, part: Part, actions: Names | None) -> Vector | None:
        listed = is_list(part[0])
        found = self.numbers(part, 1 if listed else 0)
        if found is None:
            return None
        if listed:
            wanted = None if actions is None else len(actions)
            self.count(len(found), wanted, part[1], "actions", fix="give one number, or one an action")
            return tuple(found)
        return None if actions is None else (found,) * len(actions)
