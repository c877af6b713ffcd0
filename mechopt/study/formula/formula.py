"""The optimum as a function of a parameter: found piece by piece, proved by the stand-alone checker, shown.

On an interval on which one basis of the program stays optimal, value and mechanism are rational functions of the
parameter; there are finitely many such intervals. Their ends are algebraic numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.closedform.virtual.weights import theorem_faults
from mechopt.core.algebraic import AlgebraicNumber
from mechopt.core.errors import InputError, LimitError
from mechopt.core.numbers import FloatArray, to_exact
from mechopt.core.provided import provided
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.parametric import OPTIONAL, ParametricModel
from mechopt.mechanism.constraints import BayesianIC, Constraint, Interim, PeriodicExPostIC
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.objective import Objective, Revenue
from mechopt.mechanism.payments import PaymentConstraint, payments_at
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.proof.formula.check import Theorem
from mechopt.proof.formula.file import (
    ClaimedPiece,
    FormulaProof,
    ProvedBasis,
)
from mechopt.solve.exact.certify import Certificate, certify
from mechopt.solve.parametric.pieces import Piece, merged, open_ends
from mechopt.solve.parametric.program import ParametricProgram
from mechopt.solve.parametric.walk import BasisPiece, Walk
from mechopt.study.formula.ratio import Ratio, ratio, where_equal
from mechopt.study.formula.regimes import Regime, regimes
from mechopt.study.formula.rules import State, rules

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False, repr=False)
class Formula:
    """The optimum of a model as a function of its parameter.

    Attributes
    ----------
    model : ParametricModel
    program : ParametricProgram
        Holds the form, the constraints and the objective.
    walk : Walk
        Bases with their primal and dual; what is left where it was stopped.
    theorem : Theorem or None
        What the checker proved; None where it was not asked.
    seconds : dict
        ``program``, ``walk`` and ``proof``.

    Examples
    --------
    >>> import mechopt as mo
    >>> found = mo.formula('''
    ... kind = "independent"
    ... horizon = 2
    ... [parameters]
    ... p = ["0", "1"]
    ... [[buyers]]
    ... values = [1, 2]
    ... probabilities = ["1 - p", "p"]
    ... ''')
    >>> for piece in found.pieces:
    ...     print(piece)
    Piece(0 to 0.381966: 2)
    Piece(0.381966 to 0.5: 1 + 3 p - p^2)
    Piece(0.5 to 0.666667: 6 p - 3 p^2)
    Piece(0.666667 to 1: 4 p)
    >>> found.value(Fraction(1, 2)), found.proved
    (Fraction(9, 4), True)
    """

    model: ParametricModel
    program: ParametricProgram
    walk: Walk
    theorem: Theorem | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def parameter(self) -> str:
        """Its name."""
        return self.model.parameter

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """From below; neighbouring bases with one value are joined."""
        return merged(self.walk.bases, self.parameter)

    @cached_property
    def points(self) -> dict[Fraction, Certificate]:
        """Certificates at rational ends that no piece includes: there the optimum may jump."""
        chosen, found = self.program.require_plan, {}
        for end in open_ends(self.walk.bases):
            point = end.exact
            if point is None:
                continue
            payments = payments_at(self.subject_to, point)
            certificate = certify(
                self.model.at(point), chosen.ic, chosen.ir, chosen.objective, chosen.form, subject_to=payments
            )
            if certificate.value is not None:
                found[point] = certificate
        return found

    @property
    def uncovered(self) -> tuple[tuple[AlgebraicNumber, AlgebraicNumber], ...]:
        """Open intervals that were not reached; empty where the formula is complete."""
        return self.walk.uncovered

    @property
    def proved(self) -> bool:
        """Whether the stand-alone checker proved all pieces."""
        return self.theorem is not None

    @property
    def ic(self) -> tuple[Constraint, ...]:
        """Incentive constraints."""
        return self.program.require_plan.ic

    @property
    def ir(self) -> tuple[Constraint, ...]:
        """Participation constraints."""
        return self.program.require_plan.ir

    @property
    def subject_to(self) -> tuple[PaymentConstraint, ...]:
        """Constraints on payments; their amounts may be functions of the parameter."""
        return self.program.subject_to

    @property
    def objective(self) -> Objective:
        """Objective in words."""
        return self.program.require_plan.objective

    def _inside(self, p: Any) -> Fraction:
        try:
            point = to_exact(p)
        except (ValueError, TypeError) as error:
            raise InputError(f"{self.parameter}: {error}") from None
        if not self.model.start <= point <= self.model.stop:
            raise InputError(f"{self.parameter} = {p} is outside [{self.model.start}, {self.model.stop}]")
        return point

    def piece_at(self, p: Fraction | int | float | str) -> Piece:
        """The piece that holds a point: at an end one that includes it, the lower one where both do.

        Raises
        ------
        InputError
            If the point is outside the interval.
        LimitError
            If it was not reached.
        """
        point = self._inside(p)
        holding = [piece for piece in self.pieces if point in piece]
        for piece in holding:
            at_end = piece.start == point, piece.stop == point
            if all(closed for closed, end in zip(piece.closed, at_end, strict=True) if end):
                return piece
        if holding:
            return holding[0]
        raise LimitError(f"the formula was stopped before {self.parameter} = {p} was reached; give it more time")

    def value(self, p: Fraction | int | float | str) -> Fraction | float:
        """The optimum at a point.

        Parameters
        ----------
        p : number or str
            An integer, a fraction or a text such as ``"1/3"`` gives an exact value, a float gives a float. At an end
            of the parameter's interval it is the limit from inside.
        """
        piece = self.piece_at(p)
        if not isinstance(p, float) and to_exact(p) in self.points:
            return self.points[to_exact(p)].value or Fraction(0)
        return piece.value(p if isinstance(p, float) else to_exact(p))

    def mechanism(self, p: Fraction | int | float | str) -> Mechanism | SequenceMechanism:
        """The optimal mechanism at a point inside the interval, from the functions of its basis.

        Raises
        ------
        InputError
            If the point is outside the interval, or the mechanism has a pole there.
        LimitError
            If it was not reached.
        """
        point = self._inside(p)
        basis = self._basis_at(point)
        layout = self.program.layout(self.model, point)
        primal = self.program.spread(layout, basis.primal)
        x: FloatArray = np.array([float(function(point)) for function in primal])
        return layout.mechanism(layout.in_units(x))

    def rules(self, p: Fraction | int | float | str) -> tuple[State, ...]:
        """The optimal mechanism around a point as rules by state, their entries functions of the parameter.

        Parameters
        ----------
        p : number or str
            A point inside; the functions hold on the whole interval of its basis.
        """
        point = self._inside(p)
        layout = self.program.layout(self.model, point)
        return rules(self.model, layout, self.program.spread(layout, self._basis_at(point).primal))

    def _basis_at(self, point: Fraction) -> BasisPiece:
        """The basis that holds a point; at an end one that includes it."""
        self.piece_at(point)
        at = AlgebraicNumber.rational(point)
        for basis in self.walk.bases:
            if (basis.start < at or (basis.start == at and basis.closed[0])) and (
                at < basis.stop or (at == basis.stop and basis.closed[1])
            ):
                return basis
        raise InputError(
            f"at {self.parameter} = {point}, where a basis ends, the functions of the mechanism have poles: "
            "take a point beside it, or solve the model at the point"
        )

    def proof(self) -> FormulaProof:
        """Proof for the checker."""
        chosen = self.program.require_plan
        return FormulaProof(
            self.model.fingerprint,
            self.parameter,
            self.model.start,
            self.model.stop,
            self.program.form,
            chosen.ic,
            chosen.ir,
            chosen.objective,
            tuple(map(self._claimed, self.pieces)),
            tuple(
                ProvedBasis(
                    basis.start,
                    basis.stop,
                    tuple((j, function) for j, function in enumerate(basis.primal) if function),
                    tuple(sorted(basis.dual.items(), key=lambda entry: entry[0])),
                )
                for basis in self.walk.bases
            ),
            tuple((point, certificate) for point, certificate in self.points.items()),
            tuple(end for end in open_ends(self.walk.bases) if end.exact not in self.points),
            self.walk.uncovered,
            self.subject_to,
        )

    def _claimed(self, piece: Piece) -> ClaimedPiece:
        """Claims about a piece: its ends where they lie inside the interval and it has no pole there."""
        start = piece.closed[0] and piece.start != self.model.start
        stop = piece.closed[1] and piece.stop != self.model.stop
        return ClaimedPiece(piece.start, piece.stop, (start, stop), piece.function)

    def save(self, path: str | Path) -> None:
        """Write the formula with its proof, whole or not at all; `check_formula` reads it.

        Raises
        ------
        InputError
            If the file cannot be written.
        """
        self.proof().save(path)

    def ratio(self, name: str) -> Ratio:
        """Share of the optimum that a closed form earns, as a function, with its exact infimum.

        Parameters
        ----------
        name : str
            Independent types: ``"repeated-myerson"``, ``"repeated-second-price"``, ``"asymptotic"``,
            ``"non-clairvoyant-balance"`` and ``"two-period"`` (one buyer or two), or ``"first-best"``, whose share is
            above 1. Separable ones: ``"virtual-pivot"`` (where (16) holds), ``"optimal-contract"``, or
            ``"virtual-bound"``, whose share is at least 1.

        Raises
        ------
        InputError
            If it is not known for this model, or the formula is not complete.
        """
        if self.objective != Revenue() or self.subject_to:
            raise InputError(
                f"{name} is a share of the optimal revenue where payments are free; "
                "leave out the objective and subject_to"
            )
        known = {point: proof.value for point, proof in self.points.items() if proof.value is not None}
        return ratio(self.model, name, self.pieces, open_ends(self.walk.bases), known)

    @cached_property
    def equals(self) -> dict[str, tuple[tuple[AlgebraicNumber, AlgebraicNumber], ...]]:
        """Where the optimum is what repeated Myerson earns, and where it is the first best; by name.

        The second alone where types persist. Empty where closed forms are not known as functions, payments are
        constrained, or something else than revenue is maximised. Points that stand apart are in no interval.
        """
        names = (
            ("repeated-myerson", "first-best") if isinstance(self.model.middle, IndependentTypes) else ("first-best",)
        )
        beside = [name for name in OPTIONAL if getattr(self.model.exact, name, None) is not None]
        if self.objective != Revenue() or self.subject_to or beside:
            return {}
        apart = open_ends(self.walk.bases)
        return {name: where_equal(self.model, name, self.pieces, apart) for name in names}

    @cached_property
    def regimes(self) -> tuple[Regime, ...]:
        """Regimes of the virtual pivot; see `mechopt.study.formula.regimes`.

        Empty where its theorem is not about the model, what is asked is not the revenue under Bayesian or periodic ex
        post incentive constraints and interim participation, or the formula is not complete.
        """
        origin = self.model.origin
        asked = self.ic in ((BayesianIC(),), (PeriodicExPostIC(),)) and self.ir == (Interim(),)
        if origin is None or not asked or self.objective != Revenue() or self.subject_to or self.uncovered:
            return ()
        if theorem_faults(origin) or any(getattr(origin, name, None) is not None for name in OPTIONAL):
            return ()
        return regimes(self.model, self.pieces)

    def latex(self) -> str:
        """The value as LaTeX, with ``cases``."""
        text: str = provided(self, "latex")(self)
        return text

    def sympy(self) -> str:
        """The value as a text that ``sympy.sympify`` reads: a ``Piecewise``."""
        text: str = provided(self, "sympy")(self)
        return text

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw the value with the ends of the pieces marked; see `mechopt.show.figures.formula.formula_curve`."""
        drawn: Axes = provided(self, "plot")(self, axes)
        return drawn

    def __repr__(self) -> str:
        count = len(self.pieces)
        words = f"{count} piece{'s' * (count != 1)}{', proved' * self.proved}{', so far' * bool(self.uncovered)}"
        return f"Formula({self.objective} in {self.parameter} from {self.model.start} to {self.model.stop}: {words})"
