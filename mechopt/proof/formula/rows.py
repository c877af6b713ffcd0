"""The rows of a program rebuilt with functions of the parameter for numbers, for the checker of formulas.

Rows are cleared of denominators that are positive inside the interval; that every comparison made on the way comes out
alike on the whole interval is shown by its polynomial having no root there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm
from typing import Any

from mechopt.core.algebraic import AlgebraicNumber
from mechopt.core.functions import RationalFunction, compared_at, exact_quotient
from mechopt.core.numbers import to_exact
from mechopt.core.polynomials import ONE, Polynomial, common_divisor, negative, times
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.parametric import ParametricModel, with_exact
from mechopt.proof.certificate import CertificateError
from mechopt.proof.constraints import require_independent
from mechopt.proof.formula.file import FormulaProof
from mechopt.proof.formula.signs import OpenInterval
from mechopt.proof.independent import rebuild
from mechopt.proof.orbits import OrbitModel, orbit_entries, unfit
from mechopt.proof.persistent.model import rebuild_persistent
from mechopt.proof.size import require_at_most, require_size


@dataclass(frozen=True)
class IntegerRow:
    """scale * lower <= sum of entries <= scale * upper, all polynomials, the scale positive inside the interval."""

    words: str
    entries: tuple[tuple[int, Polynomial], ...]
    scale: Polynomial
    lower: Fraction | None
    upper: Fraction | None


class ParametricRows:
    """A program rebuilt with functions of the parameter for numbers, cleared of denominators.

    Parameters
    ----------
    build : callable
        Rebuilds the program; comparisons of functions are those at a point.
    interval : OpenInterval
        On which it is to hold.
    point : Fraction
        Inside.

    Raises
    ------
    CertificateError
        If a comparison comes out differently within the interval, or an entry has a pole there.
    """

    def __init__(self, build: Callable[[], Any], interval: OpenInterval, point: Fraction) -> None:
        with compared_at(point) as comparisons:
            rebuilt = build()
            rows = list(rebuilt.rows())
        if any(interval.has_root(polynomial) for polynomial in comparisons.polynomials):
            raise CertificateError("the rows of the program change inside the interval of the parameter")
        self.words = rebuilt.words
        self.columns: int = rebuilt.columns
        self.lower, self.upper = rebuilt.lower, rebuilt.upper
        self.rows = [_cleared(row, interval) for row in rows]
        cost = [RationalFunction.of(number) for number in rebuilt.cost]
        offset = RationalFunction.of(rebuilt.offset)
        common = ONE
        for denominator in {*(f.denominator for f in cost), offset.denominator, *(row.scale for row in self.rows)}:
            common = least_multiple(common, denominator)
        self.common = _positive(common, interval)
        self.cost = [times(f.numerator, exact_quotient(self.common, f.denominator)) for f in cost]
        self.offset = times(offset.numerator, exact_quotient(self.common, offset.denominator))
        self.stretch = [exact_quotient(self.common, row.scale) for row in self.rows]


def rebuilt_rows(model: ParametricModel, proof: FormulaProof) -> ParametricRows:
    """The program of a model in the form, with the constraints and for the objective that a proof names."""
    environment = with_exact(model.middle, model.exact)
    weights: Any = [to_exact(getattr(proof.objective, name)) for name in ("revenue", "welfare", "utility")]
    asked: Any = proof.form, proof.ic, proof.ir, tuple(weights), proof.subject_to
    build: Any = rebuild if isinstance(model.middle, IndependentTypes) else rebuild_persistent
    if proof.form == "orbits":
        if proof.subject_to or (why := unfit(environment, proof.ic, proof.ir)):
            what = "it has no payments that constraints could be on" if proof.subject_to else why
            raise CertificateError(f"form: no program of identical buyers stands for this: {what}")
        build, asked = OrbitModel, (proof.ic, proof.ir, tuple(weights))
    whole = OpenInterval(AlgebraicNumber.rational(model.start), AlgebraicNumber.rational(model.stop))
    return ParametricRows(lambda: build(environment, *asked), whole, model.point)


def require_proof_size(model: ParametricModel, proof: FormulaProof, most: int) -> None:
    """Refuse a program that is too large, or not defined, before anything is built."""
    environment = model.middle
    if proof.form != "orbits":
        require_size(environment, proof.form, proof.ic, proof.ir, most, proof.subject_to)
        return
    if not isinstance(environment, IndependentTypes):
        raise CertificateError("form: orbits are of buyers whose types are independent across periods")
    require_independent("utility", environment.agents, proof.ic, proof.ir)
    require_at_most(orbit_entries(environment, proof.ir), most)


def _cleared(row: Any, whole: OpenInterval) -> IntegerRow:
    """A row times a common denominator that is positive inside the interval."""
    entries: dict[int, RationalFunction] = {}
    for j, number in row.entries:
        entries[j] = entries.get(j, RationalFunction(())) + number
    scale = ONE
    for function in entries.values():
        scale = least_multiple(scale, function.denominator)
    scale = _positive(scale, whole)
    cleared = tuple((j, times(f.numerator, exact_quotient(scale, f.denominator))) for j, f in entries.items() if f)
    lower, upper = (None if side is None else Fraction(side) for side in (row.lower, row.upper))
    return IntegerRow(row.words(), cleared, scale, lower, upper)


def least_multiple(a: Polynomial, b: Polynomial) -> Polynomial:
    """Least common multiple of polynomials that are not zero, their constants included."""
    if b == ONE or a == b:
        return a
    content = lcm(gcd(*a), gcd(*b))
    first, second = exact_quotient(a, (gcd(*a),)), exact_quotient(b, (gcd(*b),))
    return times(times(first, exact_quotient(second, common_divisor(first, second))), (content,))


def _positive(polynomial: Polynomial, whole: OpenInterval) -> Polynomial:
    if whole.has_root(polynomial):
        raise CertificateError("an entry of the program has a pole inside the interval of the parameter")
    return polynomial if whole.sign(polynomial) > 0 else negative(polynomial)
