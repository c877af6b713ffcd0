"""Reader of separable environments, from Python or a model file, to exact numbers; every fault at once."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

from mechopt.core.errors import Fault, shortened
from mechopt.environment.reading import check
from mechopt.environment.reading.nested import Matrix, Vector, depth, is_list
from mechopt.environment.reading.reader import Found, Given, Horizon, Names, Part, Reader
from mechopt.environment.reading.terms import parts_of

FORMS = ("multiplicative", "additive", "general")
PARTS = (
    "form",
    "initial_values",
    "initial_probabilities",
    "level",
    "base",
    "rate",
    "general",
    "signal_initial",
    "signal_kernel",
    "signals",
    "names",
    "seller_values",
)
"""What is given by agent, in the order of the arguments of `SeparableTypes`."""
LAYOUTS = {
    "initial_values": "initial_values[i][type]",
    "initial_probabilities": "initial_probabilities[i][type]",
    "level": "level[i][type]",
    "base": "base[i][action][signal]",
    "rate": "rate[i][action]",
    "general": "general[i][action][type][signal]",
    "signal_initial": "signal_initial[i][signal]",
    "signal_kernel": "signal_kernel[i][signal][next] or signal_kernel[i][action][signal][next]",
    "signals": "signals[i][signal]",
    "seller_values": "seller_values[i][action][type][signal]",
}
TAKEN = {"multiplicative": ("level", "base"), "additive": ("level", "base", "rate"), "general": ("general",)}
"""What the values of each form are made of."""


class AgentGiven(NamedTuple):
    """One agent as given: each of `PARTS` with its key path; None where nothing is."""

    where: str
    parts: Mapping[str, Part]


class Agent(NamedTuple):
    """One agent, exact; what her form does not take is None."""

    form: str
    initial_values: Vector
    initial_probabilities: Vector
    level: Vector | None
    base: Matrix | None
    rate: Vector | None
    general: tuple[Matrix, ...] | None
    signal_initial: Vector | Matrix
    signal_kernel: tuple[Matrix, ...]
    signals: Names
    name: str
    seller_values: tuple[Matrix, ...]

    def value_table(self) -> tuple[Matrix, ...]:
        """Value of an action: ``[action][initial][signal]``."""
        if self.general is not None or self.base is None or self.level is None:
            return self.general or ()
        rates = self.rate if self.rate is not None else (None,) * len(self.base)
        return tuple(
            tuple(tuple(level * b if rate is None else level * rate + b for b in row) for level in self.level)
            for row, rate in zip(self.base, rates, strict=True)
        )


Model = Found[Agent]


def from_arrays(
    *, actions: Any, cost: Any, horizon: Any, discount: Any, outside: Any = None, discounts: Any = None, **parts: Any
) -> Given:
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
    terms = [parts_of(part, name, count, faults) for name, part in (("outside", outside), ("discounts", discounts))]
    return Given(agents, actions, cost, horizon, discount, faults=faults, outside=terms[0], discounts=terms[1])


def read(given: Given) -> tuple[Model | None, list[Fault]]:
    """Turn what is given into exact numbers, or list everything that is wrong with it.

    Parameters
    ----------
    given : Given

    Returns
    -------
    Model, or None after a fault
        With the same actions and costs in every period.
    list of Fault
    """
    reader = Reader(given.read, given.faults)
    horizon, discount = reader.time(given.horizon, given.discount)
    if reader.too_much(len(given.agents), horizon):
        return None, reader.found
    actions = reader.names((given.actions, "actions"))
    if given.actions is None and given.agents:
        parts = given.agents[0].parts
        table = parts["base"][0] if parts["base"][0] is not None else parts["general"][0]
        actions = tuple(map(str, range(len(table)))) if is_list(table) else None
    cost = None
    if depth(given.cost) > 1:
        reader.fault("cost", "is a list of lists", "give one number, or one an action")
    else:
        cost = reader.cost(given.cost, (actions,), horizon)
    names = reader.agent_names([agent.parts["names"] for agent in given.agents], "agents")
    agents = [_agent(reader, agent, name, actions, horizon) for agent, name in zip(given.agents, names, strict=True)]
    known = tuple(agent for agent in agents if agent is not None)
    if reader.faults or horizon is None or discount is None or actions is None or cost is None:
        return None, reader.found
    shape = [[len(agent.initial_values) for agent in known]]  # options at contracting
    terms = reader.terms(given, shape, horizon, discount)
    return (None, reader.found) if reader.faults else (Model(known, (actions,), cost, horizon, discount, *terms), [])


_LEVELS = {"level": 1, "base": 2, "rate": 1, "general": 3}
_MENDS = {
    "initial_values": "give the grid of the initial signal",
    "initial_probabilities": "give the distribution of the initial signal",
    "signal_initial": "give the distribution of the first later signal",
    "base": "give base[action][signal]",
    "rate": "give rate[action]",
    "general": "give what an action is worth, [action][initial][signal]",
}


def _agent(
    reader: Reader, given: AgentGiven, name: str, actions: Names | None, horizon: Horizon | None
) -> Agent | None:
    before, parts = len(reader.faults), given.parts
    form = _form(reader, parts["form"])
    taken = TAKEN.get(form or "", ())
    for key in ("initial_values", "initial_probabilities", "signal_initial", *(k for k in taken if k != "level")):
        if parts[key][0] is None:
            reader.fault(parts[key][1], "is missing", _MENDS[key])
    for key in _LEVELS:
        if form is not None and key not in taken and parts[key][0] is not None:
            own = " and ".join(parts[k][1].rpartition(".")[2].partition("[")[0] for k in taken)
            reader.fault(parts[key][1], "is not part of the form", f"the {form} form takes {own}")
    grid: Vector | None = None
    if parts["initial_values"][0] is not None and (grid := reader.numbers(parts["initial_values"], 1)):
        for k, (a, b) in enumerate(pairwise(grid), 1):
            if b <= a:
                what = f"{check.shown(b)} is not above {check.shown(a)} before it"
                reader.fault(f"{parts['initial_values'][1]}[{k}]", what, "list them increasing")
    types, count = None if grid is None else len(grid), None if actions is None else len(actions)
    shares: Vector | None = None
    if parts["initial_probabilities"][0] is not None:
        shares = reader.numbers(parts["initial_probabilities"], 1)
        if shares is not None:
            reader.distribution(shares, *parts["initial_probabilities"], types)
    signals = reader.names(parts["signals"])
    first, size = _first(reader, parts["signal_initial"], types, signals)
    known: dict[str, Any] = dict.fromkeys(_LEVELS)
    for key in (key for key in taken if parts[key][0] is not None):
        known[key] = reader.numbers(parts[key], _LEVELS[key])
        if known[key] is not None:
            by_type = key == "level"
            reader.count(len(known[key]), types if by_type else count, parts[key][1], "types" if by_type else "actions")
    _rows(reader, known["base"], parts["base"][1], size)
    for a, matrix in enumerate(known["general"] or ()):
        where = f"{parts['general'][1]}[{a}]"
        reader.count(len(matrix), types, where, "types")
        _rows(reader, matrix, where, size)
    kernel: tuple[Matrix, ...] | None = None
    if parts["signal_kernel"][0] is not None:
        kernel = reader.chain(parts["signal_kernel"], size, size, count, "signals")
    elif horizon != 1:
        reader.fault(parts["signal_kernel"][1], "is missing", "give the distribution of the next signal by signal")
    else:
        still = tuple(tuple(Fraction(int(z == to)) for to in range(size or 0)) for z in range(size or 0))
        kernel = (still,) * (count or 0)
    if len(reader.faults) > before or None in (grid, shares, first, kernel, form):
        return None
    assert form is not None and grid is not None and shares is not None and first is not None and kernel is not None
    level = known["level"] if known["level"] is not None or form == "general" else grid
    names = signals or tuple(map(str, range(size or 0)))
    values = known["base"], known["rate"], known["general"]
    gains = _gains(reader, parts["seller_values"], count or 0, types or 0, size or 0)
    return Agent(form, grid, shares, level, *values, first, kernel, names, name, gains)


def _gains(reader: Reader, part: Part, actions: int, types: int, signals: int) -> tuple[Matrix, ...]:
    """The seller's gains, ``[action][initial][signal]``; zeros where nothing is given."""
    found: tuple[Matrix, ...] | None = None if part[0] is None else reader.numbers(part, 3)
    if found is None:
        return (((Fraction(0),) * signals,) * types,) * actions
    reader.count(len(found), actions, part[1], "actions")
    for a, matrix in enumerate(found):
        reader.count(len(matrix), types, f"{part[1]}[{a}]", "types")
        _rows(reader, matrix, f"{part[1]}[{a}]", signals)
    return found


