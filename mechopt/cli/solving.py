"""`mechopt solve`, `verify` and `size`: one program, one mechanism."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from mechopt.cli.options import (
    AcceptRange,
    Check,
    Form,
    Goal,
    Ic,
    Ir,
    Json,
    Model,
    check_expected,
    environment_of,
    plan_of,
    require_expected,
)
from mechopt.core.errors import InputError
from mechopt.show.terminal.console import progress_shown, say, show_rows, tell

if TYPE_CHECKING:
    from mechopt.mechanism.bank_table import BankTable


def solve(
    model: Model,
    ic: Ic = None,
    ir: Ir = None,
    objective: Goal = None,
    method: Annotated[
        str,
        typer.Option(help="auto, simplex, ipx, promised (one buyer, long horizons) or dual (several, or moving types)"),
    ] = "auto",
    form: Form = "auto",
    time_limit: Annotated[float | None, typer.Option(min=0.0, help="seconds for the solver")] = None,
    export: Annotated[str | None, typer.Option(metavar="FILE.mps", help="write the program as MPS")] = None,
    save: Annotated[str | None, typer.Option(metavar="FILE", help="write the optimal mechanism")] = None,
    exact: Annotated[bool, typer.Option("--exact", help="prove the optimum in exact rationals as well")] = False,
    proof: Annotated[str | None, typer.Option(metavar="FILE", help="write the exact proof (implies --exact)")] = None,
    check: Check = False,
    accept_range: AcceptRange = False,
    as_json: Json = False,
) -> None:
    """Find the optimal mechanism, and verify it."""
    from mechopt.lp.build import compile_program
    from mechopt.modelfile import read
    from mechopt.show.terminal import output
    from mechopt.solve.highs import to_mps
    from mechopt.solve.optimum import optimum, require_memory

    file = read(model)
    chosen = plan_of(file, ic, ir, objective, form)
    require_expected(check, model, file)
    exact = exact or proof is not None
    if export is not None:
        require_memory(chosen, method=method)
        program, layout = compile_program(chosen)
        to_mps(program.scaled(layout.unit), export)
    with progress_shown("solving") as progress:
        best = optimum(
            environment_of(file),
            chosen.ic,
            chosen.ir,
            chosen.objective,
            method,
            exact,
            time_limit,
            form=form,
            progress=progress,
            accept_range=accept_range,
            bracket=None if progress is None else progress.bracket,
        )
    begun = time.perf_counter()
    report = output.checked(best)
    document = output.solved(best, report, time.perf_counter() - begun)
    if as_json:
        say(output.to_json(document))
    else:
        show_rows(output.solved_rows(file.title, document))
    if save is not None and best.mechanism is not None:
        best.mechanism.save(save)
    if proof is not None and best.certificate is not None:
        best.certificate.save(proof)
    best.require_optimal()
    if report is not None and not report.holds:
        tell(f"the optimum fails its own verification: {report}")
        raise typer.Exit(1)
    if check:
        check_expected(document, file.expected)


def verify(
    model: Model,
    file: Annotated[str, typer.Argument(metavar="FILE", help="a mechanism file written with --save")],
    ic: Annotated[
        str | None, typer.Option("--ic", help="incentive notions joined by +; default: those of the file")
    ] = None,
    ir: Annotated[
        str | None, typer.Option("--ir", help="participation notions joined by +; default: those of the file")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a mechanism file against notions; exit status 1 and the deviation where it fails."""
    from mechopt.mechanism.bank_table import BankTable
    from mechopt.mechanism.constraint_names import parse_notions
    from mechopt.modelfile import read
    from mechopt.show.terminal import output
    from mechopt.study.saved import load_mechanism
    from mechopt.verification.verify import verify as verify_mechanism

    mechanism = load_mechanism(file, environment_of(read(model)))
    if isinstance(mechanism, BankTable):
        _verify_bank_table(mechanism, as_json, None if ic is None and ir is None else "--ic and --ir")
        return
    asked = (
        None if ic is None and ir is None else [*parse_notions(ic or "none", "ic"), *parse_notions(ir or "none", "ir")]
    )
    if asked == []:
        raise InputError("--ic none --ir none leaves nothing to check; name a notion, or leave both out")
    report = verify_mechanism(mechanism, asked)
    if as_json:
        numbers = {"revenue": mechanism.revenue, "welfare": mechanism.welfare, "utilities": mechanism.utilities}
        say(output.to_json({"notions": output.checks(report, counterexamples=True), **numbers}))
    else:
        rows = [("mechanism", repr(mechanism))]
        for notion, found in report.items():
            example = f": {found.counterexample}" if found.counterexample else ""
            rows.append((notion.name, output.verdict({"holds": found.holds, "gain": found.gain}) + example))
        show_rows(rows)
    if not report.holds:
        raise typer.Exit(1)


def _verify_bank_table(table: BankTable, as_json: bool, refused: str | None) -> None:
    """Check the conditions of a bank account mechanism, which imply DIC and EPIR; exit status 1 where one fails."""
    from mechopt.show.terminal import output
    from mechopt.verification.bank_table import verify_bank_table

    if refused is not None:
        raise InputError(f"{refused}: a bank account mechanism is checked for its conditions (IC), (BI), (BU) instead")
    found = verify_bank_table(table)
    broken = {example.condition: example for example in found.counterexamples}
    if as_json:
        conditions = {name: {"holds": name not in broken, "gain": gain} for name, gain in found.gains.items()}
        numbers = {"revenue": found.revenue, "welfare": found.welfare, "utilities": [found.utility]}
        say(output.to_json({"conditions": conditions, **numbers}))
    else:
        rows = [("mechanism", repr(table))]
        for name, gain in found.gains.items():
            example = f": {broken[name]}" if name in broken else ""
            rows.append((f"({name})", output.verdict({"holds": name not in broken, "gain": gain}) + example))
        show_rows([*rows, ("revenue", f"{found.revenue:.12g}")])
    if not found.holds:
        raise typer.Exit(1)


def size(model: Model, ic: Ic = None, ir: Ir = None, form: Form = "auto", as_json: Json = False) -> None:
    """Tell how large the program would be, without building it."""
    from mechopt.modelfile import read
    from mechopt.show.terminal import output

    chosen = plan_of(read(model), ic, ir, None, form)
    if as_json:
        say(output.to_json(output.sizes(chosen)))
    else:
        show_rows(output.size_rows(chosen))
