"""The command line: arguments in, results out; what is computed lies elsewhere.

Exit status: 0 done, 1 a check failed, 2 bad input, 3 stopped by a limit.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mechopt.core.errors import InputError, MechoptError
from mechopt.terminal import progress_shown, say, show_rows, show_table, tell

if TYPE_CHECKING:
    from fractions import Fraction

    from mechopt.lp.plan import Plan
    from mechopt.modelfile import ModelFile

app = typer.Typer(
    help="Optimal dynamic mechanisms for finite types: solve, verify, compare.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)

Model = Annotated[str, typer.Argument(metavar="MODEL", help="a model file, or the name of a bundled model")]
Ic = Annotated[
    str | None, typer.Option("--ic", help="incentive notions joined by +, or none; default: the file's, else dic")
]
Ir = Annotated[
    str | None, typer.Option("--ir", help="participation notions joined by +, or none; default: the file's, else epir")
]
Goal = Annotated[
    str | None, typer.Option("--objective", help="revenue, welfare, utility or a sum such as revenue+0.5*welfare")
]
Form = Annotated[str, typer.Option("--form", help="of the program: auto, promise, utility or payment")]
Check = Annotated[bool, typer.Option("--check", help="compare with the file's [expected]")]
AcceptRange = Annotated[
    bool, typer.Option("--accept-range", help="solve even if values or probabilities differ by a factor above 1e9")
]
Json = Annotated[bool, typer.Option("--json", help="print one JSON document")]


def _plan(model: ModelFile, ic: str | None, ir: str | None, objective: str | None, form: str) -> Plan:
    from mechopt.environment.independent import IndependentTypes
    from mechopt.lp.plan import plan
    from mechopt.mechanism.notions import parse_notions, parse_objective

    return plan(
        model.of_kind(IndependentTypes),
        model.ic if ic is None else parse_notions(ic, "ic"),
        model.ir if ir is None else parse_notions(ir, "ir"),
        model.objective if objective is None else parse_objective(objective),
        form,
    )


def _version(asked: bool) -> None:
    if asked:
        from mechopt import __version__

        say(f"mechopt {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    pass


@app.command()
def solve(
    model: Model,
    ic: Ic = None,
    ir: Ir = None,
    objective: Goal = None,
    method: Annotated[str, typer.Option(help="auto, simplex, ipx, or promised (one buyer, long horizons)")] = "auto",
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
    from mechopt import output
    from mechopt.environment.independent import IndependentTypes
    from mechopt.lp.compile import compile_program
    from mechopt.modelfile import read
    from mechopt.solve.highs import to_mps
    from mechopt.solve.optimum import optimum, require_memory

    file = read(model)
    chosen = _plan(file, ic, ir, objective, form)
    _require_expected(check, model, file)
    exact = exact or proof is not None
    if export is not None:
        require_memory(chosen, method=method)
        program, layout = compile_program(chosen)
        to_mps(program.scaled(layout.unit), export)
    with progress_shown("solving") as progress:
        best = optimum(
            file.of_kind(IndependentTypes),
            chosen.ic,
            chosen.ir,
            chosen.objective,
            method,
            exact,
            time_limit,
            form=chosen.form,
            progress=progress,
            accept_range=accept_range,
        )
    begun = time.perf_counter()
    report = output.checked(best)
    document = output.solved(best, chosen, report, time.perf_counter() - begun)
    if save is not None and best.mechanism is not None:
        best.mechanism.save(save)
    if proof is not None and best.certificate is not None:
        best.certificate.save(proof)
    if as_json:
        say(output.to_json(document))
    else:
        show_rows(output.solved_rows(file.title, document))
    best.require_optimal()
    if report is not None and not report.holds:
        tell(f"the optimum fails its own verification: {report}")
        raise typer.Exit(1)
    if check:
        _check_expected(document, file.expected)


@app.command()
def compare(
    model: Model,
    mechanisms: Annotated[str | None, typer.Option(help="names joined by commas; default: all that apply")] = None,
    ic: Ic = None,
    ir: Ir = None,
    time_limit: Annotated[float | None, typer.Option(min=0.0, help="seconds for the optimum")] = None,
    table: Annotated[str, typer.Option(help="text, markdown or latex")] = "text",
    plot: Annotated[
        str | None, typer.Option(metavar="FILE", help="draw the ratios to a .png, .svg or .pdf file")
    ] = None,
    check: Check = False,
    as_json: Json = False,
) -> None:
    """Put all mechanisms that apply side by side: revenue, share of the optimum, notions kept and broken."""
    from mechopt import output
    from mechopt.environment.independent import IndependentTypes
    from mechopt.modelfile import read
    from mechopt.study.compare import compare as compare_mechanisms

    if table not in ("text", "markdown", "latex"):
        raise InputError(f"table {table!r} is none of text, markdown, latex")
    file = read(model)
    chosen = _plan(file, ic, ir, None, "auto")
    _require_expected(check, model, file)
    names = None if mechanisms is None else [name.strip() for name in mechanisms.split(",")]
    with progress_shown("comparing"):
        comparison = compare_mechanisms(file.of_kind(IndependentTypes), names, chosen.ic, chosen.ir, time_limit)
    document = output.compared(comparison, chosen)
    if as_json:
        say(output.to_json(document))
    elif table == "text":
        show_table(*output.compared_table(comparison))
        for name, reason in comparison.skipped.items():
            tell(f"left out: {name}: {reason}")
    else:
        say(comparison.to_markdown() if table == "markdown" else comparison.to_latex())
    if plot is not None:
        comparison.save_plot(plot)
    if check:
        _check_expected(document, file.expected)
    if comparison.optimum is not None:
        comparison.optimum.require_optimal()


@app.command()
def maximin(
    model: Model,
    method: Annotated[str, typer.Option(help="auto, simplex or ipx")] = "auto",
    time_limit: Annotated[float | None, typer.Option(min=0.0, help="seconds for the solver, optima included")] = None,
    check: Check = False,
    accept_range: AcceptRange = False,
    as_json: Json = False,
) -> None:
    """Find the best guarantee of a seller who does not know which of the model's scenarios she is in."""
    from mechopt import output
    from mechopt.environment.scenarios import Scenarios
    from mechopt.modelfile import read
    from mechopt.solve.maximin import maximin as best_guarantee
    from mechopt.verify.check import verify

    file = read(model)
    scenarios = file.of_kind(Scenarios)
    _require_expected(check, model, file)
    with progress_shown("solving") as progress:
        best = best_guarantee(scenarios, method, time_limit, progress, accept_range=accept_range)
    begun = time.perf_counter()
    reports = [verify(mechanism, mechanism.notions) for mechanism in best.mechanisms]
    document = output.guaranteed(best, reports, time.perf_counter() - begun)
    if as_json:
        say(output.to_json(document))
    else:
        show_rows(output.guaranteed_rows(file.title, document))
    best.require_optimal()
    if failed := [name for name, report in zip(scenarios.names, reports, strict=True) if not report.holds]:
        tell(f"the mechanism fails its own verification in {', '.join(failed)}")
        raise typer.Exit(1)
    if check:
        _check_expected(document, file.expected)


