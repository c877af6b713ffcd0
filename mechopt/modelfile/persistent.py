"""Common parts of model files with persistent types: keys, and faults that the environment finds."""

from __future__ import annotations

from abc import abstractmethod
from fractions import Fraction
from typing import Annotated, Any, ClassVar

from pydantic import Field, WithJsonSchema

from mechopt.core.errors import Fault
from mechopt.core.numbers import to_exact
from mechopt.environment.reading.reader import Part
from mechopt.modelfile.tables import (
    SELLER_DISCOUNT,
    SUBJECT_TO,
    OwnDiscount,
    PaymentNames,
    SolveTable,
    Table,
    Unread,
    missing,
    own_discounts,
    whole,
)

NUMBER: dict[str, Any] = {"anyOf": [{"type": "number"}, {"type": "string"}]}


def listed(*items: dict[str, Any]) -> dict[str, Any]:
    """Schema of a list of one of some things."""
    return {"type": "array", "items": items[0] if len(items) == 1 else {"anyOf": list(items)}}


LIST, NAMES = listed(NUMBER), listed({"type": "string"})
TABLE = listed(LIST)

Horizon = Annotated[
    Any, WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "const": "infinite"}]})
]
Number = Annotated[Any, WithJsonSchema({**NUMBER, "description": 'an exact number: 3, 0.25 or "1/3"'})]
Cost = Annotated[Any, WithJsonSchema({"anyOf": [*NUMBER["anyOf"], listed(*NUMBER["anyOf"], LIST)]})]
Distribution = Annotated[Any, WithJsonSchema(LIST)]
Values = Annotated[Any, WithJsonSchema(TABLE)]
Kernel = Annotated[Any, WithJsonSchema({"anyOf": [TABLE, listed(TABLE)]})]
ByState = Annotated[Any, WithJsonSchema({"type": "array", "items": {"type": ["array", "number", "string"]}})]
Names = Annotated[Any, WithJsonSchema(NAMES)]
Actions = Annotated[Any, WithJsonSchema({"anyOf": [NAMES, listed(NAMES)]})]
Name = Annotated[Any, WithJsonSchema({"type": "string"})]
"""Their faults are found by the environment, together with those of what does not fit together."""

Tables = dict[str, Any]


class StateTable(Table):
    """A public state."""

    name: Name = Field(None, description="default: state")
    values: Names = Field(description="names of its values")
    initial: Distribution = Field(description="distribution of the first one")
    kernel: Kernel = Field(None, description="[state][next] or [action][state][next]; default: it stays")
    forbidden: dict[str, Any] | None = Field(None, description="from a value to the names of the actions it rules out")
    seller_values: Values = Field(None, description="[action][state]: what an action is worth to the seller there")


VALUES_BY_STATE = "[state][action][type]: instead of values, where public states are given; states in C order"


class PersistentFile(Table):
    """A file whose numbers the environment reads, with key paths of the file."""

    environment_type: ClassVar[Any]
    """The class of the environment."""
    reading: ClassVar[Any]
    """The module that reads it."""

    title: str = ""
    source: str = ""
    kind: str
    horizon: Horizon = Field(description='number of periods, at least 1, or "infinite"')
    discount: Number = Field(Fraction(1), description="above 0, at most 1; below 1 with an infinite horizon")
    seller_discount: OwnDiscount = Field(None, description=SELLER_DISCOUNT)
    actions: Actions = Field(description="names of the actions, or a list of them by period")
    cost: Cost = Field(Fraction(0), description="the seller's cost: one, one an action, or a list of these by period")
    agents: list[Any] = Field(min_length=1, strict=True)
    states: list[StateTable] | None = Field(None, strict=True, description="public states, finite horizon")
    subject_to: PaymentNames | None = Field(None, description=SUBJECT_TO)
    solve: SolveTable = SolveTable()
    expected: Tables = Field({}, description="results to compare with: keys of the JSON output joined by dots")

    def environment(self) -> Any:
        """Build the environment that the file describes."""
        tables = self.model_dump()
        if (cells := self.cells_of(tables)) is not None:
            return cells
        base = self.environment_type.from_given(self.given(tables))
        if not tables.get("states"):
            return base
        from mechopt.environment.states.tables import with_states

        return with_states(base, tables)

    @classmethod
    def cells_of(cls, tables: Tables) -> Any:
        """The environment whose tables depend on the period or on public states; None where there is none."""
        return None

    @classmethod
    def cell_faults(cls, tables: Tables) -> list[Fault] | None:
        """Faults where tables depend on the period or on public states; None where they do not."""
        return None

    @classmethod
    @abstractmethod
    def given(cls, tables: Tables) -> Any:
        """Data of the file, with key paths."""

    @classmethod
    def faults_between_keys(cls, tables: Tables) -> list[Fault]:
        """Every fault of the numbers, from the raw tables; missing and unknown keys are found beside it."""
        if not list_of_tables(tables.get("agents")):
            return []
        absent = missing(cls, tables)
        if (own := cls.cell_faults(tables)) is not None:
            return [fault for fault in own if fault.where not in absent]
        found, read = cls.reading.read(cls.given(tables))
        faults = [fault for fault in read if fault.where not in absent]
        if tables.get("states") is not None:
            from mechopt.environment.states.tables import faults_of_states

            base = None if faults or found is None else cls.environment_type.from_given(cls.given(tables))
            faults += faults_of_states(base, tables)
        return faults


def common(tables: Tables, faults: list[Fault]) -> Tables:
    """Keys of all agents, as the reader takes them; faults of the file's own keys are appended."""
    agents = list_of_tables(tables["agents"])
    discount, own = own_discounts(tables, agents, "agents", faults, _number)
    return {
        "actions": tables.get("actions"),
        "cost": tables.get("cost", 0),
        "horizon": whole(tables.get("horizon")),
        "discount": discount,
        "read": _number,
        "faults": faults,
        "outside": [(agent.get("outside"), f"agents[{i}].outside") for i, agent in enumerate(agents)],
        "discounts": own,
    }


def of_the_one_agent(tables: Tables, faults: list[Fault]) -> Part | None:
    """Keys ``seller_values`` of the file, and not of an agent's table; it may have them where there is one agent."""
    given, agents = tables.get("seller_values"), tables["agents"]
    if given is None:
        return None
    if len(agents) > 1:
        what = f"is one table, but there are {len(agents)} agents"
        faults.append(Fault("seller_values", what, "give one under each [[agents]]; they add up"))
    elif agents[0].get("seller_values") is not None:
        faults.append(Fault("seller_values", "stands beside agents[0].seller_values", "write one of the two"))
    return None if faults else (given, "seller_values")


def with_values(agents: list[Tables]) -> list[Tables]:
    """Agents' tables in which values by state stand for values: those of the first state, where there are no others."""
    found = []
    for agent in agents:
        by_state = agent.get("values_by_state")
        first = by_state[0] if isinstance(by_state, list) and by_state else None
        found.append(agent if first is None or agent.get("values") is not None else agent | {"values": first})
    return found


def list_of_tables(given: Any) -> list[Tables]:
    """A list of tables, or none where something else is given."""
    return given if isinstance(given, list) and all(isinstance(table, dict) for table in given) else []


def _number(value: Any) -> Fraction:
    if isinstance(value, Unread):
        raise ValueError(value.message)
    return to_exact(value)
