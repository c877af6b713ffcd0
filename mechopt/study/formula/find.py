"""Finding and proving the optimum of a model as a function of its parameter."""

from __future__ import annotations

import time
from collections.abc import Callable
from os import PathLike
from pathlib import Path

from mechopt.core.errors import InputError, require_type
from mechopt.environment.parametric import ParametricModel
from mechopt.environment.parametric_scenarios import ParametricScenarios
from mechopt.mechanism.constraints import Asked
from mechopt.mechanism.objective import Objective, Revenue, as_objective
from mechopt.mechanism.payments import PaymentConstraint, Payments
from mechopt.modelfile.loading import At
from mechopt.modelfile.parameters import payments_in
from mechopt.modelfile.parametric import payment_faults, read_parametric, read_parametric_scenarios
from mechopt.proof.formula.check import Theorem, check_formula_proof
from mechopt.proof.formula.file import AnyProof, GuaranteeProof, load_formula
from mechopt.proof.formula.guarantee import check_guarantee_proof
from mechopt.solve.parametric.program import parametric_program
from mechopt.solve.parametric.walk import MOST_PIECES, find_pieces
from mechopt.study.formula.formula import Formula
from mechopt.study.formula.guarantee import GuaranteeFormula, asked_or

Progress = Callable[[int, float], None]


class FormulaInterrupted(KeyboardInterrupt):
    """Ctrl-C during a search for a formula; ``formula`` is what was found and proved before."""

    def __init__(self, found: Formula) -> None:
        super().__init__(f"interrupted with {found!r}")
        self.formula = found


def formula(
    model: str | Path | ParametricModel,
    ic: Asked = "file",
    ir: Asked = "file",
    objective: Objective | str | None = None,
    parameter: str | None = None,
    *,
    at: At = None,
    subject_to: Payments = "file",
    most_pieces: int = MOST_PIECES,
    time_limit: float | None = None,
    prove: bool = True,
    progress: Progress | None = None,
) -> Formula:
    """Find the optimum of a model as a function of its parameter, and prove it.

    Parameters
    ----------
    model : path, name, text or ParametricModel
        With ``[parameters]``; a text has several lines.
    ic, ir : Constraint, str, several or None
        Incentive and participation constraints, as for `Problem`; default ``"file"``: those of the file, else those of
        the kind.
    objective : Objective or str, optional
        Default that of the file.
    parameter : str, optional
        Which one is left open, where there are several.
    at : mapping or str, optional
        Values of the others.
    subject_to : PaymentConstraint, str, several or None
        Constraints on payments; an amount may be an expression in the parameter, as in ``"budget:1 + p"``. Default
        those of the file.
    most_pieces : int
        After so many bases the walk stops with what it has.
    time_limit : float, optional
        Seconds for the walk.
    prove : bool
        Whether to run the checker.
    progress : callable, optional
        Called with the pieces so far and the share of the interval that they cover.

    Raises
    ------
    InputError
        If the model or what is asked does not fit, or python-flint is not installed.
    NoOptimumError
        If the optimum is unbounded somewhere.
    CertificateError
        If the checker refuses what was found: then nothing is claimed.
    LimitError
        If the program is too large.
    FormulaInterrupted
        On Ctrl-C; a ``KeyboardInterrupt`` that has the pieces so far.
    """
    require_type(
        model, (str, PathLike, "ParametricModel"), "formula", "give a model file with [parameters], or its text"
    )
    begun = time.perf_counter()
    payments: tuple[PaymentConstraint, ...] = ()
    if isinstance(model, ParametricModel):
        parametric, defaults = model, None
    else:
        parametric, defaults, payments = read_parametric(model, parameter, at)
    if subject_to != "file":
        payments = payments_in(subject_to, parametric.parameter)
        if faults := payment_faults(parametric, payments):
            raise InputError(faults)
    if objective is None:
        objective = Revenue() if defaults is None else defaults.objective
    program = parametric_program(
        parametric,
        asked_or(ic, defaults and defaults.ic),
        asked_or(ir, defaults and defaults.ir),
        as_objective(objective),
        payments,
    )
    built = time.perf_counter()
    deadline = float("inf") if time_limit is None else time.monotonic() + time_limit
    walk = find_pieces(
        program,
        parametric.start,
        parametric.stop,
        parametric.point,
        most_pieces=most_pieces,
        deadline=deadline,
        progress=progress,
    )
    walked = time.perf_counter()
    found = Formula(parametric, program, walk)
    theorem = check_formula_proof(parametric, found.proof()) if prove and walk.bases else None
    seconds = {"program": built - begun, "walk": walked - built, "proof": time.perf_counter() - walked}
    found = Formula(parametric, program, walk, theorem, seconds)
    if walk.stopped == "interrupted":
        raise FormulaInterrupted(found)
    return found


def check_formula(
    model: str | Path | ParametricModel | ParametricScenarios,
    found: Formula | GuaranteeFormula | AnyProof | str | Path,
    at: At = None,
) -> Theorem:
    """Prove a formula anew from the model alone, with plain fractions and rows of the checker's own.

    Parameters
    ----------
    model : path, name, text, ParametricModel or ParametricScenarios
    found : Formula, GuaranteeFormula, their proofs, or path of a file
    at : mapping or str, optional
        Values of the model's other parameters.

    Raises
    ------
    CertificateError
        If it proves nothing; it says where.
    """
    proof = load_formula(found) if isinstance(found, (str, Path)) else found
    proof = proof.proof() if isinstance(proof, (Formula, GuaranteeFormula)) else proof
    require_type(
        proof, ("FormulaProof", GuaranteeProof), "check_formula", "give what mo.formula found, or the path of its file"
    )
    if isinstance(proof, GuaranteeProof):
        if isinstance(model, ParametricModel):
            raise InputError("the proof is of a guarantee over scenarios; the model has none")
        if not isinstance(model, ParametricScenarios):
            model = read_parametric_scenarios(model, proof.parameter, at).model
        return check_guarantee_proof(model, proof)
    if isinstance(model, ParametricScenarios):
        raise InputError("the proof is of an optimum; the model has scenarios")
    parametric = model if isinstance(model, ParametricModel) else read_parametric(model, proof.parameter, at).model
    return check_formula_proof(parametric, proof)
