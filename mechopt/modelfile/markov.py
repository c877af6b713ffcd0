"""kind = "markov": private types that are persistent, and may be steered by the actions."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from mechopt.core.errors import Fault
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.reading import markov
from mechopt.environment.reading.markov import AgentGiven, StageGiven
from mechopt.environment.reading.reader import Given
from mechopt.modelfile.persistent import (
    VALUES_BY_STATE,
    ByState,
    Distribution,
    Kernel,
    Name,
    Names,
    PersistentFile,
    Tables,
    Values,
    common,
    list_of_tables,
    of_the_one_agent,
    with_values,
)
from mechopt.modelfile.tables import DISCOUNT, OUTSIDE, Option, OwnDiscount, Table

SELLER_VALUES = "seller_values[action][type]: what an action is worth to the seller besides payments and the cost"


class MarkovPeriodTable(Table):
    """One period of an agent: what differs from the agent's own keys."""

    types: Names = Field(None, description="names of the types of this period")
    values: Values = Field(None, description="values[action][type]")
    kernel: Kernel = Field(None, description="kernel[type][next] or kernel[action][type][next], to the next period")
    seller_values: Values = Field(None, description=SELLER_VALUES)


class AgentTable(Table):
    """An agent whose type follows a Markov chain."""

    name: Name = Field(None, description="default: the agent's number")
    types: Names = Field(None, description="names of the types; default: their numbers")
    initial: Distribution = Field(description="distribution of the first type")
    values: Values = Field(None, description="values[action][type]")
    kernel: Kernel = Field(None, description="kernel[type][next], for every action, or kernel[action][type][next]")
    seller_values: Values = Field(None, description=SELLER_VALUES)
    values_by_state: ByState = Field(None, description=VALUES_BY_STATE)
    outside: Option = Field(None, description=OUTSIDE)
    discount: OwnDiscount = Field(None, description=DISCOUNT)
    periods: list[MarkovPeriodTable] | None = Field(None, strict=True, description="one table a period, finite horizon")


class MarkovFile(PersistentFile):
    """kind = "markov": private types that are persistent, and may be steered by the actions."""

    environment_type: ClassVar[Any] = MarkovTypes
    reading: ClassVar[Any] = markov

    kind: Literal["markov"]
    seller_values: Values = Field(None, description=f"of the one agent: {SELLER_VALUES}")
    agents: list[AgentTable] = Field(min_length=1, strict=True)

    @classmethod
    def given(cls, tables: Tables) -> Given:
        """By agent and period; a period's table comes before the agent's own keys."""
        agents, faults = [], list[Fault]()
        gains = of_the_one_agent(tables, faults)
        for i, agent in enumerate(with_values(tables["agents"])):
            at, periods = f"agents[{i}]", list_of_tables(agent.get("periods"))
            without = {key: given for key, given in agent.items() if key != "kernel"}  # the last leads nowhere
            stages = [
                _stage(table, agent if t + 1 < len(periods) else without, f"{at}.periods[{t}]", at)
                for t, table in enumerate(periods)
            ]
            name, initial = ((agent.get(key), f"{at}.{key}") for key in ("name", "initial"))
            stages = stages or [_stage({}, agent, at, at)]
            if gains is not None:
                stages = [stage._replace(seller_values=gains) for stage in stages]
            agents.append(AgentGiven(f"{at}.periods", name, initial, stages))
        return Given(agents, **common(tables, faults))


def _stage(table: Tables, agent: Tables, at: str, agent_at: str) -> StageGiven:
    values, kernel, types, gains = (
        (agent[key], f"{agent_at}.{key}")
        if table.get(key) is None and agent.get(key) is not None
        else (table.get(key), f"{at}.{key}")
        for key in ("values", "kernel", "types", "seller_values")
    )
    return StageGiven(values, kernel, types, gains)
