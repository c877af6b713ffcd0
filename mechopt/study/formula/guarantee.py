"""The best guarantee over scenarios as a function of a parameter: found piece by piece, and proved."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from mechopt.core.algebraic import AlgebraicNumber
from mechopt.core.errors import InputError, LimitError, require_type
from mechopt.core.functions import RationalFunction
from mechopt.core.numbers import to_exact
from mechopt.core.provided import provided
from mechopt.environment.parametric_scenarios import ParametricScenarios
from mechopt.lp.scenarios.terms import STANDARD_TERMS, ScenarioTerms, scenario_terms
from mechopt.mechanism.constraints import STANDARD, Asked
from mechopt.mechanism.objective import Revenue
from mechopt.mechanism.payments import PaymentConstraint, Payments
from mechopt.modelfile.loading import At
from mechopt.modelfile.parameters import payments_in
from mechopt.modelfile.parametric import payment_faults, read_parametric_scenarios
from mechopt.proof.formula.check import Theorem
from mechopt.proof.formula.file import ClaimedPiece, FormulaProof, GuaranteeProof, ProvedBasis
from mechopt.proof.formula.guarantee import check_guarantee_proof
from mechopt.solve.parametric.guarantee import GuaranteeWalk, find_guarantee
from mechopt.solve.parametric.pieces import Piece, merged, open_ends
from mechopt.solve.parametric.roots import value_at
from mechopt.solve.parametric.walk import MOST_PIECES, BasisPiece
from mechopt.study.formula.ratio import least_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Progress = Callable[[int, float], None]


@dataclass(frozen=True, eq=False, repr=False)
class GuaranteeFormula:
    """The best guarantee of a mechanism that does not know the future, as a function of a parameter.

    Attributes
    ----------
    model : ParametricScenarios
    walk : GuaranteeWalk
    terms : ScenarioTerms
        What it is the guarantee of.
    theorem : Theorem or None
        What the checker proved; None where it was not asked.
    seconds : dict
        ``walk`` and ``proof``.
    """

    model: ParametricScenarios
    walk: GuaranteeWalk
    terms: ScenarioTerms = STANDARD_TERMS
    theorem: Theorem | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def parameter(self) -> str:
        """Its name."""
        return self.model.parameter

    @property
    def objective(self) -> str:
        """Objective in words: the guarantee, or the regret, which is as small as possible."""
        return {"ratio": "guarantee", "weighted": "weighted guarantee", "regret": "regret"}[self.terms.objective]

    @property
    def uncovered(self) -> tuple[tuple[AlgebraicNumber, AlgebraicNumber], ...]:
        """Open intervals that were not reached."""
        return self.walk.uncovered

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """From below."""
        return merged(self.walk.bases, self.parameter)

    @cached_property
    def optima(self) -> tuple[tuple[Piece, ...], ...]:
        """Revenue of a clairvoyant seller, by scenario."""
        return tuple(merged(walk.bases, self.parameter) for walk in self.walk.walks)

    @property
    def proved(self) -> bool:
        """Whether the stand-alone checker proved all pieces, and the optima."""
        return self.theorem is not None

    def value(self, p: Fraction | int | float | str) -> Fraction | float:
        """The best guarantee at a point; see `Formula.value`.

        Raises
        ------
        LimitError
            If the point was not reached, or is outside.
        """
        point = to_exact(p)
        for piece in self.pieces:
            if point in piece:
                return piece.value(p if isinstance(p, float) else point)
        raise LimitError(f"nothing is known at {self.parameter} = {p}")

    @cached_property
    def least(self) -> tuple[AlgebraicNumber, tuple[AlgebraicNumber, ...]]:
        """The lowest guarantee, or regret, on the interval, exactly, and where; of a complete formula."""
        return least_value([(piece.start, piece.stop, piece.function) for piece in self.pieces])

    @cached_property
    def largest(self) -> tuple[AlgebraicNumber, tuple[AlgebraicNumber, ...]]:
        """The same from above: of a regret the worst."""
        least, places = least_value([(piece.start, piece.stop, -piece.function) for piece in self.pieces])
        return value_at(-RationalFunction.parameter(), least), places

    def latex(self) -> str:
        """The guarantee as LaTeX, with ``cases``."""
        text: str = provided(self, "latex")(self)
        return text

    def sympy(self) -> str:
        """The guarantee as a text that ``sympy.sympify`` reads."""
        text: str = provided(self, "sympy")(self)
        return text

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw the guarantee with the ends of the pieces marked; see `mechopt.show.figures.formula.formula_curve`."""
        drawn: Axes = provided(self, "plot")(self, axes)
        return drawn

    def proof(self) -> GuaranteeProof:
        """Proof for the checker."""
        model = self.model
        optima = []
        for one, program, walk in zip(model.models, self.walk.programs, self.walk.walks, strict=True):
            pieces = _claimed(merged(walk.bases), model)
            head = one.fingerprint, model.parameter, model.start, model.stop, program.form
            asked = program.require_plan.ic, program.require_plan.ir, Revenue()
            ends, rest = tuple(open_ends(walk.bases)), program.subject_to
            optima.append(FormulaProof(*head, *asked, pieces, _proved(walk.bases), (), ends, (), rest))
        return GuaranteeProof(
            model.fingerprint,
            model.parameter,
            model.start,
            model.stop,
            tuple(optima),
            _claimed(self.pieces, model),
            _proved(self.walk.bases),
            tuple(open_ends(self.walk.bases)),
            self.walk.uncovered,
            self.terms.ic,
            self.terms.ir,
            self.terms.subject_to,
            self.terms.objective,
            self.terms.benchmark,
        )

    def save(self, path: str | Path) -> None:
        """Write the formula with its proof, whole or not at all; `check_formula` reads it.

        Raises
        ------
        InputError
            If the file cannot be written.
        """
        self.proof().save(path)

    def __repr__(self) -> str:
        words = f"{len(self.pieces)} pieces{', proved' * self.proved}{', so far' * bool(self.walk.uncovered)}"
        return f"GuaranteeFormula({self.parameter} from {self.model.start} to {self.model.stop}: {words})"


