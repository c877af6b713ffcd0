"""Reading model files: TOML to an environment, with every fault named by file, key path, value and mend.

All numbers are read exactly: ``0.1`` is one tenth, ``"1/3"`` a third. NaN, infinities and numbers beyond the caps of
`mechopt.core.numbers` are faults of their key, not of the file. Unknown keys are faults that name the nearest one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from difflib import get_close_matches
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar, get_args

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from mechopt.core.errors import Fault, InputError, shortened
from mechopt.environment import check
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.scenarios import Scenarios
from mechopt.environment.separable import SeparableTypes
from mechopt.mechanism.notions import STANDARD, Notion, Objective, Standard, parse_objective
from mechopt.modelfile.independent import IndependentFile
from mechopt.modelfile.interdependent import InterdependentFile
from mechopt.modelfile.markov import MarkovFile
from mechopt.modelfile.scenarios import ScenariosFile
from mechopt.modelfile.separable import SeparableFile
from mechopt.modelfile.tables import COST_TAGS, SolveTable, Unread, parse_ic, parse_ir, read_float, written

MAX_FILE_BYTES = 10_000_000

AnyFile = IndependentFile | ScenariosFile | MarkovFile | SeparableFile | InterdependentFile
AnyEnvironment = IndependentTypes | Scenarios | MarkovTypes | SeparableTypes | InterdependentTypes
KINDS: dict[str, type[AnyFile]] = {
    "independent": IndependentFile,
    "scenarios": ScenariosFile,
    "markov": MarkovFile,
    "separable": SeparableFile,
    "interdependent": InterdependentFile,
}
READERS = {kind: "mechopt maximin" if kind == "scenarios" else "mechopt solve or mechopt compare" for kind in KINDS}
"""The command to try with a model of each kind."""

E = TypeVar("E", bound=AnyEnvironment)


class ModelFile(NamedTuple):
    """What a model file holds.

    Attributes
    ----------
    environment : IndependentTypes, Scenarios, MarkovTypes, SeparableTypes or InterdependentTypes
    title, source : str
    ic, ir : tuples of Notion, or STANDARD where the file names none
        Defaults for ``mechopt solve``.
    objective : Objective
    expected : dict
        Expected results by dotted key.
    name : str
        Of the file, for messages.
    """

    environment: AnyEnvironment
    title: str
    source: str
    ic: tuple[Notion, ...] | Standard
    ir: tuple[Notion, ...] | Standard
    objective: Objective
    expected: dict[str, Any]
    name: str = ""

    def of_kind(self, *kinds: type[E]) -> E:
        """The environment, which is to be of one of some kinds.

        Parameters
        ----------
        *kinds : types
            Such as ``IndependentTypes``.

        Raises
        ------
        InputError
            If it is of another.
        """
        for kind in kinds:
            if isinstance(self.environment, kind):
                return self.environment
        found, needed = self.environment.kind, " or ".join(repr(kind.kind) for kind in kinds)
        raise InputError([Fault("kind", f"is {found!r}, needed is {needed}", f"try {READERS[found]}")], self.name)


def load(path: str | Path) -> AnyEnvironment:
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


def loads(text: str) -> AnyEnvironment:
    """Read the environment that the text of a model file describes.

    Raises
    ------
    InputError
        With every fault.
    """
    return parse(text, "text").environment


def read(path: str | Path) -> ModelFile:
    """Read a model file with all that it holds; see `load`."""
    try:
        found = Path(path)
        if not found.exists() and str(path) in bundled():
            found = bundled()[str(path)]
        if found.is_dir():
            raise InputError(f"{path}: is a folder; give one of the .toml files in it")
        size = found.stat().st_size
        if size > MAX_FILE_BYTES:
            raise InputError(f"{path}: {size:,} bytes; model files have at most {MAX_FILE_BYTES:,}")
        with found.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)  # a pipe or a device tells no size
        if len(data) > MAX_FILE_BYTES:
            raise InputError(f"{path}: is longer than model files, which have at most {MAX_FILE_BYTES:,} bytes")
        text = data.decode("utf-8-sig")
    except InputError:
        raise
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not a UTF-8 text; model files are TOML") from None
    except FileNotFoundError:
        near = get_close_matches(str(path), bundled(), n=1)
        mend = f"did you mean the bundled {near[0]}?" if near else "mechopt models lists the bundled ones"
        raise InputError(f"{path}: no such file; {mend}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{shortened(str(path), 300)}: cannot read ({getattr(error, 'strerror', error)})") from None
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
        tables = tomllib.loads(text, parse_float=read_float)
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        raise InputError(f"{name}: not valid TOML: {error}") from None
    kind = tables.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        near = get_close_matches(str(kind), KINDS, n=1)
        what = f"{written(kind)} is not a kind of environment" if "kind" in tables else "is missing"
        mend = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(map(repr, KINDS))}"
        raise InputError([Fault("kind", what, mend)], name)
    faults = KINDS[kind].faults_between_keys(tables) + _expected_faults(tables.get("expected"))
    try:
        file = KINDS[kind].model_validate(tables)
    except ValidationError as error:
        raise InputError(_faults(error, KINDS[kind]) + faults, name) from None
    if faults:
        raise InputError(faults, name)
    solve = SolveTable() if isinstance(file, ScenariosFile) else file.solve
    return ModelFile(
        file.environment(),
        file.title,
        file.source,
        STANDARD if solve.ic is None else parse_ic(solve.ic),
        STANDARD if solve.ir is None else parse_ir(solve.ir),
        parse_objective(solve.objective),
        _dotted(file.expected),
        name,
    )


def _expected_faults(table: Any) -> list[Fault]:
    """Check that every expected result is something that a result can equal."""
    faults = []
    for key, value in _dotted(table).items():
        if not isinstance(value, (bool, int, Fraction, str)):
            what = value.message if isinstance(value, Unread) else f"{written(value)} is no number, text or truth value"
            faults.append(Fault(f"expected.{key}", what, "name an entry of a list by its number, as in utilities.0"))
    return faults


def _dotted(table: Any, prefix: str = "") -> dict[str, Any]:
    """Flatten nested tables to dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in table.items() if isinstance(table, dict) else ():
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
        place = tuple(part for part in entry["loc"] if part not in COST_TAGS)
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
            faults.append(_worded(entry, where))
    return list(dict.fromkeys(faults))


