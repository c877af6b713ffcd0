"""`mechopt certificate make | check`: exact proofs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mechopt.cli.options import Form, Goal, Ic, Ir, Json, Model, environment_of, plan_of
from mechopt.terminal import progress_shown, say

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
    from mechopt.solve.certificate import certify
    from mechopt.solve.guarantee import certify_guarantee
    from mechopt.solve.optimum import certified_by_promises, require_memory

    source = read(model)
    with progress_shown("proving"):
        if isinstance(source.environment, Scenarios):
            certify_guarantee(source.environment).save(file)
        else:
            chosen = plan_of(source, ic, ir, objective, form)
            if form == "auto" and (by_promises := certified_by_promises(chosen)) is not None:
                by_promises.save(file)
                say(f"written: {file}")
                return
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
    from mechopt import output
    from mechopt.environment.independent import IndependentTypes
    from mechopt.environment.scenarios import Scenarios
    from mechopt.modelfile import read
    from mechopt.proof.promised import check_promised
    from mechopt.proof.promised_certificate import PromisedCertificate
    from mechopt.solve.proof_check import check_certificate, check_guarantee
    from mechopt.solve.proof_file import GuaranteeCertificate, load_certificate

    source, proof = read(model), load_certificate(file)
    if isinstance(proof, PromisedCertificate) and proof.value is None:
        lower, upper = check_promised(source.of_kind(IndependentTypes), proof)
        if not as_json:
            say(f"proved: {lower} <= optimum <= {upper}, {float(lower):.12g} to {float(upper):.12g}")
        else:
            say(output.to_json({"proved": True, "lower": str(lower), "upper": str(upper)}))
        return
    if isinstance(proof, GuaranteeCertificate):
        value: Fraction | None = check_guarantee(source.of_kind(Scenarios), proof)
    else:
        value = check_certificate(environment_of(source), proof)
    if as_json:
        say(output.to_json({"proved": True, "value": value and float(value), "exact": value and str(value)}))
    else:
        say("proved: there is no bound" if value is None else f"proved: {value} = {float(value):.12g}")