def _claimed(pieces: tuple[Piece, ...], model: ParametricScenarios) -> tuple[ClaimedPiece, ...]:
    return tuple(
        ClaimedPiece(
            piece.start,
            piece.stop,
            (piece.closed[0] and piece.start != model.start, piece.closed[1] and piece.stop != model.stop),
            piece.function,
        )
        for piece in pieces
    )


def _proved(bases: tuple[BasisPiece, ...]) -> tuple[ProvedBasis, ...]:
    return tuple(
        ProvedBasis(
            basis.start,
            basis.stop,
            tuple((j, function) for j, function in enumerate(basis.primal) if function),
            tuple(sorted(basis.dual.items(), key=lambda entry: entry[0])),
        )
        for basis in bases
    )


def guarantee_formula(
    model: str | Path | ParametricScenarios,
    parameter: str | None = None,
    *,
    ic: Asked = "file",
    ir: Asked = "file",
    objective: str | None = None,
    subject_to: Payments = "file",
    benchmark: str | None = None,
    at: At = None,
    most_pieces: int = MOST_PIECES,
    time_limit: float | None = None,
    prove: bool = True,
    progress: Progress | None = None,
) -> GuaranteeFormula:
    """Find the best guarantee over scenarios as a function of a parameter, and prove it.

    Parameters
    ----------
    model : path, name, text or ParametricScenarios
        Of kind scenarios, with ``[parameters]``.
    ic, ir, objective, subject_to, benchmark
        As for `maximin`; amounts may be expressions in the parameter. Default those of the file.
    parameter, at, most_pieces, time_limit, prove, progress
        As for `formula`.

    Raises
    ------
    InputError
        If the model does not fit, or python-flint is not installed.
    CertificateError
        If the checker refuses what was found.

    Examples
    --------
    >>> found = guarantee_formula('''
    ... kind = "scenarios"
    ... [parameters]
    ... p = ["0", "1"]
    ... [[distributions]]
    ... name = "F"
    ... values = [1, 2]
    ... probabilities = ["1 - p", "p"]
    ... [[scenarios]]
    ... sequence = ["F"]
    ... [[scenarios]]
    ... sequence = ["F", "F"]
    ... ''')
    >>> found.proved, found.value(Fraction(1, 2))
    (True, Fraction(1, 1))
    """
    require_type(
        model, (str, PathLike, "ParametricScenarios"), "guarantee_formula", "give a scenarios file with [parameters]"
    )
    begun = time.perf_counter()
    payments: tuple[PaymentConstraint, ...] = ()
    if isinstance(model, ParametricScenarios):
        scenarios, file = model, None
    else:
        scenarios, file, payments = read_parametric_scenarios(model, parameter, at)
    if subject_to != "file":
        payments = payments_in(subject_to, scenarios.parameter)
        if faults := payment_faults(scenarios.models[0], payments):
            raise InputError(faults)
    terms = scenario_terms(
        asked_or(ic, file and file.ic),
        asked_or(ir, file and file.ir),
        payments,
        objective or (file.guarantee[0] if file else "ratio"),
        benchmark or (file.guarantee[1] if file else "same"),
        scenarios.middle.agents,
    )
    deadline = float("inf") if time_limit is None else time.monotonic() + time_limit
    walk = find_guarantee(scenarios, terms, most_pieces, deadline, progress)
    walked = time.perf_counter()
    found = GuaranteeFormula(scenarios, walk, terms)
    theorem = check_guarantee_proof(scenarios, found.proof()) if prove and walk.bases else None
    seconds = {"walk": walked - begun, "proof": time.perf_counter() - walked}
    return GuaranteeFormula(scenarios, walk, terms, theorem, seconds)


def asked_or(given: Asked, default: Asked) -> Asked:
    """Constraints that are asked for, with the file's or the kind's for ``"file"``."""
    if given == "file":
        return STANDARD if default is None else default
    return given
