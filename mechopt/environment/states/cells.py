"""Separable model files whose tables depend on the period or on public states: each cell is a file of its own.

Under ``[[agents]]`` a key of `CHANGING` may stand in ``[[agents.periods]]``, one table an allocation period, and in
either place with ``_by_state`` as a list over public states. ``cost`` may be a list by period, or ``cost_by_state``.
What a cell's tables are is put in their place, the reader of separable files reads the cell, and faults are given back
at the keys where the numbers stand.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

from mechopt.core.errors import Fault
from mechopt.environment.reading.nested import depth, is_list
from mechopt.environment.states.separable import SeparableStates, grid_faults
from mechopt.environment.states.state import PublicState

CHANGING = ("base", "rate", "values", "signal_kernel")
Tables = dict[str, Any]
Paths = dict[str, str]
"""From key paths of a cell to those of the file, where they differ."""


def depends_on_cells(tables: Tables) -> bool:
    """Whether a separable file has public states, or something by period or by state."""
    keys = {key for agent in _agents(tables) for key, part in agent.items() if part is not None}
    by_state = {f"{key}_by_state" for key in CHANGING}
    return bool(
        tables.get("states") is not None
        or tables.get("cost_by_state") is not None
        or depth(tables.get("cost")) > 1
        or keys & (by_state | {"periods"})
    )


def environment_of_cells(cls: Any, tables: Tables) -> SeparableStates:
    """The environment of a file without faults.

    Parameters
    ----------
    cls : type
        `SeparableFile`.
    tables : dict
    """
    states = _states(tables, [])
    count = prod(len(state.values) for state in states)
    periods = int(tables["horizon"])
    known: dict[str, Any] = {}
    grid = []
    for t in range(periods):
        row = []
        for s in range(count):
            cell = _cell(tables, t, s, [])[0]
            key = repr([cell["cost"], [[agent.get(part) for part in CHANGING] for agent in cell["agents"]]])
            if key not in known:
                known[key] = cls.environment_type.from_given(cls.given(cell))
            row.append(known[key])
        grid.append(row)
    return SeparableStates(grid, states)


def faults_of_cells(cls: Any, tables: Tables) -> list[Fault]:
    """Every fault, each once, at the key path of the file.

    Parameters
    ----------
    cls : type
        `SeparableFile`.
    tables : dict
        As in the file.
    """
    faults = list[Fault]()
    states = _states(tables, faults)
    horizon = tables.get("horizon")
    if horizon == "infinite":
        fix = "write a number of periods; public states of one buyer for ever: mo.families.state_as_signal in Python"
        return [*faults, Fault("horizon", "is infinite, with public states or tables by period", fix)]
    if type(horizon) is not int or horizon < 1:
        return [*faults, *cls.reading.read(cls.given(_cell(tables, 0, 0, [])[0]))[1]]
    count = prod(len(state.values) for state in states)
    faults += _shape_faults(tables, horizon, count, bool(tables.get("states")))
    if faults:
        return faults
    grid, seen = [], set[tuple[str, str]]()
    for t in range(horizon):
        row = []
        for s in range(count):
            cell, paths = _cell(tables, t, s, faults)
            found, read = cls.reading.read(cls.given(cell))
            for fault in read:
                moved = replace(fault, where=_in_file(fault.where, paths))
                if (moved.where, moved.what) not in seen:
                    seen.add((moved.where, moved.what))
                    faults.append(moved)
            row.append(None if found is None or read else cls.environment_type.from_given(cls.given(cell)))
        grid.append(row)
    if faults:
        return faults
    return [replace(fault, where=fault.where or "states") for fault in grid_faults(grid, states)]


def _agents(tables: Tables) -> list[Tables]:
    given = tables.get("agents")
    return [agent for agent in given if isinstance(agent, dict)] if isinstance(given, list) else []


def _states(tables: Tables, faults: list[Fault]) -> list[PublicState]:
    given = tables.get("states")
    rows = given if isinstance(given, list) else []
    if given is not None and not rows:
        faults.append(Fault("states", "is empty", "give at least one public state"))
    found = [PublicState.read(row, f"states[{j}]", faults) for j, row in enumerate(rows) if isinstance(row, dict)]
    return [state for state in found if state is not None]


def _shape_faults(tables: Tables, horizon: int, count: int, stated: bool) -> list[Fault]:
    """Lists over periods and states that are too long or too short, and keys that stand beside each other."""
    faults = list[Fault]()
    cost, by_state = tables.get("cost", 0), tables.get("cost_by_state")
    if depth(cost) > 1 and len(cost) != horizon:
        faults.append(Fault("cost", f"has {len(cost)} entries for {horizon} periods", "give one a period"))
    if by_state is not None and depth(by_state) > 2 and len(by_state) != horizon:
        what = f"has {len(by_state)} entries for {horizon} periods"
        faults.append(Fault("cost_by_state", what, "give one a period: [period][state][action]"))
    for at, part in _by_period(by_state, "cost_by_state"):
        _by_state_fault(part, at, count, stated, faults)
    if by_state is not None and cost != 0:
        faults.append(Fault("cost_by_state", "stands beside cost", "write one of the two"))
    for i, agent in enumerate(_agents(tables)):
        rows = agent.get("periods")
        if rows is not None and (not isinstance(rows, list) or len(rows) != horizon):
            size = len(rows) if isinstance(rows, list) else 0
            what = f"has {size} tables for {horizon} allocation periods"
            faults.append(Fault(f"agents[{i}].periods", what, "give one a period, contracting left out"))
        tables_of = [(f"agents[{i}]", agent)]
        tables_of += [(f"agents[{i}].periods[{t}]", row) for t, row in enumerate(rows or ()) if isinstance(row, dict)]
        for at, table in tables_of:
            for key in CHANGING:
                states = table.get(f"{key}_by_state")
                _by_state_fault(states, f"{at}.{key}_by_state", count, stated, faults)
                if states is not None and table.get(key) is not None:
                    faults.append(Fault(f"{at}.{key}_by_state", f"stands beside {key}", "write one of the two"))
        for key in CHANGING:
            places = [at for at, table in tables_of[1:] if {key, f"{key}_by_state"} & _given(table)]
            if places and {key, f"{key}_by_state"} & _given(agent):
                what = f"stands beside agents[{i}].{key}, which is for all periods"
                faults.append(Fault(f"{places[0]}.{key}", what, "write one of the two"))
    return faults


def _by_period(costs: Any, at: str) -> list[tuple[str, Any]]:
    """Costs by state of each period, or of all, with their key paths."""
    return [(f"{at}[{t}]", row) for t, row in enumerate(costs)] if depth(costs) > 2 else [(at, costs)]


def _given(table: Tables) -> set[str]:
    return {key for key, part in table.items() if part is not None}


def _by_state_fault(given: Any, at: str, count: int, stated: bool, faults: list[Fault]) -> None:
    if given is None:
        return
    if not stated:
        faults.append(
            Fault(at, "is by public state, and there are no [[states]]", "give these, or leave out _by_state")
        )
    elif not is_list(given) or len(given) != count:
        size = f"has {len(given)} entries" if is_list(given) else "is not a list"
        faults.append(Fault(at, f"{size} for {count} states", "give one a state, states in C order"))


def _cell(tables: Tables, t: int, s: int, faults: list[Fault]) -> tuple[Tables, Paths]:
    """The tables of a cell, as a file without states and periods, and where in the file its keys stand."""
    paths: Paths = {}
    cell = {key: part for key, part in tables.items() if key not in ("states", "cost_by_state")}
    costs = _by_period(tables.get("cost_by_state"), "cost_by_state")
    at, costs_now = costs[t if len(costs) > t and depth(tables.get("cost_by_state")) > 2 else 0]
    if is_list(costs_now) and s < len(costs_now):
        cell["cost"], paths["cost"] = costs_now[s], f"{at}[{s}]"
    elif depth(tables.get("cost")) > 1:
        cell["cost"], paths["cost"] = tables["cost"][t], f"cost[{t}]"
    last = t + 1 == tables.get("horizon")
    agents = []
    for i, agent in enumerate(tables.get("agents") or ()):
        if not isinstance(agent, dict):
            agents.append(agent)
            continue
        skipped = {"periods", *(f"{key}_by_state" for key in CHANGING)}
        own = {key: part for key, part in agent.items() if key not in skipped}
        rows = agent.get("periods")
        row = rows[t] if isinstance(rows, list) and t < len(rows) and isinstance(rows[t], dict) else {}
        for at, table in ((f"agents[{i}]", agent), (f"agents[{i}].periods[{t}]", row)):
            for key in CHANGING:
                for name, place in ((key, ""), (f"{key}_by_state", f"[{s}]")):
                    part = table.get(name)
                    if part is None or (place and (not is_list(part) or s >= len(part))):
                        continue
                    own[key] = part[s] if place else part
                    paths[f"agents[{i}].{key}"] = f"{at}.{name}{place}"
        if last and own.get("signal_kernel") is None and (found := _a_kernel(agent)) is not None:
            own["signal_kernel"] = found  # leads nowhere from the last period
        agents.append(own)
    cell["agents"] = agents
    return cell, paths


def _a_kernel(agent: Tables) -> Any:
    """Some kernel of an agent's periods, for the last one, where it is of no account; None without any."""
    rows = agent.get("periods")
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict) and row.get("signal_kernel") is not None:
            return row["signal_kernel"]
        given = row.get("signal_kernel_by_state") if isinstance(row, dict) else None
        if is_list(given) and given:
            return given[0]
    return None


def _in_file(where: str, paths: Paths) -> str:
    """Key path in the file of a key path in a cell."""
    for inner, outer in paths.items():
        if where == inner or where.startswith((f"{inner}[", f"{inner}.")):
            return outer + where.removeprefix(inner)
    return where