def _require_expected(check: bool, model: str, file: ModelFile) -> None:
    if check and not file.expected:
        raise InputError(f"{model}: has no [expected] table to check against; add one, such as value = 3.5")


def _check_expected(document: dict[str, Any], expected: dict[str, Any]) -> None:
    from mechopt.output import compare_expected

    kept, missed, absent = compare_expected(document, expected)
    for line in kept:
        tell(f"as expected: {line}")
    for line in missed:
        tell(f"NOT as expected: {line}")
    for key in absent:
        tell(f"not checked: {key} is not in this command's output")
    if missed or not kept:
        raise typer.Exit(1)


@app.command()
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
    from mechopt import output
    from mechopt.environment.independent import IndependentTypes
    from mechopt.mechanism.files import load_mechanism
    from mechopt.mechanism.notions import parse_notions
    from mechopt.modelfile import read
    from mechopt.verify.check import verify as verify_mechanism

    mechanism = load_mechanism(file, read(model).of_kind(IndependentTypes))
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


@app.command()
def size(model: Model, ic: Ic = None, ir: Ir = None, form: Form = "auto", as_json: Json = False) -> None:
    """Tell how large the program would be, without building it."""
    from mechopt import output
    from mechopt.modelfile import read

    chosen = _plan(read(model), ic, ir, None, form)
    if as_json:
        say(output.to_json(output.sizes(chosen)))
    else:
        show_rows(output.size_rows(chosen))


