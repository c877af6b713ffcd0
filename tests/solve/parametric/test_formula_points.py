"""Formulas at random points equal exact optima that are computed there alone; continuity at all ends."""

from dataclasses import replace
from fractions import Fraction
from random import Random

import numpy as np
import pytest

import mechopt as mo
from mechopt.core.algebraic import AlgebraicNumber
from mechopt.core.errors import LimitError, NoOptimumError
from mechopt.mechanism.payments import payments_at
from mechopt.modelfile.loading import parse
from mechopt.solve import highs
from mechopt.solve.parametric.pieces import meet
from mechopt.solve.parametric.walk import Walker, point_between, simplest_between
from mechopt.solve.solution import Solution, Status
from mechopt.study.formula.find import FormulaInterrupted
from tests.parametric_models import CASES, Case, battaglini, independent

QUICK = [
    "p-4",
    "low-value",
    "discount-124",
    "cost",
    "zero-value",
    "zero-probability",
    "two-unlike-buyers",
    "periods-differ",
    "per-period",
    "ppic-alone",
    "ex-post",
    "utility-revenue",
    "battaglini-epir",
    "battaglini-hidden",
    "two-agents-ex-post",
    "learning",
    "interdependent-two",
    "separable-additive",
    "stock-myopic",
    "demand",
    "budget-in-p",
    "cap-two-buyers",
    "outside-by-type",
    "own-discount",
    "seller-values",
    "slots",
    "battaglini-budget",
    "battaglini-seller",
]
TERMS = ["budget-in-p", "cap-two-buyers", "outside-by-type", "slots", "battaglini-budget", "battaglini-outside"]


def formula_of(case: Case, **more: object) -> mo.results.Formula:
    return mo.formula(case.text, case.ic or "file", case.ir or "file", case.objective, **more)


def between(start: AlgebraicNumber, stop: AlgebraicNumber, share: Fraction) -> Fraction:
    width = Fraction(1, 10**9)
    start.narrowed(width)
    stop.narrowed(width)
    return start.upper + (stop.lower - start.upper) * share


def check_points(name: str, count: int) -> None:
    case, random = CASES[name], Random(name)
    formula = formula_of(case)
    assert formula.proved and not formula.uncovered
    for k in range(count):
        piece = formula.pieces[k] if k < len(formula.pieces) else random.choice(formula.pieces)
        point = between(piece.start, piece.stop, Fraction(random.randrange(1, 997), 997))
        environment, file = formula.model.at(point), parse(case.text, name, {formula.parameter: point})
        asked = formula.ic, formula.ir, formula.objective
        exact = mo.formats.certify(environment, *asked, subject_to=file.subject_to).value
        assert formula.value(point) == exact, point


@pytest.mark.parametrize("name", QUICK)
def test_formulas_equal_exact_optima(name: str) -> None:
    check_points(name, 8)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_formulas_equal_exact_optima_at_many_points(name: str) -> None:
    check_points(name, 20)


@pytest.mark.parametrize("name", ["p-4", "discount-124", "zero-probability", "battaglini-epir", "interdependent-two"])
def test_the_value_is_continuous_where_two_pieces_hold(name: str) -> None:
    formula = formula_of(CASES[name], prove=False)
    for left, right in zip(formula.pieces, formula.pieces[1:], strict=False):
        assert left.stop == right.start
        if left.closed[1] and right.closed[0]:
            assert meet(left.function, right.function, left.stop)
            end = float(left.stop)
            assert left.value(end) == pytest.approx(right.value(end))


@pytest.mark.parametrize("name", ["p-3", "two-unlike-buyers", "battaglini-epir", "per-period", *TERMS])
def test_the_mechanism_at_a_point_earns_the_value_and_satisfies_its_constraints(name: str) -> None:
    formula = formula_of(CASES[name], prove=False)
    for piece in formula.pieces:
        point = between(piece.start, piece.stop, Fraction(1, 3))
        mechanism = formula.mechanism(point)
        assert mechanism.revenue == pytest.approx(float(formula.value(point)), rel=1e-9)
        asked = (*formula.ic, *formula.ir, *payments_at(formula.subject_to, point))
        assert mo.verify(mechanism, asked).holds


def test_a_stopped_walk_says_what_is_left_and_its_proof_holds() -> None:
    formula = mo.formula(independent(4), most_pieces=5)
    assert len(formula.walk.bases) == 5 and formula.walk.stopped == "pieces" and formula.proved
    assert formula.theorem is not None and formula.theorem.uncovered == formula.uncovered != ()
    covered = sum(float(b.stop) - float(b.start) for b in formula.walk.bases)
    assert covered + sum(float(b) - float(a) for a, b in formula.uncovered) == pytest.approx(1)
    with pytest.raises(LimitError, match="stopped before"):
        a, b = formula.uncovered[0]
        formula.value(between(a, b, Fraction(1, 2)))
    assert mo.formula(independent(4), time_limit=0.0).walk.stopped == "time"


