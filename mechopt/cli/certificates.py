"""`mechopt certificate make | check`: exact proofs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mechopt.cli.options import Form, Goal, Ic, Ir, Json, Model, environment_of, plan_of
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
    from mechopt.solve.exact.certify import certify
    from mechopt.solve.exact.guarantee import certify_guarantee
    from mechopt.solve.optimum import require_memory

    source = read(model)
    with progress_shown("proving"):
        if isinstance(source.environment, Scenarios):
            certify_guarantee(source.environment).save(file)
        else:
            chosen = plan_of(source, ic, ir, objective, form)
            require_memory(chosen)
            certify(chosen.environment, chosen.ic, chosen.ir, chosen.objective, chosen.form).save(file)
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
    from mechopt.proof.transfer_file import is_transfer_proof
    from mechopt.show.terminal import output

    if is_transfer_proof(file):
        return _check_transfers(model, file, as_json)
    source, proof = read(model), load_certificate(file)
    if isinstance(proof, GuaranteeCertificate):
        value: Fraction | None = check_guarantee(source.of_kind(Scenarios), proof)
    else:
        value = check_certificate(environment_of(source), proof)
    if as_json:
        say(output.to_json({"proved": True, "value": value and float(value), "exact": value and str(value)}))
    else:
        say("proved: there is no bound" if value is None else f"proved: {value} = {float(value):.12g}")


def _check_transfers(model: str, file: str, as_json: bool) -> None:
    """Prove a claim about contingent transfers."""
    from mechopt.cli.transfers import joint_environment
    from mechopt.modelfile import read
    from mechopt.proof.transfer_file import load_transfer_proof
    from mechopt.proof.transfers import check_transfer_proof
    from mechopt.show.terminal import output

    proof = load_transfer_proof(file)
    value = check_transfer_proof(joint_environment(read(model)), proof)
    if as_json:
        say(
            output.to_json({"proved": True, "transfers": not proof.refusal, "value": float(value), "exact": str(value)})
        )
    elif proof.refusal:
        say(f"proved: there are no such transfers; together the inequalities say 0 >= {value}")
    else:
        rule = "the efficient rule" if proof.efficient else "the rule"
        say(f"proved: transfers of at most {value} = {float(value):.12g} make the truth best under {rule}")
