"""kind = "interdependent": correlated signals, values that depend on all of them."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from mechopt.core.errors import Fault
from mechopt.core.numbers import to_exact
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.reading.interdependent import Given, Part, StageGiven, one_agent, read
from mechopt.environment.reading.nested import is_list
from mechopt.modelfile.markov import NAMES, Actions, Cost, Horizon, Name, Names, Number
from mechopt.modelfile.tables import SolveTable, Table, Unread, whole

JOINT: dict[str, Any] = {"type": "array", "items": {"type": ["array", "number", "string"]}}
Joint = Annotated[Any, WithJsonSchema(JOINT)]
NamesByAgent = Annotated[Any, WithJsonSchema({"type": "array", "items": NAMES})]
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


class InterdependentFile(Table):
    """kind = "interdependent": correlated signals, values that depend on all of them."""

    title: str = ""
    source: str = ""
    kind: Literal["interdependent"]
    horizon: Horizon = Field(description='number of periods, at least 1, or "infinite"')
    discount: Number = Field(Fraction(1), description="above 0, at most 1; below 1 with an infinite horizon")
    actions: Actions = Field(description="names of the actions, or a list of them by period")
    cost: Cost = Field(Fraction(0), description="the seller's cost: one, one an action, or a list of these by period")
    initial: Joint = Field(description="initial[s_1][s_2]...: joint law of the first signals")
    kernel: Joint = Field(None, description=KERNEL)
    agents: list[SignalAgentTable] = Field(min_length=1, strict=True, json_schema_extra={"minItems": 2})
    periods: list[JointPeriodTable] | None = Field(None, strict=True, description="one table a period, finite horizon")
    solve: SolveTable = SolveTable()
    expected: dict[str, Any] = Field({}, description="results to compare with: keys of the JSON output joined by dots")

    def environment(self) -> InterdependentTypes:
        """Build the environment that the file describes."""
        return InterdependentTypes.from_given(_given(self.model_dump()))

    @staticmethod
    def faults_between_keys(tables: dict[str, Any]) -> list[Fault]:
        """Every fault of the numbers, from the raw tables; missing and unknown keys are found beside it."""
        agents = tables.get("agents")
        if not isinstance(agents, list) or not agents or not all(isinstance(agent, dict) for agent in agents):
            return []
        if len(agents) == 1:
            return [one_agent("agents")]
        missing = {key for key in ("horizon", "actions", "initial") if key not in tables}
        return [] if "initial" in missing else [f for f in read(_given(tables))[1] if f.where not in missing]


def _number(value: Any) -> Fraction:
    if isinstance(value, Unread):
        raise ValueError(value.message)
    return to_exact(value)


def _given(tables: dict[str, Any]) -> Given:
    """What the file gives, by period, with key paths; a period's table comes before the agents' own keys."""
    agents, periods = tables["agents"], tables.get("periods")
    if isinstance(periods, list) and periods and all(isinstance(table, dict) for table in periods):
        stages = [_stage(table, tables, f"periods[{t}]") for t, table in enumerate(periods)]
    else:
        stages = [_stage({}, tables, "")]
    names = [(agent.get("name"), f"agents[{i}].name") for i, agent in enumerate(agents)]
    return Given(
        stages,
        (tables.get("initial"), "initial"),
        names,
        tables.get("actions"),
        tables.get("cost", 0),
        whole(tables.get("horizon")),
        tables.get("discount", 1),
        _number,
    )


def _stage(table: dict[str, Any], tables: dict[str, Any], at: str) -> StageGiven:
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
