"""Environments to the tables of their model files: the way back of `mechopt.modelfile.loading`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from mechopt.core.errors import InputError, LimitError
from mechopt.core.numbers import to_exact
from mechopt.environment.families.forever import IndependentForever
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.interface import Environment
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.reading.nested import is_list, unless_zero
from mechopt.environment.separable import SeparableTypes
from mechopt.environment.states.cells import CHANGING
from mechopt.environment.states.environment import PublicStates
from mechopt.environment.states.separable import SeparableStates
from mechopt.environment.supply import Slots
from mechopt.modelfile.independent import MAX_BUYERS
from mechopt.modelfile.separable import KEYS
from mechopt.modelfile.writing import model_text

Tables = dict[str, Any]


def to_toml(environment: Environment) -> str:
    """Write an environment as the text of a model file; ``mo.loads`` gives an equal one.

    Parameters
    ----------
    environment : Environment

    Raises
    ------
    InputError
        If its numbers are not exact.
    LimitError
        If there are more buyers than a model file may have.
    """
    return model_text(tables_of(environment))


def tables_of(environment: Environment) -> Tables:
    """Tables of the model file of an environment, its numbers as fractions.

    Parameters
    ----------
    environment : Environment

    Examples
    --------
    >>> tables_of(IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=1))["buyers"]
    [{'values': (Fraction(1, 1), Fraction(2, 1)), 'probabilities': (Fraction(1, 2), Fraction(1, 2))}]
    """
    if environment.exact is None:
        raise InputError(
            "the probabilities are floats that do not sum to 1 exactly, as those of a model file do: "
            'write exact ones, such as "1/3"'
        )
    if isinstance(environment, SeparableStates):
        return _cells(environment)
    if isinstance(environment, PublicStates):
        return _with_states(environment)
    common = {"kind": environment.kind, "horizon": environment.horizon, "discount": environment.exact.discount}
    write = next(write for kind, write in WRITERS.items() if kind.kind == environment.kind)
    tables = common | write(environment)
    if not isinstance(environment, IndependentForever):
        _add_terms(tables["buyers" if environment.kind == "independent" else "agents"], environment.exact)
    return tables


def _add_terms(rows: list[Tables], exact: Any) -> None:
    """Put what agents have outside, and their own discounts, into their tables, of which one may be for several."""
    i = 0
    for row in rows:
        options = exact.outside and unless_zero(exact.outside[i])
        if options is not None:
            first, *rest = [part[0] if _same(part) else part for part in options]
            later = unless_zero(options[1:]) is not None
            # a list of numbers alone would be read as one by initial type
            row["outside"] = _listed([options[0], *rest] if later else first)
        if exact.discounts is not None and exact.discounts[i] != exact.discount:
            row["discount"] = exact.discounts[i]
        i += row.get("count", 1)


def _independent(environment: IndependentTypes) -> Tables:
    exact = environment.exact
    assert exact is not None
    if environment.agents > MAX_BUYERS:
        raise LimitError(f"{environment.agents:,} buyers; a model file has at most {MAX_BUYERS:,}")
    buyers = []
    nothing = (None,) * environment.agents
    by_period = ((None,) * environment.horizon,) * environment.agents
    terms = exact.outside or nothing, exact.discounts or nothing
    listed = zip(exact.values, exact.probabilities, exact.seller_values or by_period, *terms, strict=True)
    for rows, alike in groupby(listed):
        periods: list[Tables] = [
            {"values": v, "probabilities": p} | ({"seller_values": r} if r and any(r) else {})
            for v, p, r in zip(*rows[:3], strict=True)
        ]
        count = len(list(alike))
        table: Tables = periods[0] if _same(periods) else {"periods": periods}
        buyers.append(table | ({"count": count} if count > 1 else {}))
    return {"cost": exact.cost[0] if _same(exact.cost) else exact.cost, **_supply(exact.slots), "buyers": buyers}


def _supply(slots: Slots | None) -> Tables:
    """Units, or slots where they have other weights than 1; nothing where it is one item a period."""
    if slots is None:
        return {}
    if all(weight == 1 for row in slots for weight in row):
        units = [len(row) for row in slots]
        return {"supply": units[0] if _same(units) else units}
    return {"slots": slots[0] if _same(slots) else slots}


def _forever(environment: IndependentForever) -> Tables:
    return {"kind": "independent"} | _independent(environment.period)


def _markov(environment: MarkovTypes) -> Tables:
    exact = environment.exact
    assert exact is not None
    agents = []
    for i, name in enumerate(environment.names):
        values, kernels = exact.values[i], [_whatever_action(kernel) for kernel in exact.kernel[i]]
        own = exact.seller_values and unless_zero(exact.seller_values[i])
        gains = {"seller_values": own} if own else {}
        periods = _periods(values=values, kernel=kernels, types=environment.types[i], **gains)
        agents.append({"name": name, "initial": exact.initial[i]} | periods)
    return {"actions": environment.actions, "cost": exact.cost, "agents": agents}


def _separable(environment: SeparableTypes) -> Tables:
    exact = environment.exact
    assert exact is not None
    agents = []
    for i in range(environment.agents):
        table: Tables = {}
        for part, key in KEYS.items():
            by_agent = getattr(environment if part in ("form", "signals", "names") else exact, part)
            given = None if by_agent is None else by_agent[i]
            if part == "seller_values" and given is not None:
                given = unless_zero(given)
            outer, _, inner = key.rpartition(".")
            if given is not None:
                (table.setdefault(outer, {}) if outer else table)[inner] = given
        table["signal_kernel"] = _whatever_action(exact.signal_kernel[i])
        agents.append(table)
    return {"actions": environment.actions, "cost": exact.cost, "agents": agents}


def _interdependent(environment: InterdependentTypes) -> Tables:
    exact = environment.exact
    assert exact is not None
    kernels = [kernel[0] if kernel.strides[0] == 0 else kernel for kernel in exact.kernel]
    common = {"actions": environment.actions, "cost": exact.cost, "initial": exact.initial.tolist()}
    gains = exact.seller_values or ()
    if gains and _same(gains):
        common["seller_values"] = _listed(gains[0])
        gains = ()
    if kernels:
        by_period = [{"kernel": _listed(kernel)} for kernel in kernels]
        by_period += [{}] * (not environment.infinite)
        common |= by_period[0] if _same(kernels) and not gains else {"periods": by_period}
    if gains:
        periods = common.setdefault("periods", [{} for _ in gains])
        common["periods"] = [
            table | {"seller_values": _listed(part)} for table, part in zip(periods, gains, strict=True)
        ]
    parts = zip(environment.names, exact.values, environment.types, strict=True)
    return common | {"agents": [{"name": name} | _periods(types=types, values=values) for name, values, types in parts]}


def _with_states(environment: PublicStates) -> Tables:
    """The tables of what there is without the states, and theirs."""
    base, states, values = environment.__dict__["given"]
    tables = tables_of(base)
    for table, own in zip(tables["agents"], values or (), strict=False):
        if own is not None:
            table["values_by_state"] = _exactly(own)
    return tables | {"states": _listed_states(states)}


def _cells(environment: SeparableStates) -> Tables:
    """The tables of the first cell, with what differs by period, by state or by both in their places."""
    grid = [[tables_of(cell) for cell in row] for row in environment.cells]
    tables = grid[0][0]
    costs = [[cell["cost"] for cell in row] for row in grid]
    if all(map(_same, costs)):
        by_period = [row[0] for row in costs]
        tables["cost"] = by_period[0] if _same(by_period) else [_listed(row) for row in by_period]
    else:
        del tables["cost"]
        tables["cost_by_state"] = costs[0] if _same(costs) else costs
    for i, agent in enumerate(tables["agents"]):
        rows: list[Tables] = [{} for _ in grid]
        for key in CHANGING:
            parts = [[cell["agents"][i].get(key) for cell in row] for row in grid]
            if parts[0][0] is None or (_same(parts) and _same(parts[0])):
                continue
            del agent[key]
            places = [agent] if _same(parts) else rows
            for place, row in zip(places, parts, strict=False):
                place.update({key: row[0]} if _same(row) else {f"{key}_by_state": row})
        if any(rows):
            agent["periods"] = rows
    return tables | ({"states": _listed_states(environment.states)} if environment.states else {})


def _listed_states(states: Sequence[Any]) -> list[Tables]:
    listed = []
    for state in states:
        table = {"name": state.name, "values": state.values, "initial": state.initial}
        table["kernel"] = state.kernel[0] if len(state.kernel) == 1 else state.kernel
        table |= {"forbidden": dict(state.forbidden)} if state.forbidden else {}
        listed.append(table | ({"seller_values": state.seller_values} if state.seller_values else {}))
    return listed


def _exactly(part: Any) -> Any:
    return [_exactly(entry) for entry in part] if is_list(part) else to_exact(part)


def _periods(**parts: Sequence[Any]) -> Tables:
    """Entries of the one table for every period where all are the same, else a list of tables by period."""
    if all(map(_same, parts.values())):
        return {key: _listed(part[0]) for key, part in parts.items() if len(part)}
    length = max(map(len, parts.values()))
    return {"periods": [{key: _listed(part[t]) for key, part in parts.items() if t < len(part)} for t in range(length)]}


def _whatever_action(kernel: Sequence[Any]) -> Any:
    """One matrix where all actions have the same."""
    return kernel[0] if _same(kernel) else kernel


def _same(entries: Sequence[Any]) -> bool:
    return all(entry is entries[0] or _equal(entry, entries[0]) for entry in entries)


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)


def _listed(part: Any) -> Any:
    if isinstance(part, np.ndarray):
        return part.tolist()
    return [_listed(entry) for entry in part] if isinstance(part, (list, tuple)) else part


WRITERS: dict[type[Environment], Callable[[Any], Tables]] = {
    IndependentTypes: _independent,
    IndependentForever: _forever,
    MarkovTypes: _markov,
    SeparableTypes: _separable,
    InterdependentTypes: _interdependent,
}