def _form(reader: Reader, part: Part) -> str | None:
    form, where = part
    if form is None:
        return FORMS[0]
    if isinstance(form, str) and form in FORMS:
        return form
    near = get_close_matches(str(form), FORMS, n=1)
    fix = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(map(repr, FORMS))}"
    reader.fault(where, f"{shortened(repr(form))} is not a form", fix)
    return None


def _rows(reader: Reader, table: Matrix | None, where: str, size: int | None) -> None:
    for k, row in enumerate(table or ()):
        reader.count(len(row), size, f"{where}[{k}]", "signals")


def _first(
    reader: Reader, part: Part, types: int | None, signals: Names | None
) -> tuple[Vector | Matrix | None, int | None]:
    """Distribution of the first signal, one for all types where all have the same, and the number of signals."""
    given, where = part
    named = None if signals is None else len(signals)
    by_type = depth(given) > 1
    found = None if given is None else reader.numbers(part, 2 if by_type else 1)
    if found is None:
        return None, named
    rows = [(row, given[k], f"{where}[{k}]") for k, row in enumerate(found)] if by_type else [(found, given, where)]
    if by_type:
        reader.count(len(found), types, where, "types", fix="give one a type, or one for all")
    size = named if named is not None else len(rows[0][0])
    for row, raw, at in rows:
        reader.distribution(row, raw, at, size, "signals")
    same = by_type and len({row for row, _, _ in rows}) == 1
    return (found[0] if same else found), size
