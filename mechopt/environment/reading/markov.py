"""Reader of Markov environments, from Python or from a model file, to exact numbers; every fault at once."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from mechopt.core.errors import Fault, shortened
from mechopt.environment.reading.nested import Matrix, Vector, depth, is_list
from mechopt.environment.reading.reader import Found, Given, Horizon, Names, Part, Reader
from mechopt.environment.reading.seller import NO_PART, gains_by_type
from mechopt.environment.reading.terms import parts_of

LAYOUTS = {key: f"{key}[i][t]" for key in ("values", "kernel", "types", "seller_values")}
"""Arguments with axes of agents and periods."""


class StageGiven(NamedTuple):
    """One period of one agent, as given, each part with its key path; None where nothing is."""

    values: Part
    kernel: Part
    types: Part
    seller_values: Part = NO_PART


class AgentGiven(NamedTuple):
    """One agent as given; `stages` has one entry for every period, or one a period."""

    where: str
    name: Part
    initial: Part
    stages: Sequence[StageGiven]


class Agent(NamedTuple):
    """One agent, exact; `values`, `seller_values` and `types` by period, `kernel` by period, action, type, next."""

    name: str
    initial: Vector
    values: tuple[Matrix, ...]
    kernel: tuple[tuple[Matrix, ...], ...]
    types: tuple[Names, ...]
    seller_values: tuple[Matrix, ...]


Chain = Found[Agent]


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
    seller_values: Any = None,
    outside: Any = None,
    discounts: Any = None,
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
        for name, part in (("types", types), ("names", names), ("seller_values", seller_values)):
            if part is not None and (not is_list(part) or len(part) != count):
                what = f"{shortened(repr(part))} is not a list of {count} entries"
                faults.append(Fault(name, what, "give one an agent"))
    agents = []
    for i in range(count):
        own_values, own_kernel, own_types = _entry(values, i), _entry(kernel, i), _entry(types, i)
        gains = _entry(seller_values, i)
        periods = len(own_values) if depth(own_values) > 2 else None
        if periods is None and depth(gains) > 2:
            what = "is by period, the values are not"
            faults.append(Fault(f"seller_values[{i}]", what, "give both by period, or both for every period"))
            gains = None
        at, named = [f"{part}[{i}]" for part in ("values", "kernel", "types", "seller_values")], depth(own_types) > 1
        if periods is None:
            stages = [StageGiven((own_values, at[0]), (own_kernel, at[1]), (own_types, at[2]), (gains, at[3]))]
        else:
            stages = [
                StageGiven(
                    (own_values[t], f"{at[0]}[{t}]"),
                    (_entry(own_kernel, t), f"{at[1]}[{t}]"),
                    (_entry(own_types, t), f"{at[2]}[{t}]") if named else (own_types, at[2]),
                    (_entry(gains, t), f"{at[3]}[{t}]") if depth(gains) > 2 else (gains, at[3]),
                )
                for t in range(periods)
            ]
        agents.append(
            AgentGiven(at[0], (_entry(names, i), f"names[{i}]"), (_entry(initial, i), f"initial[{i}]"), stages)
        )
    terms = [parts_of(part, name, count, faults) for name, part in (("outside", outside), ("discounts", discounts))]
    return Given(agents, actions, cost, horizon, discount, faults=faults, outside=terms[0], discounts=terms[1])


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
    reader, count = Reader(given.read, given.faults), len(given.agents)
    horizon, discount = reader.time(given.horizon, given.discount)
    if reader.too_much(count, horizon):
        return None, reader.found
    tables = [stage.values[0] for stage in given.agents[0].stages] if count else [None]
    actions = reader.actions(given.actions, tables, horizon)
    cost = reader.cost(given.cost, actions, horizon)
    names = reader.agent_names([agent.name for agent in given.agents], "agents")
    agents = [_agent(reader, agent, name, actions, horizon) for agent, name in zip(given.agents, names, strict=True)]
    known = tuple(agent for agent in agents if agent is not None)
    listed = tuple(names for names in actions if names is not None)
    if reader.faults or horizon is None or discount is None or len(listed) < len(actions) or cost is None:
        return None, reader.found
    shape = list(zip(*(tuple(map(len, agent.types)) for agent in known), strict=True))
    terms = reader.terms(given, shape, horizon, discount)
    return (None, reader.found) if reader.faults else (Chain(known, listed, cost, horizon, discount, *terms), [])


class _Stage(NamedTuple):
    values: Matrix
    size: int
    names: Names
    seller_values: Matrix


def _agent(
    reader: Reader, given: AgentGiven, name: str, actions: tuple[Names | None, ...], horizon: Horizon | None
) -> Agent | None:
    before, rows, periods = len(reader.faults), given.stages, len(given.stages)
    reader.periods(periods, given.where, horizon)
    if periods == 1 and isinstance(horizon, int) and len({len(names or ()) for names in actions}) > 1:
        rows, periods = list(rows) * horizon, horizon  # one table for all, but not as many actions in each
    by_period = [actions[t] if t < len(actions) else actions[0] for t in range(len(rows))]
    stages = [_stage(reader, stage, names) for stage, names in zip(rows, by_period, strict=True)]
    sizes = [stage and stage.size for stage in stages]
    initial: Vector | None = None
    if given.initial[0] is None:
        reader.fault(given.initial[1], "is missing", "give the distribution of the first type")
    elif (initial := reader.numbers(given.initial, 1)) is not None:
        reader.distribution(initial, *given.initial, sizes[0])
    kernels = []
    for t, stage in enumerate(rows):
        final = t + 1 == periods if periods > 1 else horizon == 1
        following = sizes[0] if periods == 1 else None if final else sizes[t + 1]
        if stage.kernel[0] is not None:
            count = None if (names := by_period[t]) is None else len(names)
            kernels.append(reader.chain(stage.kernel, sizes[t], following, count))
        elif not final:
            reader.fault(stage.kernel[1], "is missing", "give the distribution of the next type by type")
    if len(reader.faults) > before or initial is None:
        return None
    found = [stage for stage in stages if stage is not None]
    length = 1 if horizon == "infinite" else int(horizon or 1)
    if periods == 1:
        found, kernels = found * length, kernels[:1] * length
    chains = tuple(kernel for kernel in kernels[: length if horizon == "infinite" else length - 1] if kernel)
    values, gains = tuple(stage.values for stage in found), tuple(stage.seller_values for stage in found)
    return Agent(name, initial, values, chains, tuple(stage.names for stage in found), gains)


def _stage(reader: Reader, given: StageGiven, actions: Names | None) -> _Stage | None:
    """Values and names of the types of one period."""
    names = reader.names(given.types)
    if given.values[0] is None:
        reader.fault(given.values[1], "is missing", "give what each action is worth, by type")
        return None
    values: Matrix | None = reader.numbers(given.values, 2)
    if values is None:
        return None
    reader.count(len(values), None if actions is None else len(actions), given.values[1], "actions", "rows")
    size = len(values[0] if names is None else names)
    for a, row in enumerate(values):
        reader.count(len(row), size, f"{given.values[1]}[{a}]", "types")
    count, gains = None if actions is None else len(actions), None
    if given.seller_values[0] is not None:
        gains = gains_by_type(reader, given.seller_values, count, size)
    nothing = ((Fraction(0),) * size,) * len(values)
    return _Stage(values, size, names or tuple(map(str, range(size))), nothing if gains is None else gains)
