"""kind = "interdependent": correlated signals, values that depend on all of them."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, WithJsonSchema

from mechopt.core.errors import Fault
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.reading import interdependent
from mechopt.environment.reading.interdependent import Given, StageGiven, one_agent
from mechopt.environment.reading.nested import is_list
from mechopt.environment.reading.reader import Part
from mechopt.modelfile.densities import DensitiesTable
from mechopt.modelfile.persistent import (
    NAMES,
    VALUES_BY_STATE,
    ByState,
    Name,
    Names,
    PersistentFile,
    Tables,
    common,
    list_of_tables,
    listed,
    with_values,
)
from mechopt.modelfile.tables import DISCOUNT, OUTSIDE, Option, OwnDiscount, Table

JOINT: dict[str, Any] = {"type": "array", "items": {"type": ["array", "number", "string"]}}
Joint = Annotated[Any, WithJsonSchema(JOINT)]
NamesByAgent = Annotated[Any, WithJsonSchema(listed(NAMES))]
"""Their faults are found by the environment, together with those of what does not fit together."""

KERNEL = "kernel[action][s_1][s_2]...[next_1][next_2]..., or without the action"


SELLER_VALUES = (
    "seller_values[action][s_1][s_2]...: what an action is worth to the seller besides payments and the cost"
)


class JointPeriodTable(Table):
    """One period: what differs from the keys of the agents and of the file."""

    types: NamesByAgent = Field(None, description="types[agent][signal]: names of the signals of this period")
    values: Joint = Field(None, description="values[agent][action][s_1][s_2]...")
    kernel: Joint = Field(None, description=f"{KERNEL}: to the signals of the next period")
    seller_values: Joint = Field(None, description=SELLER_VALUES)


class SignalPeriodTable(Table):
    """One period of an agent: what differs from the agent's own keys."""

    types: Names = Field(None, description="names of the signals of this period")
    values: Joint = Field(None, description="values[action][s_1][s_2]...")


class SignalAgentTable(SignalPeriodTable):
    """An agent who privately sees a signal each period."""

    name: Name = Field(None, description="default: the agent's number")
    types: Names = Field(None, description="names of the signals; default: their numbers")
    values_by_state: ByState = Field(None, description=VALUES_BY_STATE.replace("[type]", "[s_1][s_2]..."))
    outside: Option = Field(None, description=OUTSIDE)
    discount: OwnDiscount = Field(None, description=DISCOUNT)
    periods: list[SignalPeriodTable] | None = Field(
        None,
        strict=True,
        description="one table a period; of an infinite horizon the first ones, the last of these for ever",
    )


class InterdependentFile(PersistentFile):
    """kind = "interdependent": correlated signals, values that depend on all of them."""

    environment_type: ClassVar[Any] = InterdependentTypes
    reading: ClassVar[Any] = interdependent

    kind: Literal["interdependent"]
    initial: Joint = Field(description="initial[s_1][s_2]...: joint distribution of the first signals")
    kernel: Joint = Field(None, description=KERNEL)
    seller_values: Joint = Field(None, description=SELLER_VALUES)
    agents: list[SignalAgentTable] = Field(min_length=1, strict=True, json_schema_extra={"minItems": 2})
    densities: DensitiesTable | None = Field(
        None, strict=True, description="signals on [0, 1] by densities, instead of tables"
    )
    periods: list[JointPeriodTable] | None = Field(
        None,
        strict=True,
        description="one table a period; of an infinite horizon the first ones, the last of these for ever",
    )

    @classmethod
    def faults_between_keys(cls, tables: Tables) -> list[Fault]:
        """Every fault of the numbers, from the raw tables; missing and unknown keys are found beside it."""
        faults = super().faults_between_keys(tables)
        return [one_agent("agents")] if len(list_of_tables(tables.get("agents"))) == 1 else faults

    @classmethod
    def given(cls, tables: Tables) -> Given:
        """By period; a period's table, of the file or of an agent, comes before the keys that are for every period."""
        tables = tables | {"agents": with_values(tables["agents"])}
        agents, periods = tables["agents"], list_of_tables(tables.get("periods"))
        count = max(len(periods), *(len(list_of_tables(agent.get("periods"))) for agent in agents), 1)
        stages = [_stage(tables, periods[t] if t < len(periods) else {}, t) for t in range(count)]
        names = [(agent.get("name"), f"agents[{i}].name") for i, agent in enumerate(agents)]
        return Given(stages, (tables.get("initial"), "initial"), names, **common(tables, []))


def _stage(tables: Tables, table: Tables, t: int) -> StageGiven:
    parts: dict[str, list[Part]] = {}
    for key in ("values", "types"):
        given, where = table.get(key), f"periods[{t}].{key}"
        if given is None:
            parts[key] = [_of_agent(agent, key, t, f"agents[{i}]") for i, agent in enumerate(tables["agents"])]
        elif is_list(given) and len(given):
            parts[key] = [(entry, f"{where}[{i}]") for i, entry in enumerate(given)]
        else:
            parts[key] = [(given, f"{where}[{i}]") for i, _ in enumerate(tables["agents"])]
    kernel = tables.get("kernel"), "kernel"
    if table.get("kernel") is not None or (kernel[0] is None and table):
        kernel = table.get("kernel"), f"periods[{t}].kernel"
    gains = tables.get("seller_values"), "seller_values"
    if table.get("seller_values") is not None:
        gains = table["seller_values"], f"periods[{t}].seller_values"
    return StageGiven(parts["values"], kernel, parts["types"], gains)


def _of_agent(agent: Tables, key: str, t: int, at: str) -> Part:
    periods = list_of_tables(agent.get("periods"))
    if t < len(periods) and periods[t].get(key) is not None:
        return periods[t][key], f"{at}.periods[{t}].{key}"
    return agent.get(key), f"{at}.{key}"
