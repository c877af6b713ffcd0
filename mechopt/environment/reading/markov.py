"""What is given for a Markov environment, from Python or from a model file, to exact numbers; every fault at once."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Literal, NamedTuple

from mechopt.core.errors import Fault, shortened
from mechopt.core.numbers import to_exact
from mechopt.environment.reading import check
from mechopt.environment.reading.actions import Names, read_actions, read_cost, read_names
from mechopt.environment.reading.nested import Matrix, Reader, Vector, depth, is_list, numbers

Horizon = int | Literal["infinite"]


class StageGiven(NamedTuple):
    """One period of one agent, as given, each part with its key path; None where nothing is."""

    values: tuple[Any, str]
    kernel: tuple[Any, str]
    types: tuple[Any, str]


class AgentGiven(NamedTuple):
    """One agent as given; `stages` has one entry for every period, or one a period."""

    where: str
    name: tuple[Any, str]
    initial: tuple[Any, str]
    stages: Sequence[StageGiven]


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
    """One agent, exact; `values` and `types` by period, `kernel` by period, action, type, next type."""

    name: str
    initial: Vector
    values: tuple[Matrix, ...]
    kernel: tuple[tuple[Matrix, ...], ...]
    types: tuple[tuple[str, ...], ...]


class Chain(NamedTuple):
    """An environment, exact; `actions` and `cost` by period, or of length 1 for every period."""

    agents: tuple[Agent, ...]
    actions: tuple[tuple[str, ...], ...]
    cost: tuple[Vector, ...]
    horizon: Horizon
    discount: Fraction


def from_arrays(
    values: Any,
    kernel: Any,
    initial: Any,
    types: Any,
    names: Any,
    actions: Any,
    cost: Any,
    horizon: Any,
    discount: Any,
) -> Given:
    """Arrange the arguments of `MarkovTypes` by agent and period; `read` finds the gaps that short lists leave."""
    needed, count = {"values": values, "kernel": kernel, "initial": initial}, 0
    faults = [
        Fault(name, f"{shortened(repr(part))} is not a list over agents", "give one entry an agent")
        for name, part in needed.items()
        if not is_list(part) or not len(part)
    ]
    if not faults:
        count = max(map(len, needed.values()))
        for name, part in (("types", types), ("names", names)):
            if part is not None and (not is_list(part) or len(part) != count):
                what = f"{shortened(repr(part))} is not a list of {count} entries"
                faults.append(Fault(name, what, "give one an agent"))
    agents = []
    for i in range(count):
        own_values, own_kernel, own_types = _entry(values, i), _entry(kernel, i), _entry(types, i)
        periods = len(own_values) if depth(own_values) > 2 else None
        at, named = [f"{part}[{i}]" for part in ("values", "kernel", "types")], depth(own_types) > 1
        if periods is None:
            stages = [StageGiven((own_values, at[0]), (own_kernel, at[1]), (own_types, at[2]))]
        else:
            stages = [
                StageGiven(
                    (own_values[t], f"{at[0]}[{t}]"),
                    (_entry(own_kernel, t), f"{at[1]}[{t}]"),
                    (_entry(own_types, t), f"{at[2]}[{t}]") if named else (own_types, at[2]),
                )
                for t in range(periods)
            ]
        agents.append(
            AgentGiven(at[0], (_entry(names, i), f"names[{i}]"), (_entry(initial, i), f"initial[{i}]"), stages)
        )
    return Given(agents, actions, cost, horizon, discount, faults=faults)


def _entry(given: Any, k: int) -> Any:
    return given[k] if is_list(given) and k < len(given) else None


def read(given: Given) -> tuple[Chain | None, list[Fault]]:
    """Turn what is given into exact numbers, or list everything that is wrong with it.

    Parameters
    ----------
    given : Given

    Returns
    -------
    Chain, or None after a fault
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
        faults.append(Fault("", what, f"at most {check.MAX_STAGES} together"))
        return None, faults
    tables = [stage.values[0] for stage in given.agents[0].stages] if given.agents else [None]
    actions = read_actions(given.actions, tables, horizon, faults)
    cost = read_cost(given.cost, actions, horizon, faults, given.read)
    agents = [_agent(agent, i, actions, horizon, faults, given.read) for i, agent in enumerate(given.agents)]
    known = [agent for agent in agents if agent is not None]
    repeated = {agent.name for k, agent in enumerate(known) if agent.name in [a.name for a in known[:k]]}
    faults += [Fault("agents", f"have the name {shortened(repr(name))} twice", "name each once") for name in repeated]
    names = tuple(names for names in actions if names is not None)
    if faults or horizon is None or discount is None or len(names) < len(actions) or cost is None:
        return None, list(dict.fromkeys(faults))
    return Chain(tuple(known), names, cost, horizon, discount), []


def read_horizon(given: Any, faults: list[Fault]) -> Horizon | None:
    """Read a horizon: a number of periods or "infinite"; None after a fault."""
    if isinstance(given, str) and given == "infinite":
        return "infinite"
    found = check.horizon_faults(given)
    if isinstance(given, str):
        found = [Fault("horizon", f"is {shortened(repr(given))}", 'write a whole number such as 3, or "infinite"')]
    faults += found
    return None if found else int(given)


class _Stage(NamedTuple):
    values: Matrix
    size: int
    names: tuple[str, ...]


