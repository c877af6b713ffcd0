"""What is given for an interdependent environment, from Python or a model file, to joint arrays; every fault."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from mechopt.core.errors import Fault, shortened
from mechopt.core.numbers import Array, to_exact
from mechopt.environment.reading import check
from mechopt.environment.reading.actions import Names, read_actions, read_cost, read_names
from mechopt.environment.reading.joint_array import alike, has_floats, joint_array, law_faults, misshapen_fault
from mechopt.environment.reading.markov import Horizon, read_horizon
from mechopt.environment.reading.nested import Reader, Vector, depth, is_list, numbers

Part = tuple[Any, str]
"""Something given, and its key path."""


class StageGiven(NamedTuple):
    """One period as given; `values` and `types` by agent."""

    values: Sequence[Part]
    kernel: Part
    types: Sequence[Part]


class Given(NamedTuple):
    """An environment as given; `stages` has one entry for every period, or one a period."""

    stages: Sequence[StageGiven]
    initial: Part
    names: Sequence[Part]
    actions: Any
    cost: Any
    horizon: Any
    discount: Any
    read: Reader = to_exact
    faults: Sequence[Fault] = ()


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
    laws_by_period = levels > 2 * agents + 1 or (by_period and is_list(kernel) and levels != 2 * agents and not whole)
    named_by_period = is_list(types) and any(is_list(entry) and any(map(is_list, entry)) for entry in types)
    periods = len(values) if by_period else 1
    if laws_by_period and not by_period and len(kernel) > 1:
        periods = horizon if isinstance(horizon, int) else len(kernel)
    stages: dict[Any, StageGiven] = {}
    order = []
    for t in range(periods):
        own = _at(values, "values", t, by_period)
        law = _at(kernel, "kernel", t, laws_by_period)
        named = _at(types, "types", t, named_by_period)
        key = id(own[0]), id(law[0]), id(named[0])
        if key not in stages:
            stages[key] = StageGiven(_by_agent(own, agents), law, _by_agent(named, agents))
        order.append(stages[key])
    listed = _by_agent((names, "names"), agents)
    return Given(order, (initial, "initial"), listed, actions, cost, horizon, discount, faults=faults)


def one_agent(where: str) -> Fault:
    """Fault of an environment with one agent."""
    return Fault(
        where,
        "is about one agent; values are interdependent among at least two",
        "give a joint law initial[s_1][s_2]..., or use MarkovTypes for one agent",
    )


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
    faults = list(given.faults)
    horizon, discount = read_horizon(given.horizon, faults), numbers(given.discount, 0, "discount", faults, given.read)
    if discount is not None:
        faults += check.discount_faults(discount)
        if horizon == "infinite" and discount == 1:
            faults.append(Fault("discount", "is 1 with an infinite horizon", "it must be below 1, such as 0.9"))
    periods, agents = len(given.stages), len(given.names)
    actions = read_actions(given.actions, [stage.values[0][0] for stage in given.stages] or [None], horizon, faults)
    cost = read_cost(given.cost, actions, horizon, faults, given.read)
    if periods > 1 and horizon == "infinite":
        what = f"{periods} periods are given, the horizon is infinite"
        faults.append(Fault("", what, "with an infinite horizon nothing depends on the period"))
    elif periods > 1 and horizon not in (None, periods):
        faults.append(Fault("", f"{periods} periods are given, the horizon is {horizon}", "give one a period, or one"))
    elif periods == 1 and len({len(names or ()) for names in actions}) > 1:
        faults.append(Fault("actions", "are not as many in every period", "give values and kernel by period"))
    listed = tuple(names for names in actions if names is not None)
    if not given.stages or agents < 2 or len(listed) < len(actions):
        return None, list(dict.fromkeys(faults))
    names = _agent_names(given.names, faults)
    reader, by_period = _Reader(agents, faults, given.read), [listed[min(t, len(listed) - 1)] for t in range(periods)]
    values = [reader.values(stage, by_period[t]) for t, stage in enumerate(given.stages)]
    sizes = [None if array is None else array.shape[2:] for array in values]
    types = [reader.types(stage, size) for stage, size in zip(given.stages, sizes, strict=True)]
    initial = reader.law(given.initial, sizes[0])
    length = 1 if horizon == "infinite" else int(horizon or 1)
    kernels = []
    for t, stage in enumerate(given.stages):
        last = t + 1 == periods if periods > 1 else horizon == 1
        if not last:
            following = 0 if periods == 1 else t + 1
            kernels.append(reader.kernel(stage, by_period[t], sizes[t], sizes[following], types[t]))
    if faults or horizon is None or discount is None or cost is None or initial is None:
        return None, list(dict.fromkeys(faults))
    if periods == 1:
        values, types, kernels = values * length, types * length, kernels * (length - (horizon != "infinite"))
    known = [array for array in values if array is not None], [array for array in kernels if array is not None]
    named = tuple(stage for stage in types if stage is not None)
    return Joint(tuple(known[0]), tuple(known[1]), initial, listed, named, names, cost, horizon, discount), []


def _agent_names(given: Sequence[Part], faults: list[Fault]) -> Names:
    names: list[str] = []
    for i, (name, where) in enumerate(given):
        if name is not None and (not isinstance(name, str) or not name):
            faults.append(Fault(where, f"{shortened(repr(name))} is not a name", "write a text in quotes"))
        elif name is not None and name in names:
            faults.append(Fault(where, f"repeats {shortened(repr(name))}", "name each agent once"))
        names.append(str(i) if name is None else str(name))
    return tuple(names)


class _Reader:
    """Reads the arrays of each period once, however often it stands in the list of periods."""

    def __init__(self, agents: int, faults: list[Fault], read: Reader) -> None:
        self.agents, self.faults, self.read = agents, faults, read
        self.known: dict[Any, Any] = {}

    def values(self, stage: StageGiven, actions: Names) -> Array | None:
        """Values ``(agent, action, *signals)``."""
        key = ("values", id(stage), actions)
        if key not in self.known:
            self.known[key] = self._values(stage, actions)
        array: Array | None = self.known[key]
        return array

    def _values(self, stage: StageGiven, actions: Names) -> Array | None:
        if len(stage.values) != self.agents:
            what = f"{len(stage.values)} entries for {self.agents} agents"
            self.faults.append(Fault(stage.values[0][1].removesuffix("[0]"), what, "give one an agent"))
            return None
        arrays: list[Array] = []
        for table, where in stage.values:
            if table is None:
                self.faults.append(Fault(where, "is missing", "give values[action][s_1][s_2]... of this agent"))
                continue
            array = joint_array(table, 1 + self.agents, where, self.faults, self.read)
            if array is None:
                continue
            wanted = (len(actions), *(arrays[0] if arrays else array).shape[1:])
            if array.shape != wanted:
                words = "action, then a signal of each agent"
                self.faults.append(misshapen_fault(where, array.shape, wanted, words))
            else:
                arrays.append(array)
        return np.stack(alike(arrays)) if len(arrays) == self.agents else None

    def types(self, stage: StageGiven, sizes: tuple[int, ...] | None) -> tuple[Names, ...] | None:
        """Names of the signals of each agent."""
        if len(stage.types) != self.agents:
            where = stage.types[0][1].removesuffix("[0]")
            what = f"{len(stage.types)} entries for {self.agents} agents"
            self.faults.append(Fault(where, what, "give one an agent"))
            return None
        key = ("types", id(stage))
        if key not in self.known:
            named = []
            for i, (given, where) in enumerate(stage.types):
                names = read_names(given, where, self.faults)
                if names is not None and sizes is not None and len(names) != sizes[i]:
                    what = f"has {len(names)} names for {sizes[i]} signals"
                    self.faults.append(Fault(where, what, "name each once"))
                named.append(names if names is not None else tuple(map(str, range(sizes[i] if sizes else 0))))
            self.known[key] = tuple(named)
        found: tuple[Names, ...] = self.known[key]
        return found

    def law(self, given: Part, sizes: Any) -> Array | None:
        """Joint law of the first signals."""
        array = joint_array(given[0], self.agents, given[1], self.faults, self.read)
        if array is None:
            return None
        if sizes is not None and array.shape != sizes:
            self.faults.append(misshapen_fault(given[1], array.shape, sizes, "a signal of each agent"))
            return None
        self.faults += law_faults(array, 0, given[1], has_floats(given[0]))
        return array

    def kernel(self, stage: StageGiven, actions: Names, sizes: Any, following: Any, types: Any) -> Array | None:
        """Transition probabilities ``(action, *signals, *next signals)``."""
        table, where = stage.kernel
        key = ("kernel", id(stage), actions, following)
        if key in self.known:
            known: Array | None = self.known[key]
            return known
        self.known[key] = None
        if table is None:
            self.faults.append(Fault(where, "is missing", "give the joint law of the next signals"))
            return None
        by_action = depth(table) > 2 * self.agents
        array = joint_array(table, 2 * self.agents + by_action, where, self.faults, self.read)
        if array is None or sizes is None or following is None:
            return None
        wanted = (*((len(actions),) if by_action else ()), *sizes, *following)
        if array.shape != wanted:
            words = f"{'action, ' if by_action else ''}a signal of each agent, a next signal of each agent"
            self.faults.append(misshapen_fault(where, array.shape, wanted, words))
            return None
        names = [*([actions] if by_action else []), *(types or [])]
        self.faults += law_faults(array, by_action + self.agents, where, has_floats(table), names)
        if not by_action:
            array = np.broadcast_to(array, (len(actions), *array.shape))
        self.known[key] = array
        return array
