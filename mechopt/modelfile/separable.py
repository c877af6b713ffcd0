"""kind = "separable": an initial type known at contracting, and signals that are learned later."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from mechopt.core.errors import Fault
from mechopt.core.numbers import to_exact
from mechopt.environment.reading.separable import FORMS, PARTS, AgentGiven, Given, read
from mechopt.environment.separable import SeparableTypes
from mechopt.modelfile.markov import LIST, NUMBER, TABLE, Horizon, Kernel, Law, Name, Names, Number, Values
from mechopt.modelfile.tables import SolveTable, Table, Unread, whole

Form = Annotated[Any, WithJsonSchema({"enum": list(FORMS)})]
FirstLaw = Annotated[Any, WithJsonSchema({"anyOf": [LIST, TABLE]})]
GeneralValues = Annotated[Any, WithJsonSchema({"type": "array", "items": TABLE})]
FlatCost = Annotated[Any, WithJsonSchema({"anyOf": [*NUMBER["anyOf"], LIST]})]
"""Their faults are found by the environment, together with those of what does not fit together."""

KEYS = {key: key for key in PARTS} | {
    "initial_values": "initial.values",
    "initial_probabilities": "initial.probabilities",
    "names": "name",
}
"""Key in an agent's table of each part of `SeparableTypes`."""


class InitialTable(Table):
    """The initial signal of an agent."""

    values: Law = Field(description="its grid, increasing")
    probabilities: Law = Field(description="its law")


class SeparableAgentTable(Table):
    """An agent who knows an initial type at contracting and learns signals later."""

    name: Name = Field(None, description="default: the agent's number")
    form: Form = Field(
        "multiplicative",
        description="multiplicative: level[s0] * base[action][signal]; "
        "additive: level[s0] * rate[action] + base[action][signal]; general: values[action][s0][signal]",
    )
    initial: InitialTable
    level: Law = Field(None, description="A(s0); default: s0 itself")
    signals: Names = Field(None, description="names of the later signals; default: their numbers")
    signal_initial: FirstLaw = Field(description="law of the signal at t = 1, or one by initial type")
    signal_kernel: Kernel = Field(None, description="[signal][next] or [action][signal][next]; needless with horizon 1")
    base: Values = Field(None, description="B[action][signal]")
    rate: Law = Field(None, description="C[action], additive form only")
    values: GeneralValues = Field(None, description="values[action][s0][signal], general form only")


class SeparableFile(Table):
    """kind = "separable": an initial type known at contracting, and signals that are learned later."""

    title: str = ""
    source: str = ""
    kind: Literal["separable"]
    horizon: Horizon = Field(description='number of allocation periods, from t = 1 on, or "infinite"')
    discount: Number = Field(Fraction(1), description="above 0, at most 1; below 1 with an infinite horizon")
    actions: Names = Field(description="names of the actions")
    cost: FlatCost = Field(Fraction(0), description="the seller's cost: one, or one an action")
    agents: list[SeparableAgentTable] = Field(min_length=1, strict=True)
    solve: SolveTable = SolveTable()
    expected: dict[str, Any] = Field({}, description="results to compare with: keys of the JSON output joined by dots")

    def environment(self) -> SeparableTypes:
        """Build the environment that the file describes."""
        return SeparableTypes.from_given(_given(self.model_dump()))

    @staticmethod
    def faults_between_keys(tables: dict[str, Any]) -> list[Fault]:
        """Every fault of the numbers, from the raw tables; missing and unknown keys are found beside it."""
        agents = tables.get("agents")
        if not (isinstance(agents, list) and agents and all(isinstance(agent, dict) for agent in agents)):
            return []
        missing = {key for key in ("horizon", "actions") if key not in tables}
        for i, agent in enumerate(agents):
            initial = agent.get("initial")
            missing |= {f"agents[{i}].{key}" for key in ("initial", "signal_initial") if key not in agent}
            if not isinstance(initial, dict) or len(initial) < 2:
                missing |= {f"agents[{i}].initial.{key}" for key in ("values", "probabilities")}
        return [fault for fault in read(_given(tables))[1] if fault.where not in missing]


def _number(value: Any) -> Fraction:
    if isinstance(value, Unread):
        raise ValueError(value.message)
    return to_exact(value)


def _given(tables: dict[str, Any]) -> Given:
    """What the file gives, by agent, with key paths."""
    agents = []
    for i, agent in enumerate(tables["agents"]):
        parts = {part: (_at(agent, key), f"agents[{i}].{key}") for part, key in KEYS.items()}
        agents.append(AgentGiven(f"agents[{i}]", parts))
    cost, discount = tables.get("cost", 0), tables.get("discount", 1)
    return Given(agents, tables.get("actions"), cost, whole(tables.get("horizon")), discount, _number)


def _at(agent: dict[str, Any], key: str) -> Any:
    """Entry of a table by its key, which may be one of a table in it."""
    entry: Any = agent
    for part in key.split("."):
        entry = entry.get(part) if isinstance(entry, dict) else None
    return entry
