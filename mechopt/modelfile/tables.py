"""What the tables of every kind of model file are made of: exact numbers, strict keys, faults of the library."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from typing import Annotated, Any, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import parse_exact, to_exact
from mechopt.environment import check
from mechopt.mechanism.notions import parse_notions, parse_objective


class Unread(NamedTuple):
    """A float of the TOML text that is no exact number; kept so that its key can be named."""

    message: str


def read_float(text: str) -> Fraction | Unread:
    """Read a float of the TOML text exactly."""
    try:
        return parse_exact(text)
    except ValueError as error:
        return Unread(str(error))


def _number(value: Any) -> Fraction:
    if isinstance(value, Unread):
        raise ValueError(value.message)
    return to_exact(value)


Number = Annotated[
    Fraction,
    BeforeValidator(_number),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number"},
                {"type": "string", "pattern": r"^\s*[+-]?\d+(\.\d+)?([eE][+-]?\d+)?(\s*/\s*\d+)?\s*$"},
            ],
            "description": 'an exact number: 3, 0.25 or "1/3"',
        }
    ),
]


Cost = Annotated[
    Annotated[Number, Tag("one (number)")] | Annotated[list[Number], Tag("each (period)")],
    Discriminator(lambda given: "each (period)" if isinstance(given, list) else "one (number)"),
]


class Table(BaseModel):
    """A table that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def raise_faults(faults: list[Fault]) -> None:
    """Hand faults of the library to pydantic, which puts the place of the table before them."""
    if faults:
        raise PydanticCustomError("faults", "faults", {"faults": faults})


parse_ic, parse_ir = partial(parse_notions, role="ic"), partial(parse_notions, role="ir")


class SolveTable(Table):
    """Defaults of ``mechopt solve`` for this file."""

    ic: str = Field("dic", description="incentive notions, joined by +")
    ir: str = Field("epir", description="participation notions, joined by +")
    objective: str = Field("revenue", description="revenue, welfare, utility or a weighted sum")

    @model_validator(mode="after")
    def _check(self) -> Self:
        faults = []
        for key, read in (("ic", parse_ic), ("ir", parse_ir), ("objective", parse_objective)):
            try:
                read(getattr(self, key))
            except InputError as error:
                faults += check.prefixed(error.faults, key)
        raise_faults(faults)
        return self
