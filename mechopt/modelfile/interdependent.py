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
from mechopt.modelfile.persistent import NAMES, Name, Names, PersistentFile, Tables, common, list_of_tables, listed
from mechopt.modelfile.tables import Table

JOINT: dict[str, Any] = {"type": "array", "items": {"type": ["array", "number", "string"]}}
Joint = Annotated[Any, WithJsonSchema(JOINT)]
NamesByAgent = Annotated[Any, WithJsonSchema(listed(NAMES))]
"""Their faults are found by the environment, together with those of what does not fit together."""

KERNEL = "kernel[action][s_1][s_2]...[next_1][next_2]..., or without the action"


class JointPeriodTable(Table):
    """One period: what differs from the keys of the agents and of the file."""

    types: NamesByAgent = Field(None, description="types[agent][signal]: names of the signals of this period")
    values: Joint = Field(None, description="values[agent][action][s_1][s_2]...")
    kernel: Joint = Field(None, description=f"{KERNEL}: to the signals of the next period")


class SignalAgentTable(Table):
    """An agent who privately sees a signal each period."""

    name: Name = Field(None, description="default: the agent's number")
    types: Names = Field(None, description="names of the signals; default: their numbers")
    values: Joint = Field(None, description="values[action][s_1][s_2]...")


class InterdependentFile(PersistentFile):
    """kind = "interdependent": correlated signals, values that depend on all of them."""

    environment_type: ClassVar[Any] = InterdependentTypes
    reading: ClassVar[Any] = interdependent

    kind: Literal["interdependent"]
    initial: Joint = Field(description="initial[s_1][s_2]...: joint distribution of the first signals")
    kernel: Joint = Field(None, description=KERNEL)
    agents: list[SignalAgentTable] = Field(min_length=1, strict=True, json_schema_extra={"minItems": 2})
    periods: list[JointPeriodTable] | None = Field(None, strict=True, description="one table a period, finite horizon")

    @classmethod
    def faults_between_keys(cls, tables: Tables) -> list[Fault]:
        """Every fault of the numbers, from the raw tables; missing and unknown keys are found beside it."""
        faults = super().faults_between_keys(tables)
        return [one_agent("agents")] if len(list_of_tables(tables.get("agents"))) == 1 else faults

    @classmethod
    def given(cls, tables: Tables) -> Given:
        """By period; a period's table comes before the agents' own keys."""
        periods = enumerate(list_of_tables(tables.get("periods")))
        stages = [_stage(table, tables, f"periods[{t}]") for t, table in periods] or [_stage({}, tables, "")]
        names = [(agent.get("name"), f"agents[{i}].name") for i, agent in enumerate(tables["agents"])]
        return Given(stages, (tables.get("initial"), "initial"), names, **common(tables))


def _stage(table: Tables, tables: Tables, at: str) -> StageGiven:
    parts: dict[str, list[Part]] = {}
    for key in ("values", "types"):
        given, where = table.get(key), f"{at}.{key}"
        if given is None:
            parts[key] = [(agent.get(key), f"agents[{i}].{key}") for i, agent in enumerate(tables["agents"])]
        elif is_list(given) and len(given):
            parts[key] = [(entry, f"{where}[{i}]") for i, entry in enumerate(given)]
        else:
            parts[key] = [(given, f"{where}[{i}]") for i, _ in enumerate(tables["agents"])]
    kernel: Part = table.get("kernel"), f"{at}.kernel"
    if table.get("kernel") is None:
        kernel = tables.get("kernel"), "kernel"
    return StageGiven(parts["values"], kernel, parts["types"])
