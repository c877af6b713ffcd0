"""Reading model files: TOML to an environment, with every fault named by file, key path, value and fix.

All numbers are read exactly: ``0.1`` is one tenth, ``"1/3"`` a third. NaN, infinities and numbers beyond the caps of
`mechopt.core.numbers` are faults of their key, not of the file. Unknown keys are faults that name the nearest one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from fractions import Fraction
from functools import cache
from importlib import import_module
from importlib.resources import files
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar, Union

from pydantic import Field, TypeAdapter, ValidationError

from mechopt.core.errors import Fault, InputError, require_type
from mechopt.core.numbers import to_exact
from mechopt.mechanism.constraints import STANDARD, Constraint, Standard
from mechopt.mechanism.objective import Objective, parse_objective
from mechopt.mechanism.payments import PaymentConstraint, payment_constraints
from mechopt.modelfile.parameters import PARAMETERS_SCHEMA, intervals_of, point_faults, substituted
from mechopt.modelfile.tables import SolveTable, Unread, parse_ic, parse_ir, read_float, written
from mechopt.modelfile.text import text_of

if TYPE_CHECKING:
    from mechopt.environment.families.forever import IndependentForever
    from mechopt.environment.independent import IndependentTypes
    from mechopt.environment.interdependent import InterdependentTypes
    from mechopt.environment.markov import MarkovTypes
    from mechopt.environment.scenarios import Scenarios
    from mechopt.environment.separable import SeparableTypes
    from mechopt.modelfile.independent import IndependentFile
    from mechopt.modelfile.interdependent import InterdependentFile
    from mechopt.modelfile.markov import MarkovFile
    from mechopt.modelfile.scenarios import ScenariosFile
    from mechopt.modelfile.separable import SeparableFile

    AnyFile = IndependentFile | ScenariosFile | MarkovFile | SeparableFile | InterdependentFile
    Independent = IndependentTypes | IndependentForever
    AnyEnvironment = Independent | Scenarios | MarkovTypes | SeparableTypes | InterdependentTypes

CLASSES = {
    "independent": "IndependentFile",
    "scenarios": "ScenariosFile",
    "markov": "MarkovFile",
    "separable": "SeparableFile",
    "interdependent": "InterdependentFile",
}
"""Class that reads each kind of file; it lies in the module of the kind's name, imported when it is needed."""


class _Kinds(Mapping[str, "type[AnyFile]"]):
    """The class that reads each kind of file."""

    def __getitem__(self, kind: str) -> type[AnyFile]:
        name = CLASSES[kind]
        found: type[AnyFile] = getattr(import_module(f"mechopt.modelfile.{kind}"), name)
        return found

    def __contains__(self, kind: object) -> bool:
        return kind in CLASSES

    def __iter__(self) -> Iterator[str]:
        return iter(CLASSES)

    def __len__(self) -> int:
        return len(CLASSES)


KINDS: Mapping[str, type[AnyFile]] = _Kinds()
READERS = {kind: "mechopt maximin" if kind == "scenarios" else "mechopt solve or mechopt compare" for kind in KINDS}
"""The command to try with a model of each kind."""

E = TypeVar("E", bound="AnyEnvironment")


class ModelFile(NamedTuple):
    """Contents of a model file.

    Attributes
    ----------
    environment : IndependentTypes, Scenarios, MarkovTypes, SeparableTypes or InterdependentTypes
    title, source : str
    ic, ir : tuples of Constraint, or STANDARD where the file names none
        Defaults for ``mechopt solve``.
    objective : Objective
    expected : dict
        Expected results by dotted key.
    name : str
        Of the file, for messages.
    subject_to : tuple of PaymentConstraint
        Default for ``mechopt solve``.
    guarantee : pair of str
        Objective and benchmark of ``mechopt maximin``, of kind scenarios.
    """

    environment: AnyEnvironment
    title: str
    source: str
    ic: tuple[Constraint, ...] | Standard
    ir: tuple[Constraint, ...] | Standard
    objective: Objective
    expected: dict[str, Any]
    name: str = ""
    subject_to: tuple[PaymentConstraint, ...] = ()
    guarantee: tuple[str, str] = ("ratio", "same")

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
        raise InputError(
            [Fault("kind", f"is {found!r}, needed is {needed}", f"try {READERS.get(found, READERS['markov'])}")],
            self.name,
        )


At = Mapping[str, object] | str | None
"""Values of the parameters of a model: a mapping, or a text such as ``"p=1/3"``; None where it has none."""


def load(path: str | Path, at: At = None) -> AnyEnvironment:
    """Read the environment of a model file, or of a bundled model by its name.

    Parameters
    ----------
    path : path or name
    at : mapping or str, optional
        Value of each parameter of the model, such as ``{"p": "1/3"}``.

    Examples
    --------
    >>> load("mirrokni-2020/two-values-three-periods")
    IndependentTypes(1 buyer, 3 periods, 2 types, first best 4.5)

    Raises
    ------
    InputError
        With every fault: file, key path, value and fix.
    """
    require_type(path, (str, PathLike), "load", "give a path, or the name of a bundled model; mo.loads reads a text")
    return read(path, at).environment


def loads(text: str, at: At = None) -> AnyEnvironment:
    """Read the environment that the text of a model file describes.

    Parameters
    ----------
    text : str
    at : mapping or str, optional
        Value of each parameter of the model, such as ``{"p": "1/3"}``.

    Raises
    ------
    InputError
        With every fault.
    """
    require_type(text, str, "loads", "give the text of a model file; mo.load reads a file")
    return parse(text, "text", at).environment


