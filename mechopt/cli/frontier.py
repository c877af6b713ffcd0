"""`mechopt frontier`: revenue against welfare, or against the agents' utility."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mechopt.cli.options import (
    At,
    Ic,
    Ir,
    Json,
    LocalWorkers,
    Model,
    Scheduler,
    SubjectTo,
    problem_of,
    require_targets,
    written,
)
from mechopt.core.errors import InputError
from mechopt.show.terminal.console import progress_shown, say, show_rows, show_table, tell

if TYPE_CHECKING:
    from mechopt.solve.problem import Problem
    from mechopt.study.frontier.frontier import Frontier
    from mechopt.verification.verify import Report

STOPPED = 3


def frontier(
    model: Model,
    between: Annotated[
        str,
        typer.Option(help="what revenue is weighed against: welfare, utility, or epsilon, what misreports may gain"),
    ] = "welfare",
    points: Annotated[int | None, typer.Option(min=2, help="stop at this many corners; default: all")] = None,
    value: Annotated[
        float | None,
        typer.Option(help="of revenue, with --between epsilon: the smallest epsilon for it; default: all types known"),
    ] = None,
    ic: Ic = None,
    ir: Ir = None,
    subject_to: SubjectTo = None,
    time_limit: Annotated[float | None, typer.Option(min=0.0, help="seconds in all")] = None,
    exact: Annotated[bool, typer.Option("--exact", help="prove the corners in exact rationals as well")] = False,
    plot: Annotated[
        str | None, typer.Option(metavar="FILE", help="draw the curve to a .png, .svg or .pdf file")
    ] = None,
    csv: Annotated[str | None, typer.Option(metavar="FILE", help="write the corners as CSV")] = None,
    workers: LocalWorkers = 1,
    scheduler: Scheduler = None,
    at: At = None,
    as_json: Json = False,
) -> None:
    """Find the mechanisms that are best for some weight between revenue and welfare, or the agents' utility."""
    from mechopt.modelfile import read
    from mechopt.show.figures.axes import picture_ending
    from mechopt.show.terminal import output
    from mechopt.study.frontier.frontier import frontier as find
    from mechopt.verification.verify import checked_on_tree

    if plot is not None:
        picture_ending(plot)
    require_targets(plot, csv)
    file = read(model, at)
    problem = problem_of(file, ic, ir, subject_to=subject_to)
    if between == "epsilon":
        if csv or plot or exact or time_limit is not None or workers != 1 or scheduler is not None:
            left_out = "--csv, --plot, --exact, --time-limit, --workers and --scheduler"
            raise InputError(f"--between epsilon: leave out {left_out}")
        _epsilon(problem, file.title, value, 9 if points is None else points, as_json)
        return
    if value is not None:
        raise InputError("--value goes with --between epsilon")
    with progress_shown("solving") as progress:
        asked = problem.environment, problem.ic, problem.ir
        limits = problem.subject_to
        found = find(*asked, between, points, exact, time_limit, progress, limits, workers, scheduler)
    reports = [checked_on_tree(point.mechanism, point.mechanism.claims) for point in found.points]
    writes: list[Callable[[], object]] = []
    if csv is not None:
        writes.append(partial(found.to_csv, csv))
    if plot is not None:
        writes.append(partial(found.save_plot, plot))
    unwritten = written(writes)
    if as_json:
        say(output.to_json(_document(found, reports)))
    else:
        show_rows([*output.title_rows(file.title), *_rows(found, reports)])
        show_table(*_table(found))
    if unwritten is not None:
        raise unwritten
    if failed := [k for k, report in enumerate(reports) if report is not None and not report.holds]:
        tell(f"the mechanisms of points {', '.join(map(str, failed))} fail their own verification")
        raise typer.Exit(1)
    if found.complete and found.stopped:
        tell(f"stopped ({found.stopped}): the corners are all there are, and not proved")
        raise typer.Exit(STOPPED)
    if found.stopped and found.stopped != "limit on points":
        tell(f"stopped ({found.stopped}) before all corners were known; the curve is within {found.gap:.3g}")
        raise typer.Exit(STOPPED)


