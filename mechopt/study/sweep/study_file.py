"""Study files: what varies, what is recorded, and for how long; TOML with exact numbers, as model files.

``model`` names a model file, by a path relative to the study file or by the name of a bundled one, or ``[family]``
draws random instances; ``[grid]`` lists values of the model's numbers by dotted key. With both, every instance of the
family is put on the grid.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from importlib.resources import files
from os import PathLike
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from mechopt.core.errors import Fault, InputError, require_type, shortened
from mechopt.modelfile.faults import schema_faults
from mechopt.modelfile.loading import bundled, read
from mechopt.modelfile.tables import Number, Table, Whole, checked, parse_ic, parse_ir, read_float, unreadable
from mechopt.modelfile.text import text_of
from mechopt.modelfile.writing import model_text
from mechopt.study.compare.compare import NAMES
from mechopt.study.compare.independent import BUILDERS
from mechopt.study.sweep.grid import Grid
from mechopt.study.sweep.key_paths import Tables, key_faults, replaced
from mechopt.study.sweep.point import QUANTITIES, Point, Recording, Row
from mechopt.study.sweep.random_family import FamilyTable

MAX_POINTS = 10_000_000
"""Points of a study: a day or a week of work, and some gigabytes of rows."""
MAXIMIN = "maximin"
"""What a search over trees of scenarios makes small: the best guarantee."""
UNRECORDED = ("title", "source", "expected")
"""Keys of a base model that its points do not take over: they say nothing of the numbers."""


class LimitsTable(Table):
    """Limits of a point."""

    seconds: Annotated[Number, Field(gt=0)] | None = Field(
        None, description="for the solver, and a second more for the rest; on Dask for the solver alone"
    )


class TreeTable(Table):
    """The ``[tree]`` table: a tree of scenarios whose distributions a search moves."""

    scenarios: list[list[str]] = Field(
        min_length=1, strict=True, description="sequences of names of distributions, one a scenario"
    )
    types: list[Annotated[Whole, Field(ge=1)]] | Annotated[Whole, Field(ge=1)] = Field(
        2, description="of every distribution that is moved; several: one search each"
    )
    absorbing: list[str] = Field(
        [], strict=True, description="names that stand for absorbing last periods: tails in their limit"
    )
    discount: Number = Field(Fraction(1), description="above 0, at most 1")


class SearchTable(Table):
    """The ``[search]`` table: what ``mechopt search`` looks for."""

    mechanism: str = Field(description="whose share of the optimum is to be small")
    budget: Annotated[Whole, Field(ge=1)] = Field(1000, description="instances to try, for each shape of the family")


class StudyFile(Table):
    """A study file."""

    title: str = ""
    source: str = ""
    model: str | None = Field(None, description="a model file, or the name of a bundled model")
    record: list[str] = Field(list(QUANTITIES), strict=True, description=", ".join(QUANTITIES))
    mechanisms: list[str] = Field([], strict=True, description="names of mechanisms to compare with the optimum")
    ic: Annotated[str, checked(unreadable(parse_ic))] | None = Field(None, description="default: the model's")
    ir: Annotated[str, checked(unreadable(parse_ir))] | None = Field(None, description="default: the model's")
    seed: Annotated[Whole, Field(ge=0)] = 0
    limits: LimitsTable = LimitsTable()
    grid: dict[str, Any] = Field({}, description="values by dotted key of the model")
    family: FamilyTable | None = None
    tree: TreeTable | None = None
    search: SearchTable | None = None


@dataclass(frozen=True)
class Study:
    """Contents of a study file.

    Attributes
    ----------
    name : str
        Of the file.
    title, source : str
    base : dict or None
        Tables of the base model, without title, source and expected results.
    family : FamilyTable or None
    grid : Grid
    recording : Recording
    seed : int
    search : SearchTable or None
    tree : TreeTable or None
    """

    name: str
    title: str
    source: str
    base: Tables | None
    family: FamilyTable | None
    grid: Grid
    recording: Recording
    seed: int
    search: SearchTable | None
    tree: TreeTable | None = None

    @property
    def count(self) -> int:
        """Number of points of its sweep."""
        return self.grid.count * (1 if self.family is None else self.family.count or 0)

    def points(self, begin: int = 0, step: int = 1) -> Iterator[Point]:
        """The points of its sweep, in order: by instance of the family, then by grid; drawn one by one.

        Parameters
        ----------
        begin, step : int
            Those whose numbers are begin, begin + step, and so on.

        Raises
        ------
        InputError
            If there is nothing to vary.
        """
        self.require_points()
        return (self.point(number) for number in range(begin, self.count, step))

    def require_points(self) -> None:
        """Refuse a study that is for a search alone.

        Raises
        ------
        InputError
        """
        if self.tree is not None:
            raise InputError([Fault("tree", "is for a search", "use mechopt search")], self.name)
        if self.family is not None and self.family.count is None:
            raise InputError([Fault("family.count", "is missing", "say how many instances to draw")], self.name)

    def point(self, number: int) -> Point:
        """One point of its sweep by its number; of a family it is drawn anew, the same each time."""
        instance, place = divmod(number, self.grid.count)
        tables = self.base if self.family is None else self.family.draw(self.seed, instance)
        assert tables is not None
        values = self.grid.combination(place)
        shape = {} if self.family is None else _shape(tables)
        varied = shape | {key: _cell(value) for key, value in values.items()}
        return Point(number, model_text(replaced(tables, values)), varied)


def _shape(tables: Tables) -> Row:
    """Quantities that tell random instances apart in a table."""
    buyers, first = tables["buyers"], tables["buyers"][0]
    values = first["values"] if "values" in first else first["periods"][0]["values"]
    count = sum(buyer.get("count", 1) for buyer in buyers)
    return {"buyers": count, "horizon": tables["horizon"], "types": len(values)}


def _cell(value: Any) -> Any:
    """A varied value as a cell of a table: a number, or a list as text."""
    if isinstance(value, list):
        return f"[{', '.join(str(_cell(entry) if isinstance(entry, list) else entry) for entry in value)}]"
    if isinstance(value, str) and value != "infinite":
        return float(Fraction(value))
    return float(value) if isinstance(value, Fraction) else value


def bundled_studies() -> dict[str, Path]:
    """Bundled study files by name."""
    package = Path(str(files("mechopt")))
    folder = next((f for f in (package / "studies", package.parent / "studies") if f.is_dir()), package / "studies")
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def read_study(path: str | Path) -> Study:
    """Read a study file, or a bundled one by its name.

    Raises
    ------
    InputError
        With every fault: file, key path, value and fix.
    """
    require_type(path, (str, PathLike), "read_study", "give a study file or the name of a bundled study")
    found = Path(path)
    if not os.path.exists(found) and str(path) in bundled_studies():
        found = bundled_studies()[str(path)]
    name = str(path)
    try:
        given = tomllib.loads(text_of(found, bundled_studies(), "study"), parse_float=read_float)
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{name}: not valid TOML: {error}") from None
    faults: list[Fault] = []
    try:
        file = StudyFile.model_validate(given)
    except ValidationError as error:
        raise InputError(schema_faults(error, StudyFile), name) from None
    grid = Grid(file.grid, faults)
    base = _base(file, found.parent, faults)
    faults += _name_faults(file) + _size_faults(file, grid)
    if file.family is not None:
        faults += file.family.faults()
    if not faults and file.tree is None:
        sample = base if file.family is None else file.family.draw(file.seed, 0)
        for key in grid.axes:
            faults += key_faults(sample or {}, key, f"grid.{key}")
    if faults:
        raise InputError(faults, name)
    from mechopt import __version__

    seconds = file.limits.seconds
    limit = None if seconds is None else float(seconds)
    recording = Recording(tuple(file.record), tuple(file.mechanisms), file.ic, file.ir, limit, __version__)
    parts = base, file.family, grid, recording, file.seed, file.search, file.tree
    return Study(name, file.title, file.source, *parts)


def _base(file: StudyFile, folder: Path, faults: list[Fault]) -> Tables | None:
    """Tables of the base model, which has to be right by itself."""
    if file.tree is not None:
        given = [key for key in ("model", "family") if getattr(file, key) is not None] + ["grid"] * bool(file.grid)
        faults += [Fault(key, "is given beside tree", "a search over trees takes [tree] and [search]") for key in given]
        return None
    if file.model is None:
        if file.family is None:
            faults.append(Fault("model", "is missing", "name a model file or a bundled model, or give a [family]"))
        return None
    if file.family is not None:
        faults.append(Fault("family", "is given beside model", "give one or the other"))
        return None
    path: Path = folder / file.model
    if not os.path.exists(path) and file.model in bundled():
        path = bundled()[file.model]
    try:
        read(path if os.path.exists(path) else file.model)
        tables = tomllib.loads(text_of(path, bundled(), "model"), parse_float=read_float)
    except InputError as error:
        faults.append(Fault("model", str(error), ""))
        return None
    if tables["kind"] == "scenarios":
        faults.append(Fault("model", "is of kind 'scenarios', which has no one optimum", "try mechopt maximin"))
    return {key: value for key, value in tables.items() if key not in UNRECORDED}


def _name_faults(file: StudyFile) -> list[Fault]:
    """Quantities and mechanisms that do not exist."""
    faults = []
    for where, names, known in (("record", file.record, QUANTITIES), ("mechanisms", file.mechanisms, NAMES)):
        for k, name in enumerate(names):
            if name not in known:
                faults.append(Fault(f"{where}[{k}]", f"{shortened(repr(name))} is unknown", _nearest(name, known)))
            elif name in names[:k]:
                faults.append(Fault(f"{where}[{k}]", f"{name!r} is listed twice", "list it once"))
    searched = tuple(BUILDERS) if file.tree is None else (MAXIMIN,)
    if file.search is not None and file.search.mechanism not in searched:
        name = file.search.mechanism
        fix = _nearest(name, searched)
        faults.append(Fault("search.mechanism", f"{shortened(repr(name))} is not a closed-form mechanism", fix))
    return faults


def _nearest(name: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"


def _size_faults(file: StudyFile, grid: Grid) -> list[Fault]:
    """More points than are worked with."""
    draws = 1 if file.family is None else file.family.count or 1
    if grid.count * draws <= MAX_POINTS:
        return []
    what = f"{grid.count:,} combinations" + (f" of {draws:,} instances" if draws > 1 else "")
    return [
        Fault(
            "grid" if grid.axes else "family.count",
            f"asks for {what}, the limit is {MAX_POINTS:,} points",
            "list fewer",
        )
    ]
