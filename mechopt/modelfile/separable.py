"""kind = "separable": an initial type known at contracting, and signals that are learned later."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, WithJsonSchema

from mechopt.core.errors import Fault
from mechopt.environment.reading import separable
from mechopt.environment.reading.reader import Given
from mechopt.environment.reading.separable import FORMS, PARTS, AgentGiven
from mechopt.environment.separable import SeparableTypes
from mechopt.modelfile.persistent import (
    LIST,
    TABLE,
    Distribution,
    FlatCost,
    Horizon,
    Kernel,
    Name,
    Names,
    PersistentFile,
    Tables,
    Values,
    common,
    listed,
    of_the_one_agent,
)
from mechopt.modelfile.tables import DISCOUNT, Option, OwnDiscount, Table

Form = Annotated[Any, WithJsonSchema({"enum": list(FORMS)})]
FirstDistribution = Annotated[Any, WithJsonSchema({"anyOf": [LIST, TABLE]})]
GeneralValues = Annotated[Any, WithJsonSchema(listed(TABLE))]
"""Their faults are found by the environment, together with those of what does not fit together."""

KEYS = {key: key for key in PARTS} | {
    "initial_values": "initial.values",
    "initial_probabilities": "initial.probabilities",
    "general": "values",
    "names": "name",
}
"""Key in an agent's table of each part of `SeparableTypes`."""


SELLER_VALUES = "seller_values[action][s0][signal]: what an action is worth to the seller besides payments and the cost"


class InitialTable(Table):
    """The initial signal of an agent."""

    values: Distribution = Field(description="its grid, increasing")
    probabilities: Distribution = Field(description="its distribution")


class SeparableAgentTable(Table):
    """An agent who knows an initial type at contracting and learns signals later."""

    name: Name = Field(None, description="default: the agent's number")
    form: Form = Field(
        "multiplicative",
        description="multiplicative: level[s0] * base[action][signal]; "
        "additive: level[s0] * rate[action] + base[action][signal]; general: values[action][s0][signal]",
    )
    initial: InitialTable
    level: Distribution = Field(None, description="A(s0); default: s0 itself")
    signals: Names = Field(None, description="names of the later signals; default: their numbers")
    signal_initial: FirstDistribution = Field(description="distribution of the signal at t = 1, or one by initial type")
    signal_kernel: Kernel = Field(None, description="[signal][next] or [action][signal][next]; needless with horizon 1")
    base: Values = Field(None, description="B[action][signal]")
    rate: Distribution = Field(None, description="C[action], additive form only")
    values: GeneralValues = Field(None, description="values[action][s0][signal], general form only")
    seller_values: GeneralValues = Field(None, description=SELLER_VALUES)
    outside: Option = Field(None, description="what she has who does not sign: a number, or one by s0")
    discount: OwnDiscount = Field(None, description=DISCOUNT)


class SeparableFile(PersistentFile):
    """kind = "separable": an initial type known at contracting, and signals that are learned later."""

    environment_type: ClassVar[Any] = SeparableTypes
    reading: ClassVar[Any] = separable

    kind: Literal["separable"]
    horizon: Horizon = Field(description='number of allocation periods, from t = 1 on, or "infinite"')
    actions: Names = Field(description="names of the actions")
    cost: FlatCost = Field(Fraction(0), description="the seller's cost: one, or one an action")
    seller_values: GeneralValues = Field(None, description=f"of the one agent: {SELLER_VALUES}")
    agents: list[SeparableAgentTable] = Field(min_length=1, strict=True)

    @classmethod
    def given(cls, tables: Tables) -> Given:
        """By agent."""
        agents, faults = [], list[Fault]()
        gains = of_the_one_agent(tables, faults)
        for i, agent in enumerate(tables["agents"]):
            parts = {part: (_at(agent, key), f"agents[{i}].{key}") for part, key in KEYS.items()}
            parts |= {} if gains is None else {"seller_values": gains}
            agents.append(AgentGiven(f"agents[{i}]", parts))
        return Given(agents, **common(tables, faults))


def _at(agent: Tables, key: str) -> Any:
    """Entry of a table by its key, which may be one of a table in it."""
    entry: Any = agent
    for part in key.split("."):
        entry = entry.get(part) if isinstance(entry, dict) else None
    return entry
