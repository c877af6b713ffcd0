"""`mechopt sweep` and `search`: many instances, stopped and resumed at will."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mechopt.cli.options import Json, LocalWorkers, Scheduler, command_line, require_targets
from mechopt.core.errors import InputError
from mechopt.show.terminal.console import say, show_rows, tell

if TYPE_CHECKING:
    from mechopt.study.search.search import StudySearch
    from mechopt.study.sweep.sweep import Sweep

StudyName = Annotated[str, typer.Argument(metavar="STUDY", help="a study file, or the name of a bundled study")]
Out = Annotated[
    str | None, typer.Option(metavar="FOLDER", help="where results are kept; default: STUDY.sweep in this folder")
]
STOPPED = 3


def sweep(
    study: StudyName,
    out: Out = None,
    workers: LocalWorkers = 1,
    scheduler: Scheduler = None,
    retry: Annotated[bool, typer.Option("--retry", help="compute again what failed or ran out of time")] = False,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="every N-th point alone, from the I-th on, for job arrays")
    ] = None,
    parquet: Annotated[bool, typer.Option("--parquet", help="write the table as Parquet as well")] = False,
    plot: Annotated[
        str | None, typer.Option(metavar="FILE", help="draw the ratios to a .png, .svg or .pdf file")
    ] = None,
    y: Annotated[str, typer.Option("--y", help="what --plot draws: revenue, ratio or a column of the table")] = "",
    report: Annotated[str | None, typer.Option(metavar="FILE", help="write one self-contained HTML page")] = None,
    as_json: Json = False,
) -> None:
    """Record the optimum and mechanisms at every point of a study; what is there already is not computed again."""
    from mechopt.show.figures.axes import picture_ending
    from mechopt.show.page.page import file_text, require_report, write_report
    from mechopt.show.page.sweep import sweep_report
    from mechopt.show.terminal import output
    from mechopt.study.sweep.store import make_folder
    from mechopt.study.sweep.study_file import bundled_studies, read_study
    from mechopt.study.sweep.sweep import require_parquet
    from mechopt.study.sweep.sweep import sweep as compute

    if parquet:
        require_parquet()
    if y and plot is None:
        raise InputError("--y is about the picture of --plot; name a file for it")
    if plot is not None:
        picture_ending(plot)
    if report is not None:
        require_report(report)
    read = read_study(study)
    folder = make_folder(Path(_folder(study) if out is None else out))
    written = ["sweep.csv", *["sweep.parquet"] * parquet, *(f"worst-{name}.toml" for name in read.recording.mechanisms)]
    require_targets(plot, *(folder / name for name in written))
    with points_shown() as progress:
        found = compute(read, folder, workers, scheduler, retry, progress, shard)
    table = folder / ("sweep.csv" if shard is None else f"sweep-{shard.replace('/', '-of-')}.csv")
    files = [str(table)]
    found.to_csv(table)
    if parquet:
        files.append(str(table.with_suffix(".parquet")))
        found.to_parquet(table.with_suffix(".parquet"))
    if plot is not None:
        found.save_plot(plot, y)
        files.append(plot)
    if report is not None:
        page = sweep_report(found, command=command_line(), study=file_text(study, bundled_studies()))
        write_report(page, report)
        files.append(report)
    worst = _worst_files(found, study, folder) if shard is None else {}  # of all points, when they are merged
    document = _swept(found, worst, files)
    if as_json:
        say(output.to_json(document))
    else:
        show_rows(_sweep_rows(read.title, document))
    if found.damaged:
        many = f" and {len(found.damaged) - 1:,} more" * (len(found.damaged) > 1)
        tell(f"{found.damaged[0]}{many}: not as it was written (digest); computed again")
    if found.lost:
        tell(found.lost)
    _require_whole(found.interrupted, f"{len(found.rows):,} of {found.count:,} points")
    if found.count and not found.statuses.get("done"):
        tell("no point could be computed; the column reason of the table says why")
        raise typer.Exit(1)


def search(
    study: StudyName,
    out: Out = None,
    budget: Annotated[int | None, typer.Option(min=1, help="instances for each shape; default: the study's")] = None,
    workers: LocalWorkers = 1,
    scheduler: Scheduler = None,
    as_json: Json = False,
) -> None:
    """Search a study's family for the instance on which a mechanism earns the smallest share of the optimum."""
    from mechopt.show.terminal import output
    from mechopt.study.search.search import search as find
    from mechopt.study.sweep.store import make_folder
    from mechopt.study.sweep.study_file import read_study

    read = read_study(study)
    folder = make_folder(Path(_folder(study) if out is None else out))
    if read.search is not None:
        require_targets(folder / f"worst-{read.search.mechanism}.toml", folder / f"worst-{read.search.mechanism}.json")
    with tries_shown() as progress:
        found = find(read, folder, budget, progress, workers, scheduler)
    document = _searched(found, folder, study, "" if budget is None else f" --budget {budget}")
    if as_json:
        say(output.to_json(document))
    else:
        keys = ("mechanism", "ratio", "exact", "evaluations", "file", "proof", "confirm")
        rows = [(key, _words(document[key])) for key in keys if key in document]
        show_rows([*([("study", read.title)] if read.title else []), *rows])
    if found.lost:
        tell(found.lost)
    _require_whole(found.interrupted, f"{found.evaluations:,} instances")