def _agent(
    given: AgentGiven,
    i: int,
    actions: tuple[Names | None, ...],
    horizon: Horizon | None,
    faults: list[Fault],
    reader: Reader,
) -> Agent | None:
    before = len(faults)
    name, periods = given.name[0], len(given.stages)
    if name is not None and (not isinstance(name, str) or not name):
        faults.append(Fault(given.name[1], f"{shortened(repr(name))} is not a name", "write a text in quotes"))
    if periods > 1 and horizon == "infinite":
        what = f"has {periods} periods, the horizon is infinite"
        faults.append(Fault(given.where, what, "with an infinite horizon nothing depends on the period"))
    elif periods > 1 and horizon not in (None, periods):
        what = f"has {periods} periods, the horizon is {horizon}"
        faults.append(Fault(given.where, what, "give one a period, or one for every period"))
    rows = given.stages
    if periods == 1 and isinstance(horizon, int) and len({len(names or ()) for names in actions}) > 1:
        rows, periods = list(rows) * horizon, horizon  # one table for all, but not as many actions in each
    by_period = [actions[t] if t < len(actions) else actions[0] for t in range(len(rows))]
    stages = [_stage(stage, names, faults, reader) for stage, names in zip(rows, by_period, strict=True)]
    initial = _initial(given.initial, stages[0], faults, reader)
    kernels = []
    for t, stage in enumerate(rows):
        final = t + 1 == periods if periods > 1 else horizon == 1
        following = stages[0] if periods == 1 else None if final else stages[t + 1]
        if stage.kernel[0] is not None:
            kernels.append(_kernel(stage.kernel, stages[t], following, by_period[t], faults, reader))
        elif not final:
            faults.append(Fault(stage.kernel[1], "is missing", "give the law of the next type by type"))
    if len(faults) > before or initial is None:
        return None
    found = [stage for stage in stages if stage is not None]
    length = 1 if horizon == "infinite" else int(horizon or 1)
    if periods == 1:
        found, kernels = found * length, kernels[:1] * length
    laws = tuple(kernel for kernel in kernels[: length if horizon == "infinite" else length - 1] if kernel)
    values, names = tuple(stage.values for stage in found), tuple(stage.names for stage in found)
    return Agent(str(i) if name is None else name, initial, values, laws, names)


def _stage(given: StageGiven, actions: Names | None, faults: list[Fault], reader: Reader) -> _Stage | None:
    """Values and names of the types of one period."""
    table, where = given.values
    names = read_names(given.types[0], given.types[1], faults)
    if table is None:
        faults.append(Fault(where, "is missing", "give what each action is worth, by type"))
        return None
    values: Matrix | None = numbers(table, 2, where, faults, reader)
    if values is None:
        return None
    if actions is not None and len(values) != len(actions):
        faults.append(Fault(where, f"has {len(values)} rows for {len(actions)} actions", "give one an action"))
    count = len(values[0] if names is None else names)
    for a, row in enumerate(values):
        if len(row) != count:
            faults.append(Fault(f"{where}[{a}]", f"has {len(row)} entries for {count} types", "give one a type"))
    return _Stage(values, count, names or tuple(map(str, range(count))))


def _initial(given: tuple[Any, str], stage: _Stage | None, faults: list[Fault], reader: Reader) -> Vector | None:
    law, where = given
    if law is None:
        faults.append(Fault(where, "is missing", "give the law of the first type"))
        return None
    initial: Vector | None = numbers(law, 1, where, faults, reader)
    if initial is not None:
        _law(initial, law, where, stage, faults)
    return initial


def _law(law: Vector, raw: Any, where: str, stage: _Stage | None, faults: list[Fault]) -> None:
    """Check one law over types: an entry a type, at least 0, sum to 1."""
    if stage is not None and len(law) != stage.size:
        faults.append(Fault(where, f"has {len(law)} entries for {stage.size} types", "give one a type"))
    faults += check.probabilities_faults(law, where, check.is_float_like(raw))


def _kernel(
    given: tuple[Any, str],
    stage: _Stage | None,
    following: _Stage | None,
    actions: Names | None,
    faults: list[Fault],
    reader: Reader,
) -> tuple[Matrix, ...] | None:
    """Kernels by action; one that holds whatever the action stands once for each."""
    table, where = given
    by_action = depth(table) > 2
    read_table = numbers(table, 3 if by_action else 2, where, faults, reader)
    if read_table is None:
        return None
    listed = [(f"{where}[{a}]", matrix, table[a]) for a, matrix in enumerate(read_table)] if by_action else None
    for at, matrix, raw in listed or [(where, read_table, table)]:
        if stage is not None and len(matrix) != stage.size:
            faults.append(Fault(at, f"has {len(matrix)} rows for {stage.size} types", "give one a type"))
        for k, row in enumerate(matrix):
            _law(row, raw[k], f"{at}[{k}]", following, faults)
        if len({len(row) for row in matrix}) > 1 and following is None:
            faults.append(Fault(at, "has rows of different lengths", "give one entry a next type"))
    if by_action and actions is not None and len(read_table) != len(actions):
        what = f"has {len(read_table)} kernels for {len(actions)} actions"
        faults.append(Fault(where, what, "give one an action, or one for all"))
    kernel: tuple[Matrix, ...] = read_table if by_action else (read_table,) * len(actions or ())
    return kernel
