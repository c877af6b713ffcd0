"""The tables ``[[states]]`` of a model file: public states, with every fault at its key path."""

from __future__ import annotations

from typing import Any

from mechopt.core.errors import Fault
from mechopt.environment.states.environment import PublicStates, state_faults
from mechopt.environment.states.state import PublicState

Tables = dict[str, Any]


def with_states(base: Any, tables: Tables) -> PublicStates:
    """The environment with the public states of its file.

    Parameters
    ----------
    base : MarkovTypes, SeparableTypes or InterdependentTypes
    tables : dict
        Of the file, without faults.
    """
    states = [PublicState.read(table, f"states[{j}]", []) for j, table in enumerate(tables["states"])]
    return PublicStates(base, [state for state in states if state is not None], _values(tables))


def faults_of_states(base: Any, tables: Tables) -> list[Fault]:
    """Every fault of the states; what does not fit the rest is looked for where the rest has none.

    Parameters
    ----------
    base : environment or None
    tables : dict
        As in the file.
    """
    faults: list[Fault] = []
    given = tables["states"] if isinstance(tables["states"], list) else []
    states = [
        PublicState.read(table, f"states[{j}]", faults) for j, table in enumerate(given) if isinstance(table, dict)
    ]
    known = [state for state in states if state is not None]
    if base is None or faults or len(known) < len(given):
        return faults
    found = state_faults(base, known, _values(tables))
    return [Fault(_at_agent(fault.where), fault.what, fault.fix) for fault in found]


def _values(tables: Tables) -> list[Any] | None:
    """Values by state, by agent; None where no agent has any."""
    given = [agent.get("values_by_state") for agent in tables["agents"]]
    return given if any(own is not None for own in given) else None


def _at_agent(where: str) -> str:
    """Key path in the file of a fault of ``values[i]``."""
    if where.startswith("values["):
        number, _, rest = where.removeprefix("values[").partition("]")
        return f"agents[{number}].values_by_state{rest}"
    return where