def _folder(study: str) -> str:
    return f"{Path(study).stem}.sweep"


def _require_whole(interrupted: bool, what: str) -> None:
    if interrupted:
        tell(f"stopped after {what}; the same command goes on from there")
        raise typer.Exit(STOPPED)


def _header(study: str, seed: int, command: str, options: str = "") -> list[str]:
    from mechopt import __version__

    return [f"Found by mechopt {__version__}, seed {seed}:", f"    {command} {shlex.quote(study)}{options}"]


def _worst_files(found: Sweep, study: str, folder: Path) -> dict[str, dict[str, Any]]:
    """Write the worst instance of each mechanism as a model file."""
    import tomllib

    from mechopt.modelfile.tables import read_float
    from mechopt.study.search.worst_file import write_worst

    written: dict[str, dict[str, Any]] = {}
    for mechanism in found.study.recording.mechanisms:
        worst = found.worst(mechanism)
        if worst is None:
            continue
        point, row = worst
        path = folder / f"worst-{mechanism}.toml"
        title = f"Point {point.number} of {found.study.title or study}: smallest share of {mechanism}"
        tables = tomllib.loads(point.text, parse_float=read_float)
        header = _header(study, found.study.seed, "mechopt sweep")
        write_worst(path, tables, mechanism, found.study.recording, title, found.study.source, header)
        written[mechanism] = {"ratio": row[f"{mechanism}.ratio"], "point": point.number, "file": str(path)}
    return written


def _swept(found: Sweep, worst: dict[str, dict[str, Any]], files: list[str]) -> dict[str, Any]:
    """Keys of ``mechopt sweep --json``."""
    return {
        "points": found.count,
        "rows": len(found.rows),
        "computed": found.fresh,
        "statuses": found.statuses,
        "seconds": found.seconds,
        "interrupted": found.interrupted,
        "damaged": list(found.damaged),
        "worst": worst,
        "files": files,
    }


def _sweep_rows(title: str, document: dict[str, Any]) -> list[tuple[str, str]]:
    ended = ", ".join(f"{count:,} {status}" for status, count in document["statuses"].items())
    rate = f", {document['computed'] / document['seconds']:.1f} a second" if document["computed"] else ""
    rows = [("study", title)] if title else []
    rows += [
        ("points", f"{document['rows']:,} of {document['points']:,}: {ended or 'none'}"),
        ("computed", f"{document['computed']:,} in {document['seconds']:.1f} s{rate}"),
    ]
    for name, worst in document["worst"].items():
        rows.append((f"worst {name}", f"ratio {worst['ratio']:.6g} at point {worst['point']}: {worst['file']}"))
    return [*rows, ("written", ", ".join(document["files"]))]


