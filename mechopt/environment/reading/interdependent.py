"""Reader of interdependent environments, from Python or a model file, to joint arrays; every fault."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from mechopt.core.errors import Fault, shortened
from mechopt.core.numbers import Array, to_exact
from mechopt.environment.reading.joint_array import (
    alike,
    has_floats,
    joint_array,
    joint_distribution_faults,
    misshapen_fault,
)
from mechopt.environment.reading.nested import Number, Vector, depth, is_list
from mechopt.environment.reading.reader import Horizon, Names, Part, Reader
from mechopt.environment.reading.seller import NO_PART
from mechopt.environment.reading.terms import Options, parts_of

LAYOUTS = {key: f"{key}[i][t]" for key in ("values", "types")}
"""Arguments with axes of agents and periods."""


class StageGiven(NamedTuple):
    """One period as given; `values` and `types` by agent."""

    values: Sequence[Part]
    kernel: Part
    types: Sequence[Part]
    seller_values: Part = NO_PART


class Given(NamedTuple):
    """An environment as given; `stages` has one entry for every period, or one a period."""

    stages: Sequence[StageGiven]
    initial: Part
    names: Sequence[Part]
    actions: Any
    cost: Any
    horizon: Any
    discount: Any
    read: Number = to_exact
    faults: Sequence[Fault] = ()
    outside: Sequence[Part] = ()
    discounts: Sequence[Part] = ()


class Joint(NamedTuple):
    """An environment that is read; arrays of floats or fractions, equal ones of different periods shared.

    `actions` and `cost` are by period, or of length 1 for every period.
    """

    values: tuple[Array, ...]
    kernel: tuple[Array, ...]
    initial: Array
    actions: tuple[Names, ...]
    types: tuple[tuple[Names, ...], ...]
    names: Names
    cost: tuple[Vector, ...]
    horizon: Horizon
    discount: Fraction
    seller_values: tuple[Array, ...] | None = None
    outside: Options | None = None
    discounts: Vector | None = None


def from_arrays(
    values: Any,
    kernel: Any,
    initial: Any,
    actions: Any,
    types: Any,
    names: Any,
    cost: Any,
    horizon: Any,
    discount: Any,
    seller_values: Any = None,
    outside: Any = None,
    discounts: Any = None,
) -> Given:
    """Arrange the arguments of `InterdependentTypes` by period; how deep `initial` is tells the number of agents."""
    needed = {"values": values, "initial": initial}
    faults = [
        Fault(name, f"{shortened(repr(part))} is not a list", "see the layout in the documentation")
        for name, part in needed.items()
        if not is_list(part) or not len(part)
    ]
    agents = depth(initial)
    if not faults and agents < 2:
        faults.append(one_agent("initial"))
    for name, part in (("types", types), ("names", names)):
        if part is not None and not is_list(part):
            faults.append(Fault(name, f"{shortened(repr(part))} is not a list", "give one entry an agent"))
    if faults:
        return Given((), (initial, "initial"), (), actions, cost, horizon, discount, faults=faults)
    by_period = depth(values) > agents + 2
    levels, whole = depth(kernel), isinstance(kernel, np.ndarray)
    kernel_by_period = levels > 2 * agents + 1 or (by_period and is_list(kernel) and levels != 2 * agents and not whole)
    gains_by_period = depth(seller_values) > agents + 1
    named_by_period = is_list(types) and any(is_list(entry) and any(map(is_list, entry)) for entry in types)
    periods = max(len(row) for row in values if is_list(row)) if by_period else 1
    if kernel_by_period and not by_period and len(kernel) > 1:
        periods = horizon if isinstance(horizon, int) else len(kernel)
    if gains_by_period and periods == 1 and len(seller_values) > 1:
        periods = len(seller_values)
    stages: dict[Any, StageGiven] = {}
    order = []
    for t in range(periods):
        own = _rows(values, "values", t, by_period, agents)
        distribution = _at(kernel, "kernel", t, kernel_by_period)
        named = _rows(types, "types", t, named_by_period, agents)
        gains = _at(seller_values, "seller_values", t, gains_by_period)
        key = tuple(id(part[0]) for part in (*own, distribution, *named, gains))
        if key not in stages:
            stages[key] = StageGiven(own, distribution, named, gains)
        order.append(stages[key])
    listed = _by_agent((names, "names"), agents)
    terms = [parts_of(part, name, agents, faults) for name, part in (("outside", outside), ("discounts", discounts))]
    asked = (initial, "initial"), listed, actions, cost, horizon, discount
    return Given(order, *asked, faults=faults, outside=terms[0], discounts=terms[1])


def one_agent(where: str) -> Fault:
    """Fault of an environment with one agent."""
    return Fault(
        where,
        "is about one agent; values are interdependent among at least two",
        "give a joint distribution initial[s_1][s_2]..., or use MarkovTypes for one agent",
    )


def _rows(given: Any, name: str, t: int, by_period: bool, agents: int) -> list[Part]:
    """Entry of each agent in a period, from ``given[i]`` or ``given[i][t]``."""
    rows = _by_agent((given, name), agents)
    return [_at(row, where, t, by_period and is_list(row)) for row, where in rows]


def _at(given: Any, name: str, t: int, listed: bool) -> Part:
    """Entry of period t; one for every period where there is only one."""
    if not listed:
        return given, name
    if len(given) == 1:
        return given[0], f"{name}[0]"
    return (given[t] if t < len(given) else None), f"{name}[{t}]"


def _by_agent(part: Part, agents: int) -> list[Part]:
    """Entry of each agent; too few or too many entries stay visible as such."""
    given, where = part
    count = max(agents, len(given)) if is_list(given) else agents
    return [(given[i] if is_list(given) and i < len(given) else None, f"{where}[{i}]") for i in range(count)]


def read(given: Given) -> tuple[Joint | None, list[Fault]]:
    """Turn what is given into joint arrays, or list everything that is wrong with it.

    Parameters
    ----------
    given : Given

    Returns
    -------
    Joint, or None after a fault
    list of Fault
    """
    reader = _Reader(len(given.names), given.read, given.faults)
    horizon, discount = reader.time(given.horizon, given.discount)
    periods, agents = len(given.stages), len(given.names)
    actions = reader.actions(given.actions, [stage.values[0][0] for stage in given.stages] or [None], horizon)
    cost = reader.cost(given.cost, actions, horizon)
    stages = max(periods, len(actions), len(cost or ()))
    if horizon == "infinite":
        for name, count in (("", periods), ("actions", len(actions)), ("cost", len(cost or ()))):
            if 1 < count < stages:
                fix = "give one a period, the last of which is for ever, or one"
                reader.fault(name, f"{count} periods are given, and {stages} elsewhere", fix)
    elif periods > 1 and horizon not in (None, periods):
        reader.fault("", f"{periods} periods are given, the horizon is {horizon}", "give one a period, or one")
    elif periods == 1 and len({len(names or ()) for names in actions}) > 1:
        reader.fault("actions", "are not as many in every period", "give values and kernel by period")
    listed = tuple(names for names in actions if names is not None)
    if not given.stages or agents < 2 or len(listed) < len(actions):
        return None, reader.found
    names = reader.agent_names(given.names)
    by_period = [listed[min(t, len(listed) - 1)] for t in range(periods)]
    values = [reader.values(stage, by_period[t]) for t, stage in enumerate(given.stages)]
    sizes = [None if array is None else array.shape[2:] for array in values]
    types = [reader.types(stage, size) for stage, size in zip(given.stages, sizes, strict=True)]
    gains = [reader.gains(stage, array) for stage, array in zip(given.stages, values, strict=True)]
    initial = reader.first(given.initial, sizes[0])
    for_ever = horizon == "infinite"
    length = stages if for_ever else int(horizon or 1)
    kernels = []
    for t, stage in enumerate(given.stages):
        last = t + 1 == periods if periods > 1 else horizon == 1
        if not last or for_ever:
            following = min(t + 1, periods - 1)
            kernels.append(reader.kernel(stage, by_period[t], sizes[t], sizes[following], types[t]))
    if reader.faults or horizon is None or discount is None or cost is None or initial is None:
        return None, reader.found
    if periods == 1:
        values, types, kernels = values * length, types * length, kernels * (length - (not for_ever))
        gains = gains * length
    known = [array for array in values if array is not None], [array for array in kernels if array is not None]
    named = tuple(stage for stage in types if stage is not None)
    worth = tuple(array for array in gains if array is not None)
    some = worth if any(array.any() for array in worth) else None
    terms = reader.terms(given, [array.shape[2:] for array in known[0]], horizon, discount)
    if reader.faults:
        return None, reader.found
    arrays = tuple(known[0]), tuple(known[1]), initial
    return Joint(*arrays, listed, named, names, cost, horizon, discount, some, *terms), []


class _Reader(Reader):
    """Reads the arrays of each period once, however often it stands in the list of periods."""

    last_for_ever = True

    def __init__(self, agents: int, read: Number, faults: Sequence[Fault]) -> None:
        super().__init__(read, faults)
        self.agents = agents
        self.known: dict[Any, Any] = {}

    def array(self, part: Part, levels: int) -> Array | None:
        """Array with an axis a signal."""
        return joint_array(part[0], levels, part[1], self.faults, self.read)

    def shaped(self, array: Array, wanted: tuple[int, ...], where: str, axes: str) -> bool:
        """Tell whether an array has the shape that it needs."""
        if array.shape != wanted:
            self.faults.append(misshapen_fault(where, array.shape, wanted, axes))
        return array.shape == wanted

    def by_agent(self, parts: Sequence[Part]) -> bool:
        """Tell whether there is one entry an agent."""
        if len(parts) != self.agents:
            self.count(len(parts), self.agents, parts[0][1].removesuffix("[0]"), "agents")
        return len(parts) == self.agents

    def values(self, stage: StageGiven, actions: Names) -> Array | None:
        """Values ``(agent, action, *signals)``."""
        key = ("values", id(stage), actions)
        if key not in self.known:
            self.known[key] = self._values(stage, actions)
        array: Array | None = self.known[key]
        return array

    def _values(self, stage: StageGiven, actions: Names) -> Array | None:
        arrays: list[Array] = []
        for part in stage.values if self.by_agent(stage.values) else ():
            if part[0] is None:
                self.fault(part[1], "is missing", "give values[action][s_1][s_2]... of this agent")
            elif (array := self.array(part, 1 + self.agents)) is not None:
                wanted = (len(actions), *(arrays[0] if arrays else array).shape[1:])
                if self.shaped(array, wanted, part[1], "action, then a signal of each agent"):
                    arrays.append(array)
        return np.stack(alike(arrays)) if len(arrays) == self.agents else None

    def gains(self, stage: StageGiven, values: Array | None) -> Array | None:
        """The seller's gains, ``(action, *signals)``; zeros where nothing is given."""
        key, part = ("gains", id(stage)), stage.seller_values
        if values is None:
            return None
        if key not in self.known:
            array = None if part[0] is None else self.array(part, 1 + self.agents)
            if array is None or not self.shaped(
                array, values.shape[1:], part[1], "action, then a signal of each agent"
            ):
                array = np.zeros_like(values[0])
            self.known[key] = array
        found: Array = self.known[key]
        return found

    def types(self, stage: StageGiven, sizes: tuple[int, ...] | None) -> tuple[Names, ...] | None:
        """Names of the signals of each agent."""
        if not self.by_agent(stage.types):
            return None
        key = ("types", id(stage))
        if key not in self.known:
            named = []
            for i, part in enumerate(stage.types):
                names = self.names(part)
                if names is not None and sizes is not None:
                    self.count(len(names), sizes[i], part[1], "signals", "names", "name each once")
                named.append(names if names is not None else tuple(map(str, range(sizes[i] if sizes else 0))))
            self.known[key] = tuple(named)
        found: tuple[Names, ...] = self.known[key]
        return found

    def first(self, part: Part, sizes: tuple[int, ...] | None) -> Array | None:
        """Joint distribution of the first signals."""
        array = self.array(part, self.agents)
        if array is None or not self.shaped(array, sizes or array.shape, part[1], "a signal of each agent"):
            return None
        self.faults += joint_distribution_faults(array, 0, part[1], has_floats(part[0]))
        return array

    def kernel(self, stage: StageGiven, actions: Names, sizes: Any, following: Any, types: Any) -> Array | None:
        """Transition probabilities ``(action, *signals, *next signals)``."""
        key = ("kernel", id(stage), actions, following)
        if key not in self.known:
            self.known[key] = self._kernel(stage.kernel, actions, sizes, following, types)
        array: Array | None = self.known[key]
        return array

    def _kernel(self, part: Part, actions: Names, sizes: Any, following: Any, types: Any) -> Array | None:
        table, where = part
        if table is None:
            self.fault(where, "is missing", "give the joint distribution of the next signals")
            return None
        by_action = depth(table) > 2 * self.agents
        array = self.array(part, 2 * self.agents + by_action)
        if array is None or sizes is None or following is None:
            return None
        words = f"{'action, ' if by_action else ''}a signal of each agent, a next signal of each agent"
        if not self.shaped(array, (*((len(actions),) if by_action else ()), *sizes, *following), where, words):
            return None
        names = [*([actions] if by_action else []), *(types or [])]
        self.faults += joint_distribution_faults(array, by_action + self.agents, where, has_floats(table), names)
        return array if by_action else np.broadcast_to(array, (len(actions), *array.shape))