WORDS = {
    "int_type": ("{given} is not a whole number", "write one such as 3"),
    "string_type": ("{given} is not a text", "put it in quotes"),
    "list_type": ("{given} is not a list", "write a list such as [1, 2]"),
    "dict_type": ("{given} is not a table", "write its keys below [{key}]"),
    "model_type": ("{given} is not a table", "write its keys below [{key}], or [[{key}]] where there may be several"),
    "greater_than_equal": ("{given} is below {ge}", ""),
    "less_than_equal": ("{given} is above {le}", ""),
    "too_short": ("is empty", "give at least one"),
    "string_too_short": ("is empty", "write a text"),
}
"""What pydantic finds, in our words: what, mend."""


def _worded(entry: Any, where: str) -> Fault:
    given, key = entry["input"], next((part for part in reversed(entry["loc"]) if isinstance(part, str)), "")
    if isinstance(given, Unread):
        return Fault(where, given.message)
    if entry["type"] == "list_type" and isinstance(given, dict):
        return Fault(where, "is one table", f"write [[{key}]], with two brackets each side")
    what, mend = WORDS.get(entry["type"], (entry["msg"].removeprefix("Value error, "), ""))
    words = {"given": written(given), "key": key, **entry.get("ctx", {})}
    return Fault(where, what.format(**words) if entry["type"] in WORDS else what, mend.format(**words))


def _keys_at(schema: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    """Keys that are known at a place of the file."""
    for key in place:
        if isinstance(key, str):
            schema = next(_tables(schema.model_fields[key].annotation), schema)
    return list(schema.model_fields)


def _tables(annotation: Any) -> Iterator[type[BaseModel]]:
    """Tables that an annotation such as ``list[BuyerTable] | None`` is about."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _tables(part)


def schema() -> dict[str, Any]:
    """The JSON schema of model files: one of the kinds."""
    return TypeAdapter(Annotated[AnyFile, Field(discriminator="kind")]).json_schema()


def bundled() -> dict[str, Path]:
    """Bundled model files by name, such as ``mirrokni-2020/two-values-three-periods``."""
    package = Path(str(files("mechopt")))
    folder = next(f for f in (package / "models", package.parent / "models") if f.is_dir())
    return {str(path.relative_to(folder).with_suffix("").as_posix()): path for path in sorted(folder.rglob("*.toml"))}
