"""Model files: TOML to an environment, with every fault named by file, key path, value and mend.

All numbers are read exactly: ``0.1`` is one tenth, ``"1/3"`` a third. NaN, infinities and numbers beyond the caps of
`mechopt.core.numbers` are faults of their key, not of the file. Unknown keys are faults that name the nearest one.
"""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from fractions import Fraction
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import parse_exact, to_exact
from mechopt.environment import check
from mechopt.environment.independent import IndependentTypes
from mechopt.mechanism.notions import Notion, Objective, parse_notions, parse_objective

MAX_FILE_BYTES = 10_000_000
MAX_BUYERS = 1000


class _Unread(NamedTuple):
    """A float of the TOML text that is no exact number; kept so that its key can be named."""

    message: str


def _read_float(text: str) -> Fraction | _Unread:
    try:
        return parse_exact(text)
    except ValueError as error:
        return _Unread(str(error))


def _number(value: Any) -> Fraction:
    if isinstance(value, _Unread):
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


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _raise_faults(faults: list[Fault]) -> None:
    if faults:
        raise PydanticCustomError("faults", "faults", {"faults": faults})


class PeriodTable(_Table):
    """One period's distribution of a buyer."""

    values: list[Number] = Field(description="at least 0, increasing")
    probabilities: list[Number] = Field(description="at least 0, sum to 1")

    @model_validator(mode="after")
    def _check(self) -> Self:
        _raise_faults(check.distribution_faults(self.values, self.probabilities))
        return self


class BuyerTable(_Table):
    """A buyer: one distribution for all periods, or one table a period."""

    values: list[Number] | None = Field(None, description="the same every period; at least 0, increasing")
    probabilities: list[Number] | None = Field(None, description="at least 0, sum to 1")
    periods: list[PeriodTable] | None = Field(None, description="one table a period instead")
    count: int = Field(1, ge=1, le=MAX_BUYERS, strict=True, description="how many such buyers there are")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.periods is not None:
            if self.values is not None or self.probabilities is not None:
                _raise_faults([Fault("", "has both periods and values or probabilities", "give one or the other")])
        elif self.values is None or self.probabilities is None:
            missing = "values" if self.values is None else "probabilities"
            _raise_faults([Fault(missing, "is missing", "give values and probabilities, or a table a period")])
        else:
            _raise_faults(check.distribution_faults(self.values, self.probabilities))
        return self


class SolveTable(_Table):
    """Defaults of ``mechopt solve`` for this file."""

    ic: str = Field("dic", description="incentive notions, joined by +")
    ir: str = Field("epir", description="participation notions, joined by +")
    objective: str = Field("revenue", description="revenue, welfare, utility or a weighted sum")

    @model_validator(mode="after")
    def _check(self) -> Self:
        faults = []
        for key, read in (("ic", _ic), ("ir", _ir), ("objective", parse_objective)):
            try:
                read(getattr(self, key))
            except InputError as error:
                faults += check.prefixed(error.faults, key)
        _raise_faults(faults)
        return self


_ic, _ir = partial(parse_notions, role="ic"), partial(parse_notions, role="ir")


class IndependentFile(_Table):
    """kind = "independent": types drawn afresh every period, one item a period."""

    title: str = ""
    source: str = ""
    kind: Literal["independent"]
    horizon: int = Field(strict=True, description="number of periods, at least 1")
    discount: Number = Field(Fraction(1), description="above 0, at most 1")
    cost: Cost = Field(Fraction(0), description="the seller's cost of a sale: one, or one a period")
    buyers: list[BuyerTable] = Field(min_length=1)
    solve: SolveTable = SolveTable()
    expected: dict[str, Any] = Field({}, description="results to compare with: keys of the JSON output joined by dots")

    @model_validator(mode="after")
    def _check(self) -> Self:
        faults = check.horizon_faults(self.horizon) + check.discount_faults(self.discount)
        if not faults:
            cost = self.cost if isinstance(self.cost, list) else [self.cost] * self.horizon
            faults += check.cost_faults(cost, self.horizon)
        for i, buyer in enumerate(self.buyers):
            if buyer.periods is not None and len(buyer.periods) != self.horizon:
                what = f"has {len(buyer.periods)} tables, horizon is {self.horizon}"
                faults.append(Fault(f"buyers[{i}].periods", what, "give one table a period"))
        if sum(buyer.count for buyer in self.buyers) > MAX_BUYERS:
            faults.append(Fault("buyers", f"are more than {MAX_BUYERS}", "use fewer"))
        _raise_faults(faults)
        return self

    def environment(self) -> IndependentTypes:
        """Build the environment that the file describes."""
        values: list[Any] = []
        probabilities: list[Any] = []
        for buyer in self.buyers:
            if buyer.periods is None:
                rows = [buyer.values] * self.horizon, [buyer.probabilities] * self.horizon
            else:
                rows = [table.values for table in buyer.periods], [table.probabilities for table in buyer.periods]
            values += [rows[0]] * buyer.count
            probabilities += [rows[1]] * buyer.count
        return IndependentTypes(values, probabilities, self.cost, self.discount)


KINDS = {"independent": IndependentFile}