@app.command()
def models(as_json: Json = False) -> None:
    """List the bundled models."""
    from mechopt import output
    from mechopt.modelfile import bundled, read

    listed = [(name, read(path)) for name, path in bundled().items()]
    if as_json:
        plain = [
            {"name": n, "title": m.title, "source": m.source, "environment": repr(m.environment)} for n, m in listed
        ]
        say(output.to_json(plain))
    else:
        show_rows([(name, f"{m.title}. {m.environment!r}. Source: {m.source}") for name, m in listed])


certificate = typer.Typer(help="Make and check exact proofs of optima.", no_args_is_help=True)
app.add_typer(certificate, name="certificate")


@certificate.command()
def make(
    model: Model,
    file: Annotated[str, typer.Argument(metavar="FILE", help="where to write the proof")],
    ic: Ic = None,
    ir: Ir = None,
    objective: Goal = None,
    form: Form = "auto",
) -> None:
    """Prove the optimum of a model, or its best guarantee (kind scenarios), and write the proof."""
    from mechopt.environment.scenarios import Scenarios
    from mechopt.modelfile import read
    from mechopt.solve.certificate import certify
    from mechopt.solve.guarantee import certify_guarantee
    from mechopt.solve.optimum import require_memory

    source = read(model)
    with progress_shown("proving"):
        if isinstance(source.environment, Scenarios):
            certify_guarantee(source.environment).save(file)
        else:
            chosen = _plan(source, ic, ir, objective, form)
            require_memory(chosen)
            certify(chosen.tree.environment, chosen.ic, chosen.ir, chosen.objective, chosen.form).save(file)
    say(f"written: {file}")


@certificate.command("check")
def check_proof(
    model: Model,
    file: Annotated[str, typer.Argument(metavar="FILE", help="a proof written by make or by solve --proof")],
    as_json: Json = False,
) -> None:
    """Prove a certificate anew with plain fractions, from the model file alone; exit status 1 where it fails."""
    from mechopt import output
    from mechopt.environment.independent import IndependentTypes
    from mechopt.environment.scenarios import Scenarios
    from mechopt.modelfile import read
    from mechopt.solve.proof_check import check_certificate, check_guarantee
    from mechopt.solve.proof_file import GuaranteeCertificate, load_certificate

    source, proof = read(model), load_certificate(file)
    if isinstance(proof, GuaranteeCertificate):
        value: Fraction | None = check_guarantee(source.of_kind(Scenarios), proof)
    else:
        value = check_certificate(source.of_kind(IndependentTypes), proof)
    if as_json:
        say(output.to_json({"proved": True, "value": value and float(value), "exact": value and str(value)}))
    else:
        say("proved: there is no bound" if value is None else f"proved: {value} = {float(value):.12g}")


@app.command()
def schema() -> None:
    """Print the JSON schema of model files."""
    from mechopt import output
    from mechopt.modelfile import schema as model_schema

    say(output.to_json(model_schema()))


def main() -> None:
    """Run the command line; errors of the library become a message and an exit status."""
    try:
        app(prog_name="mechopt")
    except MechoptError as error:
        tell(f"mechopt: {error}")
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        tell("mechopt: interrupted before anything was known")
        sys.exit(3)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        tell(f"mechopt: cannot write ({error.strerror or error})")
        sys.exit(1)
