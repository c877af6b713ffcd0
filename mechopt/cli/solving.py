"""`mechopt solve`, `verify` and `size`: one program, one mechanism."""

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
    Epsilon,
    Form,
    Goal,
    Ic,
    Ir,
    Json,
    Model,
    SubjectTo,
    check_expected,
    environment_of,
    problem_of,
    require_expected,
    require_targets,
    written,
)
from mechopt.core.errors import InputError
from mechopt.show.terminal.console import progress_shown, say, show_rows, tell

if TYPE_CHECKING:
    from mechopt.mechanism.bank_table import BankTable
    from mechopt.mechanism.constraints import Constraint
    from mechopt.mechanism.scenarios.mechanism import ScenariosMechanism


def solve(
    model: Model,
    ic: Ic = None,
    ir: Ir = None,
    objective: Goal = None,
    subject_to: SubjectTo = None,
    epsilon: Epsilon = None,
    method: Annotated[
        str,
        typer.Option(
            help="auto, program, simplex, ipx, closed-form or promised (one buyer), orbits (identical buyers), dual "
            "(several buyers over long horizons, or persistent types), mip (--deterministic), infinite (no end), "
            "myopic (agents who do not look ahead)"
        ),
    ] = "auto",
    form: Form = "auto",
    time_limit: Annotated[float | None, typer.Option(min=0.0, help="seconds for the solver")] = None,
    export: Annotated[
        str | None, typer.Option(metavar="FILE", help="write the program, as MPS (.mps) or LP (.lp)")
    ] = None,
    save: Annotated[str | None, typer.Option(metavar="FILE", help="write the optimal mechanism")] = None,
    exact: Annotated[bool, typer.Option("--exact", help="prove the optimum in exact rationals as well")] = False,
    proof: Annotated[str | None, typer.Option(metavar="FILE", help="write the exact proof (implies --exact)")] = None,
    solution: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="instead of solving: a solution of the exported program by another solver"),
    ] = None,
    duals: Annotated[
        str | None, typer.Option(metavar="FILE", help="write the shadow prices of the constraints, as CSV")
    ] = None,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="draw nothing: the best of the mechanisms without lotteries")
    ] = False,
    gap: Annotated[
        float, typer.Option(metavar="SHARE", help="how far the bracket of a deterministic optimum may stay open")
    ] = 0.0,
    check: Check = False,
    accept_range: AcceptRange = False,
    at: At = None,
    as_json: Json = False,
) -> None:
    """Find the optimal mechanism, and verify it."""
    from mechopt.modelfile import read
    from mechopt.show.explain.table import few_states
    from mechopt.show.terminal import output
    from mechopt.solve.methods import solve as best_mechanism
    from mechopt.verification.verify import checked

    require_targets(export, save, proof, duals)
    file = read(model, at)
    problem = problem_of(file, ic, ir, objective, form, subject_to, epsilon, deterministic)
    require_expected(check, model, file)
    exact = exact or proof is not None
    if solution is not None and (exact or method != "auto"):
        raise InputError("--solution reads what another solver found; leave out --method, --exact and --proof")
    if export is not None:
        problem.write(export)
    with progress_shown("solving") as progress:
        best = (
            problem.read_solution(solution)
            if solution is not None
            else best_mechanism(
                problem,
                method,
                exact,
                time_limit=time_limit,
                progress=progress,
                accept_range=accept_range,
                bracket=None if progress is None else progress.bracket,
                gap=gap,
            )
        )
    begun = time.perf_counter()
    report = checked(best.mechanism, best.size.histories)
    document = output.solved(best, report, time.perf_counter() - begun)
    writes: list[Callable[[], object]] = []
    if save is not None and best.mechanism is not None:
        writes.append(partial(best.mechanism.save, save))
    if proof is not None and best.certificate is not None:
        writes.append(partial(best.certificate.save, proof))
    if duals is not None and best.duals is not None:
        writes.append(partial(best.duals.to_csv, duals))
    unwritten = written(writes)
    if as_json:
        say(output.to_json(document))
    else:
        show_rows(output.solved_rows(file.title, document))
        table = few_states(best)
        for line in ["", *table] if table else []:
            say(line)
    if unwritten is not None:
        raise unwritten
    best.require_optimal()
    if duals is not None and best.duals is None:
        tell(f"{duals}: method {best.method} has no shadow prices; use --method program")
    if report is not None and not report.holds:
        tell(f"the optimum does not pass its own verification: {output.unsatisfied(report, False)}; {report}")
        raise typer.Exit(1)
    if check:
        check_expected(document, file.expected)


