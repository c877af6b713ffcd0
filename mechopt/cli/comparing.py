"""`mechopt compare` and `maximin`: mechanisms side by side, and the best guarantee."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mechopt.cli.options import (
    AcceptRange,
    At,
    Check,
    Ic,
    Ir,
    Json,
    Model,
    SubjectTo,
    check_expected,
    command_line,
    environment_of,
    require_expected,
    require_targets,
    written,
)
from mechopt.core.errors import InputError
from mechopt.show.terminal.console import progress_shown, say, show_rows, show_table, tell

if TYPE_CHECKING:
    from mechopt.modelfile.loading import ModelFile
    from mechopt.study.compare.comparison import Comparison


def compare(
    model: Model,
    mechanisms: Annotated[str | None, typer.Option(help="names joined by commas; default: all that apply")] = None,
    ic: Ic = None,
    ir: Ir = None,
    subject_to: SubjectTo = None,
    time_limit: Annotated[float | None, typer.Option(min=0.0, help="seconds for the optimum")] = None,
    table: Annotated[str, typer.Option(help="text, markdown or latex")] = "text",
    plot: Annotated[
        str | None, typer.Option(metavar="FILE", help="draw the ratios to a .png, .svg or .pdf file")
    ] = None,
    report: Annotated[str | None, typer.Option(metavar="FILE", help="write one self-contained HTML page")] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="prove the optimum in exact rationals, for the report")
    ] = False,
    check: Check = False,
    at: At = None,
    as_json: Json = False,
) -> None:
    """Put all mechanisms that apply side by side: revenue, share of the optimum, constraints kept and broken."""
    from mechopt.modelfile import read
    from mechopt.show.page.page import require_report
    from mechopt.show.terminal import output
    from mechopt.study.compare.compare import compare as compare_mechanisms

    if table not in ("text", "markdown", "latex"):
        raise InputError(f"table {table!r} is none of text, markdown, latex")
    if exact and report is None:
        raise InputError("--exact is about the page of --report; mechopt solve --exact proves an optimum by itself")
    if report is not None:
        require_report(report)
    require_targets(plot)
    file = read(model, at)
    environment = environment_of(file)
    constraints = file.ic if ic is None else ic, file.ir if ir is None else ir
    require_expected(check, model, file)
    names = None if mechanisms is None else [name.strip() for name in mechanisms.split(",")]
    with progress_shown("comparing"):
        limits = file.subject_to if subject_to is None else subject_to
        comparison = compare_mechanisms(environment, names, *constraints, time_limit, limits)
    document = output.compared(comparison)
    if as_json:
        say(output.to_json(document))
    elif table == "text":
        header, rows, bounds = output.compared_table(comparison)
        show_table(header, rows)
        if bounds:
            say("no mechanism earns more than")
            show_table(["bound", "revenue"], [list(bound) for bound in bounds])
        for name, reason in comparison.skipped.items():
            tell(f"left out: {name}: {reason}")
    else:
        say(comparison.to_markdown() if table == "markdown" else comparison.to_latex())
    if plot is not None:
        comparison.save_plot(plot)
    if report is not None:
        _write_report(comparison, file, model, exact, report)
    if check:
        check_expected(document, file.expected)
    if comparison.optimum is not None:
        comparison.optimum.require_optimal()


def _write_report(comparison: Comparison, file: ModelFile, model: str, exact: bool, path: str) -> None:
    """Write the page; an optimum is proved for it where that is asked for and there is one."""
    from mechopt.modelfile import bundled
    from mechopt.show.page.page import file_text, write_report
    from mechopt.show.page.report import compare_report
    from mechopt.solve.exact.certify import certify

    best = comparison.optimum
    certificate = (
        certify(comparison.environment, best.ic, best.ir, subject_to=best.subject_to)
        if exact and best is not None
        else None
    )
    text = file_text(model, bundled())
    page = compare_report(comparison, file.title, command_line(), file.source, text, certificate)
    write_report(page, path)


def maximin(
    model: Model,
    method: Annotated[str, typer.Option(help="auto, simplex or ipx")] = "auto",
    time_limit: Annotated[float | None, typer.Option(min=0.0, help="seconds for the solver, optima included")] = None,
    ic: Ic = None,
    ir: Ir = None,
    objective: Annotated[
        str | None,
        typer.Option(
            help="ratio (least share of the clairvoyant optima), weighted (mean share under the file's weights) or "
            "regret (largest shortfall in money); default: the file's, else ratio"
        ),
    ] = None,
    subject_to: SubjectTo = None,
    benchmark: Annotated[
        str | None,
        typer.Option(
            help="constraints of the clairvoyant seller: same, or standard (dic, epir); default: the file's, else same"
        ),
    ] = None,
    save: Annotated[str | None, typer.Option(metavar="FILE", help="write what is done in every scenario")] = None,
    proof: Annotated[str | None, typer.Option(metavar="FILE", help="prove it exactly, and write the proof")] = None,
    check: Check = False,
    accept_range: AcceptRange = False,
    at: At = None,
    as_json: Json = False,
) -> None:
    """Find the best guarantee of a seller who does not know which of the model's scenarios she is in."""
    from mechopt.environment.scenarios import Scenarios
    from mechopt.modelfile import read
    from mechopt.show.terminal import output
    from mechopt.show.terminal.guarantee import guaranteed, guaranteed_rows
    from mechopt.solve.exact.guarantee import certify_guarantee
    from mechopt.solve.maximin import maximin as best_guarantee
    from mechopt.verification.scenarios.check import verify_scenarios

    require_targets(save, proof)
    file = read(model, at)
    scenarios = file.of_kind(Scenarios)
    require_expected(check, model, file)
    terms: dict[str, Any] = {
        "ic": file.ic if ic is None else ic,
        "ir": file.ir if ir is None else ir,
        "objective": file.guarantee[0] if objective is None else objective,
        "subject_to": file.subject_to if subject_to is None else subject_to,
        "benchmark": file.guarantee[1] if benchmark is None else benchmark,
    }
    with progress_shown("solving") as progress:
        best = best_guarantee(scenarios, method, time_limit, progress, accept_range=accept_range, **terms)
        certificate = None if proof is None else certify_guarantee(scenarios, **terms)
    begun = time.perf_counter()
    report = verify_scenarios(best.rule)
    document = guaranteed(best, report, time.perf_counter() - begun, certificate)
    writes: list[Callable[[], object]] = []
    if save is not None:
        writes.append(partial(best.save, save))
    if proof is not None and certificate is not None:
        writes.append(partial(certificate.save, proof))
    unwritten = written(writes)
    if as_json:
        say(output.to_json(document))
    else:
        show_rows(guaranteed_rows(file.title, document))
    if unwritten is not None:
        raise unwritten
    best.require_optimal()
    if not report.holds:
        tell(f"the mechanism does not pass its own verification: {report}")
        raise typer.Exit(1)
    if check:
        check_expected(document, file.expected)