class ModelFile(NamedTuple):
    """What a model file holds.

    Attributes
    ----------
    environment : IndependentTypes
    title, source : str
    ic, ir : tuples of Notion
        Defaults for ``mechopt solve``.
    objective : Objective
    expected : dict
        Expected results by dotted key.
    """

    environment: IndependentTypes
    title: str
    source: str
    ic: tuple[Notion, ...]
    ir: tuple[Notion, ...]
    objective: Objective
    expected: dict[str, Any]


def load(path: str | Path) -> IndependentTypes:
    """Read the environment of a model file, or of a bundled model by its name.

    Examples
    --------
    >>> load("mirrokni-2020/two-values-three-periods")
    IndependentTypes(1 buyer, 3 periods, 2 types, full welfare 4.5)

    Raises
    ------
    InputError
        With every fault: file, key path, value and mend.
    """
    return read(path).environment


def loads(text: str) -> IndependentTypes:
    """Read the environment that the text of a model file describes.

    Raises
    ------
    InputError
        With every fault.
    """
    return parse(text, "text").environment


def read(path: str | Path) -> ModelFile:
    """Read a model file with all that it holds; see `load`."""
    found = Path(path)
    if not found.exists() and str(path) in bundled():
        found = bundled()[str(path)]
    try:
        if found.is_dir():
            raise InputError(f"{path}: is a folder; give one of the .toml files in it")
        size = found.stat().st_size
        if size > MAX_FILE_BYTES:
            raise InputError(f"{path}: {size:,} bytes; model files have at most {MAX_FILE_BYTES:,}")
        text = found.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not a UTF-8 text; model files are TOML") from None
    except FileNotFoundError:
        near = get_close_matches(str(path), bundled(), n=1)
        mend = f"did you mean the bundled {near[0]}?" if near else "mechopt models lists the bundled ones"
        raise InputError(f"{path}: no such file; {mend}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot read ({error.strerror})") from None
    return parse(text, str(path))


def parse(text: str, name: str) -> ModelFile:
    """Turn the text of a model file into what it holds.

    Parameters
    ----------
    text : str
    name : str
        Of the file, for messages.
    """
    if not text.strip():
        raise InputError(f"{name}: is empty; see mechopt schema, or copy one that mechopt models lists")
    try:
        tables = tomllib.loads(text, parse_float=_read_float)
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        raise InputError(f"{name}: not valid TOML: {error}") from None
    kind = tables.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        near = get_close_matches(str(kind), KINDS, n=1)
        what = f"{kind!r} is not a kind of environment" if "kind" in tables else "is missing"
        mend = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(map(repr, KINDS))}"
        raise InputError([Fault("kind", what, mend)], name)
    try:
        file = KINDS[kind].model_validate(tables)
    except ValidationError as error:
        raise InputError(_faults(error, KINDS[kind]), name) from None
    return ModelFile(
        file.environment(),
        file.title,
        file.source,
        _ic(file.solve.ic),
        _ir(file.solve.ir),
        parse_objective(file.solve.objective),
        _dotted(file.expected),
    )


def _dotted(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested tables to dotted keys; numbers become exact, unreadable ones a fault later."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            flat |= _dotted(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _path(place: tuple[int | str, ...]) -> str:
    """``("buyers", 1, "probabilities")`` to ``buyers[1].probabilities``."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _faults(error: ValidationError, schema: type[BaseModel]) -> list[Fault]:
    """Faults of the library out of pydantic's."""
    faults: list[Fault] = []
    for entry in error.errors():
        place = tuple(p for p in entry["loc"] if isinstance(p, int) or "(" not in p)
        where = _path(place)
        if entry["type"] == "faults":
            faults += check.prefixed(entry["ctx"]["faults"], where) if where else entry["ctx"]["faults"]
        elif entry["type"] == "extra_forbidden":
            known = _keys_at(schema, place[:-1])
            near = get_close_matches(str(place[-1]), known, n=1)
            mend = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
            faults.append(Fault(where, "unknown key", mend))
        elif entry["type"] == "missing":
            faults.append(Fault(where, "is missing", "add it"))
        else:
            message = entry["msg"].removeprefix("Value error, ")
            given = "" if entry["type"] == "value_error" else f" (given {_short(entry['input'])})"
            faults.append(Fault(where, message[:1].lower() + message[1:] + given))
    return list(dict.fromkeys(faults))


def _short(value: Any) -> str:
    text = value.message if isinstance(value, _Unread) else str(value) if isinstance(value, Fraction) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _keys_at(schema: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    """Keys that are known at a place of the file."""
    tables: dict[str, type[BaseModel]] = {"buyers": BuyerTable, "periods": PeriodTable, "solve": SolveTable}
    names = [part for part in place if isinstance(part, str)]
    return list((tables.get(names[-1], schema) if names else schema).model_fields)


def schema() -> dict[str, Any]:
    """The JSON schema of model files."""
    return IndependentFile.model_json_schema()


def bundled() -> dict[str, Path]:
    """Bundled model files by name, such as ``mirrokni-2020/two-values-three-periods``."""
    package = Path(str(files("mechopt")))
    folder = next(f for f in (package / "models", package.parent / "models") if f.is_dir())
    return {str(path.relative_to(folder).with_suffix("").as_posix()): path for path in sorted(folder.rglob("*.toml"))}