def test_an_interrupted_walk_keeps_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    step = Walker._step

    def interrupted(self: Walker, deadline: float) -> None:
        if len(self.bases) == 3:
            raise KeyboardInterrupt
        step(self, deadline)

    monkeypatch.setattr(Walker, "_step", interrupted)
    with pytest.raises(FormulaInterrupted) as stopped:
        mo.formula(independent(4))
    formula = stopped.value.formula
    assert formula.walk.stopped == "interrupted" and len(formula.walk.bases) == 3 and formula.proved


def test_ctrl_c_within_the_solver_stops_the_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    solve, calls = highs.solve_program, []

    def stopped(*given: object, **named: object) -> Solution:
        calls.append(1)
        solution = solve(*given, **named)
        return replace(solution, status=Status.INTERRUPTED) if len(calls) == 4 else solution

    monkeypatch.setattr(highs, "solve_program", stopped)
    with pytest.raises(FormulaInterrupted):
        mo.formula(independent(4), prove=False)
    assert len(calls) == 4


def test_programs_that_are_too_large_are_refused_before_they_are_built() -> None:
    with pytest.raises(LimitError, match="rows; formulas are for at most"):
        mo.formula(independent(14))


def test_the_result_does_not_depend_on_where_the_walk_begins() -> None:
    whole = mo.formula(independent(3), prove=False)
    for start, stop in (("1/7", "5/9"), ("1/2", "1"), ("1/3", "19/50")):
        part = mo.formula(independent(3, interval=f'["{start}", "{stop}"]'), prove=False)
        inside = [p for p in whole.pieces if p.stop > Fraction(start) and p.start < Fraction(stop)]
        assert [p.function for p in part.pieces] == [p.function for p in inside]
        assert part.pieces[0].start == Fraction(start) and part.pieces[-1].stop == Fraction(stop)


def test_a_change_of_the_parameter_changes_the_ends_alike() -> None:
    """p = 1 - r: pieces come in reverse, each function composed with 1 - r."""
    whole = mo.formula(independent(3), prove=False)
    mirrored = mo.formula(independent(3, probabilities='["r", "1 - r"]', name="r"), prove=False)
    assert len(whole.pieces) == len(mirrored.pieces)
    for piece, image in zip(whole.pieces, mirrored.pieces[::-1], strict=True):
        assert float(piece.start) + float(image.stop) == pytest.approx(1)
        point = between(piece.start, piece.stop, Fraction(2, 5))
        assert piece.value(point) == image.value(1 - point)


def test_unbounded_optima_are_refused() -> None:
    with pytest.raises(NoOptimumError, match="unbounded where"):
        mo.formula(battaglini(2), ir="none")


def test_points_are_simple_and_inside() -> None:
    assert simplest_between(Fraction(2, 7), Fraction(3, 7)) == Fraction(1, 3)
    assert simplest_between(Fraction(-1, 2), Fraction(1, 2)) == 0
    ends = AlgebraicNumber.rational(Fraction(1, 3)), AlgebraicNumber.rational(Fraction(17, 50))
    points = [point_between(*ends, attempt) for attempt in range(40)]
    assert all(ends[0] < p and not ends[1] < AlgebraicNumber.rational(p) for p in points)
    assert len(set(points)) > 30


def test_a_curve_is_drawn_with_its_ends() -> None:
    formula = mo.formula(independent(2), prove=False)
    axes = formula.plot()
    assert axes.get_xlabel() == "p"
    drawn = np.concatenate([line.get_xydata() for line in axes.lines])
    for x, y in drawn:
        assert y == pytest.approx(formula.value(float(x)))
    ends = {round(float(x), 9) for line in axes.lines[1::2] for x in line.get_xdata()}
    assert ends == {round(float(e), 9) for piece in formula.pieces for e in (piece.start, piece.stop)}


def test_certificates_hold_where_denominators_are_long() -> None:
    """Common denominators of rows between 2**63 and 2**64, beside short ones, stay integers."""
    point = Fraction(2**62 + 1, 2**63 + 29)
    formula = formula_of(CASES["battaglini-cost"], prove=False)
    assert formula.value(point) == mo.formats.certify(formula.model.at(point), formula.ic, formula.ir).value