def verify(
    model: Model,
    file: Annotated[str, typer.Argument(metavar="FILE", help="a mechanism file written with --save")],
    ic: Annotated[
        str | None, typer.Option("--ic", help="incentive constraints joined by +; default: those of the file")
    ] = None,
    ir: Annotated[
        str | None, typer.Option("--ir", help="participation constraints joined by +; default: those of the file")
    ] = None,
    subject_to: Annotated[
        str | None,
        typer.Option("--subject-to", help="constraints on payments joined by +; default: those of the file"),
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="decide in fractions: slower, and nothing is left undecided")
    ] = False,
    at: At = None,
    as_json: Json = False,
) -> None:
    """Check a mechanism file against constraints; exit status 1 where one is violated or undecided."""
    from mechopt.environment.scenarios import Scenarios
    from mechopt.mechanism.archive import load_mechanism
    from mechopt.mechanism.bank_table import BankTable
    from mechopt.mechanism.constraint_names import parse_constraints
    from mechopt.mechanism.payments import payment_constraints
    from mechopt.modelfile import read
    from mechopt.show.counterexample import sentence
    from mechopt.show.terminal import output
    from mechopt.verification.verify import verify as verify_mechanism

    source = read(model, at)
    scenarios = isinstance(source.environment, Scenarios)
    mechanism = load_mechanism(file, source.environment if scenarios else environment_of(source))
    given = ic, ir, subject_to
    if isinstance(mechanism, BankTable):
        _verify_bank_table(mechanism, as_json, None if given == (None,) * 3 else "--ic, --ir and --subject-to", exact)
        return
    asked = None
    if given != (None,) * 3:
        asked = [*parse_constraints(ic or "none", "ic"), *parse_constraints(ir or "none", "ir")]
        asked += payment_constraints(subject_to)
    if scenarios:
        _verify_rule(mechanism, asked, exact, as_json)
        return
    if asked == []:
        raise InputError("nothing is left to check; name a constraint, or leave out --ic, --ir and --subject-to")
    report = verify_mechanism(mechanism, asked, exact)
    if as_json:
        numbers = {"revenue": mechanism.revenue, "welfare": mechanism.welfare, "utilities": mechanism.utilities}
        say(output.to_json({"constraints": output.checks(report, counterexamples=True), **numbers}))
    else:
        rows = [("mechanism", repr(mechanism))]
        for constraint, found in report.items():
            example = f": {sentence(found.counterexample, mechanism.environment)}" if found.counterexample else ""
            rows.append((constraint.name, output.verdict(output.checks(report)[constraint.name]) + example))
        show_rows(rows)
    if not report.holds:
        if report.undecided or not as_json:
            tell(output.unsatisfied(report, exact))
        raise typer.Exit(1)


def _verify_rule(rule: ScenariosMechanism, asked: list[Constraint] | None, exact: bool, as_json: bool) -> None:
    """Check what is done in several scenarios, and that it does not know the future; exit status 1 unless all hold."""
    from mechopt.mechanism.scenarios.non_clairvoyant import NonClairvoyant
    from mechopt.show.terminal import output
    from mechopt.verification.scenarios.check import verify_scenarios

    report = verify_scenarios(rule, None if asked is None else [NonClairvoyant(), *asked], exact)
    checks = output.checks(report, counterexamples=True)
    worst = {constraint.name: name for constraint, name in report.worst.items()}
    if as_json:
        rows = zip(rule.scenarios.names, rule.revenues, strict=True)
        document: dict[str, Any] = {"constraints": checks, "worst": worst}
        document["scenarios"] = [{"name": name, "revenue": revenue} for name, revenue in rows]
        say(output.to_json(document))
    else:
        shown = [("mechanism", repr(rule))]
        for constraint, found in report.items():
            words = output.verdict(checks[constraint.name])
            if found.counterexample is not None:
                where = f"scenario {worst[constraint.name]!r}, " if constraint.name in worst else ""
                words += f": {where}{found.counterexample}"
            shown.append((constraint.name, words))
        show_rows(shown)
    if not report.holds:
        if report.undecided or not as_json:
            tell(output.unsatisfied(report, exact))
        raise typer.Exit(1)


def _verify_bank_table(table: BankTable, as_json: bool, refused: str | None, exact: bool) -> None:
    """Check the conditions of a bank account mechanism, which imply DIC and EPIR; exit status 1 unless all hold."""
    from mechopt.show.terminal import output
    from mechopt.verification.bank_table import verify_bank_table

    if refused is not None:
        raise InputError(f"{refused}: a bank account mechanism is checked for its conditions (IC), (BI), (BU) instead")
    found = verify_bank_table(table, exact)
    conditions = {
        name: {
            "status": str(status),
            "holds": status == "satisfied",
            "gain": found.gains[name],
            "rounding": found.roundings[name],
        }
        for name, status in found.statuses.items()
    }
    broken = {example.condition: example for example in found.counterexamples}
    if as_json:
        numbers = {"revenue": found.revenue, "welfare": found.welfare, "utilities": [found.utility]}
        say(output.to_json({"conditions": conditions, **numbers}))
    else:
        rows = [("mechanism", repr(table))]
        for name, condition in conditions.items():
            example = f": {broken[name]}" if name in broken else ""
            rows.append((f"({name})", output.verdict(condition) + example))
        show_rows([*rows, ("revenue", f"{found.revenue:.12g}")])
    if not found.holds:
        words = [f"({name}) {condition['status']}" for name, condition in conditions.items() if not condition["holds"]]
        undecided = any(condition["status"] == "undecided" for condition in conditions.values())
        if undecided or not as_json:
            tell(", ".join(words) + ("; try --exact, which decides in fractions" if undecided else ""))
        raise typer.Exit(1)


def size(
    model: Model,
    ic: Ic = None,
    ir: Ir = None,
    form: Form = "auto",
    subject_to: SubjectTo = None,
    at: At = None,
    as_json: Json = False,
) -> None:
    """Tell how large the program would be, without building it."""
    from mechopt.modelfile import read
    from mechopt.show.terminal import output

    file = read(model, at)
    if file.environment.kind == "scenarios":
        from mechopt.environment.scenarios import Scenarios
        from mechopt.lp.scenarios.plan import guarantee_size

        if form != "auto":
            raise InputError(f"{model}: the program over scenarios chooses its form; leave out --form")
        asked = file.ic if ic is None else ic, file.ir if ir is None else ir
        limits = file.subject_to if subject_to is None else subject_to
        found = guarantee_size(file.of_kind(Scenarios), *asked, file.guarantee[0], limits)
        shown = "scenarios"
    else:
        problem = problem_of(file, ic, ir, form=form, subject_to=subject_to)
        found, shown = problem.size, problem.plan.form
    if as_json:
        say(output.to_json(output.sizes(found, shown)))
    else:
        show_rows(output.size_rows(found, shown))
