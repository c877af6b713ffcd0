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
from mechopt.environment.states.cells import depends_on_cells, environment_of_cells, faults_of_cells
from mechopt.modelfile.persistent import (
    LIST,
    TABLE,
    ByState,
    Cost,
    Distribution,
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


BY_STATE = "the same by public state: one entry a state, states in C order"
SELLER_VALUES = "seller_values[action][s0][signal]: what an action is worth to the seller besides payments and the cost"


class InitialTable(Table):
    """The initial signal of an agent."""

    values: Distribution = Field(description="its grid, increasing")
    probabilities: Distribution = Field(description="its distribution")


class SeparablePeriodTable(Table):
    """An agent's tables in one allocation period, where they change."""

    base: Values = Field(None, description="B[action][signal] of the period")
    rate: Distribution = Field(None, description="C[action] of the period, additive form only")
    values: GeneralValues = Field(None, description="values[action][s0][signal] of the period, general form only")
    signal_kernel: Kernel = Field(None, description="to the next period's signals; needless in the last period")
    base_by_state: GeneralValues = Field(None, description=BY_STATE)
    rate_by_state: Values = Field(None, description=BY_STATE)
    values_by_state: ByState = Field(None, description=BY_STATE)
    signal_kernel_by_state: ByState = Field(None, description=BY_STATE)


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
    base_by_state: GeneralValues = Field(None, description=BY_STATE)
    rate_by_state: Values = Field(None, description=BY_STATE)
    values_by_state: ByState = Field(None, description=BY_STATE)
    signal_kernel_by_state: ByState = Field(None, description=BY_STATE)
    periods: list[SeparablePeriodTable] | None = Field(
        None, strict=True, description="tables by allocation period, `horizon` of them; finite horizon"
    )
    outside: Option = Field(None, description="what she has who does not sign: a number, or one by s0")
    discount: OwnDiscount = Field(None, description=DISCOUNT)


class SeparableFile(PersistentFile):
    """kind = "separable": an initial type known at contracting, and signals that are learned later."""

    environment_type: ClassVar[Any] = SeparableTypes
    reading: ClassVar[Any] = separable

    kind: Literal["separable"]
    horizon: Horizon = Field(description='number of allocation periods, from t = 1 on, or "infinite"')
    actions: Names = Field(description="names of the actions")
    cost: Cost = Field(Fraction(0), description="the seller's cost: one, one an action, or a list of these by period")
    cost_by_state: ByState = Field(
        None, description="[state][action], or [period][state][action]: instead of cost, with public states"
    )
    seller_values: GeneralValues = Field(None, description=f"of the one agent: {SELLER_VALUES}")
    agents: list[SeparableAgentTable] = Field(min_length=1, strict=True)

    @classmethod
    def cells_of(cls, tables: Tables) -> Any:
        """By period and public state; None where neither is there."""
        if not depends_on_cells(tables):
            return None
        return environment_of_cells(cls, tables)

    @classmethod
    def cell_faults(cls, tables: Tables) -> list[Fault] | None:
        """By period and public state, at the key paths of the file."""
        return faults_of_cells(cls, tables) if depends_on_cells(tables) else None

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
