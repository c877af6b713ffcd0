"""The checker of guarantees as functions of a parameter.

The clairvoyant optimum of each scenario is proved first, as a function. On each interval of the proof these are single
rational functions; with them the program over scenarios is rebuilt, and checked as that of one environment is.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from mechopt.environment.parametric import with_exact
from mechopt.environment.parametric_scenarios import ParametricScenarios
from mechopt.mechanism.constraints import DIC, EPIR, Constraint
from mechopt.mechanism.objective import Revenue
from mechopt.mechanism.payments import PaymentConstraint
from mechopt.proof.certificate import CertificateError
from mechopt.proof.constraints import INDEPENDENT
from mechopt.proof.formula.check import (
    BasisCheck,
    Theorem,
    check_cover,
    check_ends,
    check_formula_proof,
    claimed_piece,
    interval_words,
)
from mechopt.proof.formula.file import ClaimedPiece, GuaranteeProof, ProvedBasis
from mechopt.proof.formula.rows import ParametricRows
from mechopt.proof.formula.signs import OpenInterval
from mechopt.proof.scenarios import GuaranteeModel, GuaranteeTerms


class _Parts:
    """Scenarios with functions for numbers: what the rebuilt program reads of them."""

    def __init__(self, model: ParametricScenarios) -> None:
        plain = model.middle
        self.names, self.paths, self.sequences, self.absorbing = plain.names, plain.paths, plain.sequences, ()
        self.weights, self.agents = model.weights, plain.agents
        self.environments = [with_exact(one.middle, one.exact) for one in model.models]


def check_guarantee_proof(model: ParametricScenarios, proof: GuaranteeProof) -> Theorem:
    """Prove a guarantee anew, and the optima that it is a share of.

    Parameters
    ----------
    model : ParametricScenarios
        That it claims to be about.
    proof : GuaranteeProof

    Raises
    ------
    CertificateError
        If it proves nothing; it says which scenario, interval, row, column or entry fails.
    """
    if proof.fingerprint != model.fingerprint or len(proof.optima) != len(model.models):
        raise CertificateError("fingerprint: made for other scenarios; give the model file that it was made from")
    if (proof.parameter, proof.start, proof.stop) != (model.parameter, model.start, model.stop):
        raise CertificateError("interval: it is another one than the scenarios'")
    terms, measured = _terms(model, proof)
    for name, one, optimum in zip(model.middle.names, model.models, proof.optima, strict=True):
        if (optimum.ic, optimum.ir, optimum.subject_to, optimum.objective) != (*measured, Revenue()):
            words = "+".join(c.name.partition(":")[0] for part in measured for c in part) or "nothing"
            raise CertificateError(f"optima: that of scenario {name!r} is not the revenue under {words}")
        try:
            check_formula_proof(one, optimum)
        except CertificateError as error:
            raise CertificateError(f"optima: scenario {name!r}: {error}") from None
    check_cover(proof)
    parts: Any = _Parts(model)
    closed = []
    for number, basis in enumerate(proof.bases):
        try:
            optima = [_piece(optimum.pieces, basis) for optimum in proof.optima]
            functions: Any = [optimum.value for optimum in optima]
            interval = OpenInterval(basis.start, basis.stop)
            rows = ParametricRows(partial(GuaranteeModel, parts, functions, terms), interval, interval.inside())
            claimed = claimed_piece(proof, basis).value
            start, stop = BasisCheck(rows, basis, -claimed if terms.objective == "regret" else claimed).run()
            start &= all(one.closed[0] or one.start != basis.start for one in optima)
            stop &= all(one.closed[1] or one.stop != basis.stop for one in optima)
            closed.append((start, stop))
        except CertificateError as error:
            words = interval_words(proof, basis.start, basis.stop)
            raise CertificateError(f"basis {number}, {words}: {error}") from None
    check_ends(proof, closed, proof.unproved)
    return Theorem(proof.pieces, {}, proof.unproved, proof.uncovered, len(proof.bases))


def _terms(
    model: ParametricScenarios, proof: GuaranteeProof
) -> tuple[GuaranteeTerms, tuple[tuple[Constraint, ...], tuple[Constraint, ...], tuple[PaymentConstraint, ...]]]:
    """What the guarantee is of, and the constraints that the optima must be under; refuses what is not defined."""
    terms = GuaranteeTerms(proof.ic, proof.ir, proof.subject_to, proof.objective)
    if proof.objective not in ("ratio", "weighted", "regret"):
        raise CertificateError(f"objective: {proof.objective!r} is not ratio, weighted or regret")
    INDEPENDENT.require(proof.ic, proof.ir)
    standard = (DIC(),), (EPIR(),), ()
    if proof.benchmark == "same":
        constant = terms.constant(model.middle.agents) and proof.ir == (EPIR(),)
        return terms, (standard if constant else (proof.ic, proof.ir, proof.subject_to))
    if proof.benchmark != "standard":
        raise CertificateError(f"benchmark: {proof.benchmark!r} is not same or standard")
    if DIC() not in INDEPENDENT.closure(proof.ic) or EPIR() not in INDEPENDENT.closure(proof.ir):
        raise CertificateError("benchmark: revenue under DIC and EPIR bounds that of mechanisms under both alone")
    return terms, standard


def _piece(pieces: Sequence[ClaimedPiece], basis: ProvedBasis) -> ClaimedPiece:
    """The optimum on the interval of a basis."""
    for piece in pieces:
        if not basis.start < piece.start and not piece.stop < basis.stop:
            return piece
    raise CertificateError(f"optima: none is proved from {float(basis.start):.10g} to {float(basis.stop):.10g}")