def _searched(found: StudySearch, folder: Path, study: str, options: str) -> dict[str, Any]:
    """Write the worst instance; keys of ``mechopt search --json``."""
    from mechopt.study.search.worst_file import independent_tables, write_worst

    plan, worst = found.study.search, found.worst
    assert plan is not None  # or there would be nothing found
    if found.study.tree is not None:
        return _searched_tree(found, folder, study, options)
    path = folder / f"worst-{plan.mechanism}.toml"
    title = f"{found.study.title or study}: worst of {found.evaluations:,} instances"
    header = _header(study, found.study.seed, "mechopt search", options)
    tables = independent_tables(worst.environment)
    write_worst(path, tables, plan.mechanism, found.study.recording, title, found.study.source, header)
    shapes = [
        {**shape.plain, "ratio": result.ratio, "evaluations": result.evaluations} for shape, result in found.found
    ]
    return {
        "mechanism": plan.mechanism,
        "ratio": worst.ratio,
        "evaluations": found.evaluations,
        "shapes": shapes,
        "interrupted": found.interrupted,
        "file": str(path),
        "confirm": f"mechopt compare {shlex.quote(str(path))} --check",
    }


def _searched_tree(found: StudySearch, folder: Path, study: str, options: str) -> dict[str, Any]:
    """Write the worst tree and its exact proof."""
    from mechopt.study.search.tree_file import write_tree

    worst = found.worst
    path, proof = folder / "worst-maximin.toml", folder / "worst-maximin.json"
    title = f"{found.study.title or study}: worst of {found.evaluations:,} trees"
    header = _header(study, found.study.seed, "mechopt search", options)
    certificate = write_tree(path, proof, worst.environment, title, found.study.source, header)
    model = shlex.quote(str(path))
    return {
        "mechanism": "maximin",
        "ratio": float(certificate.value),
        "exact": str(certificate.value),
        "evaluations": found.evaluations,
        "shapes": [{**shape.plain, "ratio": one.ratio, "evaluations": one.evaluations} for shape, one in found.found],
        "interrupted": found.interrupted,
        "file": str(path),
        "proof": str(proof),
        "confirm": f"mechopt certificate check {model} {shlex.quote(str(proof))}",
    }


def _words(value: Any) -> str:
    return f"{value:.9g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


@contextmanager
def points_shown() -> Iterator[Callable[[int, int, float], None] | None]:
    """Show points, their rate and the time left on a terminal, nothing elsewhere."""
    with _bar_shown("points") as show:
        kept: list[int] = []

        def count(done: int, total: int, seconds: float) -> None:
            if not kept:
                kept.append(done)
            fresh = done - kept[0]
            words = f"{fresh / seconds:.1f} a second, {_clock((total - done) * seconds / fresh)} left" if fresh else ""
            assert show is not None
            show(done, total, words)

        yield None if show is None else count


@contextmanager
def tries_shown() -> Iterator[Callable[[int, int, float], None] | None]:
    """Show instances tried and the smallest share so far on a terminal, nothing elsewhere."""
    with _bar_shown("instances") as show:
        yield None if show is None else lambda tried, total, least: show(tried, total, f"smallest share {least:.6f}")


@contextmanager
def _bar_shown(unit: str) -> Iterator[Callable[[int, int, str], None] | None]:
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}, {task.fields[words]}"))
    with Progress(*columns, console=Console(stderr=True, markup=False)) as bar:
        task = bar.add_task(unit, total=None, words="")
        yield lambda done, total, words: bar.update(task, completed=done, total=total, words=words)


def _clock(seconds: float) -> str:
    """Hours, minutes and seconds.

    Examples
    --------
    >>> _clock(3725.4)
    '1:02:05'
    """
    from datetime import timedelta

    return str(timedelta(seconds=round(seconds)))
