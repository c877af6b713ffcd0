"""`mechopt certificate make | check`: exact proofs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mechopt.cli.options import Form, Goal, Ic, Ir, Json, Model, environment_of, problem_of
from mechopt.show.terminal.console import progress_shown, say

if TYPE_CHECKING:
    from fractions import Fraction

certificate = typer.Typer(help="Make and check exact proofs of optima.", no_args_is_help=True)


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
    from mechopt.solve.exact.guarantee import certify_guarantee

    source = read(model)
    with progress_shown("proving"):
        if isinstance(source.environment, Scenarios):
            certify_guarantee(source.environment).save(file)
        else:
            problem_of(source, ic, ir, objective, form).certify().save(file)
    say(f"written: {file}")


@certificate.command("check")
def check_proof(
    model: Model,
    file: Annotated[str, typer.Argument(metavar="FILE", help="a proof written by make or by solve --proof")],
    as_json: Json = False,
) -> None:
    """Prove a certificate anew with plain fractions, from the model file alone; exit status 1 where it fails."""
    from mechopt.environment.scenarios import Scenarios
    from mechopt.modelfile import read
    from mechopt.proof.certificate import GuaranteeCertificate, load_certificate
    from mechopt.proof.check import check_certificate, check_guarantee
    from mechopt.show.terminal import output

    source, proof = read(model), load_certificate(file)
    if isinstance(proof, GuaranteeCertificate):
        value: Fraction | None = check_guarantee(source.of_kind(Scenarios), proof)
    else:
        value = check_certificate(environment_of(source), proof)
    if as_json:
        say(output.to_json({"proved": True, "value": value and float(value), "exact": value and str(value)}))
    else:
        say("proved: there is no bound" if value is None else f"proved: {value} = {float(value):.12g}")