def diagnose(
    model: Model,
    time_limit: Annotated[float | None, typer.Option(min=0.0, help="seconds for each program")] = None,
    at: At = None,
    as_json: Json = False,
) -> None:
    """Say whether the published payments of the virtual pivot implement its policy, others do, or none."""
    from math import isnan

    from mechopt.environment.separable import SeparableTypes
    from mechopt.environment.states.separable import SeparableStates
    from mechopt.modelfile import read
    from mechopt.show.terminal import output
    from mechopt.study.diagnose import diagnose as regime_of

    file = read(model, at)
    given = file.environment
    found = regime_of(given if isinstance(given, SeparableStates) else file.of_kind(SeparableTypes), time_limit)
    document = {
        "regime": found.regime,
        "reason": found.reason,
        "bound": found.bound,
        "optimum": None if found.optimum is None else found.optimum.value,
        "gap": None if isnan(found.gap) else found.gap,
        "sees": found.sees,
        "by_disclosure": found.by_disclosure,
    }
    if as_json:
        say(output.to_json(document))
        return
    rows = [
        *output.title_rows(file.title),
        ("regime", f"{found.regime}: {found.reason}"),
        ("bound", f"{found.bound:.12g}"),
        *([] if found.optimum is None else [("optimum", f"{found.optimum.value:.12g}")]),
        *([] if isnan(found.gap) else [("gap", f"{found.gap:.6g}")]),
        ("attained if agents see", found.sees or "nothing that was tried"),
    ]
    show_rows([*rows, *((f"optimum if seen: {sees}", f"{upper:.12g}") for sees, upper in found.by_disclosure.items())])
