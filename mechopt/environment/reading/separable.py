"""What is given for a separable environment, from Python or a model file, to exact numbers; every fault at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

from mechopt.core.errors import Fault, shortened
from mechopt.core.numbers import to_exact
from mechopt.environment.reading import check
from mechopt.environment.reading.actions import Names, read_cost, read_names
from mechopt.environment.reading.markov import Horizon, read_horizon
from mechopt.environment.reading.nested import Matrix, Reader, Vector, depth, is_list, numbers

FORMS = ("multiplicative", "additive", "general")
PARTS = (
    "form",
    "initial_values",
    "initial_probabilities",
    "level",
    "base",
    "rate",
    "values",
    "signal_initial",
    "signal_kernel",
    "signals",
    "names",
)
"""What is given by agent, in the order of the arguments of `SeparableTypes`."""
TAKEN = {"multiplicative": ("level", "base"), "additive": ("level", "base", "rate"), "general": ("values",)}
"""What the values of each form are made of."""


class AgentGiven(NamedTuple):
    """One agent as given: each of `PARTS` with its key path; None where nothing is."""

    where: str
    parts: Mapping[str, tuple[Any, str]]


class Given(NamedTuple):
    """An environment as given, and what is already known to be wrong with it."""

    agents: Sequence[AgentGiven]
    actions: Any
    cost: Any
    horizon: Any
    discount: Any
    read: Reader = to_exact
    faults: Sequence[Fault] = ()


class Agent(NamedTuple):
    """One agent, exact; what her form does not take is None."""

    form: str
    initial_values: Vector
    initial_probabilities: Vector
    level: Vector | None
    base: Matrix | None
    rate: Vector | None
    values: tuple[Matrix, ...] | None
    signal_initial: Vector | Matrix
    signal_kernel: tuple[Matrix, ...]
    signals: Names
    name: str

    def value_table(self) -> tuple[Matrix, ...]:
        """What an action is worth: ``[action][initial][signal]``."""
        if self.values is not None or self.base is None or self.level is None:
            return self.values or ()
        rates = self.rate if self.rate is not None else (None,) * len(self.base)
        return tuple(
            tuple(tuple(level * b if rate is None else level * rate + b for b in row) for level in self.level)
            for row, rate in zip(self.base, rates, strict=True)
        )


class Model(NamedTuple):
    """An environment, exact."""

    agents: tuple[Agent, ...]
    actions: Names
    cost: Vector
    horizon: Horizon
    discount: Fraction


def from_arrays(parts: Mapping[str, Any], actions: Any, cost: Any, horizon: Any, discount: Any) -> Given:
    """Arrange the arguments of `SeparableTypes` by agent; `read` finds the gaps that short lists leave."""
    needed = ("initial_values", "initial_probabilities", "signal_initial")
    faults = [
        Fault(key, f"{shortened(repr(parts[key]))} is not a list over agents", "give one entry an agent")
        for key in needed
        if not is_list(parts[key]) or not len(parts[key])
    ]
    count = 0 if faults else max(len(parts[key]) for key in needed)
    for key in PARTS if count else ():
        part = parts[key]
        if part is None or (key == "form" and isinstance(part, str)):
            continue
        if not is_list(part) or len(part) != count:
            what = f"{shortened(repr(part))} is not a list of {count} entries"
            faults.append(Fault(key, what, "give one an agent"))
    agents = []
    for i in range(count):
        own = {}
        for key in PARTS:
            part = parts[key]
            entry = part[i] if is_list(part) and i < len(part) else part if key == "form" else None
            own[key] = (entry, f"{key}[{i}]" if is_list(part) or part is None else key)
        agents.append(AgentGiven(f"agent {i}", own))
    return Given(agents, actions, cost, horizon, discount, faults=faults)


def read(given: Given) -> tuple[Model | None, list[Fault]]:
    """Turn what is given into exact numbers, or list everything that is wrong with it.

    Parameters
    ----------
    given : Given

    Returns
    -------
    Model, or None after a fault
    list of Fault
    """
    faults = list(given.faults)
    horizon, discount = read_horizon(given.horizon, faults), numbers(given.discount, 0, "discount", faults, given.read)
    if discount is not None:
        faults += check.discount_faults(discount)
        if horizon == "infinite" and discount == 1:
            faults.append(Fault("discount", "is 1 with an infinite horizon", "it must be below 1, such as 0.9"))
    if isinstance(horizon, int) and horizon * len(given.agents) > check.MAX_STAGES:
        what = f"{len(given.agents)} agents times {horizon} periods"
        return None, [*faults, Fault("", what, f"at most {check.MAX_STAGES} together")]
    actions = read_names(given.actions, "actions", faults)
    if given.actions is None and given.agents:
        parts = given.agents[0].parts
        table = parts["base"][0] if parts["base"][0] is not None else parts["values"][0]
        actions = tuple(map(str, range(len(table)))) if is_list(table) else None
    cost = _flat_cost(given, actions, faults)
    agents = [_agent(agent, i, actions, horizon, faults, given.read) for i, agent in enumerate(given.agents)]
    known = [agent for agent in agents if agent is not None]
    repeated = {agent.name for k, agent in enumerate(known) if agent.name in [a.name for a in known[:k]]}
    faults += [Fault("agents", f"have the name {shortened(repr(name))} twice", "name each once") for name in repeated]
    if faults or horizon is None or discount is None or actions is None or cost is None:
        return None, list(dict.fromkeys(faults))
    return Model(tuple(known), actions, cost, horizon, discount), []


def _flat_cost(given: Given, actions: Names | None, faults: list[Fault]) -> Vector | None:
    if depth(given.cost) > 1:
        faults.append(Fault("cost", "is a list of lists", "give one number, or one an action"))
        return None
    costs = read_cost(given.cost, (actions,), given.horizon, faults, given.read)
    return costs[0] if costs else None


def _agent(
    given: AgentGiven, i: int, actions: Names | None, horizon: Horizon | None, faults: list[Fault], reader: Reader
) -> Agent | None:
    before, parts = len(faults), given.parts

    def part(key: str, levels: int, count: int | None = None, of: str = "types") -> Any:
        """Read one part; its first axis has one entry for each of `count`."""
        table, where = parts[key]
        found = numbers(table, levels, where, faults, reader)
        if found is not None and count is not None and len(found) != count:
            faults.append(Fault(where, f"has {len(found)} entries for {count} {of}", f"give one {_one(of)}"))
        return found

    name, form = _name(parts["names"], i, faults), _form(parts["form"], faults)
    taken = TAKEN.get(form or "", ())
    for key in ("initial_values", "initial_probabilities", "signal_initial", *(k for k in taken if k != "level")):
        if parts[key][0] is None:
            faults.append(Fault(parts[key][1], "is missing", _MENDS[key]))
    for key in ("level", "base", "rate", "values"):
        if form is not None and key not in taken and parts[key][0] is not None:
            mend = f"the {form} form takes {' and '.join(taken)}"
            faults.append(Fault(parts[key][1], "is not part of the form", mend))
    grid: Vector | None = part("initial_values", 1) if parts["initial_values"][0] is not None else None
    if grid is not None:
        faults += _grid_faults(grid, parts["initial_values"][1])
    types = None if grid is None else len(grid)
    law: Vector | None = None
    if parts["initial_probabilities"][0] is not None:
        law = part("initial_probabilities", 1, types)
        raw, where = parts["initial_probabilities"]
        faults += [] if law is None else check.probabilities_faults(law, where, check.is_float_like(raw))
    signals = read_names(parts["signals"][0], parts["signals"][1], faults)
    first, size = _first(parts["signal_initial"], types, signals, faults, reader)
    count = None if actions is None else len(actions)
    known: dict[str, Any] = dict.fromkeys(("level", "base", "rate", "values"))
    for key in (key for key in taken if parts[key][0] is not None):
        known[key] = part(
            key, _LEVELS[key], types if key == "level" else count, "types" if key == "level" else "actions"
        )
    faults += _row_faults(known["base"], parts["base"][1], size, "signals")
    for a, matrix in enumerate(known["values"] or ()):
        where = f"{parts['values'][1]}[{a}]"
        if types is not None and len(matrix) != types:
            faults.append(Fault(where, f"has {len(matrix)} entries for {types} types", "give one a type"))
        faults += _row_faults(matrix, where, size, "signals")
    kernel = _kernel(parts["signal_kernel"], size, count, horizon, faults, reader)
    if len(faults) > before or grid is None or law is None or first is None or kernel is None or form is None:
        return None
    level = known["level"] if known["level"] is not None or form == "general" else grid
    names = signals or tuple(map(str, range(size or 0)))
    return Agent(form, grid, law, level, known["base"], known["rate"], known["values"], first, kernel, names, name)


_LEVELS = {"level": 1, "base": 2, "rate": 1, "values": 3}
_MENDS = {
    "initial_values": "give the grid of the initial signal",
    "initial_probabilities": "give the law of the initial signal",
    "signal_initial": "give the law of the first later signal",
    "base": "give base[action][signal]",
    "rate": "give rate[action]",
    "values": "give values[action][initial][signal]",
}


def _one(of: str) -> str:
    return f"an {of[:-1]}" if of[0] in "aeiou" else f"a {of[:-1]}"


def _name(given: tuple[Any, str], i: int, faults: list[Fault]) -> str:
    name, where = given
    if name is not None and (not isinstance(name, str) or not name):
        faults.append(Fault(where, f"{shortened(repr(name))} is not a name", "write a text in quotes"))
    return str(i) if name is None else str(name)


def _form(given: tuple[Any, str], faults: list[Fault]) -> str | None:
    form, where = given
    if form is None:
        return FORMS[0]
    if isinstance(form, str) and form in FORMS:
        return form
    near = get_close_matches(str(form), FORMS, n=1)
    mend = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(map(repr, FORMS))}"
    faults.append(Fault(where, f"{shortened(repr(form))} is not a form", mend))
    return None


def _grid_faults(grid: Vector, where: str) -> list[Fault]:
    return [
        Fault(f"{where}[{k}]", f"{check.shown(b)} is not above {check.shown(a)} before it", "list them increasing")
        for k, (a, b) in enumerate(pairwise(grid), 1)
        if b <= a
    ]


def _row_faults(table: Matrix | None, where: str, size: int | None, of: str) -> list[Fault]:
    return [
        Fault(f"{where}[{k}]", f"has {len(row)} entries for {size} {of}", f"give one {_one(of)}")
        for k, row in enumerate(table or ())
        if size is not None and len(row) != size
    ]


def _first(
    given: tuple[Any, str], types: int | None, signals: Names | None, faults: list[Fault], reader: Reader
) -> tuple[Vector | Matrix | None, int | None]:
    """Law of the first signal, one for all types where all have the same, and the number of signals."""
    law, where = given
    named = None if signals is None else len(signals)
    if law is None:
        return None, named
    by_type = depth(law) > 1
    found = numbers(law, 2 if by_type else 1, where, faults, reader)
    if found is None:
        return None, named
    rows = [(row, law[k], f"{where}[{k}]") for k, row in enumerate(found)] if by_type else [(found, law, where)]
    if by_type and types is not None and len(found) != types:
        faults.append(Fault(where, f"has {len(found)} entries for {types} types", "give one a type, or one for all"))
    size = named if named is not None else len(rows[0][0])
    for row, raw, at in rows:
        if len(row) != size:
            faults.append(Fault(at, f"has {len(row)} entries for {size} signals", "give one a signal"))
        faults += check.probabilities_faults(row, at, check.is_float_like(raw))
    same = by_type and len({row for row, _, _ in rows}) == 1
    return (found[0] if same else found), size


def _kernel(
    given: tuple[Any, str],
    size: int | None,
    count: int | None,
    horizon: Horizon | None,
    faults: list[Fault],
    reader: Reader,
) -> tuple[Matrix, ...] | None:
    """Kernels by action; one that holds whatever the action stands once for each."""
    table, where = given
    if table is None:
        if horizon != 1:
            faults.append(Fault(where, "is missing", "give the law of the next signal by signal"))
            return None
        still = tuple(tuple(Fraction(int(z == to)) for to in range(size or 0)) for z in range(size or 0))
        return (still,) * (count or 0)
    by_action = depth(table) > 2
    found = numbers(table, 3 if by_action else 2, where, faults, reader)
    if found is None:
        return None
    listed = [(f"{where}[{a}]", m, table[a]) for a, m in enumerate(found)] if by_action else [(where, found, table)]
    for at, matrix, raw in listed:
        if size is not None and len(matrix) != size:
            faults.append(Fault(at, f"has {len(matrix)} rows for {size} signals", "give one a signal"))
        faults += _row_faults(matrix, at, size, "signals")
        for k, row in enumerate(matrix):
            faults += check.probabilities_faults(row, f"{at}[{k}]", check.is_float_like(raw[k]))
    if by_action and count is not None and len(found) != count:
        faults.append(
            Fault(where, f"has {len(found)} kernels for {count} actions", "give one an action, or one for all")
        )
    kernel: tuple[Matrix, ...] = found if by_action else (found,) * (count or 0)
    return kernel
