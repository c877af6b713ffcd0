"""kind = "markov": private types that move with the actions."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from mechopt.core.errors import Fault
from mechopt.core.numbers import to_exact
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.reading.markov import AgentGiven, Given, StageGiven, read
from mechopt.modelfile.tables import SolveTable, Table, Unread, whole

NUMBER: dict[str, Any] = {"anyOf": [{"type": "number"}, {"type": "string"}]}
LIST: dict[str, Any] = {"type": "array", "items": NUMBER}
TABLE: dict[str, Any] = {"type": "array", "items": LIST}

Horizon = Annotated[
    Any, WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "const": "infinite"}]})
]
Number = Annotated[Any, WithJsonSchema({**NUMBER, "description": 'an exact number: 3, 0.25 or "1/3"'})]
COST: dict[str, Any] = {"anyOf": [*NUMBER["anyOf"], LIST]}
Cost = Annotated[Any, WithJsonSchema({"anyOf": [*NUMBER["anyOf"], {"type": "array", "items": COST}]})]
Law = Annotated[Any, WithJsonSchema(LIST)]
Values = Annotated[Any, WithJsonSchema(TABLE)]
Kernel = Annotated[Any, WithJsonSchema({"anyOf": [TABLE, {"type": "array", "items": TABLE}]})]
NAMES: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
Names = Annotated[Any, WithJsonSchema(NAMES)]
Actions = Annotated[Any, WithJsonSchema({"anyOf": [NAMES, {"type": "array", "items": NAMES}]})]
Name = Annotated[Any, WithJsonSchema({"type": "string"})]
"""Their faults are found by the environment, together with those of what does not fit together."""


class MarkovPeriodTable(Table):
    """One period of an agent: what differs from the agent's own keys."""

    types: Names = Field(None, description="names of the types of this period")
    values: Values = Field(None, description="values[action][type]")
    kernel: Kernel = Field(None, description="kernel[type][next] or kernel[action][type][next], to the next period")


class AgentTable(Table):
    """An agent whose type follows a Markov chain."""

    name: Name = Field(None, description="default: the agent's number")
    types: Names = Field(None, description="names of the types; default: their numbers")
    initial: Law = Field(description="law of the first type")
    values: Values = Field(None, description="values[action][type]")
    kernel: Kernel = Field(None, description="kernel[type][next], whatever the action, or kernel[action][type][next]")
    periods: list[MarkovPeriodTable] | None = Field(None, strict=True, description="one table a period, finite horizon")


class MarkovFile(Table):
    """kind = "markov": private types that move with the actions."""

    title: str = ""
    source: str = ""
    kind: Literal["markov"]
    horizon: Horizon = Field(description='number of periods, at least 1, or "infinite"')
    discount: Number = Field(Fraction(1), description="above 0, at most 1; below 1 with an infinite horizon")
    actions: Actions = Field(description="names of the actions, or a list of them by period")
    cost: Cost = Field(Fraction(0), description="the seller's cost: one, one an action, or a list of these by period")
    agents: list[AgentTable] = Field(min_length=1, strict=True)
    solve: SolveTable = SolveTable()
    expected: dict[str, Any] = Field({}, description="results to compare with: keys of the JSON output joined by dots")

    def environment(self) -> MarkovTypes:
        """Build the environment that the file describes."""
        return MarkovTypes.from_given(_given(self.model_dump()))

    @staticmethod
    def faults_between_keys(tables: dict[str, Any]) -> list[Fault]:
        """Every fault of the numbers, from the raw tables; missing and unknown keys are found beside it."""
        agents = tables.get("agents")
        listed = isinstance(agents, list) and agents and all(isinstance(agent, dict) for agent in agents)
        if not listed:
            return []
        missing = {key for key in ("horizon", "actions") if key not in tables}
        missing |= {f"agents[{i}].initial" for i, agent in enumerate(agents or []) if "initial" not in agent}
        return [fault for fault in read(_given(tables))[1] if fault.where not in missing]


def _number(value: Any) -> Fraction:
    if isinstance(value, Unread):
        raise ValueError(value.message)
    return to_exact(value)


def _given(tables: dict[str, Any]) -> Given:
    """What the file gives, by agent and period, with key paths; a period's table comes before the agent's own keys."""
    agents = []
    for i, agent in enumerate(tables["agents"]):
        at, periods = f"agents[{i}]", agent.get("periods")
        if isinstance(periods, list) and periods and all(isinstance(table, dict) for table in periods):
            without = {key: given for key, given in agent.items() if key != "kernel"}  # the last leads nowhere
            last = len(periods) - 1
            stages = [
                _stage(table, without if t == last else agent, f"{at}.periods[{t}]", at)
                for t, table in enumerate(periods)
            ]
        else:
            stages = [_stage({}, agent, at, at)]
        parts = [(agent.get(key), f"{at}.{key}") for key in ("name", "initial")]
        agents.append(AgentGiven(f"{at}.periods", parts[0], parts[1], stages))
    cost, discount = tables.get("cost", 0), tables.get("discount", 1)
    return Given(agents, tables.get("actions"), cost, whole(tables.get("horizon")), discount, _number)


def _stage(table: dict[str, Any], agent: dict[str, Any], at: str, agent_at: str) -> StageGiven:
    values, kernel, types = (
        (agent[key], f"{agent_at}.{key}")
        if table.get(key) is None and agent.get(key) is not None
        else (table.get(key), f"{at}.{key}")
        for key in ("values", "kernel", "types")
    )
    return StageGiven(values, kernel, types)
