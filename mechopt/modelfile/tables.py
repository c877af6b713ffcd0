"""Parts of the tables of every kind of model file: exact numbers, strict keys, faults of the library."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from typing import Annotated, Any, NamedTuple, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, WithJsonSchema
from pydantic_core import PydanticCustomError

from mechopt.core.errors import Fault, InputError, shortened
from mechopt.core.numbers import parse_exact, to_exact
from mechopt.environment.reading import check
from mechopt.environment.reading.nested import numbers
from mechopt.mechanism.constraint_names import parse_constraints
from mechopt.mechanism.objective import parse_objective
from mechopt.mechanism.payments import payment_constraints


class Unread(NamedTuple):
    """A float of the TOML text that is no exact number; kept so that its key can be named."""

    message: str


def read_float(text: str) -> Fraction | Unread:
    """Read a float of the TOML text exactly."""
    try:
        return parse_exact(text)
    except ValueError as error:
        return Unread(str(error))


def written(value: Any) -> str:
    """A value as in the file, cut to what fits into a message."""
    return shortened(_toml(value))


def _toml(value: Any) -> str:
    match value:
        case Unread():
            return value.message
        case bool():
            return str(value).lower()
        case Fraction():
            return check.shown(value)
        case list():
            return f"[{', '.join(map(_toml, value[:20]))}]"
        case dict():
            return f"{{{', '.join(f'{key} = {_toml(entry)}' for key, entry in list(value.items())[:20])}}}"
        case str():
            return repr(value)
    return str(value)


def raise_faults(faults: list[Fault]) -> None:
    """Hand faults of the library to pydantic, which puts the place of the table before them."""
    if faults:
        raise PydanticCustomError("faults", "faults", {"faults": faults})


def exact_number(value: Any) -> Fraction:
    """An entry of a file as a fraction; raises ValueError."""
    if isinstance(value, (int, str, Fraction)) and not isinstance(value, bool):
        return to_exact(value)
    raise ValueError(
        value.message if isinstance(value, Unread) else f'{written(value)} is not a number; write 3, 0.25 or "1/3"'
    )


def whole(value: Any) -> Any:
    """Take 3.0 for 3; leave everything else as it is."""
    return int(value) if isinstance(value, Fraction) and value.denominator == 1 else value


def checked(find: Callable[[Any], list[Fault]]) -> AfterValidator:
    """Validator that reports the faults which ``find`` lists, their key paths below that of the field."""

    def validate(value: Any) -> Any:
        raise_faults(find(value))
        return value

    return AfterValidator(validate)


def unreadable(read: Callable[[str], Any]) -> Callable[[str], list[Fault]]:
    """Turn a reader that raises into a finder of faults."""

    def find(text: str) -> list[Fault]:
        try:
            read(text)
        except InputError as error:
            return list(error.faults)
        return []

    return find


parse_ic, parse_ir = partial(parse_constraints, role="ic"), partial(parse_constraints, role="ir")

_OPERAND = r"(?:[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|[A-Za-z_][A-Za-z0-9_]*)"
EXPRESSION = (
    r"^(?=(?:.*[^A-Za-z0-9_.])?[A-Za-z_])"  # a parameter is named
    rf"[-+(\s]*{_OPERAND}[)\s]*(?:(?:\*\*|[-+*/])[-+(\s]*{_OPERAND}[)\s]*)*$"
)
"""How expressions in parameters look, for the schema, which cannot count parentheses."""

Number = Annotated[
    Fraction,
    BeforeValidator(exact_number),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number"},
                {"type": "string", "pattern": r"^\s*[+-]?[0-9]+((\.[0-9]+)?([eE][+-]?[0-9]+)?|\s*/\s*[0-9]+)\s*$"},
                {"type": "string", "pattern": EXPRESSION, "description": 'an expression in [parameters]: "1 - p"'},
            ],
            "description": 'an exact number: 3, 0.25 or "1/3"; with [parameters] also an expression: "1 - p"',
        }
    ),
]
Whole = Annotated[int, Field(strict=True), BeforeValidator(whole)]
Numbers = Annotated[list[Number], Field(strict=True)]
Values = Annotated[list[Number], Field(strict=True), checked(check.values_faults)]
Probabilities = Annotated[list[Number], Field(strict=True), checked(check.probabilities_faults)]

COST_TAGS = "one (number)", "each (period)"
Cost = Annotated[
    Annotated[Number, Tag(COST_TAGS[0])] | Annotated[list[Number], Tag(COST_TAGS[1])],
    Discriminator(lambda given: COST_TAGS[isinstance(given, list)]),
]


class Table(BaseModel):
    """A table that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _joined(given: Any) -> Any:
    """Names in a list as one text, an empty list as none."""
    listed = isinstance(given, list) and all(isinstance(entry, str) for entry in given)
    return ("+".join(given) or "none") if listed else given