def _epsilon(problem: Problem, title: str, value: float | None, points: int, as_json: bool) -> None:
    """The smallest gain of misreports with which a value is reached, and the curve up to it."""
    from mechopt.show.terminal import output
    from mechopt.study.frontier.epsilon import epsilon_for

    asked = problem.environment, value, problem.ic, problem.ir, problem.objective, problem.subject_to
    found = epsilon_for(*asked, points=points)
    table = found.curve
    if as_json:
        curve = [{"epsilon": epsilon, "value": best} for epsilon, best in table]
        ends = {"value": found.value, "lower": found.lower, "epsilon": found.epsilon}
        say(output.to_json({"between": "epsilon", **ends, "curve": curve}))
        return
    even = {found.epsilon * k / max(points - 1, 1) for k in range(points)}
    show_rows(
        [
            *output.title_rows(title),
            ("wanted", f"{problem.objective} {found.value:.9g}"),
            ("smallest epsilon", f"{found.epsilon:.9g} (none below {found.lower:.9g})"),
            ("effort", f"{len(found.curve)} programs"),
        ]
    )
    show_table(["epsilon", "value"], [[f"{e:.6g}", f"{best:.9g}"] for e, best in table if e in even])


def _document(found: Frontier, reports: list[Report | None]) -> dict[str, Any]:
    """Keys of ``mechopt frontier --json``."""
    from mechopt.show.terminal import output

    rows: list[dict[str, Any]] = []
    for k, (point, report) in enumerate(zip(found.points, reports, strict=True)):
        row: dict[str, Any] = {"revenue": point.revenue, "welfare": point.welfare, "utility": point.utility}
        if found.exact is not None:
            row["exact"] = {"revenue": str(found.exact.revenues[k]), "welfare": str(found.exact.welfares[k])}
        row |= {"utilities": list(point.utilities), "weights": list(point.weights)}
        rows.append({**row, "verified": {} if report is None else output.checks(report)})
    exact = {} if found.exact is None else {"exact": [str(weight) for weight in found.exact.weights]}
    return {
        "between": found.between,
        "points": rows,
        "weights": found.weights.tolist(),
        **exact,
        "complete": found.complete,
        "stopped": found.stopped,
        "gap": found.gap,
        "constraints": {
            "ic": output.names(found.ic),
            "ir": output.names(found.ir),
            **({"subject_to": output.names(found.subject_to)} if found.subject_to else {}),
        },
        "solves": found.solves,
        "seconds": found.seconds,
    }


def _rows(found: Frontier, reports: list[Report | None]) -> list[tuple[str, str]]:
    from mechopt.show.terminal import output

    count = f"{len(found.points)} corner{'s' * (len(found.points) > 1)}"
    state = "all there are" if found.complete else f"stopped by {found.stopped}"
    checked = "not checked: too many histories" if None in reports else "every mechanism satisfies the constraints"
    if any(report is not None and not report.holds for report in reports):
        checked = "; ".join(
            dict.fromkeys(
                output.unsatisfied(report, False) for report in reports if report is not None and not report.holds
            )
        )
    kept = [output.names(found.ic), output.names(found.ir)]
    kept += [output.names(found.subject_to)] if found.subject_to else []
    return [
        ("frontier", f"revenue against {found.between}: {count}, {state}; the curve is within {found.gap:.2g}"),
        ("constraints", "; ".join(kept)),
        ("verified", checked),
        ("effort", f"{found.solves} programs, {found.seconds:.2f} s"),
    ]


def _table(found: Frontier) -> tuple[list[str], list[list[str]]]:
    header, rows = ["point", "revenue", "welfare", "utility", f"weight of {found.between}"], []
    for k, point in enumerate(found.points):
        numbers = [f"{number:.6g}" for number in (point.revenue, point.welfare, point.utility)]
        if found.exact is not None:
            revenue, welfare = found.exact.revenues[k], found.exact.welfares[k]
            numbers = [str(revenue), str(welfare), str(welfare - revenue)]
        rows.append([str(k), *numbers, f"{point.weights[0]:.6g} to {point.weights[1]:.6g}"])
    return header, rows
