"""Search over a study file: the worst ratio of a mechanism over every shape of a family."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from mechopt.core.errors import Fault, InputError, require_type
from mechopt.environment.independent import IndependentTypes
from mechopt.mechanism.constraints import DIC, EPIR, Constraint
from mechopt.modelfile.tables import parse_ic, parse_ir
from mechopt.solve.optimum import optimum
from mechopt.study.compare.independent import BUILDERS
from mechopt.study.search.worst_case import Family, SearchResult, Share, worst_of
from mechopt.study.search.worst_tree import TreeFamily, guarantee_of
from mechopt.study.sweep.point import Recording
from mechopt.study.sweep.store import make_folder
from mechopt.study.sweep.study_file import MAXIMIN, SearchTable, Study, read_study
from mechopt.study.workers.calls import Calls, calls
from mechopt.study.workers.pool import WorkersLost

Progress = Callable[[int, int, float], None]
"""Called with instances tried, instances to try, and the smallest share so far."""


@dataclass(frozen=True)
class StudySearch:
    """Result of a search over a study.

    Attributes
    ----------
    study : Study
    found : tuple of (Family or TreeFamily, SearchResult)
        By shape; those that were not begun are missing.
    interrupted : bool
        Whether Ctrl-C, or the loss of workers, stopped it.
    lost : str
        What was lost, where that stopped it.
    """

    study: Study
    found: tuple[tuple[Family | TreeFamily, SearchResult], ...]
    interrupted: bool
    lost: str = ""

    @property
    def worst(self) -> SearchResult:
        """The worst instance of all."""
        return min((result for _, result in self.found), key=lambda result: result.ratio)

    @property
    def evaluations(self) -> int:
        """Instances tried, in earlier runs too."""
        return sum(result.evaluations for _, result in self.found)


def search(
    study: str | Path | Study,
    folder: str | Path | None = None,
    budget: int | None = None,
    progress: Progress | None = None,
    workers: int = 1,
    scheduler: str | None = None,
) -> StudySearch:
    """Search for the instance of a study's family on which a mechanism earns the smallest share of the optimum.

    Of a study with ``[tree]``: for the distributions on its tree of scenarios for which the best guarantee of a seller
    who does not know the future is least.

    Parameters
    ----------
    study : path, name of a bundled study, or Study
        With ``[family]`` or ``[tree]``, and ``[search]``.
    folder : path, optional
        Where the state is kept; a search that was stopped goes on there as if it had not been.
    budget : int, optional
        Instances to try for each shape, instead of the study's; a resumed search counts those of the earlier runs.
    progress : callable, optional
        See `Progress`.
    workers : int
        Local processes; 1 computes in this one. The result is the same for every number.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers take the place of local processes.

    Returns
    -------
    StudySearch

    Raises
    ------
    InputError
        If the study is wrong or no search, no instance with a positive optimum was found, or no scheduler answers.
    KeyboardInterrupt
        On Ctrl-C before anything was found.
    WorkersLost
        If workers are lost before anything was found.

    Examples
    --------
    >>> found = search("worst-balance-search", budget=40)
    >>> 1 / 3 <= found.worst.ratio < 1 / 2
    True
    """
    require_type(study, (str, PathLike, "Study"), "search", "give a study file or the name of a bundled study")
    study = study if isinstance(study, Study) else read_study(study)
    plan, shapes = _required(study) if study.tree is None else _required_tree(study)
    budget = plan.budget if budget is None else budget
    home = None if folder is None else make_folder(Path(folder) / "searches")
    with calls(workers, scheduler) as pool:
        return _searched(study, plan, shapes, home, budget, progress, pool)


def _searched(
    study: Study,
    plan: SearchTable,
    shapes: list[Family | TreeFamily],
    home: Path | None,
    budget: int,
    progress: Progress | None,
    pool: Calls,
) -> StudySearch:
    """Search every shape."""
    benchmark = _Benchmark(study.recording)
    found: list[tuple[Family | TreeFamily, SearchResult]] = []
    for number, shape in enumerate(shapes):
        tried, least = budget * number, min((result.ratio for _, result in found), default=float("inf"))

        def show(evaluations: int, ratio: float, tried: int = tried, least: float = least) -> None:
            if progress is not None:
                progress(tried + evaluations, budget * len(shapes), min(ratio, least))

        state = None if home is None else home / f"{_key(study, shape)}.json"
        if isinstance(shape, TreeFamily):
            share = guarantee_of(shape)
        else:
            share = Share(shape, BUILDERS[plan.mechanism], benchmark)
        try:
            result = worst_of(share, budget, study.seed, state, show, pool)
        except (KeyboardInterrupt, WorkersLost) as stop:
            if not found:
                raise
            return StudySearch(study, tuple(found), True, str(stop) if isinstance(stop, WorkersLost) else "")
        found.append((shape, result))
        if result.interrupted:
            return StudySearch(study, tuple(found), True, result.lost)
    return StudySearch(study, tuple(found), False)


def _required_tree(study: Study) -> tuple[SearchTable, list[Family | TreeFamily]]:
    """Target and place of the search, of a study of trees."""
    tree = study.tree
    assert tree is not None
    if study.search is None:
        raise InputError([Fault("search", "is missing", f'add it, with mechanism = "{MAXIMIN}"')], study.name)
    types = tree.types if isinstance(tree.types, list) else [tree.types]
    return study.search, [TreeFamily(tree.scenarios, count, tree.absorbing, tree.discount) for count in types]


def _required(study: Study) -> tuple[SearchTable, list[Family | TreeFamily]]:
    """Target and place of the search."""
    family, plan, faults = study.family, study.search, list[Fault]()
    if family is None:
        faults.append(Fault("family", "is missing", "a search moves through a family: buyers, horizon and types"))
    if plan is None:
        faults.append(Fault("search", "is missing", 'add it, with mechanism = "non-clairvoyant-balance" or another'))
    if study.grid.axes:
        faults.append(Fault("grid", "has no place in a search", "list discount or cost in [family]"))
    for key in sorted(LAWS & (family.model_fields_set if family is not None else set())):
        faults.append(Fault(f"family.{key}", "has no place in a search", "it tries all values and probabilities"))
    if family is None or plan is None or faults:
        raise InputError(faults, study.name)
    shapes = itertools.product(family.buyers, family.horizon, family.types, family.discount, family.cost)
    return plan, [Family(*shape) for shape in shapes]


LAWS = {"values", "probabilities", "same_periods", "same_buyers"}


@dataclass(frozen=True)
class _Benchmark:
    """The optimum under a study's constraints and within its limit."""

    recording: Recording

    def __call__(self, environment: IndependentTypes) -> float:
        ic: Iterable[Constraint] = (DIC(),) if self.recording.ic is None else parse_ic(self.recording.ic)
        ir: Iterable[Constraint] = (EPIR(),) if self.recording.ir is None else parse_ir(self.recording.ir)
        return optimum(environment, ic, ir, time_limit=self.recording.seconds).require_optimal().value


def _key(study: Study, shape: Family | TreeFamily) -> str:
    """SHA-256 of all that a search depends on, but for its budget."""
    plan, recording = study.search, study.recording
    assert plan is not None
    parts = [plan.mechanism, shape.plain, study.seed, recording.ic, recording.ir, recording.seconds, recording.version]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