SUBJECT_TO = 'constraints on payments, such as ["no-subsidy", "budget:3"]: what a mechanism may do with money'
PaymentNames = Annotated[
    str,
    BeforeValidator(_joined),
    checked(unreadable(payment_constraints)),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


class SolveTable(Table):
    """Defaults of ``mechopt solve`` for this file."""

    ic: Annotated[str, checked(unreadable(parse_ic))] | None = Field(
        None, description="incentive constraints, joined by +"
    )
    ir: Annotated[str, checked(unreadable(parse_ir))] | None = Field(
        None, description="participation constraints, joined by +"
    )
    objective: Annotated[str, checked(unreadable(parse_objective))] = Field(
        "revenue", description="revenue, welfare, utility or a weighted sum"
    )
    subject_to: PaymentNames | None = Field(None, description="constraints on payments: joined by +, or a list")


OUTSIDE = "what she has who does not take part: a number or one by initial type, or a list by period of either"
DISCOUNT = "her own, where it differs; above 0, at most 1"
SELLER_DISCOUNT = "the seller's, where it differs; above 0, at most 1"
_NUMBER: dict[str, Any] = {"anyOf": [{"type": "number"}, {"type": "string"}]}
Option = Annotated[
    Any,
    WithJsonSchema({"anyOf": [*_NUMBER["anyOf"], {"type": "array", "items": {"type": ["number", "string", "array"]}}]}),
]
OwnDiscount = Annotated[Any, WithJsonSchema(_NUMBER)]


def own_discounts(
    tables: dict[str, Any],
    rows: list[Any],
    listed: str,
    faults: list[Fault],
    read: Callable[[Any], Fraction] = to_exact,
) -> tuple[Any, list[tuple[Any, str]]]:
    """The seller's discount, and what each agent's table gives for hers, which is ``discount`` where it gives nothing.

    Parameters
    ----------
    tables : dict
        Of the file.
    rows : list of dict
        Tables of the agents.
    listed : str
        Their key.
    faults : list of Fault
        What is wrong with the seller's is appended.
    read : callable
        Turns an entry into a fraction, or raises ValueError.
    """
    common, seller = tables.get("discount", 1), tables.get("seller_discount")
    if seller is not None:
        number = numbers(seller, 0, "seller_discount", faults, read)
        found = [] if number is None else check.discount_faults(number, "seller_discount")
        faults += found
        seller = None if number is None or found else number
    default = None if seller is None else common
    parts = []
    for i, row in enumerate(rows):
        own = row.get("discount")
        parts.append((default if own is None else own, f"{listed}[{i}].discount"))
    return common if seller is None else seller, parts


def length_faults(table: Any) -> list[Fault]:
    """Check that a table has as many probabilities as values."""
    if not isinstance(table, dict):
        return []
    values, probabilities = table.get("values"), table.get("probabilities")
    if not isinstance(values, list) or not isinstance(probabilities, list):
        return []
    return check.length_faults(len(values), len(probabilities))


def tables_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Tables that an annotation such as ``list[BuyerTable] | None`` is about."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from tables_in(part)


def missing(schema: type[BaseModel], table: dict[str, Any], at: str = "") -> set[str]:
    """Key paths of what a table has to have and has not, the tables in it included."""
    found: set[str] = set()
    for key, field in schema.model_fields.items():
        where, entry = f"{at}{key}", table.get(key)
        if key not in table and field.is_required():
            found.add(where)
        inner = next(tables_in(field.annotation), None) if entry is not None or field.is_required() else None
        if inner is not None:
            found |= missing(inner, entry if isinstance(entry, dict) else {}, f"{where}.")
            for i, row in enumerate(entry if isinstance(entry, list) else ()):
                found |= missing(inner, row if isinstance(row, dict) else {}, f"{where}[{i}].")
    return found
