"""`mechopt certificate make | check | export`: exact proofs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mechopt.cli.options import (
    At,
    Form,
    Goal,
    Ic,
    Ir,
    Json,
    Model,
    SubjectTo,
    environment_of,
    problem_of,
    require_targets,
)
from mechopt.core.errors import InputError
from mechopt.core.printable import printable
from mechopt.show.terminal.console import progress_shown, say, show_rows

if TYPE_CHECKING:
    from mechopt.modelfile import ModelFile
    from mechopt.proof.certificate import Certificate, GuaranteeCertificate
    from mechopt.proof.promised.certificate import PromisedCertificate

Most = Annotated[
    int | None,
    typer.Option("--most", min=1, help="refuse programs with more rows and columns; default ten million"),
]

certificate = typer.Typer(help="Make, check and export exact proofs of optima.", no_args_is_help=True)


@certificate.command()
def make(
    model: Model,
    file: Annotated[str, typer.Argument(metavar="FILE", help="where to write the proof")],
    ic: Ic = None,
    ir: Ir = None,
    objective: Goal = None,
    form: Form = "auto",
    subject_to: SubjectTo = None,
    benchmark: Annotated[
        str | None,
        typer.Option(help="of a guarantee, constraints of the clairvoyant seller: same, or standard (dic, epir)"),
    ] = None,
    at: At = None,
) -> None:
    """Prove the optimum of a model, or its best guarantee (kind scenarios), and write the proof."""
    from mechopt.environment.scenarios import Scenarios
    from mechopt.modelfile import read
    from mechopt.solve.exact.guarantee import certify_guarantee
    from mechopt.solve.promised.method import certified_by_promises

    require_targets(file)
    source = read(model, at)
    with progress_shown("proving"):
        if isinstance(source.environment, Scenarios):
            if form != "auto":
                raise InputError(f"{model}: the program over scenarios chooses its form; leave out --form")
            certify_guarantee(
                source.environment,
                source.ic if ic is None else ic,
                source.ir if ir is None else ir,
                objective or source.guarantee[0],
                source.subject_to if subject_to is None else subject_to,
                benchmark or source.guarantee[1],
            ).save(file)
        elif benchmark is not None:
            raise InputError(f"{model}: --benchmark is for kind 'scenarios'")
        else:
            problem = problem_of(source, ic, ir, objective, form, subject_to)
            by_promises = certified_by_promises(problem.plan) if form == "auto" and not problem.subject_to else None
            (by_promises or problem.certify()).save(file)
    say(f"written: {file}")


@certificate.command("check")
def check_proof(
    model: Model,
    file: Annotated[str, typer.Argument(metavar="FILE", help="a proof written by make or by solve --proof")],
    most: Most = None,
    at: At = None,
    as_json: Json = False,
) -> None:
    """Prove a certificate anew with plain fractions, from the model file alone, and say what was proved.

    Exit status 1 where it fails.
    """
    from mechopt.cli.formula import check_formula_file
    from mechopt.modelfile import read
    from mechopt.proof.certificate import load_certificate
    from mechopt.proof.contingent.file import is_transfer_proof
    from mechopt.show.terminal import output

    if check_formula_file(model, file, at, as_json):
        return
    if is_transfer_proof(file):
        return _check_transfers(model, file, most, as_json, at)
    proof = load_certificate(file)
    source = read(model, at)
    prove_anew(source, proof, most)
    document = output.proved(source.title, proof)
    if as_json:
        say(output.to_json(document))
        return
    say(f"proved: {document['statement']}")
    show_rows(output.proved_rows(document))


@certificate.command()
def export(
    model: Model,
    file: Annotated[str, typer.Argument(metavar="PROOF", help="a proof written by make or by solve --proof")],
    output_file: Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="where to write it")],
    target: Annotated[str, typer.Option("--format", help="vipr: for exact checkers of linear and integer programs")],
    most: Most = None,
    at: At = None,
) -> None:
    """Prove a certificate anew and write the program that it is about, with the proof, in a public format."""
    from mechopt.modelfile import read
    from mechopt.proof.certificate import load_certificate
    from mechopt.proof.promised.certificate import PromisedCertificate
    from mechopt.proof.vipr import write_vipr

    if target != "vipr":
        raise InputError(f"--format {printable(target)}: the formats are: vipr")
    source, proof = read(model, at), load_certificate(file)
    if isinstance(proof, PromisedCertificate):
        raise InputError(
            "a proof by promises is about no linear program; write one with "
            "`mechopt certificate make --form utility`, and export that"
        )
    prove_anew(source, proof, most)
    write_vipr(source.environment, proof, output_file, source.title)
    say(f"written: {output_file}")


def prove_anew(
    source: ModelFile, proof: Certificate | GuaranteeCertificate | PromisedCertificate, most: int | None
) -> None:
    """Prove a certificate for the environment of a model file."""
    from mechopt.environment.independent import IndependentTypes
    from mechopt.environment.scenarios import Scenarios
    from mechopt.proof.certificate import GuaranteeCertificate
    from mechopt.proof.check import check_certificate, check_guarantee
    from mechopt.proof.promised.certificate import PromisedCertificate
    from mechopt.proof.promised.check import check_promised
    from mechopt.proof.size import MOST

    if isinstance(proof, PromisedCertificate):
        check_promised(source.of_kind(IndependentTypes), proof)
        return
    most = MOST if most is None else most
    if isinstance(proof, GuaranteeCertificate):
        check_guarantee(source.of_kind(Scenarios), proof, most)
    else:
        check_certificate(environment_of(source), proof, most)


def _check_transfers(model: str, file: str, most: int | None, as_json: bool, at: At) -> None:
    """Prove a claim about contingent transfers."""
    from mechopt.cli.transfers import joint_environment
    from mechopt.modelfile import read
    from mechopt.proof.contingent.check import MOST, check_transfer_proof
    from mechopt.proof.contingent.file import load_transfer_proof
    from mechopt.proof.contingent.words import statement
    from mechopt.show.terminal import output

    proof = load_transfer_proof(file)
    value = check_transfer_proof(joint_environment(read(model, at)), proof, MOST if most is None else most)
    claim = statement(proof, value)
    document = {
        "proved": True,
        "statement": claim,
        "transfers": not proof.refusal,
        "value": float(value),
        "exact": str(value),
    }
    say(output.to_json(document) if as_json else f"proved: {claim}")