def read(path: str | Path, at: At = None) -> ModelFile:
    """Read a model file with all that it holds; see `load`."""
    return parse(text_of(path, bundled(), "model"), str(path), at)


def parse(text: str, name: str, at: At = None) -> ModelFile:
    """Turn the text of a model file into what it holds.

    Parameters
    ----------
    text : str
    name : str
        Of the file, for messages.
    at : mapping or str, optional
        Value of each parameter.
    """
    tables, faults = tables_of(text, name), list[Fault]()
    if "parameters" not in tables and not at:
        return file_of(tables, name)
    (intervals, values), point = intervals_of(tables, faults), point_of(at)
    faults += point_faults({name: value for name, value in point.items() if name not in values}, intervals)
    point = values | point
    if not faults and point:
        tables = substituted(tables, point, faults)
    if faults:
        raise InputError(faults, name)
    tables.pop("parameters", None)
    return file_of(tables, name)


def point_of(at: At) -> dict[str, Fraction]:
    """Values of parameters as given in Python or on the command line.

    Examples
    --------
    >>> point_of("p=1/3, h=2")
    {'p': Fraction(1, 3), 'h': Fraction(2, 1)}

    Raises
    ------
    InputError
        If one is not a number.
    """
    if isinstance(at, str):
        pairs = [part.partition("=") for part in at.split(",") if part.strip()]
        at = {name.strip(): value.strip() for name, _, value in pairs}
    try:
        return {name: to_exact(value) for name, value in (at or {}).items()}
    except ValueError as error:
        raise InputError(f"--at: {error}; write p=1/3, several as p=1/3,h=2") from None


def tables_of(text: str, name: str) -> dict[str, Any]:
    """Read the tables of a model file.

    Parameters
    ----------
    text : str
    name : str
        Of the file, for messages.
    """
    if not text.strip():
        raise InputError(f"{name}: is empty; see mechopt schema, or copy one that mechopt models lists")
    try:
        return tomllib.loads(text, parse_float=read_float)
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        raise InputError(f"{name}: not valid TOML: {error}") from None


def file_of(tables: dict[str, Any], name: str) -> ModelFile:
    """Turn the tables of a model file, at a point of its parameters, into what it holds.

    Parameters
    ----------
    tables : dict
        Without ``[parameters]``.
    name : str
        Of the file, for messages.
    """
    kind = tables.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        near = get_close_matches(str(kind), KINDS, n=1)
        what = f"{written(kind)} is not a kind of environment" if "kind" in tables else "is missing"
        fix = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(map(repr, KINDS))}"
        raise InputError([Fault("kind", what, fix)], name)
    if kind == "interdependent" and "densities" in tables:
        from mechopt.modelfile.densities import expanded

        made = list[Fault]()
        tables = expanded(tables, made)
        if made:
            raise InputError(made, name)
    faults = KINDS[kind].faults_between_keys(tables) + _expected_faults(tables.get("expected"))
    try:
        file = KINDS[kind].model_validate(tables)
    except ValidationError as error:
        from mechopt.modelfile.faults import schema_faults

        raise InputError(schema_faults(error, KINDS[kind]) + faults, name) from None
    if faults:
        raise InputError(faults, name)
    solve = getattr(file, "solve", None) or SolveTable()
    if solve.subject_to is not None and getattr(file, "subject_to", None) is not None:
        twice = Fault("solve.subject_to", "stands beside subject_to of the file", "write one of the two")
        raise InputError([twice], name)
    benchmark = getattr(solve, "benchmark", None)  # of scenarios alone
    return ModelFile(
        file.environment(),
        file.title,
        file.source,
        STANDARD if solve.ic is None else parse_ic(solve.ic),
        STANDARD if solve.ir is None else parse_ir(solve.ir),
        parse_objective(solve.objective if benchmark is None else "revenue"),
        _dotted(file.expected),
        name,
        payment_constraints(solve.subject_to or getattr(file, "subject_to", None)),
        ("ratio", "same") if benchmark is None else (solve.objective, benchmark),
    )


def _expected_faults(table: Any) -> list[Fault]:
    """Check that every expected result is something that a result can equal."""
    faults = []
    for key, value in _dotted(table).items():
        if not isinstance(value, (bool, int, Fraction, str)):
            what = (
                value.message if isinstance(value, Unread) else f"{written(value)} is not a number, text or truth value"
            )
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


def schema() -> dict[str, Any]:
    """The JSON schema of model files: one of the kinds, at a point of its parameters or with a table of these."""
    any_file: Any = Union[tuple(KINDS.values())]  # noqa: UP007 - of classes known now alone
    schema = TypeAdapter(Annotated[any_file, Field(discriminator="kind")]).json_schema()
    for kind in KINDS.values():
        schema["$defs"][kind.__name__]["properties"]["parameters"] = PARAMETERS_SCHEMA
    joint = schema["$defs"][KINDS["interdependent"].__name__]
    joint["required"].remove("initial")
    joint["anyOf"] = [{"required": ["initial"]}, {"required": ["densities"]}]
    return schema


def bundled() -> dict[str, Path]:
    """Bundled model files by name, such as ``mirrokni-2020/two-values-three-periods``."""
    return dict(_bundled())


@cache
def _bundled() -> dict[str, Path]:
    package = Path(str(files("mechopt")))
    folder = next(f for f in (package / "models", package.parent / "models") if f.is_dir())
    return {str(path.relative_to(folder).with_suffix("").as_posix()): path for path in sorted(folder.rglob("*.toml"))}
